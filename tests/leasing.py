"""Whose turn it is to relay, for tests of what a relay does then."""

from publisher.relay.leases import Leases


def held() -> Leases:
    """Those of a relay that has the whole outbox."""
    leases = Leases("default", 1)
    leases.renew()
    return leases
