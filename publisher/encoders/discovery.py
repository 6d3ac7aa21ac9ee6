"""Imports the encoders: the bridge's own, then the `encoders` module of each installed app."""

from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

OWN = (
    "values",
    "objects",
    "multivalue",
    "models",
    "expressions",
    "http",
    "files",
    "mail",
    "errors",
    "machinery",
    "likenesses",
    "changes",
    "bulk",
)


def load_encoders() -> None:
    """Import all encoders. Raises whatever a module raises, since a missing encoder would be noticed late."""
    for name in OWN:
        import_module(f"publisher.encoders.{name}")
    for config in apps.get_app_configs():
        # `module_has_submodule` is false for an app that is a single file.
        if config.name != "publisher" and module_has_submodule(config.module, "encoders"):
            import_module(f"{config.name}.encoders")
