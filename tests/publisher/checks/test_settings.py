"""What is wrong with SIGNAL_BRIDGE is told: id, offending value, hint."""

import ast
import sys
from types import ModuleType

import pytest
from django.apps import AppConfig, apps
from django.contrib.auth.models import User
from django.core.checks import run_checks

from publisher.checks.settings import check_settings

SAVE = "django.db.models.signals.post_save"


@pytest.fixture
def check(settings):
    """The errors; most rules here are of all models, the user among them, which is warned of."""

    def run(**changes):
        settings.SIGNAL_BRIDGE = {"FORWARD": [], **changes}
        return [message for message in check_settings(None) if message.is_serious()]

    return run


@pytest.fixture
def check_rule(check):
    return lambda **rule: check(FORWARD=[SAVE, {"signal": SAVE, **rule}])


def assert_one(errors, id, *words):
    (error,) = errors
    assert error.id == id
    assert error.is_serious()
    assert error.hint
    for word in words:
        assert word in f"{error.msg} {error.hint}"


# Of all databases: Django's own check of a JSONField asks each of them whether it can hold one.
@pytest.mark.django_db(databases="__all__")
def test_nothing_is_wrong_when_the_settings_are_those_of_the_tests(settings):
    assert [error for error in run_checks() if error.id.startswith(("publisher.", "consumers."))] == []


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"senders": ["foo.*", "FOO.Article", "*"], "exclude": ["foo.Draft", "foo.article_tags"]},
        {"exclude": []},
        {"fields": {"foo.Article": ["title", "id"]}, "omit_fields": {"foo.article": ["price"]}},
        {"routing_key": "plain"},
        {"routing_key": "{group}.{signal}.{sender}.{subject}.{kwargs[using]}.{{}}"},
        {"when": "builtins.print", "delivery": "outbox", "unroutable": "keep", "strict": True, "traceback": True},
        {"signal": "django.core.signals.request_finished", "senders": ["django.WSGIHandler", "django.*"]},
    ],
    ids=repr,
)
def test_nothing_is_wrong_when_the_rule_is_right(check_rule, rule):
    assert check_rule(**rule) == []


@pytest.mark.django_db
def test_nothing_is_wrong_when_all_is_forwarded(check):
    assert check(FORWARD=["*"]) == []


@pytest.mark.parametrize("value", [None, [], "signals", 5], ids=repr)
def test_e001_when_it_is_no_dict(settings, value):
    settings.SIGNAL_BRIDGE = value
    assert_one(check_settings(None), "publisher.E001", "SIGNAL_BRIDGE", "'FORWARD': [...]")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("no.such.function", "cannot be imported: ModuleNotFoundError"),
        (5, "cannot be imported"),
        ("django.VERSION", "is no plain function"),
        ("tests.publisher.events.test_extensions.coroutine", "is no plain function"),
        ("django.utils.module_loading.import_string", "can be called without arguments"),
    ],
    ids=repr,
)
def test_e021_when_extensions_is_no_function_without_arguments(check, path, says):
    assert_one(check(EXTENSIONS=path), "publisher.E021", repr(path), says, "{'tenant': 'acme'}")


def test_nothing_is_wrong_when_extensions_is_a_function(check):
    rule = {"signal": SAVE, "senders": ["foo.*"], "routing_key": "{extensions[tenant]}.saved"}
    assert check(EXTENSIONS="tests.publisher.events.test_extensions.extensions", FORWARD=[rule]) == []
    assert_one(check(FORWARD=[rule]), "publisher.E009", "there are no extensions", "EXTENSIONS")


@pytest.mark.parametrize(("key", "near"), [("FORWAD", "FORWARD"), ("broker_url", "BROKER_URL"), ("Q", "EXCHANGE")])
def test_e002_when_a_key_is_misspelt(check, key, near):
    assert_one(check(**{key: []}), "publisher.E002", repr(key), near)


def test_e002_when_a_key_is_no_text(settings):
    settings.SIGNAL_BRIDGE = {5: []}
    assert_one(check_settings(None), "publisher.E002", "key 5", "EXCHANGE")


