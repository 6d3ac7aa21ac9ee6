"""Where an exception was raised: file and line, without any values."""

import os
import sysconfig
import traceback
from pathlib import Path

LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
BRIDGE = tuple(f"{Path(__file__).parents[1] / name}{os.sep}" for name in ("publisher", "consumers"))
# How the name of code without a file begins, as `<frozen importlib._bootstrap>`.
NO_FILE = "<"


def where(exc: BaseException) -> str:
    """`folder/file.py:line` of the innermost frame outside of libraries. Empty for an exception that was not raised."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)] or frames
    return place_in(own[-1].filename, own[-1].lineno) if own else ""


def why_not_imported(exc: Exception) -> str:
    """Why a module cannot be imported: what it raised, and where, unless it is a SyntaxError, which says so itself."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, *BRIDGE, NO_FILE))]
    place = f" ({place_in(own[-1].filename, own[-1].lineno)})" if own and not isinstance(exc, SyntaxError) else ""
    return f"{type(exc).__name__}: {exc}{place}"


def place_in(filename: str, line: int | None) -> str:
    # With the folder, since each app has a `consumers.py`.
    return f"{'/'.join(filename.split('/')[-2:])}:{line}"
