"""System checks of a rule's `fields` and `omit_fields`: the models and fields exist, and the rule forwards them."""

from collections.abc import Iterator

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models import Model

from publisher.catalogue.signals import taken_by
from publisher.checks.missing_models import missing_model
from publisher.hints import near
from publisher.rules import Rule, is_glob

# Signals that are sent with instances of their sender only. Others may have an instance of any model: the `origin` that
# a deletion began with, or in m2m_changed the instance that has the relation.
ABOUT_SENDER = frozenset((
    *(f"django.db.models.signals.{name}" for name in ("post_init", "pre_save", "post_save")),
    *(f"publisher.signals.{name}" for name in ("bulk_created", "bulk_updated", "queryset_updated", "queryset_deleted")),
))  # fmt: skip


def check_fields(rule: Rule, where: str) -> Iterator[CheckMessage]:
    for key, by_model in (("fields", rule.fields), ("omit_fields", rule.omit_fields)):
        for label, names in by_model.items():
            yield from _check_model(rule, label, names, f"{where}[{key!r}]")


def _check_model(rule: Rule, label: str, names: frozenset[str], where: str) -> Iterator[CheckMessage]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        labels = [model._meta.label_lower for model in apps.get_models(include_auto_created=True)]
        what, hint = missing_model(label, labels)
        if is_glob(label):
            hint = "No globs here: name each model, as 'blog.Comment'."
        yield Error(f"{where}: {what}.", hint=hint, id="publisher.E007")
        return
    yield from _check_names(model, names, where)
    if not _may_be_sent(rule, model):
        hint = "Move this entry to the rule that takes the model, or add the model to this rule's 'senders'."
        yield Warning(f"{where}: the rule does not take {model._meta.label!r}.", hint=hint, id="publisher.W004")


def _check_names(model: type[Model], names: frozenset[str], where: str) -> Iterator[CheckMessage]:
    known = [field.name for field in model._meta.concrete_fields]
    for name in sorted(names.difference(known)):
        yield Error(
            f"{where}: {model._meta.label} has no field {name!r}.",
            hint=near(name, known),
            id="publisher.E008",
        )


def _may_be_sent(rule: Rule, model: type[Model]) -> bool:
    """Whether the rule may forward this model, or a proxy or child: `fields` of a model hold for these too."""
    if not all(known.name in ABOUT_SENDER for known in taken_by(rule)):
        return True
    kinds = apps.get_models(include_auto_created=True)
    taken = [kind for kind in kinds if rule.takes_sender(kind._meta.label_lower)]
    # If the rule takes no model at all, its senders are misspelt. Another check reports that.
    return not taken or any(issubclass(kind, model) for kind in taken)
