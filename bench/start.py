"""What the apps add to `django.setup()` of the demo project."""

import compileall
import os
import subprocess
import sys

from bench.figures import Figure, at_most, compared
from bench.processes import ROOT
from bench.progress import steps
from bench.run import Run

NAME = "start"
# Python looks through all objects after so many collections of the youngest.
COLLECTIONS = 11 * 11
# A collection of all objects takes a tenth of setup(), or more. Whether it falls into setup() or just after it is a
# matter of a few hundred objects, so each round begins at another distance from it.
SETUP = """
import gc, sys, time, django
from django.conf import settings
settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in sys.argv[2:]]
for _ in range(int(sys.argv[1])):
    youngest = [[] for _ in range(gc.get_threshold()[0] + 1)]
began = time.process_time()
django.setup()
print(time.process_time() - began)
"""


def run(run: Run) -> list[Figure]:
    without: dict[str, tuple[str, ...]] = {
        "neither": ("publisher", "consumers"),
        "publisher": ("consumers",),
        "both": (),
    }
    taken: dict[str, list[float]] = {name: [] for name in without}
    # As pip does with what it installs. Python itself may have been told to leave none (PYTHONDONTWRITEBYTECODE).
    for package in ("publisher", "consumers", "project"):
        compileall.compile_dir(ROOT / package, quiet=1)
    rounds = run.size(25, 7)
    with steps("django.setup()", rounds) as begin:
        for number in range(rounds):
            begin(f"round {number + 1}")
            for name, apps in without.items():
                taken[name].append(1000 * seconds(apps, collections=number * COLLECTIONS // rounds))
    return [
        compared(NAME, f"django.setup(), {words}", taken[name], "without", taken["neither"], unit="ms", bar=bar)
        for name, words, bar in (
            ("publisher", "with publisher", at_most(1.1)),
            ("both", "with publisher and consumers", None),
        )
    ]


def seconds(without: tuple[str, ...], *, collections: int) -> float:
    """The process's own time; what it waited for others does not count. `collections` were done before."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", SETUP, str(collections), *without]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)
