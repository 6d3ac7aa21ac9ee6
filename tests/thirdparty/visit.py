"""A process that migrates, visits the apps as people do, and relays: `python -m tests.thirdparty.visit`.

It leaves in TEST_SAVED what each signal was sent with, and the secrets that were used.
"""

import os
import pickle
import re
import sys
from pathlib import Path

import django

SECRETS = {
    "password": "planted-Passw0rd!",
    "new password": "planted-Passw0rd!-2",
    "reset password": "planted-Passw0rd!-3",
    "wrong password": "planted-Passw0rd!-4",
    "authorization": "planted-authorization",
    "api key": "planted-api-key",
    "api key in the database": "planted-key-in-the-database",
    "query": "planted-query-token",
    "cookie": "planted-cookie",
    "csrf": "planted-csrf-token",
    "exception": "sown-in-an-exception",
}
HEADERS = {"Authorization": f"Bearer {SECRETS['authorization']}", "X-Api-Key": SECRETS["api key"]}


def main() -> None:
    django.setup()
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    call_command("migrate", run_syncdb=True, verbosity=0)
    setup_test_environment()
    recorder = Recorder()
    recorder.start()
    visits = Visits()
    visits.allauth()
    visits.comments()
    visits.history()
    visits.others()
    recorder.stop()
    call_command("topology", "--declare")
    call_command("relay", "--once")
    with open(os.environ["TEST_SAVED"], "wb") as file:
        pickle.dump({"sent": recorder.sent, "secrets": visits.secrets()}, file)


