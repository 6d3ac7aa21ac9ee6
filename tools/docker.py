"""Asks the Docker engine: whether it answers, and whether it has an image or can pull it."""

import shutil
import subprocess


def answers() -> bool:
    """Whether an engine answers within seconds: the client may be here without one, or the engine may hang."""
    return shutil.which("docker") is not None and _succeeds(["docker", "info"], timeout_seconds=4)


def has_image(name: str) -> bool:
    """Whether the image is here, or could be pulled just now."""
    if _succeeds(["docker", "image", "inspect", name], timeout_seconds=10):
        return True
    return _succeeds(["docker", "pull", "--quiet", name], timeout_seconds=600)


def _succeeds(command: list[str], *, timeout_seconds: float) -> bool:
    try:
        run = subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0
