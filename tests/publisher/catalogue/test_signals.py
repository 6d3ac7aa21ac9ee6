"""Every signal there is, each named once."""

import sys
from fnmatch import fnmatchcase
from types import ModuleType

import django
import pytest
from django.core.signals import setting_changed
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils.functional import LazyObject, SimpleLazyObject

from publisher.catalogue.signals import catalogue, group_of, known_as, matching, named, one_look
from tests.foo import signals
from tests.foo.signals import Hooks, user_login

TASKS = {f"django.tasks.signals.task_{word}" for word in ("enqueued", "started", "finished")}
BUILT_IN = {
    *(
        f"django.db.models.signals.{name}"
        for name in (
            "class_prepared", "pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete",
            "m2m_changed", "pre_migrate", "post_migrate",
        )
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
}  # fmt: skip


def names():
    return [known.name for known in catalogue()]


def test_catalogue_has_all_of_djangos_signals():
    expected = BUILT_IN | TASKS if django.VERSION >= (6, 0) else BUILT_IN
    assert len(expected) == (24 if django.VERSION >= (6, 0) else 21)
    assert {name for name in names() if name.startswith("django.")} == expected


def test_catalogue_has_custom_signals_and_class_attributes():
    custom = {name for name in names() if name.startswith("tests.foo.")}
    assert custom == {
        "tests.foo.signals.user_login",
        "tests.foo.signals.article_published",
        "tests.foo.signals.article_flagged",
        "tests.foo.signals.Hooks.closed",
    }


def test_catalogue_names_each_signal_once_and_each_name_once():
    known = catalogue()
    assert len({id(each.signal) for each in known}) == len(known) == len({each.name for each in known})


def test_djangos_come_first_and_then_by_name():
    found = names()
    count = sum(name.startswith("django.") for name in found)
    assert found == [*sorted(found[:count]), *sorted(found[count:])]


def test_alias_is_the_same_signal_when_a_module_imports_it(monkeypatch):
    module = ModuleType("aaa_aliases")
    module.__dict__.update(user_login=user_login, renamed=post_save, Again=Hooks)
    monkeypatch.setitem(sys.modules, "aaa_aliases", module)
    assert not [name for name in names() if name.startswith("aaa_")]
    assert named("aaa_aliases.renamed").name == "django.db.models.signals.post_save"


def test_alias_is_named_by_its_definition():
    assert named("django.test.signals.setting_changed").signal is setting_changed
    assert named("django.test.signals.setting_changed").name == "django.core.signals.setting_changed"
    assert named("tests.foo.models.article_published").name == "tests.foo.signals.article_published"


@pytest.mark.parametrize(
    ("path", "group", "word"),
    [
        ("django.db.models.signals.post_save", "db", "post_save"),
        ("django.db.backends.signals.connection_created", "db", "connection_created"),
        ("django.contrib.auth.signals.user_logged_in", "auth", "user_logged_in"),
        ("django.core.signals.request_finished", "core", "request_finished"),
        ("django.test.signals.template_rendered", "test", "template_rendered"),
        ("django.utils.autoreload.file_changed", "utils", "file_changed"),
        ("tests.foo.signals.user_login", "foo", "user_login"),
        ("tests.foo.signals.Hooks.closed", "foo", "closed"),
    ],
)
def test_signal_at_a_path_has_group_and_word(path, group, word):
    known = named(path)
    assert (known.name, known.group, known.word) == (path, group, word)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        ".",
        "..",
        "no.such.module",
        "tests.foo.signals",
        "tests.foo.signals.nothing",
        "tests.foo.signals.Hooks",
        "tests.foo.signals.Hooks.closed.more",
        "tests.foo.models.Article",
        "django.db.models.signals.post_sav",
        "os.path",
    ],
)
def test_nothing_is_found_when_the_path_is_no_signal(path):
    assert named(path) is None
    assert matching(path) == ()


def connect(*args):
    raise OSError("the server that it stands for is away")


class Lazy(LazyObject):
    __module__ = "tests.foo.signals"
    _setup = connect


@pytest.mark.parametrize("lazy", [lambda: SimpleLazyObject(connect), Lazy], ids=["simple", "own"])
def test_lazy_objects_are_not_made_to_look_for_signals(lazy, monkeypatch):
    monkeypatch.setattr(signals, "cache", lazy(), raising=False)
    assert "tests.foo.signals.user_login" in {known.name for known in catalogue()}


@pytest.mark.parametrize("signal", [post_save, user_login, Hooks.closed], ids=["django", "app", "class"])
def test_signal_is_known_without_a_look_through_all_modules_where_most_are(signal, monkeypatch):
    name = next(known.name for known in catalogue() if known.signal is signal)
    monkeypatch.setattr("publisher.catalogue.signals._settled", {})
    monkeypatch.setattr("publisher.catalogue.signals.catalogue", None)
    assert known_as(signal).name == name


def test_glob_means_all_that_it_matches():
    assert {known.name for known in matching("tests.foo.signals.article_*")} == {
        "tests.foo.signals.article_published",
        "tests.foo.signals.article_flagged",
    }
    assert len(matching("*")) == len(catalogue())
    assert matching("nothing.*") == ()


def test_glob_is_searched_for_once_in_one_look_and_anew_after_it(monkeypatch):
    searched = []
    monkeypatch.setattr("publisher.catalogue.signals.catalogue", lambda package="": searched.append(package) or ())
    with one_look():
        assert [matching("*.post_save") for _ in range(3)] == [()] * 3
    assert len(searched) == 1
    matching("*.post_save")
    assert len(searched) == 2


def test_signal_made_later_is_found_when_its_module_is_loaded(monkeypatch):
    module = ModuleType("late_signals")
    module.arrived = Signal()
    monkeypatch.setitem(sys.modules, "late_signals", module)
    assert "late_signals.arrived" in names()


@pytest.mark.parametrize(
    "pattern",
    ["*", "django.*", "django.contrib.auth.signals.*", "django.contrib.auth.*logged*", "tests.foo.signals.Hooks.*",
     "tests.foo.sig*", "nowhere.at.all.*", "django.core.signals.request_[sf]*", "*.post_save"],
)  # fmt: skip
def test_glob_means_what_the_whole_catalogue_has(pattern):
    """Though no more of it is read than the package that the pattern begins with."""
    assert matching_names(pattern) == [known.name for known in catalogue() if fnmatchcase(known.name, pattern)]


def matching_names(pattern):
    return [known.name for known in matching(pattern)]


def test_signal_is_not_named_by_a_package_that_imports_it():
    assert "django.contrib.auth.models.user_logged_in" not in matching_names("django.contrib.auth.models.*")


@pytest.mark.parametrize(
    ("module", "label", "group"),
    [
        ("django.db.models.signals", None, "db"),
        ("django.db.backends.signals", None, "db"),
        ("django.core.signals", None, "core"),
        ("django.contrib.auth.signals", "auth", "auth"),
        ("django.tasks.signals", None, "tasks"),
        ("django.test.signals", None, "test"),
        ("blog.signals", "blog", "blog"),
        ("company.blog.signals", "Blog", "blog"),
        ("allauth.account.signals", None, "allauth"),
        ("django", None, "django"),
    ],
)
def test_group_is_djangos_part_or_the_app(module, label, group):
    assert group_of(module, label) == group
