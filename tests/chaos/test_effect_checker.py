"""The judgement of the handlers finds each kind of broken promise, and nothing in a clean run."""

from dataclasses import replace

import pytest

from tests.chaos.effect_checker import EffectFacts, judge_effects
from tests.chaos.effects import Effect

ACCUSING = (
    "lost", "doubled", "invented", "half_done", "inverted", "at_once", "letters_missing", "letters_wrong",
    "letters_twice",
)  # fmt: skip


def effects(handler, key, *labels):
    return [Effect(handler, key, label) for label in labels]


CLEAN = EffectFacts(
    history={"1": ["a", "bad", "b"], "2": ["c"]},
    effects=[
        *effects("free", "1", "b", "a"), *effects("free", "2", "c"),
        *effects("line", "1", "a", "b"), *effects("line", "2", "c"),
    ],
    trails={"1": ["a", "b"], "2": ["c"]},
    ordered="line",
    letters={"free": ["bad", "enemy"], "line": ["enemy", "bad"]},
    hostile=frozenset(["enemy"]),
    is_poison=lambda label: label == "bad",
)  # fmt: skip


def accused(facts):
    verdict = judge_effects(facts)
    return {what: list(getattr(verdict, what)) for what in ACCUSING if getattr(verdict, what)}


def test_nothing_is_accused_when_all_is_well():
    assert accused(CLEAN) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"effects": CLEAN.effects[1:]}, {"lost": ["free b"]}),
        ({"effects": [*CLEAN.effects, Effect("free", "1", "a")]}, {"doubled": ["free a"]}),
        ({"effects": [*CLEAN.effects, Effect("free", "1", "rolled back")]}, {"invented": ["free rolled back"]}),
        ({"effects": [*CLEAN.effects, Effect("free", "1", "bad")]}, {"half_done": ["free bad"]}),
        ({"trails": {"1": ["b", "a"], "2": ["c"]}}, {"inverted": ["a"]}),
        ({"trails": {"1": ["b"], "2": ["c"]}}, {"at_once": ["a"]}),
        ({"letters": {**CLEAN.letters, "free": ["bad"]}}, {"letters_missing": ["free enemy"]}),
        ({"letters": {**CLEAN.letters, "line": ["enemy", "bad", "a"]}}, {"letters_wrong": ["line a"]}),
        ({"letters": {**CLEAN.letters, "free": ["bad", "enemy", "bad"]}}, {"letters_twice": ["free bad"]}),
    ],
)
def test_broken_promise_is_found(change, expected):
    assert accused(replace(CLEAN, **change)) == expected
