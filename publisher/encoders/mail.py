"""Encodes e-mails: who wrote to whom. Not the text, which may have a link to set a new password."""

from collections.abc import Iterable, Mapping
from typing import Any

from publisher.encoders.objects import encode_named
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes
from publisher.wire.sent import SentMail

PEOPLE = ("to", "cc", "bcc", "reply_to")
# Dropped: there may be one-time codes and links in them, also in a subject.
WORDS = ("subject", "body")


# By its dotted path, so that it is not imported in projects that send no mail.
@encodes("django.core.mail.message.EmailMessage")
def encode_mail(encoding: Encoding, mail: Any, path: str) -> Any:
    """The addresses, and the names of the attachments."""
    plain = {
        "from_email": str(mail.from_email),
        **{name: [str(address) for address in getattr(mail, name, None) or ()] for name in PEOPLE},
        "attachments": list(_names(mail.attachments)),
    }
    encoding.types.update((f"{path}.{name}", DROPPED) for name in WORDS)
    return encoding.tag(path, "mail", encode_named(encoding, plain, path))


def _names(attachments: Iterable[Any]) -> Iterable[str]:
    """The file name of a MIME part, or the first item of a tuple."""
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
