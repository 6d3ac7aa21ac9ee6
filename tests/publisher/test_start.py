"""What a process imports that only starts: the apps must not slow down what does not use them."""

LATER = (
    "pika", "msgspec", "uuid_utils", "tenacity", "rich", "publisher.events.dispatch", "publisher.outbox.writing",
    "publisher.encoders", "publisher.checks.settings", "publisher.direct", "publisher.offload.offload",
    "publisher.offload_entry", "publisher.outbox.waiting", "publisher.catalogue.sources", "publisher.forwarding",
    "publisher.incidental", "publisher.counters", "publisher.wire.routing", "consumers.querysets",
    "consumers.registry",
)  # fmt: skip


def imported(stage, code=""):
    return stage.python(f"{code}\nimport sys\nprint([name for name in {LATER} if name in sys.modules])").strip()


def test_nothing_is_imported_for_events_when_there_are_none(stage):
    assert imported(stage) == "[]"


def test_nothing_of_the_broker_is_imported_when_an_event_is_forwarded(stage):
    found = imported(stage, "from tests.foo.models import Article\nArticle.objects.create(title='x')")
    assert "publisher.outbox.writing" in found
    assert "pika" not in found
    assert stage.outbox() == 1


def test_values_come_back_when_the_first_thing_a_process_does_is_to_decode(stage):
    stage.python("from tests.foo.models import Article\nArticle.objects.create(title='x', price='2.50')")
    body = bytes(stage.database.value("SELECT body FROM publisher_outboxevent"))
    printed = stage.python(f"""
from publisher.wire.event import decode_event
instance = decode_event({body!r}).kwargs["instance"]
print(type(instance).__name__, repr(instance.price))
""")
    assert printed.strip() == "Article Decimal('2.50')"
