"""Routing keys, and patterns as a real topic exchange reads them."""

import pytest

from publisher.wire.routing import KEY_BYTES, OneQueue, class_label, formatted_key, matches, routing_key, shortened

TABLE = [
    ("db.post_save.blog.comment", "db.post_save.blog.comment", True),
    ("db.*.blog.comment", "db.post_save.blog.comment", True),
    ("db.*.blog.comment", "db.post_save.extra.blog.comment", False),
    ("db.post_delete.#", "db.post_delete.blog.comment", True),
    ("db.post_delete.#", "db.post_delete", True),
    ("db.post_delete.#", "db.post_deleted", False),
    ("auth.#", "auth", True),
    ("auth.#", "auth.user_logged_in.auth.user", True),
    ("auth.#", "author", False),
    ("#", "a", True),
    ("#", "a.b.c", True),
    ("#", "", True),
    ("*", "a", True),
    ("*", "a.b", False),
    ("*", "", False),
    ("", "", True),
    ("", "a", False),
    ("#.comment", "comment", True),
    ("#.comment", "db.x.comment", True),
    ("#.comment", "db.comment.x", False),
    ("a.#.z", "a.z", True),
    ("a.#.z", "a.b.c.z", True),
    ("a.#.z", "a.zz", False),
    ("#.#", "a", True),
    ("*.#", "a", True),
    ("*.#", "", False),
    ("#.*", "a.b", True),
    ("a.*.#.b", "a.b", False),
    ("a.*.#.b", "a.x.b", True),
    ("a.b", "a.b.", False),
    ("a.*", "a.", True),
    ("a.b", "A.b", False),
    ("a.post_*", "a.post_save", False),
    ("a.post_*", "a.post_*", True),
    ("a.b+", "a.bb", False),
    ("a.[b]", "a.b", False),
    ("grüße.*", "grüße.ß", True),
    ("a.*", "a.line\nbreak", True),
]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("db", "post_save", "blog.Comment"), "db.post_save.blog.comment"),
        (("db", "m2m_changed", "blog.Post_tags"), "db.m2m_changed.blog.post_tags"),
        (("auth", "user_logged_in", "auth.user"), "auth.user_logged_in.auth.user"),
        (("core", "request_finished", "django.wsgihandler"), "core.request_finished.django.wsgihandler"),
        (("foo", "user_login", None), "foo.user_login"),
        (("Foo", "userLogin", None), "foo.userlogin"),
    ],
)
def test_key_is_group_signal_and_sender(words, key):
    assert routing_key(*words) == key


def test_key_is_formatted_and_cut():
    template = "moderation.{kwargs[reason]}.{sender}"
    values = {"kwargs": {"reason": "spam"}, "sender": "blog.comment"}
    assert formatted_key(template, values) == "moderation.spam.blog.comment"
    assert len(formatted_key(template, {"kwargs": {"reason": "é" * 300}, "sender": ""}).encode()) <= 255


def test_class_is_labelled_by_package_and_name():
    class Local:
        pass

    assert class_label(Local) == "tests.local"
    assert class_label(int) == "builtins.int"


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("a" * 255, 255),
        ("a" * 256, 255),
        ("é" * 127, 254),
        ("é" * 128, 254),
        ("a" + "é" * 128, 255),
        ("\U0001f4ee" * 64, 252),
        ("", 0),
    ],
)
def test_key_is_cut_at_a_character_when_it_is_too_long(key, size):
    cut = shortened(key)
    assert len(cut.encode()) == size <= KEY_BYTES
    assert key.startswith(cut)


def test_key_is_cut_after_lower_case_when_that_is_longer():
    # One letter of two bytes becomes two of three bytes in all.
    assert len(routing_key("İ" * 100, "x", None).encode()) <= KEY_BYTES


@pytest.mark.parametrize(("pattern", "key", "expected"), TABLE)
def test_pattern_takes_key_as_the_table_says(pattern, key, expected):
    assert matches(pattern, key) is expected


def test_matches_agrees_with_the_broker(queues):
    """One queue a pattern, one message a key; what lies in each queue afterwards is the broker's opinion."""
    patterns = dict.fromkeys(pattern for pattern, _, _ in TABLE)
    keys = list(dict.fromkeys(key for _, key, _ in TABLE))
    channel = queues.channel
    channel.exchange_declare(queues.exchange, "topic", durable=False)
    for number, pattern in enumerate(patterns):
        channel.queue_declare(queues.name(f"p{number}"), exclusive=True)
        channel.queue_bind(queues.name(f"p{number}"), queues.exchange, pattern)
    for key in keys:
        queues.publish(key, key.encode())
    found = {
        pattern: {letter.body.decode() for letter in queues.take(f"p{number}")}
        for number, pattern in enumerate(patterns)
    }
    channel.exchange_delete(queues.exchange)
    assert found == {pattern: {key for key in keys if matches(pattern, key)} for pattern in patterns}


def test_key_has_no_nul_which_postgresql_does_not_take():
    assert formatted_key("a.{kwargs[reason]}", {"kwargs": {"reason": "b\0c"}}) == "a.bc"


@pytest.mark.parametrize("queue", ["shop.index", "my shop.index", "a%20b/c.é", "x@@y"])
@pytest.mark.parametrize("key", ["db.post_save.shop.order", "a key of two", ""])
def test_one_queue_and_its_key_are_read_as_they_were_written(queue, key):
    one = OneQueue(queue, key)
    assert OneQueue.read(one.marked) == one
