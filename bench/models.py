"""The model that is saved, once forwarded and once not."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models


class Order(models.Model):
    """Ten fields, as business models have them."""

    number = models.IntegerField()
    customer = models.CharField(max_length=100)
    email = models.EmailField()
    note = models.TextField()
    total = models.DecimalField(max_digits=10, decimal_places=2)
    paid = models.BooleanField()
    placed_at = models.DateTimeField()
    ships_on = models.DateField()
    reference = models.UUIDField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"order {self.number}"


class PlainOrder(Order):
    """No rule forwards it."""


class ForwardedOrder(Order):
    """Each `post_save` is forwarded."""


def values(number: int) -> dict[str, Any]:
    """What the order of this number holds."""
    return {
        "number": number,
        "customer": "Ada Lovelace",
        "email": "ada@example.com",
        "note": "Please leave it with the neighbours if nobody is at home, and ring twice.",
        "total": Decimal("129.90"),
        "paid": True,
        "placed_at": datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC),
        "ships_on": datetime(2026, 11, 25, tzinfo=UTC).date(),
        "reference": UUID(int=number),
    }


class Handled(models.Model):
    """The row that a handler writes."""

    event = models.CharField(max_length=200)
    routing_key = models.CharField(max_length=255)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.event
