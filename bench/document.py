"""docs/bench.md and docs/bench.svg: what a full run measured."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from bench.chart import chart
from bench.figures import Figure
from bench.table import markdown

DIRECTORY = Path(__file__).parents[1] / "docs"

PAGE = """\
# How fast it is, beside its peers

Written by `make bench` on {day}. All figures are of one run on one machine; what is compared takes turns
(A B A B ...), and a ratio is the median of the rounds' ratios. The two numbers under "of the rounds" are the lowest and
the highest of them: far apart when the machine had something else to do. The values are medians.

![The ratios against their bars](bench.svg)

{table}

## What is measured

- **django.setup()**: its processor time, of the demo project with its own settings, in a new process each time, from
  bytecode as pip leaves it. Each round begins at another distance from the next full garbage collection, which takes a
  tenth of `setup()` or more: whether it falls into it or just after it is a matter of a few hundred objects.
- **save()**: the time of one `save()` (an INSERT) of a model of ten fields, in one process. SQLite is a file in WAL
  mode, once with its own `synchronous=FULL` and once with NORMAL, where a commit does not wait for the disk; PostgreSQL
  is as it comes out of the box, with `fsync` on.
- **page view**: from the WSGI environ to the closed response, on PostgreSQL over a persistent connection, of a site
  whose `FORWARD` is `["*"]`: every signal of Django and of the apps. `request_started` and `request_finished` are a row
  and a commit each, and so is a save, unless they are delivered directly.
- **encoding**: from the kwargs of a `post_save` to the bytes of the CloudEvent; the peer encodes the same object with
  `serializers.serialize("json", [obj])`. "At once" is what instances take that hold something which can change (a list,
  a dict): they cannot wait for the commit.
- **relay**: the outbox in PostgreSQL holds the rows; the clock runs from the relay's first look at it until the last
  row is confirmed and deleted. The peers publish the same bodies from memory to the same exchange and quorum queue,
  persistent. Connecting is not counted for anyone. The raw socket sends frames made beforehand and counts the acks,
  nothing else. Celery carries the body as a task's argument. kombu without confirms is charged until the broker
  has read its last message: once with its JSON serializer, as it is commonly used, and once with bytes that are ready,
  as the relay has them. Slower peers publish fewer messages. After each, all messages must be in the queue.
- **latency**: from the moment COMMIT returned to the moment a consumer in another process has the message. pika
  publishes the same bytes in `on_commit`; Celery is `delay_on_commit`, received by the same plain consumer and not by
  a worker.
- **backlog**: the relay as above; 1,000 rows again and again, against one long backlog. The queue is purged meanwhile.
- **consume**: the events wait in a quorum queue before the worker starts, which is started as its users start it; the
  clock runs from the first that was handled to the last. The same bodies for all: Celery and Dramatiq carry them as an
  argument. pika takes 1,000 ahead and acknowledges a hundred with one frame (or, blocking, each); Celery and Dramatiq
  take ahead what they do by default, FastStream 1,000. The handler that writes a row does so on PostgreSQL, within the
  inbox's transaction; Celery's task writes the same row, with `acks_late`, and with `CELERY_DB_REUSE_MAX`, since it
  connects anew for each task by default. After a restart of the broker the clock runs from when it accepts connections
  until an event that is published then is handled.
- **ask**: from `send()` to its answer, from another process, of a signal that is sent with a model of ten fields,
  which the handler gets as an instance. The peer is a bare RPC with pika: direct reply-to too, a classic queue too, the
  same bytes, ready beforehand, and nothing encoded or decoded. From eight threads the bridge uses one connection;
  pika's clients have one each.

## On what

{machine}

Again: `make bench`. To try it: `make bench ARGS="--quick"`, `make bench ARGS="--only relay"`, `--format json`.
"""


def write(figures: Sequence[Figure], machine: Mapping[str, str]) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    listed = "\n".join(f"- {word}: {value}" for word, value in machine.items())
    page = PAGE.format(day=date.today().isoformat(), table=markdown(figures), machine=listed)
    (DIRECTORY / "bench.md").write_text(page)
    (DIRECTORY / "bench.svg").write_text(chart(figures))
