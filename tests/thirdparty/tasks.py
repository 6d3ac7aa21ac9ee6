"""A task, for Django's own signals of them; from Django 6 on."""

from django.tasks import task


@task
def add(a: int, b: int) -> int:
    return a + b
