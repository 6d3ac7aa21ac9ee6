"""The account that a database server runs under: it refuses root, and root's directories may be closed to it."""

import os
import pwd
import secrets
import shutil
import tempfile
from pathlib import Path


def unprivileged(*names: str) -> str | None:
    """None for whoever is not root; for root the first of NAMES that exists, else `nobody`."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in names if name in known), "nobody")


def home(directory: Path, user: str | None) -> Path:
    """Where the server keeps its files: `home` in DIRECTORY, for another user a link to where that user gets."""
    path = directory / "home"
    if path.exists():
        return path.resolve()
    path.unlink(missing_ok=True)
    if user is None:
        path.mkdir(mode=0o700)
        return path
    target = tempfile.mkdtemp(prefix="signal-bridge-")
    shutil.chown(target, user, pwd.getpwnam(user).pw_gid)
    path.symlink_to(target)
    return path.resolve()


def password(directory: Path) -> str:
    """Made once: other users of this machine reach loopback too."""
    file = directory / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


def hand_over(path: Path, text: str, user: str | None) -> Path:
    """A file that the server's user alone reads."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    if user:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    return path