@pytest.mark.parametrize(
    "url",
    [
        "http://u:planted@h/", "amqp://", "localhost", "", None, 5, "amqp://u:planted@h:port/", "amqp://[u:planted@h",
        "amqp://u:planted@h:99999/", "amqp://u:pl@nted/planted#x@h:5672/", "amqp://u:planted?@h/", "amqp://u:p@h/planted/x",
        "amqp://u:planted@h,/", "amqp://u:planted@h, h2/", "amqp://u:planted@h,h2:port/",
    ],
    ids=repr,
)  # fmt: skip
def test_e003_without_the_password_when_the_url_is_none(check, url):
    errors = check(BROKER_URL=url)
    assert_one(errors, "publisher.E003", "BROKER_URL", "amqp://user:password@host")
    assert "planted" not in str(errors)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("amqp://u:planted@h/?hartbeat=5", "has an unknown option 'hartbeat': there are heartbeat, ssl_options"),
        ("amqp://u:planted@h/?heartbeat=often", "has an option 'heartbeat' that is not a whole number"),
        (
            "amqp://u:planted@h/?heartbeat=5&heartbeat=6",
            "has an option 'heartbeat' that is not a whole number from 0 to 65535, given once",
        ),
        ("amqp://u:planted@h/?socket_timeout=a", "has an option 'socket_timeout' that is not a number of"),
        ("amqps://u:planted@h/?ssl_options=planted", "has an option 'ssl_options' that is not a dict"),
        ("amqps://u:planted@h/?ssl_options=[5]", "has an option 'ssl_options' that is not a dict"),
        (
            "amqps://u:planted@h/?ssl_options={'certfile': 'a'}",
            "has an option 'ssl_options' that is not a dict with",
        ),
        ("amqp://u:planted@h/?heartbeat=-1", "has an option 'heartbeat' that is not a whole number"),
        ("amqp://u:planted@h/?heartbeat=65536", "has an option 'heartbeat' that is not a whole number"),
        ("amqp://u:planted@h/?channel_max=1", "has an option 'channel_max' that is not a whole number from"),
        ("amqp://u:planted@h/?frame_max=1", "has an option 'frame_max' that is not a whole number"),
        (
            "amqp://u:planted@h/?connection_attempts=0",
            "has an option 'connection_attempts' that is not a whole number from 1 on",
        ),
        ("amqp://u:planted@h/?socket_timeout=0", "has an option 'socket_timeout' that is not a number of"),
        ("amqp://u:planted@h/?stack_timeout=nan", "has an option 'stack_timeout' that is not a number of"),
        ("amqp://u:planted@h/?blocked_connection_timeout=-1", "has an option 'blocked_connection_timeout' that is not"),
        ("amqps://u:planted@h/?ssl_options=None", "has 'ssl_options' of None, though it begins with amqps"),
        (" amqp://u:planted@h/", "begins or ends with a space, or has a line break"),
        ("amqp://u:planted@h/\n", "begins or ends with a space, or has a line break"),
        ("amqp://u:plan\nted@h/", "begins or ends with a space, or has a line break"),
        ("amqp://planted@h/", "names a user and no password"),
    ],
)
def test_e003_says_what_is_wrong_with_a_part_of_the_url(check, url, says):
    errors = check(BROKER_URL=url)
    assert_one(errors, "publisher.E003", f"BROKER_URL'] {says}", "amqp://user:password@host")
    assert "planted" not in str(errors)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://h",
        "amqp://u:p%40%2F%23@h:5672/%2F",
        "amqps://h/vhost?heartbeat=9",
        "amqp://u:p@h//",
        "amqp://u:p@h:5672,h2,[::1]:5673/vhost?heartbeat=9",
        "amqps://h/?ssl_options={'ca_certs': '/a.pem'}&socket_timeout=5",
        "amqp://h/?ssl_options=None&tcp_options=None&client_properties={}",
        "amqp://h/?heartbeat=0&channel_max=8&frame_max=4096&connection_attempts=1&retry_delay=0.5",
    ],
)
def test_nothing_is_wrong_with_a_url_that_is_escaped(check, url):
    assert check(BROKER_URL=url) == []


def test_e020_when_a_projects_own_package_has_the_name_of_the_bridges(check, monkeypatch):
    monkeypatch.setitem(sys.modules, "consumers", ModuleType("consumers"))
    assert_one(check(), "publisher.E020", "another package", "Rename your package")


@pytest.mark.parametrize("key", ["EXCHANGE", "SERVICE"])
@pytest.mark.parametrize(
    "name", ["", None, 5, "x" * 101, "amq.topic", "a\nb", "a\ud800"], ids=lambda name: repr(name)[:10]
)
def test_e004_when_a_name_is_none(check, key, name):
    assert_one(check(**{key: name}), "publisher.E004", key, repr(name), "a string of 1 to 100 bytes", "'amq.'")


def test_e004_tells_the_length_when_a_name_is_too_long(check):
    assert_one(check(SERVICE="ü" * 51), "publisher.E004", "of 102 bytes")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"sender": "foo.Article"}, ["'sender'", "Did you mean 'sender"]),
        ({"routing-key": "x"}, ["'routing-key'", "'routing_key'"]),
        ({"omitfields": {}}, ["'omitfields'", "'omit_fields'"]),
        ({"senders": "foo.Article"}, ["'senders'", "not 'foo.Article'", "['blog.Comment', 'auth.*']"]),
        ({"senders": None}, ["'senders'", "not None", "leave 'senders' out"]),
        ({"senders": []}, ["'senders'", "an empty list", "leave 'senders' out for all senders"]),
        ({"exclude": [5]}, ["'exclude'", "not 5", "['blog.Draft']"]),
        ({"fields": ["title"]}, ["'fields'", "not ['title']", "{'blog.Comment': ['id', 'text']}"]),
        ({"omit_fields": {"foo.Article": "title"}}, ["'omit_fields'", "not 'title'", "{'blog.Comment': ["]),
        ({"signal": 5}, ["'signal'", "not 5", "manage.py signals"]),
        ({"strict": "yes"}, ["'strict'", "not 'yes'", "Write True or False."]),
        ({"traceback": 1}, ["'traceback'", "not 1", "Write True or False."]),
        ({"changes": "price"}, ["'changes'", "not 'price'", "Write True or False."]),
        ({"redact": {"email": "hide"}}, ["'redact'", "'email'", "'hide'", "{'email': 'mask'}"]),
    ],
)
def test_e005_when_a_rule_cannot_be_read(check_rule, rule, words):
    errors = check_rule(**rule)
    assert_one(errors, "publisher.E005", "['FORWARD'][1]", *words)
    assert "There are:" not in errors[0].hint


