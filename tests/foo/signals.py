"""Custom signals, as an app would define them."""

from django.dispatch import Signal

user_login = Signal()
article_published = Signal()
article_flagged = Signal()


class Hooks:
    """A signal may be an attribute of a class."""

    closed = Signal()
