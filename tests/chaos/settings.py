"""Settings of all processes of a run; what differs from one to the other comes from the environment."""

import os

import dj_database_url

from tests.chaos.names import EXCHANGE, SERVICE

SECRET_KEY = "chaos"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["publisher", "consumers", "tests.chaos"]
DATABASES = {"default": dj_database_url.parse(os.environ["CHAOS_DATABASE_URL"])}

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
