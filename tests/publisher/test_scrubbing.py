"""Text is left without what it calls a secret, however it is written, and in time."""

import time

import pytest
from django.db import IntegrityError

from publisher.scrubbing import scrubbed, scrubbed_all
from tests import services
from tests.databases import execute


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<Login user='ada' password='sown'>", "<Login user='ada' password=***>"),
        ("{'csrf_token': 'sown', 'a': 1}", "{'csrf_token': ***, 'a': 1}"),
        ("api-key: sown, b", "api-key: ***, b"),
        (
            "{'session': 'sown', 'sid': 'sown', 'PHPSESSID': 'sown', 'sessions': 1}",
            "{'session': ***, 'sid': ***, 'PHPSESSID': ***, 'sessions': 1}",
        ),
        ("<Session: sown>, <Session_number: 1>", "<Session: ***>, <Session_number: 1>"),
        ("amqp://user:sown@host/", "amqp://user:***@host/"),
        ("redis://:so@wn@host/0", "redis://:***@host/0"),
        ("bad header bearer sownsown", "bad header bearer ***"),
        ("GET https://host/?token=sown&a=1", "GET https://host/?token=***&a=1"),
        (
            "<Login {'pwd': 'sown', 'otp': '1', 'activation_key': 'x', 'pin': '1', 'jwt': 'y', 'dsn': 'z'}>",
            "<Login {'pwd': ***, 'otp': ***, 'activation_key': ***, 'pin': ***, 'jwt': ***, 'dsn': ***}>",
        ),
        ("{b'password': b'sown', b'a': 1}", "{b'password': ***, b'a': 1}"),
        ('data["token"] == "sown" or x', 'data["token"] == *** or x'),
        (":secret => 'sown', :a => 1", ":secret => ***, :a => 1"),
        ("(token=UUID('sown'), a=2)", "(token=***, a=2)"),
        ("credentials={'a': ['sown', (1,)], 'b': '}sown'}, c=1", "credentials=***, c=1"),
        ("credentials=[a -> b, sown], c=1", "credentials=***, c=1"),
        ("<AuthToken: <sown>>", "<AuthToken: ***>"),
        (r"password='it\'s sown', a=1", "password=***, a=1"),
        (r'"{\"password\": \"so wn\", \"a\": 1}"', r'"{\"password\": ***, \"a\": 1}"'),
        ("password='sown, and cut in the mid", "password=***"),
        ("credentials={'a': 'b', 'sown', and cut", "credentials=***"),
        ("DETAIL:  Key (token)=(sown) already exists.", "DETAIL:  Key (token)=*** already exists."),
        ("Key (token, id)=(so) wn, 1) already exists.\nb", "Key (token, id)=*** already exists.\nb"),
        ("Key (lower(title), upper(token))=(a, sown) is", "Key (lower(title), upper(token))=*** is"),
        ("Failing row contains (1, (a). b, sown).\nCONTEXT", "Failing row contains ***\nCONTEXT"),
        ("Failing row contains (1, a, so", "Failing row contains ***"),
        ("Duplicate entry 'a-sown' for key 'foo.b'", "Duplicate entry *** for key 'foo.b'"),
        ("Duplicate entry 'a-so", "Duplicate entry ***"),
    ],
)
def test_text_is_scrubbed_of_what_it_calls_a_secret(text, left):
    assert scrubbed(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Bearer sown.sown",
        "Authorization: Bearer sown.sown",
        "Authorization: AWS4-HMAC-SHA256 Credential=a, Signature=sown",
        "Cookie: a=1; tracker=sown",
        f"{'x' * 10_000}_password: sown",
        f"{'x' * 10_000}-token=(sown)",
    ],
    ids=range(6),
)
def test_text_is_without_the_secret_however_it_came_in(text):
    assert "sown" not in scrubbed(text)


@pytest.mark.parametrize(
    "text",
    [
        "the tokens are 5, a password was given",
        "<Article: one>",
        "token_type=bearing, tokens_used=5, monkey: 5",
        "password: , token=",
        "Key (title)=(one) already exists.",
        "no such column: foo.title at 10:20:30 in https://host/a?b=c",
    ],
)
def test_text_stays_when_nothing_in_it_is_a_secret(text):
    assert scrubbed(text) == text


def test_text_is_scrubbed_at_any_depth_of_plain_json():
    plain = {"a": ["redis://:sown@host", 1, None], "b": {"c": "token=sown"}}
    assert scrubbed_all(plain) == {"a": ["redis://:***@host", 1, None], "b": {"c": "token=***"}}


AWKWARD = (
    "a", "_", "aB", "=", ":", "'", '"', "\\", " ", "token", "token=", "token='", "token=(", "token=<", "token = ",
    'token="\\"', "token=\\\\\\", "pin:", "'\"=:", "password-", "Key (", "Key (a=", "Key (a)=(", "Key (token)=(",
    "Failing row contains (", "Duplicate entry '", "Duplicate entry '' for key '", "Bearer ", "cookie:", "://", "://a:",
)  # fmt: skip


@pytest.mark.parametrize("part", AWKWARD, ids=repr)
def test_text_of_any_kind_is_scrubbed_in_time_that_grows_with_its_length_alone(part):
    text = part * (100_000 // len(part))
    begun = time.process_time()
    for odd in (text, f"{text}=", f"token={text}", f"token='{text}", f"Bearer{text}", f"cookie{text}"):
        scrubbed(odd)
    assert time.process_time() - begun < 5


BEARERS = "CREATE TEMPORARY TABLE bearers (name varchar(9), token varchar(9), UNIQUE (name, token))"


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_secret_stays_here_when_a_database_quotes_it(engine, django_db_blocker):
    insert = "INSERT INTO bearers (name, token) VALUES ('ada', 'sown')"
    try:
        with (
            django_db_blocker.unblock(),
            getattr(services, engine)() as service,
            pytest.raises(IntegrityError) as caught,
        ):
            execute(service.settings, BEARERS, insert, insert)
    except services.Unavailable as exc:
        services.give_up(exc)
    assert "sown" in str(caught.value)
    assert "sown" not in scrubbed(str(caught.value)) + scrubbed(repr(caught.value))
