"""Keep a description of this service's events in a file, and tell what a change would mean for consumers."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from publisher.commands import BridgeCommand
from publisher.contract.differences import Difference, differences, next_version
from publisher.contract.document import Document, contract
from publisher.terminal import add_format, show
from publisher.wire.exit_codes import EXIT_USAGE

FILE = Path("asyncapi.json")
VERSION = re.compile(r"[0-9]+\.[0-9]+")


class Command(BridgeCommand):
    help = (
        "Describes the events of this project, by its rules and models, as an AsyncAPI document with a JSON Schema for "
        "each routing key. Without options, compares it with the file, and shows what would break consumers: fields "
        "that are gone or have another type, events that are not sent any more, or are sent otherwise."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_format(parser)
        parser.add_argument("--file", type=Path, default=FILE, help="the file with the document (default: %(default)s)")
        parser.add_argument("--check", action="store_true", help="end with 1 if the file is out of date")
        parser.add_argument("--write", action="store_true", help="write the file, with a new version if it changed")

    def handle(self, *args: Any, format: str, file: Path, check: bool, write: bool, **options: Any) -> None:
        if check and write:
            raise CommandError("--check only looks, --write changes the file: give one of them.", returncode=EXIT_USAGE)
        before = read(file)
        now, found = compared(before)
        if before is not None:
            show(found, format, title=f"Changes since version {before['info']['version']}", stdout=self.stdout)
        elif format == "json":
            self.stdout.write(json.dumps(now, indent=2))
        if write:
            keep(file, now)
        self.stderr.write(told(file, before, now, is_written=write), str)
        if check and now != before:
            sys.exit(1)


def compared(before: Document | None) -> tuple[Document, list[Difference]]:
    """The current document, with its version, and the differences to the one before."""
    if before is None:
        return contract(), []
    version = before["info"]["version"]
    now = contract(version)
    found = differences(before, now)
    return (now if now == before else contract(next_version(version, found))), found


def read(file: Path) -> Document | None:
    """The document in the file; None if there is no file. Raises CommandError if it is no such document."""
    try:
        document = json.loads(file.read_text())
        differences(document, document)
        version = document["info"]["version"]
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CommandError(f"{file} cannot be read: {exc.strerror}", returncode=EXIT_USAGE) from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise CommandError(
            f"{file} is no contract that this command wrote ({type(exc).__name__}: {exc}). Name another file with "
            "--file, or delete it and start again with --write.",
            returncode=EXIT_USAGE,
        ) from exc
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise CommandError(
            f"The version in {file} is {version!r}: write it as major.minor, in quotes, such as '1.0'.",
            returncode=EXIT_USAGE,
        )
    return document  # type: ignore[no-any-return]


def keep(file: Path, document: Document) -> None:
    """Write the document to the file. Raises CommandError where that fails."""
    try:
        file.write_text(f"{json.dumps(document, indent=1)}\n")
    except OSError as exc:
        what = "make its directory" if isinstance(exc, FileNotFoundError) else "permit writing to it"
        raise CommandError(
            f"{file} cannot be written ({exc.strerror}): {what}, or name another file with --file.",
            returncode=EXIT_USAGE,
        ) from exc


def told(file: Path, before: Document | None, now: Document, *, is_written: bool) -> str:
    version, channels = now["info"]["version"], len(now["channels"])
    what = f"version {version}, {channels} channel{'' if channels == 1 else 's'}"
    if is_written:
        return f"{file} is {'written' if now != before else 'unchanged'}: {what}."
    if before is None:
        return f"There is no {file}. `manage.py contract --write` makes it: {what}."
    if now == before:
        return f"{file} is up to date: {what}."
    return f"{file} is out of date. `manage.py contract --write` writes {what}."
