"""The models behind many-to-many relations: each row of one says that two rows are related."""

from typing import Any

from django.apps import apps
from django.db.models import Model


def throughs_of(model: type[Model]) -> list[type[Model]]:
    """Those of this model's many-to-many relations."""
    throughs: list[Any] = [field.remote_field.through for field in model._meta.many_to_many]
    return throughs


def is_through(model: type[Model]) -> bool:
    """Whether a many-to-many relation of any model has its rows in this one."""
    return any(model in throughs_of(each) for each in apps.get_models())
