"""`celery --app bench.workers.celery_app worker --concurrency 2`"""

import json
import os

from celery import Celery
from kombu import Exchange, Queue

from bench.broker import QUORUM
from bench.workers.tally import handled

QUEUE = os.environ["BENCH_QUEUE"]

app = Celery("bench", broker=os.environ["BENCH_BROKER_URL"])
app.conf.update(
    task_queues=[Queue(QUEUE, Exchange("", "direct"), routing_key=QUEUE, queue_arguments=QUORUM)],
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_default_exchange="",
    task_default_exchange_type="direct",
    task_default_routing_key=QUEUE,
    task_ignore_result=True,
    worker_enable_remote_control=False,
)
# By default it connects to the database anew for each task, whatever CONN_MAX_AGE says.
app.conf.CELERY_DB_REUSE_MAX = 1_000_000


@app.task(name="noop")
def noop(body: str) -> None:
    handled()


@app.task(name="write", acks_late=True)
def write(body: str) -> None:
    from bench.models import Handled

    event = json.loads(body)
    Handled._default_manager.create(event=event["id"], routing_key=event["type"])
    handled()
