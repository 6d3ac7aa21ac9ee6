"""What the suite sows as secrets: whatever has this word in it must never leave, and nothing else may have it."""

import base64
import re

WORD = "planted"
# What an event may well say, and no log of it.
UNLOGGED = "unlogged"

API_KEY = f"{WORD}-api-key"
API_TOKEN = f"{WORD}-api-token"
AUTHORIZATION = f"Bearer {WORD}-authorization"
COOKIE = f"tracker={WORD}-cookie"
MASTODON_TOKEN = f"{WORD}-mastodon-token"


def pattern(word: str) -> re.Pattern[bytes]:
    """The word as it is and as base64, whatever stands before and after it."""
    plain = word.encode()
    return re.compile(b"|".join(re.escape(form) for form in (plain, *(_in_base64(plain, at) for at in range(3)))))


def _in_base64(plain: bytes, at: int) -> bytes:
    """The characters that stay the same, of a word that begins after AT bytes of a group of three."""
    encoded = base64.b64encode(bytes(at) + plain)
    return encoded[(0, 2, 3)[at] : (at + len(plain)) * 8 // 6]
