"""Settings of all processes of a run; what differs from one to the other comes from the environment."""

import os
from typing import Any

import dj_database_url

import tests.mysql_driver  # noqa: F401
from tests.chaos.names import EXCHANGE, SERVICE

SECRET_KEY = "chaos"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["publisher", "consumers", "tests.chaos"]
DATABASES: dict[str, Any] = {"default": {**dj_database_url.parse(os.environ["CHAOS_DATABASE_URL"])}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # As docs/reliability.md has it, for several processes that write.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }

SIGNAL_BRIDGE = {
    "BROKER_URL": os.environ["CHAOS_BROKER_URL"],
    "EXCHANGE": EXCHANGE,
    "SERVICE": SERVICE,
    "HANDLERS": ["tests.chaos.handlers"],
    "FORWARD": [
        {
            "signal": "django.db.models.signals.post_save",
            "senders": ["chaos.Entry"],
            "omit_fields": {"chaos.Entry": ["labels"]},
        },
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
