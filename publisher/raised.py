"""Where an exception came from: a file and a line, without the values that were there."""

import os
import sysconfig
import traceback
from pathlib import Path

LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
BRIDGE = tuple(f"{Path(__file__).parents[1] / name}{os.sep}" for name in ("publisher", "consumers"))
# As in `<frozen importlib._bootstrap>`.
NO_FILE = "<"


def where(exc: BaseException) -> str:
    """`folder/file.py:line`: the last of the project's own that it came from.

    Empty for an exception that was never raised.
    """
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)] or frames
    return place_in(own[-1].filename, own[-1].lineno) if own else ""


def why_not_imported(exc: Exception) -> str:
    """What a module raised, and where; without the place for one that is not there, or says it itself."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, *BRIDGE, NO_FILE))]
    place = f" ({place_in(own[-1].filename, own[-1].lineno)})" if own and not isinstance(exc, SyntaxError) else ""
    return f"{type(exc).__name__}: {exc}{place}"


def place_in(filename: str, line: int | None) -> str:
    # Each app has a consumers.py.
    return f"{'/'.join(filename.split('/')[-2:])}:{line}"
