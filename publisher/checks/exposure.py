"""System checks of sensitive models: users, and models in which apps keep copies of whole rows or requests."""

from collections.abc import Iterator
from itertools import chain, islice, repeat

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.db.models import Model
from django.db.models.signals import ModelSignal

from publisher import conf
from publisher.catalogue.sending import user_kwargs
from publisher.catalogue.signals import KnownSignal, named, taken_by, takes
from publisher.encoders.models import columns_under, labels_of
from publisher.encoders.users import advice, undecided
from publisher.relations import throughs_of
from publisher.rules import Rule, may_decide

# By name, since finding the signals would make each command slower to start.
RELATED = "django.db.models.signals.m2m_changed"
ABOUT_ROWS = tuple(
    f"django.db.models.signals.{when}_{what}" for when in ("pre", "post") for what in ("init", "save", "delete")
)
ABOUT_USERS = (
    *ABOUT_ROWS,
    "django.contrib.auth.signals.user_logged_in",
    "django.contrib.auth.signals.user_logged_out",
)

# Models of well-known apps, with their fields that contain whole rows or requests.
COPIES = {
    "auditlog.LogEntry": ("changes", "changes_text", "serialized_data"),
    "axes.AccessAttempt": ("get_data", "post_data"),
    "django_celery_beat.PeriodicTask": ("args", "kwargs", "headers"),
    "django_celery_results.TaskResult": ("task_args", "task_kwargs", "result", "traceback"),
    "django_q.OrmQ": ("payload",),
    "django_q.Schedule": ("args", "kwargs"),
    "django_q.Task": ("args", "kwargs", "result"),
    "easyaudit.CRUDEvent": ("object_json_repr", "changed_fields"),
    "easyaudit.RequestEvent": ("query_string",),
    "reversion.Version": ("serialized_data",),
    "silk.Request": ("path", "query_params", "raw_body", "body", "encoded_headers"),
    "silk.Response": ("raw_body", "body", "encoded_headers"),
    "wagtailcore.Revision": ("content",),
}


def check_user_model() -> Iterator[CheckMessage]:
    """A warning for each rule that forwards users, without `fields` for them or `redact` for their texts."""
    rules = conf.rules()
    users = _user_models() if rules else []
    deciding = {user: _deciding_about(user, rules) for user in users}
    for place, rule in enumerate(rules):
        exposed = [user for user in users if _is_exposed(user, rule)]
        warnings = (_warning(user, rule) for user in exposed if any(rule is each for each in deciding[user]))
        of_kwargs = (_warning(user, rule, f", as {kwarg}") for user in exposed for kwarg in _users(rule, rules[:place]))
        yield from islice(chain(warnings, of_kwargs), 1)


def check_copies() -> Iterator[CheckMessage]:
    """A warning for each rule that forwards fields in which an app keeps copies of whole rows or requests."""
    rules = conf.rules()
    for rule in rules:
        if omit := dict(chain.from_iterable(map(_copies_leaving, repeat(rule), repeat(rules), COPIES))):
            yield Warning(
                f"The rule for {rule.signal!r} forwards copies of rows or requests, whose text is not searched for "
                f"secrets: {', '.join(f'{label}.{name}' for label, names in omit.items() for name in names)}.",
                hint=f"Leave these fields out: 'omit_fields': {omit}, or 'exclude' the models.",
                id="publisher.W008",
            )


def _copies_leaving(rule: Rule, rules: tuple[Rule, ...], label: str) -> Iterator[tuple[str, list[str]]]:
    """The label of the model in COPIES, with its fields that leave, if it is installed and the rule decides about it.

    Otherwise the same for each of its proxies and children. Not for both: the model's `omit_fields` hold for them too.
    """
    for model in _with_what_extends_it(label):
        if any(rule is each for name in ABOUT_ROWS for each in _deciding(rules, name, model._meta.label_lower)):
            columns = columns_under(rule, model)
            hidden = columns.actions()
            if names := [name for name in COPIES[label] if name in columns.names and name not in hidden]:
                yield model._meta.label, names
                if model._meta.label == label:
                    return


def _user_models() -> list[type[Model]]:
    return _with_what_extends_it(settings.AUTH_USER_MODEL)


def _with_what_extends_it(label: str) -> list[type[Model]]:
    """The model, its children and its proxies; empty if it is not installed."""
    try:
        found = apps.get_model(label)
    except (LookupError, ValueError):
        return []
    return [found, *(model for model in apps.get_models() if issubclass(model, found) and model is not found)]


def _deciding_about(user: type[Model], rules: tuple[Rule, ...]) -> list[Rule]:
    """The rules that may decide about a user's own signals, and about those of its many-to-many relations."""
    own = (_deciding(rules, name, user._meta.label_lower) for name in ABOUT_USERS)
    related = (_deciding(rules, RELATED, through._meta.label_lower) for through in throughs_of(user))
    return list(chain(*own, *related))


def _users(rule: Rule, before: tuple[Rule, ...]) -> Iterator[str]:
    """Describes each kwarg that is a user, in custom signals that the rules `before` do not take completely."""
    # Not for Django's signals, since this reads all files of the package that sends the signal.
    for known in () if rule.signal.startswith("django.") else taken_by(rule):
        is_known_otherwise = isinstance(known.signal, ModelSignal) or known.module.startswith("django.")
        if not is_known_otherwise and not any(_takes_all(other, known) for other in before):
            yield from (f"{kwarg!r} of {known.name}" for kwarg in user_kwargs(known))


def _takes_all(rule: Rule, known: KnownSignal) -> bool:
    return takes(rule, known) and not (rule.senders or rule.exclude or rule.when)


def _is_exposed(user: type[Model], rule: Rule) -> bool:
    columns = columns_under(rule, user)
    return rule.fields.keys().isdisjoint(labels_of(user)) and bool(undecided(user, columns.fields(), rule.redact))


def _deciding(rules: tuple[Rule, ...], signal: str, label: str) -> Iterator[Rule]:
    """The rules that may decide about this signal of this sender: several, where one has `when`."""
    known = named(signal)
    return may_decide((rule for rule in rules if known and takes(rule, known)), label)


def leaving(user: type[Model], rule: Rule) -> list[str]:
    """The names of the fields that leave the process, each with what is done to its value, if anything."""
    columns = columns_under(rule, user)
    hidden = columns.actions()
    return [f"{name} ({hidden[name]})" if name in hidden else name for name in columns.names]


def _warning(user: type[Model], rule: Rule, where: str = "") -> Warning:
    return Warning(
        f"The rule for {rule.signal!r} forwards {user._meta.label}{where}, with the fields "
        f"{', '.join(leaving(user, rule))}.",
        hint=f"{advice(user, undecided(user, columns_under(rule, user).fields(), rule.redact))}.",
        id="publisher.W001",
    )
