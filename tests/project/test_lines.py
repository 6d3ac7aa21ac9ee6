import pytest

from project.demo.lines import Answered, Audited, Dead, Failed, Handled, Relayed, Subscribed, made_at_ms, said

STAMP = "2026-11-23 08:00:00,123 INFO"


def test_said_reads_a_handled_event():
    line = (
        f"{STAMP} consumers.worker handled event=e1 handler=check_spam type=django.db.models.signals.post_save"
        " key=db.post_save.blog.comment lag_ms=12.5 ms=3.1"
    )
    assert said(line) == Handled(event="e1", handler="check_spam", key="db.post_save.blog.comment", lag_ms=12.5, ms=3.1)


def test_said_reads_a_failed_attempt():
    line = (
        "2026-11-23 08:00:00,123 WARNING consumers.worker failed event=e1 handler=update_status attempt=1"
        " next_seconds=0.9: requests.exceptions.HTTPError (update_status.py:27)"
    )
    assert said(line) == Failed(
        event="e1", handler="update_status", next_seconds=0.9, exception="requests.exceptions.HTTPError"
    )


def test_said_reads_a_dead_letter_with_all_of_its_reason():
    line = "2026-11-23 08:00:00,123 ERROR consumers.worker dead event=e1 handler=audit reason=it is broken"
    assert said(line) == Dead(event="e1", handler="audit", reason="it is broken")


def test_said_reads_an_answer():
    line = (
        f"{STAMP} consumers.worker answered event=e1 handler=may_be_posted type=project.blog.signals.x key=k"
        " lag_ms=1.5 ms=0.1"
    )
    assert said(line) == Answered(event="e1", handler="may_be_posted", lag_ms=1.5, ms=0.1)


@pytest.mark.parametrize("kind", ["consuming", "answering"])
def test_said_reads_who_is_there(kind):
    assert said(f"{STAMP} consumers.worker {kind} queues=blog.audit") == Subscribed(kind=kind)


def test_said_reads_the_audit_log():
    line = f"{STAMP} consumers.examples.audit_log audit time=t key=auth.x subject=auth.user/1 id=e1"
    assert said(line) == Audited(event="e1", subject="auth.user/1")


def test_said_reads_the_relay():
    line = f"{STAMP} publisher.relay relayed confirmed=12 unroutable=1 nacked=0 database=default"
    assert said(line) == Relayed(confirmed=12, unroutable=1)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Watching for file changes",
        f"{STAMP} django.server GET / 200",
        f"{STAMP} consumers.worker handled event=e1",
        f"{STAMP} consumers.worker handled event=e1 handler=h key=k lag_ms=soon ms=1",
    ],
)
def test_said_is_nothing_for_another_line(line):
    assert said(line) is None


def test_made_at_reads_a_uuid7():
    assert made_at_ms("019aaf5a-1c00-7000-8000-000000000000") == 0x019AAF5A1C00


@pytest.mark.parametrize("event", ["", "e1", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"])
def test_made_at_is_nothing_for_another_id(event):
    assert made_at_ms(event) == 0
