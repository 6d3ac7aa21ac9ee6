"""Admin pages. The inbox and the attempts can only be looked at; dead letters can also be replayed and discarded.

Only the pages of dead letters connect to the broker. Their imports are inside the functions, since every
process of a site imports its admin modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from consumers.exceptions import HandlersNotImportable, UnknownHandler
from consumers.models import Attempt, DeadLetter, InboxEvent
from publisher.admin import LookOnly, readable
from publisher.wire.errors import BrokerRefused, BrokerUnavailable

LIST = "admin:consumers_deadletter_changelist"
COLUMNS = ("Event", "Handler", "Subject", "Reason", "Text", "Attempts", "Last failed at")
# Errors that a page shows as its text.
TROUBLE = (BrokerUnavailable, BrokerRefused, HandlersNotImportable, UnknownHandler)


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


@admin.register(DeadLetter)
class DeadLetterAdmin(LookOnly):
    """The letters are in the broker, not in the database. They are read when somebody opens a page."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="consumers_deadletter_changelist"),
            path("letter/", view(self.letter_view), name="consumers_deadletter_letter"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._act(request)
            return HttpResponseRedirect(request.get_full_path())
        from consumers.dead_letters.pages import MOST_LETTERS, overview

        handler = request.GET.get("handler", "")
        try:
            found = overview(handler)
        except TROUBLE as exc:
            return self._page(request, "change_list", {"trouble": str(exc)}, status=503)
        more = {"found": found, "chosen": handler, "most": MOST_LETTERS, "columns": COLUMNS}
        return self._page(request, "change_list", {**more, **(extra_context or {})})

    def letter_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        from consumers.dead_letters.pages import name_from, opened

        name = name_from(request.GET.urlencode())
        try:
            found = opened(name)
        except TROUBLE as exc:
            return self._page(request, "letter", {"trouble": str(exc)}, status=503)
        if found is None:
            self.message_user(request, f"There is no dead letter {name.id} of {name.handler} now.", messages.WARNING)
            return HttpResponseRedirect(reverse(LIST, current_app=self.admin_site.name))
        more = {"title": f"Dead letter {name.id}", "name": name, "found": found, "payload": readable(found.body)}
        return self._page(request, "letter", more)

    def _act(self, request: HttpRequest) -> None:
        from consumers.dead_letters.pages import discard, name_from, replay

        action, names = request.POST.get("action", ""), list(map(name_from, request.POST.getlist("letter")))
        if action not in self._allowed(request):
            raise PermissionDenied
        if not names:
            self.message_user(request, "No dead letter was chosen.", messages.WARNING)
            return
        try:
            if action == "discard":
                self.message_user(request, f"{discard(names)} discarded.", messages.SUCCESS)
                return
            replayed = replay(names)
        except TROUBLE as exc:
            self.message_user(request, str(exc), messages.ERROR)
            return
        self.message_user(request, f"{replayed.confirmed} replayed.", messages.SUCCESS)
        if replayed.stay:
            self.message_user(request, replayed.stay, messages.WARNING)

    def _allowed(self, request: HttpRequest) -> dict[str, str]:
        """The actions that this user may apply to letters, with their labels."""
        verbs = (("replay", "change", "Replay: to their handlers again"), ("discard", "delete", "Discard for good"))
        may = request.user.has_perm
        return {action: words for action, verb, words in verbs if may(f"consumers.{verb}_deadletter")}

    def _page(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], status: int = 200
    ) -> TemplateResponse:
        common = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Dead letters",
            "actions": self._allowed(request),
        }
        where = f"admin/consumers/deadletter/{template}.html"
        # So that links stay within this site if the project has several AdminSites. Django's own pages set it as well.
        request.current_app = self.admin_site.name
        return TemplateResponse(request, where, {**common, **context}, status=status)
