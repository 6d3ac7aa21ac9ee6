"""The judgement, on small facts: each accusation has a case that it is made in, and a clean run has none."""

from dataclasses import replace

import pytest

from tests.chaos.checker import Delivery, Facts, judge

ACCUSATIONS = ("lost", "invented", "inverted", "doubled", "misremembered")


def delivery(label, key="1", *, event_id=None, redelivered=False):
    return Delivery(event_id or f"event of {label}", key, label, redelivered)


CLEAN = Facts(
    attempted=frozenset("abcde"),
    committed=frozenset("abc"),
    rolled_back=frozenset("d"),
    history={"1": ["a", "b"], "2": ["c"]},
    deliveries=[delivery("a"), delivery("c", "2"), delivery("b")],
)


def accusations(facts):
    verdict = judge(facts)
    return {name: getattr(verdict, name) for name in ACCUSATIONS if getattr(verdict, name)}


def test_nobody_is_accused_when_what_committed_was_delivered():
    assert accusations(CLEAN) == {}


def test_event_is_lost_when_it_committed_and_was_not_delivered():
    assert accusations(replace(CLEAN, deliveries=CLEAN.deliveries[:2])) == {"lost": ("b",)}


def test_event_is_invented_when_it_was_rolled_back_and_delivered():
    assert accusations(replace(CLEAN, deliveries=[*CLEAN.deliveries, delivery("d")])) == {"invented": ("d",)}


def test_unknown_event_is_invented_when_the_database_does_not_know_it():
    assert accusations(replace(CLEAN, deliveries=[*CLEAN.deliveries, delivery("e")])) == {"invented": ("e",)}


def test_unknown_event_is_lost_when_the_database_knows_it():
    history = {**CLEAN.history, "3": ["e"]}

    assert accusations(replace(CLEAN, history=history)) == {"lost": ("e",)}
    assert accusations(replace(CLEAN, history=history, deliveries=[*CLEAN.deliveries, delivery("e", "3")])) == {}


def test_event_is_out_of_order_when_a_later_one_of_its_key_came_first():
    assert accusations(replace(CLEAN, deliveries=CLEAN.deliveries[::-1])) == {"inverted": ("a",)}


def test_order_is_kept_when_earlier_ones_are_repeated():
    again = [*CLEAN.deliveries, *CLEAN.deliveries]

    assert accusations(replace(CLEAN, deliveries=again)) == {}


def test_order_is_the_brokers_when_it_gives_out_again_what_a_dead_connection_had():
    a, c, b = CLEAN.deliveries

    assert accusations(replace(CLEAN, deliveries=[b, c, delivery(a.label, redelivered=True)])) == {}


def test_order_between_keys_is_free():
    a, c, b = CLEAN.deliveries

    assert accusations(replace(CLEAN, deliveries=[c, a, b])) == {}


def test_save_is_doubled_when_it_became_two_events():
    deliveries = [*CLEAN.deliveries, delivery("b", event_id="another")]

    assert accusations(replace(CLEAN, deliveries=deliveries)) == {"doubled": ("b",)}


@pytest.mark.parametrize("history", [{"1": ["a", "b"]}, {**CLEAN.history, "3": ["d"]}], ids=["forgotten", "kept"])
def test_database_is_accused_when_it_contradicts_a_writer(history):
    assert "misremembered" in accusations(replace(CLEAN, history=history))


@pytest.mark.parametrize(
    ("redelivered", "duplicates"),
    [([False, False, False], 2), ([False, True], 0), ([True], 0), ([True, False], 0), ([False, True, False], 1)],
)
def test_duplicates_are_what_was_published_again_when_the_broker_repeats_too(redelivered, duplicates):
    deliveries = [delivery("a", redelivered=each) for each in redelivered]

    assert judge(replace(CLEAN, deliveries=deliveries)).duplicates == duplicates


def test_duplicates_of_the_calm_are_told_apart():
    a, c, b = CLEAN.deliveries

    assert judge(replace(CLEAN, deliveries=[a, c, b, a], calm=3)).calm_duplicates == 0
    assert judge(replace(CLEAN, deliveries=[a, a, c, b], calm=3)).calm_duplicates == 1


def test_outcomes_are_counted_when_a_writer_did_not_learn_them():
    verdict = judge(replace(CLEAN, attempted=frozenset("abcdef"), history={**CLEAN.history, "3": ["e"]}))

    assert (verdict.attempted, verdict.committed, verdict.rolled_back) == (6, 4, 2)
    assert (verdict.unknown, verdict.unknown_committed) == (2, 1)
