"""`manage.py signals --profile` tells which receivers make requests slow."""

import json

import pytest

from tests.stage import manage

AWAY = "tests.away.receivers"


@pytest.fixture
def away(stage):
    """Its commands run in a folder of their own: the last profile is written there."""
    stage.env |= {"TEST_APPS": "tests.away"}
    stage.manage = lambda *arguments, check=True, **env: manage(
        *arguments, env={**stage.env, **env}, check=check, cwd=stage.folder
    )
    return stage


def profile(stage, *arguments, **env):
    done = stage.manage("signals", "--profile", *arguments, "--format", "json", **env)
    return json.loads(done.stdout)


def timing(found, receiver, signal="post_save"):
    (row,) = [row for row in found["receivers"] if row["receiver"] == receiver and row["signal"].endswith(signal)]
    return row


def test_slow_receiver_is_the_first_and_its_time_is_told(away):
    found = profile(away, "/away/save/", "http://localhost/away/place/7/", "--repeat", "2")
    assert [(visit["url"], visit["status"]) for visit in found["requests"]] == [
        ("/away/save/", 200),
        ("/away/save/", 200),
        ("http://localhost/away/place/7/", 200),
        ("http://localhost/away/place/7/", 200),
    ]
    first = found["receivers"][0]
    assert (first["receiver"], first["calls"], first["runs"]) == (f"{AWAY}.reindex", 2, "in process")
    assert 300 <= first["ms_each"] <= found["requests"][0]["ms"] + found["requests"][1]["ms"]
    assert first["percent"] > 50
    assert 300 <= found["requests"][0]["receivers_ms"] <= found["requests"][0]["ms"]
    assert timing(found, f"{AWAY}.asynchronous", "order_placed")["calls"] == 2
    assert timing(found, "the bridge")["runs"] == "forwarded"


def test_offloaded_receiver_costs_what_forwarding_it_costs(away):
    found = profile(away, "/away/save/", TEST_OFFLOAD=f"{AWAY}.reindex")
    row = timing(found, f"{AWAY}.reindex")
    assert (row["runs"], row["calls"]) == ("offloaded", 1)
    assert row["ms"] < 300


def test_listing_shows_in_process_offloaded_and_the_times_of_the_last_profile(away):
    away.env["TEST_OFFLOAD"] = f"{AWAY}.count_tags"
    profile(away, "/away/save/")
    rows = json.loads(away.manage("signals", "--format", "json").stdout)
    (saves,) = [row for row in rows if row["signal"] == "django.db.models.signals.post_save"]
    assert saves["receivers"] == [f"{AWAY}.reindex", f"{AWAY}.log_all"]
    assert saves["offloaded"] == [f"{AWAY}.count_tags"]
    assert saves["took_ms"][f"{AWAY}.reindex"] >= 300
    table = away.manage("signals", "--offloaded").stdout
    assert f"{AWAY}.reindex  3" in table
    assert "order_placed" not in table


def test_request_can_be_a_post_by_a_user(away):
    away.python(
        "from django.contrib.auth.models import User\nUser.objects.create_user('ada', password='planted-password')"
    )
    table = away.manage(
        "signals", "--profile", "/foo/login/", "--data", "username=ada", "password=planted-password", "--user", "ada"
    ).stdout
    assert "django.contrib.auth.models.update_last_login" in table
    assert "302" in table


def test_it_is_said_which_receiver_to_offload(away):
    done = away.manage("signals", "--profile", "/away/save/")
    assert f'"OFFLOAD": ["{AWAY}.reindex"]' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--user", "nobody"], "nobody"),
        (["--data", "a"], "NAME=VALUE"),
        (["--repeat", "0"], "'0' is not a whole number above 0"),
        (["--repeat", "often"], "'often' is not a whole number above 0"),
        (["http://[x"], "'http://[x' is no URL"),
    ],
)
def test_wrong_usage_ends_with_2(away, arguments, word):
    done = away.manage("signals", "--profile", "/", *arguments, check=False)
    assert (done.returncode, word in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_receiver_is_offloaded_once_when_another_connects_meanwhile(stage):
    printed = stage.python(
        """
from django.db.models.signals import post_save
from publisher.offload.offload import all_offloaded
from publisher.stopwatch import Stopwatch
def late(**kwargs): ...
before = sorted(each.name for each in all_offloaded())
with Stopwatch().on_all_receivers():
    post_save.connect(late)
print(sorted(each.name for each in all_offloaded()) == before, len(before) > 0)
""",
        TEST_APPS="tests.away",
        TEST_OFFLOAD=f"{AWAY}.*",
    )
    assert printed.strip() == "True True"


def test_receivers_are_in_their_places_again(stage):
    printed = stage.python(
        """
from publisher.catalogue.signals import catalogue
from publisher.profile import profiled
def keys(signal):
    return sorted(str(entry[0]) for entry in signal.receivers)
before = {known.name: keys(known.signal) for known in catalogue()}
assert profiled(["/nowhere/"], repeat=1, data=None, user=None).requests[0].status == 404
for known in catalogue():
    assert before[known.name] == keys(known.signal), known.name
print("same")
""",
        TEST_APPS="tests.away",
        TEST_OFFLOAD=f"{AWAY}.*",
    )
    assert printed.strip() == "same"
