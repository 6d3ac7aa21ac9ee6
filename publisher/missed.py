"""Records writes of forwarded models that sent no signal, as `QuerySet.update()`; `signals --missed` lists them."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from threading import local
from types import FrameType
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest, HttpResponseBase

from publisher.bulk import SignalQuerySet
from publisher.receivers import is_connected
from publisher.signals import bulk_created, bulk_updated, queryset_deleted, queryset_updated

logger = logging.getLogger(__name__)

# Beside manage.py. Lines are appended, so that any number of processes can record.
RECORD = Path(".signals-missed.jsonl")
HOW = (
    f"Nothing was recorded ({RECORD} is not here). Run `manage.py signals --missed -- test`, add "
    "'publisher.missed.MissedWritesMiddleware' to MIDDLEWARE, or run code within publisher.missed.recording()."
)
# By method: the signal that saving or deleting each row would have sent, and the one that a SignalManager sends.
WRITES = {
    "bulk_create": (post_save, bulk_created),
    "bulk_update": (post_save, bulk_updated),
    "update": (post_save, queryset_updated),
    "_raw_delete": (post_delete, queryset_deleted),
}
# Modules between a write and the code that called it: the caller is the first frame outside of these.
INNER = ("django.", "publisher.", "asgiref.", "contextlib.", "functools.", "concurrent.", "threading.")
# Given instead of the line where the write runs in a thread or event loop whose frames do not lead to the caller.
ASYNC = "async code, the line is not known"

_within = local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Writes by one line of code, `where`, that called `method`. `unsent` is the signal that they did not send."""

    model: str
    method: str
    where: str
    unsent: str
    writes: int
    rows: int


@contextmanager
def recording() -> Iterator[None]:
    """Append each missed write of this process to the file RECORD, until the block ends."""
    originals = start()
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(QuerySet, name, original)


def start() -> dict[str, Any]:
    """Record from now on. Returns the original methods of QuerySet by name, to put them back."""
    originals = {name: getattr(QuerySet, name) for name in WRITES}
    for name, original in originals.items():
        setattr(QuerySet, name, _recorded(name, original))
    return originals


class MissedWritesMiddleware:
    """Records the writes of this process. For development: finding the caller makes each write slower."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        if not hasattr(QuerySet.update, "is_recorded"):
            start()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


def missed() -> list[Missed]:
    """What was recorded, most writes first."""
    found: dict[tuple[str, ...], list[int]] = {}
    for line in RECORD.read_text().splitlines() if RECORD.exists() else ():
        row = json.loads(line)
        counts = found.setdefault((row["model"], row["method"], row["where"], row["unsent"]), [0, 0])
        counts[0] += row["writes"]
        counts[1] += row["rows"]
    names = ("model", "method", "where", "unsent")
    rows = [
        Missed(**dict(zip(names, key, strict=True)), writes=writes, rows=many) for key, (writes, many) in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.writes, row.where))


def _recorded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def recorded(self: "QuerySet[Any]", *args: Any, **kwargs: Any) -> Any:
        if getattr(_within, "is_write", False):
            return original(self, *args, **kwargs)
        _within.is_write = True
        try:
            answer = original(self, *args, **kwargs)
        finally:
            _within.is_write = False
        rows = answer if isinstance(answer, int) else len(answer)
        if rows and _is_missed(self, name):
            _note(self.model, name, rows)
        return answer

    recorded.is_recorded = True  # type: ignore[attr-defined]
    return recorded


def _is_missed(queryset: "QuerySet[Any]", name: str) -> bool:
    unsent, told = WRITES[name]
    is_told = isinstance(queryset, SignalQuerySet) and told.has_listeners(queryset.model)
    # Rows of a many-to-many relation are not missed: `m2m_changed` is sent for them.
    return not (is_told or queryset.model._meta.auto_created or _is_of_a_relation()) and is_connected(
        unsent, queryset.model
    )


def _note(model: type[Model], name: str, rows: int) -> None:
    unsent = "post_save" if WRITES[name][0] is post_save else "post_delete"
    row = Missed(model=model._meta.label, method=name, where=_caller(), unsent=unsent, writes=1, rows=rows)
    try:
        with RECORD.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
    except OSError as exc:
        # The write itself was successful, so its caller must not get this error.
        logger.warning("missed write not recorded model=%s where=%s error=%s", row.model, row.where, exc)


def _is_of_a_relation() -> bool:
    """Whether the write is part of `add()`, `set()`, `remove()` or `clear()` of a many-to-many relation."""
    return any("ManyRelatedManager" in frame.f_code.co_qualname for frame in _inner_frames())


def _caller() -> str:
    """`file:line` of the code that called the write, relative to the current directory if the file is below it."""
    last = None
    for last in _inner_frames():
        if _module(last).startswith("asgiref."):
            return ASYNC
    frame = last and last.f_back
    if frame is None:
        return ASYNC
    path = Path(frame.f_code.co_filename)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{frame.f_lineno}"


def _inner_frames() -> Iterator[FrameType]:
    """The frames from the write outwards, up to the code that called it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith(INNER):
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '')}."
