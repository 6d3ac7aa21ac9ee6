"""Connects its receivers when the app is ready, as apps do."""

from django.apps import AppConfig


class AwayConfig(AppConfig):
    name = "tests.away"

    def ready(self):
        import tests.away.receivers  # noqa: F401
