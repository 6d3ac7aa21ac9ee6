"""A page that saves, and one that sends a signal of the app's own."""

import os

from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.away.signals import order_placed, order_shipped
from tests.foo.models import Article


@csrf_exempt
def save(request):
    article = Article.objects.create(title=request.GET.get("title", "x"))
    return JsonResponse({"pk": article.pk, "pid": os.getpid()})


def place(request, order):
    order_placed.send(sender=None, order=order)
    return HttpResponse(order)


def ship(request, order):
    order_shipped.send(sender=None, order=order, request=request)
    return HttpResponse(order)


urlpatterns = [path("save/", save), path("place/<order>/", place), path("ship/<order>/", ship)]
