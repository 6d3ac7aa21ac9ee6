"""The publisher's commands as a shell sees them: output, and exit codes."""

import json
import os
import signal
import socket
from io import StringIO
from unittest.mock import Mock

import django
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from publisher.management.commands.relay import why_never_empty
from tests.stage import eventually, manage

STARTING = """
import time
from django.core import checks
from django.core.management import execute_from_command_line

@checks.register
def check_slowly(app_configs, **kwargs):
    print("checking", flush=True)
    time.sleep(30)
    return []

execute_from_command_line(["manage.py", "relay"])
"""


def listed(*arguments):
    out = StringIO()
    call_command("signals", "--format", "json", *arguments, stdout=out)
    return {row["signal"]: row for row in json.loads(out.getvalue())}


@pytest.mark.parametrize(
    "command",
    ["signals", "contract", "relay", "outbox", "consume", "topology", "deadletters", "tail", "prune_inbox"],
)
def test_every_command_says_how_it_is_used(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        call_command(command, "--help")
    assert "usage:" in capsys.readouterr().out


def test_signals_shows_all_and_what_is_forwarded():
    rows = listed()
    assert sum(name.startswith("django.") for name in rows) == (24 if django.VERSION >= (6, 0) else 21)
    assert {"tests.foo.signals.user_login", "tests.foo.signals.Hooks.closed"} <= rows.keys()
    assert all(
        row.keys() == {"signal", "kwargs", "receivers", "offloaded", "ordered", "forwarded", "keys", "took_ms"}
        for row in rows.values()
    )
    saves = rows["django.db.models.signals.post_save"]
    assert saves["kwargs"] == ["instance", "created", "update_fields", "raw", "using"]
    assert saves["forwarded"] is True
    assert "db.post_save.foo.article" in saves["keys"]
    assert "db.post_save.foo.draft" not in saves["keys"]
    assert not any("auth.user" in key for key in saves["keys"])
    assert rows["tests.foo.signals.user_login"]["keys"] == ["foo.user_login.#"]
    assert rows["django.db.models.signals.post_init"] == {
        "signal": "django.db.models.signals.post_init", "receivers": [], "offloaded": [], "ordered": [],
        "forwarded": False, "keys": [], "took_ms": {}, "kwargs": ["instance"],
    }  # fmt: skip


def test_signals_shows_no_key_that_no_event_goes_out_under(settings):
    models = {"signal": "django.db.models.signals.*", "senders": ["foo.*"]}
    settings.SIGNAL_BRIDGE = {"FORWARD": [models, {"signal": "publisher.signals.*", "senders": ["foo.*"]}]}
    rows = listed("--forwarded")
    assert rows["django.db.models.signals.m2m_changed"]["keys"] == ["db.m2m_changed.foo.article_tags"]
    for name in ("pre_save", "post_save", "pre_delete", "post_delete"):
        assert rows[f"django.db.models.signals.{name}"]["keys"] == [
            f"db.{name}.foo.tag", f"db.{name}.foo.article", f"db.{name}.foo.note", f"db.{name}.foo.draft"
        ]  # fmt: skip
    for name in ("bulk_created", "queryset_deleted"):
        keys = rows[f"publisher.signals.{name}"]["keys"]
        assert keys == [f"publisher.{name}.foo.article", f"publisher.{name}.foo.note"]
    assert "django.db.models.signals.pre_migrate" not in rows


def test_signals_shows_each_model_of_a_signal_per_row_when_it_is_named(settings):
    signal = "django.db.models.signals.post_init"
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": signal, "senders": ["foo.article_*"]}]}
    assert listed("--forwarded")[signal]["keys"] == ["db.post_init.foo.article_tags"]


def test_signals_shows_receivers_of_others_but_not_the_bridges_own():
    rows = listed()
    login = rows["django.contrib.auth.signals.user_logged_in"]
    assert login["receivers"] == ["django.contrib.auth.models.update_last_login"]
    assert rows["tests.foo.signals.user_login"]["receivers"] == []


def test_signals_shows_the_forwarded_alone_when_asked():
    rows = listed("--forwarded")
    assert rows
    assert all(row["forwarded"] for row in rows.values())


def test_signals_shows_a_table_when_no_format_is_given():
    out = StringIO()
    call_command("signals", stdout=out)
    assert "tests.foo.signals.user_login" in out.getvalue()


def test_signals_says_so_when_nothing_is_forwarded(settings):
    settings.SIGNAL_BRIDGE = {"FORWARD": []}
    out = StringIO()
    call_command("signals", "--forwarded", stdout=out)
    assert out.getvalue() == "Signals: none.\n"


def test_signals_shows_the_keys_of_all_rules_that_an_event_may_come_to(settings):
    saved = "django.db.models.signals.post_save"
    vip = {"signal": saved, "senders": ["foo.tag"], "when": "foo.is_vip", "routing_key": "vip.saved"}
    settings.SIGNAL_BRIDGE = {"FORWARD": [vip, {"signal": saved, "senders": ["foo.*"], "exclude": ["foo.article*"]}]}
    assert {"vip.saved", "db.post_save.foo.tag"} < set(listed("--forwarded")[saved]["keys"])


def test_signals_shows_the_rules_own_key(settings):
    rule = {"signal": "tests.foo.signals.user_login", "routing_key": "login.{kwargs[reason]}"}
    settings.SIGNAL_BRIDGE = {"FORWARD": [rule]}
    assert listed("--forwarded")["tests.foo.signals.user_login"]["keys"] == ["login.{kwargs[reason]}"]


@pytest.mark.parametrize("key", [["x"], 5], ids=repr)
def test_signals_shows_the_default_key_when_the_rules_own_is_no_text(settings, key):
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": "tests.foo.signals.user_login", "routing_key": key}]}
    assert listed("--forwarded")["tests.foo.signals.user_login"]["keys"] == ["foo.user_login.#"]


def test_wrong_database_is_wrong_usage():
    with pytest.raises(CommandError) as caught:
        call_command("relay", "--database", "nowhere")
    assert "nowhere" in str(caught.value)


def test_exit_code_is_2_when_the_usage_is_wrong(stage):
    for arguments in (("relay", "--database", "nowhere"), ("relay", "--bogus"), ("signals", "--format", "xml")):
        done = stage.manage(*arguments, check=False)
        assert done.returncode == 2
        assert arguments[-1].strip("-") in done.stderr
        assert "Traceback" not in done.stderr


def test_exit_code_is_78_when_the_password_is_wrong(stage):
    url = stage.env["BROKER_URL"].replace("guest@", "planted@")
    done = stage.manage("relay", "--once", check=False, BROKER_URL=url)
    assert done.returncode == 78
    assert "refused the user" in done.stderr
    assert "planted" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", [("relay",), ("consume",), ("topology", "--check"), ("outbox",)], ids=" ".join)
def test_exit_code_is_78_when_a_setting_is_wrong(stage, command):
    done = stage.manage(*command, check=False, TEST_SERVICE="")
    assert done.returncode == 78
    assert "publisher.E004" in done.stderr


def test_signals_lists_what_there_is_when_a_rule_names_what_there_is_not(stage):
    rules = '["no.such.signal", {"signal": "*", "senders": ["nothing.*"]}, 5]'
    done = stage.manage("signals", "--format", "json", TEST_FORWARD=rules, TEST_OFFLOAD="no.such")
    assert "tests.foo.signals.user_login" in {row["signal"] for row in json.loads(done.stdout)}
    for id in ("publisher.E005", "publisher.E006", "publisher.E007", "publisher.E031"):
        assert id in done.stderr


@pytest.mark.parametrize("arguments", [("--profile", "/"), ("--missed", "--", "check")], ids=" ".join)
def test_signals_runs_nothing_when_a_setting_is_wrong(stage, arguments):
    done = stage.manage("signals", *arguments, check=False, TEST_SERVICE="")
    assert (done.returncode, done.stdout) == (78, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_relay_that_is_told_to_end_while_it_starts_ends_with_0(stage, number):
    """Its checks take some time, and need no end in the log."""
    relay = stage.start("-c", STARTING)
    eventually(lambda: "checking" in relay.log.read_text())
    relay.send_signal(number)
    assert relay.wait(10) == 0
    assert "Traceback" not in relay.log.read_text()


def test_relay_once_ends_with_0_when_the_outbox_is_empty(stage):
    assert stage.manage("relay", "--once").returncode == 0


def test_commands_end_with_78_and_say_what_to_do_when_their_tables_are_not_migrated(stage):
    stage.database.rows("DROP TABLE publisher_outboxevent")
    stage.database.rows("DROP TABLE consumers_inboxevent")
    for command, hint in (("outbox", "migrate publisher"), ("prune_inbox", "migrate consumers")):
        ended = stage.manage(command, check=False)
        assert ended.returncode == 78
        assert ended.stderr.endswith(f"; run: manage.py {hint} --database default\n")


@pytest.mark.parametrize("table", ["outboxevent", "relaylease"])
def test_relay_once_ends_with_78_and_says_what_to_do_when_the_outbox_is_not_migrated(stage, table):
    stage.database.rows(f"DROP TABLE publisher_{table}")
    ended = stage.manage("relay", "--once", check=False)
    assert ended.returncode == 78
    assert ended.stderr.endswith(
        f"The outbox of 'default': the table publisher_{table} is not migrated; "
        "run: manage.py migrate publisher --database default\n"
    )


def test_relay_once_waits_for_a_database_that_is_away(monkeypatch):
    monkeypatch.setattr("publisher.tables.is_up_to_date", Mock(side_effect=OperationalError("away")))
    assert why_never_empty("default") is None


def test_exit_code_is_0_when_terminated_while_the_broker_is_away(stage):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = stage.start("relay", BROKER_URL=f"amqp://guest:planted@127.0.0.1:{port}/%2F")
    eventually(lambda: "waiting for the broker" in process.log.read_text())
    process.terminate()
    assert process.wait(10) == 0
    assert "planted" not in process.log.read_text()


def test_check_tells_what_is_wrong(stage, tmp_path):
    (tmp_path / "broken_settings.py").write_text(
        "from tests.settings import *\nSIGNAL_BRIDGE = {**SIGNAL_BRIDGE, 'FORWARD': ['no.such.signal'], 'FORWAD': 1}\n"
    )
    env = {**stage.env, "DJANGO_SETTINGS_MODULE": "broken_settings", "PYTHONPATH": f"{tmp_path}"}
    done = manage("check", env=env, check=False)
    assert done.returncode == 1
    assert "publisher.E002" in done.stderr
    assert "publisher.E006" in done.stderr


def test_relay_touches_its_file_while_it_turns_and_a_check_tells_when_it_does_not(stage, tmp_path):
    file = tmp_path / "alive"
    asked = ["relay", "--check", "--alive-file", str(file)]
    done = stage.manage(*asked, check=False)
    assert (done.returncode, "no relay with --alive-file has begun" in done.stderr) == (1, True)
    # Also while it waits for its broker.
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"amqp://guest:guest@127.0.0.1:{server.getsockname()[1]}/"
    relay = stage.start("relay", "--alive-file", str(file), BROKER_URL=url)
    eventually(file.exists)
    os.utime(file, (0, 0))
    eventually(lambda: file.stat().st_mtime > 0)
    assert stage.manage(*asked).stdout == "The relay is alive.\n"
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(10) == 0
    assert "has begun, or it ended" in stage.manage(*asked, check=False).stderr
    file.touch()
    os.utime(file, (0, 0))
    assert "the relay is stuck" in stage.manage(*asked, check=False).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--check"], "needs the --alive-file"),
        (["--once", "--check", "--alive-file", "/tmp"], "does not go with --once"),
        (["--alive-file", "/no/such/folder/alive"], "No such file"),
    ],
)
def test_relay_says_what_is_wrong_with_its_file(arguments, said):
    with pytest.raises(CommandError, match=said) as caught:
        call_command("relay", *arguments)
    assert caught.value.returncode == 2
