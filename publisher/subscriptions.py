"""Which routing keys this project has handlers for. `consumers` registers here, since this app must not import it."""

from django.utils.module_loading import import_string

_sources: list[str] = []


def told_by(path: str) -> None:
    """Register the dotted path of a function that returns patterns of routing keys. Only a relay calls it."""
    if path not in _sources:
        _sources.append(path)


def patterns() -> frozenset[str]:
    """The patterns of all handlers. Raises whatever importing the handlers raises."""
    return frozenset(pattern for path in _sources for pattern in import_string(path)())
