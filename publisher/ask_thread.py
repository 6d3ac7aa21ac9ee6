"""The thread that sends questions and gets answers. It connects when there is a question to send."""

import logging
from contextlib import closing

from publisher import conf
from publisher.ask import AWAY, UNROUTABLE, Asked, Line
from publisher.wire.asking import Asker, Question
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.loop import Loop
from publisher.wire.topology import ask_exchange, asking

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
# How long the broker may take to prove that it is alive. Questions wait meanwhile.
ALIVE_SECONDS = 0.5


def talk(line: Line) -> None:
    """Serve the line until it is closed."""
    with closing(Loop()) as loop:
        while not line.stop.is_set():
            line.news.wait()
            line.news.clear()
            if not line.waiting:
                continue
            try:
                with Connection(conf.broker_url(), "ask", loop) as connection:
                    _serve(line, connection)
            except (BrokerUnavailable, BrokerRefused) as exc:
                logger.warning("nobody can be asked: %s", exc)
            except Exception:
                # The thread must go on: without it, every question would time out.
                logger.exception("asking failed")
            finally:
                line.wake = line.news.set
                # Answers come over the connection that asked, which is gone.
                line.settle_all(AWAY)


def _serve(line: Line, connection: Connection) -> None:
    connection.declare(asking(conf.exchange()))
    asker = Asker(
        connection,
        ask_exchange(conf.exchange()),
        on_answer=line.answered,
        on_unroutable=lambda id: line.settle(id, UNROUTABLE),
    )
    line.is_doubtful = False
    line.wake = connection.loop.wake
    while not line.stop.is_set():
        if line.is_doubtful:
            line.is_doubtful = False
            connection.prove_alive(ALIVE_SECONDS)
        _send(line, asker)
        if connection.blocked:
            line.settle_all(AWAY)
        connection.poll(0 if line.waiting else IDLE_SECONDS)


def _send(line: Line, asker: Asker) -> None:
    questions = []
    while line.waiting:
        asked = line.waiting.popleft()
        if asked.id in line.pending:
            questions.append(_question(asked))
    if questions:
        asker.ask(questions)


def _question(asked: Asked) -> Question:
    return Question(asked.id, asked.type, asked.routing_key, asked.body, conf.service(), asked.deadline_ms)
