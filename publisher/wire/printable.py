"""Makes text from other programs safe for logs and terminals."""


def printable(text: object) -> str:
    """The text with control characters and line breaks replaced.

    >>> printable("db.post_save\\x1b[2J\\n")
    'db.post_save�[2J�'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
