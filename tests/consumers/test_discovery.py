"""Handlers are found in each app and where HANDLERS says."""

import json
import sys
from importlib import import_module

import pytest
from django.apps import AppConfig, apps
from django.core.management import CommandError, call_command

from consumers import registry
from consumers.discovery import chosen, discover, handler_modules
from consumers.exceptions import HandlersNotImportable, UnknownHandler


@pytest.fixture
def handlers_setting(settings):
    def set_to(*names):
        settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLERS": list(names)}

    return set_to


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that can be imported in this test alone."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))
    written = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_modules_are_those_of_apps_that_have_one_and_those_that_are_named(handlers_setting):
    handlers_setting("some.module")
    assert handler_modules() == ("tests.bar.consumers", "project.blog.consumers", "some.module")


def test_an_app_that_is_a_single_file_has_no_handlers(module, monkeypatch):
    module("single_file", "")
    configs = [*apps.get_app_configs(), AppConfig("single_file", import_module("single_file"))]
    monkeypatch.setattr(apps, "get_app_configs", lambda: configs)
    assert "single_file.consumers" not in handler_modules()


def test_discover_finds_the_handlers_of_the_apps():
    assert {"greet", "index", "announce", "log"} <= {handler.name for handler in discover()}


def test_discover_finds_those_of_a_named_module(module, handlers_setting):
    module("extra_handlers", "from consumers import subscribe\n\n@subscribe('#')\ndef extra(event): ...\n")
    handlers_setting("extra_handlers")
    assert "extra" in {handler.name for handler in discover()}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
        ("def (", "SyntaxError"),
        ("import nothing_", "nothing_"),
    ],
)
def test_discover_names_the_module_when_it_cannot_be_imported(module, handlers_setting, text, reason):
    module("broken_handlers", text)
    handlers_setting("broken_handlers")
    with pytest.raises(HandlersNotImportable, match=f"broken_handlers: .*{reason}"):
        discover()


def test_discover_names_the_module_when_there_is_none(handlers_setting):
    handlers_setting("no.such.module")
    with pytest.raises(HandlersNotImportable, match=r"no\.such\.module"):
        discover()


def test_chosen_are_all_or_those_named():
    known = discover()
    assert chosen(known, []) == known
    assert [handler.name for handler in chosen(known, ["log", "greet"])] == ["log", "greet"]


def test_chosen_are_those_that_are_not_left_out():
    known = discover()
    assert [handler for handler in known if handler.name != "log"] == list(chosen(known, [], ["log"]))
    assert [handler.name for handler in chosen(known, ["log", "greet"], ["log"])] == ["greet"]
    with pytest.raises(UnknownHandler, match="'lgo'"):
        chosen(known, [], ["lgo"])


def test_command_runs_all_but_those_that_are_left_out(capsys):
    call_command("consume", "--list", "--except", "log", "--except", "greet", "--format", "json")
    listed = {row["handler"] for row in json.loads(capsys.readouterr().out)}
    assert "index" in listed
    assert not listed & {"log", "greet"}
    with pytest.raises(CommandError, match="--except leaves no handler"):
        call_command("consume", "log", "--except", "log")


def test_check_ends_with_1_when_there_is_no_handler_to_run():
    with pytest.raises(CommandError, match="no handler") as raised:
        call_command("consume", "log", "--except", "log", "--check")
    assert raised.value.returncode == 1


def test_chosen_says_what_there_is_when_a_name_is_unknown():
    with pytest.raises(UnknownHandler, match=r"no handler 'indx'.*index"):
        chosen(discover(), ["index", "indx"])
    with pytest.raises(UnknownHandler, match="There are no handlers"):
        chosen((), ["x"])
