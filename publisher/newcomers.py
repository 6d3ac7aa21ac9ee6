"""Signals that are made after the rules were connected: met when they are made, named when they are first sent."""

import logging
import re
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any
from weakref import WeakSet

from django.dispatch import Signal

from publisher.catalogue import KnownSignal, known_as
from publisher.entries import UID

logger = logging.getLogger(__name__)

NEWCOMER = f"{UID}newcomer"
# Where a signal was made that has no name: another from there has none either, and is not looked for again.
Place = tuple[str, int]

# Connects what the rules ask for; answers the receiver, or None where no rule takes the signal.
Welcome = Callable[[KnownSignal], Callable[..., None] | None]

_welcome: Welcome | None = None
_globs: tuple[str, ...] = ()
_nameless: set[Place] = set()
_met: "WeakSet[Signal]" = WeakSet()


def watch(welcome: Welcome, globs: tuple[str, ...]) -> None:
    """From now on, call `welcome` with each signal that is made later, where one of the globs may take it."""
    global _welcome, _globs
    _welcome, _globs = welcome, globs
    if not hasattr(Signal.__init__, "is_watched"):
        _watch_making()


def stop() -> None:
    global _welcome, _globs
    _welcome, _globs = None, ()
    for signal in _met:
        signal.disconnect(dispatch_uid=NEWCOMER)
    _met.clear()
    _nameless.clear()


def _watch_making() -> None:
    original = Signal.__init__

    @wraps(original)
    def init(self: Signal, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _welcome is not None:
            _meet(self)

    init.is_watched = True  # type: ignore[attr-defined]
    Signal.__init__ = init  # type: ignore[method-assign]


def _meet(signal: Signal) -> None:
    frame = _maker_of(signal)
    place = (frame.f_code.co_filename, frame.f_lineno)
    if place in _nameless or not any(_may_take(glob, frame.f_globals.get("__name__", "")) for glob in _globs):
        return

    # By then it has a name: where it is made, it is not assigned to anything yet.
    def introduce(**named: Any) -> None:
        signal.disconnect(dispatch_uid=NEWCOMER)
        receiver = _introduced(signal, place)
        if receiver is not None:
            # It was connected just now, so Django will not call it for what is being sent.
            receiver(**named)

    signal.connect(introduce, weak=False, dispatch_uid=NEWCOMER)
    _met.add(signal)


def _may_take(glob: str, module: str) -> bool:
    """Whether a signal that this module makes may have a name that the glob matches."""
    start = re.split(r"[*?\[]", glob, maxsplit=1)[0]
    return f"{module}.".startswith(start) or start.startswith(f"{module}.")


def _maker_of(signal: Signal) -> FrameType:
    frame = sys._getframe(3)
    # A subclass may have an `__init__` of its own.
    while frame.f_locals.get("self") is signal and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _introduced(signal: Signal, place: Place) -> Callable[..., None] | None:
    known = known_as(signal)
    if known is None:
        _nameless.add(place)
        logger.warning("not forwarded: a signal made in %s, line %d, has no name", *place)
    return None if known is None or _welcome is None else _welcome(known)
