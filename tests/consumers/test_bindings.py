"""Handlers as the broker sees them: queues and keys."""

import pytest
from django.contrib.auth.signals import user_logged_in
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.db.models.signals import m2m_changed, post_delete, post_save

from consumers.bindings import is_forwarded, keys_of, pattern_of, queue_of, sender_name, topology_of
from consumers.handler import Handler, triggers_of
from publisher.wire.routing import matches
from tests.foo.models import Article
from tests.foo.signals import Hooks, user_login


def handler(*signals, sender=None, **more):
    triggers = triggers_of(signals, (sender,))
    return Handler(**{"name": "handle", "function": print, "triggers": triggers, **more})


def test_queue_is_called_after_service_and_handler(settings):
    settings.SIGNAL_BRIDGE = {"SERVICE": "blog", "FORWARD": []}
    assert queue_of(handler(name="audit")) == "blog.audit"


@pytest.mark.parametrize(
    ("one", "keys"),
    [
        (handler(user_logged_in), ("auth.user_logged_in.#",)),
        (handler(post_save, sender=Article), ("db.post_save.foo.article",)),
        (handler(post_save, sender="foo.Article"), ("db.post_save.foo.article",)),
        (handler(m2m_changed, sender=Article.tags.through), ("db.m2m_changed.foo.article_tags",)),
        (handler(request_finished, sender=WSGIHandler), ("core.request_finished.django.wsgihandler",)),
        (handler(user_login), ("foo.user_login.#",)),
        (handler(Hooks.closed), ("foo.closed.#",)),
        (
            handler(post_save, post_delete, sender="foo.Article"),
            ("db.post_save.foo.article", "db.post_delete.foo.article"),
        ),
        (handler(patterns=("db.*.blog.comment", "auth.#")), ("db.*.blog.comment", "auth.#")),
        (handler(patterns=("#", "#")), ("#",)),
    ],
)
def test_keys_are_those_of_the_signals_or_the_patterns(one, keys):
    assert keys_of(one) == keys


@pytest.mark.parametrize("key", ["foo.user_login", "foo.user_login.foo.article"])
def test_binding_takes_the_key_with_and_without_a_sender(key):
    assert any(matches(pattern, key) for pattern in keys_of(handler(user_login)))


def test_keys_of_rules_are_bound_too(settings):
    rule = {"signal": "tests.foo.signals.user_login", "routing_key": "moderation.{kwargs[reason]}"}
    settings.SIGNAL_BRIDGE = {"FORWARD": [rule]}
    assert keys_of(handler(user_login)) == ("foo.user_login.#", "moderation.#")


@pytest.mark.parametrize("path", ["tests.foo.views.user_login", "tests.bar.consumers.user_login"])
def test_keys_of_a_rule_are_bound_when_it_names_the_signal_by_another_path(settings, path):
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": path, "routing_key": "moderation.{kwargs[reason]}"}]}
    assert keys_of(handler(user_login)) == ("foo.user_login.#", "moderation.#")
    assert keys_of(handler(Hooks.closed)) == ("foo.closed.#",)


def test_keys_of_a_rule_are_not_bound_when_it_names_no_signal(settings):
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": "tests.foo.nothing", "routing_key": "a.b"}]}
    assert keys_of(handler(user_login)) == ("foo.user_login.#",)


@pytest.mark.parametrize(
    ("format_string", "pattern"),
    [
        ("plain.key", "plain.key"),
        ("moderation.{kwargs[reason]}", "moderation.#"),
        ("{group}.{signal}", "#.#"),
        ("a.b{sender}c.d", "a.#.d"),
        ("a.{{literal}}.b", "a.{literal}.b"),
        ("", ""),
    ],
)
def test_pattern_takes_whatever_the_format_can_make(format_string, pattern):
    assert pattern_of(format_string) == pattern
    made = format_string.format(kwargs={"reason": "very.bad"}, group="g", signal="s", sender="x.y")
    assert matches(pattern, made)


@pytest.mark.parametrize(
    ("sender", "name"),
    [(None, None), ("foo.Article", "foo.article"), (Article, "foo.article"), (WSGIHandler, "django.wsgihandler")],
)
def test_sender_is_named_as_the_publisher_names_it(sender, name):
    assert sender_name(sender) == name


def test_topology_has_a_queue_and_dead_letters_for_each_handler(settings):
    settings.SIGNAL_BRIDGE = {"SERVICE": "blog", "EXCHANGE": "signals", "FORWARD": []}
    topology = topology_of([handler(user_login, name="a"), handler(name="b", patterns=("#",))])
    assert {"blog.a.dead", "blog.a", "blog.b.dead", "blog.b"} <= {queue.name for queue in topology.queues}
    assert {"signals", "signals.dead"} <= {exchange.name for exchange in topology.exchanges}
    bound = {(binding.queue, binding.key) for binding in topology.bindings if binding.exchange == "signals"}
    assert bound == {("blog.a", "foo.user_login.#"), ("blog.b", "#")}


@pytest.mark.parametrize(
    ("forward", "sender", "is_so"),
    [
        ([], "foo.Article", False),
        (["django.db.models.signals.post_delete"], "foo.Article", False),
        ([{"signal": "django.db.models.signals.*", "senders": ["foo.draft"]}], "foo.Article", False),
        ([{"signal": "django.db.models.signals.*", "senders": ["foo.*"]}], "foo.Article", True),
        ([{"signal": "django.db.models.signals.*", "senders": ["foo.*"]}], "foo.Artcle", False),
        ([{"signal": "django.db.models.signals.*", "senders": ["foo.draft"]}], None, True),
    ],
)
def test_handler_is_forwarded_when_a_rule_takes_one_of_its_signals_of_its_sender(settings, forward, sender, is_so):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": forward}
    assert is_forwarded(handler(post_save, sender=sender)) is is_so
