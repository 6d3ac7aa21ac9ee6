import pytest

from publisher.contract.document import contract


@pytest.fixture
def forward(settings):
    def forward(*rules, **more):
        settings.SIGNAL_BRIDGE = {"SERVICE": "tests", "FORWARD": list(rules), **more}
        return contract()

    return forward
