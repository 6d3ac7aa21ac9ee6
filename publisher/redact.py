"""What REDACT and a rule's `redact` say, as they are read from the settings."""

from collections.abc import Mapping

# What becomes of a value by its name. `keep` overrules what would be done otherwise.
ACTIONS = ("drop", "mask", "hash", "keep")
# (glob over lower-case names, action): the first that matches decides.
Redact = tuple[tuple[str, str], ...]


def redact_from(entries: object) -> Redact:
    """Raises TypeError or ValueError for what is no dict of name to action."""
    if not isinstance(entries, Mapping):
        raise TypeError(f"expected a dict of name to action, not {entries!r}")
    for name, action in entries.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"expected a name, not {name!r}")
        if action not in ACTIONS:
            raise ValueError(f"{name!r}: there is no action {action!r}; there are {', '.join(ACTIONS)}")
    return tuple((name.lower(), action) for name, action in entries.items())
