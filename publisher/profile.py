"""Finds the receivers that make requests slow: makes requests to this project, and times each receiver."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.urls import get_resolver

from publisher.stopwatch import FORWARDED, IN_PROCESS, Key, Stopwatch

# In the current directory, as coverage keeps its data. `manage.py signals` shows the times from it.
LAST = Path(".signals-profile.json")
WORTH_PERCENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request. `receivers_ms` is the part of `ms` that was spent in receivers."""

    url: str
    status: int
    ms: float
    receivers_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The time of one receiver of one signal, with the signals that it sends. `percent` is of the requests' time."""

    receiver: str
    signal: str
    runs: str
    calls: int
    ms_each: float
    ms: float
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The requests, and the receivers that they reached, the slowest first."""

    requests: tuple[Visit, ...]
    receivers: tuple[Timing, ...]

    @property
    def slowest(self) -> str:
        """The slowest receiver in process, if it takes enough to be worth a line in OFFLOAD; else empty."""
        is_worth = (each for each in self.receivers if each.runs == IN_PROCESS and each.percent >= WORTH_PERCENT)
        return next((each.receiver for each in is_worth), "")


def profiled(urls: Sequence[str], *, repeat: int, data: Mapping[str, str] | None, user: Any) -> Profile:
    """Make the requests, for real: GET, or POST with `data`; as `user`, where one is given."""
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    # Imported now, so that the time of the first request does not include this.
    _ = get_resolver().url_patterns
    client.handler.load_middleware()
    watch = Stopwatch()
    with watch.on_all_receivers():
        visits = [_visit(client, url, data, watch) for url in urls for _ in range(repeat)]
    whole = sum(visit.ms for visit in visits)
    timings = [_timing(key, seconds, whole) for key, seconds in watch.taken.items()]
    return Profile(requests=tuple(visits), receivers=tuple(sorted(timings, key=lambda each: -each.ms)))


def _visit(client: Client, url: str, data: Mapping[str, str] | None, watch: Stopwatch) -> Visit:
    parts = urlsplit(url)
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    named: dict[str, Any] = {"secure": parts.scheme == "https", "HTTP_HOST": parts.netloc or _host()}
    before, began = watch.outermost, time.perf_counter()
    response = client.get(path, **named) if data is None else client.post(path, dict(data), **named)
    ms = (time.perf_counter() - began) * 1000
    return Visit(
        url=url,
        status=response.status_code,
        ms=round(ms, 2),
        receivers_ms=round((watch.outermost - before) * 1000, 2),
    )


def _host() -> str:
    """A host that ALLOWED_HOSTS accepts."""
    named = (host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*")
    return next(named, "localhost")


def _timing(key: Key, seconds: Sequence[float], whole_ms: float) -> Timing:
    ms = sum(seconds) * 1000
    return Timing(
        receiver="the bridge" if key.runs == FORWARDED else key.receiver,
        signal=key.signal,
        runs=key.runs,
        calls=len(seconds),
        ms_each=round(ms / len(seconds), 2),
        ms=round(ms, 2),
        percent=round(100 * ms / whole_ms, 1) if whole_ms else 0.0,
    )


def remember(profile: Profile) -> None:
    """Save the times for `manage.py signals`. Raises OSError where the current directory is not writable."""
    LAST.write_text(json.dumps(asdict(profile)))


def last_times() -> dict[tuple[str, str], float]:
    """Milliseconds per call in the last profile, by receiver and signal; empty when there is none."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        rows = json.loads(LAST.read_text())["receivers"]
        return {(row["receiver"], row["signal"]): float(row["ms_each"]) for row in rows}
    return {}
