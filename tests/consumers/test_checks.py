"""What is wrong with the handlers is told: id, offending value, hint."""

import sys

import pytest

from consumers import registry
from consumers.checks import check_handlers


@pytest.fixture
def check(settings):
    def run(handlers):
        settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLERS": handlers}
        return check_handlers(None)

    return run


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))
    yield lambda text: (tmp_path / "checked_handlers.py").write_text(text)
    sys.modules.pop("checked_handlers", None)


def test_nothing_is_wrong_when_the_modules_can_be_imported(check):
    assert check([]) == []
    assert check(["tests.bar.consumers"]) == []


@pytest.mark.parametrize("value", ["tests.bar.consumers", 5, None, [5], {"a": 1}], ids=repr)
def test_e001_when_it_is_no_list_of_modules(check, value):
    (error,) = check(value)
    assert (error.id, error.is_serious()) == ("consumers.E001", True)
    assert repr(value) in error.msg
    assert error.hint


@pytest.mark.parametrize(
    ("text", "reason"), [("raise RuntimeError('broken')", "RuntimeError: broken"), ("def (", "SyntaxError")]
)
def test_e002_when_a_module_cannot_be_imported(check, module, text, reason):
    module(text)
    (error,) = check(["checked_handlers"])
    assert error.id == "consumers.E002"
    assert "'checked_handlers'" in error.msg
    assert reason in error.msg
    assert error.hint


@pytest.mark.parametrize("name", ["no.such.module", "", ".", "tests.bar.nothing"])
def test_e002_when_there_is_no_such_module(check, name):
    (error,) = check([name])
    assert error.id == "consumers.E002"
    assert repr(name) in error.msg


def test_e003_when_two_handlers_share_a_name(check, module):
    module("from consumers import subscribe\n\n@subscribe('#', name='index')\ndef other(event): ...\n")
    import tests.bar.consumers  # noqa: F401

    (error,) = check(["checked_handlers"])
    assert error.id == "consumers.E003"
    assert "'index'" in error.msg
    assert error.hint
