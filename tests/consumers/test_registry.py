"""What the decorators leave behind."""

import importlib
from datetime import timedelta
from functools import partial, wraps

import pytest
from django.db.models.signals import post_delete, post_save
from msgspec.structs import replace

import consumers
from consumers import Backoff, module_runs, receiver, registry, subscribe
from consumers.bindings import keys_of
from consumers.exceptions import HandlerNameTaken
from consumers.handling.calling import Call
from consumers.registry import handlers
from consumers.testing import deliver
from tests.foo.models import Article, Tag


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", {})


def test_receiver_is_registered_and_still_a_function():
    @receiver(post_save, sender=Article)
    def handle(sender, **kwargs):
        return "called"

    (handler,) = handlers()
    assert handle(None) == "called"
    assert (handler.name, handler.function) == ("handle", handle)
    assert (handler.triggers, handler.patterns) == (((post_save, Article),), ())
    assert handler.path == f"{__name__}.{handle.__qualname__}"


@pytest.mark.parametrize("signals", [[post_save, post_delete], (post_save, post_delete)])
def test_receiver_takes_several_signals_as_djangos_does(signals):
    receiver(signals, sender="foo.Article", name="both")(lambda **kwargs: None)
    (handler,) = handlers()
    assert handler.name == "both"
    assert handler.triggers == ((post_save, "foo.Article"), (post_delete, "foo.Article"))


@pytest.mark.parametrize("of", [list, tuple])
def test_receiver_takes_several_senders(of):
    receiver([post_save, post_delete], sender=of([Article, "foo.Tag"]), name="both")(lambda **kwargs: None)
    (handler,) = handlers()
    assert keys_of(handler) == (
        "db.post_save.foo.article", "db.post_save.foo.tag", "db.post_delete.foo.article", "db.post_delete.foo.tag",
    )  # fmt: skip


@pytest.mark.parametrize("sender", [5, Article(), [], (), "", [None], [Article, None], [["foo.Tag"]], {"foo.Tag"}])
def test_receiver_is_refused_when_its_sender_is_neither_class_nor_label(sender):
    with pytest.raises(TypeError, match=r'a model, its label as "blog.Comment", a list of these, or None'):
        receiver(post_save, sender=sender)


def test_subscribe_takes_patterns():
    @subscribe("db.*.foo.article", "auth.#")
    def log(event):
        pass

    (handler,) = handlers()
    assert (handler.name, handler.patterns, handler.signals) == ("log", ("db.*.foo.article", "auth.#"), ())


@pytest.mark.parametrize(
    ("register", "function", "says"),
    [
        (receiver(post_save, name="h"), lambda sender, instance: None, r"\*\*kwargs"),
        (receiver(post_save, name="h"), lambda self, **kwargs: None, "is a method"),
        (subscribe("#", name="h"), lambda: None, "called with an event"),
        (subscribe("#", name="h"), lambda event, other: None, "called with an event"),
        (subscribe("#", name="h", batch=2), lambda first, second: None, "called with a list of events"),
    ],
)
def test_function_is_refused_when_it_cannot_be_called_as_handlers_are(register, function, says):
    with pytest.raises(TypeError, match=says):
        register(function)
    assert not handlers()


def with_client(function):
    @wraps(function)
    def call(*args, **kwargs):
        return function(*args, client="client", **kwargs)

    return call


def test_function_is_taken_when_a_decorator_gives_it_more():
    @subscribe("#")
    @with_client
    def log(event, client):
        return event, client

    assert handlers()[0].function("event") == ("event", "client")


def test_receiver_is_taken_when_a_decorator_takes_the_kwargs():
    def titled(function):
        @wraps(function)
        def call(instance, **kwargs):
            return function(instance.title)

        return call

    @receiver(post_save)
    @titled
    def index(title):
        return title

    assert handlers()[0].function(sender=Article, instance=Article(title="a"), event=None) == "a"


def test_decorator_takes_what_djangos_takes_when_a_receiver_is_moved():
    receiver(post_save, sender="blog.Comment", weak=False, dispatch_uid="uid")(lambda sender, **kwargs: None)
    assert [handler.triggers for handler in handlers()] == [((post_save, "blog.Comment"),)]


