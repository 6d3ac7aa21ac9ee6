"""`changes: True`: what a save changed, `{"field": [old, new]}`.

The old values are read by one query just before a save, in its transaction. With `update_fields` they are those that
the instance was loaded with, and there is no query; what it was not loaded with is not known.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from typing import Any
from weakref import ref

from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Field, FileField, Model
from django.db.models.expressions import BaseExpression
from django.db.models.fields.files import FieldFile

from publisher.generated import outdated_by_updates
from publisher.outbox import HandOver, after_commit
from publisher.stored import stored

BEFORE, LOADED = "signal_bridge_before", "signal_bridge_loaded"
METHODS = ("save_base", "from_db", "refresh_from_db")
# Changed in place, they would change what is remembered of them.
MUTABLE = (list, dict, set, bytearray)

Values = Mapping[str, Any]


class Unknown:
    """The value of a field that nobody has read: an old one, or what the database worked out."""


UNKNOWN = Unknown()


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


class Changes(dict[str, tuple[Any, Any]]):
    """(old, new) by the names of the fields. `instance` is what was saved."""

    def __init__(self, instance: Model, found: Mapping[str, tuple[Any, Any]]) -> None:
        super().__init__(found)
        self.instance = instance


_tracked: dict[type[Model], dict[str, Any]] = {}


def track(model: type[Model]) -> None:
    """Have this model's saves remember what was there before."""
    if model in _tracked:
        return
    _tracked[model] = {name: vars(model)[name] for name in METHODS if name in vars(model)}
    _watch_loading(model)
    _watch_saving(model)


def restore() -> None:
    for model, originals in _tracked.items():
        for name in METHODS:
            delattr(model, name)
        for name, original in originals.items():
            setattr(model, name, original)
    _tracked.clear()


def changes_of(instance: Model, update_fields: Iterable[str] | None) -> Changes | None:
    """Of the save that is under way. Empty for a new row; None where nobody looked before it was saved."""
    if not hasattr(instance._state, BEFORE):
        return None
    before: Values | None = getattr(instance._state, BEFORE)
    if before is None:
        return Changes(instance, {})
    saved = None if update_fields is None else frozenset(update_fields)
    outdated = outdated_by_updates(type(instance))
    using = instance._state.db or DEFAULT_DB_ALIAS
    fields = [
        field
        for field in instance._meta.concrete_fields
        if (saved is None or field.name in saved or field.attname in saved)
        and (field.attname in instance.__dict__ or (field.attname in before and not field.generated))
        and field.name not in outdated
    ]
    pairs = {field.name: (before.get(field.attname, UNKNOWN), _column(field, instance, using)) for field in fields}
    return Changes(instance, {field.name: pairs[field.name] for field in fields if _differ(field, *pairs[field.name])})


def _column(field: "Field[Any, Any]", instance: Model, using: str) -> Any:
    """What it has now. What the database worked out is not known, unless Django has read it back.

    Where Django cannot, it defers the field from 6.0 on, and leaves the expression before.
    """
    value = instance.__dict__.get(field.attname, UNKNOWN)
    return UNKNOWN if value is UNKNOWN or isinstance(value, BaseExpression) else stored(field, _name(value), using)


def _name(value: Any) -> Any:
    """A file as its column has it."""
    return (value.name or "") if isinstance(value, FieldFile) else value


def _differ(field: "Field[Any, Any]", old: Any, new: Any) -> bool:
    if old is UNKNOWN or new is UNKNOWN:
        return True
    try:
        return bool(new != old) and not (isinstance(field, FileField) and not new and not old)
    except Exception:
        # What cannot be compared is new.
        return True


def _watch_saving(model: type[Model]) -> None:
    save_base = model.save_base

    @wraps(save_base)
    def tracked_save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        # A parent may be tracked as well, and a child may not.
        if type(self) is not model:
            save_base(self, *args, **kwargs)
            return
        with _told(self, _before(self, *args, **kwargs)):
            save_base(self, *args, **kwargs)
        _remember(self, kwargs.get("update_fields"), kwargs.get("using") or router.db_for_write(model, instance=self))

    model.save_base = tracked_save_base  # type: ignore[method-assign]


@contextmanager
def _told(instance: Model, before: Values | None) -> Iterator[None]:
    """What was there before this save. A receiver may save the instance again: that is a save of its own, within."""
    outer = getattr(instance._state, BEFORE, UNKNOWN)
    setattr(instance._state, BEFORE, before)
    try:
        yield
    finally:
        if outer is UNKNOWN:
            delattr(instance._state, BEFORE)
        else:
            setattr(instance._state, BEFORE, outer)


def _before(
    instance: Model,
    raw: bool = False,
    force_insert: Any = False,
    force_update: bool = False,
    using: str | None = None,
    update_fields: Iterable[str] | None = None,
) -> Values | None:
    """Old values by attname; None where there is no old row."""
    if raw or force_insert or instance.pk is None:
        return None
    # Within another save what was loaded is older than what that has written.
    if update_fields is not None and not hasattr(instance._state, BEFORE):
        return _known(instance).values
    pk = instance._meta.pk
    if instance._state.adding and not force_update and pk.has_default():
        return None  # Django does not look for it either
    names = [field.attname for field in instance._meta.concrete_fields if field.attname in instance.__dict__]
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk).values(*names)[:1]
    return next(iter(rows), None)


def _watch_loading(model: type[Model]) -> None:
    from_db: Callable[..., Model] = model.from_db.__func__  # type: ignore[attr-defined]
    refresh_from_db = model.refresh_from_db

    @wraps(from_db)
    def tracked_from_db(cls: type[Model], *args: Any, **kwargs: Any) -> Model:
        # Django 6.1 has given it one more argument.
        instance = from_db(cls, *args, **kwargs)
        if type(instance) in _tracked:
            _remember(instance, None)
        return instance

    @wraps(refresh_from_db)
    def tracked_refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> None:
        refresh_from_db(self, *args, **kwargs)
        if type(self) in _tracked:
            _remember(self, args[1] if len(args) > 1 else kwargs.get("fields"))

    model.from_db = classmethod(tracked_from_db)  # type: ignore[assignment]
    model.refresh_from_db = tracked_refresh_from_db  # type: ignore[method-assign]


def _known(instance: Model) -> Loaded:
    loaded: Loaded | None = getattr(instance._state, LOADED, None)
    while loaded is not None and loaded.is_undone:
        loaded = loaded.earlier
    return loaded or Loaded({})


def _remember(instance: Model, names: Iterable[str] | None, using: str = "") -> None:
    """What is in the database now, as far as the instance has it; `using` where it was written there."""
    earlier = _known(instance)
    # A dict of its own: `copy.copy` shares what the state holds.
    values = dict(earlier.values)
    wanted = None if names is None else frozenset(names)
    for field in instance._meta.concrete_fields:
        name = field.attname
        if not (wanted is None or name in wanted or field.name in wanted):
            continue
        # What was loaded is what the column has.
        value = _column(field, instance, using) if using else _name(instance.__dict__.get(name, UNKNOWN))
        if value is UNKNOWN:
            values.pop(name, None)
        else:
            values[name] = deepcopy(value) if isinstance(value, MUTABLE) else value
    loaded = Loaded(values)
    if using:
        loaded.wait(earlier, using)
    setattr(instance._state, LOADED, loaded)
