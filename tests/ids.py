"""What parametrised tests are called."""

import re


def plain(value: object) -> str:
    """Its repr without addresses, sets in order: processes that run the tests together must call them the same."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({', '.join(sorted(map(plain, value)))})"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