def test_handlers_are_in_the_order_they_were_registered():
    for name in "cab":
        subscribe("#", name=name)(lambda event: None)
    assert [handler.name for handler in handlers()] == ["c", "a", "b"]


def test_name_is_taken_when_two_functions_share_it():
    @subscribe("#")
    def handle(event):
        pass

    def other(event):
        pass

    with pytest.raises(HandlerNameTaken, match="both called 'handle'") as caught:
        subscribe("#", name="handle")(other)
    assert "handle" in str(caught.value)
    assert other.__qualname__ in str(caught.value)
    assert handlers()[0].function is handle


def test_name_is_taken_when_a_function_of_another_module_is_called_alike():
    def make(module):
        def handle(event):
            pass

        handle.__qualname__ = "handle"
        handle.__module__ = module
        return handle

    subscribe("a.#")(make("blog.consumers"))
    with pytest.raises(HandlerNameTaken):
        subscribe("b.#")(make("shop.consumers"))


def test_function_replaces_itself_when_its_module_runs_as_a_script():
    def make(module):
        def handle(event):
            pass

        handle.__qualname__ = "handle"
        handle.__module__ = module
        return handle

    subscribe("#")(make("blog.consumers"))
    subscribe("#")(main := make("__main__"))
    assert [handler.function for handler in handlers()] == [main]


@pytest.mark.parametrize(
    "limit", [{"soft_seconds": None}, {"soft_seconds": "9"}, {"hard_seconds": timedelta(9)}], ids=repr
)
def test_handler_is_refused_when_a_limit_is_no_number_of_seconds(limit):
    with pytest.raises(ValueError, match="limits are seconds"):
        subscribe("#", **limit)(lambda event: None)


@pytest.mark.parametrize("concurrency", [0, -1, True, 2.0, "2"], ids=repr)
def test_handler_is_refused_when_its_concurrency_is_no_number_of_calls(concurrency):
    with pytest.raises(ValueError, match="a number of calls at a time, from 1 on"):
        subscribe("#", concurrency=concurrency)(lambda event: None)


def test_ordered_handler_has_no_concurrency():
    with pytest.raises(ValueError, match="consume NAME --threads N"):
        subscribe("#", concurrency=2, ordered=True)(lambda event: None)


def test_handler_is_refused_when_its_retry_is_no_policy():
    with pytest.raises(TypeError, match="retry is a Backoff"):
        subscribe("#", retry=(1, 10))(lambda event: None)


@pytest.mark.parametrize(
    ("decorate", "told"),
    [
        (lambda: subscribe(print), "patterns are text"),
        (lambda: subscribe("a.#", None), "patterns are text"),
        (lambda: subscribe(), "names no pattern"),
        (lambda: receiver(print), "signals are django.dispatch.Signal"),
        (lambda: receiver("django.db.models.signals.post_save"), "signals are django.dispatch.Signal"),
        (lambda: receiver([]), "names no signal"),
        (lambda: receiver(post_save, batch=5), r"no option 'batch'\. Only @subscribe takes events in batches\.$"),
        (lambda: receiver(post_save, inboxes=False), r"@receiver has no option 'inboxes'\. Did you mean 'inbox'"),
        (lambda: receiver(post_save, senders="blog.Comment"), r"no option 'senders'\. Did you mean 'sender'"),
        (lambda: receiver(post_save, q=1), r"'q'\. There are: sender, instance, ask, .*, name, retry, inbox, "),
        (lambda: subscribe("#", batch_size=5), r"@subscribe has no option 'batch_size'\. Did you mean 'batch"),
        (lambda: subscribe("#", q=1), r"'q'\. There are: batch, batch_seconds, name, retry, "),
        (lambda: subscribe("#", sender="blog.Comment"), "no option 'sender'"),
    ],
    ids=range(13),
)
def test_decorator_is_refused_at_once_when_it_does_not_say_of_what(decorate, told):
    with pytest.raises(TypeError, match=told):
        decorate()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch": 40_000}, "batch is a number of events up to 32767"),
        ({"batch": -1}, "batch is a number of events up to 32767"),
        ({"batch": 2.5}, "batch is a number of events up to 32767"),
        ({"batch_seconds": "1"}, "batch_seconds a time to wait for them"),
    ],
    ids=str,
)
def test_batch_is_refused_when_it_is_more_than_can_be_taken_ahead(options, told):
    with pytest.raises(ValueError, match=told):
        subscribe("#", **options)(lambda event: None)


