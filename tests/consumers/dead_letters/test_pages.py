"""The admin's pages of dead letters, of a real broker."""

import json
import socket

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from consumers.dead_letters import pages

pytestmark = pytest.mark.django_db

LIST, LETTER = "admin:consumers_deadletter_changelist", "admin:consumers_deadletter_letter"


@pytest.fixture
def buried(bury):
    bury("index", "i1", text="<b>no</b>")
    bury("index", "i2")
    bury("log", "l1", body=b'{"data": {"text": "<script>"}}')
    # One event, dead twice over.
    bury("log", "i1")


@pytest.fixture
def staff(client):
    """Logs somebody in who may do just this to dead letters."""

    def log_in(*verbs):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=[f"{verb}_deadletter" for verb in verbs]))
        client.force_login(user)
        return client

    return log_in


def page(client, name=LIST, **query):
    return client.get(reverse(name), query)


def act(client, action, *names):
    return client.post(reverse(LIST), {"action": action, "letter": names}, follow=True).content.decode()


def ids(queues, queue):
    return sorted(letter.properties.message_id for letter in queues.peek(queue))


def left(queues):
    """The ids of the letters that are there still."""
    return {handler: ids(queues, f"{handler}.dead") for handler in ("index", "log")}


def test_letters_are_listed_with_their_handlers(admin_client, buried):
    shown = page(admin_client).content.decode()
    for text in ("index (2)", "log (2)", "i1</a>", "i2</a>", "l1</a>", "&lt;b&gt;no&lt;/b&gt;", "4 dead letters"):
        assert text in shown
    assert "<b>no</b>" not in shown


def test_letters_of_one_handler_are_shown_by_themselves(admin_client, buried):
    shown = page(admin_client, handler="index").content.decode()
    assert ("i2</a>" in shown, "l1</a>" in shown, "log (2)" in shown) == (True, False, True)


def test_no_more_are_looked_at_than_are_shown(admin_client, buried, monkeypatch):
    monkeypatch.setattr(pages, "MOST_LETTERS", 1)
    shown = page(admin_client, handler="index").content.decode()
    assert "index (2)" in shown
    assert "1 dead letter, and no more are shown" in shown


def test_nothing_is_said_of_no_letters(admin_client, declared):
    assert "No dead letters." in page(admin_client).content.decode()
    assert "No dead letters of index." in page(admin_client, handler="index").content.decode()


def test_one_letter_is_shown_whole_and_escaped(admin_client, buried):
    shown = page(admin_client, LETTER, handler="log", id="l1").content.decode()
    for text in ("a.key", "builtins.ValueError: text of l1", "web1", "&quot;text&quot;: &quot;&lt;script&gt;&quot;"):
        assert text in shown
    assert "--handler log --rehearse" in shown


def test_letter_that_is_gone_is_said_to_be(admin_client, buried):
    shown = admin_client.get(reverse(LETTER), {"handler": "index", "id": "l1"}, follow=True).content.decode()
    assert "There is no dead letter l1 of index now." in shown


def test_chosen_letters_are_replayed_and_no_others(admin_client, buried, queues):
    assert "2 replayed." in act(admin_client, "replay", "handler=index&id=i1", "handler=log&id=l1")
    assert left(queues) == {"index": ["i2"], "log": ["i1"]}
    assert ids(queues, "index") == ["i1"]
    assert ids(queues, "log") == ["l1"]


def test_chosen_letters_are_discarded_and_no_others(admin_client, buried, queues):
    assert "1 discarded." in act(admin_client, "discard", "handler=log&id=i1")
    assert left(queues) == {"index": ["i1", "i2"], "log": ["l1"]}
    assert ids(queues, "log") == []


def test_letter_stays_and_that_is_said_when_its_handlers_queue_is_gone(admin_client, buried, queues):
    queues.delete("index")
    shown = act(admin_client, "replay", "handler=index&id=i1")
    assert "0 replayed." in shown
    assert "1 stay: the broker did not take them for the queue of index, or they are larger" in shown
    assert left(queues)["index"] == ["i1", "i2"]


def test_nothing_is_done_when_none_is_chosen(admin_client, buried, queues):
    assert "No dead letter was chosen." in act(admin_client, "discard")
    assert left(queues) == {"index": ["i1", "i2"], "log": ["i1", "l1"]}


@pytest.mark.parametrize("verbs", [("view",), ("view", "change"), ("view", "delete")], ids=lambda verbs: verbs[-1])
def test_actions_ask_for_their_permission(staff, buried, queues, verbs):
    client = staff(*verbs)
    offered = page(client).content.decode()
    for action, verb in (("replay", "change"), ("discard", "delete")):
        assert (f'value="{action}"' in offered) == (verb in verbs)
        assert ("403 Forbidden" in act(client, action, "handler=index&id=i2")) == (verb not in verbs)
    assert ("i2" in left(queues)["index"]) == (verbs == ("view",))


@pytest.mark.parametrize("verbs", [(), ("change",), ("delete",)], ids=str)
def test_pages_are_hidden_from_whoever_may_not_view_them(staff, buried, queues, verbs):
    client = staff(*verbs)
    may = "change" in verbs
    assert page(client).status_code == (200 if may else 403)
    assert page(client, LETTER, handler="index", id="i1").status_code == (200 if may else 403)
    assert may or "403 Forbidden" in act(client, "discard", "handler=index&id=i1")
    assert left(queues)["index"] == ["i1", "i2"]


def test_page_says_that_there_is_no_such_handler(admin_client, declared):
    answer = page(admin_client, handler="nobody")
    assert answer.status_code == 503
    assert "There is no handler &#x27;nobody&#x27; in the code" in answer.content.decode()


def test_page_says_that_the_broker_is_away(admin_client, settings, declared):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": f"amqp://u:planted-pass@127.0.0.1:{port}/"}
    for answer in (page(admin_client), page(admin_client, LETTER, handler="index", id="i1")):
        assert answer.status_code == 503
        assert f"127.0.0.1:{port} vhost=/ is not there" in answer.content.decode()
        assert "planted-pass" not in answer.content.decode()
    assert "is not there" in act(admin_client, "discard", "handler=index&id=i1")


def test_index_of_the_admin_asks_no_broker(stage):
    printed = stage.python("""
import json, sys
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.create_superuser("root"))
page = client.get("/admin/")
print(json.dumps([page.status_code, "Dead letters" in page.content.decode(), "pika" in sys.modules]))
""")
    assert json.loads(printed.splitlines()[-1]) == [200, True, False]
