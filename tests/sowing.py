"""Plants the word where Django makes a secret up, in each process that runs on the tests' settings."""

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.backends import db
from django.http import HttpRequest
from django.middleware import csrf
from django.utils.crypto import get_random_string
from django.utils.decorators import sync_and_async_middleware

from tests.planting import API_KEY, AUTHORIZATION, COOKIE, WORD

KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Hasher(MD5PasswordHasher):
    """For PASSWORD_HASHERS; the salt is a part of the hash that is saved."""

    def salt(self):
        return WORD + super().salt()


class SessionStore(db.SessionStore):
    """For SESSION_ENGINE: keys and data."""

    def _get_new_session_key(self):
        return WORD + get_random_string(32 - len(WORD), KEY_CHARACTERS)

    async def _aget_new_session_key(self):
        return self._get_new_session_key()

    def encode(self, session_dict):
        return WORD + super().encode(session_dict)

    def decode(self, session_data):
        return super().decode(session_data.removeprefix(WORD))


def _csrf_string():
    return WORD + get_random_string(csrf.CSRF_SECRET_LENGTH - len(WORD), csrf.CSRF_ALLOWED_CHARS)


# Django has no setting for it. A token in a form is a mask, which is made of this too, and what it masks.
csrf._get_new_csrf_string = _csrf_string


@sync_and_async_middleware
def middleware(get_response):
    """For MIDDLEWARE, at its top: no request is without secrets."""
    if iscoroutinefunction(get_response):

        async def sown_later(request):
            return await get_response(_sown(request))

        return sown_later

    return lambda request: get_response(_sown(request))


def _sown(request: HttpRequest) -> HttpRequest:
    request.META.setdefault("HTTP_AUTHORIZATION", AUTHORIZATION)
    request.META.setdefault("HTTP_X_API_KEY", API_KEY)
    own = request.META.get("HTTP_COOKIE")
    request.META["HTTP_COOKIE"] = f"{own}; {COOKIE}" if own else COOKIE
    return request
