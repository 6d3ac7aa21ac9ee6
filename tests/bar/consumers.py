"""Handlers with the signatures of local receivers."""

import os

from django.db.models.signals import post_save

from consumers import Backoff, Event, Reject, receiver, subscribe
from tests.foo.signals import article_published, user_login


def see(handler: str, text: object) -> None:
    from tests.bar.models import Seen

    Seen.objects.create(handler=handler, text=str(text), pid=os.getpid())


@receiver(user_login)
def greet(sender, request, user, **kwargs):
    see("greet", f"{user.get_username()} {user.pk} {request.path} {user.is_authenticated}")


@receiver(post_save, sender="foo.Article", retry=Backoff(delays=()))
def index(sender, instance, created, **kwargs):
    if instance.title == "fail":
        raise ValueError("cannot index this")
    if instance.title == "reject":
        raise Reject("never")
    see("index", f"{sender.__name__} {instance.pk} {instance.title} {created}")


@receiver(article_published)
def announce(sender, title, **kwargs):
    see("announce", f"{type(sender).__name__} {sender.pk} {title}")


@subscribe("db.*.foo.article")
def log(event: Event):
    see("log", f"{event.routing_key} {event.subject}")
