"""Names on the broker that no other test uses, and that tell which session of pytest they are of."""

import re
import uuid

SESSION = uuid.uuid4().hex[:5]
ANOTHERS = re.compile(rf"test-(?!{SESSION}-)[0-9a-f]{{5}}-[0-9a-f]{{8}}")


def unique_name() -> str:
    return f"test-{SESSION}-{uuid.uuid4().hex[:8]}"


def is_anothers(text: str) -> bool:
    """Whether it has a name of a session that runs beside this one, on the same broker."""
    return ANOTHERS.search(text) is not None
