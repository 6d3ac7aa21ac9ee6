"""Encodes objects of Django itself that its signals are sent with, mostly as their names."""

from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import Signal

from publisher.catalogue.signals import known_as
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes


@encodes(AppConfig)
def encode_app(encoding: Encoding, value: AppConfig, path: str) -> Any:
    return encoding.tag(path, "app", value.label)


@encodes(Apps)
def encode_apps(encoding: Encoding, value: Apps, path: str) -> Any:
    """A registry of apps, as in the signals of migrations: the labels of its apps."""
    return encoding.tag(path, "apps", sorted(value.app_configs))


@encodes("django.db.migrations.migration.Migration")
def encode_migration(encoding: Encoding, value: Any, path: str) -> Any:
    return encoding.tag(path, "migration", f"{value.app_label}.{value.name}")


@encodes(BaseDatabaseWrapper, "django.utils.connection.ConnectionProxy")
def encode_connection(encoding: Encoding, value: Any, path: str) -> Any:
    """Alias and vendor only, since its settings contain the password."""
    return encoding.tag(path, "connection", {"alias": value.alias, "vendor": value.vendor})


@encodes("django.contrib.sessions.backends.base.SessionBase")
def encode_session(encoding: Encoding, value: Any, path: str) -> Any:
    return encoding.tag(path, DROPPED, None)


@encodes(
    "django.template.base.Template",
    "django.template.backends.django.Template",
    "django.template.backends.jinja2.Template",
)
def encode_template(encoding: Encoding, value: Any, path: str) -> Any:
    template = getattr(value, "template", value)
    name = getattr(template, "name", None)
    return encoding.tag(path, "template", name if isinstance(name, str) else "")


@encodes("django.template.context.BaseContext", "django.test.utils.ContextList")
def encode_context(encoding: Encoding, value: Any, path: str) -> Any:
    """Only the names of the variables: their values may be forms, requests, tokens or querysets."""
    contexts = value if isinstance(value, list) else [value]
    names = {name for context in contexts for layer in getattr(context, "dicts", ()) for name in layer}
    return encoding.tag(path, "context", sorted(map(str, names)))


@encodes(Signal)
def encode_signal(encoding: Encoding, value: Signal, path: str) -> Any:
    known = known_as(value)
    return encoding.tag(path, "signal", known.name if known else "")


if apps.is_installed("django.contrib.auth"):
    from django.contrib.auth.models import AnonymousUser

    @encodes(AnonymousUser)
    def encode_anonymous_user(encoding: Encoding, value: AnonymousUser, path: str) -> Any:
        return encoding.tag(path, "anonymous_user", None)

    @decodes("anonymous_user")
    def decode_anonymous_user(plain: object, argument: str) -> AnonymousUser:
        return AnonymousUser()
