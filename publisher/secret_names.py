"""Names that sound like secrets: which words they have, and which say that it is only something about a secret.

A name is looked at word by word: `apiKey`, `API-Key` and `api.key` are `api_key`. When in doubt it is a secret.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any

# Wherever they are in a name.
ANYWHERE = (
    "pass_?word", "passwd", "pass_?phrase", "pass_?code", "pass_?key", "credential", "csrf", "xsrf",
    "token(?!izer|ization)", "secrets?(?=_|[0-9]|$)", "session_?(?:key|id|data|hash)",
    "(?:api|private|secret|access|signing|encryption)_?key",
)  # fmt: skip
# As words of their own.
WORDS = (
    "otp", "[th]otp", "pin", "pw", "pwd", "salt", "signatures?", "bearer", "jwt", "cvv", "cvc", "cookies?", "nonce",
    "verifier", "dsn", "connection_string", "p256dh", "private_id", "hashed_?key", "key_?hash", "code_challenge",
    "creds", "psk", "otpauth", "(?:cc|card)_?num(?:ber)?", "(?:wallet|master|mfa|recovery)_?(?:seed|phrase)",
    "seed_?phrase",
    "auth_?(?:header|data|hash|value|string)", "(?:basic|http|proxy)_?auth",
)  # fmt: skip
# A key, a code or a link that stands for somebody who shows it: `activation_key`, `backup_codes`, `invite_url`.
BY_KIND = {
    "keys?": (
        "account", "activation", "aes", "app", "auth", "certificate", "client", "confirm", "confirmation", "crypto",
        "decryption", "deploy", "fernet", "gpg", "hmac", "invite", "invitation", "licen[cs]e", "login", "master",
        "pgp", "recovery", "reset", "rsa", "server", "service", "shared", "ssh", "ssl", "stream", "symmetric",
        "tls", "unlock", "verification", "verify",
    ),
    "codes?": (
        "access", "activation", "auth", "authentication", "authorization", "backup", "confirm", "confirmation",
        "device", "emergency", "gift", "gift_?card", "invite", "invitation", "login", "mfa", "one_?time", "pairing",
        "phone", "recovery", "reset", "scratch", "security", "sms", "two_?factor", "2fa", "unlock", "user",
        "verification", "verify",
    ),
    "(?:url|uri|link)s?": (
        "activate", "activation", "confirm", "confirmation", "invite", "invitation", "magic", "presigned",
        "provisioning", "recovery", "reset", "signed", "unlock", "verify", "verification",
    ),
    # Of what is logged in to: user and password are in it.
    "ur[il]s?": (
        "amqp", "broker", "cache", "connection", "database", "db", "mongo(?:db)?", "mysql", "postgres(?:ql)?",
        "rabbitmq", "redis",
    ),
}  # fmt: skip
# The last word, or what is named by the one after it: an `authorization_grant_type` is none.
LAST = ("authorization(?:_?(?:codes?|headers?|values?|keys?|data|response|url))?", "pass")
WHOLE = ("auth",)

# What a password, a token or the like has, and not what it is.
ABOUT = (
    "age", "algorithm", "at", "attempts", "backends?", "consent", "counts?", "date", "days", "domain", "enabled",
    "expires", "expires_in", "expiration", "expiry", "hashers", "hours", "length", "lifetime", "limit", "method",
    "minutes", "on", "policy", "quota", "required", "samesite", "scopes?", "seconds", "size", "status", "time",
    "timeout", "ttl", "types?", "type_hint", "usage", "validators", "version", "(?:cookie|header|field|param)_name",
)  # fmt: skip
# What a language model has read and written, and what a card's issuer said of its code.
OTHERWISE = (
    "(?:.*_)?(?:(?:max|min)(?:_new)?|num|total|prompt|completion|input|output|cached|reasoning|prediction|audio)_tokens"
    "(?:_details)?", "(?:.*_)?tokens_used", "(?:.*_)?cv[cv]_check",
)  # fmt: skip


def _any(parts: Iterable[str]) -> str:
    return f"(?:{'|'.join(parts)})"


SECRET = re.compile(
    _any(
        [
            *ANYWHERE,
            rf"(?:^|_){_any(WORDS)}[0-9]*(?:_|$)",
            *(rf"(?:^|_){_any(whose)}_?{kind}(?:_|[0-9]|$)" for kind, whose in BY_KIND.items()),
            rf"(?:^|_){_any(LAST)}$",
            rf"^{_any(WHOLE)}$",
        ]
    )
)
HARMLESS = re.compile(_any([rf".*_{_any(ABOUT)}", *OTHERWISE]))

# A model of such a name exists for the sake of a secret, however the column is called that holds it.
SECRET_MODEL = re.compile(
    r"(?:^|_)(?:tokens?|sessions?|secrets?|credentials?|api_?keys?|confirmations?|verifications?|activations?|"
    r"invit(?:e|ation)s?|otp|[th]otp|nonces?|authenticators?|recovery|magic_links?|"
    r"(?:backup|login|scratch|security|sms)_codes?)(?:_|$)"
)
BEARERS = frozenset(("key", "value", "code", "data", "hash", "digest", "seed"))
# A code beside one of these is good for once.
OF_ONCE = frozenset(("verified", "is_verified", "expires", "expires_at", "expired_at", "expiry", "expiration"))
# A second factor's key is the seed of its codes; a phone's registration ID is what others call its token.
DEVICE_MODEL = re.compile(r"(?:^|_)device$")
DEVICE_BEARERS = frozenset(("key", "seed", "registration_id"))
# Where the textual primary key has the secret in it.
KEYED_MODEL = re.compile(r"(?:^|_)(?:tokens?|secrets?|credentials?|api_?keys?)$")

# What names something, and what may be its value.
NAMES = frozenset(("setting", "name", "key", "field", "field_name", "option", "variable", "attribute"))
VALUES = re.compile(r"(?:.*_)?(?:value|old|new|before|after|previous|current|default)s?")

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BETWEEN = re.compile(r"[\W_]+")


def words(name: str) -> str:
    """In lower case, with one underscore between the words.

    >>> words("X-Api-Key"), words("TOTPDevice"), words("apiKey")
    ('x_api_key', 'totp_device', 'api_key')
    """
    return BETWEEN.sub("_", CAMEL.sub("_", name)).strip("_").lower()


def sounds_secret(name: str) -> bool:
    """Whether a field, kwarg or key of this name is one.

    >>> [sounds_secret(name) for name in ("password", "client-secret", "token_type", "passenger")]
    [True, True, False, False]
    """
    spelt = words(name)
    return SECRET.search(spelt) is not None and HARMLESS.fullmatch(spelt) is None


def holds_secret(model: str, column: str) -> bool:
    """Whether a column is one by the name of its model, though its own is harmless."""
    spelt = words(model)
    if column in DEVICE_BEARERS and DEVICE_MODEL.search(spelt):
        return True
    return column in BEARERS and SECRET_MODEL.search(spelt) is not None


def is_for_once(column: str, columns: Iterable[str]) -> bool:
    """Whether a column holds a one-time code, by those beside it: none says when that of a country expires."""
    return column == "code" and not OF_ONCE.isdisjoint(columns)


def is_keyed(model: str) -> bool:
    """Whether a textual primary key of this model is a secret, or the hash of one."""
    return KEYED_MODEL.search(words(model)) is not None


def named_values(names: Collection[Any]) -> tuple[tuple[str, str], ...]:
    """Of these names the pairs whose first may hold the name of what the second is the value of.

    >>> named_values(["sender", "setting", "old_value"])
    (('setting', 'old_value'),)
    """
    if NAMES.isdisjoint(names):
        return ()
    values = [name for name in names if isinstance(name, str) and VALUES.fullmatch(name)]
    return tuple((name, value) for name in names if name in NAMES for value in values)
