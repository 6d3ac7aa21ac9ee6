"""Installs a server with the machine's own package manager, without letting it start as a system service."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from tools.errors import InstallError
from tools.progress import step

POLICY = Path("/usr/sbin/policy-rc.d")
APT_OPTIONS = ("-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120")


def can_apt() -> bool:
    return shutil.which("apt-get") is not None and is_privileged()


def can_brew() -> bool:
    return platform.system() == "Darwin" and shutil.which("brew") is not None


def is_privileged() -> bool:
    """Root, or sudo that asks for no password."""
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def apt_install(packages: Sequence[str], *, service: str) -> None:
    """Install PACKAGES; SERVICE, which they bring, is neither started now nor at the next boot."""
    with step(f"Installing {' '.join(packages)} with apt"), _no_service_starts():
        install = ["apt-get", "install", *APT_OPTIONS, *packages]
        # The lists of a fresh machine are empty, and old ones name files that are gone.
        if not _succeeds(install):
            _run_as_root(["apt-get", "update", "-q"])
            _run_as_root(install)
    if shutil.which("systemctl"):
        _succeeds(["systemctl", "disable", service])


def brew_install(formula: str) -> None:
    with step(f"Installing {formula} with Homebrew"):
        _run(["brew", "install", "--quiet", formula])


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian's own switch, `policy-rc.d`: 101 forbids maintainer scripts to start services."""
    if POLICY.exists():
        yield
        return
    _run_as_root(["sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"])
    try:
        yield
    finally:
        _run_as_root(["rm", "-f", str(POLICY)])


def _succeeds(command: Sequence[str]) -> bool:
    try:
        _run_as_root(command)
    except InstallError:
        return False
    return True


def _run_as_root(command: Sequence[str]) -> None:
    prefix = ["env"] if os.geteuid() == 0 else ["sudo", "-n", "env"]
    _run([*prefix, "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", *command])


def _run(command: Sequence[str]) -> None:
    # A file, not a pipe: a daemon that a package starts would keep a pipe open.
    with TemporaryFile("w+", errors="replace") as output:
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        output.seek(0)
        lines = output.read().strip().splitlines()
    if code:
        raise InstallError("\n".join([f"`{' '.join(command)}` failed:", *lines[-12:]]))
