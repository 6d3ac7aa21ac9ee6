import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from project import settings as demo
from project.blog.consumers import may_be_posted
from project.blog.models import Comment
from project.blog.signals import comment_flagged, comment_will_be_posted

pytestmark = [pytest.mark.django_db, pytest.mark.urls("project.urls")]


def comment_on(post, **fields):
    return Comment.objects.create(post=post, name="Otto", **{"text": "What about rain?", **fields})


def test_posts_counts_published_comments(client, post):
    comment_on(post, status="published")
    comment_on(post, status="spam")
    assert "1 comment<" in client.get("/").content.decode()


def test_post_is_404_when_there_is_none(client, db):
    assert client.get("/posts/1/").status_code == 404


def test_requests_are_traced_before_anything_else_is_done_for_them():
    assert demo.MIDDLEWARE[0] == "publisher.tracing.middleware"


def test_comment_is_saved_unpublished(client, post):
    answer = client.post(f"/posts/{post.pk}/", {"name": "Otto", "text": "Rain?"})
    comment = Comment.objects.get()
    assert comment.status == "pending"
    assert answer.url == f"/posts/{post.pk}/#comment-{comment.pk}"


@pytest.mark.parametrize(("answer", "saved"), [(False, 0), (None, 1), (True, 1)])
def test_comment_is_not_saved_when_somebody_has_something_against_it(client, post, answer, saved):
    def receive(sender, comment, **kwargs):
        assert (sender, comment.text, comment.pk) == (Comment, "Rain?", None)
        return answer

    comment_will_be_posted.connect(receive)
    try:
        page = client.post(f"/posts/{post.pk}/", {"name": "Otto", "text": "Rain?"})
    finally:
        comment_will_be_posted.disconnect(receive)
    assert Comment.objects.count() == saved
    assert ("more links than comment" in page.content.decode()) == (not saved)


@pytest.mark.parametrize(("links", "answer"), [(0, True), (5, True), (6, False)])
def test_comment_of_links_alone_may_not_be_posted(links, answer):
    assert may_be_posted(Comment, Comment(text="https://a.example " * links)) is answer


def test_comment_is_not_saved_without_text(client, post):
    answer = client.post(f"/posts/{post.pk}/", {"name": "Otto", "text": ""})
    assert "This field is required" in answer.content.decode()
    assert not Comment.objects.exists()


def test_comment_needs_a_csrf_token(post):
    answer = Client(enforce_csrf_checks=True).post(f"/posts/{post.pk}/", {"name": "Otto", "text": "Rain?"})
    assert answer.status_code == 403


def test_comment_is_escaped(client, post):
    comment_on(post, status="published", text="<script>alert(1)</script>")
    assert "<script>alert" not in client.get(f"/posts/{post.pk}/").content.decode()


def test_pending_comment_is_shown_to_its_author_alone(client, post):
    client.post(f"/posts/{post.pk}/", {"name": "Otto", "text": "Rain?"})
    page = f"/posts/{post.pk}/"
    assert "waiting for the spam check" in client.get(page).content.decode()
    assert "Rain?" not in Client().get(page).content.decode()


def test_page_shows_the_change_when_a_comment_is_judged(client, post):
    client.post(f"/posts/{post.pk}/", {"name": "Otto", "text": "Rain?"})
    fragment = reverse("comments", args=[post.pk])
    assert "data-waiting" in client.get(fragment).content.decode()
    Comment.objects.update(status="published")
    changed = client.get(fragment).content.decode()
    assert "data-waiting" not in changed
    assert 'class="badge published"' in changed


def test_spam_is_shown_with_its_verdict(client, post):
    comment_on(post, status="spam", verdict="4 links")
    page = client.get(f"/posts/{post.pk}/").content.decode()
    assert "1 held back as spam" in page
    assert "4 links" in page


def test_comment_form_knows_who_is_logged_in(client, post):
    client.force_login(User.objects.create_user("ada", "ada@example.com", first_name="Ada", last_name="King"))
    assert 'value="Ada King"' in client.get(f"/posts/{post.pk}/").content.decode()


def test_flag_counts_and_sends_the_signal(client, post):
    comment = comment_on(post, status="published")
    sent = []

    def receive(sender, comment, reason, **kwargs):
        sent.append((sender, comment.pk, reason))

    comment_flagged.connect(receive)
    try:
        client.post(f"/comments/{comment.pk}/flag/", {"reason": "rude"})
    finally:
        comment_flagged.disconnect(receive)
    comment.refresh_from_db()
    assert comment.flags == 1
    assert sent == [(Comment, comment.pk, "rude")]


def test_flag_is_ignored_for_an_unknown_reason(client, post):
    comment = comment_on(post, status="published")
    client.post(f"/comments/{comment.pk}/flag/", {"reason": "a.b.#"})
    comment.refresh_from_db()
    assert comment.flags == 0


def test_login_greets_and_logout_ends_it(client, post):
    User.objects.create_user("ada", password="planted-password", first_name="Ada")
    page = client.post("/login/", {"username": "ada", "password": "planted-password"}, follow=True).content.decode()
    assert "Hello, Ada" in page
    assert "Hello" not in client.post("/logout/", follow=True).content.decode()


def test_footer_links_the_console(client, post, settings):
    settings.SIGNAL_BRIDGE_CONSOLE_URL = "http://console.example/"
    assert 'href="http://console.example/"' in client.get("/").content.decode()


def test_healthz_answers(client):
    assert client.get("/healthz").content == b"ok\n"


@pytest.mark.parametrize("page", ["blog/post/", "blog/comment/", "timeline/status/"])
def test_admin_lists_the_models(admin_client, post, page):
    comment_on(post)
    assert admin_client.get(f"/admin/{page}").status_code == 200
