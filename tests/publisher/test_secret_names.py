"""Which names are secrets: those of real apps' models and settings, of headers, and of what APIs answer."""

import pytest

from publisher.secret_names import holds_secret, is_for_once, named_values, sounds_secret, sounds_secret_as_text, words

# By whose they are: the names that must not leave, and those that must.
NAMES = {
    "django": (
        "password password1 new_password2 old_password session_key session_data csrfmiddlewaretoken "
        "csrf_token SECRET_KEY SECRET_KEY_FALLBACKS EMAIL_HOST_PASSWORD session_auth_hash _auth_user_hash",
        "id username first_name last_name email is_staff is_active is_superuser last_login date_joined groups "
        "codename action_flag change_message object_repr content_type expire_date domain name "
        "AUTH_PASSWORD_VALIDATORS PASSWORD_HASHERS PASSWORD_RESET_TIMEOUT CSRF_COOKIE_AGE CSRF_COOKIE_DOMAIN "
        "CSRF_HEADER_NAME SESSION_COOKIE_NAME SESSION_COOKIE_SAMESITE LOGIN_URL AUTH_USER_MODEL "
        "AUTHENTICATION_BACKENDS",
    ),
    "allauth": (
        "token token_secret secret password_reset_url activate_url recovery_codes",
        "provider uid extra_data client_id primary verified sent created expires_at app account last_used_at",
    ),
    "oauth-toolkit": (
        "client_secret token token_checksum token_family refresh_token access_token id_token device_code "
        "user_code nonce code_challenge code_verifier authorization_code oauth_code oauth2Code",
        "authorization_grant_type client_type redirect_uris post_logout_redirect_uris allowed_origins "
        "algorithm claims scope expires revoked jti code_challenge_method",
    ),
    "simplejwt, authtoken, knox": (
        "token refresh_token token_key auth_token jwt",
        "jti created expires_at expiry user token_type token_type_hint ACCESS_TOKEN_LIFETIME "
        "AUTH_HEADER_TYPES",
    ),
    "stripe": (
        "client_secret webhook_secret secret api_key card_number cvc cvc2 cvv Stripe-Signature "
        "ephemeral_key_secret",
        "tokenization_method cvc_check address_zip_check last4 brand exp_month fingerprint idempotency_key "
        "livemode publishable_key currency country statement_descriptor receipt_url amount_authorized",
    ),
    "axes, social-auth": (
        "session_hash credentials access_token refresh_token id_token token_secret salt secret",
        "ip_address user_agent http_accept path_info failures_since_start attempt_time logout_time provider "
        "handle issued lifetime assoc_type server_url next_step",
    ),
    "otp, two-factor": (
        "token otp_token otp_code totp hotp private_id backup_codes pin mfa_code verification_code verify_code "
        "confirm_code pairing_code phone_code mfa_seed otpauth_url provisioning_uri",
        "digits step drift t0 last_t tolerance confirmed throttling_failure_count "
        "throttling_failure_timestamp number method persistent_id last_generated_timestamp otp_attempts "
        "failed_password_attempts phone phone_number",
    ),
    "registration, invitations, push": (
        "activation_key invite_url_sent invite_url key_hash hashed_key p256dh auth vapid_private_key "
        "server_key verify_key confirm_key unlock_key",
        "inviter accepted sent activated browser cloud_message_type device_id active",
    ),
    "wagtail, cms, shops": (
        "password session_key access_code gift_card_code license_key",
        "slug title url_path draft_title content_path_hash file_hash locale latest_revision go_live_at "
        "expire_at depth path country_code postcode coupon_code promo_code discount_code sku upc partner_sku "
        "currency_code status_code",
    ),
    "headers": (
        "Authorization Proxy-Authorization HTTP_AUTHORIZATION Cookie Set-Cookie HTTP_COOKIE X-Api-Key "
        "X-CSRFToken X-Auth-Token X-Amz-Security-Token",
        "Content-Type Accept-Language User-Agent X-Request-ID Host ETag Idempotency-Key",
    ),
    "APIs and clouds": (
        "apiKey APIKey clientSecret clientsecret accessToken aws_secret_access_key access_key_id private_key "
        "privateKey signing_key account_key ssh_key passphrase pass_phrase passWord userPassword db_passwd "
        "smtp_pass pwd OTPSecret secret1 client.secret sentry_dsn connection_string presigned_url magic_link "
        "seed_phrase basic_auth auth_header authorizationCode bearer sessionid tls_key ssl_key rsa_key aes_key "
        "FERNET_KEY pgp_key gpg_key stream_key psk creds aws_creds certificate_key",
        "public_key foreign_key primary_key sort_key cache_key object_key partition_key max_tokens "
        "prompt_tokens total_tokens completion_tokens token_count tokenizer access_token_expires_at "
        "expires_in token_limit prompt_tokens_details completion_tokens_details accepted_prediction_tokens "
        "audio_tokens max_new_tokens tokens_used token_version secret_version",
    ),
    "servers": (
        "database_url DATABASE_URL broker_url CELERY_BROKER_URL redis_url amqp_url mongo_url mongodb_uri cache_url "
        "connection_url db_url postgres_url webhook_url slackWebhookUrl webhook_uris",
        "url site_url base_url image_url callback_url redirect_uri webhook_id webhook_url_status "
        "database broker_name redis_host",
    ),
    "look-alikes": (
        "password_hint pin_code security_code security_answer new_tokens password_attempt sess_id sessid PHPSESSID "
        "JSESSIONID",
        "key keyword keyboard monkey observer_key passenger passes compass bypass_reason pinned pinterest "
        "spin shopping opinion salted saltwater basalt secretary secretariat author authority authorized "
        "authorized_by authorizations oauth_app session session_start session_number session_count session_started_at "
        "last_session_at training_session sid account_sid assess_id security_question answer assignature design "
        "cookbook cookie_policy cookie_consent password_changed_at password_policy password_length signature_algorithm "
        "reset_at verification_status credit credo versions public_rsa_info upstream_keyword",
    ),
}  # fmt: skip


