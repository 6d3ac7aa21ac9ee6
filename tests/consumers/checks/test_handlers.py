"""What is wrong with the handlers is told: id, offending value, hint."""

import subprocess
import sys

import pytest
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import Signal

from consumers import receiver, registry, subscribe
from consumers.bindings import keys_of
from consumers.checks import handlers as checks
from consumers.checks.asked import check_asked
from consumers.checks.handlers import check_handlers
from consumers.exceptions import NamelessSignal
from consumers.handler import Handler, triggers_of
from tests.foo.signals import article_published, user_login
from tests.stage import ROOT


@pytest.fixture
def check(settings):
    def run(handlers):
        settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLERS": handlers}
        return check_handlers(None)

    return run


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))
    yield lambda text: (tmp_path / "checked_handlers.py").write_text(text)
    sys.modules.pop("checked_handlers", None)


def test_nothing_is_wrong_when_the_modules_can_be_imported(check):
    assert check([]) == []
    assert check(["tests.bar.consumers"]) == []


@pytest.mark.parametrize("value", ["tests.bar.consumers", 5, None, [5], {"a": 1}], ids=repr)
def test_e001_when_it_is_no_list_of_modules(check, value):
    (error,) = check(value)
    assert (error.id, error.is_serious()) == ("consumers.E001", True)
    assert repr(value) in error.msg
    assert error.hint
    assert check_asked(None) == []


@pytest.mark.parametrize(
    ("text", "reason"), [("raise RuntimeError('broken')", "RuntimeError: broken"), ("def (", "SyntaxError")]
)
def test_e002_when_a_module_cannot_be_imported(check, module, text, reason):
    module(text)
    (error,) = check(["checked_handlers"])
    assert error.id == "consumers.E002"
    assert "'checked_handlers'" in error.msg
    assert reason in error.msg
    assert error.hint


def test_e002_names_the_line_that_raised_when_it_is_one_of_the_project(check, module, tmp_path):
    module("from json import loads\n\nloads('{')\n")
    (error,) = check(["checked_handlers"])
    assert error.msg.endswith(f"({tmp_path.name}/checked_handlers.py:3)")
    assert "HANDLERS" in error.hint
    (error,) = check(["no_such_handlers"])
    assert error.msg.endswith(": No module named 'no_such_handlers'")


def test_e002_says_nothing_of_the_setting_when_it_is_an_apps_own_module(check, module, monkeypatch):
    module("nothing")
    monkeypatch.setattr(checks, "handler_modules", lambda: ("checked_handlers",))
    (error,) = check([])
    assert (error.id, error.hint) == ("consumers.E002", "Mend the module.")


@pytest.mark.parametrize("name", ["no.such.module", "", ".", "tests.bar.nothing"])
def test_e002_when_there_is_no_such_module(check, name):
    (error,) = check([name])
    assert error.id == "consumers.E002"
    assert repr(name) in error.msg


def test_e003_when_two_handlers_share_a_name(check, module):
    module("from consumers import subscribe\n\n@subscribe('#', name='index')\ndef other(event): ...\n")
    import tests.bar.consumers  # noqa: F401

    (error,) = check(["checked_handlers"])
    assert error.id == "consumers.E003"
    assert "'index'" in error.msg
    assert error.hint


def handled(sender, signals=post_save):
    receiver(signals, sender=sender, name="checked")(lambda **kwargs: None)


@pytest.mark.usefixtures("module")
def test_w002_when_one_of_several_senders_is_misspelt(check):
    def audit(**kwargs): ...

    for sender in ("foo.Article", "foo.Artcle", "foo.Tag"):
        receiver(post_save, sender=sender, name="checked")(audit)
    (warning,) = check([])
    assert warning.id == "consumers.W002"
    assert "foo.Artcle" in warning.msg


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("signals", [post_save, [user_login, post_save]], ids=["one", "several"])
def test_w002_when_an_app_of_this_project_has_no_such_model(check, signals):
    handled("foo.Artcle", signals)
    (warning,) = check([])
    assert (warning.id, warning.is_serious()) == ("consumers.W002", False)
    assert "'foo.Artcle'" in warning.msg
    assert f"{__name__}.handled" in warning.msg
    assert "'foo.Article'" in warning.hint


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("label", "meant"),
    [("foos.Article", "foo.Article"), ("kind.ticket", "kinds.Ticket"), ("blogs.Comments", "blog.Comment")],
)
def test_w002_when_a_label_is_nearly_that_of_a_model_here(check, label, meant):
    handled(label)
    (warning,) = check([])
    assert (warning.id, warning.is_serious()) == ("consumers.W002", False)
    assert f"no app that is installed here has a model {label!r}" in warning.msg
    assert f"Did you mean {meant!r}?" in warning.hint


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("label", ["shop.Order", "shop.Article", "accounts.User", "foos.Invoice", "weblog.Post", "x."])
def test_nothing_is_told_of_a_model_of_another_service(check, label):
    handled(label)
    assert check([]) == []


@pytest.mark.usefixtures("module")
def test_w002_when_an_app_of_this_project_has_no_models_yet(check):
    handled("messages.Message")
    (warning,) = check([])
    assert "the app 'messages' has no models yet" in warning.msg


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("sender", ["foo.Article", "FOO.article", "foo.Article_tags", "orders.Order", None], ids=repr)
def test_sender_is_no_mistake_when_it_is_a_model_or_of_another_service(check, sender):
    handled(sender)
    assert check([]) == []


