"""System checks of `delivery: "ask"`."""

from collections.abc import Iterator, Mapping

from django.core.checks import CheckMessage, Error

from publisher.rules import Rule
from publisher.wire.topology import LONGEST_ASK_SECONDS

TIMEOUT_HINT = f"Give a number of seconds, up to {LONGEST_ASK_SECONDS}: the request waits this long at most."


def check_ask(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Check the `timeout` and `unroutable` of a rule that asks."""
    if rule.delivery != "ask":
        return
    if rule.timeout > LONGEST_ASK_SECONDS:
        yield Error(f"{where}: the timeout {rule.timeout!r} is too long.", hint=TIMEOUT_HINT, id="publisher.E040")
    if rule.unroutable == "keep":
        hint = "Leave 'unroutable' out: a question that no handler takes gets `on_timeout` at once."
        yield Error(f"{where}: a question cannot be kept.", hint=hint, id="publisher.E042")


def check_keys_of_ask(entry: object, rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Check that only a rule that asks has `timeout` or `on_timeout`. `entry` tells: a Rule always has both."""
    if isinstance(entry, Mapping) and rule.delivery != "ask" and ("timeout" in entry or "on_timeout" in entry):
        hint = 'Leave them out, or add "delivery": "ask".'
        yield Error(f"{where}: 'timeout' and 'on_timeout' need the delivery 'ask'.", hint=hint, id="publisher.E041")