@pytest.mark.parametrize("entry", [5, None, ["a.b"], {}, {"senders": ["foo.*"]}], ids=repr)
def test_e005_when_an_entry_is_no_rule(check, entry):
    assert_one(check(FORWARD=[entry]), "publisher.E005", "['FORWARD'][0]", "{'signal': '")


@pytest.mark.parametrize("value", [SAVE, {"signal": SAVE}, None, 5], ids=repr)
def test_e005_when_forward_is_no_list(check, value):
    assert_one(check(FORWARD=value), "publisher.E005", repr(value))


@pytest.mark.parametrize(
    ("signal", "near"),
    [
        ("django.db.models.signals.post_sav", "'django.db.models.signals.post_save'"),
        ("foo.signals.user_login", "'tests.foo.signals.user_login'"),
        ("zzz.*", "manage.py signals"),
        ("", "manage.py signals"),
    ],
)
def test_e006_when_there_is_no_such_signal(check_rule, signal, near):
    assert_one(check_rule(signal=signal), "publisher.E006", repr(signal), near)


@pytest.mark.parametrize("key", ["senders", "exclude"])
@pytest.mark.parametrize(
    ("label", "near"),
    [
        ("foo.Artcle", "'foo.article'"),
        ("foo.Art*l", ""),
        ("blgo.Comment", "'blog.comment'"),
        ("nothing.*", ""),
        ("Article", "'foo.article'"),
        ("tests.foo.Article", ""),
        ("django.WSGIHandler", ""),
    ],
)
def test_e007_when_there_is_no_such_model(check_rule, key, label, near):
    assert_one(check_rule(**{key: [label]}), "publisher.E007", repr(label), near)


@pytest.mark.parametrize(("glob", "hint"), [("fooo.*", "'foo.*'"), ("foo", "'foo.*'"), ("sesion.*", "'sessions.*'")])
def test_hint_is_the_app_that_was_probably_meant_by_a_glob(check_rule, glob, hint):
    (error,) = check_rule(senders=[glob])
    assert error.id == "publisher.E007"
    assert error.hint.startswith(f"Did you mean {hint}?")


@pytest.mark.parametrize(
    ("label", "app", "hint"),
    [
        ("orders.*", "orders", "Add the app to INSTALLED_APPS."),
        ("Orders.Order", "Orders", "Add the app to INSTALLED_APPS."),
        ("fooo.Article", "fooo", "Did you mean 'foo.article'? If not, add the app to INSTALLED_APPS."),
    ],
)
@pytest.mark.parametrize("key", ["senders", "exclude"])
def test_e007_says_that_no_such_app_is_installed(check_rule, key, label, app, hint):
    (error,) = check_rule(**{key: [label]})
    assert error.msg.endswith(f"there is no model {label!r}: no installed app is called {app!r}.")
    assert error.hint == hint


@pytest.mark.parametrize("label", ["messages.*", "messages.Message", "messages"])
def test_e007_says_that_the_app_has_no_models_yet(check_rule, label):
    errors = check_rule(senders=[label])
    assert_one(errors, "publisher.E007", "the app 'messages' has no models yet", "django.contrib.messages.models")


def test_e007_says_so_of_the_models_of_fields_too(check_rule):
    assert_one(check_rule(fields={"orders.Order": ["id"]}), "publisher.E007", "no installed app is called 'orders'")
    assert_one(check_rule(fields={"messages.Message": ["id"]}), "publisher.E007", "'messages' has no models yet")


@pytest.mark.parametrize("label", ["publishr.*", "publisher", "consumers.InboxEvnt", "outboxevent", "zzz", "zz*.y"])
def test_hint_is_never_of_the_bridges_own_models(check_rule, label):
    (error,) = check_rule(senders=[label])
    assert error.id == "publisher.E007"
    assert "publisher." not in error.hint
    assert "consumers." not in error.hint


@pytest.mark.parametrize(
    ("word", "hint"),
    [("comment", "'blog.comment'"), ("comments", "'blog.comment'"), ("user", "'auth.user'"), ("seen", "'bar.seen'")],
)
def test_hint_is_the_model_that_was_probably_meant_by_its_name_alone(check_rule, word, hint):
    (error,) = check_rule(senders=[word])
    assert error.hint.startswith(f"Did you mean {hint}")


def test_hint_is_the_app_that_was_probably_meant_by_a_word_that_is_spelt_like_it(check_rule):
    (error,) = check_rule(senders=["blogg"])
    assert "'blog.*'" in error.hint


