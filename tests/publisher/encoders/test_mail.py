"""E-mails: who wrote to whom, and nothing of what was written."""

from email.mime.text import MIMEText

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives

from publisher.wire.sent import SentMail
from tests.publisher.encoders.travel import sent, text_of, travelled

SECRET = "planted-secret"


@pytest.fixture
def mail():
    message = EmailMultiAlternatives(
        f"{SECRET} is your code", f"https://example.com/reset/{SECRET}/", "a@example.com", ["b@example.com"],
        cc=["c@example.com"], headers={"X-Token": SECRET},
    )  # fmt: skip
    message.attach_alternative(f"<a href='{SECRET}'>", "text/html")
    message.attach("a.txt", SECRET, "text/plain")
    return message


def test_mail_is_its_addresses_and_the_names_of_what_is_attached(mail):
    assert travelled(mail) == SentMail(
        from_email="a@example.com", to=("b@example.com",), cc=("c@example.com",), attachments=("a.txt",)
    )


def test_nothing_of_what_was_written_leaves(mail):
    assert SECRET not in text_of(mail)
    assert sent(mail)[1] == {"": "mail", "subject": "dropped", "body": "dropped"}


def test_addresses_are_redacted_by_name(mail):
    redact = (("to", "mask"), ("cc", "drop"))
    plain, types = sent(mail, redact=redact)
    assert (plain["to"], types["to"], "cc" in plain) == ("***", "masked", False)
    assert travelled(mail, redact=redact).cc == ()


def test_attachment_without_a_name_has_none():
    mail = EmailMessage()
    # As older code attaches what it made itself.
    mail.attachments.append(MIMEText("x"))
    assert travelled(mail).attachments == ("",)
