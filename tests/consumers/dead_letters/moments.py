"""When letters of the tests died."""

from datetime import UTC, datetime, timedelta

MINUTES_AGO = {
    minutes: (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat() for minutes in (1, 10, 100)
}  # fmt: skip
