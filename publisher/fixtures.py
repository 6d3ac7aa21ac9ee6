"""A pytest plugin with the fixture `forwarded`. pytest finds it where the distribution is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from publisher.testing import Forwarded


@pytest.fixture
def forwarded(request: pytest.FixtureRequest) -> "Forwarded":
    """`forwarded()` returns the events that the test has forwarded so far; `forwarded(using="other")` those of another
    database.

    With pytest-django, the fixture lets the test use the database, as `@pytest.mark.django_db` does.
    """
    if request.config.pluginmanager.hasplugin("django"):
        request.getfixturevalue("db")
    # Not at the top: pytest loads plugins before Django has settings.
    from publisher.testing import Forwarded

    return Forwarded()
