"""Judge new comments: publish them, or mark them as spam."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from consumers import Reject, receiver, run

SPAM_FROM = 3

BAIT = (
    "act now",
    "best price",
    "casino",
    "click here",
    "crypto",
    "earn money",
    "followers",
    "free gift",
    "guaranteed",
    "limited offer",
    "loan",
    "lottery",
    "lucky winner",
    "miracle",
    "no risk",
    "replica watches",
    "seo",
    "weight loss",
    "work from home",
)
LINK = re.compile(r"https?://|www\.|\[url", re.IGNORECASE)
LETTER = re.compile(r"[^\W\d_]")
WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How much like spam a text is, and why."""

    score: int
    reasons: tuple[str, ...]

    @property
    def is_spam(self) -> bool:
        return self.score >= SPAM_FROM


def judge(text: str) -> Judgement:
    found = [finding for finding in (links(text), repeats(text), shouting(text), bait(text)) if finding[0]]
    return Judgement(score=sum(score for score, _ in found), reasons=tuple(reason for _, reason in found))


def links(text: str) -> tuple[int, str]:
    count = len(LINK.findall(text))
    return min(count, 4), f"{count} link{'s' if count > 1 else ''}"


def repeats(text: str) -> tuple[int, str]:
    words = [word.lower() for word in WORD.findall(text)]
    word, count = Counter(words).most_common(1)[0] if words else ("", 0)
    return (2 if count >= 4 and count * 4 >= len(words) else 0), f"'{word}' {count} times"


def shouting(text: str) -> tuple[int, str]:
    letters = [letter for letter in text if letter.isalpha()]
    capitals = sum(letter.isupper() for letter in letters)
    return (2 if len(letters) >= 20 and capitals * 2 > len(letters) else 0), "shouting"


def bait(text: str) -> tuple[int, str]:
    found = [phrase for phrase in BAIT if re.search(rf"\b{phrase}\b", text, re.IGNORECASE)]
    return 2 * len(found), ", ".join(f"'{phrase}'" for phrase in found)


# "fresh", so that a comment which a moderator has decided on meanwhile is left alone.
@receiver(post_save, sender="blog.Comment", instance="fresh")
def check_spam(sender: type[Model], instance: Any, created: bool, **kwargs: Any) -> None:
    if not created or instance.status != "pending":
        return
    if not LETTER.search(instance.text):
        raise Reject("no words to judge by: a person must decide, and replay")
    judgement = judge(instance.text)
    # The filter leaves alone what a moderator decides just now. update() sends no post_save, so this does not loop.
    sender._default_manager.filter(pk=instance.pk, status="pending").update(
        status="spam" if judgement.is_spam else "published",
        verdict="; ".join(judgement.reasons)[:200],
    )


if __name__ == "__main__":
    run()
