"""Connects signals that are created after the rules were read. Their names are only known when they are first sent."""

import logging
import re
import sys
from collections.abc import Callable
from functools import wraps
from threading import RLock
from types import FrameType
from typing import Any
from weakref import WeakSet

from django.dispatch import Signal

from publisher.catalogue.signals import KnownSignal, Uid, known_as

logger = logging.getLogger(__name__)

NEWCOMER = Uid("newcomer")
LOOKING_SECONDS = 5.0
# File and line where a signal was created. If it has no name, later ones from the same place have none either.
Place = tuple[str, int]

# Connects a signal as the rules ask, and returns the receiver; None where no rule takes it.
Welcome = Callable[[KnownSignal], Callable[..., None] | None]

_welcome: Welcome | None = None
_globs: tuple[str, ...] = ()
_nameless: set[Place] = set()
_met: "WeakSet[Signal]" = WeakSet()


class Newcomer:
    """The receiver of a new signal until that is first sent. Before, it is unknown which name the signal gets."""

    def __init__(self, signal: Signal, place: Place) -> None:
        self._signal = signal
        self._place = place
        self._looking = RLock()
        self._is_introduced = False
        self._receiver: Callable[..., None] | None = None

    # `self` is positional-only, since a signal may have a kwarg of that name.
    def receive(self, /, **named: Any) -> None:
        self._introduce()
        # Django does not call a receiver that was connected during this dispatch.
        if self._receiver is not None:
            self._receiver(**named)

    def _introduce(self) -> None:
        """Find the signal's name, once. Others wait, but not for ever: one may hold an import lock that this needs."""
        is_alone = self._looking.acquire(timeout=LOOKING_SECONDS)
        try:
            if not self._is_introduced:
                self._give_way(_named(self._signal, self._place))
        finally:
            if is_alone:
                self._looking.release()

    def _give_way(self, known: KnownSignal | None) -> None:
        """Replace this newcomer by the receiver, in one step: every dispatch reaches exactly one of the two."""
        with self._signal.lock:
            if not self._is_introduced:
                self._receiver = None if known is None or _welcome is None else _welcome(known)
                self._is_introduced = True
                self._signal.disconnect(dispatch_uid=NEWCOMER)


def watch(welcome: Welcome, globs: tuple[str, ...]) -> None:
    """From now on, call `welcome` with each newly created signal that one of the globs may take."""
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
    place = _place_of(_maker_of(signal))
    if place is None or place in _nameless:
        return

    # Reentrant, so that `_give_way` can connect and disconnect while it holds the lock.
    signal.lock = RLock()  # type: ignore[assignment]
    signal.connect(Newcomer(signal, place).receive, weak=False, dispatch_uid=NEWCOMER)
    _met.add(signal)


def _place_of(frame: FrameType | None) -> Place | None:
    """The innermost place in a module that a glob may mean: its signals may be created by a factory in another one."""
    while frame is not None:
        if any(_may_take(glob, frame.f_globals.get("__name__", "")) for glob in _globs):
            return frame.f_code.co_filename, frame.f_lineno
        # Do not go beyond the module's own code: whoever imports the module does not create the signal.
        frame = None if frame.f_code.co_name == "<module>" else frame.f_back
    return None


def _may_take(glob: str, module: str) -> bool:
    """Whether the name of a signal in this module may match the glob."""
    start = re.split(r"[*?\[]", glob, maxsplit=1)[0]
    return f"{module}.".startswith(start) or start.startswith(f"{module}.")


def _maker_of(signal: Signal) -> FrameType:
    frame = sys._getframe(3)
    # Skip the frames of a subclass's own `__init__`.
    while frame.f_locals.get("self") is signal and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _named(signal: Signal, place: Place) -> KnownSignal | None:
    known = known_as(signal)
    if known is None:
        _nameless.add(place)
        logger.warning("not forwarded: a signal made in %s, line %d, has no name", *place)
    return known
