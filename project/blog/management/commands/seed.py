"""manage.py seed: three posts and the demo's users."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from project.blog.seed import seed


class Command(BaseCommand):
    help = "Write three posts and the demo's users, if missing; with DEBUG on, a superuser admin/admin too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--admin",
            action="store_true",
            help="make the superuser without DEBUG, too; only if nobody else can reach the site",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        seeded = seed(with_admin=settings.DEBUG or options["admin"])
        self.stdout.write(f"seeded {seeded.posts} posts and {seeded.users} users")
