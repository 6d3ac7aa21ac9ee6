"""Serves pages as a WSGI server would, in the process that measures: from the environ to the last byte."""

import gc
import time
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.test import RequestFactory, override_settings
from django.urls import path

from bench.models import PlainOrder, values
from publisher.models import OutboxEvent

ROWS = 20
PAGE = Engine().from_string("{% for order in orders %}<li>{{ order.customer }}: {{ order.total }}</li>{% endfor %}")
RULES: dict[str, list[Any]] = {"none": [], "outbox": ["*"], "direct": [{"signal": "*", "delivery": "direct"}]}


def read(request: HttpRequest) -> HttpResponse:
    orders = PlainOrder._default_manager.order_by("pk")[:ROWS]
    return HttpResponse(PAGE.render(Context({"orders": orders})))


def write(request: HttpRequest) -> HttpResponse:
    PlainOrder._default_manager.create(**values(1))
    return read(request)


urlpatterns = [path("read/", read), path("write/", write)]


def measure(rounds: int, views: int) -> dict[str, list[float]]:
    """Seconds a view, for each page and each way, of each round; every round does all of them in turn."""
    PlainOrder._default_manager.bulk_create(PlainOrder(**values(number)) for number in range(ROWS))
    # As in production: no connection is opened for a request.
    settings.DATABASES["default"]["CONN_MAX_AGE"] = connection.settings_dict["CONN_MAX_AGE"] = 600
    taken: dict[str, list[float]] = {f"{page} {way}": [] for page in ("read", "write") for way in RULES}
    with override_settings(ROOT_URLCONF="bench.paging", ALLOWED_HOSTS=["*"]):
        handler = WSGIHandler()
        for number in range(rounds + 1):
            for way, rules in RULES.items():
                with override_settings(SIGNAL_BRIDGE={**settings.SIGNAL_BRIDGE, "FORWARD": rules}):
                    for page in ("read", "write"):
                        seconds = _view(handler, f"/{page}/", views)
                        if number:  # the first round is not counted
                            taken[f"{page} {way}"].append(seconds)
            _empty()
    return taken


def _view(handler: Any, url: str, views: int) -> float:
    environs = [RequestFactory().get(url).environ for _ in range(views)]
    gc.collect()
    began = time.perf_counter()
    for environ in environs:
        response = handler(environ, _started)
        b"".join(response)
        response.close()
    return (time.perf_counter() - began) / views


def _started(status: str, headers: Any) -> None:
    if not status.startswith("200"):
        raise AssertionError(status)


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {OutboxEvent._meta.db_table}, {PlainOrder._meta.db_table}")
    PlainOrder._default_manager.bulk_create(PlainOrder(**values(number)) for number in range(ROWS))
