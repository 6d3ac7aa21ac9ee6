"""Signals that tell of no write: of requests, connections, settings, templates, migrations, rows read.

They are sent at any time, also when there is no outbox yet, when a test may not use the database, or while the bridge
itself is at work. What cannot be forwarded then is counted; whoever sent the signal goes on.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import NO_DB_ALIAS

from publisher import counters
from publisher.catalogue.signals import KnownSignal

logger = logging.getLogger(__name__)

CONNECTION_CREATED = "django.db.backends.signals.connection_created"
SETTING_CHANGED = "django.core.signals.setting_changed"
GOT_REQUEST_EXCEPTION = "django.core.signals.got_request_exception"
INCIDENTAL = frozenset(
    (
        CONNECTION_CREATED,
        SETTING_CHANGED,
        GOT_REQUEST_EXCEPTION,
        *(f"django.core.signals.{name}" for name in ("request_started", "request_finished")),
        *(
            f"django.db.models.signals.{name}"
            for name in ("class_prepared", "pre_init", "post_init", "pre_migrate", "post_migrate")
        ),
        "django.test.signals.template_rendered",
        "django.utils.autoreload.autoreload_started",
        "django.utils.autoreload.file_changed",
    )
)

Receiver = Callable[..., Any]

_NOTHING = nullcontext()
_local = threading.local()
_works = 0
_lock = threading.Lock()


def is_incidental(known: KnownSignal) -> bool:
    return known.name in INCIDENTAL


def harmless(known: KnownSignal, forward: Receiver, *, is_strict: bool) -> Receiver:
    """The receiver, so that nobody notices when it cannot do its work, and its own work does not call it again.

    Where a rule is strict, what fails is told, but for the database.
    """

    def forward_harmlessly(**named: Any) -> Any:
        if is_own_work(known.name, named) or not _enter(known.name):
            return None
        try:
            with _leaving_no_connection() if known.name == GOT_REQUEST_EXCEPTION else _NOTHING:
                return forward(**named)
        except Exception as exc:
            if is_strict and not isinstance(exc, DatabaseError | InterfaceError):
                raise
            not_written(known.name, exc)
            return None
        finally:
            _local.sending.discard(known.name)

    return forward_harmlessly


@contextmanager
def _leaving_no_connection() -> Iterator[None]:
    """Closes what was opened meanwhile. Under ASGI `got_request_exception` is sent in threads of a pool, where nobody
    closes a connection at the end of a request, or looks whether it still works.

    https://github.com/django/django/blob/5.2/django/core/handlers/exception.py `convert_exception_to_response`
    """
    before = [each for each in connections.all(initialized_only=True) if each.connection is not None]
    try:
        yield
    finally:
        for each in connections.all(initialized_only=True):
            if each.connection is not None and each not in before:
                each.close()


def not_written(signal: str, exc: BaseException) -> None:
    """Count an event that could not be written, and say so now and then."""
    if counters.is_news(number := counters.count(counters.NOT_WRITTEN, signal)):
        logger.warning("not forwarded signal=%s error=%s, %d so far", signal, type(exc).__name__, number)


def is_own_work(signal: str, named: dict[str, Any]) -> bool:
    """Whether it tells of what the bridge does: its connections where it relays and consumes, its own setting.

    Or of a connection to no database, as to one that is made, or dropped now: to write would hold that open.
    """
    if signal == CONNECTION_CREATED:
        return _works > 0 or getattr(named.get("connection"), "alias", None) == NO_DB_ALIAS
    return signal == SETTING_CHANGED and named.get("setting") == "SIGNAL_BRIDGE"


@contextmanager
def own_work() -> Iterator[None]:
    """While this process relays or consumes."""
    global _works
    with _lock:
        _works += 1
    try:
        yield
    finally:
        with _lock:
            _works -= 1


def _enter(name: str) -> bool:
    """Whether this thread is not at it already: to write an event opens a connection, to encode it may read a row."""
    sending: set[str] | None = getattr(_local, "sending", None)
    if sending is None:
        sending = _local.sending = set()
    if name in sending:
        return False
    sending.add(name)
    return True
