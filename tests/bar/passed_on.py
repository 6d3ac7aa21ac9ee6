"""Django's decorator, as a project may keep it among its own tools."""

from django.dispatch import receiver

__all__ = ["receiver"]
