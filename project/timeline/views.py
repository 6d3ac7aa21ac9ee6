"""Mastodon's API for posting a status, and a page that shows what was posted.

https://docs.joinmastodon.org/methods/statuses/#create
"""

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.html import escape
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from project.timeline.forms import StatusForm
from project.timeline.models import Status

PAGE_SIZE = 50

_was_busy_for: set[str] = set()


@require_safe
def timeline(request: HttpRequest) -> HttpResponse:
    return render(request, "timeline/timeline.html", {"statuses": Status.objects.all()[:PAGE_SIZE]})


@csrf_exempt
@require_POST
def create_status(request: HttpRequest) -> JsonResponse:
    if not _is_authorized(request.headers.get("Authorization", "")):
        return JsonResponse({"error": "The access token is invalid"}, status=401)
    key = request.headers.get("Idempotency-Key")
    form = StatusForm({**_fields(request), "idempotency_key": key})
    if not form.is_valid():
        reasons = " ".join(str(reason) for reasons in form.errors.values() for reason in reasons)
        return JsonResponse({"error": f"Validation failed: {reasons}"}, status=422)
    if _is_busy(form.cleaned_data["status"]):
        return JsonResponse({"error": "The server is busy"}, status=503)
    status = Status.objects.post_once(form.cleaned_data["status"], form.cleaned_data["idempotency_key"])
    return JsonResponse(_as_mastodon(status, request.build_absolute_uri("/timeline/")))


def _is_busy(text: str) -> bool:
    """Once for each name in TIMELINE_BUSY_FOR, so that the demo has a handler that fails and tries again."""
    names = [name for name in settings.TIMELINE_BUSY_FOR if name in text and name not in _was_busy_for]
    _was_busy_for.update(names)
    return bool(names)


def _is_authorized(header: str) -> bool:
    scheme, _, token = header.partition(" ")
    is_known = constant_time_compare(token.strip(), settings.MASTODON_TOKEN)
    return scheme.lower() == "bearer" and bool(settings.MASTODON_TOKEN) and is_known


def _fields(request: HttpRequest) -> dict[str, Any]:
    if request.content_type != "application/json":
        return request.POST.dict()
    try:
        fields = json.loads(request.body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _as_mastodon(status: Status, page: str) -> dict[str, Any]:
    url = f"{page}#status-{status.pk}"
    return {
        "id": str(status.pk),
        "created_at": status.created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "content": f"<p>{escape(status.text)}</p>",
        "visibility": "public",
        "uri": url,
        "url": url,
        "account": {"id": "1", "username": "blog", "acct": "blog", "display_name": "The blog", "url": page},
        "sensitive": False,
        "spoiler_text": "",
        "in_reply_to_id": None,
        "reblog": None,
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "emojis": [],
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
    }
