"""The app that forwards signals: it connects its receivers once every model is loaded."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags
from django.core.signals import setting_changed

CHECKS = {
    Tags.compatibility: (
        "publisher.checks.settings.check_settings",
        "publisher.checks.settings.check_encoders",
        "publisher.checks.offload.check_offload",
    ),
    Tags.models: ("publisher.checks.databases.check_routers",),
    Tags.database: ("publisher.checks.databases.check_outbox_migrated",),
}
DEPLOY_CHECKS = {Tags.compatibility: ("publisher.checks.databases.check_sqlite",)}
OFFLOAD = "publisher.offload.offload"


class PublisherConfig(AppConfig):
    name = "publisher"
    verbose_name = "Signal Bridge: publisher"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Only what a process needs even if it forwards nothing. The rest is imported with the first event or check.
        from publisher import conf, receivers
        from publisher.catalogue.signals import Uid
        from publisher.startup import register_checks, when_ready
        from publisher.wire.late import when_needed

        when_needed("publisher.encoders.discovery.load_encoders")
        register_checks(CHECKS)
        register_checks(DEPLOY_CHECKS, deploy=True)
        # Not at once: later apps may define signals and connect receivers in their own `ready()`.
        when_ready(receivers.connect)
        if conf.offload():
            when_ready(import_module(OFFLOAD).connect)
        setting_changed.connect(reconnect, dispatch_uid=Uid("reconnect"))


def reconnect(*, setting: str, **kwargs: Any) -> None:
    """Connect anew when the setting changes, so that `override_settings` takes effect at once."""
    from publisher import conf, receivers

    if setting == "SIGNAL_BRIDGE":
        receivers.connect()
        if conf.offload() or OFFLOAD in sys.modules:
            import_module(OFFLOAD).connect()
