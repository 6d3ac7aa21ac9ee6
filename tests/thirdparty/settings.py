"""The tests' settings with the apps, and with everything forwarded."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, SIGNAL_BRIDGE

INSTALLED_APPS = [
    # Whose handlers would have queues of their own.
    *(app for app in INSTALLED_APPS if app != "tests.bar"),
    "django.contrib.sites",
    "django_comments",
    "allauth",
    "allauth.account",
    "simple_history",
    "tests.thirdparty",
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ROOT_URLCONF = "tests.thirdparty.urls"
SITE_ID = 1
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_EMAIL_CONFIRMATION_HMAC = False
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = False
ACCOUNT_RATE_LIMITS = False
LOGIN_REDIRECT_URL = "/quiet/"

SIGNAL_BRIDGE = {
    **SIGNAL_BRIDGE,
    "HANDLERS": ["tests.thirdparty.handlers"],
    "FORWARD": [
        # Everything, and what has to be named outright.
        {"signal": "django.db.models.signals.post_init", "senders": ["thirdparty.poll"]},
        "*",
    ],
}
# All of a user leaves here, and the demo's signal is only told of, not asked.
SILENCED_SYSTEM_CHECKS = ["postgres.E005", "publisher.W001", "consumers.W001"]
