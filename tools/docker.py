"""A Docker engine: whether it answers, and whether it has an image or can get it."""

import shutil
import subprocess


def answers(*, timeout_seconds: float = 4) -> bool:
    """The client without an engine, or an engine that hangs, is no engine."""
    return shutil.which("docker") is not None and _succeeds(["docker", "info"], timeout_seconds)


def has_image(name: str, *, pull_seconds: float = 600) -> bool:
    """It is there, or could be pulled just now."""
    if _succeeds(["docker", "image", "inspect", name], 10):
        return True
    return _succeeds(["docker", "pull", "--quiet", name], pull_seconds)


def _succeeds(command: list[str], timeout_seconds: float) -> bool:
    try:
        run = subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
