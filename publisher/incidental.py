"""Signals that are not about a write, but about requests, connections, settings, templates, migrations or rows read.

They may be sent when there is no outbox yet, when a test may not use the database, or while the bridge itself works.
An event that cannot be written then is counted and logged, and the sender of the signal does not notice.
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
    """Wraps a receiver, so that the sender does not notice its errors, and so that it does not call itself in a circle.

    With `is_strict`, errors are raised, except those of the database.
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
    """Closes the database connections that were opened in the block. Under ASGI, `got_request_exception` is sent in
    threads of a pool, where Django does not close connections when a request ends.

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
    """Count an event that could not be written, and log that now and then."""
    if counters.is_news(number := counters.count(counters.NOT_WRITTEN, signal)):
        logger.warning("not forwarded signal=%s error=%s, %d so far", signal, type(exc).__name__, number)


def is_own_work(signal: str, named: dict[str, Any]) -> bool:
    """Whether the signal is about the bridge's own connections, in a relay or a consumer, or about its own setting.

    Also true for a connection to no particular database, from which one is created or dropped: to write an event would
    open a connection to that very database.
    """
    if signal == CONNECTION_CREATED:
        return _works > 0 or getattr(named.get("connection"), "alias", None) == NO_DB_ALIAS
    return signal == SETTING_CHANGED and named.get("setting") == "SIGNAL_BRIDGE"


@contextmanager
def own_work() -> Iterator[None]:
    """Marks the connections that are opened in the block as the bridge's own: in a relay or a consumer."""
    global _works
    with _lock:
        _works += 1
    try:
        yield
    finally:
        with _lock:
            _works -= 1


def _enter(name: str) -> bool:
    """Note that this thread forwards the signal. False if it does so already: writing an event may send its signal."""
    sending: set[str] | None = getattr(_local, "sending", None)
    if sending is None:
        sending = _local.sending = set()
    if name in sending:
        return False
    sending.add(name)
    return True
