"""The account that a database server runs under. It refuses root, and may not be allowed into root's directories."""

import os
import pwd
import secrets
import shutil
import tempfile
from pathlib import Path


def unprivileged(*names: str) -> str | None:
    """For root, the first of NAMES that exists, else `nobody`; None for any other user, who runs the server itself."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in names if name in known), "nobody")


def home(directory: Path, user: str | None) -> Path:
    """The directory of the server's files: `home` in DIRECTORY. For another user it is a link to a place that the user
    can reach.
    """
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
    """The password of the database, made once. It is needed: other users of this machine can reach loopback, too."""
    file = directory / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


def hand_over(path: Path, text: str, user: str | None) -> Path:
    """Write a file that only the server's user can read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    if user:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    return path
