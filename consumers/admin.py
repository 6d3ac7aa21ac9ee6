"""What was handled and what is being tried, to be looked at."""

from __future__ import annotations

from django.contrib import admin

from consumers.models import Attempt, InboxEvent
from publisher.admin import LookOnly


@admin.register(InboxEvent)
class InboxEventAdmin(LookOnly):
    list_display = ("event_id", "subscription", "handled_at")
    search_fields = ("event_id__exact",)
    ordering = ("-pk",)


@admin.register(Attempt)
class AttemptAdmin(LookOnly):
    list_display = ("event_id", "subscription", "count", "ended", "last_at")
    search_fields = ("event_id__exact",)
    ordering = ("-pk",)
