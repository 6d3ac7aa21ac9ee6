"""Everything is forwarded while people visit apps from PyPI; all of it arrives in another process, without secrets."""

import pickle
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import django
import pytest

from tests.names import unique_name
from tests.stage import Stage
from tests.thirdparty.handlers import DEFERRED

SETTINGS = "tests.thirdparty.settings"
# What Django itself logs of the view that fails: so not the word that no log may have.
LOGGED_BY_DJANGO = "sown-in-an-exception"
DROPPED = {
    ("auth.user", "password"),
    ("account.emailconfirmation", "key"),
    ("foo.article", "api_token"),
    ("thirdparty.apikey", "key"),
}
EXPECTED = {
    *(
        f"django.db.models.signals.{name}"
        for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed", "post_init", "post_migrate")
    ),
    *(
        f"django.core.signals.{name}"
        for name in ("request_started", "request_finished", "got_request_exception", "setting_changed")
    ),
    *(f"django.contrib.auth.signals.user_{name}" for name in ("logged_in", "logged_out", "login_failed")),
    "django.db.backends.signals.connection_created",
    "django.test.signals.template_rendered",
    "django.utils.autoreload.autoreload_started",
    "django.utils.autoreload.file_changed",
    *(f"django_comments.signals.comment_{name}" for name in ("will_be_posted", "was_posted", "was_flagged")),
    *(f"simple_history.signals.{when}_create_historical_record" for when in ("pre", "post")),
    *(
        f"allauth.account.signals.{name}"
        for name in (
            "user_signed_up", "user_logged_in", "email_confirmation_sent", "email_confirmed", "password_changed",
            "password_reset", "email_added", "email_removed", "authentication_step_completed",
        )
    ),
}  # fmt: skip
TASKS = {f"django.tasks.signals.task_{name}" for name in ("enqueued", "started", "finished")}


class Tour(NamedTuple):
    """`sent` and `arrived` are (signal, its kwargs): of what was sent the instances alone."""

    sent: list[tuple[str, dict]]
    arrived: list[tuple[str, dict]]
    secrets: list[str]
    crossed: list[tuple[str, str]]
    logs: str


@pytest.fixture(scope="module")
def tour(tmp_path_factory, broker_url, django_db_blocker):
    """One process that visits and relays, one that consumes."""
    from tests.queues import Queues
    from tests.stage import Database

    folder = tmp_path_factory.mktemp("tour")
    unique = unique_name()
    names = {"EXCHANGE": unique, "SERVICE": unique}
    stage = Stage(folder, Database(f"sqlite:///{folder}/tour.sqlite3"), broker_url, names)
    stage.env |= {"DJANGO_SETTINGS_MODULE": SETTINGS, "TEST_SAVED": f"{folder}/saved", "TEST_NOTES": f"{folder}/notes"}
    queues = Queues(broker_url, names)
    queues.bind("raw", "#")
    try:
        visit = stage.start("-m", "tests.thirdparty.visit")
        assert visit.wait(100) == 0, visit.log.read_text()[-3000:]
        done = stage.manage("consume", "--until-empty")
        dead = [stage.manage("deadletters", "list", "--format", "json").stdout]
        raw = [*queues.take("raw"), *queues.peek("bury.dead")]
    finally:
        for handler in ("raw", "note", "bury", "bury.dead", "note.dead"):
            queues.delete(handler)
        queues.channel.exchange_delete(names["EXCHANGE"])
        queues.close()
        stage.close()
    saved = pickle.loads(Path(stage.env["TEST_SAVED"]).read_bytes())
    return Tour(
        sent=saved["sent"],
        arrived=pickles(Path(stage.env["TEST_NOTES"])),
        secrets=saved["secrets"],
        crossed=[(letter.routing_key, f"{letter.body.decode()} {letter.properties} {letter.headers}") for letter in raw]
        + [("deadletters list", text) for text in dead],
        logs=visit.log.read_text() + done.stdout + done.stderr,
    )


def pickles(path):
    found = []
    with path.open("rb") as file:
        while file.peek():
            found.append(pickle.load(file))
    return found


def test_all_signals_of_django_and_of_the_apps_arrive(tour):
    expected = EXPECTED | (TASKS if django.VERSION >= (6, 0) else set())
    assert {signal for signal, _ in tour.arrived} >= expected


def test_each_dispatch_arrives_once(tour):
    uncounted = ("django.db.models.signals.post_init", "django.db.models.signals.post_migrate")
    arrived = Counter(signal for signal, _ in tour.arrived if signal not in uncounted)
    assert arrived == Counter(signal for signal, _ in tour.sent if signal not in uncounted)


def test_no_error_is_in_the_web_process_nor_in_the_consumer(tour):
    bad = [line for line in tour.logs.splitlines() if line.startswith(("ERROR", "WARNING", "CRITICAL"))]
    expected = ("ERROR django.request Internal Server Error: /failing/", "ERROR consumers")
    assert [line for line in bad if not line.startswith(expected) and "handler=bury" not in line] == []


def test_every_field_arrives_as_it_was_saved(tour):
    """Signal by signal; which fields stayed here is in the next test."""

    def known(instances):
        return sorted(
            str([(kwarg, label, sorted(columns.items())) for kwarg, (label, columns) in sorted(models.items())])
            for models in instances
        )

    compared = 0
    for signal in {signal for signal, models in tour.sent if models}:
        sent = [models for each, models in tour.sent if each == signal]
        arrived = [
            {kwarg: value for kwarg, value in kwargs.items() if isinstance(value, tuple)}
            for each, kwargs in tour.arrived
            if each == signal
        ]
        assert known(map(without_dropped, arrived)) == known(map(without_dropped, sent)), signal
        compared += len(sent)
    assert compared > 100


def without_dropped(models):
    return {
        kwarg: (label, {name: column for name, column in columns.items() if (label, name) not in DROPPED})
        for kwarg, (label, columns) in models.items()
    }


def test_nothing_but_secrets_stayed_here(tour):
    arrived = [value for _, kwargs in tour.arrived for value in kwargs.values() if isinstance(value, tuple)]
    missing = {(label, name) for label, columns in arrived for name, text in columns.items() if text == repr(DEFERRED)}
    # The key itself is null: it is a secret.
    assert missing | {("thirdparty.apikey", "key")} == DROPPED


def test_no_secret_crossed_the_wire(tour):
    assert len(tour.crossed) > 250
    assert any("cannot handle" in text for _, text in tour.crossed)
    leaks = {(key, secret) for key, text in tour.crossed for secret in tour.secrets if secret in text}
    assert leaks == set()
    assert len(tour.secrets) > 15


def test_no_secret_is_in_the_logs(tour):
    assert [secret for secret in tour.secrets if secret in tour.logs] == [LOGGED_BY_DJANGO]
