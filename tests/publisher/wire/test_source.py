"""The source of events."""

import pytest

from publisher.wire.source import source_of


@pytest.mark.parametrize(
    ("service", "source"),
    [("shop", "/shop"), ("a/b-c_d.e~f:1", "/a/b-c_d.e~f:1"), ("a b", "/a%20b"), ("ü", "/%C3%BC"), ("%zz", "/%25zz")],
)
def test_source_is_a_uri_reference_whatever_the_service_is_called(service, source):
    assert source_of(service) == source
