"""Requests, whatever serves them, and responses: what is harmless of them, and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.functional import LazyObject, empty

from publisher.encoders.objects import encode_named
from publisher.redaction import STARS, is_secret
from publisher.secret_names import BEARERS
from publisher.wire.codec import Encoding, decodes, encodes
from publisher.wire.sent import SentResponse

HEADERS = ("Accept-Language", "Content-Type", "Host", "User-Agent", "X-Request-ID")
# Of a URL's parts: where they are called so, they are one-time keys, as those in mails are.
SECRET_PARTS = BEARERS | {"uidb36", "uidb64"}


@encodes(HttpRequest)
def encode_request(encoding: Encoding, request: HttpRequest, path: str) -> Any:
    """Method, path, harmless headers, the client's address and the user's id; nothing else leaves."""
    user = _known_user_id(request.__dict__.get("user"))
    return _encoded(
        encoding,
        path,
        method=request.method,
        url_path=harmless(request.path, request.resolver_match),
        headers=((name, request.headers[name]) for name in HEADERS if name in request.headers),
        client=request.META.get("REMOTE_ADDR"),
        user=user,
    )


@encodes("rest_framework.request.Request")
def encode_drf_request(encoding: Encoding, request: Any, path: str) -> Any:
    """The request inside, with the user that REST framework found, if it was asked to already."""
    inside = request._request
    user = request.__dict__.get("_user")
    if user is not None and "user" not in inside.__dict__:
        inside.user = user
    return encode_request(encoding, inside, path)


def encode_environ(encoding: Encoding, environ: Mapping[str, Any], path: str) -> Any:
    """WSGI's, which `request_started` has, and which may hold the whole environment of the process."""
    named = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}") for name in HEADERS}
    named["Content-Type"] = environ.get("CONTENT_TYPE")
    return _encoded(
        encoding,
        path,
        method=environ.get("REQUEST_METHOD"),
        url_path=harmless(f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"),
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
        url_path=harmless(scope.get("path", "")),
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


def harmless(url_path: str, match: ResolverMatch | None = None) -> str:
    """The path, without the parts of it that are secrets by the names that the URL pattern gives them."""
    if match is None:
        try:
            match = resolve(url_path)
        except (Resolver404, UnicodeError):
            return url_path
    for name, value in match.kwargs.items():
        if isinstance(value, str) and value and (is_secret(name) or name in SECRET_PARTS):
            url_path = url_path.replace(value, STARS)
    return url_path


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
