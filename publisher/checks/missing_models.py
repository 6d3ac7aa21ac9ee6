"""Explains why a model does not exist: its app is not installed, has no models, or the label is misspelt."""

from collections.abc import Sequence

from django.apps import AppConfig, apps

from publisher.hints import close_to, near
from publisher.rule_entry import AnyCase
from publisher.rules import OWN_APPS, is_glob

LABEL_HINT = "Write a model's label, as 'blog.Comment', or 'blog.*' for all models of an app."


def missing_model(name: str, labels: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a label, or a glob over labels, and a hint. `labels` are those of all models."""
    # Without the bridge's own models, which nobody means.
    known = [label for label in labels if _app_of(label) not in OWN_APPS]
    app, dot, _ = (name.written if isinstance(name, AnyCase) else name).partition(".")
    what = f"there is no model {name!r}"
    config = _installed(app)
    if config is None and app and dot and not is_glob(app):
        meant = close_to(name, _meant(name, known))
        hint = f"{near(name, meant)} If not, add the app to" if meant else "Add the app to"
        return f"{what}: no installed app is called {app!r}", f"{hint} INSTALLED_APPS."
    if config is not None and app.lower() not in map(_app_of, labels):
        return f"{what}: the app {app!r} has no models yet", f"Its models belong in {config.name}.models."
    return what, near(name, _meant(name, known), LABEL_HINT)


def _app_of(label: str) -> str:
    return label.partition(".")[0].lower()


def _installed(app: str) -> AppConfig | None:
    return next((config for label, config in apps.app_configs.items() if label.lower() == app.lower()), None)


def _meant(name: str, labels: Sequence[str]) -> list[str]:
    """The labels and globs to choose a hint from: globs for `app.*`, labels for `app.model`, both for a single word."""
    app, _, models = name.lower().partition(".")
    known = list(dict.fromkeys(map(_app_of, labels)))
    if models == "*":
        return [f"{each}.*" for each in known]
    if models:
        return list(labels)
    return [f"{app}.*"] if app in known else [*labels, *(f"{each}.*" for each in known)]
