"""The sabotages find what they break: one that breaks nothing would prove nothing."""

import pytest

from tests.chaos import sabotage


@pytest.mark.parametrize("name", sabotage.NAMES)
def test_sabotage_replaces_what_is_there(name, monkeypatch):
    replaced = []
    monkeypatch.setattr(sabotage, "replace", lambda owner, name, made: replaced.append(made(getattr(owner, name))))

    sabotage.NAMES[name][1]()

    assert replaced
    assert all(map(callable, replaced))
