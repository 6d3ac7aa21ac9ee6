"""What was meant by a name that there is not is guessed."""

import pytest

from publisher.hints import close_to, near

SIGNALS = [
    "django.contrib.auth.signals.user_logged_in",
    "django.db.models.signals.post_migrate",
    "django.db.models.signals.post_save",
    "django.db.models.signals.pre_save",
    "publisher.signals.queryset_updated",
    "catalog.signals.order_placed",
]
MODELS = ["auth.user", "auth.user_groups", "blog.comment", "blog.post", "contenttypes.*", "blog.*", "auth.*"]


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("orders.signals.order_placed", SIGNALS, "catalog.signals.order_placed"),
        ("django.db.models.signals.user_logged_in", SIGNALS, "django.contrib.auth.signals.user_logged_in"),
        ("django.db.models.signals.postsave", SIGNALS, "django.db.models.signals.post_save"),
        ("post_save", SIGNALS, "django.db.models.signals.post_save"),
        ("comments", MODELS, "blog.comment"),
        ("Auth.Usr", MODELS, "auth.user"),
        ("blogg", MODELS, "blog.*"),
        ("contenttype.*", MODELS, "contenttypes.*"),
    ],
)
def test_name_alone_is_close_when_all_others_are_much_less_so(word, names, meant):
    assert close_to(word, names) == [meant]


def test_names_are_close_in_the_order_of_their_likeness_when_several_are():
    assert close_to("session", ["sessions.session", "sessions.*", "auth.permission"]) == [
        "sessions.*",
        "sessions.session",
    ]


def test_names_are_close_as_they_are_written():
    assert close_to("broker_url", ["EXCHANGE", "BROKER_URL"]) == ["BROKER_URL"]


@pytest.mark.parametrize("word", ["nothing.at.all", "orders.Order", "", "*"])
def test_none_is_close_when_none_is_alike(word):
    assert close_to(word, SIGNALS) == []


def test_hint_lists_all_when_none_is_close_and_there_are_few():
    assert near("Q", ["EXCHANGE", "SERVICE"]) == "There are: EXCHANGE, SERVICE."
    assert near("Q", map(str, range(99)), "Look it up.") == "Look it up."
