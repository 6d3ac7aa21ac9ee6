"""Hides the value of a row of settings if its name, in another column, is that of a secret."""

from collections.abc import Sequence
from typing import Any

from publisher.encoders.columns import NamedValue
from publisher.encoders.hiding import hide, hide_named
from publisher.wire.codec import Encoding


def hide_by_names(
    encoding: Encoding, plain: dict[str, Any], named: NamedValue, names: Sequence[object], path: str
) -> None:
    """Hide the value, in `plain` under `path`, if one of these names is a secret's.

    If a name is not known, as of a deferred column or of an expression, text is dropped: it may be a secret.
    """
    its_path = f"{path}.{named.value}"
    known = [name for name in names if not hasattr(name, "resolve_expression")]
    if named.is_text and (not known or len(known) < len(names)):
        hide(encoding, plain, "drop", named.value, its_path)
    for name in known:
        hide_named(encoding, plain, name, named.value, its_path)