@pytest.mark.parametrize("label", ["axes", "Axes", "my-app", "django.contrib.auth", "tests.foo.signals", "ax*.x*"])
def test_sender_of_another_signal_may_be_text(check_rule, label):
    assert check_rule(signal="tests.foo.signals.user_login", senders=[label]) == []


def test_sender_of_another_signal_may_be_a_class_of_a_package_with_capitals(check_rule, monkeypatch):
    monkeypatch.setitem(sys.modules, "MyShop", ModuleType("MyShop"))
    assert check_rule(signal="tests.foo.signals.user_login", senders=["MyShop.Till"]) == []


def test_sender_of_another_signal_may_be_a_class_when_its_package_is_called_as_an_app(check_rule, monkeypatch):
    foo = ModuleType("foo")
    foo.Articles = type("Articles", (), {"__module__": "foo.services"})
    monkeypatch.setitem(sys.modules, "foo", foo)
    for label in ("foo.Checkout", "foo.check*", "foo.Articles"):
        assert check_rule(signal="tests.foo.signals.user_login", senders=[label]) == []
        assert_one(check_rule(senders=[label]), "publisher.E007", repr(label))
    # It is nearly a model, and no class.
    (error,) = check_rule(signal="tests.foo.signals.user_login", senders=["foo.Artcle"])
    assert (error.id, error.hint) == ("publisher.E007", "Did you mean 'foo.article'?")
    assert_one(check_rule(signal="tests.foo.signals.user_login", senders=["publisher.Nothing"]), "publisher.E007")


@pytest.mark.parametrize(
    "label", ["djngo.WSGIHandler", "foo.Artcle", ".x", "x.", "a.b.c", "article", "Artcle", "django.contrib.outh", "a b"]
)
def test_e007_when_the_sender_of_another_signal_can_be_none(check_rule, label):
    errors = check_rule(signal="django.core.signals.request_finished", senders=[label])
    assert_one(errors, "publisher.E007", repr(label))


def test_sender_of_another_signal_may_be_the_configuration_of_an_app(check_rule, monkeypatch):
    kind = type("OrdersConfig", (AppConfig,), {"__module__": "orders.apps", "path": "orders"})
    monkeypatch.setitem(apps.app_configs, "orders", kind("orders", None))
    assert check_rule(signal="django.db.models.signals.post_migrate", senders=["orders.OrdersConfig"]) == []
    assert_one(check_rule(signal=SAVE, senders=["orders.OrdersConfig"]), "publisher.E007", "'orders.OrdersConfig'")


@pytest.mark.parametrize("key", ["fields", "omit_fields"])
def test_e007_when_fields_are_of_no_model(check_rule, key):
    assert_one(check_rule(**{key: {"foo.Artcle": ["title"]}}), "publisher.E007", "'foo.Artcle'", "'foo.article'")


@pytest.mark.parametrize("key", ["fields", "omit_fields"])
def test_e008_when_there_is_no_such_field(check_rule, key):
    assert_one(check_rule(**{key: {"foo.Article": ["titel", "price"]}}), "publisher.E008", "'titel'", "'title'")


@pytest.mark.parametrize("key", ["fields", "omit_fields"])
@pytest.mark.parametrize(
    "rule",
    [
        {"signal": SAVE, "senders": ["foo.Article"]},
        {"signal": "django.db.models.signals.p*_save", "exclude": ["foo.t*"]},
        {"signal": "publisher.signals.*", "senders": ["foo.Article"]},
    ],
    ids=repr,
)
def test_w004_when_fields_are_of_a_model_that_the_rule_does_not_take(settings, key, rule):
    (warning,) = warned(settings, {**rule, key: {"foo.Tag": ["name"]}}, id="publisher.W004")
    assert f"[0][{key!r}]: the rule does not take 'foo.Tag'" in warning.msg
    assert "'senders'" in warning.hint


@pytest.mark.parametrize("key", ["fields", "omit_fields"])
def test_e007_says_that_globs_do_not_count_where_models_are_named(check_rule, key):
    assert_one(check_rule(**{key: {"foo.*": ["price"]}}), "publisher.E007", "'foo.*'", "No globs here")


@pytest.mark.parametrize(
    "rule",
    [
        {"signal": SAVE, "senders": ["foo.N*"], "omit_fields": {"foo.Article": ["price"]}},
        {"signal": SAVE, "senders": ["foo.*"], "fields": {"FOO.tag": ["name"]}},
        {"signal": SAVE, "senders": ["foo.Tga"], "fields": {"foo.Tag": ["name"]}},
        {"signal": "*.post_delete", "senders": ["foo.Article"], "fields": {"foo.Tag": ["name"]}},
        {"signal": "tests.foo.signals.*", "senders": ["foo.Article"], "fields": {"foo.Tag": ["name"]}},
    ],
    ids=repr,
)
def test_nobody_is_warned_of_fields_of_what_may_be_sent(settings, rule):
    assert warned(settings, rule, id="publisher.W004") == []


