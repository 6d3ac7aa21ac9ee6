import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from project.timeline.models import Status
from tests.planting import MASTODON_TOKEN

pytestmark = [pytest.mark.django_db, pytest.mark.urls("project.urls")]

URL = "/api/v1/statuses"
ROOT = Path(__file__).resolve().parents[2]

# Eight threads on a database in a file, as the threads of the site are.
RACE = """
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from project.timeline.models import Status

with ThreadPoolExecutor(8) as pool:
    keys = list(pool.map(lambda number: Status.objects.post_once(str(number), "same").pk, range(8)))
print(len(keys), len(set(keys)), Status.objects.count())
"""


@pytest.fixture(autouse=True)
def _no_headers_but_theirs(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != "tests.sowing.middleware"]


@pytest.fixture
def send(client):
    def send(text="Hello.", *, token=MASTODON_TOKEN, key=None, **more):
        headers = {"Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return client.post(URL, {"status": text}, headers=headers, **more)

    return send


def test_status_is_posted(send):
    answer = send("Ada & <Grace>")
    assert answer.status_code == 200
    assert answer.json()["content"] == "<p>Ada &amp; &lt;Grace&gt;</p>"
    assert answer.json()["id"] == str(Status.objects.get().pk)


def test_status_is_taken_as_json(send):
    assert send("From JSON.", content_type="application/json").status_code == 200
    assert Status.objects.get().text == "From JSON."


def test_status_is_posted_once_for_one_key(send):
    first, second = send("Once.", key="k"), send("Twice?", key="k")
    assert first.json() == second.json()
    assert Status.objects.count() == 1


def test_statuses_are_many_without_a_key(send):
    send()
    send()
    assert Status.objects.count() == 2


def test_server_is_busy_once_for_whom_the_settings_name(send, settings):
    settings.TIMELINE_BUSY_FOR = ["grace of test_timeline"]
    text = "grace of test_timeline is back."
    assert send("ada is back.").status_code == 200
    assert send(text, key="g").status_code == 503
    assert send(text, key="g").status_code == 200
    assert Status.objects.count() == 2


@pytest.mark.parametrize("token", ["wrong", ""])
def test_status_is_refused_with_a_wrong_token(send, token):
    answer = send(token=token)
    assert answer.status_code == 401
    assert answer.json() == {"error": "The access token is invalid"}


def test_status_is_refused_when_no_token_is_set(send, settings):
    settings.MASTODON_TOKEN = ""
    assert send(token="").status_code == 401


def test_status_is_refused_without_a_header(client):
    assert client.post(URL, {"status": "Hello."}).status_code == 401


@pytest.mark.parametrize("text", ["", "  ", "x" * 501])
def test_status_is_refused_when_it_is_empty_or_too_long(send, text):
    answer = send(text)
    assert answer.status_code == 422
    assert "Validation failed" in answer.json()["error"]


@pytest.mark.parametrize("body", ["", "[]", "{", '{"status": null}', '{"status": 1e999}'])
def test_bad_json_is_no_server_error(client, body):
    headers = {"Authorization": f"Bearer {MASTODON_TOKEN}"}
    answer = client.post(URL, body, content_type="application/json", headers=headers)
    assert answer.status_code in (200, 422)


def test_status_is_posted_once_when_the_same_key_comes_many_times_at_once(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/race.sqlite3",
    }
    run = partial(subprocess.run, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    run([sys.executable, "manage.py", "migrate", "timeline"])
    assert run([sys.executable, "-c", RACE], text=True).stdout == "8 1 1\n"


def test_page_shows_what_was_posted(client, send):
    send("Ada is back.")
    assert "Ada is back." in client.get("/timeline/").content.decode()
