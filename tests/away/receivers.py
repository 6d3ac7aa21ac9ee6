"""Receivers as apps have them: written for the request, connected in every way there is."""

import os
import time
from functools import wraps
from pathlib import Path

from django.contrib.auth.signals import user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save, pre_delete, pre_save
from django.dispatch import receiver

from tests.away.signals import order_placed, order_shipped
from tests.bar.consumers import see
from tests.foo.models import Article, Draft, Tag

SLOW_SECONDS = float(os.environ.get("TEST_SLOW_SECONDS", "0.3"))
SLOW_AT_END_SECONDS = float(os.environ.get("TEST_SLOW_AT_END_SECONDS", "0"))


@receiver(post_save, sender=Article)
def reindex(sender, instance, created, **kwargs):
    note(f"reindex {instance.pk}")
    time.sleep(SLOW_SECONDS)
    see("reindex", f"{sender.__name__} {instance.pk} {instance.title} {created} {kwargs['signal'] is post_save}")
    note(f"written {instance.pk}")
    time.sleep(SLOW_AT_END_SECONDS)


@receiver([post_save, post_delete], sender="foo.Tag", dispatch_uid="tags")
def count_tags(sender, **kwargs):
    see("count_tags", f"{sender.objects.count()} {'created' in kwargs}")


@receiver(post_save)
def log_all(sender, instance, **kwargs):
    """Its guard against itself is a flag on the instance."""
    if sender is Draft and not hasattr(instance, "is_logged"):
        instance.is_logged = True
        instance.text += "!"
        instance.save()


class Mailer:
    def __init__(self, name):
        self.name = name

    def send(self, sender, order, **kwargs):
        see("mailer", f"{self.name} {order}")

    def __call__(self, sender, order, **kwargs):
        see("called", f"{self.name} {order}")


def unwrapped(function):
    """A decorator that does not say what it decorates."""

    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def silent(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@receiver(order_placed)
@unwrapped
def hidden(sender, order, **kwargs):
    see("hidden", order)


@receiver(order_placed, weak=False)
@silent
def wrapped(sender, order, **kwargs):
    see("wrapped", order)


@receiver(order_placed)
async def asynchronous(sender, order, **kwargs):
    from tests.bar.models import Seen

    await Seen.objects.acreate(handler="asynchronous", text=order, pid=os.getpid())


@receiver(order_shipped)
def flaky(sender, order, **kwargs):
    note(f"flaky {order}")
    if noted(f"flaky {order}") < 2:
        raise ConnectionError("the other service is away")
    see("flaky", order)


@receiver(order_shipped)
def answers(sender, order, **kwargs):
    return order


@receiver(pre_save, sender=Tag)
def normalise(sender, instance, **kwargs):
    instance.name = instance.name.strip()
    if sender.objects.filter(name=instance.name).exists():
        instance.name += "!"


@receiver(order_shipped)
def needs_request(sender, request=None, **kwargs):
    if request is not None:
        request.session["order"] = 1


@receiver(m2m_changed, sender=Article.tags.through)
def tagged(sender, instance, action, pk_set, **kwargs):
    see("tagged", f"{action} {instance.pk} {sorted(pk_set or ())}")


@receiver(order_shipped)
def wants_token(sender, reset_token=None, **kwargs):
    pass


@receiver(order_shipped)
def wants_old(sender, instance=None, **kwargs):
    if instance is not None and getattr(instance, "_old_title", instance._meta.label) and instance._state.adding:
        raise AssertionError


def look_into(*args, **kwargs):
    """As apps' receivers call functions of their own."""


@receiver(user_login_failed)
def hands_on(sender, **kwargs):
    look_into(**kwargs)


@receiver(pre_delete, sender=Draft)
def audit_deletion(sender, instance, **kwargs):
    look_into(instance)


@receiver(post_init, sender=Tag)
def per_row(sender, instance, **kwargs):
    pass


order_shipped.connect(lambda **kwargs: None, weak=False)
on_shipped = lambda **kwargs: None  # noqa: E731

first, second = Mailer("first"), Mailer("second")
order_placed.connect(first.send)
order_placed.connect(second.send)
order_placed.connect(first, weak=False)


def not_connected(sender, **kwargs):
    pass


def note(text):
    if path := os.environ.get("TEST_NOTES"):
        with Path(path).open("a") as file:
            file.write(f"{text}\n")


def noted(text):
    return Path(os.environ["TEST_NOTES"]).read_text().splitlines().count(text)
