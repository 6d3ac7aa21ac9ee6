"""Template variables for every page."""

from django.conf import settings
from django.http import HttpRequest


def console(request: HttpRequest) -> dict[str, str]:
    return {"console_url": settings.SIGNAL_BRIDGE_CONSOLE_URL}
