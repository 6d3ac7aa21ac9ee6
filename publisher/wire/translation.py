"""Translates pika's errors: BrokerUnavailable where waiting may help, BrokerRefused where a person must act."""

import re
import ssl

from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorPhaseErrorBase,
    AMQPConnectorSocketConnectError,
)
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from publisher.wire.errors import AcknowledgementOverdue, BrokerRefused, BrokerUnavailable

# What pika raises whenever a connection ends while it is being opened, whatever the cause. Only the text says why.
SUPPOSED_REFUSALS = (ProbableAccessDeniedError, ProbableAuthenticationError)
CLOSED_BY_BROKER = re.compile(rf"{ConnectionClosedByBroker.__name__}: \((\d+)\)")
# Reply codes after which a person must act: access refused, locked, precondition failed, not allowed.
REFUSAL_CODES = frozenset((403, 405, 406, 530))
PERMISSIONS_HINT = "`rabbitmqctl set_permissions` grants it: docs/operations.md has what each process needs"
# Hints by RabbitMQ's text: something exists with other arguments, or a permission is missing.
HINTS = {
    "inequivalent arg": "; it was declared with other options (`ordered`, `ask`), under another EXCHANGE or by another "
    "version: use those again, or let the old code empty the queue, then delete it",
    "refused for user": f"; {PERMISSIONS_HINT}",
}
ENDED = "the other side closed the connection: a broker starts or stops, or that is no port of AMQP, usually 5672"
# Hints for what may be at the port, if it is no broker that speaks AMQP.
STRANGERS = {
    "WRONG_VERSION_NUMBER": "it speaks no TLS: write amqp://, or the port of TLS, usually 5671",
    "Transport indicated EOF": ENDED,
    # The peer closed the socket without reading everything, as a broker does that shuts down.
    "Connection reset by peer": ENDED,
    "Broken pipe": ENDED,
}
# A user or a vhost has too many connections. Waiting may help, since one of them may end.
LIMITED = "connection limit"
# This is a failed precondition too, but needs no person: a handler took longer than the broker's `consumer_timeout`.
LATE = "delivery acknowledgement on channel"
# Something was deleted after it had been declared. The next connection will declare it again.
NOT_FOUND = 404


def translated(exc: BaseException, address: str) -> BrokerUnavailable | BrokerRefused:
    """The bridge's error for one of pika's. Its message names the broker by `address`."""
    cause = _last_cause(exc)
    if isinstance(cause, SUPPOSED_REFUSALS) and LIMITED in str(cause):
        return BrokerUnavailable(f"{address} takes no more connections now: {cause.args[0]}")
    if isinstance(cause, SUPPOSED_REFUSALS) and _closing_code(cause) in REFUSAL_CODES:
        return BrokerRefused(f"{address} {_refusal(cause)}")
    if isinstance(cause, ChannelClosedByBroker) and LATE in cause.reply_text:
        return AcknowledgementOverdue(f"a handler ran longer than {address} waits for an answer: {cause.reply_text}")
    if isinstance(cause, ChannelClosedByBroker) and cause.reply_code == NOT_FOUND:
        return BrokerUnavailable(f"what was declared at {address} is gone: {cause.reply_text}")
    if isinstance(cause, ChannelClosedByBroker | ConnectionClosedByBroker) and cause.reply_code in REFUSAL_CODES:
        hint = next((hint for text, hint in HINTS.items() if text in cause.reply_text), "")
        return BrokerRefused(f"{address} said {cause.reply_code}: {cause.reply_text}{hint}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return BrokerRefused(f"{address} has a certificate that cannot be trusted: {cause.verify_message}")
    said = str(cause) or type(cause).__name__
    hint = next((hint for text, hint in STRANGERS.items() if text in said), "")
    return BrokerUnavailable(f"{address} is not there: {hint or said}")


def _refusal(supposed: BaseException) -> str:
    if isinstance(supposed, ProbableAuthenticationError):
        return (
            "refused the user or its password: look at BROKER_URL, and try `rabbitmqctl authenticate_user`; "
            "guest may only log in from the broker's own machine"
        )
    if "not found" in str(supposed):
        return "has no such vhost: look at BROKER_URL; `rabbitmqctl add_vhost` makes it, `set_permissions -p` lets in"
    return "refused the user this vhost: look at BROKER_URL; `rabbitmqctl set_permissions -p` lets the user in"


def _closing_code(supposed: BaseException) -> int | None:
    """The broker's reply code when it closed the connection; None when it did not, as when it is killed."""
    said = CLOSED_BY_BROKER.search(str(supposed.args[0]) if supposed.args else "")
    return int(said[1]) if said else None


def _last_cause(exc: BaseException) -> BaseException:
    if isinstance(exc, AMQPConnectionWorkflowFailed) and exc.exceptions:
        return _last_cause(exc.exceptions[-1])
    if isinstance(exc, AMQPConnectorSocketConnectError | AMQPConnectorPhaseErrorBase):
        return _last_cause(exc.exception)
    return exc
