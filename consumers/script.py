"""Runs the handlers of a script: `consumers.run()` is the last thing that the script calls."""

import logging
import os
import re
import sys
from argparse import ArgumentParser
from pathlib import Path

import django
from django.conf import settings

from consumers.handler import Handler
from consumers.module_runs import MAIN
from consumers.registry import handlers
from consumers.worker.options import add_options

logger = logging.getLogger(__name__)

MANAGE_PY = Path("manage.py")


def run(arguments: list[str] | None = None) -> None:
    """Handle events until SIGTERM or Ctrl-C, and end the process with an exit code. `arguments` replace sys.argv.

    The settings are those of DJANGO_SETTINGS_MODULE, or those that `manage.py` in the current directory names. Without
    settings, BROKER_URL in the environment is enough: there is no inbox then, so an event that comes twice is handled
    twice.
    """
    own = scripted()
    parser = ArgumentParser(description="Handles events: " + ", ".join(handler.name for handler in own))
    add_options(parser)
    options = parser.parse_args(arguments)
    module = os.environ.get("DJANGO_SETTINGS_MODULE") or settings_of_manage_py()
    if module:
        os.environ["DJANGO_SETTINGS_MODULE"] = module
        # So that the project can be imported. Python itself only adds the folder of the script.
        sys.path.insert(1, str(Path.cwd()))
    else:
        configure_without_settings()
    django.setup()
    if not module:
        logger.warning("no Django settings: no inbox, so an event that comes twice is handled twice")
    # Not at the top: it needs models, and a script imports this module before `django.setup()`.
    from consumers.worker.running import run_worker

    sys.exit(run_worker(own, options, has_database=bool(module)))


def configure_without_settings() -> None:
    """Settings for a script without a project: the broker from the environment, the service from the script's name."""
    bridge = {key: os.environ[key] for key in ("BROKER_URL", "EXCHANGE", "SERVICE") if key in os.environ}
    bridge.setdefault("SERVICE", Path(sys.argv[0]).stem or "script")
    settings.configure(
        INSTALLED_APPS=["publisher", "consumers"],
        SIGNAL_BRIDGE=bridge,
        USE_TZ=True,
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
        },
    )


def scripted() -> tuple[Handler, ...]:
    """The handlers that the script registered itself; if it registered none, those of the modules that it imports."""
    own = tuple(handler for handler in handlers() if any(run.module == MAIN for run in handler.runs))
    return own or handlers()


def settings_of_manage_py() -> str:
    """The settings module that `manage.py` in the current directory sets; empty if there is none."""
    try:
        found = re.search(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)""", MANAGE_PY.read_text())
    except OSError:
        return ""
    return found.group(1) if found else ""
