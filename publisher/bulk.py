"""A manager whose `bulk_create`, `bulk_update`, `update` and `delete` send signals too: see `publisher.signals`.

Where a signal has no receiver for the model, the method is Django's own and costs the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import models
from django.db.models import Model
from django.dispatch import Signal

from publisher.atomicity import in_transaction
from publisher.signals import bulk_created, bulk_updated, queryset_deleted, queryset_updated

MOST_KEYS = 1000


class Keys(list[Any]):
    """Primary keys of rows of `model`."""

    def __init__(self, model: type[Model], keys: Iterable[Any]) -> None:
        super().__init__(keys)
        self.model = model


class Values(dict[str, Any]):
    """The arguments of an `update()` of `model`, by field name. A value may be an expression."""

    def __init__(self, model: type[Model], given: Mapping[str, Any]) -> None:
        meta = model._meta
        super().__init__({(meta.pk if name == "pk" else meta.get_field(name)).name: given[name] for name in given})
        self.model = model


class SignalQuerySet(models.QuerySet[Any]):
    """Sends a signal, in the write's transaction, for each write that Django sends none for."""

    # Whether this queryset is inside one of the writes below. In these, Django calls `update` and `_raw_delete` on
    # clones of the queryset, which must not send signals of their own.
    _is_telling = False

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        if not bulk_created.has_listeners(self.model):
            return super().bulk_create(objs, *args, **kwargs)
        given = list(objs)
        had_keys = any(map(_has_key, given))
        with self._silent() as silent:
            made = super(SignalQuerySet, silent).bulk_create(given, *args, **kwargs)
            conflicts = _conflicts(*args, **kwargs)
            # With conflicts, an object that had a key may have changed a row with another key, or no row at all.
            is_known = conflicts is None or (conflicts == "update" and not had_keys)
            keys = [each.pk for each in made] if is_known and all(map(_has_key, made)) else None
            self._tell(bulk_created, keys, len(made), silent.db, conflicts=conflicts)
        return made

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        if not bulk_updated.has_listeners(self.model):
            # Its batches are calls of `update()`: these must not send `queryset_updated`, with the values of all rows.
            with self._silent() as silent:
                return super(SignalQuerySet, silent).bulk_update(objs, fields, *args, **kwargs)
        given, names = tuple(objs), list(fields)
        with self._silent() as silent:
            count = super(SignalQuerySet, silent).bulk_update(given, names, *args, **kwargs)
            self._tell(bulk_updated, [each.pk for each in given], count, silent.db, fields=names)
        return count

    def update(self, **kwargs: Any) -> int:
        if not self._tells(queryset_updated):
            return super().update(**kwargs)
        with self._silent() as silent:
            keys = self._first_keys(silent.db)
            count = super(SignalQuerySet, silent).update(**kwargs)
            self._result_cache = None
            self._tell(queryset_updated, keys, count, silent.db, values=Values(self.model, kwargs))
        return count

    def delete(self) -> tuple[int, dict[str, int]]:
        if not self._tells(queryset_deleted):
            return super().delete()
        with self._silent() as silent:
            keys = self._first_keys(silent.db)
            deleted, by_model = super(SignalQuerySet, silent).delete()
            self._result_cache = None
            self._tell(queryset_deleted, keys, by_model.get(self.model._meta.label, 0), silent.db)
        return deleted, by_model

    # As in Django: the manager must not have `delete()`.
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> int:
        """Delete rows without loading them. Where it can, Django does so for rows that refer to deleted ones, too."""
        if not self._tells(queryset_deleted):
            return super()._raw_delete(using)
        alias = using or self.db
        with in_transaction(alias):
            keys = self._first_keys(alias)
            count = super()._raw_delete(alias)
            self._tell(queryset_deleted, keys, count, alias)
        return count

    def _clone(self) -> "SignalQuerySet":
        clone: SignalQuerySet = super()._clone()  # type: ignore[misc]
        clone._is_telling = self._is_telling
        return clone

    def _tells(self, signal: Signal) -> bool:
        """Whether to send this signal. Not for a slice or a union, which Django refuses to update or delete."""
        is_refused = self.query.is_sliced or self.query.combinator
        return not self._is_telling and not is_refused and signal.has_listeners(self.model)

    @contextmanager
    def _silent(self) -> Iterator["SignalQuerySet"]:
        """A copy that sends no signal, in a transaction on the database to write to.

        A copy, since this queryset may be shared with other threads, and with receivers of the signal.
        """
        silent = self._clone()
        silent._for_write = True  # type: ignore[attr-defined]
        silent._is_telling = True
        with in_transaction(silent.db):
            yield silent

    def _first_keys(self, using: str) -> list[Any]:
        """The first keys: one more than a signal has, which tells whether there are more."""
        return list(self._chain().using(using).order_by().values_list("pk", flat=True)[: MOST_KEYS + 1])  # type: ignore[attr-defined]

    def _tell(self, signal: Signal, keys: Sequence[Any] | None, count: int, using: str, **more: Any) -> None:
        if not count:
            return
        pks = None if keys is None else Keys(self.model, keys[:MOST_KEYS])
        complete = keys is not None and len(keys) <= MOST_KEYS and len(keys) == count
        signal.send(sender=self.model, pks=pks, count=count, complete=complete, using=using, **more)


def _has_key(instance: Model) -> bool:
    # A composite key is a tuple, with None for each part that is not known yet.
    key = instance.pk
    return None not in key if isinstance(key, tuple) else key is not None


def _conflicts(
    batch_size: int | None = None, ignore_conflicts: bool = False, update_conflicts: bool = False, *_: Any, **__: Any
) -> str | None:
    """What `bulk_create` does on a conflict, by its arguments."""
    return "ignore" if ignore_conflicts else "update" if update_conflicts else None


SignalManager = models.Manager.from_queryset(SignalQuerySet, class_name="SignalManager")
