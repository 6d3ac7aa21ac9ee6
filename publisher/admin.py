"""Shows the outbox's tables. Parked events can be sent again or discarded, as with `manage.py outbox`.

The admin shows the default database only; `manage.py outbox --database ALIAS` shows the others.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from publisher.models import OutboxEvent, ParkedEvent, RelayLease, UnroutableKey

SHOWN_CHARACTERS = 20_000


class LookOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only, since the bridge's processes write these rows. Whoever may view the model sees them."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class WithPayload(LookOnly):
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The list shows no payloads, which may be large. The page of a single row fetches its own.
        return super().get_queryset(request).defer("body")

    @admin.display(description="payload")
    def payload(self, row: Any) -> SafeString:
        return format_html("<pre>{}</pre>", readable(bytes(row.body)))


@admin.register(OutboxEvent)
class OutboxEventAdmin(WithPayload):
    list_display = ("id", "message_id", "type", "routing_key", "partitionkey")
    fields = (*list_display, "keep_unroutable", "payload")


@admin.register(ParkedEvent)
class ParkedEventAdmin(WithPayload):
    list_display = ("id", "kind", "reason", "message_id", "routing_key", "parked_at")
    list_filter = ("kind",)
    fields = (*list_display, "type", "partitionkey", "payload")
    actions = ("retry", "discard")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return super().has_view_permission(request) and _has(request, "change")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return super().has_view_permission(request) and _has(request, "delete")

    @admin.action(description="Put back into the outbox", permissions=["retry"])
    def retry(self, request: HttpRequest, rows: QuerySet[ParkedEvent]) -> None:
        # Not at the top: every process of a site imports the admin, and few of them need this.
        from publisher.outbox.parked import parked

        # `rows` come from the database for reads, which may be a replica.
        using = router.db_for_write(ParkedEvent)
        count = parked(using).filter(pk__in=rows.using(using).values("pk")).put_back()
        self.message_user(request, f"{count} put back into the outbox.", messages.SUCCESS)

    @admin.action(description="Discard for good", permissions=["discard"])
    def discard(self, request: HttpRequest, rows: QuerySet[ParkedEvent]) -> None:
        count, _ = rows.delete()
        self.message_user(request, f"{count} discarded.", messages.SUCCESS)


@admin.register(UnroutableKey)
class UnroutableKeyAdmin(LookOnly):
    list_display = ("routing_key", "count", "last_at")


@admin.register(RelayLease)
class RelayLeaseAdmin(LookOnly):
    list_display = ("shard", "shards", "holder", "claimant", "expires_at", "rate")


def _has(request: HttpRequest, verb: str) -> bool:
    return bool(request.user.has_perm(f"publisher.{verb}_parkedevent"))


def readable(body: bytes) -> str:
    """An event's body as indented JSON, cut to what a page can show."""
    text = _text_of(body)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n… the first {SHOWN_CHARACTERS:,} characters of an event of {len(body):,} bytes"


def _text_of(body: bytes) -> str:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        # A lone surrogate, which JSON may have as `\ud800`, cannot be part of a page.
        return text.encode(errors="backslashreplace").decode()
    except (ValueError, RecursionError):
        return repr(body)
