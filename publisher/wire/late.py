"""Registrations that wait until the first value is encoded or decoded: a process that does neither starts without."""

from __future__ import annotations

from importlib import import_module
from threading import RLock

# Dotted paths of functions that register encoders and decoders.
pending: list[str] = []
_loading = RLock()
_underway: list[bool] = []


def when_needed(path: str) -> None:
    """Call the function at this dotted path before the first value is decoded, or encoded that is not plain."""
    pending.append(path)


def load() -> None:
    """Call all of them, once. Raises what they raise; then they are called again the next time."""
    # Whoever comes meanwhile waits until all is registered; what is being imported may ask for what is there already.
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
