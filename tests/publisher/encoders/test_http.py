"""Requests of every kind: what is harmless of them, and nothing else."""

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import path, re_path, register_converter, resolve
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, override
from rest_framework.request import Request

from consumers.instances import SentRequest
from publisher.wire.sent import SentResponse
from tests.publisher.encoders.travel import event, sent, text_of, travelled

SECRET = "planted-secret"
HEADERS = {
    "Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": f"sessionid={SECRET}", "X-CSRFToken": SECRET,
    "User-Agent": "agent", "X-Request-ID": "7", "Accept-Language": "de", "Referer": f"https://x/?token={SECRET}",
    "X-Forwarded-For": "203.0.113.7",
}  # fmt: skip
PATH = f"/post/?token={SECRET}"


def wsgi():
    return RequestFactory().post(PATH, {"password": SECRET}, headers=HEADERS)


def asgi():
    return AsyncRequestFactory().post(PATH, {"password": SECRET}, headers=HEADERS)


def drf():
    return Request(wsgi())


def environ():
    return {**wsgi().environ, "SECRET_KEY": SECRET, "HTTP_COOKIE": SECRET}


def scope():
    return asgi().scope


def asgi_environ():
    return asgi().META


@pytest.mark.parametrize("make", [wsgi, asgi, drf, environ, asgi_environ, scope])
def test_request_is_its_method_path_harmless_headers_and_client(make):
    assert SECRET not in text_of(make())
    assert sent(make())[1] == {"": "request"}
    result = travelled({"deep": [make()]})["deep"][0]
    assert isinstance(result, SentRequest)
    assert (result.method, result.path, result.client, result.user) == ("POST", "/post/", "127.0.0.1", None)
    assert result.headers.items() >= {"User-Agent": "agent", "X-Request-ID": "7", "Accept-Language": "de"}.items()
    assert result.headers.keys() <= {"User-Agent", "X-Request-ID", "Accept-Language", "Content-Type", "Host"}


@pytest.mark.parametrize("make", [wsgi, asgi, drf])
def test_headers_of_a_request_are_those_that_the_request_leaves_with(make):
    headers = make().headers
    assert {"Referer", "X-Forwarded-For"} <= set(headers)
    assert SECRET not in text_of({"deep": [headers]})
    assert "203.0.113.7" not in text_of(headers)
    assert travelled(headers) == travelled(make()).headers


def test_headers_of_a_response_leave_without_its_location():
    response = HttpResponse(status=302, headers={"Location": f"/reset/?token={SECRET}"})
    assert travelled(response.headers) == {"Content-Type": "text/html; charset=utf-8"}


def test_requests_are_of_the_kinds_that_they_are_to_be():
    assert isinstance(asgi(), ASGIRequest)
    assert "asgi" in scope()


@pytest.mark.parametrize("make", [wsgi, asgi, drf])
def test_request_has_its_users_key_when_somebody_asked_who_it_is(make):
    request = make()
    inside = getattr(request, "_request", request)
    asked = []
    inside.user = SimpleLazyObject(lambda: asked.append(1) or User(pk=5))
    assert travelled(request).user is None
    assert not asked
    assert inside.user.pk == 5
    assert travelled(request).user == 5
    inside.user = AnonymousUser()
    assert travelled(request).user is None


def test_rest_frameworks_user_counts_when_it_was_authenticated():
    request = drf()
    request.user = User(pk=6)
    assert travelled(request).user == 6


GETS = {
    "wsgi": lambda url, prefix="": RequestFactory(SCRIPT_NAME=prefix).get(url),
    "asgi": lambda url, prefix="": AsyncRequestFactory(root_path=prefix).get(f"{prefix}{url}"),
    "environ": lambda url, prefix="": RequestFactory(SCRIPT_NAME=prefix).get(url).environ,
    "scope": lambda url, prefix="": AsyncRequestFactory(root_path=prefix).get(f"{prefix}{url}").scope,
}  # fmt: skip


@pytest.fixture(params=GETS)
def get(request, settings):
    settings.ROOT_URLCONF = __name__
    return GETS[request.param]


