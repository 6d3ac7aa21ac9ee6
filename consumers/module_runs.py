"""Finds the module whose code is running, however deep in calls: a handler is registered by that module."""

import sys
import sysconfig
from dataclasses import dataclass
from types import CodeType

MODULE_LEVEL = "<module>"
MAIN = "__main__"
# Where test runners and shells are installed. They may call the same code again, so their runs are not a module's run.
INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib", "scripts"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModuleRun:
    """One run of a module's code. Each import or reload makes a new code object, so runs can be told apart by it."""

    module: str
    code: CodeType

    @property
    def may_be_a_runners(self) -> bool:
        """Whether a test runner or a shell may have run here: an installed module that was executed, not imported."""
        is_imported = self.module != MAIN and self.module in sys.modules
        return not is_imported and self.code.co_filename.startswith(INSTALLED)

    def is_same(self, other: "ModuleRun") -> bool:
        # Not `==`: code objects made from the same source are equal.
        return self.code is other.code


def current_runs() -> tuple[ModuleRun, ...]:
    """The run of the innermost module on the stack, as a tuple of one; empty if no module's code is on it."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == MODULE_LEVEL:
            return (ModuleRun(module=frame.f_globals.get("__name__", ""), code=frame.f_code),)
        frame = frame.f_back  # type: ignore[assignment]
    return ()
