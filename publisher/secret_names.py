"""Which names sound like secrets, and which only like something about a secret: `password`, `password_changed_at`.

Names are compared as words: `apiKey`, `API-Key` and `api.key` are all `api_key`. In doubt, a name is a secret.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any

# Secret wherever they occur in a name.
ANYWHERE = (
    "pass_?word", "passwd", "pass_?phrase", "pass_?code", "pass_?key", "credential", "csrf", "xsrf",
    "token(?!izer|ization)", "secrets?(?=_|[0-9]|$)", "session_?(?:key|id|data|hash)",
    "(?:api|private|secret|access|signing|encryption)_?key",
)  # fmt: skip
# Secret as whole words.
WORDS = (
    "otp", "[th]otp", "pin", "pw", "pwd", "salt", "signatures?", "bearer", "jwt", "cvv", "cvc", "cookies?", "nonce",
    "verifier", "dsn", "connection_string", "p256dh", "private_id", "hashed_?key", "key_?hash", "code_challenge",
    "creds", "psk", "otpauth", "(?:cc|card)_?num(?:ber)?", "(?:wallet|master|mfa|recovery)_?(?:seed|phrase)",
    "seed_?phrase", "(?:php)?sess_?id", "security_?answers?",
    "auth_?(?:header|data|(?:user_?)?hash|value|string)", "(?:basic|http|proxy)_?auth",
)  # fmt: skip
# Keys, codes and links that give access to whoever has them: `activation_key`, `backup_codes`, `invite_url`.
BY_KIND = {
    "keys?": (
        "account", "activation", "aes", "app", "auth", "certificate", "client", "confirm", "confirmation", "crypto",
        "decryption", "deploy", "fernet", "gpg", "hmac", "invite", "invitation", "licen[cs]e", "login", "master",
        "pgp", "recovery", "reset", "rsa", "server", "service", "shared", "ssh", "ssl", "stream", "symmetric",
        "tls", "unlock", "verification", "verify",
    ),
    "codes?": (
        "access", "activation", "auth", "authentication", "authorization", "backup", "confirm", "confirmation",
        "device", "emergency", "gift", "gift_?card", "invite", "invitation", "login", "mfa", "oauth2?", "one_?time",
        "pairing", "phone", "recovery", "reset", "scratch", "security", "sms", "two_?factor", "2fa", "unlock",
        "user", "verification", "verify",
    ),
    "(?:url|uri|link)s?": (
        "activate", "activation", "confirm", "confirmation", "invite", "invitation", "magic", "presigned",
        "provisioning", "recovery", "reset", "signed", "unlock", "verify", "verification", "webhook",
    ),
    # URLs that contain a user and a password.
    "ur[il]s?": (
        "amqp", "broker", "cache", "connection", "database", "db", "mongo(?:db)?", "mysql", "postgres(?:ql)?",
        "rabbitmq", "redis",
    ),
}  # fmt: skip
# Secret as the last words only: an `authorization_grant_type` is no secret.
LAST = ("authorization(?:_?(?:codes?|headers?|values?|keys?|data|response|url))?", "pass")
# Secret as the whole name only.
WHOLE = ("auth",)
# Secret as the whole name, where the value is text: the key of a session. A training session's row is no secret.
WHOLE_AS_TEXT = ("(?:(?:auth|browser|http|login|user|web)_)?session", "sid", "connect_sid")

# Last words of names that are only about a secret: `password_changed_at`, `token_type`.
ABOUT = (
    "age", "algorithm", "at", "attempts", "backends?", "consent", "counts?", "date", "days", "domain", "enabled",
    "expires", "expires_in", "expiration", "expiry", "hashers", "hours", "length", "lifetime", "limit", "method",
    "minutes", "on", "policy", "quota", "required", "samesite", "scopes?", "seconds", "size", "status", "time",
    "timeout", "ttl", "types?", "type_hint", "usage", "validators", "version", "(?:cookie|header|field|param)_name",
)  # fmt: skip
# Further names that are no secrets: counts of a language model's tokens, and the result of checking a card's code.
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

SECRET_AS_TEXT = re.compile(_any(WHOLE_AS_TEXT))

# Models that exist to hold a secret, which may be in a column with a harmless name: one of BEARERS.
SECRET_MODEL = re.compile(
    r"(?:^|_)(?:tokens?|sessions?|secrets?|credentials?|api_?keys?|confirmations?|verifications?|activations?|"
    r"invit(?:e|ation)s?|otp|[th]otp|nonces?|authenticators?|recovery|magic_links?|"
    r"(?:backup|login|scratch|security|sms)_codes?)(?:_|$)"
)
BEARERS = frozenset(("key", "value", "code", "data", "hash", "digest", "seed"))
# A column `code` next to one of these is a one-time code.
OF_ONCE = frozenset(("verified", "is_verified", "expires", "expires_at", "expired_at", "expiry", "expiration"))
# The key of a second factor's device generates its codes; a phone's registration ID is a token.
DEVICE_MODEL = re.compile(r"(?:^|_)device$")
DEVICE_BEARERS = frozenset(("key", "seed", "registration_id"))
# Models whose primary key, if it is text, contains the secret.
KEYED_MODEL = re.compile(r"(?:^|_)(?:tokens?|secrets?|credentials?|api_?keys?)$")

# Fields that may hold the name of something, and fields that may hold its value: `setting` and `value`.
NAMES = frozenset(("setting", "name", "key", "field", "field_name", "option", "variable", "attribute"))
VALUES = re.compile(r"(?:.*_)?(?:value|old|new|before|after|previous|current|default)s?")

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
CAPITALS = re.compile(r"(?<=[A-Z]{2})(?=[a-z])")
BETWEEN = re.compile(r"[\W_]+")


def words(name: str) -> str:
    """The name in lower case, with one underscore between its words.

    >>> words("X-Api-Key"), words("TOTPDevice"), words("apiKey")
    ('x_api_key', 'totp_device', 'api_key')
    """
    return BETWEEN.sub("_", CAMEL.sub("_", name)).strip("_").lower()


def sounds_secret(name: str) -> bool:
    """Whether a field, kwarg or key of this name is a secret.

    >>> [sounds_secret(name) for name in ("password", "client-secret", "token_type", "passenger")]
    [True, True, False, False]
    """
    # Of `APIkey` it is not known whether the first word is `API` or `AP`.
    spellings = {words(name), words(CAPITALS.sub("_", name))}
    return any(SECRET.search(spelt) is not None and HARMLESS.fullmatch(spelt) is None for spelt in spellings)


def sounds_secret_as_text(name: str) -> bool:
    """Whether a value of this name is a secret if it is text: a number or an object of this name may be harmless.

    >>> [sounds_secret_as_text(name) for name in ("session", "training_session", "session_number")]
    [True, False, False]
    """
    return SECRET_AS_TEXT.fullmatch(words(name)) is not None


def holds_secret(model: str, column: str) -> bool:
    """Whether a column holds a secret because of its model's name, though its own name is harmless."""
    spelt = words(model)
    if column in DEVICE_BEARERS and DEVICE_MODEL.search(spelt):
        return True
    return column in BEARERS and SECRET_MODEL.search(spelt) is not None


def is_for_once(column: str, columns: Iterable[str]) -> bool:
    """Whether a column holds a one-time code: a `code` with an expiry beside it. A country's `code` has none."""
    return column == "code" and not OF_ONCE.isdisjoint(columns)


def is_keyed(model: str) -> bool:
    """Whether this model's primary key, if it is text, is a secret or the hash of one."""
    return KEYED_MODEL.search(words(model)) is not None


def named_values(names: Collection[Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of these names: the first may hold the name of a thing, and the second the value of that thing.

    >>> named_values(["sender", "setting", "old_value"])
    (('setting', 'old_value'),)
    """
    lower = {name: name.lower() for name in names if isinstance(name, str)}
    if NAMES.isdisjoint(lower.values()):
        return ()
    values = [name for name in lower if VALUES.fullmatch(lower[name])]
    return tuple((name, value) for name in lower if lower[name] in NAMES for value in values)
