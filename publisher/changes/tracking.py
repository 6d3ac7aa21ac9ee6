"""`changes: True` in a rule: what a save changed, as `{"field": [old, new]}`.

The old values are read with one query just before the save, in its transaction. With `update_fields` there is no query:
the old values are those that were loaded or last saved, and unknown for a field that was not loaded.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Field, FileField, Model

from publisher.changes.loaded import Values, known, remember
from publisher.changes.stored import column
from publisher.encoders.changes import UNKNOWN, Changes
from publisher.generated import outdated_by_updates

BEFORE = "signal_bridge_before"
METHODS = ("save_base", "from_db", "refresh_from_db")

_tracked: dict[type[Model], dict[str, Any]] = {}


def track(model: type[Model]) -> None:
    """Wrap this model's methods, so that `changes_of` can tell what a save changed."""
    if model in _tracked:
        return
    _tracked[model] = {name: vars(model)[name] for name in METHODS if name in vars(model)}
    _watch_loading(model)
    _watch_saving(model)


def restore() -> None:
    """Undo `track` for all models."""
    for model, originals in _tracked.items():
        for name in METHODS:
            delattr(model, name)
        for name, original in originals.items():
            setattr(model, name, original)
    _tracked.clear()


def changes_of(instance: Model, update_fields: Iterable[str] | None) -> Changes | None:
    """What the save in progress has changed. Empty for a new row; None outside a save of a tracked model."""
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
    pairs = {field.name: (before.get(field.attname, UNKNOWN), column(field, instance, using)) for field in fields}
    return Changes(instance, {field.name: pairs[field.name] for field in fields if _differ(field, *pairs[field.name])})


def _differ(field: "Field[Any, Any]", old: Any, new: Any) -> bool:
    if old is UNKNOWN or new is UNKNOWN:
        return True
    try:
        return bool(new != old) and not (isinstance(field, FileField) and not new and not old)
    except Exception:
        # Values that cannot be compared count as different.
        return True


def _watch_saving(model: type[Model]) -> None:
    save_base = model.save_base

    @wraps(save_base)
    def tracked_save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        # An instance of a child or a proxy of this model. If that class is tracked, it has a wrapper of its own.
        if type(self) is not model:
            save_base(self, *args, **kwargs)
            return
        with _told(self, _before(self, *args, **kwargs)):
            save_base(self, *args, **kwargs)
        remember(self, kwargs.get("update_fields"), kwargs.get("using") or router.db_for_write(model, instance=self))

    model.save_base = tracked_save_base  # type: ignore[method-assign]


@contextmanager
def _told(instance: Model, before: Values | None) -> Iterator[None]:
    """Keep the old values on the instance during a save, which may be inside another one: in a receiver of that."""
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
    """The old values by attname; None where there is no old row. Takes the arguments of `save_base`."""
    if raw or force_insert or instance.pk is None:
        return None
    # Inside another save, a query follows: that save has written newer values than those that are known.
    if update_fields is not None and not hasattr(instance._state, BEFORE):
        return known(instance).values
    pk = instance._meta.pk
    if instance._state.adding and not force_update and pk.has_default():
        return None  # Django does not look for an existing row either
    names = [field.attname for field in instance._meta.concrete_fields if field.attname in instance.__dict__]
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk).values(*names)[:1]
    return next(iter(rows), None)


def _watch_loading(model: type[Model]) -> None:
    from_db: Callable[..., Model] = model.from_db.__func__  # type: ignore[attr-defined]
    refresh_from_db = model.refresh_from_db

    @wraps(from_db)
    def tracked_from_db(cls: type[Model], *args: Any, **kwargs: Any) -> Model:
        # Any arguments are passed on, since Django 6.1 has added one.
        instance = from_db(cls, *args, **kwargs)
        if type(instance) in _tracked:
            remember(instance, None)
        return instance

    @wraps(refresh_from_db)
    def tracked_refresh_from_db(self: Model, *args: Any, **kwargs: Any) -> None:
        refresh_from_db(self, *args, **kwargs)
        if type(self) in _tracked:
            remember(self, args[1] if len(args) > 1 else kwargs.get("fields"))

    model.from_db = classmethod(tracked_from_db)  # type: ignore[assignment]
    model.refresh_from_db = tracked_refresh_from_db  # type: ignore[method-assign]
