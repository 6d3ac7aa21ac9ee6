"""Encodes requests and responses, and only their harmless parts."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.db.models import Model
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase, ResponseHeaders
from django.urls import ResolverMatch, resolve
from django.utils.functional import LazyObject, empty
from django.utils.translation import get_language_from_path, override

from publisher.encoders.hiding import Hidden
from publisher.encoders.models import key_action, rule_of
from publisher.encoders.objects import encode_named
from publisher.redaction import STARS, is_secret, is_secret_text
from publisher.secret_names import BEARERS
from publisher.wire.codec import Encoding, decodes, encodes
from publisher.wire.sent import SentResponse

HEADERS = ("Accept-Language", "Content-Type", "Host", "User-Agent", "X-Request-ID")
# Names in URL patterns for parts of a path that are one-time keys, as in the links of mails.
SECRET_PARTS = BEARERS | {"uidb36", "uidb64"}
# Types whose text is what stands in the path.
WRITTEN = (str, int, UUID)
# A part of a path that may be a key: it has a digit, and at least six characters.
LIKE_A_KEY = re.compile(r"(?<![^/])(?=[^/]*[0-9])[^/]{6,}")


@encodes(HttpRequest)
def encode_request(encoding: Encoding, request: HttpRequest, path: str) -> Any:
    """Method, path, harmless headers, the client's address and the user's id."""
    user = _known_user_id(encoding, request.__dict__.get("user"))
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
        headers=_harmless_headers(request.headers),
        client=request.META.get("REMOTE_ADDR"),
        user=user,
    )


@encodes(HttpHeaders, ResponseHeaders)
def encode_headers(encoding: Encoding, headers: Mapping[str, str], path: str) -> Any:
    """The HEADERS of a request or a response. Others are left out: a referer, for example, may contain a token."""
    return encode_named(encoding, _harmless_headers(headers), path)


def _harmless_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS if name in headers}


@encodes("rest_framework.request.Request")
def encode_drf_request(encoding: Encoding, request: Any, path: str) -> Any:
    """Django's request inside, which has the user if REST framework has authenticated it already."""
    return encode_request(encoding, request._request, path)


def encode_environ(encoding: Encoding, environ: Mapping[str, Any], path: str) -> Any:
    """A WSGI environ, which `request_started` is sent with, or a request's `META`.

    Other keys are left out, since an environ may contain all environment variables of the process.
    """
    named = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in HEADERS}
    named["Content-Type"] = environ.get("CONTENT_TYPE")
    prefix, inside = (_text(environ.get(name, "")) for name in ("SCRIPT_NAME", "PATH_INFO"))
    return _encoded(
        encoding,
        path,
        method=environ.get("REQUEST_METHOD"),
        url_path=harmless(f"{prefix.rstrip('/')}{inside}", prefix=prefix),
        headers={name: value for name, value in named.items() if value},
        client=environ.get("REMOTE_ADDR"),
    )


def encode_scope(encoding: Encoding, scope: Mapping[str, Any], path: str) -> Any:
    """An ASGI scope, in the form of a request."""
    given = {name.lower(): value for name, value in scope.get("headers") or ()}
    named = {name: given.get(name.lower().encode()) for name in HEADERS}
    client = scope.get("client")
    return _encoded(
        encoding,
        path,
        method=scope.get("method"),
        url_path=harmless(scope.get("path", ""), prefix=get_script_prefix(scope)),
        headers={name: value.decode("latin-1") for name, value in named.items() if value},
        client=client[0] if client else None,
    )


@encodes(dict)
def encode_dict(encoding: Encoding, value: Mapping[Any, Any], path: str) -> Any:
    # Only the last of these is in the META of an ASGIRequest.
    if "wsgi.version" in value or "wsgi.input" in value or "wsgi.multithread" in value:
        return encode_environ(encoding, value, path)
    if "asgi" in value and isinstance(value.get("headers"), list | tuple):
        return encode_scope(encoding, value, path)
    return encode_named(encoding, value, path)


@encodes(HttpResponseBase)
def encode_response(encoding: Encoding, response: Any, path: str) -> Any:
    """Status and content type. A location may contain a token, and cookies do."""
    plain = {"status": response.status_code, "content_type": response.headers.get("Content-Type", "")}
    return encoding.tag(path, "response", plain)


@decodes("response")
def decode_response(plain: dict[str, Any], argument: str) -> SentResponse:
    return SentResponse(status=plain.get("status"), content_type=plain.get("content_type", ""))


def _text(value: str) -> str:
    """Text of a WSGI environ, which has bytes decoded as Latin-1; or text that Django has put there."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def harmless(url_path: str, *, prefix: str = "", urlconf: Any = None, match: ResolverMatch | None = None) -> str:
    """The path, with `***` for the parts that are secrets by the names that the URL pattern has for them.

    If no pattern matches, `***` stands for everything that may be a key. `prefix` is SCRIPT_NAME, the path of the site.
    """
    inside = url_path.removeprefix(prefix.rstrip("/"))
    match = match or _resolved(inside, urlconf)
    shown = LIKE_A_KEY.sub(STARS, inside) if match is None else _without_keys(inside, match)
    return url_path.removesuffix(inside) + shown


def _resolved(inside: str, urlconf: Any) -> ResolverMatch | None:
    """The URL pattern that the path matches, as it is or with a slash at the end."""
    # Patterns may depend on the language. When a request starts, that of the request before may still be active.
    with override(get_language_from_path(inside) or settings.LANGUAGE_CODE):
        for path in (inside,) if inside.endswith("/") else (inside, f"{inside}/"):
            try:
                return resolve(path, urlconf)
            except Exception:
                # Resolver404, or whatever a converter of the project raises.
                continue
    return None


def _without_keys(inside: str, match: ResolverMatch) -> str:
    # Not `match.kwargs`, which has the pattern's extra arguments too. The stubs do not know `captured_kwargs`.
    named: dict[str, Any] = match.captured_kwargs or {}  # type: ignore[attr-defined]
    keys = [value for name, value in named.items() if value not in (None, "") and _is_key(name, value)]
    if match.args or not all(isinstance(key, WRITTEN) and str(key) in inside for key in keys):
        # Groups without names may be keys. Or a converter has changed a key, so it cannot be found in the path.
        return LIKE_A_KEY.sub(STARS, inside)
    # The longest first, since it may contain a shorter one.
    for key in sorted(map(str, keys), key=len, reverse=True):
        inside = inside.replace(key, STARS)
    return inside


def _is_key(name: str, value: object) -> bool:
    is_named_so = is_secret_text(name) if isinstance(value, str) else is_secret(name)
    return is_named_so or name in SECRET_PARTS


def _encoded(
    encoding: Encoding,
    path: str,
    *,
    method: str | None,
    url_path: str,
    headers: Mapping[str, str],
    client: str | None,
    user: Any = None,
) -> Any:
    plain = {"method": method, "path": url_path, "headers": headers, "client": client, "user": user}
    return encoding.tag(path, "request", encode_named(encoding, plain, path))


def _known_user_id(encoding: Encoding, user: Any) -> Any:
    # A lazy user that is not evaluated yet would need a query.
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped")
    key = None if user is empty else getattr(user, "pk", None)
    action = key_action(type(user), rule_of(encoding).redact) if isinstance(user, Model) else "keep"
    return key if action == "keep" else Hidden(action, key)
