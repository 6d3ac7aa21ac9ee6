"""Takes the trace and the id of a request from its headers, for the events and log records made during it."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from publisher.wire.ids import REQUEST_ID, TRACEPARENT, request_id, trace_id
from publisher.wire.origin import Origin, current_origin, originating

if TYPE_CHECKING:
    # Not at run time: LOGGING may have every process import this module, and a relay needs nothing of django.http.
    from django.http import HttpRequest, HttpResponseBase

__all__ = ["OriginFilter", "current_origin", "middleware"]

NONE = "-"


# A middleware, since a receiver of `request_started` runs in a context of its own under ASGI.
@sync_and_async_middleware
def middleware(get_response: "Callable[[HttpRequest], Any]") -> "Callable[[HttpRequest], Any]":
    """For the top of MIDDLEWARE: events get the request's `traceparent` and `X-Request-ID`."""
    if not iscoroutinefunction(get_response):

        def traced(request: "HttpRequest") -> "HttpResponseBase":
            with originating(origin_of(request)):
                response: HttpResponseBase = get_response(request)
                return response

        return traced

    async def traced_later(request: "HttpRequest") -> "HttpResponseBase":
        with originating(origin_of(request)):
            awaitable: Awaitable[HttpResponseBase] = get_response(request)
            return await awaitable

    return traced_later


def origin_of(request: "HttpRequest") -> Origin:
    """The ids from the headers, if they are well-formed. A request made inside a handler keeps the handler's."""
    origin = current_origin()
    if origin.causationid:
        return origin
    traceparent, request_id = request.headers.get("traceparent", ""), request.headers.get("x-request-id", "")
    return Origin(
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
        correlationid=request_id if REQUEST_ID.fullmatch(request_id) else None,
    )


class OriginFilter(logging.Filter):
    """For LOGGING: gives each record `event_id` (of the event that is being handled), `trace_id` and `request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        origin = current_origin()
        record.event_id = origin.causationid or NONE
        record.trace_id = trace_id(origin.traceparent) or NONE
        record.request_id = request_id(origin.correlationid) or NONE
        return True
