"""Removes secrets from text that was written for people: error messages, reprs, a database's quotes of a row."""

import re
from typing import Any

from publisher.redaction import STARS, is_secret_text

# Longer words are cut before `is_secret_text` gets them, since it caches each.
NAME_CHARACTERS = 100
WORD = re.compile(r"[\w-]+")

# The possessive `++` and `*+` keep the time of these patterns linear, whatever the text.
# A name and what stands before its value: `password=`, `'token': `, `headers["Cookie"] = `, `(token)=`.
NAMED = re.compile(r"""(?<![\w-])(?P<name>[\w-]++)[\\"')\]]{0,4}+\s*+[=:]{1,2}+>?\s*+""")
# PostgreSQL's `Key (user_id, lower(token))=(1, x) already exists.` Its values are not quoted: they end with the line.
KEYED = re.compile(r"(?P<before>\bKey \((?P<name>(?:(?!\bKey \()[^=\n])*+)=)\((?:.*\)|.*)")
# What PostgreSQL says of a row that it refuses, and MySQL of a duplicate key: values without the columns' names.
ROW = re.compile(r"(?P<name>Failing row contains )\((?:.*?\)\.(?=\n|\\n|$)|.*)", re.DOTALL)
ENTRY = re.compile(r"(?P<name>Duplicate entry )'(?:.*?'(?= for key )|.*)", re.DOTALL)
SCHEME = re.compile(r"\b(?P<name>(?:[Bb]earer|Basic|Token|Digest)\s+)[\w.~+/=-]{6,}")
HEADER = re.compile(r"""(?P<name>(?:authorization|cookie)\s*+:\s*+)[^\r\n"']++""", re.IGNORECASE)
USERINFO = re.compile(r"(?P<name>://[^/\s:@]*:)[^/\s]+(?=@)")

# The pieces of a value. Quoted text is one piece, up to the end of the text if the closing quote was cut off.
PIECE = re.compile(
    r"""(?P<opening>[(\[{<])|(?P<closing>[)\]}>])|(?P<end>[\s,;&]+)"""
    r"""|(?P<quote>\\{0,3}["'])(?:(?!(?P=quote))(?:\\.|[^\\]))*+(?P=quote)?|[^\s,;&()\[\]{}<>"']+""",
    re.DOTALL,
)
CLOSED_BY = {"(": ")", "[": "]", "{": "}", "<": ">"}


def scrubbed(text: str) -> str:
    """The text with `***` for what it names as a password, a token or the like.

    >>> scrubbed("<Login user='ada' password='x'>")
    "<Login user='ada' password=***>"
    """
    text = _without(text, SCHEME, ROW, ENTRY)
    if "=" not in text and ":" not in text:
        return text
    return _without_values(KEYED.sub(_without_quoted, _without(text, HEADER, USERINFO)))


def scrubbed_all(plain: Any) -> Any:
    """Scrub all text in plain JSON: a setting may be `redis://:password@host`."""
    if isinstance(plain, str):
        return scrubbed(plain)
    if isinstance(plain, dict):
        return {key: scrubbed_all(item) for key, item in plain.items()}
    return [scrubbed_all(item) for item in plain] if isinstance(plain, list) else plain


def _without(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        text = pattern.sub(rf"\g<name>{STARS}", text)
    return text


def _without_quoted(found: re.Match[str]) -> str:
    """The replacement for a match of KEYED: the values are dropped if one of the columns is a secret."""
    return f"{found['before']}{STARS}" if _has_secret(found["name"]) else found[0]


def _without_values(text: str) -> str:
    """Drop each value that follows the name of a secret."""
    kept, at = [], 0
    for found in NAMED.finditer(text):
        if found.start() >= at and _has_secret(found["name"]):
            end = _end_of_value(text, found.end())
            kept += [text[at : found.end()], STARS if end > found.end() else ""]
            at = end
    return "".join((*kept, text[at:]))


def _has_secret(names: str) -> bool:
    return any(is_secret_text(word[-NAME_CHARACTERS:]) for word in WORD.findall(names))


def _end_of_value(text: str, start: int) -> int:
    """Where the value ends: at white space, a separator, a bracket that it did not open, or the end of the text."""
    open_until: list[str] = []
    for piece in PIECE.finditer(text, start):
        if piece.lastgroup == "opening":
            open_until.append(CLOSED_BY[piece[0]])
        elif open_until and piece[0] == open_until[-1]:
            open_until.pop()
        elif not open_until and piece.lastgroup in ("closing", "end"):
            return piece.start()
    return len(text)
