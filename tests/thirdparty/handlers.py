"""Notes what arrives, as it arrives: in the process of the consumer, one pickle after another."""

import os
import pickle

from django.db.models import Model
from django.utils.functional import LazyObject

from consumers import Backoff, Event, subscribe

DEFERRED = "(deferred)"


def shown(value):
    """An instance by its fields, as text, since it cannot be unpickled without its app."""
    if not isinstance(value, Model):
        return repr(value)
    held = vars(value._wrapped if isinstance(value, LazyObject) else value)
    return value._meta.label_lower, {field.attname: _saved(field, held) for field in value._meta.concrete_fields}


def _saved(field, held):
    # As it is saved: a default may be text that stands for a number.
    return repr(field.to_python(held[field.attname]) if field.attname in held else DEFERRED)


@subscribe("#", ordered=True)
def note(event: Event):
    kwargs = {name: shown(value) for name, value in event.kwargs.items()}
    with open(os.environ["TEST_NOTES"], "ab") as file:
        pickle.dump((event.type, kwargs), file)


@subscribe("comments.comment_was_posted.#", "db.post_save.thirdparty.poll", retry=Backoff(delays=()))
def bury(event: Event):
    raise ValueError(f"cannot handle {event.data}")
