"""What is wrong with a rule that asks is told: id, offending value, hint."""

import pytest

from publisher.checks.settings import check_settings

SIGNAL = "tests.foo.signals.user_login"


@pytest.fixture
def check(settings):
    def run(**rule):
        settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": SIGNAL, "fields": {"auth.User": ["id"]}, **rule}]}
        return check_settings(None)

    return run


@pytest.mark.parametrize("more", [{}, {"timeout": 0.2}, {"timeout": 60, "on_timeout": {"any": "thing"}}], ids=repr)
def test_nothing_is_wrong_when_the_rule_is_right(check, more):
    assert check(delivery="ask", **more) == []


@pytest.mark.parametrize(
    ("rule", "id", "word"),
    [
        ({"delivery": "ask", "timeout": 0}, "publisher.E040", "0"),
        ({"delivery": "ask", "timeout": -1}, "publisher.E040", "-1"),
        ({"delivery": "ask", "timeout": 61}, "publisher.E040", "61"),
        ({"delivery": "ask", "timeout": "2"}, "publisher.E040", "'2'"),
        ({"delivery": "ask", "timeout": None}, "publisher.E040", "None"),
        ({"delivery": "ask", "timeout": True}, "publisher.E040", "True"),
        ({"timeout": 2}, "publisher.E041", "need the delivery 'ask'"),
        ({"timeout": 1}, "publisher.E041", "need the delivery 'ask'"),
        ({"on_timeout": None}, "publisher.E041", "need the delivery 'ask'"),
        ({"on_timeout": False}, "publisher.E041", "need the delivery 'ask'"),
        ({"delivery": "direct", "timeout": 2}, "publisher.E041", "need the delivery 'ask'"),
        ({"delivery": "ask", "unroutable": "keep"}, "publisher.E042", "kept"),
    ],
    ids=repr,
)
def test_it_is_told_with_a_hint(check, rule, id, word):
    (error,) = check(**rule)
    assert (error.id, error.is_serious(), bool(error.hint)) == (id, True, True)
    assert word in error.msg
