"""A pytest plugin, found by itself where the distribution is installed: the fixture `forwarded`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from publisher.wire.event import Event


@pytest.fixture
def forwarded() -> "Callable[[], list[Event]]":
    """What the test has forwarded so far: called, it answers a list of events.

    For tests that may use the database: `@pytest.mark.django_db`, with or without `transaction=True`.
    """
    # Not at the top: pytest loads plugins before Django has settings.
    from publisher.testing import Forwarded

    return Forwarded()
