"""Secrets at rest: AES-256-GCM under a key ring.

A blob is a version byte, the 4-byte id of its key (the start of the key's SHA-256), a 12-byte nonce and the
ciphertext with its tag. The `context` (which row the secret belongs to) is authenticated with it, so that a blob
copied to another row does not open. The first key encrypts, all keys decrypt: to rotate, put a new key first.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = len(_VERSION) + _ID_BYTES
_SMALLEST = _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES

_DICT = msgspec.json.Decoder(dict[str, str])


class CryptoError(Exception):
    """The base of what can go wrong here. No message ever holds a key, a blob or what is inside one."""


class InvalidKey(CryptoError):
    """What was given as a key is not 32 bytes in base64."""


class KeyMissing(CryptoError):
    """The blob was encrypted with a key that is not in the ring: it was rotated out too early, or is another's."""


class Damaged(CryptoError):
    """The blob is not one of ours, was changed, or belongs to another context."""


class Keyring:
    """Encrypts with the first of `keys`, decrypts with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise InvalidKey("a key ring needs at least one key")
        self._ciphers: dict[bytes, AESGCM] = {}
        for position, key in enumerate(keys, start=1):
            if len(key) != KEY_BYTES:
                raise InvalidKey(f"key {position} has {len(key)} bytes instead of {KEY_BYTES}")
            self._ciphers.setdefault(_id(key), AESGCM(key))
        self._header = _VERSION + _id(keys[0])
        self._first = self._ciphers[_id(keys[0])]

    def encrypt(self, data: bytes, context: bytes) -> bytes:
        """`data` as a blob that opens only with the same `context`. Two blobs of the same data differ."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._header + nonce + self._first.encrypt(nonce, data, context)

    def decrypt(self, data: bytes, context: bytes) -> bytes:
        """What was encrypted into the blob `data`. Raises `KeyMissing` or `Damaged`."""
        if len(data) < _SMALLEST or not data.startswith(_VERSION):
            raise Damaged("this is not an encrypted value of a version known here")
        cipher = self._ciphers.get(data[len(_VERSION) : _HEADER_BYTES])
        if cipher is None:
            raise KeyMissing(
                "the key that encrypted this value is not configured; put it back at the end of RECADO_SECRET_KEY"
            )
        nonce, ciphertext = data[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES], data[_HEADER_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, ciphertext, context)
        except InvalidTag:
            raise Damaged("the encrypted value was changed or belongs elsewhere") from None

    def current(self, data: bytes) -> bool:
        """Whether the blob `data` was encrypted with the first key; if not, encrypting it again finishes a rotation."""
        return data.startswith(self._header)

    def seal(self, values: Mapping[str, str], context: bytes) -> bytes:
        """`encrypt` for a dict of strings, such as credentials."""
        return self.encrypt(msgspec.json.encode(values), context)

    def open(self, blob: bytes, context: bytes) -> dict[str, str]:
        """The dict that was sealed. Raises `KeyMissing` or `Damaged`."""
        plain = self.decrypt(blob, context)
        try:
            return _DICT.decode(plain)
        except msgspec.MsgspecError:
            pass
        # Raised out here, because the decoder's error quotes the plain text.
        raise Damaged("the encrypted value is not a dict of strings")


def parse(text: str) -> Keyring:
    """The ring of comma-separated base64 keys, the encrypting one first. Raises `InvalidKey`."""
    parts = [part.strip() for part in text.split(",")]
    return Keyring([_decode(part, position) for position, part in enumerate(parts, start=1) if part])


def load_or_create(path: Path) -> Keyring:
    """The ring in the file `path`, which is made with one new key, readable by its owner only, if it is not there.

    Processes that start at the same time end up with the same key. Raises `InvalidKey` for a file that holds none.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        _create(path)
        text = path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise InvalidKey(f"{path} does not hold base64 keys") from None
    try:
        return parse(text)
    except InvalidKey as error:
        raise InvalidKey(f"{path}: {error}") from None


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears complete or not at all, and unlike a rename never replaces the key of a faster process.
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _decode(text: str, position: int) -> bytes:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKey(f"key {position} is not base64") from None


def _id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_ID_BYTES]
