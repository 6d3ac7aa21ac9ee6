"""The wheel holds the two apps alone, and forwards a signal from an empty project that it is installed into."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pika
import pytest

from tests.stage import ROOT

SETTINGS = """
import os
SECRET_KEY = "x"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["publisher", "consumers", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
SIGNAL_BRIDGE = {
    "BROKER_URL": os.environ["BROKER_URL"],
    "EXCHANGE": os.environ["EXCHANGE"],
    "SERVICE": "shop",
    "FORWARD": [{"signal": "django.db.models.signals.post_save", "senders": ["shop.*"]}],
}
"""
MODELS = """
from django.db import models
class Order(models.Model):
    total = models.DecimalField(max_digits=8, decimal_places=2)
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what is in the checkout now; without the network where the build's back end is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    alone = ["--no-isolation"] if find_spec("hatchling") else []
    command = [sys.executable, "-m", "build", "--wheel", *alone, "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def project(tmp_path, wheel, broker_url, names):
    """An empty Django project, and a virtual environment whose `publisher` and `consumers` are the wheel's."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    (site,) = venv.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps"]
    subprocess.run([*pip, "--target", site, wheel], check=True)
    # What the apps depend on is where it is for this run; the checkout, which is there too, is not on the path.
    (site / "dependencies.pth").write_text("\n".join(dependencies()))
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "models.py").write_text(MODELS)
    (folder / "settings.py").write_text(SETTINGS)
    (folder / "manage.py").write_text(MANAGE)
    plain = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    env = {**plain, "BROKER_URL": broker_url, "EXCHANGE": names["EXCHANGE"]}

    def run(*arguments):
        done = subprocess.run([python, "-W", "error", *arguments], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def dependencies():
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def test_wheel_holds_the_two_apps_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"publisher", "consumers"}
    assert len(roots) == 3
    assert names >= {
        "publisher/py.typed",
        "publisher/migrations/0001_initial.py",
        "publisher/management/commands/relay.py",
        "publisher/management/commands/signals.py",
        "publisher/wire/codec.py",
        "consumers/py.typed",
        "consumers/migrations/0001_initial.py",
        "consumers/management/commands/consume.py",
        "consumers/management/commands/topology.py",
        "consumers/examples/spam_check.py",
        "consumers/examples/update_status.py",
        "consumers/examples/audit_log.py",
    }
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    assert any("/licenses/LICENSE" in name for name in names)
    assert "Name: django-signal-bridge" in text


def test_signal_is_forwarded_from_an_empty_project(project, broker_url, names):
    where = project("-c", "import publisher, consumers; print(publisher.__file__, consumers.__file__)").split()
    assert not [path for path in where if Path(path).is_relative_to(ROOT)], where
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(names["EXCHANGE"], "topic", durable=True)
        channel.queue_declare(names["SERVICE"], exclusive=True)
        channel.queue_bind(names["SERVICE"], names["EXCHANGE"], "db.post_save.shop.order")
        project("manage.py", "check", "--fail-level", "WARNING")
        project("manage.py", "makemigrations", "shop", "-v0")
        project("manage.py", "makemigrations", "--check", "--dry-run")
        project("manage.py", "migrate", "-v0")
        project("-c", "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'; django.setup();"
                "from shop.models import Order; Order.objects.create(total='9.90')")  # fmt: skip
        project("manage.py", "relay", "--once")
        method, properties, body = channel.basic_get(names["SERVICE"], auto_ack=True)
        channel.exchange_delete(names["EXCHANGE"])
    event = json.loads(body)
    assert (method.routing_key, properties.app_id) == ("db.post_save.shop.order", "shop")
    assert (event["source"], event["subject"]) == ("/shop", "shop.order/1")
    assert event["data"]["kwargs"]["instance"]["fields"] == {"id": 1, "total": "9.90"}
