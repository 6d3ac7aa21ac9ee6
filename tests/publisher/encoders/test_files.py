"""Files and uploads: name, size and URL, never the content; exceptions: type and text; Django's machinery: names."""

import io
import sys

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.management.base import OutputWrapper
from django.db import connection, models
from django.db.migrations import Migration
from django.db.models.fields.files import FieldFile
from django.template import Context, Template, engines

from publisher.wire.sent import SentException, SentFile
from tests.foo.signals import article_published
from tests.publisher.encoders.travel import sent, text_of, travelled

SECRET = "planted-secret"


class Signed(Storage):
    """A storage elsewhere: to ask it anything but a URL is a question over the network."""

    def url(self, name):
        return f"https://files.example.com/{name}?signature={SECRET}"

    def size(self, name):
        raise AssertionError("asked over the network")


def field_file(storage, name="a/b.txt"):
    return FieldFile(None, models.FileField(storage=storage), name)


def test_stored_file_is_its_name_size_and_url(tmp_path):
    storage = FileSystemStorage(tmp_path, base_url="/media/")
    storage.save("a.txt", ContentFile(b"planted-secret"))
    assert travelled(field_file(storage, "a.txt")) == SentFile(name="a.txt", size=14, url="/media/a.txt")
    assert travelled(field_file(storage, "gone.txt")) == SentFile(name="gone.txt", url="/media/gone.txt")
    assert travelled(field_file(storage, "")) == ""


def test_storage_elsewhere_is_not_asked_for_the_size_and_its_signature_stays_here():
    assert travelled(field_file(Signed())) == SentFile(name="a/b.txt", url="https://files.example.com/a/b.txt")
    assert SECRET not in text_of(field_file(Signed()))


@pytest.mark.parametrize(
    ("make", "arrives"),
    [
        (
            lambda: SimpleUploadedFile("a.txt", b"planted-secret", "text/plain"),
            SentFile(name="a.txt", size=14, content_type="text/plain"),
        ),
        (
            lambda: TemporaryUploadedFile("b.png", "image/png", 5, None),
            SentFile(name="b.png", size=5, content_type="image/png"),
        ),
        (lambda: ContentFile(b"planted-secret"), SentFile(size=14)),
        (lambda: File(io.BytesIO(b"planted-secret"), "c.bin"), SentFile(name="c.bin", size=14)),
    ],
)
def test_upload_is_its_name_size_and_type(make, arrives):
    file = make()
    assert travelled(file) == arrives
    assert SECRET not in text_of(file)
    file.close()


def test_file_is_read_by_nobody():
    file = ContentFile(b"planted-secret")
    file.seek(3)
    travelled(file)
    assert file.tell() == 3


def raised(exc):
    try:
        raise exc
    except Exception as caught:
        return caught


def test_exception_is_its_type_and_text():
    result = travelled(raised(ValueError("no such thing, password='planted-secret'")))
    assert result == SentException(type="builtins.ValueError", text="no such thing, password=***")
    assert str(result) == "builtins.ValueError: no such thing, password=***"
    assert travelled(ValidationError("bad")).type == "django.core.exceptions.ValidationError"


def test_traceback_is_sent_when_the_rule_asks_for_it():
    exc = raised(KeyError("k"))
    assert travelled(exc).traceback is None
    assert sent(exc.__traceback__) == (None, {"": "dropped"})
    result = travelled(exc, traceback=True)
    assert "in raised" in result.traceback
    assert "in raised" in travelled(exc.__traceback__, traceback=True)
    assert travelled(sys._getframe(), traceback=True) is None


def test_exception_is_sent_when_its_text_raises():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError(SECRET)

    assert travelled(Broken()).text == "<str raised RuntimeError>"


@pytest.mark.parametrize(
    ("value", "plain", "tag"),
    [
        (apps.get_app_config("auth"), "auth", "app"),
        (Migration("0001_initial", "foo"), "foo.0001_initial", "migration"),
        (connection, {"alias": "default", "vendor": connection.vendor}, "connection"),
        (OutputWrapper(io.StringIO()), "", "stream"),
        (Template("{{ a }}", name="a.html"), "a.html", "template"),
        (engines["django"].get_template("admin/index.html"), "admin/index.html", "template"),
        (Context({"csrf_token": SECRET, "a": 1}), ["False", "None", "True", "a", "csrf_token"], "context"),
        (article_published, "tests.foo.signals.article_published", "signal"),
        (InMemoryStorage(), "django.core.files.storage.memory.InMemoryStorage", "storage"),
        (AnonymousUser(), None, "anonymous_user"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_machinery_is_named(value, plain, tag):
    assert sent(value) == (plain, {"": tag})


def test_registry_of_apps_is_their_labels():
    plain, types = sent(apps)
    assert {"auth", "foo"} <= set(plain)
    assert types == {"": "apps"}


def test_anonymous_user_comes_back():
    assert isinstance(travelled(AnonymousUser()), AnonymousUser)


class Refusing(Signed):
    def size(self, name):
        raise RuntimeError("as a client of another server's does")


@pytest.mark.parametrize("storage", [Signed(), Refusing()])
def test_file_that_was_just_saved_is_not_asked_for_elsewhere(storage):
    file = field_file(storage)
    file.file = ContentFile(b"x", "b.txt")
    file._committed = True
    (plain, _) = sent(file)
    assert plain == {"name": "a/b.txt", "url": "https://files.example.com/a/b.txt"}
