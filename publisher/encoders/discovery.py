"""Imports the encoders: the bridge's own, then the `encoders` module of each installed app."""

from importlib import import_module
from importlib.util import find_spec

from django.apps import apps

OWN = (
    "values",
    "objects",
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
    """Raises what such a module raises: an encoder that is missing would be noticed late."""
    for name in OWN:
        import_module(f"publisher.encoders.{name}")
    for config in apps.get_app_configs():
        name = f"{config.name}.encoders"
        if config.name != "publisher" and find_spec(name):
            import_module(name)