def test_pattern_is_refused_when_it_is_longer_than_a_key_can_be():
    with pytest.raises(ValueError, match="256 bytes"):
        subscribe("é" * 128)(lambda event: None)


@pytest.mark.parametrize("names", [("x", "x.dead"), ("x.dead", "x")], ids=str)
def test_name_is_taken_when_it_is_that_of_anothers_dead_letters(names):
    subscribe("#", name=names[0])(lambda event: None)
    with pytest.raises(HandlerNameTaken, match=r"'x.dead'.* dead letters"):
        subscribe("#", name=names[1])(lambda event: None)


def test_package_offers_what_a_handler_module_imports():
    assert set(consumers.__all__) >= {"Event", "Reject", "Retry", "receiver", "run", "subscribe"}
    assert all(hasattr(consumers, name) for name in consumers.__all__)


def test_second_function_of_a_name_in_one_file_does_not_take_the_place_of_the_first():
    @subscribe("a.#")
    def handle(event): ...

    with pytest.raises(HandlerNameTaken, match="both called 'handle'"):

        @subscribe("b.#")
        def handle(event): ...

    assert [handler.patterns for handler in handlers()] == [("a.#",)]


def test_decorators_over_each_other_are_one_handler_of_all_their_senders():
    @receiver(post_save, sender="foo.Article")
    @receiver(post_delete, sender="foo.Tag")
    def audit(sender, instance, **kwargs): ...

    (handler,) = handlers()
    assert handler.triggers == ((post_delete, "foo.Tag"), (post_save, "foo.Article"))
    assert keys_of(handler) == ("db.post_delete.foo.tag", "db.post_save.foo.article")


def test_function_that_is_registered_in_a_loop_is_one_handler_of_all_its_senders():
    def audit(sender, instance, **kwargs): ...

    for model in ("foo.Article", Tag, "foo.Article"):
        receiver(post_save, sender=model)(audit)
    (handler,) = handlers()
    assert keys_of(handler) == ("db.post_save.foo.article", "db.post_save.foo.tag")


def test_patterns_over_each_other_are_one_handler_of_all_of_them():
    @subscribe("auth.#", retry=Backoff(delays=()))
    @subscribe("db.#", "auth.#", retry=Backoff(delays=()))
    def log(event): ...

    assert [handler.patterns for handler in handlers()] == [("db.#", "auth.#")]


def test_method_of_one_object_is_one_handler_of_all_its_patterns():
    class Audit:
        def log(self, event): ...

    audit = Audit()
    subscribe("a.#")(audit.log)
    subscribe("b.#")(audit.log)
    assert [handler.patterns for handler in handlers()] == [("a.#", "b.#")]


@pytest.mark.django_db
def test_handler_of_several_senders_is_called_for_the_signals_of_each_and_no_others(forwarded):
    calls = []

    @receiver(post_save, sender="foo.Article")
    @receiver(post_delete, sender="foo.Tag")
    def audit(sender, instance, signal, **kwargs):
        calls.append((sender, signal))

    Article.objects.create(title="a")
    Tag.objects.create(name="t").delete()
    saved, _, deleted = (event for event in forwarded() if event.routing_key.startswith("db.post_"))
    assert [deliver(audit, event).became for event in (saved, deleted)] == ["handled", "handled"]
    assert calls == [(Article, post_save), (Tag, post_delete)]
    # A key may be shared: of a rule's, or of a signal that another handler has of this sender.
    assert not Call(handlers()[0]).takes(replace(deleted, data={**deleted.data, "sender": "foo.article"}))


@pytest.mark.parametrize(
    ("more", "told"),
    [({"ordered": True}, "not with the same ordered"), ({"retry": Backoff(delays=())}, "not with the same retry")],
    ids=str,
)
def test_name_is_taken_when_a_function_is_registered_twice_with_unlike_options(more, told):
    def log(event): ...

    subscribe("a.#")(log)
    with pytest.raises(HandlerNameTaken, match=rf"{told}.* name="):
        subscribe("b.#", **more)(log)
    assert [handler.patterns for handler in handlers()] == [("a.#",)]
    subscribe("b.#", name="other", **more)(log)
    assert len(handlers()) == 2


