"""Text that a stranger wrote, for a line of the log or a terminal."""


def printable(text: object) -> str:
    """As text, with what would steer the terminal, or begin a line of its own, replaced.

    >>> printable("db.post_save\\x1b[2J\\n")
    'db.post_save�[2J�'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
