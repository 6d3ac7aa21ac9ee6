import os
import subprocess
import sys
import time

import psutil
import pytest

from project.demo.crew import Crew, ProcessEnded, environment_of_children

GRANDCHILD = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print('pid', child.pid, flush=True); time.sleep(60)"
)


def environment(tmp_path):
    return environment_of_children(
        DJANGO_SETTINGS_MODULE="project.settings", DATABASE_URL=f"sqlite:///{tmp_path}/crew.sqlite3"
    )


def pid_of_grandchild(crew):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        line = crew.next_line(0.1)
        if line is not None and line.text is not None and line.text.startswith("pid "):
            return int(line.text.split()[1])
    raise AssertionError("the child said nothing")


def hear_all(crew):
    for _ in range(200):
        crew.next_line(0.1)


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_ends(pid):
    """A process that was killed closes its files, as its parent sees, a little before it is gone."""
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_leaving_ends_the_processes_and_theirs(tmp_path):
    with Crew(environment(tmp_path)) as crew:
        crew.start("parent", "shell", "-c", GRANDCHILD)
        pid = pid_of_grandchild(crew)
        assert is_alive(pid)
    assert_ends(pid)


def test_leaving_ends_a_process_that_ignores_the_first_request(tmp_path, monkeypatch):
    monkeypatch.setattr("project.demo.crew.GRACE_SECONDS", 0.3)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + GRANDCHILD
    with Crew(environment(tmp_path)) as crew:
        crew.start("stubborn", "shell", "-c", code)
        pid = pid_of_grandchild(crew)
        assert is_alive(pid)
    assert_ends(pid)


def test_process_that_ends_is_told_with_its_last_lines(tmp_path):
    with Crew(environment(tmp_path)) as crew:
        crew.start("relay", "shell", "-c", "print('no more ink'); raise SystemExit(3)")
        with pytest.raises(ProcessEnded, match=r"The relay ended with 3(?s:.)*no more ink"):
            hear_all(crew)


def test_child_ends_when_its_input_closes(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "project.demo.child", "shell", "-c", GRANDCHILD],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    with child:
        line = next(line for line in child.stdout if line.startswith("pid "))
        child.stdin.close()
        assert child.wait(timeout=10) < 0
    assert_ends(int(line.split()[1]))


def test_environment_has_what_the_caller_has(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    given = environment_of_children(MORE="1")
    assert given["MORE"] == "1"
    assert given["PYTHONPATH"].split(os.pathsep)[1] == "/somewhere"
