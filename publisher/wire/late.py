"""Registers encoders and decoders only when the first value is encoded or decoded, so that processes start faster."""

from __future__ import annotations

from importlib import import_module
from threading import RLock

# The dotted paths of functions that register encoders and decoders, and were not called yet.
pending: list[str] = []
_loading = RLock()
_underway: list[bool] = []


def when_needed(path: str) -> None:
    """Have the function at this dotted path called before the first value is decoded, or encoded if it is not plain."""
    pending.append(path)


def load() -> None:
    """Call the pending functions, once. One that raises is called again the next time."""
    # Other threads wait until all is registered. The functions themselves may call this again, in the same thread.
    with _loading:
        if _underway:
            return
        _underway.append(True)
        try:
            while pending:
                module, _, function = pending[0].rpartition(".")
                getattr(import_module(module), function)()
                del pending[0]
        finally:
            _underway.clear()
