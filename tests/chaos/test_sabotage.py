"""The sabotages find what they break: one that breaks nothing, or by a mistake of its own, would prove nothing."""

from inspect import signature

import pytest

from tests.chaos import sabotage


@pytest.mark.parametrize("name", sabotage.NAMES)
def test_sabotage_replaces_what_is_there_and_is_called_as_that_is(name, monkeypatch):
    replaced = []

    def replace(owner, name, made):
        original = getattr(owner, name)
        replaced.append((original, made(original)))

    monkeypatch.setattr(sabotage, "replace", replace)

    sabotage.NAMES[name][1]()

    assert replaced
    for original, made in replaced:
        assert list(signature(made).parameters) == list(signature(original).parameters)
