"""What a process counts, in a memory that does not grow with the values it comes by."""

from publisher import counters


def test_keys_are_counted_together_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 2)
    for key in ("a", "b", "c", "d", "a"):
        last = counters.count(counters.UNROUTABLE, key)
    assert last == 2
    assert {about: number for (_, about), number in counters.counts().items()} == {"a": 2, "b": 1, "others": 2}
