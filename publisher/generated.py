"""Columns that the database computes: before Django 6.0 an update leaves on its instance what they were before it.

From then on Django reads them back, or defers them where the database cannot return them.
https://docs.djangoproject.com/en/6.0/releases/6.0/#models
"""

from functools import cache

import django
from django.db.models import Model

ARE_READ_BACK = django.VERSION >= (6, 0)


@cache
def outdated_by_updates(model: type[Model]) -> tuple[str, ...]:
    """The names of those whose values are not true after an update."""
    return () if ARE_READ_BACK else tuple(field.name for field in model._meta.concrete_fields if field.generated)
