"""Encodes files and uploads: name, size and URL as far as they are known, never the content."""

import io
from pathlib import PurePath
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from django.db.models.fields.files import FieldFile

from publisher.wire.codec import Encoding, decodes, encodes
from publisher.wire.sent import SentFile


@encodes(FieldFile)
def encode_field_file(encoding: Encoding, file: FieldFile, path: str) -> Any:
    """A stored file. (If it is in a field of an instance that is sent, only the name is sent.)"""
    if not file.name:
        return file.name
    return _encoded(encoding, path, file.name, size=size_of(file), url=url_of(file))


@encodes(File)
def encode_file(encoding: Encoding, file: "File[Any]", path: str) -> Any:
    """An upload or an open file."""
    return _encoded(
        encoding, path, file.name or "", size=size_of(file), content_type=getattr(file, "content_type", None)
    )


@encodes(io.IOBase, "django.core.management.base.OutputWrapper")
def encode_stream(encoding: Encoding, stream: Any, path: str) -> Any:
    """A stream, as `stdout` of a migration: its name."""
    name = getattr(stream, "name", "")
    return encoding.tag(path, "stream", name if isinstance(name, str) else "")


@encodes(Storage)
def encode_storage(encoding: Encoding, storage: Storage, path: str) -> Any:
    kind = type(storage)
    return encoding.tag(path, "storage", f"{kind.__module__}.{kind.__qualname__}")


def size_of(file: Any) -> int | None:
    """The size in bytes, if it is known without asking a remote storage."""
    is_stored = isinstance(file, FieldFile) and getattr(file, "_committed", True)
    if is_stored and not isinstance(file.storage, FileSystemStorage):
        return None
    try:
        size = file.size
    except Exception:
        # A storage may raise anything.
        return None
    return size if isinstance(size, int) else None


def url_of(file: FieldFile) -> str | None:
    """The URL without its query string, which may contain a signature."""
    try:
        return file.url.partition("?")[0]
    except Exception:
        return None


def _encoded(encoding: Encoding, path: str, name: str | PurePath, **known: Any) -> Any:
    plain = {"name": str(name), **{key: value for key, value in known.items() if value is not None}}
    return encoding.tag(path, "file", plain)


@decodes("file")
def decode_file(plain: dict[str, Any], argument: str) -> SentFile:
    known = {name: plain[name] for name in SentFile.__slots__ if name in plain}
    return SentFile(**known)
