"""An entry of OFFLOAD: which receivers leave the process, and how a consumer runs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from publisher.rule_entry import WrongValue, is_count, is_flag, is_positive, is_wait
from publisher.rules import is_glob


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadEntry:
    """`receiver` is a dotted path, or a glob over dotted paths. The other fields are options of the handler.

    None stands for the handler's default. `retry` has the seconds to wait before each further attempt.
    """

    receiver: str
    ordered: bool = False
    retry: tuple[float, ...] | None = None
    concurrency: int | None = None
    soft_seconds: float | None = None
    hard_seconds: float | None = None

    @property
    def has_options(self) -> bool:
        return self != OffloadEntry(receiver=self.receiver)

    @property
    def is_glob(self) -> bool:
        return is_glob(self.receiver)


def offload_entry_from(entry: object) -> OffloadEntry:
    """The entry that OFFLOAD has as a text or a dict. Raises ValueError or TypeError for a wrong one."""
    if isinstance(entry, str):
        return OffloadEntry(receiver=entry)
    if not isinstance(entry, Mapping):
        raise TypeError(f"an entry is a receiver's path or a dict, not {entry!r}")
    unknown = [key for key in entry if key not in OPTIONS]
    if unknown or "receiver" not in entry:
        raise ValueError(f"unknown keys {unknown}" if unknown else "an entry needs the key 'receiver'")
    for key, value in entry.items():
        is_right, wanted = OPTIONS[key]
        if not is_right(value):
            raise WrongValue(key, f"{key!r} must be {wanted}, not {value!r}")
    if entry.get("ordered") and "concurrency" in entry:
        raise ValueError("'concurrency' is for receivers that are not 'ordered'")
    retry = entry.get("retry")
    return OffloadEntry(**{**entry, "retry": None if retry is None else tuple(retry)})


def offload_entries_from(entries: object) -> tuple[OffloadEntry, ...]:
    """The entries that can be read. A wrong one takes no receiver, and is a system-check error."""
    found = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            found.append(offload_entry_from(entry))
        except (ValueError, TypeError):
            continue
    return tuple(found)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_delays(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(is_wait(each) and not is_flag(each) for each in value)


OPTIONS: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    "receiver": (_is_path, "a dotted path, or a glob"),
    "ordered": (is_flag, "True or False"),
    "retry": (_are_delays, "a list of seconds up to a year, as [1, 10, 60]"),
    "concurrency": (is_count, "a number of calls at a time"),
    "soft_seconds": (is_positive, "a number of seconds"),
    "hard_seconds": (is_positive, "a number of seconds"),
}