@pytest.mark.parametrize(
    ("routing_key", "word"),
    [
        ("{kwarg[a]}", "'kwarg'"),
        ("{}", "''"),
        ("{0}", "'0'"),
        ("a.{", "Single '{'"),
        ("a.}", "Single '}'"),
        ("", "empty"),
        (5, "5"),
        ("{kwargs.__class__}.x", "begins with '_'"),
        ("{kwargs[using]:{kwargs.__class__}}", "begins with '_'"),
        ("{sender:999999999999}", "255 bytes"),
        (f"{{sender:{'9' * 5000}}}", "integer string conversion"),
        ("\ud800", "surrogates not allowed"),
        ("a" * 256, "255 bytes"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_e009_when_the_routing_key_is_no_format(check_rule, routing_key, word):
    assert_one(check_rule(routing_key=routing_key), "publisher.E009", word, "moderation.{kwargs[reason]}")


@pytest.mark.parametrize("when", ["no.such.path", "tests.foo.signals.nothing", "print", "sys.path", 5], ids=repr)
def test_e010_when_there_is_no_predicate(check_rule, when):
    assert_one(check_rule(when=when), "publisher.E010", repr(when), "dotted path")


@pytest.mark.parametrize("when", [print, 5], ids=repr)
def test_e010_says_so_when_the_predicate_is_no_path(check_rule, when):
    assert_one(check_rule(when=when), "publisher.E010", f"{when!r} is no predicate: expected a dotted path.")


def test_e010_when_the_module_of_the_predicate_raises(check_rule, tmp_path, monkeypatch):
    (tmp_path / "broken_rules.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    assert_one(check_rule(when="broken_rules.is_wanted"), "publisher.E010", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize("delivery", ["outbx", None, 5], ids=repr)
def test_e011_when_the_delivery_is_unknown(check_rule, delivery):
    assert_one(check_rule(delivery=delivery), "publisher.E011", repr(delivery), "outbox")


def test_e012_when_unroutable_is_unknown(check_rule):
    assert_one(check_rule(unroutable="hold"), "publisher.E012", "'hold'", "keep")


def test_e019_when_what_is_sent_from_memory_is_to_be_kept(check_rule):
    assert_one(check_rule(delivery="direct", unroutable="keep"), "publisher.E019", "'keep'", "outbox")
    assert check_rule(delivery="direct", unroutable="drop") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SHARDS", 0),
        ("SHARDS", 1025),
        ("SHARDS", "2"),
        ("SHARDS", True),
        ("FORWARD_RAW", "no"),
        ("STRICT", 1),
        ("INBOX_DAYS", 0),
        ("INBOX_DAYS", "30"),
        ("INBOX_DAYS", float("inf")),
        ("INBOX_DAYS", float("nan")),
        ("INBOX_DAYS", 10**9),
        ("MAX_HOPS", 0),
        ("MAX_HOPS", "16"),
        ("MANAGEMENT_URL", 15672),
        ("MANAGEMENT_URL", "localhost:15672"),
    ],
    ids=repr,
)
def test_e015_when_a_value_is_of_the_wrong_kind(check, key, value):
    assert_one(check(**{key: value}), "publisher.E015", repr(key), repr(value))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("email", ["'email'"]),
        (["email"], ["['email']"]),
        ({"email": "encrypt"}, ["'encrypt'", "mask"]),
        ({"email": None}, ["None"]),
        ({"": "mask"}, ["''"]),
        ({5: "mask"}, ["5"]),
    ],
)
def test_e016_when_redact_cannot_be_read(check, value, words):
    assert_one(check(REDACT=value), "publisher.E016", "['REDACT']", *words)


def test_nothing_is_wrong_when_names_are_redacted(check):
    rule = {"signal": SAVE, "redact": {"email": "mask", "*_name": "hash", "ip": "drop", "token_count": "keep"}}
    assert check(FORWARD=[rule], REDACT={"phone*": "drop"}) == []


def warned(settings, *rules, id="publisher.W001", **more):
    settings.SIGNAL_BRIDGE = {"FORWARD": list(rules), **more}
    return [message for message in check_settings(None) if message.id == id]


@pytest.mark.parametrize(
    "rule",
    [
        SAVE,
        {"signal": SAVE, "senders": ["auth.*"]},
        {"signal": SAVE, "senders": ["auth.User"], "omit_fields": {"auth.User": ["username"]}},
        "django.db.models.signals.*",
        {"signal": "django.db.models.signals.m2m_changed", "senders": ["auth.user_groups"]},
        "django.contrib.auth.signals.user_logged_in",
    ],
    ids=repr,
)
def test_w001_lists_what_leaves_when_the_user_model_is_forwarded_without_fields(settings, rule):
    (warning,) = warned(settings, rule)
    assert not warning.is_serious()
    assert "auth.User" in warning.msg
    assert "email" in warning.msg
    assert "first_name" in warning.msg
    assert "password" not in warning.msg
    assert ("username" in warning.msg) is ("omit_fields" not in rule)
    assert "'fields'" in warning.hint


def test_w001_and_w008_look_past_a_rule_that_leaves_some_to_the_next(settings, monkeypatch):
    monkeypatch.setattr("publisher.checks.exposure.COPIES", {"foo.Article": ("title",)})
    some = {"signal": SAVE, "fields": {"auth.User": ["id"]}, "omit_fields": {"foo.Article": ["title"]}}
    for id in ("publisher.W001", "publisher.W008"):
        assert warned(settings, some, SAVE, id=id) == []
        assert warned(settings, {**some, "when": "builtins.print"}, SAVE, id=id)


