"""The exit codes of the consumers' commands: 2 for wrong usage, 78 for a wrong configuration, 1 for other errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from consumers.exceptions import HandlersNotImportable, InboxAway, LettersOfSeveral, NotRetirable, UnknownHandler
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE


@contextmanager
def command_errors() -> Iterator[None]:
    """Turns the errors that a person can do something about into CommandError, with their text and an exit code."""
    try:
        yield
    except (UnknownHandler, LettersOfSeveral) as exc:
        raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
    except (BrokerRefused, HandlersNotImportable) as exc:
        raise CommandError(str(exc), returncode=EXIT_CONFIG) from exc
    except (BrokerUnavailable, InboxAway, NotRetirable) as exc:
        raise CommandError(str(exc), returncode=1) from exc
