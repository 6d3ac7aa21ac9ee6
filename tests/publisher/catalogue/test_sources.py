"""Signals wherever they are defined, in modules that nobody has imported yet; and what they are sent with."""

import sys
import textwrap

import pytest
from django.dispatch import Signal

from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import KnownSignal, catalogue, matching, named
from publisher.catalogue.sources import defining_modules

FILES = {
    "__init__.py": "",
    "core/__init__.py": "from catalogued.core.hooks import Hooks\nfrom catalogued.core.loop import SIGNALS, plain\n",
    "core/hooks.py": """
        from django.dispatch import Signal as S
        class Hooks:
            closed = S()
            class Inner:
                opened = S()
            BY_NAME = {"deep": S()}
        alias = Hooks.closed
        """,
    "core/loop.py": """
        import django.dispatch
        from django.db.models.signals import ModelSignal
        SIGNALS = {}
        for name in ("made", "lost", "order.made", "order.line.made"):
            SIGNALS[name] = django.dispatch.Signal()
        NUMBERED = [django.dispatch.Signal()]
        class Bus:
            def __init__(self):
                self.ready = django.dispatch.Signal()
        bus = Bus()
        plain, second = django.dispatch.Signal(), ModelSignal()
        # Sent by nobody here.
        # Arguments: "comment", 'request'
        quoted = django.dispatch.Signal()
        # Arguments:
        # - sender: a class
        # - request: HttpRequest
        # - user: a User
        listed = django.dispatch.Signal()
        LOG = [("x", {"signal": django.dispatch.Signal()})]
        def late():
            global arrived
            arrived = django.dispatch.Signal()
            return arrived
        def send():
            SIGNALS["made"].send(sender=None, number=1)
            plain.send_robust(None, a=1, b=2)
            plain.send(sender=None, c=3, **{})
        """,
    "elsewhere/__init__.py": "",
    "elsewhere/traced.py": "from django.dispatch import Signal\nclass Traced(Signal):\n    pass\n",
    "elsewhere/views.py": """
        from catalogued.elsewhere.traced import Traced
        viewed = Traced()
        async def view(request):
            await viewed.asend(sender=None, request=request, path=request.path)
        """,
    "elsewhere/deep/er.py": "from django.dispatch import Signal\nmade: Signal = Signal()\n",
    "broken.py": "from django.dispatch import Signal\nx = Signal()\nraise RuntimeError('is not installed')\n",
    "quiet.py": "from django.dispatch import Signal\ndef make():\n    return Signal()\nraise AssertionError\n",
    "unparsable.py": "x = Signal(\n",
    "tests/__init__.py": "",
    "tests/signals.py": "from django.dispatch import Signal\nx = Signal()\nraise AssertionError('imported')\n",
    "core/test_it.py": "from django.dispatch import Signal\nx = Signal()\nraise AssertionError('imported')\n",
    "core/migrations/0001_initial.py": "from django.dispatch import Signal\nx = Signal()\nraise AssertionError\n",
}
FOUND = {
    "catalogued.core.hooks.Hooks.closed",
    "catalogued.core.hooks.Hooks.Inner.opened",
    "catalogued.core.hooks.Hooks.BY_NAME.deep",
    "catalogued.core.loop.SIGNALS.made",
    "catalogued.core.loop.SIGNALS.lost",
    "catalogued.core.loop.SIGNALS.order.made",
    "catalogued.core.loop.SIGNALS.order.line.made",
    "catalogued.core.loop.NUMBERED.0",
    "catalogued.core.loop.bus.ready",
    "catalogued.core.loop.plain",
    "catalogued.core.loop.quoted",
    "catalogued.core.loop.listed",
    "catalogued.core.loop.second",
    "catalogued.elsewhere.views.viewed",
    "catalogued.elsewhere.deep.er.made",
}


@pytest.fixture
def package(tmp_path, monkeypatch, settings):
    """A package with one installed app in it, `catalogued.core`."""
    for name, text in FILES.items():
        file = tmp_path / "catalogued" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "catalogued.core"]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "catalogued"]:
        del sys.modules[name]


def names():
    return {known.name for known in catalogue() if known.module.startswith("catalogued")}


