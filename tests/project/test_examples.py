"""The example handlers: called with real rows and a real server, and found by a real consumer in test_demo."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import requests
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save

from consumers.examples.spam_check import check_spam
from consumers.examples.update_status import update_status
from consumers.testing import assert_idempotent, deliver, event_from
from project.blog.models import Comment
from project.timeline.models import Status

EXAMPLES = ("spam_check", "update_status", "audit_log")


def comment_on(post, text, **fields):
    return Comment.objects.create(post=post, name="Otto", text=text, **fields)


def check(comment, *, created=True):
    event = event_from(post_save, Comment, instance=comment, created=created)
    deliver(check_spam, event)
    comment.refresh_from_db()
    return comment.status


def test_check_spam_publishes_a_comment(post):
    assert check(comment_on(post, "What about rain?")) == "published"


def test_check_spam_marks_spam_with_its_reasons(post):
    comment = comment_on(post, "Click here for our casino")
    assert check(comment) == "spam"
    assert comment.verdict == "'casino', 'click here'"


def test_check_spam_leaves_alone_what_is_not_new(post):
    assert check(comment_on(post, "What about rain?"), created=False) == "pending"


def test_check_spam_leaves_alone_what_a_moderator_decided_meanwhile(post):
    comment = comment_on(post, "What about rain?")
    Comment.objects.filter(pk=comment.pk).update(status="spam")
    assert check(comment) == "spam"


def test_check_spam_takes_a_comment_that_was_deleted_meanwhile(post):
    comment = comment_on(post, "What about rain?")
    event = event_from(post_save, Comment, instance=comment, created=True)
    comment.delete()
    assert deliver(check_spam, event).became == "handled"


def test_check_spam_rejects_what_it_cannot_judge_until_a_moderator_has_decided(post):
    comment = comment_on(post, "\N{HEDGEHOG} !!!")
    event = event_from(post_save, Comment, instance=comment, created=True)
    assert (deliver(check_spam, event).reason, deliver(check_spam, event).became) == ("rejected", "dead")
    Comment.objects.filter(pk=comment.pk).update(status="published")
    assert deliver(check_spam, event).became == "handled"


def test_check_spam_is_idempotent(post):
    comments = [comment_on(post, text) for text in ("What about rain?", "Click here for our casino")]
    events = [event_from(post_save, Comment, instance=comment, created=True) for comment in comments]
    assert_idempotent(check_spam, *events)


@pytest.fixture
def log_in(live_server, settings):
    settings.MASTODON_URL = f"{live_server.url}/"

    def log_in(event_id):
        update_status(sender=User, user=User(username="ada"), event=SimpleNamespace(id=event_id))

    return log_in


def test_update_status_posts_once_for_one_event(log_in):
    log_in("e1")
    log_in("e1")
    log_in("e2")
    assert [status.idempotency_key for status in Status.objects.order_by("pk")] == ["e1", "e2"]
    assert Status.objects.first().text == "ada is back on the blog."


def test_update_status_fails_when_the_server_refuses(log_in):
    with pytest.raises(requests.HTTPError, match="422"):
        log_in("a key longer than any that the server takes" * 10)


@pytest.mark.parametrize("name", ["MASTODON_URL", "MASTODON_TOKEN"])
def test_update_status_names_the_setting_that_is_missing(log_in, settings, name):
    delattr(settings, name)
    with pytest.raises(ImproperlyConfigured, match=name):
        log_in("e1")


def test_examples_can_be_imported_before_django_is_set_up():
    imports = "; ".join(f"import consumers.examples.{name}" for name in EXAMPLES)
    subprocess.run(
        [sys.executable, "-W", "error", "-c", imports],
        env={},
        check=True,
        capture_output=True,
        timeout=60,
    )
