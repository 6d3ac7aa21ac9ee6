"""Makes the saves of forwarded models atomic with their signals.

Where no transaction is open, Django commits the save of a model without parents before it sends `post_save`. An event
that is written then could be lost, if the process ends between the two commits.
https://github.com/django/django/blob/5.2/django/db/models/base.py `Model.save_base`
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import Any

from django.core.serializers.base import DeserializedObject
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

_made_atomic: dict[type[Model], Any] = {}
# The original `DeserializedObject.save`, while it is replaced.
_save_loaded: list[Any] = []
_is_loading: ContextVar[bool] = ContextVar("signal_bridge_is_loading", default=False)
_INHERITED = object()
# How a receiver can make a save's transaction roll back without an exception: what it did, and what to do about it.
CAUGHT = (
    "caught an error of the database",
    "Wrap what may fail in the receiver in transaction.atomic().",
)
CLOSED = (
    "closed the connection to the database",
    "Leave it open in receivers: connections.close_all() belongs into transaction.on_commit().",
)
# Transaction statuses of PostgreSQL's driver: in a transaction, or in one that has failed.
# https://www.postgresql.org/docs/current/libpq-status.html#LIBPQ-PQTRANSACTIONSTATUS
BEGUN, FAILED = (2, 3), 3
# One object for all saves that are in a transaction already.
_NOTHING = nullcontext()


def in_transaction(using: str) -> AbstractContextManager[None]:
    """Open a transaction. Where one is open already, do nothing, not even roll back to a savepoint on an exception."""
    return _NOTHING if is_begun(connections[using]) else transaction.atomic(using=using)


def is_open(connection: BaseDatabaseWrapper) -> bool:
    """Whether a transaction is open. May connect to the database to find out."""
    return connection.in_atomic_block or not connection.get_autocommit()


def is_begun(connection: BaseDatabaseWrapper) -> bool:
    """Like `is_open`, but also true where an SQL statement opened the transaction.

    Django does not know of that transaction, and cannot begin another one inside it.
    """
    if is_open(connection):
        return True
    # The driver knows without a query. MySQL's driver does not tell.
    driver: Any = connection.connection
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    return connection.vendor == "postgresql" and driver.info.transaction_status in BEGUN


def has_failed(connection: BaseDatabaseWrapper) -> bool:
    """Whether PostgreSQL's transaction has failed: a COMMIT would roll it back, and say nothing."""
    driver: Any = connection.connection
    return connection.vendor == "postgresql" and driver is not None and driver.info.transaction_status == FAILED


def is_open_already(connection: BaseDatabaseWrapper) -> bool:
    """Like `is_open`, but never connects: for code that does not need the database and must not wait for it."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def commit_each_statement(using: str) -> None:
    """Turn autocommit on, in the bridge's own processes, even where DATABASES has `"AUTOCOMMIT": False`."""
    connection = connections[using]
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.set_autocommit(True)


def make_saves_atomic(model: type[Model]) -> None:
    """Open a transaction around this model's `save_base`, where none is open."""
    if model in _made_atomic:
        return
    watch_loading()
    _made_atomic[model] = vars(model).get("save_base", _INHERITED)
    save_base = model.save_base

    @wraps(save_base)
    def atomic_save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        # In Django, only `Model.save` calls this, and it gives `using`. Other callers may leave it out.
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        if is_begun(connections[using]):
            save_base(self, *args, **kwargs)
        else:
            with _own_transaction(using, model):
                save_base(self, *args, **kwargs)

    model.save_base = atomic_save_base  # type: ignore[method-assign]


@contextmanager
def _own_transaction(using: str, model: type[Model]) -> Iterator[None]:
    """A transaction around a save. Raises TransactionManagementError where Django would roll it back silently.

    The code that saves has not opened this transaction, and would believe that the row was saved.
    """
    with transaction.atomic(using=using):
        yield
        if transaction.get_rollback(using=using):
            happened, remedy = CLOSED if connections[using].closed_in_transaction else CAUGHT
            raise transaction.TransactionManagementError(
                f"The save of {model._meta.label} is rolled back: a receiver {happened}, and the saves of forwarded "
                f"models are one transaction with their receivers. {remedy}"
            )


def watch_loading() -> None:
    """Make saves from fixtures atomic too: they call `Model.save_base`, not the `save_base` of their own model.

    `is_loading()` is true during such a save.

    https://github.com/django/django/blob/5.2/django/core/serializers/base.py `DeserializedObject.save`
    """
    if _save_loaded:
        return
    save = DeserializedObject.save
    _save_loaded.append(save)

    @wraps(save)
    def atomic_save(self: Any, save_m2m: bool = True, using: str | None = None, **kwargs: Any) -> None:
        model = type(self.object)
        alias = using or router.db_for_write(model, instance=self.object)
        token = _is_loading.set(True)
        try:
            is_apart = model in _made_atomic and not is_begun(connections[alias])
            with _own_transaction(alias, model) if is_apart else _NOTHING:
                save(self, save_m2m, using, **kwargs)
        finally:
            _is_loading.reset(token)

    DeserializedObject.save = atomic_save  # type: ignore[method-assign]


def is_loading() -> bool:
    """Whether an object from a fixture is being saved."""
    return _is_loading.get()


def restore_saves() -> None:
    for model, original in _made_atomic.items():
        if original is _INHERITED:
            del model.save_base
        else:
            model.save_base = original  # type: ignore[method-assign]
    _made_atomic.clear()
    while _save_loaded:
        DeserializedObject.save = _save_loaded.pop()  # type: ignore[method-assign]
