"""A Celery application whose worker takes events, too."""

import os

import django
from celery import Celery

django.setup()

from django.conf import settings  # noqa: E402

from consumers import subscribe  # noqa: E402
from consumers.contrib.celery import event_of, events_to, to_task  # noqa: E402
from tests.bar.consumers import see  # noqa: E402

app = Celery("bar", broker=settings.SIGNAL_BRIDGE["BROKER_URL"])
app.conf.task_default_queue = f"{settings.SIGNAL_BRIDGE['SERVICE']}.celery"


@app.task
def look(event):
    see("look", f"{event['routing_key']} {event['data']['n']} {look.request.id == event['id']}")


@app.task
def title(event):
    see("title", f"{event_of(event).kwargs['instance'].title} {os.getpid()}")


subscribe("u.#", name="looks")(to_task(look))
app.steps["consumer"].add(events_to(look, "t.#"))
app.steps["consumer"].add(events_to(title, "db.post_save.foo.article"))
