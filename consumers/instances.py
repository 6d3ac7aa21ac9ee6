"""Makes model instances and requests, as handlers get them, from what was sent. Needs no query."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, router
from django.db.models import NOT_PROVIDED, Model
from django.db.models.signals import ModelSignal, post_delete, pre_delete
from django.dispatch import Signal

from consumers.exceptions import InstanceGone
from publisher import conf
from publisher.encoders.fields import Unreadable, value_of
from publisher.wire.codec import decodes
from publisher.wire.event import Event
from publisher.wire.printable import printable

logger = logging.getLogger(__name__)

DELETIONS = (pre_delete, post_delete)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """The parts of a request that are sent. `user` is the primary key of the user who made it, or None."""

    method: str | None = None
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    client: str | None = None
    user: Any = None


class Record(msgspec.Struct, kw_only=True):
    """An instance of a model that this project does not have. Its fields can be read as attributes.

    For a relation `user`, both `user` and `user_id` are the key of the other row.
    """

    model: str
    pk: Any
    fields: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        for sent_as in (name, name.removesuffix("_id")):
            if sent_as in self.fields:
                return self.fields[sent_as]
        raise AttributeError(f"{self.model} was sent without {name!r}; with {', '.join(self.fields) or 'no field'}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self.model} is no model of this project: what was sent of it can only be read")


def model_named(label: str) -> type[Model] | None:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def instance_of(sent: dict[str, Any], left_out: str = "") -> Model | Record:
    """The instance as it was when the signal was sent; a Record if this project does not have the model.

    `left_out` names, with commas between, the fields that were not sent, or only in part. These fields are deferred:
    reading one is a query, and `save()` leaves it alone. So are fields whose value this project's field cannot read.
    Parts and unreadable values are in `_partial_fields`. A field that the sender's model does not have takes its
    default. What was sent of a field that this project's model does not have is in `_unknown_fields`.
    """
    model = model_named(sent["model"])
    if model is None:
        return Record(model=sent["model"], pk=sent["pk"], fields=sent["fields"])
    incomplete = frozenset(left_out.split(",") if sent["fields"] else "*")  # no fields: only a reference was sent
    given = {model._meta.pk.name: sent["pk"], **sent["fields"]}
    parts = {name: given.pop(name) for name in incomplete.intersection(sent["fields"])}
    values, unread = _values(model, given, incomplete)
    instance: Any = model.from_db(router.db_for_read(model), list(values), list(values.values()))
    instance._unknown_fields = _unknown(model, sent["fields"])
    instance._partial_fields = {**parts, **unread}
    return instance  # type: ignore[no-any-return]


def _values(
    model: type[Model], given: Mapping[str, Any], incomplete: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two dicts: values by attname, in the order of the model's fields, as `from_db` needs them; and unreadable values,
    by field name. Unreadable values are not set on the instance, since the instance might be saved.
    """
    values, unread = {}, {}
    for column in model._meta.concrete_fields:
        if column.name in given:
            try:
                values[column.attname] = value_of(column, given[column.name])
            except Unreadable:
                if column.primary_key:
                    values[column.attname] = given[column.name]
                    continue
                unread[column.name] = given[column.name]
                _tell_once(model, column.name, "cannot be read as it was sent: it is deferred")
        elif incomplete.isdisjoint((column.name, "*")) and _has_plain_default(column):
            values[column.attname] = column.get_default()
            _tell_once(model, column.name, "was not sent: takes its default")
    return values, unread


def kwargs_of(event: Event, signal: Signal) -> dict[str, Any]:
    """The kwargs of the signal. If this service sent it, the instance belongs to the database that it was written to.

    The row of a deleted instance is gone, so deferred fields could not be read. They get what was sent of them instead.
    """
    kwargs = event.kwargs
    if not isinstance(signal, ModelSignal) or not isinstance(instance := kwargs.get("instance"), Model):
        return kwargs
    # Another service's database aliases are not ours.
    using = kwargs.get("using")
    if event.source == conf.source() and isinstance(using, str) and using in connections.settings:
        instance._state.db = using
    if signal in DELETIONS:
        # An instance that an app's own decoder made has no _partial_fields.
        attnames = {field.name: field.attname for field in instance._meta.concrete_fields}
        for name, value in getattr(instance, "_partial_fields", {}).items():
            setattr(instance, attnames.get(name, name), value)
    return kwargs


def _has_plain_default(field: Any) -> bool:
    """Whether Python knows the default. A default that the database makes can only be read from the database."""
    return field.db_default is NOT_PROVIDED and not field.generated


def _unknown(model: type[Model], fields: Mapping[str, Any]) -> dict[str, Any]:
    known = _names_of(model)
    unknown = {name: value for name, value in fields.items() if name not in known}
    for name in unknown:
        _tell_once(model, name, "is not in this project's model: kept aside")
    return unknown


@cache
def _names_of(model: type[Model]) -> frozenset[str]:
    return frozenset(field.name for field in model._meta.concrete_fields)


@cache
def _tell_once(model: type[Model], name: str, what: str) -> None:
    logger.warning("models differ field=%s.%s %s", model._meta.label_lower, printable(name), what)


def fresh(sent: Any) -> Any:
    """The row of this instance as it is now. Raises InstanceGone if there is none. A Record is returned unchanged."""
    if not isinstance(sent, Model):
        return sent
    try:
        # Read where it is written: a replica may not have the row yet.
        written_to = router.db_for_write(type(sent), instance=sent)
        return type(sent)._base_manager.using(written_to).get(pk=sent.pk)
    except ObjectDoesNotExist as exc:
        raise InstanceGone(f"{sent._meta.label_lower}/{sent.pk} is gone") from exc


def _request(sent: dict[str, Any], argument: str) -> SentRequest:
    known = {name: sent[name] for name in SentRequest.__slots__ if name in sent}
    return SentRequest(**known)


def register() -> None:
    """Register the decoders of models and requests."""
    decodes("model")(_decode_model)
    decodes("request")(_request)


def _decode_model(plain: Any, argument: str) -> Any:
    """An instance from a dict; a model class, or its label if the class is not here, from a label."""
    return instance_of(plain, argument) if isinstance(plain, dict) else model_named(plain) or plain
