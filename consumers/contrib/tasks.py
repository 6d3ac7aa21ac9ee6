"""Events for django.tasks (Django 6): a handler that enqueues a task."""

from collections.abc import Callable
from typing import Any, Protocol

from consumers.contrib.plain import event_of, plain
from publisher.wire.event import Event

__all__ = ["event_of", "to_task"]


class Task(Protocol):
    """What the decorator `django.tasks.task` returns."""

    def enqueue(self, *args: Any, **kwargs: Any) -> object: ...


def to_task(task: Task) -> Callable[[Event], None]:
    """A handler that enqueues the task with the event, as a dict: `subscribe("auth.#", name="greet")(to_task(greet))`.

    If the backend keeps tasks in the handler's database, the task is enqueued exactly once.
    """

    def handle(event: Event) -> None:
        task.enqueue(plain(event))

    return handle
