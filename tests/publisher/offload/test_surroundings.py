"""What a receiver reads of its thread, and would not find in a consumer."""

from contextvars import ContextVar
from functools import partial
from threading import local

import pytest
from asgiref.local import Local
from django.utils import timezone, translation
from simple_history.models import HistoricalRecords

from publisher.checks.offloaded import check_receiver
from publisher.offload.offloaded import Offloaded
from publisher.offload.surroundings import surroundings_of
from publisher.offload_entry import OffloadEntry

_state = local()
_request = Local()
_user = ContextVar("user")
_guard = local()


def by_attribute(sender, **kwargs):
    return _state.user


def by_getattr(sender, **kwargs):
    return getattr(_request, "user", None)


def by_context(sender, **kwargs):
    return _user.get(None)


def who():
    return by_name()


def by_name():
    return _state.user


def by_call(sender, **kwargs):
    return who()


class Audit:
    context = Local()

    def __call__(self, sender, **kwargs):
        return self.who()

    def receive(self, sender, **kwargs):
        return self.who()

    def who(self):
        return self.context.request.user


def guarded(sender, **kwargs):
    if getattr(_guard, "is_on", False):
        return
    _guard.is_on = True


def hands_it_over(sender, **kwargs):
    _user.set(1)


def asks_django(sender, **kwargs):
    return timezone.localtime(), translation.get_language()


def of_its_own(sender, **kwargs):
    _state = sender
    return _state.user


@pytest.mark.parametrize(
    ("receiver", "read", "function"),
    [
        (by_attribute, "_state.user", "by_attribute"),
        (partial(by_attribute, x=1), "_state.user", "by_attribute"),
        (by_getattr, "getattr(_request, 'user', None)", "by_getattr"),
        (by_context, "_user.get", "by_context"),
        (by_call, "_state.user", "by_name"),
        (Audit(), "self.context.request", "Audit.who"),
        (Audit().receive, "self.context.request", "Audit.who"),
        (HistoricalRecords().post_save, "self.context.request", "HistoricalRecords.get_history_user"),
    ],
    ids=["attribute", "partial", "getattr", "context variable", "two calls", "object", "bound method", "history"],
)
def test_what_is_read_of_the_thread_is_found(receiver, read, function):
    assert surroundings_of(receiver) == (read, function)


@pytest.mark.parametrize("receiver", [guarded, hands_it_over, asks_django, of_its_own, print, dict])
def test_nothing_is_found_where_nothing_is_awaited_of_others(receiver):
    assert surroundings_of(receiver) is None


def test_w039_when_a_receiver_reads_what_a_request_left():
    entry = OffloadEntry(receiver="simple_history.*")
    offloaded = Offloaded(path="records", name="records", held=HistoricalRecords().post_save, entry=entry)
    (found,) = [each for each in check_receiver(offloaded, ()) if each.id == "publisher.W039"]
    assert found.msg == "records reads self.context.request (in HistoricalRecords.get_history_user)."
    assert "empty in a consumer" in found.hint
