"""What is known of an instance's row: what it was loaded with, and what has been written since."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any
from weakref import ref

from django.db.models import Model

from publisher.changes.stored import column, named
from publisher.encoders.changes import UNKNOWN
from publisher.outbox.writing import HandOver, after_commit

LOADED = "signal_bridge_loaded"
# Changed in place, they would change what is remembered of them.
MUTABLE = (list, dict, set, bytearray)

Values = Mapping[str, Any]


class Loaded:
    """What is known of an instance's row, by attname.

    What a transaction has written is known once that commits; until then `earlier` is what was known before.
    """

    __slots__ = ("_waiting", "earlier", "values")

    def __init__(self, values: Values) -> None:
        self.values = values
        self.earlier: Loaded | None = None
        self._waiting: ref[HandOver] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Who takes it along, to a cache for one, is no part of the transaction.
        return Loaded, (self.values,)

    def wait(self, earlier: "Loaded", using: str) -> None:
        """For the commit, without which it is undone."""
        self.earlier = earlier
        hook = after_commit(self.commit, using)
        self._waiting = None if hook is None else ref(hook)

    def commit(self) -> None:
        self.earlier = None
        self._waiting = None

    @property
    def is_undone(self) -> bool:
        """Whether it was rolled back."""
        return self._waiting is not None and self._waiting() is None


def known(instance: Model) -> Loaded:
    loaded: Loaded | None = getattr(instance._state, LOADED, None)
    while loaded is not None and loaded.is_undone:
        loaded = loaded.earlier
    return loaded or Loaded({})


def remember(instance: Model, names: Iterable[str] | None, using: str = "") -> None:
    """What is in the database now, as far as the instance has it; `using` where it was written there."""
    earlier = known(instance)
    # A dict of its own: `copy.copy` shares what the state holds.
    values = dict(earlier.values)
    wanted = None if names is None else frozenset(names)
    for field in instance._meta.concrete_fields:
        name = field.attname
        if not (wanted is None or name in wanted or field.name in wanted):
            continue
        # What was loaded is what the column has.
        value = column(field, instance, using) if using else named(instance.__dict__.get(name, UNKNOWN))
        if value is UNKNOWN:
            values.pop(name, None)
        else:
            values[name] = deepcopy(value) if isinstance(value, MUTABLE) else value
    loaded = Loaded(values)
    if using:
        loaded.wait(earlier, using)
    setattr(instance._state, LOADED, loaded)
