import io

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command

from project.blog.models import Post
from project.blog.seed import seed

pytestmark = pytest.mark.django_db


def test_seed_writes_three_posts_and_users_who_can_log_in():
    seed(with_admin=False)
    assert Post.objects.count() == 3
    assert authenticate(username="ada", password="demo") is not None
    assert not User.objects.filter(is_superuser=True).exists()


def test_seed_writes_nothing_the_second_time():
    seed(with_admin=True)
    seeded = seed(with_admin=True)
    assert (seeded.posts, seeded.users) == (0, 0)


def test_seed_leaves_alone_what_was_changed():
    seed(with_admin=False)
    Post.objects.filter(title="The bakery with one oven").update(text="Closed.")
    seed(with_admin=False)
    assert Post.objects.get(title="The bakery with one oven").text == "Closed."


@pytest.mark.parametrize(("debug", "admins"), [(True, 1), (False, 0)])
def test_command_makes_an_admin_only_when_debugging(settings, debug, admins):
    settings.DEBUG = debug
    call_command("seed", stdout=io.StringIO())
    assert User.objects.filter(is_superuser=True).count() == admins


def test_command_makes_an_admin_when_told_to(settings):
    settings.DEBUG = False
    call_command("seed", "--admin", stdout=io.StringIO())
    assert authenticate(username="admin", password="admin").is_superuser


def test_models_are_as_their_migrations_say():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
