"""manage.py seed: three posts and the demo's users."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from project.blog.seed import seed


class Command(BaseCommand):
    help = "Write three posts and the demo's users, if missing; with DEBUG on, a superuser admin/admin too."

    def handle(self, *args: Any, **options: Any) -> None:
        seeded = seed(with_admin=settings.DEBUG)
        self.stdout.write(f"seeded {seeded.posts} posts and {seeded.users} users")
