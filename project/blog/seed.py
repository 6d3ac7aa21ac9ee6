"""The content that a fresh site starts with."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from project.blog.models import Post

SOURCE = Path(__file__).with_name("seed.json")
PASSWORD = "demo"
ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    posts: int
    users: int


@transaction.atomic
def seed(*, with_admin: bool) -> Seeded:
    """Write what is missing, and leave alone what is there."""
    content = json.loads(SOURCE.read_text(encoding="utf-8"))
    posts = sum(_seed_post(**entry) for entry in content["posts"])
    users = sum(_seed_user(**entry) for entry in content["users"])
    if with_admin:
        users += _seed_user(ADMIN, ADMIN, is_staff=True, is_superuser=True)
    return Seeded(posts=posts, users=users)


def _seed_post(title: str, published: str, **fields: Any) -> bool:
    fields["published"] = datetime.fromisoformat(published)
    return Post.objects.get_or_create(title=title, defaults=fields)[1]


def _seed_user(username: str, password: str = PASSWORD, **fields: Any) -> bool:
    # Asked first, because hashing a password takes longer than all the rest of the demo's start.
    if User.objects.filter(username=username).exists():
        return False
    User.objects.create_user(username, password=password, **fields)
    return True
