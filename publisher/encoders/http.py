"""Requests, whatever serves them, and responses: what is harmless of them, and nothing else."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, resolve
from django.utils.functional import LazyObject, empty
from django.utils.translation import get_language_from_path, override

from publisher.encoders.objects import encode_named
from publisher.redaction import STARS, is_secret
from publisher.secret_names import BEARERS
from publisher.wire.codec import Encoding, decodes, encodes
from publisher.wire.sent import SentResponse

HEADERS = ("Accept-Language", "Content-Type", "Host", "User-Agent", "X-Request-ID")
# Of a URL's parts: where they are called so, they are one-time keys, as those in mails are.
SECRET_PARTS = BEARERS | {"uidb36", "uidb64"}
# Whose text is what stands in the path.
WRITTEN = (str, int, UUID)
# What may well be a key: a part of the path that has a digit, and is not short.
LIKE_A_KEY = re.compile(r"(?<![^/])(?=[^/]*[0-9])[^/]{6,}")


@encodes(HttpRequest)
def encode_request(encoding: Encoding, request: HttpRequest, path: str) -> Any:
    """Method, path, harmless headers, the client's address and the user's id; nothing else leaves."""
    user = _known_user_id(request.__dict__.get("user"))
    return _encoded(
        encoding,
        path,
        method=request.method,
        url_path=harmless(
            request.path,
            prefix=request.META.get("SCRIPT_NAME", ""),
            urlconf=getattr(request, "urlconf", None),
            match=request.resolver_match,
        ),
        headers=((name, request.headers[name]) for name in HEADERS if name in request.headers),
        client=request.META.get("REMOTE_ADDR"),
        user=user,
    )


@encodes("rest_framework.request.Request")
def encode_drf_request(encoding: Encoding, request: Any, path: str) -> Any:
    """The request inside, which has the user that REST framework found, if it was asked to already."""
    return encode_request(encoding, request._request, path)


def encode_environ(encoding: Encoding, environ: Mapping[str, Any], path: str) -> Any:
    """WSGI's, which `request_started` has, and which may hold the whole environment of the process."""
    named = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in HEADERS}
    named["Content-Type"] = environ.get("CONTENT_TYPE")
    prefix, inside = (_text(environ.get(name, "")) for name in ("SCRIPT_NAME", "PATH_INFO"))
    return _encoded(
        encoding,
        path,
        method=environ.get("REQUEST_METHOD"),
        url_path=harmless(f"{prefix.rstrip('/')}{inside}", prefix=prefix),
        headers=((name, value) for name, value in named.items() if value),
        client=environ.get("REMOTE_ADDR"),
    )


def encode_scope(encoding: Encoding, scope: Mapping[str, Any], path: str) -> Any:
    """ASGI's."""
    given = {name.lower(): value for name, value in scope.get("headers") or ()}
    named = {name: given.get(name.lower().encode()) for name in HEADERS}
    client = scope.get("client")
    return _encoded(
        encoding,
        path,
        method=scope.get("method"),
        url_path=harmless(scope.get("path", ""), prefix=get_script_prefix(scope)),
        headers=((name, value.decode("latin-1")) for name, value in named.items() if value),
        client=client[0] if client else None,
    )


@encodes(dict)
def encode_dict(encoding: Encoding, value: Mapping[Any, Any], path: str) -> Any:
    if "wsgi.version" in value or "wsgi.input" in value:
        return encode_environ(encoding, value, path)
    if "asgi" in value and "headers" in value:
        return encode_scope(encoding, value, path)
    return encode_named(encoding, value, path)


@encodes(HttpResponseBase)
def encode_response(encoding: Encoding, response: Any, path: str) -> Any:
    """Status and content type: a location may hold a token, and cookies do."""
    plain = {"status": response.status_code, "content_type": response.headers.get("Content-Type", "")}
    return encoding.tag(path, "response", plain)


@decodes("response")
def decode_response(plain: dict[str, Any], argument: str) -> SentResponse:
    return SentResponse(status=plain.get("status"), content_type=plain.get("content_type", ""))


def _text(value: str) -> str:
    """WSGI has bytes as if they were Latin-1. Django puts the text that they are into the same dict."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def harmless(url_path: str, *, prefix: str = "", urlconf: Any = None, match: ResolverMatch | None = None) -> str:
    """The path, without the parts of it that are secrets by the names that the URL pattern gives them.

    Of a path that no pattern takes nothing is known: then without all that may be a key. `prefix` is where the site is.
    """
    inside = url_path.removeprefix(prefix.rstrip("/"))
    match = match or _resolved(inside, urlconf)
    shown = LIKE_A_KEY.sub(STARS, inside) if match is None else _without_keys(inside, match)
    return url_path.removesuffix(inside) + shown


def _resolved(inside: str, urlconf: Any) -> ResolverMatch | None:
    """What the path leads to, or would with the slash that somebody forgot."""
    # When a request begins, the language is that of the one before: the middleware has not looked at this path yet.
    with override(get_language_from_path(inside) or settings.LANGUAGE_CODE):
        for path in (inside,) if inside.endswith("/") else (inside, f"{inside}/"):
            try:
                return resolve(path, urlconf)
            except Exception:
                # Resolver404, or whatever a converter of the project makes of a path that is none.
                continue
    return None


def _without_keys(inside: str, match: ResolverMatch) -> str:
    # The stubs do not know it; `kwargs` also has what the pattern gives to every request.
    named: dict[str, Any] = match.captured_kwargs or {}  # type: ignore[attr-defined]
    keys = [value for name, value in named.items() if value not in (None, "") and _is_key(name)]
    if not all(isinstance(key, WRITTEN) and str(key) in inside for key in keys):
        # A converter has made something of the key that does not stand there.
        return LIKE_A_KEY.sub(STARS, inside)
    # The longest first: a short one may be a part of it.
    for key in sorted(map(str, keys), key=len, reverse=True):
        inside = inside.replace(key, STARS)
    return inside


def _is_key(name: str) -> bool:
    return is_secret(name) or name in SECRET_PARTS


def _encoded(
    encoding: Encoding,
    path: str,
    *,
    method: str | None,
    url_path: str,
    headers: Iterable[tuple[str, str]],
    client: str | None,
    user: Any = None,
) -> Any:
    plain = {"method": method, "path": url_path, "headers": dict(headers), "client": client, "user": user}
    return encoding.tag(path, "request", encode_named(encoding, plain, path))


def _known_user_id(user: Any) -> Any:
    # A lazy user that nobody has looked at would cost a query.
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped")
    return None if user is empty else getattr(user, "pk", None)
