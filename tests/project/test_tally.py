import pytest
from uuid_utils import uuid7

from project.demo.lines import Dead, Failed, Handled, Relayed
from project.demo.tally import Tally, misjudged, missing, percentile, unhandled
from project.demo.visitors import Deed

COMMENT = "db.post_save.blog.comment"
LOGIN = "auth.user_logged_in.auth.user"


def handled(event, handler, key, lag_ms=10.0):
    return Handled(event=event, handler=handler, key=key, lag_ms=lag_ms, ms=1.0)


def a_run(*, backlog=0):
    """One comment and one login, all of it handled."""
    tally = Tally(started_ms=1, backlog=backlog)
    comment, login = str(uuid7()), str(uuid7())
    tally.add_deed(Deed(visitor="Otto", kind="comment", comment=7, expected="published"))
    tally.add_deed(Deed(visitor="Ada", kind="login"))
    tally.add(handled(comment, "check_spam", COMMENT, 5.0))
    tally.add(handled(comment, "audit", COMMENT, 7.0))
    tally.add(handled(login, "update_status", LOGIN, 20.0))
    tally.add(handled(login, "audit", LOGIN, 9.0))
    tally.add(Relayed(confirmed=2 + backlog, unroutable=0))
    return tally


def test_summary_counts_a_whole_run():
    assert a_run().summary(1.234).as_json() == {
        "forwarded": 2,
        "published": 2,
        "handled": 2,
        "dead": 0,
        "unroutable": 0,
        "latency_ms": {"p50": 7.0, "p99": 20.0},
        "seconds": 1.23,
        "subscriptions": {
            "check_spam": {"expected": 1, "handled": 1},
            "update_status": {"expected": 1, "handled": 1},
            "audit": {"expected": 2, "handled": 2},
        },
    }


def test_refused_comment_leaves_nothing_to_wait_for():
    tally = a_run()
    tally.add_deed(Deed(visitor="Linkwright", kind="refused"))
    assert tally.summary(1).forwarded == 2
    assert missing(tally.summary(1)) == []


def test_nothing_is_missing_after_a_whole_run():
    assert missing(a_run().summary(1)) == []


def test_backlog_of_an_earlier_run_is_not_counted():
    assert a_run(backlog=5).summary(1).published == 2


def test_events_of_an_earlier_run_are_not_counted():
    tally = Tally(started_ms=2**47, backlog=0)
    assert not tally.add(handled(str(uuid7()), "audit", COMMENT))
    assert not tally.add(Dead(event=str(uuid7()), handler="audit", reason="failed"))
    assert tally.summary(1).handled == tally.summary(1).dead == 0


def test_event_is_not_handled_before_all_of_its_subscriptions_have():
    tally = Tally(started_ms=1, backlog=0)
    event = str(uuid7())
    tally.add_deed(Deed(visitor="Otto", kind="comment", comment=7))
    tally.add(handled(event, "audit", COMMENT))
    assert tally.summary(1).handled == 0
    assert unhandled(tally.summary(1)) == ["check_spam handled 0 of 1 events"]


def test_event_that_is_handled_twice_counts_once():
    tally = a_run()
    event = str(uuid7())
    tally.add_deed(Deed(visitor="Ada", kind="logout"))
    tally.add(handled(event, "audit", "auth.user_logged_out.auth.user"))
    tally.add(handled(event, "audit", "auth.user_logged_out.auth.user"))
    assert tally.summary(1).handled == 3


def test_missing_names_what_was_not_confirmed_and_what_died():
    tally = a_run()
    tally.add(Relayed(confirmed=1, unroutable=1))
    tally.add(Dead(event=str(uuid7()), handler="audit", reason="failed"))
    assert missing(tally.summary(1)) == [
        "the broker confirmed 1 of 2 forwarded events",
        "1 dead letters",
        "1 events were unroutable",
    ]


def test_event_that_failed_and_was_handled_is_handled_and_its_wait_is_no_latency():
    tally = a_run()
    tally.add_deed(Deed(visitor="Ada", kind="login"))
    event = str(uuid7())
    tally.add(Failed(event=event, handler="update_status", next_seconds=1.0, exception="x.HTTPError"))
    assert not tally.is_settled()
    late = handled(event, "update_status", LOGIN, 1020.0)
    tally.add(late)
    tally.add(handled(event, "audit", LOGIN, 9.0))
    tally.add(Relayed(confirmed=3, unroutable=0))
    assert tally.is_settled()
    assert (tally.troubles(late), missing(tally.summary(1)), tally.summary(1).p99_ms) == (1, [], 20.0)


def test_dead_letter_is_no_more_when_it_was_replayed_and_handled():
    tally = Tally(started_ms=1, backlog=0)
    tally.add_deed(Deed(visitor="Hans", kind="comment", comment=7))
    event = str(uuid7())
    tally.add(handled(event, "audit", COMMENT))
    tally.add(Dead(event=event, handler="check_spam", reason="rejected"))
    assert tally.is_settled()
    assert (len(tally.dead), tally.summary(1).dead, tally.summary(1).died, tally.summary(1).handled) == (1, 1, 1, 0)
    tally.add(handled(event, "check_spam", COMMENT, 3000.0))
    assert (tally.dead, tally.summary(1).dead, tally.summary(1).died, tally.summary(1).handled) == ([], 0, 1, 1)


def test_misjudged_names_the_comment():
    deeds = [Deed(visitor="Otto", kind="comment", comment=7, expected="published")]
    assert misjudged(deeds, {7: "published"}) == []
    assert misjudged(deeds, {7: "spam"}) == ["comment 7 by Otto is spam, not published"]
    assert misjudged(deeds, {}) == ["comment 7 by Otto is gone, not published"]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, 0.0), ([3.0], 99, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), (list(range(1, 101)), 99, 99)],
)
def test_percentile_is_the_nearest_rank(values, percent, expected):
    assert percentile(values, percent) == expected
