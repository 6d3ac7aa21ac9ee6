"""System checks of `delivery: "ask"`."""

from collections.abc import Iterator, Mapping

from django.core.checks import CheckMessage, Error

from publisher.rules import Rule
from publisher.wire.topology import LONGEST_ASK_SECONDS

TIMEOUT_HINT = f"Give a number of seconds, up to {LONGEST_ASK_SECONDS}: a request waits so long."


def check_ask(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Of one rule."""
    if rule.delivery != "ask":
        return
    if rule.timeout > LONGEST_ASK_SECONDS:
        yield Error(f"{where}: the timeout is {rule.timeout!r}.", hint=TIMEOUT_HINT, id="publisher.E040")
    if rule.unroutable == "keep":
        hint = "A question that nobody is there to answer gets `on_timeout` at once."
        yield Error(f"{where}: a question cannot be kept.", hint=hint, id="publisher.E042")


def check_keys_of_ask(entry: object, rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Of the rule as it is written: a timeout may be there that is the default."""
    if isinstance(entry, Mapping) and rule.delivery != "ask" and ("timeout" in entry or "on_timeout" in entry):
        hint = 'They are of rules that ask: "delivery": "ask".'
        yield Error(f"{where}: timeout and on_timeout without an ask.", hint=hint, id="publisher.E041")
