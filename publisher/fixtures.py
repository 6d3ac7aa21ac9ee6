"""A pytest plugin, found by itself where the distribution is installed: the fixture `forwarded`."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from publisher.testing import Forwarded


@pytest.fixture
def forwarded(request: pytest.FixtureRequest) -> "Forwarded":
    """What the test has forwarded so far: called, it answers a list of events; `forwarded(using="other")` another
    database's.

    With pytest-django the test may use the database then, as `@pytest.mark.django_db` says where it is there.
    """
    if request.config.pluginmanager.hasplugin("django"):
        request.getfixturevalue("db")
    # Not at the top: pytest loads plugins before Django has settings.
    from publisher.testing import Forwarded

    return Forwarded()
