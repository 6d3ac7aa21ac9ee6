"""The demo site's settings, with secrets that are listened for."""

from project.settings import *  # noqa: F403
from project.settings import MIDDLEWARE
from tests.planting import MASTODON_TOKEN as MASTODON_TOKEN
from tests.planting import WORD

SECRET_KEY = f"{WORD}-secret-key"
PASSWORD_HASHERS = ["tests.sowing.Hasher"]
SESSION_ENGINE = "tests.sowing"
MIDDLEWARE = ["tests.sowing.middleware", *MIDDLEWARE]
