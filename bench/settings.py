"""Django's settings in the processes that measure; `servers.py` says where they find what."""

import os
from typing import Any

import dj_database_url

SECRET_KEY = "bench"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "publisher", "consumers", "bench"]


def sqlite(url: str, synchronous: str) -> dict[str, Any]:
    """As Django's documentation has it for production; NORMAL may lose the last commits when the power fails."""
    pragmas = f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}"
    options = {"init_command": pragmas, "transaction_mode": "IMMEDIATE", "timeout": 20}
    return {**dj_database_url.parse(url), "OPTIONS": options}


DATABASES = {
    "default": dj_database_url.parse(os.environ["BENCH_POSTGRES_URL"], conn_max_age=600),
    "sqlite": sqlite(os.environ["BENCH_SQLITE_URL"], "FULL"),
    "sqlite_normal": sqlite(f"{os.environ['BENCH_SQLITE_URL']}-normal", "NORMAL"),
}

SIGNAL_BRIDGE = {
    "BROKER_URL": os.environ["BENCH_BROKER_URL"],
    "EXCHANGE": os.environ["BENCH_EXCHANGE"],
    "SERVICE": "bench",
    "FORWARD": [
        {"signal": "django.db.models.signals.post_save", "senders": ["bench.ForwardedOrder"]},
        {"signal": "bench.signals.order_will_be_placed", "delivery": "ask", "timeout": 5},
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