def test_w001_w002_and_w008_when_a_rule_names_the_signal_by_another_path(settings, monkeypatch):
    monkeypatch.setattr("publisher.checks.exposure.COPIES", {"foo.Article": ("title",)})
    for id in ("publisher.W001", "publisher.W008"):
        assert warned(settings, "django.db.models.base.post_save", id=id)
        chosen = {"signal": SAVE, "fields": {"auth.User": ["id"], "foo.Article": ["id"]}}
        assert not warned(settings, {**chosen, "signal": "django.db.models.base.post_save"}, SAVE, id=id)
    assert warned(settings, "django.db.models.base.post_init", id="publisher.W002")


def test_w001_tells_what_is_done_to_a_field_before_it_leaves(settings):
    (warning,) = warned(settings, {"signal": SAVE, "redact": {"email": "mask"}}, REDACT={"last_name": "drop"})
    assert "email (mask)" in warning.msg
    assert "last_name" not in warning.msg
    assert "'redact': {'first_name': 'mask'}" in warning.hint


def test_nobody_is_warned_when_the_hint_of_w001_was_followed(settings):
    (warning,) = warned(settings, SAVE)
    redact = ast.literal_eval(warning.hint.partition("'redact': ")[2].rstrip("."))
    assert redact == {"first_name": "mask", "last_name": "mask", "email": "mask"}
    assert warned(settings, {"signal": SAVE, "redact": redact}) == []
    assert warned(settings, SAVE, REDACT=redact) == []


def test_w001_when_an_address_is_what_a_user_is_known_by(settings, monkeypatch):
    monkeypatch.setattr(User, "USERNAME_FIELD", "email")
    (warning,) = warned(settings, {"signal": SAVE, "redact": {"*_name": "hash", "username": "keep"}})
    assert "'redact': {'email': 'mask'}" in warning.hint


def test_w001_when_a_model_that_extends_the_users_is_forwarded(settings):
    settings.AUTH_USER_MODEL = "foo.Article"
    rule = {"signal": SAVE, "senders": ["foo.Note"]}
    (warning,) = warned(settings, rule)
    assert "forwards foo.Note, with" in warning.msg
    assert warned(settings, {**rule, "fields": {"foo.Article": ["id"]}}) == []


def test_w001_knows_what_is_said_of_the_model_that_the_users_extends(settings):
    settings.AUTH_USER_MODEL = "foo.Note"
    rule = {"signal": SAVE, "senders": ["foo.Note"]}
    (warning,) = warned(settings, {**rule, "omit_fields": {"foo.Article": ["title"]}})
    assert "title" not in warning.msg
    assert warned(settings, {**rule, "fields": {"foo.Article": ["id", "title"]}}) == []


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"signal": SAVE, "senders": ["foo.*"]}],
        [{"signal": SAVE, "exclude": ["auth.*"]}],
        [{"signal": SAVE, "fields": {"auth.User": ["id"]}}],
        [{"signal": SAVE, "fields": {"auth.User": []}}, {"signal": SAVE}],
        [{"signal": SAVE, "redact": {"email": "mask", "*_name": "hash"}}],
        [
            {
                "signal": SAVE,
                "redact": {"email": "keep", "first_name": "keep"},
                "omit_fields": {"auth.User": ["last_name"]},
            }
        ],
        ["tests.foo.signals.article_*", "django.db.backends.signals.*"],
    ],
    ids=repr,
)
def test_nobody_is_warned_when_the_fields_of_the_user_model_were_chosen(settings, rules):
    assert warned(settings, *rules) == []


@pytest.mark.parametrize("signal", ["*.post_init", "django.db.models.signals.pre_in*", "django.*.class_prepared"])
def test_e006_when_a_glob_takes_only_what_is_to_be_named_outright(check_rule, signal):
    assert_one(
        check_rule(signal=signal), "publisher.E006", repr(signal), "Name the signal itself: 'django.db.models.signals."
    )


@pytest.mark.parametrize("sender", ["publisher.OutboxEvent", "consumers.*", "sessions.*", "sess*.session"])
def test_e007_when_a_sender_is_never_forwarded_so(check_rule, sender):
    assert_one(check_rule(senders=[sender]), "publisher.E007", repr(sender), "'sessions.session'")
    assert check_rule(senders=["sessions.Session"]) == []


@pytest.mark.parametrize(
    ("senders", "named"),
    [
        (["foo.Tag"], ["foo.Tag"]),
        (["foo.Article", "foo.Draft"], ["foo.Draft"]),
        (["auth.*"], ["auth.Permission, auth.Group, auth.User"]),
        (["foo.Tag", "auth.User"], ["foo.Tag", "auth.User"]),
    ],
)
@pytest.mark.parametrize("signal", ["publisher.signals.*", "publisher.signals.queryset_updated"])
def test_w003_when_no_manager_of_the_senders_tells(settings, signal, senders, named):
    messages = warned(settings, {"signal": signal, "senders": senders}, id="publisher.W003")
    assert not any(message.is_serious() for message in messages)
    for message, name in zip(messages, named, strict=True):
        assert f"nothing sends {signal!r} for {name}." in message.msg
        assert f"`objects = SignalManager()` in {name.split(',')[0]};" in message.hint


