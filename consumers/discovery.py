"""Finds handlers: in the `consumers` module of each installed app, and in the modules that HANDLERS names."""

from collections.abc import Sequence
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from consumers.bindings import keys_of
from consumers.exceptions import HandlersNotImportable, UnknownHandler
from consumers.handler import Handler
from consumers.offloaded import offloaded_handlers
from consumers.registry import handlers
from publisher import conf
from publisher.hints import near
from publisher.raised import why_not_imported


def handler_modules() -> tuple[str, ...]:
    """The names of the modules to import. The app `consumers` itself is not one of them."""
    configs = [config for config in apps.get_app_configs() if config.name != "consumers"]
    # An app may be a single file, which has no submodules.
    found = (f"{config.name}.consumers" for config in configs if module_has_submodule(config.module, "consumers"))
    return (*found, *conf.handler_modules())


def discover() -> tuple[Handler, ...]:
    """Import the modules with handlers. Returns all handlers, with those of offloaded receivers.

    Raises HandlersNotImportable.
    """
    for name in handler_modules():
        try:
            import_module(name)
        except Exception as exc:
            raise HandlersNotImportable(f"{name}: {why_not_imported(exc)}") from exc
    return (*handlers(), *offloaded_handlers())


def all_patterns() -> frozenset[str]:
    """The patterns that the queues of this project's handlers are bound to, except those of handlers with ask=True.

    Raises HandlersNotImportable.
    """
    return frozenset(pattern for handler in discover() if not handler.ask for pattern in keys_of(handler))


def chosen(known: Sequence[Handler], names: Sequence[str], besides: Sequence[str] = ()) -> tuple[Handler, ...]:
    """The handlers in `names`, or all if it is empty, but without those in `besides`. Raises UnknownHandler."""
    by_name = {handler.name: handler for handler in known}
    for name in (*names, *besides):
        if name not in by_name:
            there_are = (
                near(name, by_name, "`manage.py consume --list` lists them.") if by_name else "There are no handlers."
            )
            raise UnknownHandler(f"There is no handler {name!r}. {there_are}")
    wanted = [by_name[name] for name in names] if names else known
    return tuple(handler for handler in wanted if handler.name not in besides)
