"""Models whose signals are forwarded."""

from django.db import models

from publisher.bulk import SignalManager
from tests.foo.signals import article_published
from tests.planting import API_TOKEN, UNLOGGED


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


def private_data() -> dict[str, str]:
    return {"note": UNLOGGED}


class Article(models.Model):
    title = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2, default="1.50")
    at = models.DateTimeField(null=True)
    ref = models.UUIDField(null=True)
    length = models.DurationField(null=True)
    raw = models.BinaryField(default=b"")
    data = models.JSONField(default=private_data)
    api_token = models.CharField(max_length=50, default=API_TOKEN)
    tags = models.ManyToManyField(Tag)

    objects = models.Manager()
    telling = SignalManager()

    def __str__(self) -> str:
        return self.title

    def publish(self) -> None:
        article_published.send(sender=self, title=self.title)


class Note(Article):
    """Has a parent: Django saves it in a transaction of its own accord."""

    text = models.TextField(default="")


class Draft(models.Model):
    """Excluded by the rule."""

    text = models.TextField(default="")

    def __str__(self) -> str:
        return self.text