@pytest.mark.parametrize(
    "rule",
    [
        {"signal": "publisher.signals.*"},
        {"signal": "publisher.signals.*", "senders": ["foo.*", "kinds.Option"]},
        {"signal": "publisher.signals.*", "senders": ["foo.Article", "foo.article_*"]},
        {"signal": "*", "senders": ["foo.Tag"]},
        {"signal": "django.db.models.signals.*", "senders": ["foo.Tag"]},
    ],
    ids=repr,
)
def test_nobody_is_warned_of_rules_whose_senders_tell_or_that_take_other_signals(settings, rule):
    assert warned(settings, rule, id="publisher.W003") == []


@pytest.mark.parametrize(("senders", "named"), [(["foo.*"], "foo.Tag, foo.Draft"), (None, "any model")])
def test_w003_when_the_models_that_tell_are_excluded(settings, senders, named):
    rule = {"signal": "publisher.signals.*", "exclude": ["foo.Article", "foo.Note", "kinds.*"]}
    rule |= {"senders": senders} if senders else {}
    (message,) = warned(settings, rule, id="publisher.W003")
    assert f"for {named}" in message.msg
    assert "SignalManager()" in message.hint


@pytest.mark.parametrize("signal", ["django.db.models.signals.pre_save", "tests.foo.signals.*"])
def test_e017_when_a_signal_tells_of_no_changes(check_rule, signal):
    assert_one(check_rule(signal=signal, changes=True), "publisher.E017", repr(signal), "post_save")
    assert check_rule(signal="django.db.models.*", changes=True) == []
    assert check_rule(signal="django.db.models.base.post_save", changes=True) == []


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({"signal": "django.db.models.signals.post_init"}, 1),
        ({"signal": "django.db.models.signals.class_prepared"}, 1),
        ({"signal": "django.db.models.signals.post_init", "senders": ["foo.tag"]}, 0),
        ({"signal": "django.db.models.signals.post_init", "when": "builtins.print"}, 0),
        ({"signal": "*"}, 0),
    ],
)
def test_w002_when_every_row_read_would_be_an_event(settings, rule, count):
    settings.SIGNAL_BRIDGE = {"FORWARD": [rule]}
    assert [message.id for message in check_settings(None)].count("publisher.W002") == count


@pytest.mark.parametrize(
    ("signal", "near"),
    [
        ("post_save", "django.db.models.signals.post_save"),
        ("django.db.signals.post_save", "django.db.models.signals.post_save"),
        ("tests.foo.models.Hooks.closed", "tests.foo.signals.Hooks.closed"),
        ("tests.foo.signals.artikle_published", "tests.foo.signals.article_published"),
        ("django.contrib.auth.signal.user_logged_in", "django.contrib.auth.signals.user_logged_in"),
    ],
)
def test_hint_is_the_signal_that_was_probably_meant(check_rule, signal, near):
    assert_one(check_rule(signal=signal), "publisher.E006", f"Did you mean {near!r}")


def test_all_that_is_wrong_is_told_at_once(check):
    errors = check(EXCHNGE="x", BROKER_URL="x", FORWARD=[5, {"signal": "no.signal", "senders": ["foo.Nothing"]}])
    assert [error.id[-4:] for error in errors] == ["E002", "E003", "E005", "E006", "E007"]


def test_w006_when_there_is_no_setting(settings):
    del settings.SIGNAL_BRIDGE
    (warning,) = check_settings(None)
    assert (warning.id, "SIGNAL_BRIDGE = {" in warning.hint) == ("publisher.W006", True)
    settings.SIGNAL_BRIDGE = {}
    assert check_settings(None) == []


@pytest.mark.parametrize(
    ("name", "value", "is_meant"),
    [
        ("SIGNALBRIDGE", {"FORWARD": []}, True),
        ("SIGNAL_BRIGDE", {}, True),
        ("SIGNALS_BRIDGE", {}, True),
        ("SIGNAL_BRIDGES", "x", False),
        ("BRIDGE", {}, False),
    ],
)
def test_w006_names_the_setting_that_was_probably_meant(settings, name, value, is_meant):
    del settings.SIGNAL_BRIDGE
    setattr(settings, name, value)
    (warning,) = check_settings(None)
    assert (f"Did you mean {name} to be SIGNAL_BRIDGE?" in warning.hint) is is_meant


