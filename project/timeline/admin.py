"""The timeline in the admin."""

from django.contrib import admin

from project.timeline.models import Status


@admin.register(Status)
class StatusAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("text", "idempotency_key", "created")
    search_fields = ("text", "idempotency_key")
