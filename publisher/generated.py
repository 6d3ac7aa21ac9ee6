"""Columns that the database computes. Before Django 6.0, an instance keeps their old values after an update.

Django 6.0 and later reads the new values back, or defers the fields where the database cannot return them.
https://docs.djangoproject.com/en/6.0/releases/6.0/#models
"""

from functools import cache

import django
from django.db.models import Model

ARE_READ_BACK = django.VERSION >= (6, 0)


@cache
def outdated_by_updates(model: type[Model]) -> tuple[str, ...]:
    """The names of the model's fields whose values are outdated after an update."""
    return () if ARE_READ_BACK else tuple(field.name for field in model._meta.concrete_fields if field.generated)
