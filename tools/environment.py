"""Makes the virtual environment: run by the machine's own Python, before any package is there."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

OLDEST = (3, 11)
DEBIANS_PACKAGE = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"


def main() -> None:
    directory = sys.argv[1]
    version = sys.version.split()[0]
    if sys.version_info < OLDEST:
        sys.exit(f"Python 3.11 or newer is needed, `{sys.executable}` is {version}: make PYTHON=python3.13 ...")
    # Debian ships `venv` without what it needs.
    if find_spec("ensurepip") is None and not _installed_with_apt():
        sys.exit(f"`{sys.executable}` cannot make virtual environments: apt install {DEBIANS_PACKAGE}")
    sys.stderr.write(f"Making {directory} with Python {version}\n")
    # In a process of its own: what was just installed is not yet known to this one.
    sys.exit(subprocess.call([sys.executable, "-m", "venv", "--clear", directory]))


def _installed_with_apt() -> bool:
    if shutil.which("apt-get") is None:
        return False
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    install = [*root, "apt-get", "install", "-qq", "-y", "--no-install-recommends", DEBIANS_PACKAGE]
    sys.stderr.write(f"Installing {DEBIANS_PACKAGE} with apt\n")
    return _succeeds(install) or (_succeeds([*root, "apt-get", "update", "-qq"]) and _succeeds(install))


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL) == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main()
