"""Remembers the values of an instance's row: those that it was loaded with, and those that were saved since."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any
from weakref import ref

from django.db.models import Model

from publisher.changes.stored import column, named
from publisher.encoders.changes import UNKNOWN
from publisher.outbox.writing import HandOver, after_commit

LOADED = "signal_bridge_loaded"
# Values of these types are copied, since they can be changed in place.
MUTABLE = (list, dict, set, bytearray)

Values = Mapping[str, Any]


class Loaded:
    """The known values of an instance's row, by attname.

    Saved values are certain only after the commit. Until then, `earlier` has those from before, which count again after
    a rollback.
    """

    __slots__ = ("_waiting", "earlier", "values")

    def __init__(self, values: Values) -> None:
        self.values = values
        self.earlier: Loaded | None = None
        self._waiting: ref[HandOver] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled instance, as in a cache, keeps the values only: it is not part of the transaction.
        return Loaded, (self.values,)

    def wait(self, earlier: "Loaded", using: str) -> None:
        """Forget `earlier` at the commit. After a rollback, `is_undone` is true."""
        self.earlier = earlier
        hook = after_commit(self.commit, using)
        self._waiting = None if hook is None else ref(hook)

    def commit(self) -> None:
        self.earlier = None
        self._waiting = None

    @property
    def is_undone(self) -> bool:
        """Whether the save was rolled back: then the waiting hook is gone."""
        return self._waiting is not None and self._waiting() is None


def known(instance: Model) -> Loaded:
    """What is known of the row, without saves that were rolled back."""
    loaded: Loaded | None = getattr(instance._state, LOADED, None)
    while loaded is not None and loaded.is_undone:
        loaded = loaded.earlier
    return loaded or Loaded({})


def remember(instance: Model, names: Iterable[str] | None, using: str = "") -> None:
    """Remember what these columns hold (None: all). `using` is the database, if the instance was just saved to it."""
    earlier = known(instance)
    # A new dict, since copies of the instance (`copy.copy`) share the old one.
    values = dict(earlier.values)
    wanted = None if names is None else frozenset(names)
    for field in instance._meta.concrete_fields:
        name = field.attname
        if not (wanted is None or name in wanted or field.name in wanted):
            continue
        # A loaded value is what the column holds. A saved one may have been rounded, for example.
        value = column(field, instance, using) if using else named(instance.__dict__.get(name, UNKNOWN))
        if value is UNKNOWN:
            values.pop(name, None)
        else:
            values[name] = deepcopy(value) if isinstance(value, MUTABLE) else value
    loaded = Loaded(values)
    if using:
        loaded.wait(earlier, using)
    setattr(instance._state, LOADED, loaded)
