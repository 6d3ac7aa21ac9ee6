"""Handlers as a script: which are its own, whose settings, and with which exit codes it ends."""

import os
import subprocess
import sys

import pytest

from consumers import module_runs, registry
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


def run_module(name, source):
    exec(compile(source, f"{name}.py", "exec"), {"__name__": name})


OWN = """
from consumers import subscribe
from consumers.contrib.tasks import to_task
from tests.consumers.test_script import handle

@subscribe("#")
def own(event): ...

subscribe("#", name="index")(to_task(print))

def main():
    subscribe("#", name="theirs")(handle)

main()
"""
LIBRARY = """
from consumers import subscribe

@subscribe("#")
def library(event): ...
"""


def test_handlers_of_a_script_are_those_it_registers_wherever_their_functions_are_from(empty_registry):
    run_module("library", LIBRARY)
    run_module("__main__", OWN)
    assert [handler.name for handler in scripted()] == ["own", "index", "theirs"]


def test_handlers_of_a_script_are_its_own_when_it_is_installed_as_a_package(empty_registry, monkeypatch):
    monkeypatch.setattr(module_runs, "INSTALLED", ("__main__.py",))
    run_module("library", LIBRARY)
    run_module("__main__", OWN)
    assert [handler.name for handler in scripted()] == ["own", "index", "theirs"]


def test_handlers_of_a_script_are_those_it_imports_when_it_registers_none(empty_registry):
    run_module("library", LIBRARY)
    assert [handler.name for handler in scripted()] == ["library"]


def test_handler_that_is_a_modules_and_the_scripts_is_run_by_the_script(empty_registry):
    pattern = """
from consumers import subscribe
from tests.consumers.test_script import handle
subscribe("{}")(handle)
"""
    for name in ("__main__", "library"):
        run_module(name, pattern.format(f"{name}.#"))
    assert [(handler.name, handler.patterns) for handler in scripted()] == [("handle", ("__main__.#", "library.#"))]


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