@pytest.mark.usefixtures("module")
def test_sender_of_a_signal_that_no_model_sends_may_be_any_text(check):
    handled("foo.Artcle", user_login)
    assert check([]) == []


@pytest.mark.usefixtures("module")
def test_e006_when_a_signal_has_no_name(check):
    handled(None, Signal())
    (error,) = check([])
    assert (error.id, error.is_serious()) == ("consumers.E006", True)
    assert f"{__name__}.handled" in error.msg
    assert error.hint


@pytest.mark.usefixtures("module")
def test_question_under_a_signal_without_a_name_is_left_to_that_check(check):
    receiver(Signal(), ask=True, name="checked")(lambda **kwargs: None)
    assert check_asked(None) == []
    assert [error.id for error in check([])] == ["consumers.E006"]


def test_handler_of_a_signal_without_a_name_cannot_be_bound():
    with pytest.raises(NamelessSignal, match="module"):
        keys_of(Handler(name="h", function=print, triggers=triggers_of((Signal(),))))


def test_start_ends_with_what_to_do_when_the_publisher_is_not_installed():
    code = "import django; from django.conf import settings; settings.configure(INSTALLED_APPS=['consumers'])"
    code += "; django.setup()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ImproperlyConfigured: 'consumers' needs 'publisher'" in done.stderr.splitlines()[-1]


def test_a_projects_own_package_with_the_publishers_name_is_told_of_where_django_starts(tmp_path):
    (tmp_path / "publisher").mkdir()
    (tmp_path / "publisher" / "__init__.py").touch()
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from django.conf import settings; settings.configure(INSTALLED_APPS=['publisher', 'consumers'])\n"
        "import django; django.setup()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert "The app 'publisher' is another package than the bridge's. Rename your package" in last


DECORATED = "@receiver(post_save, sender='foo.Article', dispatch_uid='checked')"


@pytest.mark.parametrize(
    ("imported", "before", "after"),
    [
        ("from django.dispatch import receiver", DECORATED, ""),
        ("from tests.bar.passed_on import receiver", DECORATED, ""),
        ("", "", "post_save.connect(unheard, sender='foo.Article', dispatch_uid='checked')"),
    ],
    ids=["imported", "passed on", "connected"],
)  # fmt: skip
def test_function_that_django_connects_is_told_of_in_a_module_of_handlers(check, module, imported, before, after):
    module(f"""
from django.db.models.signals import post_save
{imported}

{before}
def unheard(sender, **kwargs):
    raise AssertionError
{after}
""")
    try:
        (told,) = check(["checked_handlers"])
    finally:
        post_save.disconnect(sender="foo.Article", dispatch_uid="checked")
    assert (told.id, "from consumers import receiver" in told.hint) == ("consumers.W003", True)
    assert "checked_handlers.unheard is no handler" in told.msg


@pytest.mark.parametrize(
    ("pattern", "rules", "is_told"),
    [
        ("db.post_save.foo.Article", [], True),
        ("db.post_save.foo.article", [], False),
        ("Foo.#", [{"signal": "tests.foo.signals.*", "routing_key": "Foo.{signal}"}], False),
    ],
)
def test_pattern_with_capitals_is_told_of_unless_a_rule_forms_keys(settings, module, pattern, rules, is_told):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": rules}
    registry._handlers.clear()
    subscribe(pattern)(lambda event: None)
    assert [message.id for message in check_handlers(None)] == (["consumers.W004"] if is_told else [])


def test_sender_that_is_no_label_is_told_of(module):
    registry._handlers.clear()
    receiver(post_save, sender="Article")(lambda sender, **kwargs: None)
    assert [message.id for message in check_handlers(None)] == ["consumers.W002"]


@pytest.mark.parametrize(
    ("signals", "more", "is_told"),
    [
        (post_delete, {}, True),
        ([post_save, pre_delete], {}, True),
        (post_delete, {"ask": True}, True),
        # Asked before the row goes.
        (pre_delete, {"ask": True}, False),
        (post_save, {}, False),
        (post_delete, {"instance": "sent"}, False),
    ],
)
def test_w007_when_a_handler_of_deletions_wants_the_row(module, signals, more, is_told):
    registry._handlers.clear()
    receiver(signals, **{"instance": "fresh", **more})(lambda sender, **kwargs: None)
    found = check_handlers(None)
    assert [message.id for message in found] == (["consumers.W007"] if is_told else [])
    assert all(message.hint for message in found)


@pytest.mark.parametrize(
    ("signal", "ordered", "rule", "is_told"),
    [
        (article_published, True, {}, True),
        (article_published, False, {}, False),
        (article_published, True, {"subject": "title"}, False),
        # Nobody knows what another service says of its events.
        (article_published, True, None, False),
        (post_save, True, {"signal": "django.db.models.signals.post_save"}, False),
    ],
)
def test_w006_when_the_events_of_an_ordered_handler_are_one_line(settings, module, signal, ordered, rule, is_told):
    forward = [] if rule is None else [{"signal": "tests.foo.signals.article_published", **rule}]
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": forward}
    registry._handlers.clear()
    receiver(signal, ordered=ordered)(lambda sender, **kwargs: None)
    found = check_handlers(None)
    assert [message.id for message in found] == (["consumers.W006"] if is_told else [])
    assert all("\"subject\": 'title'" in message.hint for message in found)
