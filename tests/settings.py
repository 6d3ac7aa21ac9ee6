"""Settings of the tests: two small apps, foo that sends signals and bar that handles them."""

import json
import os

import dj_database_url

import tests.mysql_driver  # noqa: F401
from tests.planting import MASTODON_TOKEN as MASTODON_TOKEN
from tests.planting import WORD

SECRET_KEY = f"{WORD}-secret-key"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["tests.sowing.Hasher"]
SESSION_ENGINE = "tests.sowing"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "publisher",
    "consumers",
    "tests.foo",
    "tests.bar",
    "tests.kinds",
    "project.blog",
    "project.timeline",
    "project.demo",
    *(name for name in os.environ.get("TEST_APPS", "").split(",") if name),
]
# The app would look for hstore on the wrong connection of those that tests open beside Django's.
SILENCED_SYSTEM_CHECKS = ["postgres.E005"]
MIDDLEWARE = [
    "tests.sowing.middleware",
    "publisher.tracing.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.blog.context.console",
            ],
        },
    },
]
STATIC_URL = "static/"

DATABASES = {
    "default": dj_database_url.parse(os.environ.get("TEST_DATABASE_URL", "sqlite://:memory:")),
    "other": dj_database_url.parse("sqlite://:memory:"),
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "posts"
LOGOUT_REDIRECT_URL = "posts"
MASTODON_URL = os.environ.get("MASTODON_URL", "http://127.0.0.1:9")
TIMELINE_BUSY_FOR = []
SIGNAL_BRIDGE_CONSOLE_URL = "http://localhost:15672/"

SIGNAL_BRIDGE = {
    "BROKER_URL": os.environ.get("BROKER_URL", "amqp://guest:guest@127.0.0.1:9/%2F"),
    "EXCHANGE": os.environ.get("TEST_EXCHANGE", "tests"),
    "SERVICE": os.environ.get("TEST_SERVICE", "tests"),
    "HANDLERS": [name for name in os.environ.get("TEST_HANDLERS", "").split(",") if name],
    "OFFLOAD": json.loads(os.environ.get("TEST_OFFLOAD_ENTRIES", "[]"))
    or [entry for entry in os.environ.get("TEST_OFFLOAD", "").split(",") if entry],
    "SHARDS": int(os.environ.get("TEST_SHARDS", "1")),
    "UNROUTABLE": os.environ.get("TEST_UNROUTABLE_HERE"),
    **({"MAX_HOPS": int(os.environ["TEST_MAX_HOPS"])} if "TEST_MAX_HOPS" in os.environ else {}),
    "FORWARD": [
        *json.loads(os.environ.get("TEST_FORWARD", "[]")),
        {
            "signal": "django.db.models.signals.post_save",
            "senders": ["foo.*"],
            "exclude": ["foo.Draft"],
            **({"unroutable": os.environ["TEST_UNROUTABLE"]} if "TEST_UNROUTABLE" in os.environ else {}),
        },
        {"signal": "django.db.models.signals.post_delete", "senders": ["foo.*"]},
        {"signal": "django.db.models.signals.m2m_changed", "senders": ["foo.*"]},
        {"signal": "tests.foo.signals.*", "omit_fields": {"auth.User": ["email", "first_name", "last_name"]}},
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # All that they could log is listened to, for secrets.
    "loggers": {"publisher": {"level": "DEBUG"}, "consumers": {"level": "DEBUG"}},
}
