"""What is listened for in every test is heard wherever it is; here with a word that only these tests have."""

import base64
import logging

import pytest

from tests import leaks
from tests.names import SESSION, is_anothers, unique_name
from tests.planting import UNLOGGED, pattern
from tests.queues import Raw, table
from tests.wiretap import Deaf, Leak, Wiretap

WORD = "overheard"


@pytest.fixture
def tap(broker):
    if broker.ctl is None:
        pytest.skip("only a broker of our own can be listened to")
    tap = Wiretap(broker.url, WORD)
    yield tap
    tap.close()


@pytest.fixture
def exchange(queues):
    queues.bind("all", "#")
    yield queues.exchange
    queues.delete("all")


def test_leak_is_found_wherever_a_message_has_the_word(tap, queues, exchange):
    queues.publish("in.body", f"an {WORD} body".encode())
    queues.publish(f"in.{WORD}.key", b"")
    queues.publish("in.header", b"", headers={"x-text": f"an {WORD} header"})
    queues.publish("in.property", b"", correlation_id=WORD)
    queues.publish("nowhere", b"", headers={"x": "y"})
    assert tap.leaks() == [
        Leak(exchange, "in.body", "body"),
        Leak(exchange, f"in.{WORD}.key", "routing key"),
        Leak(exchange, "in.header", "header"),
        Leak(exchange, "in.property", "header"),
    ]
    assert tap.leaks() == []
    assert tap.heard >= 5


def test_leak_is_found_when_the_message_goes_straight_into_a_queue(tap, queues, exchange):
    queues.publish_to("all", WORD.encode())
    assert tap.leaks() == [Leak("", queues.name("all"), "body")]


def test_leak_is_found_when_pika_cannot_read_its_headers(tap, queues, exchange):
    odd = table(b"\x01xS\x00\x00\x00\x01\xff" + b"\x01yS\x00\x00\x00\x09" + WORD.encode())
    queues.channel.basic_publish(exchange, "odd", b"", Raw(odd))
    assert tap.leaks() == [Leak(exchange, "odd", "header")]


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_word_is_found_in_base64_whatever_stands_beside_it(before):
    assert pattern(WORD).search(base64.b64encode(f"{before}{WORD} and more".encode()))
    assert not pattern(WORD).search(base64.b64encode(b"not a word of it"))


def test_tap_says_so_when_it_hears_nothing(broker_url):
    tap = Wiretap(broker_url, WORD, source="amq.topic")
    tap.seconds = 0.5
    with pytest.raises(Deaf, match="firehose"):
        tap.leaks()
    tap.close()


@pytest.fixture
def fresh_findings(monkeypatch):
    monkeypatch.setattr(leaks, "WORD", WORD)
    monkeypatch.setattr(leaks, "_found", [])
    yield
    leaks.taken()


def test_leak_is_found_in_what_is_logged_and_in_its_traceback(fresh_findings):
    logger = logging.getLogger("tests.overheard")
    logger.warning("all is well")
    assert leaks.taken() == []
    logger.warning("payload=%s", {"a": WORD})
    try:
        raise ValueError(WORD)
    except ValueError:
        logger.exception("failed")
    first, second = leaks.taken()
    assert first.startswith("logged by tests.overheard: ...payload=")
    assert f"ValueError: {WORD}" in second
    assert leaks.taken() == []


def test_payload_may_be_printed_and_is_in_no_log(fresh_findings):
    leaks.look("outputs", "printed", UNLOGGED)
    assert leaks.taken() == []
    logging.getLogger("tests.overheard").warning("data=%s", {"note": UNLOGGED})
    leaks.look("outputs", "printed by a relay", UNLOGGED, is_log=True)
    assert [found.partition(":")[0] for found in leaks.taken()] == ["logged by tests.overheard", "printed by a relay"]


def test_leak_is_found_in_what_a_process_says(fresh_findings, stage):
    stage.python("print('over' 'heard')")
    stage.start("-c", "print('over' 'heard')").wait(10)
    stage.close()
    assert [found.partition(":")[0].split()[0] for found in leaks.taken()] == ["printed", "printed"]


def test_message_is_anothers_when_its_names_are_of_another_session():
    assert not is_anothers(unique_name())
    assert not is_anothers("celery")
    assert is_anothers(unique_name().replace(SESSION, "00000") + ".index")
