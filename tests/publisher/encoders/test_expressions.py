"""Expressions as text: no queryset in one is run, and nothing is shown of what is compared with a secret."""

import json

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Concat, Lower
from django.db.models.lookups import Exact, GreaterThan, In

from publisher.encoders.expressions import MOST_CHARACTERS
from tests.foo.models import Article
from tests.kinds.models import Code
from tests.publisher.encoders.travel import sent, travelled

pytestmark = pytest.mark.django_db

SECRET = "planted-secret"
ROWS = Article.objects.filter(pk=1)
KEYS = ROWS.values("pk")[:1]


class Rude(Func):
    """Of a package that nobody expected."""

    def __repr__(self):
        return f"Rude({len(Article.objects.all())})"


CASES = [
    (F("a__b") - 1, "F(a__b) - Value(1)"),
    (Q(pk__in=ROWS) & ~Q(a=1, b=None), "(AND: ('pk__in', QuerySet(foo.article)), (NOT (AND: ('a', 1), ('b', None))))"),
    (Q(pk__in=[1, "x"], author=User(pk=7)), "(AND: ('author', auth.user/7), ('pk__in', [1, 'x']))"),
    (Q(session=Session(session_key=SECRET)), "(AND: ('session', sessions.session))"),
    (Q(Exists(ROWS)), "(AND: Exists(QuerySet(foo.article)))"),
    (~Exists(ROWS), "NegatedExpression(Exists(QuerySet(foo.article)))"),
    (Subquery(KEYS), "Subquery(QuerySet(foo.article))"),
    (F("a") + Subquery(KEYS), "F(a) + Subquery(QuerySet(foo.article))"),
    (OuterRef("pk"), "OuterRef(pk)"),
    (Coalesce(Subquery(KEYS), 0), "Coalesce(Subquery(QuerySet(foo.article)), Value(0))"),
    (Concat("a", Value("!")), "Concat(ConcatPair(F(a), Value('!')))"),
    (Count("a", filter=Q(pk__in=ROWS)), "Count(F(a), filter=(AND: ('pk__in', QuerySet(foo.article))))"),
    (
        Case(When(pk__in=ROWS, then=Value("x")), default=F("y")),
        "CASE WHEN <Q: (AND: ('pk__in', QuerySet(foo.article)))> THEN Value('x'), ELSE F(y)",
    ),
    (
        ExpressionWrapper(Q(pk__in=ROWS), output_field=BooleanField()),
        "ExpressionWrapper((AND: ('pk__in', QuerySet(foo.article))))",
    ),
    (In(F("a"), ROWS), "In(F(a), QuerySet(foo.article))"),
    (GreaterThan(F("a"), 5), "GreaterThan(F(a), Value(5))"),
    (Value(ROWS), "Value(QuerySet(foo.article))"),
    (Value(object()), "Value(<object>)"),
    (ROWS.query, "QuerySet(foo.article)"),
]


@pytest.mark.parametrize(("expression", "text"), CASES, ids=[type(case).__name__ for case, _ in CASES])
def test_expression_is_text_and_runs_nothing(django_assert_num_queries, expression, text):
    with django_assert_num_queries(0):
        assert sent(expression) == (text, {"": "expression"})
        assert travelled(expression) == text
    assert ROWS._result_cache is None


def test_expression_is_what_it_was_when_it_was_told_of():
    expression = Case(When(Q(pk__in=ROWS), then=Value(1)), default=F("n")) + Subquery(KEYS)
    sent(expression)
    assert expression.lhs.cases[0].condition.children == [("pk__in", ROWS)]
    assert expression.rhs.query.model is Article


@pytest.mark.parametrize(
    "expression",
    [
        Q(password=SECRET),
        Exact(F("password"), Value(SECRET)),
        Q(Exact(Lower(F("password")), Value(SECRET))),
        Concat(F("user__api_key"), Value(SECRET)),
        Exact(Value(SECRET), F("password")),
        Q(user__password__in=[SECRET]) | Q(a=1),
        Case(When(api_key=SECRET, then=Value(1))),
        RawSQL(f"password = '{SECRET}'", []),
    ],
    ids=range(8),
)
def test_what_is_compared_with_a_secret_stays(expression):
    text = sent(expression)[0]
    assert ("***" in text, SECRET in text) == (True, False)


def test_what_is_compared_with_a_redacted_name_stays():
    assert travelled(Q(user__email=SECRET), redact=(("email", "mask"),)) == "(AND: ('user__email', ***))"


def test_text_is_cut_when_it_is_long():
    assert len(sent(Q(pk__in=list(range(5000))))[0]) == MOST_CHARACTERS


def test_nothing_is_run_for_expressions_wherever_they_are(django_assert_num_queries):
    with django_assert_num_queries(0):
        text = json.dumps(
            sent({"filters": [Q(pk__in=ROWS)], "values": {"n": F("n") + Subquery(KEYS)}, "rows": ROWS})[0]
        )
    assert text.count("QuerySet(foo.article)") == 2


def test_query_of_a_repr_is_refused_and_the_transaction_goes_on():
    page = Paginator(Code.objects.order_by("pk"), 10).get_page(1)
    del page.paginator.count, page.paginator.num_pages
    with transaction.atomic():
        assert travelled(page, strict=False)["repr"] == "<repr raised Unasked>"
        assert travelled(Rude("a")) == "Rude()"
        assert (str(page), repr(Rude("a"))) == ("<Page 1 of 1>", "Rude(0)")
