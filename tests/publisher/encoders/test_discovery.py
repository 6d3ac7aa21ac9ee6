"""Encoders of apps are found, and are stronger than what is guessed."""

import sys
from importlib import import_module

import pytest
from django.apps import AppConfig, apps
from django.core.checks import Tags, run_checks

from publisher.checks.settings import check_encoders
from publisher.encoders import decodes, encodes
from publisher.encoders.discovery import load_encoders
from tests.publisher.encoders.travel import sent, travelled


def test_encoders_of_an_app_are_found():
    from tests.kinds.encoders import Weight

    assert travelled([Weight(5)]) == [Weight(5)]
    assert sent(Weight(5)) == (5, {"": "kinds.weight"})


@pytest.fixture
def broken_app(tmp_path, monkeypatch):
    """An app whose encoders cannot be imported."""
    (tmp_path / "broken_app").mkdir()
    (tmp_path / "broken_app" / "__init__.py").touch()
    (tmp_path / "broken_app" / "encoders.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(tmp_path)
    configs = [*apps.get_app_configs(), AppConfig("broken_app", import_module("broken_app"))]
    monkeypatch.setattr(apps, "get_app_configs", lambda: configs)
    yield
    sys.modules.pop("broken_app", None)


def test_encoders_module_that_cannot_be_imported_is_told(broken_app):
    with pytest.raises(ImportError, match="nothing_of_that_name"):
        load_encoders()


def test_e018_when_an_encoders_module_cannot_be_imported(broken_app):
    # Where a test has made the app ready once more, its checks are registered once more.
    error = next(each for each in run_checks(tags=[Tags.compatibility]) if each.id == "publisher.E018")
    assert error.is_serious()
    assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in error.msg
    assert "`encoders` module" in error.hint


def test_nothing_is_wrong_with_encoders_that_can_be_imported():
    assert check_encoders(None) == []


def test_nothing_is_wrong_with_an_app_that_is_a_single_file(tmp_path, monkeypatch):
    (tmp_path / "single_file.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    configs = [*apps.get_app_configs(), AppConfig("single_file", import_module("single_file"))]
    monkeypatch.setattr(apps, "get_app_configs", lambda: configs)
    assert check_encoders(None) == []
    sys.modules.pop("single_file")


class Base:
    amount, currency = 1, "EUR"


class Derived(Base):
    pass


def test_registered_encoder_is_stronger_than_a_likeness_and_a_path_as_good_as_the_type():
    assert travelled(Derived()).currency == "EUR"

    @encodes(f"{__name__}.Base")
    def encode_base(encoding, value, path):
        return encoding.tag(path, "tests.base", "base")

    @decodes("tests.base")
    def decode_base(plain, argument):
        return plain.upper()

    assert travelled([Derived()]) == ["BASE"]
