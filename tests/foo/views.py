"""Views that save and send signals: Django's login view wrapped, and plain ones."""

import os

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tests.foo.models import Article
from tests.foo.signals import article_flagged, user_login


class ArticleLoginView(LoginView):
    template_name = "login.html"

    def form_valid(self, form) -> HttpResponse:
        response = super().form_valid(form)
        user_login.send(sender=None, request=self.request, user=self.request.user)
        return response


@csrf_exempt
def create_article(request: HttpRequest) -> HttpResponse:
    """Says which process made it; with `?fail=1` it fails when the article is saved."""
    Article.objects.create(title=request.POST.get("title", ""))
    if "fail" in request.GET:
        raise RuntimeError("as asked")
    return HttpResponse(str(os.getpid()))


async def create_article_async(request: HttpRequest) -> HttpResponse:
    await Article(title="async").asave()
    await article_flagged.asend(sender=None, reason="async")
    return HttpResponse(str(os.getpid()))
