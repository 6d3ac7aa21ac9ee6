"""Posts and what readers say about them."""

from collections.abc import Collection

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone


class Post(models.Model):
    title = models.CharField(max_length=120, unique=True)
    summary = models.CharField(max_length=240)
    text = models.TextField()
    published = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-published",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("post", args=[self.pk])


class CommentQuerySet(models.QuerySet["Comment"]):
    def shown_to(self, author_of: Collection[int]) -> "CommentQuerySet":
        """What a visitor sees: published comments, and their own whatever became of them."""
        return self.filter(Q(status=Comment.Status.PUBLISHED) | Q(pk__in=author_of))

    def held_back(self, author_of: Collection[int]) -> "CommentQuerySet":
        return self.filter(status=Comment.Status.SPAM).exclude(pk__in=author_of)

    def flag(self) -> int:
        return self.update(flags=F("flags") + 1)


class Comment(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", "waiting for the spam check"
        PUBLISHED = "published", "published"
        SPAM = "spam", "spam"

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="comments")
    name = models.CharField(max_length=60)
    email = models.EmailField(blank=True)
    text = models.TextField(max_length=2000)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    verdict = models.CharField(max_length=200, blank=True, help_text="Why the spam check judged as it did.")
    flags = models.PositiveIntegerField(default=0, help_text="How many readers flagged it.")
    created = models.DateTimeField(default=timezone.now)

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ("created", "pk")

    def __str__(self) -> str:
        return f"{self.name} on {self.post}"

    def get_absolute_url(self) -> str:
        return f"{self.post.get_absolute_url()}#comment-{self.pk}"

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING

    @property
    def is_spam(self) -> bool:
        return self.status == self.Status.SPAM