def table(index):
    return [pytest.param(name, id=f"{whose}-{name}") for whose in NAMES for name in NAMES[whose][index].split()]


@pytest.mark.parametrize("name", table(0))
def test_name_is_a_secret(name):
    assert sounds_secret(name)


@pytest.mark.parametrize("name", table(1))
def test_name_is_harmless(name):
    assert not sounds_secret(name)


@pytest.mark.parametrize("name", ["session", "Session", "sid", "connect.sid", "user_session", "httpSession"])
def test_text_of_this_name_is_a_secret(name):
    assert sounds_secret_as_text(name)


@pytest.mark.parametrize(
    "name",
    [
        "training_session", "session_number", "session_title", "last_session", "sessions", "obsession", "sid_count",
        "account_sid", "side", "title",
    ],
)  # fmt: skip
def test_text_of_this_name_is_harmless(name):
    assert not sounds_secret_as_text(name)


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("Token", "key"), ("AuthToken", "digest"), ("EmailConfirmation", "key"), ("Invitation", "key"),
        ("Authenticator", "data"), ("TOTPDevice", "key"), ("HOTPDevice", "key"), ("EmailDevice", "key"),
        ("PhoneDevice", "key"), ("APIKey", "key"), ("EmailVerification", "code"), ("RecoveryCode", "value"),
        ("GCMDevice", "registration_id"), ("WebPushDevice", "registration_id"),
    ],
)  # fmt: skip
def test_column_is_a_secret_by_its_model(model, column):
    assert holds_secret(model, column)


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("Setting", "key"), ("CountryCode", "code"), ("DeviceReading", "value"), ("Device", "data"),
        ("Token", "created"), ("Currency", "code"), ("Constance", "value"), ("Session", "expire_date"),
        ("Conference", "registration_id"),
    ],
)  # fmt: skip
def test_column_is_harmless_when_its_model_is_there_for_something_else(model, column):
    assert not holds_secret(model, column)


def test_code_is_a_secret_when_it_is_good_for_once():
    assert is_for_once("code", ["id", "email", "code", "verified"])
    assert is_for_once("code", ["code", "expires", "redirect_uri"])
    assert not is_for_once("code", ["id", "code", "name", "verified_by"])
    assert not is_for_once("name", ["name", "expires"])


def test_names_are_split_into_words_however_they_are_spelt():
    assert [words(name) for name in ("X-Api-Key", "TOTPDevice", "apiKey", "client.secret", "__a__")] == [
        "x_api_key", "totp_device", "api_key", "client_secret", "a",
    ]  # fmt: skip


def test_pairs_of_name_and_value_are_found():
    assert named_values(["key", "value", "other", 5]) == (("key", "value"),)
    assert named_values(["setting", "old_value", "new_value"]) == (("setting", "old_value"), ("setting", "new_value"))
    assert named_values(["value", "id"]) == named_values([]) == ()
