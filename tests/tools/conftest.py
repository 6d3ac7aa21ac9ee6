"""What the tests of the tools share."""

import pytest

from tests import services


@pytest.fixture(scope="session")
def node():
    """The one that stays for the next run: not to be harmed."""
    try:
        return services.kept_node()
    except services.Unavailable as exc:
        services.give_up(exc)