M2M = "django.db.models.signals.m2m_changed"


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"signal": M2M, "senders": ["auth.User"]}, "'auth.User_groups' or 'auth.User_user_permissions'"),
        ({"signal": M2M, "senders": ["foo.Draft"]}, "the model of the relation, as 'auth.User_groups'"),
        ({"signal": SAVE, "senders": ["auth.Group"], "exclude": ["auth.*"]}, "'exclude', which excludes all"),
    ],
)
def test_w007_when_a_rules_senders_send_no_such_signal(settings, rule, word):
    (warning,) = warned(settings, rule, id="publisher.W007")
    assert word in warning.hint
    assert not warned(settings, rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"signal": M2M, "senders": ["auth.*"]},
        {"signal": M2M, "senders": ["foo.article_tags"]},
        {"signal": "django.db.models.signals.*", "senders": ["auth.User"]},
        {"signal": SAVE, "senders": ["auth.*"], "exclude": ["auth.User"]},
        {"signal": "tests.foo.signals.*", "senders": ["foo.Article"]},
    ],
    ids=repr,
)
def test_w007_is_no_more_than_that(settings, rule):
    assert not warned(settings, rule, id="publisher.W007")


def test_w008_when_a_rule_forwards_what_apps_keep_whole_as_text(settings, monkeypatch):
    monkeypatch.setattr("publisher.checks.exposure.COPIES", {"foo.Article": ("title", "api_token"), "no.Such": ("x",)})
    (warning,) = warned(settings, "*", id="publisher.W008")
    # A secret does not leave anyway.
    assert "secrets: foo.Article.title." in warning.msg
    assert "'omit_fields': {'foo.Article': ['title']}" in warning.hint
    rule = {"signal": SAVE, "senders": ["foo.*"]}
    assert warned(settings, rule, id="publisher.W008")
    assert not warned(settings, "django.contrib.auth.signals.user_logged_in", id="publisher.W008")
    for more in (
        {"omit_fields": {"foo.Article": ["title"]}},
        {"exclude": ["foo.*Article", "foo.Note"]},
        {"redact": {"title": "mask"}},
    ):
        assert not warned(settings, {**rule, **more}, id="publisher.W008")


PROXY_AND_CHILD = ["kinds.ProxyOfEverything", "kinds.Child"]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"senders": ["kinds.*"]}, ["kinds.Everything"]),
        ({"senders": ["kinds.ProxyOfEverything"]}, ["kinds.ProxyOfEverything"]),
        ({"senders": ["kinds.*"], "exclude": ["kinds.Everything", "kinds.G*"]}, PROXY_AND_CHILD),
        ({"senders": ["kinds.*"], "omit_fields": {"kinds.Everything": ["text"]}}, []),
    ],
    ids=repr,
)
def test_w008_when_a_rule_forwards_what_extends_such_a_model(settings, monkeypatch, rule, found):
    """As django-q2 deletes a Success, which is a proxy of its Task."""
    monkeypatch.setattr("publisher.checks.exposure.COPIES", {"kinds.Everything": ("text",)})
    warnings = warned(settings, {"signal": SAVE, **rule}, id="publisher.W008")
    said = [warning.msg.partition("secrets: ")[2] for warning in warnings]
    assert said == ([f"{', '.join(f'{label}.text' for label in found)}."] if found else [])


@pytest.mark.parametrize("value", [5, "", "kwargs[order]", ["order"]], ids=repr)
def test_e005_when_the_subject_is_no_kwarg(check_rule, value):
    (error,) = check_rule(subject=value)
    assert (error.id, "Name the kwarg" in error.hint) == ("publisher.E005", True)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ({"signal": SAVE, "subject": "instnace"}, "Did you mean 'instance'"),
        ({"signal": "tests.foo.signals.article_published", "subject": "titel"}, "Did you mean 'title'"),
        ({"signal": SAVE, "subject": "instance"}, None),
        ({"signal": "tests.foo.signals.article_published", "subject": "title"}, None),
        # Nothing in the source sends it.
        ({"signal": "tests.foo.signals.Hooks.closed", "subject": "whatever"}, None),
    ],
)
def test_w009_when_the_signals_are_never_sent_with_their_subject(settings, rule, hint):
    found = warned(settings, rule, id="publisher.W009")
    assert [hint in each.hint for each in found] == ([True] if hint else [])


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        ({"signal": "tests.foo.signals.article_published", "routing_key": "x.{kwargs[titel]}"}, "Did you mean 'title'"),
        ({"signal": "tests.foo.signals.article_published", "routing_key": "x.{kwargs[titel][a]!s:>9}"}, "'title'"),
        ({"signal": "tests.foo.signals.article_*", "routing_key": "{kwargs[reasn]}"}, "'reason'"),
        ({"signal": "tests.foo.signals.article_*", "routing_key": "{kwargs[title]}.{kwargs[reason]}"}, None),
        ({"signal": "tests.foo.signals.article_published", "routing_key": "x.{subject}"}, None),
        # That is an error.
        ({"signal": SAVE, "routing_key": "{kwargs[instnace]}"}, None),
        ({"signal": SAVE, "routing_key": "{kwargs[instnace"}, None),
        # Nothing in the source sends it; here there may be more.
        ({"signal": "tests.foo.signals.Hooks.closed", "routing_key": "{kwargs[whatever]}"}, None),
        ({"signal": "tests.foo.signals.*", "routing_key": "{kwargs[whatever]}"}, None),
    ],
    ids=repr,
)
def test_w012_when_a_key_names_a_kwarg_that_its_signals_are_not_sent_with(settings, rule, hint):
    found = warned(settings, rule, id="publisher.W012")
    assert [hint in each.hint for each in found] == ([True] if hint else [])
