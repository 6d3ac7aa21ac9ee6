"""Two handlers that never come to an end, as two services may have them, and one that listens to the other service."""

from consumers import subscribe
from tests.bar.consumers import see
from tests.foo.models import Article

SAVED = "db.post_save.foo.article"


@subscribe(SAVED)
def ping(event):
    _answer("ping", event, "pong")


@subscribe(SAVED)
def pong(event):
    _answer("pong", event, "ping")


@subscribe(SAVED, ignore_own=True)
def others(event):
    see("others", f"{event.hops} {event.source}")


@subscribe("foo.user_login")
def traced(event):
    see("traced", f"{event.traceparent} {event.correlationid}")


def _answer(to, event, title):
    if event.kwargs["instance"].title == to:
        see(to, f"{event.hops} {event.id} {event.causationid}")
        Article.objects.create(title=title)
