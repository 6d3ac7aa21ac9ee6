"""The article's login view, beside the demo site's pages."""

from django.apps import apps
from django.urls import include, path

from tests.foo.views import ArticleLoginView, create_article, create_article_async

urlpatterns = [
    path("foo/login/", ArticleLoginView.as_view(), name="foo-login"),
    path("foo/articles/", create_article),
    path("foo/articles/async/", create_article_async),
    path("", include("project.urls")),
]
if apps.is_installed("tests.away"):
    urlpatterns.append(path("away/", include("tests.away.urls")))