def test_name_is_taken_when_a_function_is_called_with_events_and_as_a_receiver():
    def log(event=None, **kwargs): ...

    subscribe("a.#")(log)
    with pytest.raises(HandlerNameTaken, match="not with the same decorator"):
        receiver(post_save)(log)


FACTORY = """
from tests.consumers.test_registry import to_task
from consumers import subscribe

subscribe("auth.#")(to_task(print))
subscribe("db.#")(to_task(repr))
"""


def run_module(text):
    exec(compile(text, "shop/consumers.py", "exec"), {"__name__": "shop.consumers"})


def test_name_is_taken_when_a_factory_makes_two_functions():
    with pytest.raises(HandlerNameTaken, match=r"Two functions .*to_task.*both called 'handle'.* name="):
        run_module(FACTORY)
    assert [handler.patterns for handler in handlers()] == [("auth.#",)]


def test_name_is_taken_when_a_factory_of_an_installed_app_makes_two_functions(tmp_path, monkeypatch):
    """Where test runners are, too."""
    monkeypatch.setattr(module_runs, "INSTALLED", (str(tmp_path),))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "installed_consumers.py").write_text(FACTORY)
    with pytest.raises(HandlerNameTaken):
        importlib.import_module("installed_consumers")


@pytest.mark.parametrize("pattern", ["a.#", "b.#"])
def test_function_replaces_itself_when_its_test_runs_again(pattern):
    for found in (pattern, "last.#"):

        @subscribe(found)
        def handle(event): ...

    assert [handler.patterns for handler in handlers()] == [("last.#",)]


BETWEEN = """
from functools import wraps
from consumers import subscribe

def logged(function):
    @wraps(function)
    def call(*args):
        return function(*args)
    return call

@subscribe("a.#")
@logged
@subscribe("b.#")
def handle(event): ...
"""


def test_name_is_taken_when_a_decorator_is_between_two_of_ours():
    with pytest.raises(HandlerNameTaken):
        run_module(BETWEEN)


MODULE = """
from tests.consumers.test_registry import library, to_task
from consumers import subscribe

@subscribe({pattern!r})
def handle(event): ...

subscribe({pattern!r}, name="made")(to_task(print))
subscribe({pattern!r}, name="theirs", ordered={is_ordered})(library)
"""


def library(event): ...


def to_task(task):
    def handle(event): ...

    return handle


@pytest.mark.parametrize("name", ["shop.consumers", "__main__"])
def test_module_replaces_what_it_registered_when_it_is_run_again(name):
    for module, pattern, is_ordered in (("shop.consumers", "a.#", False), (name, "b.#", True)):
        code = compile(MODULE.format(pattern=pattern, is_ordered=is_ordered), "shop/consumers.py", "exec")
        exec(code, {"__name__": module})
    found = [(handler.name, handler.patterns, handler.function.__module__) for handler in handlers()]
    assert found == [
        ("handle", ("b.#",), name),
        ("made", ("b.#",), __name__),
        ("theirs", ("b.#",), __name__),
    ]


class Audit:
    def __call__(self, event, **kwargs): ...


@pytest.mark.parametrize("function", [partial(library, 1), Audit(), "library", None], ids=lambda it: type(it).__name__)
@pytest.mark.parametrize(
    "register", [subscribe("#", name="h"), receiver(post_save, name="h")], ids=["subscribe", "receiver"]
)
def test_what_is_no_function_is_refused_with_what_to_write(register, function):
    with pytest.raises(TypeError, match=rf"not a {type(function).__name__}: write a `def` that calls it"):
        register(function)
    assert handlers() == ()


@pytest.mark.parametrize("name", [5, ("a",), None, b"a"], ids=repr)
def test_name_is_refused_when_it_is_no_text(name):
    with pytest.raises(TypeError, match="name is text"):
        subscribe("#", name=name)(library)
    assert handlers() == ()


async def async_yielding(event):
    yield event


def yielding(event, **kwargs):
    yield event


@pytest.mark.parametrize("function", [yielding, async_yielding])
@pytest.mark.parametrize("register", [subscribe("#"), receiver(post_save)], ids=["subscribe", "receiver"])
def test_generator_is_refused_for_nothing_of_it_would_run(register, function):
    with pytest.raises(TypeError, match="has a `yield`"):
        register(function)
    assert handlers() == ()
