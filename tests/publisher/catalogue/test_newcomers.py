"""Signals that are made after the rules were connected."""

import inspect
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread
from types import ModuleType

import pytest
from django.dispatch import Signal
from django.test import override_settings

from publisher import receivers
from publisher.catalogue.signals import known_as
from publisher.forwarding import DELIVERIES
from publisher.models import OutboxEvent
from publisher.wire.event import decode_event

pytestmark = pytest.mark.django_db


def forwarding(*rules):
    return override_settings(SIGNAL_BRIDGE={"FORWARD": list(rules)})


def written():
    from publisher.outbox.writing import pending

    return [decode_event(bytes(row.body), row.routing_key) for row in [*OutboxEvent.objects.all(), *pending("default")]]


@pytest.fixture
def module(monkeypatch):
    """A module of an app, loaded late; what it runs is as if it stood there."""
    module = ModuleType("tests.foo.late")
    monkeypatch.setitem(sys.modules, "tests.foo.late", module)

    def run(code):
        exec(compile(code, "late.py", "exec"), module.__dict__)
        return module

    return run


@pytest.mark.parametrize("rule", ["*", "tests.*", "tests.foo.late.*", {"signal": "tests.foo.l*", "routing_key": "x"}])
def test_signal_is_forwarded_from_its_first_on_when_it_is_made_late(module, rule):
    with forwarding(rule):
        made = module("from django.dispatch import Signal\nHOOKS = {}\nHOOKS['made'] = Signal()").HOOKS["made"]
        made.send(sender=None, number=1)
        made.send(sender=None, number=2)
    events = written()
    assert [event.kwargs for event in events] == [{"number": 1}, {"number": 2}]
    assert {event.type for event in events} == {"tests.foo.late.HOOKS.made"}
    assert not made.receivers


def test_nobody_waits_for_signals_when_the_globs_take_djangos_alone(monkeypatch):
    watched = []
    monkeypatch.setattr("publisher.catalogue.newcomers.watch", lambda welcome, globs: watched.append(globs))
    with forwarding("django.contrib.auth.signals.*", "django.*", "tests.foo.signals.user_login"):
        assert watched == []
    with forwarding("django.*", "*.signals.*"):
        assert watched[-1] == ("*.signals.*",)


def test_signal_has_no_receiver_when_no_glob_can_take_it(module):
    with forwarding("tests.bar.*", "tests.foo.signals.user_login"):
        assert not module("from django.dispatch import Signal\nmade = Signal()").made.receivers
        assert not Signal().receivers


def test_signal_that_no_rule_takes_is_left_alone_after_its_first(module):
    with forwarding("tests.foo.*.other"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        made.send(sender=None)
        assert not made.receivers
    assert written() == []


def test_signal_of_a_subclass_is_forwarded_when_it_has_an_init_of_its_own(module):
    code = """
from django.dispatch import Signal
class Named(Signal):
    def __init__(self, name):
        super().__init__()
        self.name = name
made = Named("a")
"""
    with forwarding("tests.foo.late.*"):
        module(code).made.send(sender=None)
    assert [event.type for event in written()] == ["tests.foo.late.made"]


def test_signal_is_forwarded_when_a_factory_of_another_package_makes_it(module, monkeypatch):
    factory = ModuleType("signal_factory")
    exec("from django.dispatch import Signal\ndef make():\n    return Signal()", factory.__dict__)
    monkeypatch.setitem(sys.modules, "signal_factory", factory)
    with forwarding("tests.foo.late.*"):
        module("from signal_factory import make\nmade = make()").made.send(sender=None)
    assert [event.type for event in written()] == ["tests.foo.late.made"]


def test_signal_is_sent_once_when_the_rules_are_connected_again_in_between(module):
    with forwarding("*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        receivers.connect()
        made.send(sender=None)
    assert len(written()) == 1


def test_signals_without_a_name_are_looked_for_once_for_each_place_that_makes_them(module, caplog, monkeypatch):
    looked = []
    monkeypatch.setattr("publisher.catalogue.newcomers.known_as", lambda signal: looked.append(signal))
    with forwarding("*"), caplog.at_level(logging.WARNING, "publisher"):
        loaded = module("from django.dispatch import Signal\ndef make():\n    return Signal()\n")
        for _ in range(5):
            loaded.make().send(sender=None)
    assert len(looked) == 1
    assert "late.py, line 3, has no name" in caplog.text
    assert written() == []


def test_answer_is_none_when_a_newcomer_is_sent(module):
    with forwarding("*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        assert {answer for _, answer in made.send_robust(sender=None)} == {None}


def test_receiver_of_a_newcomer_can_be_looked_into_before_and_after_it_is_sent(module):
    """As by `list_signals` of django-extensions, and by whatever else lists receivers."""
    with forwarding("*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        for name in ("receive", "forward"):
            ((_, receiver, *_),) = made.receivers
            assert inspect.getsource(receiver).lstrip().startswith(f"def {name}(")
            assert (receiver.__name__, receiver.__module__.partition(".")[0]) == (name, "publisher")
            assert inspect.getsourcefile(receiver)
            made.send(sender=None)


@pytest.fixture
def forwarded(monkeypatch):
    """The numbers that were forwarded, from whatever thread."""
    numbers = []

    def deliver(encoded, rule, using):
        numbers.append(decode_event(encoded.body, encoded.routing_key).kwargs["number"])

    monkeypatch.setitem(DELIVERIES, "outbox", deliver)
    return numbers


def test_each_is_forwarded_once_when_threads_send_it_while_its_name_is_looked_for(module, forwarded, monkeypatch):
    looked, everyone = [], Barrier(8)

    def look(signal):
        looked.append(signal)
        time.sleep(0.2)
        return known_as(signal)

    monkeypatch.setattr("publisher.catalogue.newcomers.known_as", look)
    with forwarding("tests.foo.late.*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made

        def send(thread):
            everyone.wait()
            for number in range(20):
                made.send(sender=None, number=(thread, number))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(send, range(8)))
    assert sorted(map(tuple, forwarded)) == [(thread, number) for thread in range(8) for number in range(20)]
    assert len(looked) == 1


def test_it_is_forwarded_once_when_sent_just_when_its_receiver_is_connected(module, forwarded, monkeypatch):
    connect_signal, senders = receivers.connect_signal, []

    def connect(known, rules):
        forward = connect_signal(known, rules)
        senders.append(Thread(target=known.signal.send, kwargs={"sender": None, "number": 2}))
        senders[0].start()
        senders[0].join(0.2)
        return forward

    with forwarding("tests.foo.late.*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        with monkeypatch.context() as patched:
            patched.setattr(receivers, "connect_signal", connect)
            made.send(sender=None, number=1)
        senders[0].join()
    assert sorted(forwarded) == [1, 2]


def test_it_is_forwarded_when_the_thread_that_looks_for_its_name_waits_for_the_one_that_sends(
    module, forwarded, monkeypatch
):
    looks, sent = Event(), Event()

    def look(signal):
        if not looks.is_set():
            looks.set()
            sent.wait()
        return known_as(signal)

    monkeypatch.setattr("publisher.catalogue.newcomers.known_as", look)
    monkeypatch.setattr("publisher.catalogue.newcomers.LOOKING_SECONDS", 0.1)
    with forwarding("tests.foo.late.*"):
        made = module("from django.dispatch import Signal\nmade = Signal()").made
        looking = Thread(target=made.send, kwargs={"sender": None, "number": 1})
        looking.start()
        looks.wait()
        made.send(sender=None, number=2)
        assert forwarded == [2]
        sent.set()
        looking.join()
    assert forwarded == [2, 1]
