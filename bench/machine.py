"""What the figures were measured on and with."""

import os
import platform
import sqlite3
from importlib.metadata import version

from bench.servers import Servers

PACKAGES = ("Django", "psycopg", "pika", "celery", "kombu", "faststream")


def description(servers: Servers) -> dict[str, str]:
    """Words and their values, for people."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **servers.versions(),
        "SQLite": sqlite3.sqlite_version,
        **{package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    """As Linux names it; elsewhere what Python knows."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
