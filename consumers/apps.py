"""The app `consumers`: registers its checks, and what has to be known before the first event is decoded."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.core.checks import Tags
from django.core.exceptions import ImproperlyConfigured

CHECKS = {
    Tags.compatibility: ("consumers.checks.handlers.check_handlers", "consumers.checks.asked.check_asked"),
    Tags.database: ("consumers.checks.databases.check_inbox_migrated",),
}


class ConsumersConfig(AppConfig):
    name = "consumers"
    verbose_name = "Signal Bridge: consumers"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        if not apps.is_installed("publisher"):
            raise ImproperlyConfigured(
                "'consumers' needs 'publisher' in INSTALLED_APPS, also where nothing is forwarded."
            )
        if find_spec("publisher.wire") is None:
            # Raised here, not reported by a check: without publisher.wire no module of this app can be imported.
            raise ImproperlyConfigured(
                "The app 'publisher' is another package than the bridge's. Rename your package: the bridge's has this "
                "name, and a project's own comes first on Python's path."
            )
        super().import_models()

    def ready(self) -> None:
        # Only registered here: a site that runs no handlers does not import their modules.
        from publisher import subscriptions
        from publisher.startup import register_checks
        from publisher.wire.late import when_needed

        when_needed("publisher.encoders.discovery.load_encoders")
        when_needed("consumers.instances.register")
        register_checks(CHECKS)
        subscriptions.told_by("consumers.discovery.all_patterns")
