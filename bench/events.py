"""What is published: the events of saved orders, as the publisher makes them."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connections

from bench.models import ForwardedOrder, values
from publisher import conf
from publisher.catalogue.signals import matching
from publisher.events.body import Encoded
from publisher.events.dispatch import encoded_event
from publisher.events.rows import COLUMNS, row_of
from publisher.models import OutboxEvent

POST_SAVE = "django.db.models.signals.post_save"
TABLE = OutboxEvent._meta.db_table
DIFFERENT = 1000
# The first fifteen characters of a uuid7 are its time and its version.
AGAIN = f"""
    INSERT INTO {TABLE} ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS).replace("message_id", "left(message_id, 15) || substr(gen_random_uuid()::text, 16)")}
    FROM {TABLE}, generate_series(1, %s) AS turn ORDER BY turn, id
"""


def encoder() -> Callable[[ForwardedOrder], Encoded]:
    """Encodes one `post_save` as its receiver does, which knows signal and rule beforehand."""
    known, rule = next(iter(matching(POST_SAVE))), conf.rules()[0]
    return lambda order: encoded_event(known, ForwardedOrder, kwargs_of(order), rule, conf.service())


def kwargs_of(order: ForwardedOrder) -> dict[str, Any]:
    """What Django sends `post_save` with."""
    return {"instance": order, "created": True, "update_fields": None, "raw": False, "using": "default"}


def events(count: int) -> Iterator[Encoded]:
    """Different ones."""
    encode = encoder()
    for number in range(1, count + 1):
        yield encode(ForwardedOrder(pk=number, **values(number)))


def fill_outbox(count: int) -> None:
    """Leave so many events in PostgreSQL's outbox, and no others: the first thousand again and again, under new ids."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLE}")
        with cursor.copy(f"COPY {TABLE} ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for event in events(min(count, DIFFERENT)):
                copy.write_row(row_of(event, conf.rules()[0]))
        if count > DIFFERENT:
            cursor.execute(AGAIN, [count // DIFFERENT - 1])
        cursor.execute(f"ANALYZE {TABLE}")
