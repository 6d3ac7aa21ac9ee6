"""Which module is being run: the one that a handler is registered for, however deep in calls that happens."""

import sys
import sysconfig
from dataclasses import dataclass
from types import CodeType

MODULE_LEVEL = "<module>"
MAIN = "__main__"
# Where test runners and shells are: what they call is run by no module, and may well be called again.
INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib", "scripts"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModuleRun:
    """One run of a module's code, which is another object each time that the module is imported, or reloaded."""

    module: str
    code: CodeType

    @property
    def may_be_a_runners(self) -> bool:
        """A script that is installed cannot be told from one; an app's module, which is imported, can."""
        is_imported = self.module != MAIN and self.module in sys.modules
        return not is_imported and self.code.co_filename.startswith(INSTALLED)

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