class Recorder:
    """A receiver of its own on every signal, which notes what was sent at the moment that it was."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict]] = []
        self.receivers = []

    def start(self) -> None:
        from publisher.catalogue.signals import catalogue

        for known in catalogue():
            if not known.name.endswith(("pre_init", "post_init", "class_prepared")):
                self.receivers.append((known.signal, self.receiver(known.name)))
                known.signal.connect(self.receivers[-1][1], weak=False)

    def receiver(self, name):
        from django.db.models import Model

        from tests.thirdparty.handlers import shown

        def is_model(value):
            return isinstance(value, Model)

        def receive(**named):
            sender = named.pop("sender")
            label = getattr(getattr(sender, "_meta", None), "label_lower", "")
            if not label.startswith(("publisher.", "consumers.", "sessions.")):
                self.sent.append((name, {kwarg: shown(value) for kwarg, value in named.items() if is_model(value)}))

        return receive

    def stop(self) -> None:
        for signal, receiver in self.receivers:
            signal.disconnect(receiver)


class Visits:
    def __init__(self) -> None:
        from django.test import Client

        self.client = Client(headers=HEADERS)
        self.client.cookies["tracker"] = SECRETS["cookie"]
        self.found: set[str] = set()

    def get(self, path: str, status: int = 200):
        return self.checked(self.client.get(path), status)

    def post(self, path: str, data: dict, status: int = 302):
        self.remember()
        token = SECRETS["csrf"]
        return self.checked(self.client.post(path, {**data, "csrfmiddlewaretoken": token}), status)

    def checked(self, response, status: int):
        self.remember()
        if response.status_code != status:
            errors = [form.errors for form in (response.context or {}).get("form", []) and [response.context["form"]]]
            raise AssertionError(f"{response.request['PATH_INFO']}: {response.status_code} {errors}")
        return response

    def remember(self) -> None:
        """The keys of sessions, and the tokens that Django makes."""
        for name in ("sessionid", "csrftoken"):
            if name in self.client.cookies and self.client.cookies[name].value:
                self.found.add(self.client.cookies[name].value)

    def secrets(self) -> list[str]:
        return [*SECRETS.values(), *sorted(self.found)]

    def mailed(self, pattern: str) -> str:
        """The path in the last mail; its key is a secret."""
        from django.core import mail

        (path, key) = re.search(pattern, mail.outbox[-1].body).group(0, 1)
        self.found.add(key)
        return path

    def allauth(self) -> None:
        from django.contrib.auth.models import User

        signup = {"username": "ada", "email": "ada@example.com"}
        self.get("/accounts/signup/")
        self.post("/accounts/signup/", {**signup, **passwords(SECRETS["password"])})
        confirm = self.mailed(r"/accounts/confirm-email/([^/]+)/")
        self.get(confirm)
        self.post(confirm, {})
        self.post("/accounts/login/", {"login": "ada", "password": SECRETS["wrong password"]}, 200)
        self.post("/accounts/login/", {"login": "ada", "password": SECRETS["password"]})
        change = {"oldpassword": SECRETS["password"], **passwords(SECRETS["new password"])}
        self.post("/accounts/password/change/", change)
        self.post("/accounts/email/", {"action_add": "", "email": "ada@example.org"})
        self.post("/accounts/email/", {"action_remove": "", "email": "ada@example.org"})
        self.post("/accounts/logout/", {})
        self.post("/accounts/password/reset/", {"email": "ada@example.com"})
        reset = self.mailed(r"/accounts/password/reset/key/([^/]+)/")
        form = self.checked(self.client.get(reset), 302)["Location"]
        self.post(form, passwords(SECRETS["reset password"]))
        User.objects.filter(username="ada").update(is_staff=True, is_superuser=True)
        self.post("/accounts/login/", {"login": "ada", "password": SECRETS["reset password"]})

    def comments(self) -> None:
        from django_comments import get_model
        from django_comments.forms import CommentForm

        from tests.foo.models import Article

        article = Article.objects.create(title="one", api_token=SECRETS["api key"])
        data = CommentForm(article).initial
        security = CommentForm(article).generate_security_data()
        text = {"name": "Ada", "email": "ada@example.com", "url": "", "comment": "Grüße", **data, **security}
        self.post("/comments/post/", {**text, "next": f"/quiet/?token={SECRETS['query']}"})
        comment = get_model().objects.get()
        self.get(f"/comments/flag/{comment.pk}/")
        self.post(f"/comments/flag/{comment.pk}/", {"next": "/quiet/"})
        self.post(f"/comments/delete/{comment.pk}/", {"next": "/quiet/"})
        self.post(f"/comments/approve/{comment.pk}/", {"next": "/quiet/"})

    def history(self) -> None:
        from tests.thirdparty.models import Poll

        opens = {"opens_0": "2026-01-02", "opens_1": "03:04:05"}
        self.post("/admin/thirdparty/poll/add/", {"question": "Why?", "weight": "1.250", **opens})
        poll = Poll.objects.get()
        self.post(f"/admin/thirdparty/poll/{poll.pk}/change/", {"question": "Why not?", "weight": "2.5", **opens})
        self.get(f"/admin/thirdparty/poll/{poll.pk}/history/")
        first = Poll.history.order_by("history_id").first()
        self.post(f"/admin/thirdparty/poll/{poll.pk}/history/{first.pk}/", {"question": "Why?", "weight": "1", **opens})
        self.post(f"/admin/thirdparty/poll/{poll.pk}/delete/", {"post": "yes"})

    def others(self) -> None:
        from asgiref.sync import async_to_sync
        from django.contrib.auth.models import Group, User
        from django.core.signals import got_request_exception
        from django.db import connection
        from django.test import AsyncClient, override_settings
        from django.utils.autoreload import StatReloader, autoreload_started, file_changed

        from tests.thirdparty.models import ApiKey, Poll

        User.objects.get().groups.add(Group.objects.create(name="editors"))
        ApiKey.objects.create(key=SECRETS["api key in the database"], note="a key")
        list(Poll.objects.all())
        self.client.raise_request_exception = False
        self.get(f"/failing/?token={SECRETS['query']}", 500)
        with override_settings(EMAIL_HOST_PASSWORD=SECRETS["password"], DEBUG=True):
            pass
        autoreload_started.send(sender=StatReloader())
        file_changed.send(sender=StatReloader(), file_path=Path("a.py"))
        connection.close()
        assert async_to_sync(AsyncClient(headers=HEADERS).get)("/quiet/").status_code == 200
        self.get(f"/quiet/?token={SECRETS['query']}")
        if django.VERSION >= (6, 0):
            from tests.thirdparty.tasks import add

            add.enqueue(1, b=2)
        assert got_request_exception.receivers


def passwords(password: str) -> dict[str, str]:
    return {"password1": password, "password2": password}


if __name__ == "__main__":
    sys.exit(main())
