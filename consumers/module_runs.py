"""Which module is being run: the one that a handler is registered for, however deep in calls that happens."""

import sys
from dataclasses import dataclass
from types import CodeType

MODULE_LEVEL = "<module>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModuleRun:
    """One run of a module's code, which is another object each time that the module is imported, or reloaded."""

    module: str
    code: CodeType

    def is_same(self, other: "ModuleRun") -> bool:
        # Codes of the same text are equal.
        return self.code is other.code


def current_runs() -> tuple[ModuleRun, ...]:
    """The innermost one; none in a thread that no module began."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == MODULE_LEVEL:
            return (ModuleRun(module=frame.f_globals.get("__name__", ""), code=frame.f_code),)
        frame = frame.f_back  # type: ignore[assignment]
    return ()
