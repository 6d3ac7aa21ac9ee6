"""Visitors: people from a data file who use the site over HTTP, as a browser would."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import requests

from project.blog.seed import PASSWORD

SOURCE = Path(__file__).with_name("visitors.json")
TIMEOUT_SECONDS = 20
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class VisitFailed(Exception):
    """The site did not answer as a visitor expects; look at the site's log."""


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that a visitor does: one of `comment` (a post's title), `flag` (a reason) and `logout`."""

    comment: str = ""
    text: str = ""
    expected: Literal["published", "spam", "refused", ""] = msgspec.field(name="as", default="")
    flag: str = ""
    logout: bool = False


class Visitor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    acts: list[Act]
    login: str = ""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor did. `comment` is a key, `expected` the right judgement; what was refused left nothing behind."""

    visitor: str
    kind: Literal["comment", "refused", "flag", "login", "logout"]
    about: str = ""
    comment: int | None = None
    expected: str = ""


def load_visitors() -> list[Visitor]:
    return msgspec.json.decode(SOURCE.read_bytes(), type=list[Visitor])


def local_session() -> requests.Session:
    """A session that no proxy of the environment comes between: proxies do not know this machine's loopback."""
    session = requests.Session()
    session.trust_env = False
    return session


def is_answering(base_url: str) -> bool:
    with local_session() as session:
        try:
            return session.get(f"{base_url}/healthz", timeout=1).ok
        except requests.RequestException:
            return False


def visit(base_url: str, visitors: Iterable[Visitor], posts: dict[str, str]) -> Iterator[Deed]:
    """Send the visitors one after the other. `posts` gives the path of a post by its title."""
    for visitor in visitors:
        with local_session() as session:
            yield from _Browser(base_url, session, posts).live(visitor)


class _Browser:
    """One visitor's browser: its cookies, and where it last was."""

    def __init__(self, base_url: str, session: requests.Session, posts: dict[str, str]) -> None:
        self._base_url = base_url
        self._session = session
        self._posts = posts
        self._last_comment: int | None = None

    def live(self, visitor: Visitor) -> Iterator[Deed]:
        if visitor.login:
            self._submit("/login/", "/login/", username=visitor.login, password=PASSWORD)
            yield Deed(visitor=visitor.name, kind="login", about=visitor.login)
        for act in visitor.acts:
            yield self._act(visitor, act)

    def _act(self, visitor: Visitor, act: Act) -> Deed:
        if act.comment:
            return self._comment(visitor, act)
        if act.flag:
            page = next(iter(self._posts.values()))
            self._submit(page, f"/comments/{self._last_comment}/flag/", reason=act.flag)
            return Deed(visitor=visitor.name, kind="flag", about=act.flag, comment=self._last_comment)
        self._submit("/", "/logout/")
        return Deed(visitor=visitor.name, kind="logout")

    def _comment(self, visitor: Visitor, act: Act) -> Deed:
        page = self._posts[act.comment]
        if act.expected == "refused":
            self._submit(page, page, expected_status=200, name=visitor.name, text=act.text)
            return Deed(visitor=visitor.name, kind="refused", about=act.comment)
        location = self._submit(page, page, name=visitor.name, text=act.text)
        anchor = urlsplit(location).fragment
        if not anchor.startswith("comment-"):
            raise VisitFailed(f"{visitor.name}'s comment led to {location}, which names no comment.")
        self._last_comment = int(anchor.removeprefix("comment-"))
        return Deed(
            visitor=visitor.name,
            kind="comment",
            about=act.comment,
            comment=self._last_comment,
            expected=act.expected,
        )

    def _submit(self, page: str, action: str, expected_status: int = 302, **fields: str) -> str:
        """Open a page, send a form with its token, and return where the site redirects to, if it does."""
        opened = self._session.get(self._base_url + page, timeout=TIMEOUT_SECONDS)
        token = TOKEN.search(opened.text)
        if not opened.ok or token is None:
            raise VisitFailed(f"GET {page} answered {opened.status_code} without a form.")
        answer = self._session.post(
            self._base_url + action,
            data={**fields, "csrfmiddlewaretoken": token[1]},
            headers={"Referer": self._base_url + page},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
        if answer.status_code != expected_status:
            raise VisitFailed(f"POST {action} answered {answer.status_code} instead of {expected_status}.")
        return answer.headers.get("Location", "")
