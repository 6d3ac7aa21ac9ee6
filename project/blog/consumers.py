"""The handler that is asked whether a comment may be posted."""

import re
from typing import Any

from consumers import receiver
from project.blog.models import Comment
from project.blog.signals import comment_will_be_posted

LINK = re.compile(r"https?://", re.IGNORECASE)
MOST_LINKS = 5


@receiver(comment_will_be_posted, sender=Comment, ask=True)
def may_be_posted(sender: type[Comment], comment: Comment, **kwargs: Any) -> bool:
    """No for a comment with so many links that it needs no spam check."""
    return len(LINK.findall(comment.text)) <= MOST_LINKS
