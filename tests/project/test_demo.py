"""The demo itself, with its real processes and a real broker."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from project.demo.stage import StageMissing, free_port
from project.demo.tally import SUBSCRIPTIONS
from project.demo.visitors import load_visitors
from publisher.wire.connection import Connection
from publisher.wire.topology import dead_exchange, dead_queue
from tests import leaks
from tests.stage import listen_to
from tools.lock import exclusive

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "manage.py", "demo"]
PROCESSES = 3
END_SECONDS = 60
ASKED = "may_be_posted"


@pytest.fixture
def _one_at_a_time():
    """Two that begin at once would choose one port."""
    with exclusive(ROOT / ".services" / "demo.lock"):
        yield


@pytest.fixture
def environment(tmp_path, _one_at_a_time):
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.project.sown_settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }


@pytest.fixture
def with_broker(environment, broker_url, names):
    yield {
        **environment,
        "BROKER_URL": broker_url,
        "SIGNAL_BRIDGE_EXCHANGE": names["EXCHANGE"],
        "SIGNAL_BRIDGE_SERVICE": names["SERVICE"],
    }
    with Connection(broker_url, "clean-up") as connection:
        channel = connection.open_channel()
        for handler in SUBSCRIPTIONS:
            channel.queue_delete(f"{names['SERVICE']}.{handler}")
            channel.queue_delete(dead_queue(f"{names['SERVICE']}.{handler}"))
        channel.queue_delete(f"{names['SERVICE']}.{ASKED}")
        channel.exchange_delete(f"{names['EXCHANGE']}.ask")
        channel.exchange_delete(names["EXCHANGE"])
        channel.exchange_delete(dead_exchange(names["EXCHANGE"]))
        channel.close()
        connection.wait_for(lambda: channel.is_closed)


@contextlib.contextmanager
def running(environment):
    """The demo, at the moment when its site answers, with its processes."""
    demo = subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    children = []
    try:
        seen = []
        for line in demo.stdout:
            seen.append(line)
            if line.strip().startswith("Site"):
                break
        children = psutil.Process(demo.pid).children(recursive=True) if demo.poll() is None else []
        assert len(children) == PROCESSES, "".join(seen)
        yield demo, children
    finally:
        demo.kill()
        demo.stdout.close()
        demo.wait()
        psutil.wait_procs(children, timeout=10)


def last_words(demo):
    """What it says until it ends; when that takes too long, also where it was then."""
    timer = threading.Timer(END_SECONDS, demo.send_signal, [signal.SIGABRT])
    timer.start()
    try:
        said = demo.stdout.read()
        leaks.look("outputs", "printed by the demo", said)
        return said
    finally:
        timer.cancel()


def left_of(children):
    _, alive = psutil.wait_procs(children, timeout=10)
    return [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def once(environment):
    done = subprocess.run(
        [*COMMAND, "--once", "--format", "json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    listen_to(done)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_demo_loses_nothing_and_can_run_again(with_broker):
    acts = [act for visitor in load_visitors() for act in visitor.acts]
    logins = sum(bool(visitor.login) for visitor in load_visitors())
    acts = [act for act in acts if act.expected != "refused"]
    comments = sum(bool(act.comment) for act in acts)
    for _ in range(2):
        summary, shown = once(with_broker)
        assert summary["forwarded"] == summary["published"] == summary["handled"] == len(acts) + logins
        assert summary["dead"] == summary["unroutable"] == 0
        assert summary["subscriptions"]["check_spam"] == {"expected": comments, "handled": comments}
        assert summary["subscriptions"]["update_status"] == {"expected": logins, "handled": logins}
        assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
        assert re.search(r"failed  update_status  HTTPError, tries again in \d\.\d s", shown)
        assert "timeline: grace is back on the blog. (attempt 2)" in shown
        assert "dead letter  check_spam     rejected" in shown
        assert re.search(r"manage.py deadletters replay \S+\n1 replayed\.", shown)
        assert "comment by Hans: published (attempt 2)" in shown


def queues_of(environment):
    """Which of the demo's queues are there."""
    own = [f"{environment['SIGNAL_BRIDGE_SERVICE']}.{name}" for name in (*SUBSCRIPTIONS, ASKED)]
    with Connection(environment["BROKER_URL"], "look") as connection:
        return [name for name in (*own, *map(dead_queue, own)) if connection.count_messages(name) is not None]


def test_demo_leaves_no_queue_that_would_fill_with_the_events_of_others(with_broker):
    _, shown = once(with_broker)
    assert queues_of(with_broker) == []
    assert "`make broker-stop` stops it" in shown
    assert re.search(r" 0 of 1 +0 ", shown)
    assert "ms: from the signal to the handler's first attempt" in shown


def test_demo_leaves_queues_that_were_there_before_or_are_in_use(with_broker):
    service = with_broker["SIGNAL_BRIDGE_SERVICE"]
    with running(with_broker) as (demo, _), Connection(with_broker["BROKER_URL"], "beside") as beside:
        beside.open_channel().basic_consume(f"{service}.check_spam", lambda *_: None)
        beside.wait_for(lambda: beside.count_consumers(f"{service}.check_spam") == 2)
        demo.send_signal(signal.SIGINT)
        said = last_words(demo)
    spam = [f"{service}.check_spam", f"{service}.check_spam.dead"]
    assert queues_of(with_broker) == spam
    assert f"at work: {', '.join(spam)}" in said
    once(with_broker)
    assert queues_of(with_broker) == spam


def test_demo_deletes_a_queue_whose_consumer_the_broker_still_counts_for_a_moment(with_broker):
    service = with_broker["SIGNAL_BRIDGE_SERVICE"]
    with running(with_broker) as (demo, children):
        with Connection(with_broker["BROKER_URL"], "beside") as beside:
            beside.open_channel().basic_consume(f"{service}.check_spam", lambda *_: None)
            beside.wait_for(lambda: beside.count_consumers(f"{service}.check_spam") == 2)
            demo.send_signal(signal.SIGINT)
            assert left_of(children) == []
            time.sleep(1)
        assert demo.wait(timeout=20) == 0
        last_words(demo)
    assert queues_of(with_broker) == []


def test_demo_leaves_no_process_when_it_is_killed(with_broker):
    with running(with_broker) as (demo, children):
        demo.kill()
        assert left_of(children) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_demo_ends_well_when_it_is_asked_to(with_broker, number):
    with running(with_broker) as (demo, children):
        demo.send_signal(number)
        said = last_words(demo)
        assert demo.wait(timeout=20) == 0, said
        assert left_of(children) == []
    assert queues_of(with_broker) == []


def test_demo_says_which_process_ended(with_broker):
    with running(with_broker) as (demo, children):
        relay = next(child for child in children if child.cmdline()[-1] == "relay")
        relay.kill()
        said = last_words(demo)
        assert demo.wait(timeout=20) == 1
        assert "The relay ended with -9" in said
        assert left_of(children) == []


def test_demo_names_the_broker_that_is_missing(environment):
    began = time.monotonic()
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**environment, "BROKER_URL": "amqp://guest:planted@127.0.0.1:1/%2F"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "No broker: 127.0.0.1:1" in done.stdout
    assert "planted" not in done.stdout + done.stderr
    assert time.monotonic() - began < 20


def test_free_port_passes_over_one_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StageMissing, match="--port"):
            free_port(taken.getsockname()[1])
    assert free_port(None) >= 8000
