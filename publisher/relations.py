"""The through models of many-to-many relations, whose rows each say that two rows are related."""

from typing import Any

from django.apps import apps
from django.db.models import Model


def throughs_of(model: type[Model]) -> list[type[Model]]:
    """The through models of the many-to-many fields of this model."""
    throughs: list[Any] = [field.remote_field.through for field in model._meta.many_to_many]
    return throughs


def is_through(model: type[Model]) -> bool:
    """Whether this is the through model of a many-to-many relation."""
    return any(model in throughs_of(each) for each in apps.get_models())