def test_signals_are_found_wherever_the_package_defines_them(package):
    assert "catalogued.elsewhere.views" not in sys.modules
    assert names() == FOUND
    # Of a package below it alone, the same.
    found = {known.name for known in matching("catalogued.elsewhere.*")}
    assert found == {name for name in FOUND if name.startswith("catalogued.elsewhere.")}


@pytest.mark.parametrize("glob", ["catalogued.elsewhere.*", "catalogued.elsewhere.views.*", "catalogued.elsewhere.v*"])
def test_signals_are_found_by_a_glob_when_nobody_has_imported_their_module(package, glob):
    assert "catalogued.elsewhere" not in sys.modules
    assert "catalogued.elsewhere.views.viewed" in {known.name for known in matching(glob)}


def test_nothing_else_is_imported(package):
    catalogue()
    imported = {name for name in sys.modules if name.startswith("catalogued.")}
    assert not {
        name for name in imported if name.split(".")[-1] in ("quiet", "tests", "signals", "test_it", "unparsable")
    }


@pytest.mark.parametrize("name", sorted(FOUND))
def test_signal_is_found_by_its_name(package, name):
    known = named(name)
    assert known.name == name
    assert isinstance(known.signal, Signal)
    assert [each.signal for each in matching(name)] == [known.signal]


def test_signal_has_the_name_of_its_definition_when_it_is_found_by_another(package):
    assert named("catalogued.core.Hooks.closed").name == "catalogued.core.hooks.Hooks.closed"
    assert named("catalogued.core.hooks.alias").name == "catalogued.core.hooks.Hooks.closed"
    assert named("catalogued.core.SIGNALS.made").name == "catalogued.core.loop.SIGNALS.made"
    assert named("catalogued.core.plain").name == "catalogued.core.loop.plain"


@pytest.mark.parametrize(
    "name",
    ["broken.x", "core.loop.SIGNALS.none", "core.loop.NUMBERED.5", "core.loop.SIGNALS", "core.loop.SIGNALS.order"],
)
def test_nothing_is_found_when_there_is_nothing_or_it_cannot_be_imported(package, name):
    assert named(f"catalogued.{name}") is None


def test_words_of_keys_are_the_last_of_the_name(package):
    known = named("catalogued.core.loop.SIGNALS.made")
    assert (known.group, known.word) == ("core", "made")


def test_word_is_the_whole_key_of_a_dict_when_it_has_dots(package):
    found = {known.word for known in catalogue() if known.name.startswith("catalogued.core.loop.SIGNALS.")}
    assert found == {"made", "lost", "order_made", "order_line_made"}
    assert KnownSignal(signal=Signal(), module="no.such.module", attribute="A.b").word == "b"


def test_signal_is_found_when_it_is_made_late(package):
    catalogue()
    late = sys.modules["catalogued.core.loop"].late()
    assert {known.name: known.signal for known in catalogue()}["catalogued.core.loop.arrived"] is late


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("catalogued.core.loop.SIGNALS.made", ("number",)),
        ("catalogued.core.loop.plain", ("a", "b", "c", "**")),
        ("catalogued.elsewhere.views.viewed", ("request", "path")),
        ("catalogued.core.loop.quoted", ("comment", "request")),
        ("catalogued.core.loop.listed", ("request", "user")),
        ("catalogued.core.loop.bus.ready", ()),
        ("django.db.models.signals.post_save", ("instance", "created", "update_fields", "raw", "using")),
        ("django.db.models.signals.m2m_changed", ("action", "instance", "reverse", "model", "pk_set", "using")),
        ("django.core.signals.setting_changed", ("setting", "value", "enter")),
        ("django.contrib.auth.signals.user_login_failed", ("credentials", "request")),
        ("tests.foo.signals.article_published", ("title",)),
    ],
)
def test_what_a_signal_is_sent_with_is_told_where_the_source_tells(package, name, kwargs):
    assert set(sent_kwargs(named(name))) >= set(kwargs)
    assert bool(kwargs) == bool(sent_kwargs(named(name)))


def test_sources_are_not_read_for_packages_that_are_no_app(package):
    assert defining_modules("pika") == ()