def test_one_time_key_in_a_path_stays_here(get):
    for secret in (SECRET, "MQ:1abc-def"):
        for url in (f"/reset/MTI/{secret}/", f"/confirm/{secret}/", f"/api/{secret}/list"):
            assert secret not in text_of(get(url))
            assert "***" in travelled(get(url)).path


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("/reset/MQ/sown-a", "/reset/***/***"),
        ("/invited/9b2d6a3e-1111-4222-8333-944455556666/slug-2026/", "/invited/***/slug-2026/"),
        ("/sms/71234/", "/sms/***/"),
        ("/sms/71234", "/sms/***"),
        ("/reset/MQ/sown-MQ/", "/reset/***/***/"),
        ("/signed/a1b2c3d4/", "/signed/***/"),
        ("/de/verify/sown-a/", "/de/verify/***/"),
        ("/de/verify/sown-a", "/de/verify/***"),
        ("/gone/MQ/sown-12/", "/gone/MQ/***/"),
        ("/gone/2026/Ünter-1", "/gone/2026/***"),
        ("/visit/sown-a/", "/visit/***/"),
        ("/training/7/", "/training/7/"),
        ("/article/7/slug-2026/", "/article/7/slug-2026/"),
        ("/article/7/slug-2026", "/article/7/slug-2026"),
        ("/gone/articles/2026/7", "/gone/articles/2026/7"),
        ("/fixed-2026/", "/fixed-2026/"),
        ("/unnamed/7/sown-12ab/", "/unnamed/7/***/"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/site-2026"])
def test_path_is_shown_without_one_time_keys(get, prefix, url, left):
    with override("fr"):
        assert travelled(get(url, prefix)).path == f"{prefix}{left}"
        assert get_language() == "fr"


@pytest.mark.parametrize("path", ["/ünter/", "/日本/"])
def test_path_is_text_whether_django_has_read_it_or_not(path):
    for info in (path, path.encode().decode("latin-1")):
        assert travelled({**environ(), "PATH_INFO": info}).path == path


def test_path_is_looked_up_below_the_name_that_the_settings_force(get, settings):
    settings.FORCE_SCRIPT_NAME = "/site-2026/"
    assert travelled(get("/confirm/sown/", "/site-2026")).path == "/site-2026/confirm/***/"


def test_path_is_looked_up_where_the_request_says():
    request = RequestFactory().get("/confirm/sown/")
    assert travelled(request).path == "/confirm/sown/"
    request.urlconf = __name__
    assert travelled(request).path == "/confirm/***/"


def test_path_is_known_by_its_own_match_when_the_request_was_resolved(settings):
    request = RequestFactory().get(f"/confirm/{SECRET}/")
    request.resolver_match = resolve(f"/confirm/{SECRET}/", __name__)
    assert travelled(request).path == "/confirm/***/"


def test_headers_and_sessions_are_without_secrets():
    request = wsgi()
    request.session = SessionStore(session_key=SECRET)
    text = text_of([request.headers, request.session, request.META["HTTP_COOKIE"] and {"cookie": request.COOKIES}])
    assert SECRET not in text.replace(HEADERS["Referer"], "")


@pytest.mark.parametrize(
    ("response", "status", "content_type"),
    [
        (HttpResponse(SECRET, status=201), 201, "text/html; charset=utf-8"),
        (JsonResponse({"token": SECRET}), 200, "application/json"),
        (StreamingHttpResponse([SECRET.encode()], content_type="text/csv"), 200, "text/csv"),
    ],
    ids=["plain", "json", "streaming"],
)
def test_response_is_its_status_and_content_type(response, status, content_type):
    response.set_cookie("sessionid", SECRET)
    response["Location"] = f"/?token={SECRET}"
    assert travelled(response) == SentResponse(status=status, content_type=content_type)
    assert SECRET not in text_of(response)


def test_request_is_redacted_by_name():
    result = travelled(wsgi(), redact=(("client", "mask"), ("user-agent", "drop")))
    assert result.client == "1***"
    assert "User-Agent" not in result.headers
    assert event(request=wsgi()).kwargs["request"].client == "127.0.0.1"


def view(request, **kwargs):
    return HttpResponse()


class Signed:
    """What its `to_python` makes of a key does not stand in the path."""

    regex = "[a-z0-9]+"

    def to_python(self, value):
        return {"signed": value}

    def to_url(self, value):
        return value["signed"]


class Demanding(Signed):
    def to_python(self, value):
        raise LookupError(value)


register_converter(Signed, "signed")
register_converter(Demanding, "demanding")
urlpatterns = [
    path("gone/<demanding:token>/<rest>/", view),
    path("invited/<uuid:token>/<slug:slug>/", view),
    path("sms/<int:code>/", view),
    path("signed/<signed:token>/", view),
    path("fixed-2026/", view, {"token": "of all"}),
    *i18n_patterns(path("verify/<token>/", view)),
    path("reset/<uidb64>/<token>/", view),
    path("confirm/<str:key>/", view),
    path("api/<str:api_key>/list", view),
    path("visit/<sid>/", view),
    path("training/<int:session>/", view),
    path("article/<int:id>/<slug:slug>/", view),
    re_path(r"^unnamed/([0-9]+)/([0-9a-z-]+)/$", view),
]
