"""For a project's own tests of its handlers."""

from consumers.exceptions import NotBound
from consumers.testing.delivery import Delivered, deliver, deliver_all, deliver_batch, event_from
from consumers.testing.idempotency import assert_idempotent

__all__ = ["Delivered", "NotBound", "assert_idempotent", "deliver", "deliver_all", "deliver_batch", "event_from"]
