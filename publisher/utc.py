"""The database's own clock, as Django reads it."""

from typing import Any

from django.conf import settings
from django.db.models.functions import Now


class UtcNow(Now):
    """`Now()` that is in UTC on MySQL and MariaDB too, where `NOW()` is in the session's time zone."""

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "UTC_TIMESTAMP(6)" if settings.USE_TZ else "CURRENT_TIMESTAMP(6)"
        return self.as_sql(compiler, connection, template=template, **extra)
