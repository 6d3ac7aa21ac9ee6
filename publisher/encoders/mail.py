"""E-mails, as signals of what sends them carry: who wrote to whom. What was written may be a link to a new password."""

from collections.abc import Iterable, Mapping
from typing import Any

from publisher.encoders.objects import encode_named
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes
from publisher.wire.sent import SentMail

PEOPLE = ("to", "cc", "bcc", "reply_to")
# Codes and one-time links are in them, in the subject too.
WORDS = ("subject", "body")


# By its path: not each project sends mail.
@encodes("django.core.mail.message.EmailMessage")
def encode_mail(encoding: Encoding, mail: Any, path: str) -> Any:
    """Its addresses and the names of what is attached."""
    plain = {
        "from_email": str(mail.from_email),
        **{name: [str(address) for address in getattr(mail, name, None) or ()] for name in PEOPLE},
        "attachments": list(_names(mail.attachments)),
    }
    encoding.types.update((f"{path}.{name}", DROPPED) for name in WORDS)
    return encoding.tag(path, "mail", encode_named(encoding, plain, path))


def _names(attachments: Iterable[Any]) -> Iterable[str]:
    """Of a MIME part the name that it gives itself, of another its first part."""
    for each in attachments:
        name = each.get_filename() if hasattr(each, "get_filename") else each[0]
        yield str(name or "")


@decodes("mail")
def decode_mail(plain: Mapping[str, Any], argument: str) -> SentMail:
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value := plain[name], list) else value
        for name in SentMail.__slots__
        if name in plain
    }
    return SentMail(**known)
