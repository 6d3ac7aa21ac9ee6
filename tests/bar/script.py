"""Handlers as a script of their own."""

from consumers import run, subscribe
from tests.bar.consumers import see


@subscribe("db.post_save.foo.article")
def scripted(event):
    see("scripted", event.subject)


if __name__ == "__main__":
    run()
