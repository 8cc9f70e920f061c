"""API tokens: `rcd_<level>_`, 160 random bits in base 62, and a checksum of all that goes before it.

The checksum lets a mistyped or invented token be refused without asking the database, and lets scanners for leaked
secrets be sure of what they found. Only the digest of a token is ever stored.
"""

import hashlib
import re
import secrets
import zlib
from typing import Literal

Level = Literal["adm", "co", "in"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS = 160
#: 62 ** 27 is just above 2 ** 160, and 62 ** 6 above 2 ** 32.
_RANDOM_CHARS = 27
_CHECK_CHARS = 6
_HINT_CHARS = 4
_SHAPE = re.compile(rf"rcd_(?:adm|co|in)_[0-9A-Za-z]{{{_RANDOM_CHARS + _CHECK_CHARS}}}", re.ASCII)


def make(level: Level) -> str:
    """A new token, which its owner is shown once."""
    body = f"rcd_{level}_{_base62(secrets.randbits(_RANDOM_BITS), _RANDOM_CHARS)}"
    return body + _checksum(body)


def well_formed(token: str) -> bool:
    """Whether `token` is one that `make` could have made. Says nothing of whether it is valid."""
    return _SHAPE.fullmatch(token) is not None and _checksum(token[:-_CHECK_CHARS]) == token[-_CHECK_CHARS:]


def digest(token: str) -> bytes:
    """What is stored and looked up instead of the token. Takes any text, so that any header can be looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def hint(token: str) -> str:
    """What may be shown of a token so that its owner recognises it: level and last characters, or nothing."""
    if not well_formed(token):
        return "…"
    return f"{token[: token.rindex('_') + 1]}…{token[-_HINT_CHARS:]}"


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECK_CHARS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
