"""A handler with a span of its own, which sends, and one that hears of it; in a process with OpenTelemetry's SDK."""

from consumers import receiver, subscribe
from tests.bar.consumers import see
from tests.bar.sdk import set_up, tracer
from tests.foo.models import Article
from tests.foo.signals import user_login

set_up()


@receiver(user_login)
def writing(sender, event, **kwargs):
    with tracer.start_as_current_span("own"):
        Article.objects.create(title="from a handler")


@subscribe("db.post_save.foo.article")
def reading(event):
    see("reading", event.traceparent)
