"""A model whose history is kept, and a token as an app for logins has it."""

from django.db import models
from simple_history.models import HistoricalRecords


class Poll(models.Model):
    question = models.CharField(max_length=200)
    opens = models.DateTimeField(null=True)
    weight = models.DecimalField(max_digits=8, decimal_places=3, default="1.000")
    history = HistoricalRecords()

    def __str__(self) -> str:
        return self.question


class ApiKey(models.Model):
    key = models.CharField(max_length=60, primary_key=True)
    note = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.note
