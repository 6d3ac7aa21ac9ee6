"""Statuses that were posted through the API."""

from django.db import IntegrityError, models, transaction
from django.utils import timezone


class StatusQuerySet(models.QuerySet["Status"]):
    def post_once(self, text: str, idempotency_key: str | None) -> "Status":
        """Post a status, or find the one that the same key posted before."""
        try:
            with transaction.atomic(using=self.db):
                return self.create(text=text, idempotency_key=idempotency_key)
        except IntegrityError:
            return self.get(idempotency_key=idempotency_key)


class Status(models.Model):
    text = models.CharField(max_length=500)
    # Null, not empty, for "no key": a unique column takes any number of nulls.
    idempotency_key = models.CharField(max_length=128, unique=True, null=True, editable=False)  # noqa: DJ001
    created = models.DateTimeField(default=timezone.now)

    objects = StatusQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")
        verbose_name_plural = "statuses"

    def __str__(self) -> str:
        return self.text
