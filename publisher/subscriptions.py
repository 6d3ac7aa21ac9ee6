"""Which routing keys this project has handlers for. The apps that know register here: this one is below them."""

from django.utils.module_loading import import_string

_sources: list[str] = []


def told_by(path: str) -> None:
    """The dotted path of a function that answers patterns; called by a relay alone."""
    if path not in _sources:
        _sources.append(path)


def patterns() -> frozenset[str]:
    """Raises what the import of handlers raises."""
    return frozenset(pattern for path in _sources for pattern in import_string(path)())
