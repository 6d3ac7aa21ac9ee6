"""After a login, post a status to a Mastodon-compatible server.

https://docs.joinmastodon.org/methods/statuses/#create
"""

from typing import Any

import requests
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured

from consumers import Event, receiver, run

TIMEOUT_SECONDS = 5


# No inbox: the other server tells duplicates apart, and a transaction open while it answers would hold up others.
@receiver(user_logged_in, inbox=False)
def update_status(sender: Any, user: Any, event: Event, **kwargs: Any) -> None:
    response = requests.post(
        f"{_setting('MASTODON_URL').rstrip('/')}/api/v1/statuses",
        data={"status": f"{user.get_username()} is back on the blog."},
        headers={
            "Authorization": f"Bearer {_setting('MASTODON_TOKEN')}",
            # An event can arrive twice; the server answers its second arrival with the first one's status.
            "Idempotency-Key": event.id,
        },
        timeout=TIMEOUT_SECONDS,
    )
    response.raise_for_status()


def _setting(name: str) -> str:
    value = getattr(settings, name, "")
    if not value:
        raise ImproperlyConfigured(f"update_status needs the setting {name}; give the server's address and token.")
    return str(value)


if __name__ == "__main__":
    run()
