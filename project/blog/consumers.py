"""What the blog asks before it publishes."""

import re
from typing import Any

from consumers import receiver
from project.blog.models import Comment
from project.blog.signals import comment_will_be_posted

LINK = re.compile(r"https?://", re.IGNORECASE)
MOST_LINKS = 5


@receiver(comment_will_be_posted, sender=Comment, ask=True)
def may_be_posted(sender: type[Comment], comment: Comment, **kwargs: Any) -> bool:
    """Not what is a list of links, which no spam check has to read."""
    return len(LINK.findall(comment.text)) <= MOST_LINKS
