"""The play: processes start, visitors come, reactions arrive, and the numbers are added up."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO

from django.conf import settings
from django.core.management import call_command

from project.blog.models import Comment, Post
from project.demo.crew import Crew, environment_of_children
from project.demo.interruption import Interruption
from project.demo.lines import Answered, Audited, Dead, Failed, Handled, Subscribed, said
from project.demo.report import Report
from project.demo.stage import HOST, free_port, prepare_database
from project.demo.tally import Summary, Tally, misjudged, missing, unhandled
from project.demo.visitors import Visitor, is_answering, visit
from project.timeline.models import Status

START_SECONDS = 30.0
FINISH_SECONDS = 30.0
POLL_SECONDS = 0.05
TOKEN = "demo-token"
READY = {"consuming", "answering"}
# The timeline answers 503, once, when this visitor logs in.
BUSY_FOR = "grace"


class NotStarted(Exception):
    """The site did not answer, or the consumers did not subscribe, in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    summary: Summary
    missing: list[str]


class Play:
    """One run of the demo. Use `crew` as a context manager around it: leaving it ends the processes."""

    def __init__(self, report: Report, interruption: Interruption, port: int | None) -> None:
        backlog = prepare_database()
        self._report = report
        self._interruption = interruption
        self._tally = Tally(started_ms=time.time_ns() // 1_000_000, backlog=backlog)
        self._port = free_port(port)
        self._subjects: dict[str, str] = {}
        self._unexplained: dict[str, list[Handled]] = defaultdict(list)
        self._subscribed: set[str] = set()
        self.crew = Crew(
            environment_of_children(
                MASTODON_URL=self.site_url, MASTODON_TOKEN=TOKEN, TIMELINE_BUSY_FOR=BUSY_FOR,
                NO_PROXY=HOST, no_proxy=HOST,
            )
        )  # fmt: skip

    @property
    def site_url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        self.crew.start("site", "runserver", "--noreload", "--skip-checks", f"{HOST}:{self._port}")
        self.crew.start("relay", "relay")
        self.crew.start("consumers", "consume")
        if not self._hear_until(self._is_ready, START_SECONDS):
            raise NotStarted(NotStarted.__doc__)
        self._report.addresses(
            {
                "Site": f"{self.site_url}/",
                "Timeline": f"{self.site_url}/timeline/",
                "Admin": f"{self.site_url}/admin/",
                "Console": settings.SIGNAL_BRIDGE_CONSOLE_URL,
            }
        )

    def _is_ready(self) -> bool:
        return self._subscribed == READY and is_answering(self.site_url)

    def perform(self, visitors: list[Visitor]) -> Outcome:
        """Let the visitors in, and wait for the reactions to all that they did."""
        began = time.monotonic()
        posts = {post.title: post.get_absolute_url() for post in Post.objects.all()}
        for deed in visit(self.site_url, visitors, posts):
            self._tally.add_deed(deed)
            self._report.deed(deed)
            self._hear_until(lambda: True, 0)
        self._hear_until(self._tally.is_settled, FINISH_SECONDS)
        for dead in self._tally.dead:
            self._mend(dead)
        self._hear_until(lambda: not unhandled(self._tally.summary(0)), FINISH_SECONDS)
        seconds = time.monotonic() - began
        self._ask_relay()
        summary = self._tally.summary(seconds)
        return Outcome(summary=summary, missing=[*missing(summary), *self._misjudged()])

    def stay(self) -> None:
        """Show what happens on the site, until asked to end: raises Interrupted then."""
        self.crew.start("relay", "relay")
        self._hear_until(lambda: False, float("inf"))

    def _mend(self, dead: Dead) -> None:
        """Act as a moderator: publish the comment that the spam check could not judge, and replay the dead letter."""
        comment = comment_of(self._subjects.get(dead.event, ""))
        if comment is None:
            return
        Comment.objects.filter(pk=comment.pk).update(status=Comment.Status.PUBLISHED)
        self._report.step(f"A moderator publishes what {comment.name} wrote, and replays the dead letter:")
        self._report.step(f"$ manage.py deadletters replay {dead.event}")
        said = StringIO()
        call_command("deadletters", "replay", dead.event, "--handler", dead.handler, stdout=said)
        self._report.step(said.getvalue().strip())

    def _ask_relay(self) -> None:
        # The relay says how much the broker confirmed when it ends; what comes meanwhile waits in the outbox.
        self.crew.end("relay")
        self._hear_until(lambda: True, 0)

    def _misjudged(self) -> list[str]:
        commented = [deed.comment for deed in self._tally.deeds if deed.comment is not None]
        judged = dict(Comment.objects.filter(pk__in=commented).values_list("pk", "status"))
        return misjudged(self._tally.deeds, judged)

    def _hear_until(self, is_done: Callable[[], bool], timeout_seconds: float) -> bool:
        """Read the lines of the processes until `is_done`. False if that took too long."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._interruption.check()
            line = self.crew.next_line(min(POLL_SECONDS, timeout_seconds))
            if line is not None and line.text is not None:
                self._hear(line.text)
            elif is_done():
                return True
            elif time.monotonic() > deadline:
                return False

    def _hear(self, text: str) -> None:
        what = said(text)
        if what is None or not self._tally.add(what):
            return
        match what:
            case Subscribed():
                self._subscribed.add(what.kind)
            case Answered():
                self._report.answered(what)
            case Audited():
                self._subjects[what.event] = what.subject
                for handled in self._unexplained.pop(what.event, []):
                    self._show(handled)
            case Handled() if what.event in self._subjects:
                self._show(what)
            case Handled():
                self._unexplained[what.event].append(what)
            case Failed():
                self._report.failed(what)
            case Dead():
                self._report.dead(what)

    def _show(self, handled: Handled) -> None:
        result = outcome(handled, self._subjects[handled.event])
        self._report.reaction(handled, result, self._tally.troubles(handled))


def comment_of(subject: str) -> Comment | None:
    label, _, pk = subject.partition("/")
    return Comment.objects.filter(pk=pk).first() if label == "blog.comment" else None


def outcome(handled: Handled, subject: str) -> str:
    """What the handler wrote to the database, for people."""
    if handled.handler == "check_spam":
        comment = comment_of(subject)
        return f"comment by {comment.name}: {comment.status}" if comment else "comment: gone"
    if handled.handler == "update_status":
        status = Status.objects.filter(idempotency_key=handled.event).first()
        return f"timeline: {status.text}" if status else "timeline: nothing"
    return handled.key
