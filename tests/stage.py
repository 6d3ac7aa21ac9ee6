"""A database and processes of their own: publisher, relay and consumers as they run in production."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dj_database_url
from django.db.utils import ConnectionHandler

from tests import leaks

ROOT = Path(__file__).parent.parent
WAIT_SECONDS = 20.0
SHOWN_CHARACTERS = 200
# Commands that show no events: what they print is their log.
LOGGING = ("relay", "consume")


class Database:
    """A second pair of eyes on a database that other processes work on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = ConnectionHandler({"default": dj_database_url.parse(url)})["default"]

    def rows(self, query: str, parameters: Any = ()) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def close(self) -> None:
        self.connection.close()


class Stage:
    """Processes over one database and one broker; `close` ends those that still run."""

    def __init__(self, folder: Path, database: Database, broker_url: str, names: dict[str, str]) -> None:
        self.folder = folder
        self.database = database
        self.env = environment(database.url, BROKER_URL=broker_url, **{f"TEST_{key}": names[key] for key in names})
        self.running: list[subprocess.Popen] = []

    def manage(self, *arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        return manage(*arguments, env={**self.env, **env}, check=check)

    def python(self, code: str, **env: str) -> str:
        """Run code in a process of its own, with Django set up; what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=ROOT, env={**self.env, **env}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        listen_to(done)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str, **env: str) -> subprocess.Popen:
        """Start a command, or Python with `-m` or `-c`; `log` of the process is the file it writes to."""
        command = [sys.executable, *(arguments if arguments[0] in ("-m", "-c") else ("manage.py", *arguments))]
        path = self.folder / f"{arguments[0].strip('-')}-{len(self.running)}.log"
        with path.open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, env={**self.env, **env}, stdout=log, stderr=log)
        process.log = path
        self.running.append(process)
        return process

    def seen(self, handler: str = "%") -> list[tuple[str, str, int]]:
        """What bar's handlers wrote: (handler, text, pid), in order."""
        query = "SELECT handler, text, pid FROM bar_seen WHERE handler LIKE %s ORDER BY id"
        return self.database.rows(query, [handler])

    def outbox(self) -> int:
        return self.database.value("SELECT count(*) FROM publisher_outboxevent")

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for process in self.running:
            said = process.log.read_text(errors="replace")
            leaks.look("outputs", f"printed by {process.log.name}", said, is_log=process.log.name.startswith(LOGGING))


def environment(database_url: str, **more: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_URL", "COV_"))}
    return {**plain, "DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": database_url, **more}


def manage(
    *arguments: str, env: dict[str, str], check: bool = True, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    listen_to(done, is_log=arguments[0] in LOGGING)
    if check and done.returncode:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def listen_to(done: subprocess.CompletedProcess[str], *, is_log: bool = False) -> None:
    """Nothing that was planted may be in what a process said."""
    command = " ".join(map(str, done.args[1:]))[:SHOWN_CHARACTERS]
    leaks.look("outputs", f"printed by {command}", done.stdout + done.stderr, is_log=is_log)


def eventually(is_so, seconds: float = WAIT_SECONDS):
    """The first true answer of `is_so`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} seconds")
        time.sleep(0.05)
    return answer


def tell_twice(process: subprocess.Popen) -> None:
    """As GNU timeout does, which signals a process and then its group."""
    process.send_signal(signal.SIGTERM)
    time.sleep(0.003)
    process.send_signal(signal.SIGTERM)


class Pauses(threading.Event):
    """Takes down how long it was to be waited for, and does not wait."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return self.is_set()
