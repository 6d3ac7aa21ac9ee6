"""Two handlers of every save: one free, one in order. Poison makes them fail, after they wrote."""

import os
import signal
import time
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from random import Random

from django.db.models.signals import post_save

from consumers import Backoff, Reject, receiver
from tests.chaos.names import EFFECT, TRAIL
from tests.chaos.noting import Notes, path_of
from tests.chaos.poison import DEADLY, FLAKY, RAISING, REJECTED, part

# As many attempts as there are by default, soon after one another.
QUICK = Backoff(delays=(0.3, 0.3, 0.3, 0.3))
WORK_SECONDS = (0.0, 0.03)

random = Random()
folder = Path(os.environ["CHAOS_FOLDER"])


@receiver(post_save, sender="chaos.Entry", retry=QUICK, name=EFFECT)
def effect(sender, instance, **kwargs):
    with noted(EFFECT, instance.label):
        write_effect(EFFECT, instance)
        work(EFFECT, instance.label)


@receiver(post_save, sender="chaos.Entry", retry=QUICK, name=TRAIL, ordered=True)
def trail(sender, instance, **kwargs):
    """Reads, works, and writes, with no lock: of two of one key at a time, one step would be lost."""
    from tests.chaos.models import Trail

    with noted(TRAIL, instance.label):
        found, _ = Trail.objects.get_or_create(key=instance.pk)
        write_effect(TRAIL, instance)
        work(TRAIL, instance.label)
        Trail.objects.filter(key=instance.pk).update(labels=[*found.labels, instance.label])


def write_effect(handler: str, instance) -> None:
    from tests.chaos.models import Effect

    Effect.objects.create(handler=handler, key=instance.pk, label=instance.label)


def work(handler: str, label: str) -> None:
    time.sleep(random.uniform(*WORK_SECONDS))
    number = part(label)
    if number in RAISING:
        raise ValueError("poison")
    if number in REJECTED:
        raise Reject("poison")
    if number in DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if number in FLAKY and is_first_time(f"{handler} {label}"):
        raise ConnectionError("not now")


def is_first_time(what: str) -> bool:
    """In all processes, whatever was rolled back."""
    try:
        (folder / "flaky" / what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def noted(handler: str, label: str) -> AbstractContextManager[None]:
    return notes().noted(handler, label)


@cache
def notes() -> Notes:
    return Notes(path_of(folder, os.environ["CHAOS_NAME"]))
