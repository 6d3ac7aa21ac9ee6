"""The apps' views, one that says nothing, and one that fails."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def quiet(request: HttpRequest) -> HttpResponse:
    return HttpResponse("quiet")


def failing(request: HttpRequest) -> HttpResponse:
    raise ValueError("password=sown-in-an-exception")


urlpatterns = [
    path("quiet/", quiet),
    path("failing/", failing),
    path("comments/", include("django_comments.urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("project.urls")),
]
