"""The admin: what may be looked at, by whom, and what may be done to parked events."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consumers.models import Attempt, InboxEvent
from publisher.models import OutboxEvent, ParkedEvent, RelayLease, UnroutableKey

pytestmark = pytest.mark.django_db

MODELS = (OutboxEvent, ParkedEvent, UnroutableKey, RelayLease, InboxEvent, Attempt)
BODY = b'{"data": {"text": "<script>"}}'


def waiting(id):
    return {
        "id": id, "message_id": f"m{id}", "type": "t", "routing_key": "a.b", "partitionkey": "p", "slot": 1,
        "keep_unroutable": False, "body": BODY,
    }  # fmt: skip


@pytest.fixture
def rows():
    for id in (1, 2, 3):
        ParkedEvent.objects.create(**waiting(id), kind="refused", reason="too large")
    return {
        OutboxEvent: OutboxEvent.objects.create(**waiting(9)),
        ParkedEvent: ParkedEvent.objects.first(),
        UnroutableKey: UnroutableKey.objects.create(digest="d", routing_key="a.b", count=3),
        RelayLease: RelayLease.objects.create(shard=0, holder="web1"),
        InboxEvent: InboxEvent.objects.create(subscription="blog.audit", event_id="e1"),
        Attempt: Attempt.objects.create(subscription="blog.audit", event_id="e2"),
    }


@pytest.fixture
def staff(client):
    """Logs somebody in who may do just this."""

    def log_in(*permissions):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return log_in


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_rows_are_read_and_never_written(admin_client, rows, model):
    row = rows[model]
    assert admin_client.get(url(model, "changelist")).status_code == 200
    page = admin_client.get(url(model, "change", row.pk))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.post(url(model, "change", row.pk), {}).status_code == 403
    assert admin_client.get(url(model, "delete", row.pk)).status_code == 403


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_rows_are_hidden_from_staff_without_the_permission(staff, rows, model):
    client = staff()
    assert client.get(url(model, "changelist")).status_code == 403
    assert client.get(url(model, "change", rows[model].pk)).status_code == 403


def test_payload_is_shown_escaped_and_cannot_be_edited(admin_client, rows):
    page = admin_client.get(url(OutboxEvent, "change", 9)).content.decode()
    assert "&quot;text&quot;: &quot;&lt;script&gt;&quot;" in page
    assert 'name="body"' not in page


@pytest.mark.parametrize("model", [OutboxEvent, ParkedEvent], ids=lambda model: model.__name__)
def test_lists_fetch_no_payloads(admin_client, rows, model):
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(url(model, "changelist"))
    assert not [query["sql"] for query in queries if model._meta.db_table in query["sql"] and "body" in query["sql"]]


@pytest.mark.parametrize(
    ("body", "shown"), [(b"\xff, no JSON", "b&#x27;\\xff"), (b"[" * 100_000, "b&#x27;[[[")], ids=["bytes", "deep"]
)
def test_payload_is_shown_as_bytes_when_it_cannot_be_read(admin_client, rows, body, shown):
    OutboxEvent.objects.update(body=body)
    assert shown in admin_client.get(url(OutboxEvent, "change", 9)).content.decode()


def test_payload_is_shown_with_an_escape_when_a_surrogate_is_alone(admin_client, rows):
    OutboxEvent.objects.update(body=b'{"text": "\xc3\xbc \\ud800"}')
    page = admin_client.get(url(OutboxEvent, "change", 9)).content.decode()
    assert "&quot;text&quot;: &quot;\u00fc \\ud800&quot;" in page


@pytest.mark.parametrize(
    "body", [b'{"text": "%s"}' % (b"x" * 100_000), b"\xff" + b"x" * 100_000], ids=["json", "bytes"]
)
def test_payload_is_shown_as_far_as_a_page_goes_and_how_large_it_is(admin_client, rows, body):
    ParkedEvent.objects.update(body=body)
    page = admin_client.get(url(ParkedEvent, "change", 1)).content.decode()
    assert 19_900 < page.count("x") < 20_200
    assert f"… the first 20,000 characters of an event of {len(body):,} bytes" in page


def act(client, action, *ids):
    return client.post(url(ParkedEvent, "changelist"), {"action": action, "_selected_action": ids}, follow=True)


def test_parked_events_go_back_into_the_outbox(admin_client, rows):
    assert "2 put back into the outbox." in act(admin_client, "retry", 1, 3).content.decode()
    assert [row.pk for row in ParkedEvent.objects.all()] == [2]
    assert [row.pk for row in OutboxEvent.objects.all()] == [1, 3, 9]


def test_parked_events_are_discarded(admin_client, rows):
    assert "1 discarded." in act(admin_client, "discard", 2).content.decode()
    assert [row.pk for row in ParkedEvent.objects.all()] == [1, 3]


class ReadsFromReplica:
    def db_for_read(self, model, **hints):
        return "other" if model is ParkedEvent else "default"

    def db_for_write(self, model, **hints):
        return "default"


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize(("action", "put_back"), [("retry", [1]), ("discard", [])])
def test_actions_write_where_rows_are_written(admin_client, settings, action, put_back):
    for using in ("default", "other"):
        ParkedEvent.objects.using(using).create(**waiting(1), kind="refused")
    settings.DATABASE_ROUTERS = [ReadsFromReplica()]
    act(admin_client, action, 1)
    assert [row.pk for row in OutboxEvent.objects.all()] == put_back
    assert [ParkedEvent.objects.using(using).count() for using in ("default", "other")] == [0, 1]


@pytest.mark.parametrize(
    ("permissions", "left"),
    [(("view",), 3), (("view", "change"), 2), (("view", "delete"), 2)],
    ids=["view", "change", "delete"],
)
def test_actions_ask_for_their_permission(staff, rows, permissions, left):
    client = staff(*(f"{verb}_parkedevent" for verb in permissions))
    offered = client.get(url(ParkedEvent, "changelist")).content.decode()
    assert ('value="retry"' in offered, 'value="discard"' in offered) == (
        "change" in permissions, "delete" in permissions,
    )  # fmt: skip
    act(client, "retry", 1)
    act(client, "discard", 1)
    assert ParkedEvent.objects.count() == left
