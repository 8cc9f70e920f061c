"""Webhook signatures: the Standard Webhooks scheme for what we send, plain HMACs for what providers send."""

import base64
import binascii
import hmac
import secrets as random_source
from collections.abc import Sequence
from typing import Literal

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_VERSION = "v1,"

Algorithm = Literal["sha1", "sha256", "sha512"]


def make_secret() -> str:
    """A new `whsec_…` secret."""
    return _PREFIX + base64.b64encode(random_source.token_bytes(_SECRET_BYTES)).decode("ascii")


def sign(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature per secret, so that a receiver can hold either during rotation.

    Raises `ValueError`, without quoting it, for a secret that is none.
    """
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return " ".join(_VERSION + _signature(_key(secret), signed) for secret in secrets)


def verify(
    secrets: Sequence[str],
    id: str,
    timestamp: int,
    body: bytes,
    signature: str | None,
    *,
    now: float,
    tolerance: float = 300,
) -> bool:
    """Whether the `webhook-signature` header holds a signature by one of `secrets`, made within `tolerance` seconds."""
    if not signature or abs(now - timestamp) > tolerance:
        return False
    expected = [part.encode() for part in sign(secrets, id, timestamp, body).split()]
    given = [part.encode("utf-8", "surrogatepass") for part in signature.split()]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)


def hmac_hex_equal(secret: str | bytes, body: bytes, given_hex: str | None, algorithm: Algorithm) -> bool:
    """Whether `given_hex` is the HMAC of `body`, compared in constant time.

    False for no signature, and for an empty secret, because anyone can sign with that.
    """
    if not secret or not given_hex:
        return False
    key = secret.encode() if isinstance(secret, str) else secret
    expected = hmac.digest(key, body, algorithm).hex()
    return hmac.compare_digest(expected.encode(), given_hex.lower().encode("utf-8", "surrogatepass"))


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is whsec_ and base64")
    return key
