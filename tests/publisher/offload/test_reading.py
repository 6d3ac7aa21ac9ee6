"""What is told of a receiver from its source."""

import ast
import textwrap
from functools import partial

import pytest

from publisher.offload.reading import findings_in, findings_of
from tests.ids import plain


def read(source):
    return findings_in(ast.parse(textwrap.dedent(source)).body[0])


def body(*lines):
    return "\n".join(["def f(sender, instance, request, **kwargs):", *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["return"], ()),
        (["return None"], ()),
        (["pass"], ()),
        (["return instance"], (2,)),
        (["if instance:", "    return True", "return False"], (3, 4)),
        (["def inner():", "    return 1", "inner()"], ()),
        (["call(lambda: 1)"], ()),
    ],
)
def test_returns_when_it_returns_a_value_of_its_own(lines, found):
    assert read(body(*lines)).returns == found


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("old = sender.objects.get(pk=instance.pk)", True),
        ("old = type(instance)._default_manager.filter(pk=1)", True),
        ("instance.refresh_from_db()", True),
        ("def inner(): return sender.objects.get()", False),
        ("old = instance.title", False),
    ],
)
def test_looks_up_when_it_asks_the_database_for_rows(line, is_found):
    assert read(body(line)).looks_up == ((2,) if is_found else ())


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("old = instance._old", ("_old",)),
        ("old = getattr(instance, '_old', None)", ("_old",)),
        ("known = hasattr(instance, '_old') and kwargs['instance']._older", ("_old", "_older")),
        ("instance._new = 1", ()),
        ("old = instance.old", ()),
        ("old = other._old", ()),
        ("old = getattr(instance, name)", ()),
    ],
)
def test_private_are_the_attributes_that_rarely_are_fields(line, names):
    assert read(body(line)).private == names


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("instance.slug = 'x'", True),
        ("instance.count += 1", True),
        ("instance.a, b = 1, 2", True),
        ("instance.slug: str = 'x'", True),
        ("del instance.slug", True),
        ("setattr(instance, name, 1)", True),
        ("kwargs['instance'].slug = 'x'", True),
        ("obj = kwargs.get('instance'); obj.slug = 'x'", True),
        ("for instance.x in range(3): pass", True),
        ("slug = instance.slug", False),
        ("instance = None", False),
        ("other.slug = 'x'", False),
        ("instance.save()", False),
        ("obj = kwargs.get('other'); obj.slug = 'x'", False),
    ],
)
def test_mutates_when_it_writes_to_the_instance(line, is_found):
    assert read(body(line)).mutates == ((2,) if is_found else ())


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("request.session['a'] = 1", True),
        ("agent = request.META['HTTP_USER_AGENT']", True),
        ("request.user.email", True),
        ("messages.success(request, 'Saved')", True),
        ("log(request=request)", True),
        ("kwargs['request'].COOKIES", True),
        ("r = kwargs.pop('request', None); r.GET", True),
        ("request.path + request.method", False),
        ("request.headers['Host']", False),
        ("if request is None: pass", False),
        ("other.session", False),
    ],
)
def test_needs_the_request_when_it_asks_for_what_does_not_leave(line, is_found):
    assert read(body(line)).needs_request == ((2,) if is_found else ())


@pytest.mark.parametrize(
    ("line", "kwargs", "an_instance"),
    [
        ("audit(instance)", False, True),
        ("audit(model=instance, **kwargs)", True, True),
        ("Audit(**kwargs).run()", True, False),
        ("audit(kwargs)", True, False),
        ("audit(instance.pk, kwargs['using'])", False, False),
        ("log.info('saved %s', instance)", False, False),
        ("known = isinstance(instance, Article) and getattr(instance, 'title')", False, False),
        ("def inner(): audit(instance, **kwargs)", False, False),
    ],
)
def test_hands_on_what_another_function_gets(line, kwargs, an_instance):
    found = read(body(line))
    assert (bool(found.hands_on_kwargs), bool(found.hands_on_instance)) == (kwargs, an_instance)


def test_asynchronous_function_is_read_too():
    assert read("async def f(sender, **kwargs):\n    return 1").returns == (2,)


def test_parameters_are_those_asked_for_by_name():
    assert read("def f(sender, a, *, b=None, **kwargs): pass").parameters == ("sender", "a", "b")


class Counter:
    def __call__(self, sender, instance, **kwargs):
        instance.n = 1

    def count(self, sender, **kwargs):
        return 1


def returns_one(sender, **kwargs):
    return 1


@pytest.mark.parametrize("receiver", [Counter().count, returns_one, partial(returns_one, sender=None)])
def test_source_is_found_by_whatever_is_connected(receiver):
    (line,) = findings_of(receiver).returns
    assert "return 1" in __import__("linecache").getline(__file__, line)


def test_callable_instance_is_read_by_its_call():
    assert findings_of(Counter()).mutates


@pytest.mark.parametrize("receiver", [print, eval("lambda **kwargs: 1"), partial(print)], ids=plain)
def test_nothing_is_found_when_there_is_no_source(receiver):
    assert not any(findings_of(receiver))
