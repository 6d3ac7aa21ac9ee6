"""System checks of `delivery: "ask"`."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error

from publisher.rules import ASK_SECONDS, Rule
from publisher.wire.topology import LONGEST_ASK_SECONDS

TIMEOUT_HINT = f"Give a number of seconds, up to {LONGEST_ASK_SECONDS}: a request waits so long."


def check_ask(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Of one rule."""
    if rule.delivery != "ask":
        if rule.timeout != ASK_SECONDS or rule.on_timeout is not None:
            hint = 'They are of rules that ask: "delivery": "ask".'
            yield Error(f"{where}: timeout and on_timeout without an ask.", hint=hint, id="publisher.E041")
        return
    if rule.timeout > LONGEST_ASK_SECONDS:
        yield Error(f"{where}: the timeout is {rule.timeout!r}.", hint=TIMEOUT_HINT, id="publisher.E040")
    if rule.unroutable == "keep":
        hint = "A question that nobody is there to answer gets `on_timeout` at once."
        yield Error(f"{where}: a question cannot be kept.", hint=hint, id="publisher.E042")
