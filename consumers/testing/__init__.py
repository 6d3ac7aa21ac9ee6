"""For a project's own tests of its handlers."""

from consumers.testing.delivery import Delivered, NotBound, deliver, deliver_batch, event_from
from consumers.testing.idempotency import assert_idempotent

__all__ = ["Delivered", "NotBound", "assert_idempotent", "deliver", "deliver_batch", "event_from"]
