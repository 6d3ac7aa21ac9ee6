"""The demo site's settings; the only module that reads the environment."""

import os
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def _words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def _secret_key(debug: bool) -> str:
    key = os.environ.get("SECRET_KEY", "")
    if not key and not debug:
        raise ImproperlyConfigured("Set SECRET_KEY in the environment, or DEBUG=1 on your own machine.")
    return key or "only-for-a-demo-on-your-own-machine-" + "0" * 20


def _database(url: str) -> dict[str, Any]:
    database: dict[str, Any] = {**dj_database_url.parse(url)}
    if database["ENGINE"] == "django.db.backends.sqlite3":
        # Three processes write: WAL lets them read meanwhile, and IMMEDIATE makes a writer wait for its turn
        # instead of failing when it upgrades a read lock.
        database["OPTIONS"] = {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        }
    return database


DEBUG = _flag("DEBUG", True)
SECRET_KEY = _secret_key(DEBUG)
ALLOWED_HOSTS = _words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    # Before staticfiles, so that `runserver` leaves static files to WhiteNoise as production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "publisher",
    "consumers",
    "project.blog",
    "project.timeline",
    "project.demo",
]

MIDDLEWARE = [
    "publisher.tracing.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
ASGI_APPLICATION = "project.asgi.application"

DATABASES = {"default": _database(os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "posts"
LOGOUT_REDIRECT_URL = "posts"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True

# The Mastodon-compatible server that consumers.examples.update_status writes to; the site serves a stand-in.
MASTODON_URL = os.environ.get("MASTODON_URL", "http://127.0.0.1:8000")
MASTODON_TOKEN = os.environ.get("MASTODON_TOKEN", "demo-token" if DEBUG else "")
# The stand-in answers 503, once, to a status with one of these names in it.
TIMELINE_BUSY_FOR = _words("TIMELINE_BUSY_FOR")

SIGNAL_BRIDGE_CONSOLE_URL = os.environ.get("SIGNAL_BRIDGE_CONSOLE_URL", "http://localhost:15672/")

SIGNAL_BRIDGE = {
    "BROKER_URL": os.environ.get("BROKER_URL", "amqp://guest:guest@localhost:5672/%2F"),
    # Two copies of the site can share a broker under different names.
    "EXCHANGE": os.environ.get("SIGNAL_BRIDGE_EXCHANGE", "signals"),
    "SERVICE": os.environ.get("SIGNAL_BRIDGE_SERVICE", "blog"),
    # Where this process reaches what a browser reaches as the console.
    "MANAGEMENT_URL": os.environ.get("MANAGEMENT_URL") or os.environ.get("SIGNAL_BRIDGE_CONSOLE_URL"),
    "FORWARD": [
        # What update_status has to know of a user, and no more.
        {"signal": "django.contrib.auth.signals.*", "fields": {"auth.User": ["id", "username"]}},
        {"signal": "django.db.models.signals.post_save", "senders": ["blog.*"]},
        {"signal": "django.db.models.signals.post_delete", "senders": ["blog.*"]},
        {"signal": "project.blog.signals.comment_flagged", "routing_key": "moderation.{kwargs[reason]}"},
        {"signal": "project.blog.signals.comment_will_be_posted", "delivery": "ask", "timeout": 2},
    ],
    "HANDLERS": [
        "consumers.examples.spam_check",
        "consumers.examples.update_status",
        "consumers.examples.audit_log",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "pika": {"level": "CRITICAL"},
    },
}
