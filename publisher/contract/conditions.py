"""Tells when and by whom the events of a signal are sent on a channel, under all rules that send them there."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

Terms = Mapping[str, Any]


class Condition(NamedTuple):
    """Events are sent if one of the predicates in `whens` is true, or always if it is empty.

    `unless` has predicates of earlier rules: events for which one is true are sent elsewhere.
    """

    whens: frozenset[str]
    unless: frozenset[str]

    def __str__(self) -> str:
        """
        >>> print(Condition(frozenset(("shop.is_vip",)), frozenset()), Condition(frozenset(), frozenset()), sep="; ")
        when shop.is_vip; always
        """
        whens, unless = (" or ".join(sorted(paths)) for paths in self)
        words = [*([f"when {whens}"] if whens else []), *([f"unless {unless}"] if unless else [])]
        return ", ".join(words) or "always"

    def leaves_out_what(self, other: "Condition") -> bool:
        """Whether this condition may leave out events that the other one did not."""
        is_stricter = bool(self.whens) and (not other.whens or bool(other.whens - self.whens))
        return is_stricter or bool(self.unless - other.unless)


class Senders(NamedTuple):
    """Globs over labels of senders, without those of `excluded`. No `globs` means all senders.

    One of `excluded` may itself be without some senders: `crm.* (not crm.lead)`.
    """

    globs: frozenset[str]
    excluded: frozenset[str]

    def __str__(self) -> str:
        """
        >>> print(Senders(frozenset(("foo.*",)), frozenset(("foo.a", "foo.b"))))
        by foo.* but foo.a, foo.b
        """
        globs, excluded = (", ".join(sorted(globs)) for globs in self)
        return f"by {globs or 'all'}" + (f" but {excluded}" if excluded else "")

    def leaves_out_what(self, other: "Senders") -> bool:
        """Whether these senders may lack some that the other ones included."""
        is_narrower = bool(self.globs) and not _cover(self.globs, other.globs or ("*",))
        return is_narrower or not _cover(other.excluded, self.excluded)


def condition_of(messages: Iterable[Terms]) -> Condition:
    """The condition of all these messages together. One without `x-when` takes all events."""
    always = [terms for terms in messages if "x-when" not in terms]
    whens = frozenset() if always else frozenset(terms["x-when"] for terms in messages)
    unless = (terms.get("x-unless", ()) for terms in always or messages)
    return Condition(whens, frozenset().union(*unless))


def senders_of(messages: Iterable[Terms]) -> Senders:
    """The senders of all these messages together. One without `x-senders` has all senders."""
    anyones = [terms for terms in messages if "x-senders" not in terms]
    globs = (terms.get("x-senders", ()) for terms in (() if anyones else messages))
    excluded = (terms.get("x-exclude", ()) for terms in anyones or messages)
    return Senders(frozenset().union(*globs), frozenset().union(*excluded))


def _cover(globs: Iterable[str], others: Iterable[str]) -> bool:
    """Whether the globs match all that the others match. The others are compared as if they were labels."""
    return all(any(_covers(glob, other) for glob in globs) for other in others)


def _covers(glob: str, other: str) -> bool:
    """What a glob with `(not ...)` matches is not known, except that it matches the same as itself."""
    return glob == other or (" (not " not in glob and fnmatchcase(other, glob))
