"""System checks of the handlers."""

from importlib import import_module
from typing import Any

from django.core.checks import CheckMessage, Error

from consumers.discovery import handler_modules
from consumers.exceptions import HandlerNameTaken
from publisher import conf


def check_handlers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Every module with handlers can be imported, and no two handlers share a queue."""
    entries = conf.setting("HANDLERS")
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
        hint = "Make it a list of dotted module paths."
        return [Error(f"SIGNAL_BRIDGE['HANDLERS'] is {entries!r}.", hint=hint, id="consumers.E001")]
    return [message for name in handler_modules() if (message := _check_module(name))]


def _check_module(name: str) -> CheckMessage | None:
    try:
        import_module(name)
    except HandlerNameTaken as exc:
        return Error(str(exc), hint="Each handler has a queue of its own, called after it.", id="consumers.E003")
    except Exception as exc:
        hint = "Mend the module, or take it out of SIGNAL_BRIDGE['HANDLERS']."
        return Error(
            f"The handlers in {name!r} cannot be imported: {type(exc).__name__}: {exc}",
            hint=hint,
            id="consumers.E002",
        )
    return None
