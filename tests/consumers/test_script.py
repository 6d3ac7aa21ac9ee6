"""Handlers as a script: which are its own, whose settings, and with which exit codes it ends."""

import os
import subprocess
import sys

import pytest

from consumers import registry, subscribe
from consumers.script import scripted, settings_of_manage_py
from tests.stage import ROOT, eventually

SCRIPT = """
from consumers import run, subscribe

@subscribe("t.#")
def alone(event):
    print(event.data["n"], flush=True)

if __name__ == "__main__":
    run()
"""


@pytest.fixture
def empty_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", {})


def handle(event):
    pass


def test_handlers_of_a_script_are_those_it_defines(empty_registry):
    def own(event):
        pass

    own.__module__ = "__main__"
    subscribe("#")(handle)
    subscribe("#")(own)
    assert [handler.name for handler in scripted()] == ["own"]


def test_handlers_of_a_script_are_those_it_imports_when_it_defines_none(empty_registry):
    subscribe("#")(handle)
    assert [handler.name for handler in scripted()] == ["handle"]


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")', "blog.settings"),
        ("os.environ['DJANGO_SETTINGS_MODULE'] = 'x'", ""),
        ("setdefault('DJANGO_SETTINGS_MODULE' ,\n 'a.b_c')", "a.b_c"),
        ("", ""),
        (None, ""),
    ],
)
def test_settings_are_those_that_manage_py_names(tmp_path, monkeypatch, text, module):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "manage.py").write_text(text)
    assert settings_of_manage_py() == module


def plain_environment(**more):
    kept = {key: value for key, value in os.environ.items() if key not in ("DJANGO_SETTINGS_MODULE", "BROKER_URL")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def test_script_runs_when_there_is_nothing_but_a_broker(tmp_path, queues, broker_url):
    path = tmp_path / "lonely.py"
    path.write_text(SCRIPT)
    env = plain_environment(BROKER_URL=broker_url, EXCHANGE=queues.exchange, SERVICE=queues.service)
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        process = subprocess.Popen([sys.executable, path], cwd=tmp_path, env=env, stdout=out, stderr=err)
    try:
        eventually(lambda: "consuming" in (tmp_path / "err").read_text())
        queues.event("t.x", {"n": 7})
        eventually(lambda: (tmp_path / "out").read_text() == "7\n")
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        for name in ("alone", "alone.dead"):
            queues.delete(name)


def test_script_says_how_it_is_used_when_asked(tmp_path):
    path = tmp_path / "lonely.py"
    path.write_text(SCRIPT)
    command = [sys.executable, path]
    done = subprocess.run([*command, "--help"], cwd=tmp_path, env=plain_environment(), capture_output=True, text=True)
    assert done.returncode == 0
    assert "alone" in done.stdout
    done = subprocess.run([*command, "--bogus"], cwd=tmp_path, env=plain_environment(), capture_output=True, text=True)
    assert done.returncode == 2
