"""The timeline's place among the apps."""

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    name = "project.timeline"
    label = "timeline"
