"""What the run's things are called on its broker."""

EXCHANGE = SERVICE = "chaos"
RECORDER = f"{SERVICE}.recorder"
# Handlers.
EFFECT, TRAIL = "effect", "trail"


def queue_of(handler: str) -> str:
    return f"{SERVICE}.{handler}"


def dead_queue_of(handler: str) -> str:
    return f"{queue_of(handler)}.dead"
