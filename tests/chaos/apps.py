"""The run's app: where its processes may be told to break a promise."""

from django.apps import AppConfig

from tests.chaos import sabotage


class ChaosConfig(AppConfig):
    name = "tests.chaos"

    def ready(self) -> None:
        sabotage.commit()
