"""The blog's pages."""

from collections.abc import Collection

from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from project.blog.forms import CommentForm, FlagForm
from project.blog.models import Comment, Post
from project.blog.signals import comment_flagged, comment_will_be_posted

OWN_COMMENTS = "own_comments"


@require_safe
def posts(request: HttpRequest) -> HttpResponse:
    is_published = Q(comments__status=Comment.Status.PUBLISHED)
    found = Post.objects.annotate(comment_count=Count("comments", filter=is_published)).order_by("-published")
    return render(request, "blog/posts.html", {"posts": found})


@require_http_methods(["GET", "HEAD", "POST"])
def post(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Post, pk=pk)
    form = CommentForm(request.POST or None, initial=_known_of(request))
    if request.method == "POST" and form.is_valid():
        form.instance.post = found
        if _may_be_posted(form.instance):
            comment = form.save()
            _remember(request.session, comment)
            return redirect(comment)
        form.add_error("text", "This is more links than comment.")
    return render(request, "blog/post.html", {"post": found, "form": form, **_comments(request, found)})


@require_safe
def comments(request: HttpRequest, pk: int) -> HttpResponse:
    """The list of comments, without the page around it. The page polls it while a comment waits for the spam check."""
    found = get_object_or_404(Post, pk=pk)
    return render(request, "blog/_comments.html", {"post": found, **_comments(request, found)})


@require_POST
def flag(request: HttpRequest, pk: int) -> HttpResponse:
    comment = get_object_or_404(Comment.objects.select_related("post"), pk=pk)
    form = FlagForm(request.POST)
    if form.is_valid():
        with transaction.atomic():
            Comment.objects.filter(pk=pk).flag()
            comment_flagged.send(sender=Comment, comment=comment, reason=form.cleaned_data["reason"])
        messages.success(request, "Thank you. A moderator will look at that comment.")
    return redirect(comment)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def _may_be_posted(comment: Comment) -> bool:
    """Ask the handlers, before anything is saved. No answer in time counts as a yes."""
    answers: list[tuple[object, object]] = [*comment_will_be_posted.send(sender=Comment, comment=comment)]
    return all(answer is not False for _, answer in answers)


def _comments(request: HttpRequest, found: Post) -> dict[str, object]:
    own = _own(request.session)
    shown = list(found.comments.shown_to(own))
    return {
        "comments": shown,
        "is_waiting": any(comment.is_pending for comment in shown),
        "held_back": list(found.comments.held_back(own)),
        "flag_form": FlagForm(),
    }


def _known_of(request: HttpRequest) -> dict[str, str]:
    user = request.user
    if not user.is_authenticated:
        return {}
    return {"name": user.get_full_name() or user.get_username(), "email": user.email}


def _own(session: SessionBase) -> Collection[int]:
    return list(session.get(OWN_COMMENTS, []))


def _remember(session: SessionBase, comment: Comment) -> None:
    session[OWN_COMMENTS] = [*_own(session), comment.pk]
