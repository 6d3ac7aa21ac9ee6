"""Handlers of one signal, as the log and the dead letters show them: one ends well, one later, one never."""

from consumers import Backoff, Reject, Retry, receiver
from tests.bar.consumers import see
from tests.foo.signals import user_login

attempts = []


@receiver(user_login)
def noted(sender, event, **kwargs):
    see("noted", f"{event.traceparent} {event.correlationid}")


@receiver(user_login, retry=Backoff(delays=(1,), jitter=0))
def wavering(sender, **kwargs):
    attempts.append(kwargs)
    if len(attempts) == 1:
        raise Retry("not yet")
    see("wavering", "")


@receiver(user_login)
def refusing(sender, **kwargs):
    raise Reject("never")
