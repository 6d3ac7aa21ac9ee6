"""What bar's handlers write, with the process that wrote it."""

from django.db import models


class Seen(models.Model):
    handler = models.CharField(max_length=50)
    text = models.TextField()
    pid = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.handler}: {self.text}"
