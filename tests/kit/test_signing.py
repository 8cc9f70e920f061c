import datetime
import hashlib
import hmac

import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from recado.kit import signing

BODY = '{"type": "message.received", "data": {"body": "Olá"}}'.encode()
ID = "evt_1"


def now() -> int:
    return int(datetime.datetime.now(datetime.UTC).timestamp())


def headers(prefix: str, secrets: list[str], timestamp: int) -> dict[str, str]:
    return {
        f"{prefix}-id": ID,
        f"{prefix}-timestamp": str(timestamp),
        f"{prefix}-signature": signing.sign(secrets, ID, timestamp, BODY),
    }


def test_the_libraries_that_receivers_use_verify_us_with_either_secret_of_a_rotation() -> None:
    old, new = signing.make_secret(), signing.make_secret()
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(BODY.decode(), headers("webhook", [new, old], now()))
        svix.Webhook(secret).verify(BODY, headers("svix", [new, old], now()))


def test_the_libraries_refuse_another_secret() -> None:
    signed = headers("webhook", [signing.make_secret()], now())
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(signing.make_secret()).verify(BODY.decode(), signed)


def test_we_verify_what_the_library_signs() -> None:
    secret, at = signing.make_secret(), datetime.datetime.now(datetime.UTC)
    signature = standardwebhooks.Webhook(secret).sign(ID, at, BODY.decode())
    stamp = int(at.timestamp())
    assert signing.verify([secret], ID, stamp, BODY, signature, now=stamp)


def test_the_published_example_holds() -> None:
    # From the Standard Webhooks specification's reference implementations.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = signing.sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=100), st.text(alphabet=st.characters(codec="ascii", exclude_characters=" ."), min_size=1))
def test_a_signature_covers_id_time_and_body(body: bytes, id: str) -> None:
    secret = "whsec_" + "c2VjcmV0" * 4
    signature = signing.sign([secret], id, 1_000, body)
    assert signing.verify([secret], id, 1_000, body, signature, now=1_000)
    assert not signing.verify([secret], id, 1_001, body, signature, now=1_000)
    assert not signing.verify([secret], id + "x", 1_000, body, signature, now=1_000)
    assert not signing.verify([secret], id, 1_000, body + b" ", signature, now=1_000)


@pytest.mark.parametrize(("at", "accepted"), [(1_000, True), (1_300, True), (1_301, False), (700, True), (699, False)])
def test_an_old_or_future_signature_is_refused(at: float, accepted: bool) -> None:
    secret = signing.make_secret()
    signature = signing.sign([secret], ID, 1_000, BODY)
    assert signing.verify([secret], ID, 1_000, BODY, signature, now=at) is accepted


@pytest.mark.parametrize("signature", [None, "", "v1,", "v2,abc", "é", "\ud800"])
def test_what_is_no_signature_does_not_verify(signature: str | None) -> None:
    assert not signing.verify([signing.make_secret()], ID, 0, BODY, signature, now=0)


def test_no_secret_verifies_nothing() -> None:
    assert not signing.verify([], ID, 0, BODY, "v1,x", now=0)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_sesame!", "é"])
def test_what_is_no_secret_signs_nothing_and_is_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret is") as caught:
        signing.sign([secret], ID, 0, BODY)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_a_providers_hmac(algorithm: signing.Algorithm) -> None:
    given_hex = hmac.new(b"app secret", BODY, getattr(hashlib, algorithm)).hexdigest()
    assert signing.hmac_hex_equal("app secret", BODY, given_hex, algorithm)
    assert signing.hmac_hex_equal(b"app secret", BODY, given_hex.upper(), algorithm)
    assert not signing.hmac_hex_equal("another", BODY, given_hex, algorithm)
    assert not signing.hmac_hex_equal("app secret", BODY + b" ", given_hex, algorithm)
    assert not signing.hmac_hex_equal("app secret", BODY, given_hex[:-1], algorithm)


def test_an_empty_secret_accepts_nothing_because_anyone_can_sign_with_it() -> None:
    assert not signing.hmac_hex_equal("", BODY, hmac.new(b"", BODY, hashlib.sha256).hexdigest(), "sha256")


@pytest.mark.parametrize("given_hex", [None, "", "é", "\ud800", "sha256="])
def test_what_is_no_hex_accepts_nothing(given_hex: str | None) -> None:
    assert not signing.hmac_hex_equal("secret", BODY, given_hex, "sha256")
