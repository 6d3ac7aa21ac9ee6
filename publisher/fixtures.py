"""A pytest plugin, found by itself where the distribution is installed: the fixture `forwarded`."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from publisher.testing import Forwarded


@pytest.fixture
def forwarded() -> "Forwarded":
    """What the test has forwarded so far: called, it answers a list of events; `forwarded(using="other")` another
    database's.

    For tests that may use the database: `@pytest.mark.django_db`, with or without `transaction=True`.
    """
    # Not at the top: pytest loads plugins before Django has settings.
    from publisher.testing import Forwarded

    return Forwarded()
