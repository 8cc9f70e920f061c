"""The keys that encrypt what is stored: rotated, and checked.

A rotation takes three steps, so that no running process ever meets a key it does not have: a new key is put first,
every process is started again, then everything is encrypted anew. The old key can go after that.
"""

import base64
import os
import secrets
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from recado.domain.ids import WebhookId
from recado.kit.crypto import KEY_BYTES, CryptoError, Keyring
from recado.services import delivering, directory
from recado.store import db, sealed

log = structlog.get_logger(__name__)


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """How many values were encrypted anew, were current already, or could not be read (their rows, by name)."""

    encrypted: int
    current: int
    unreadable: list[str]


async def rotate(database: db.Database, keyring: Keyring) -> Rotated:
    """Encrypt with the first key whatever is not. Running it again finishes what was interrupted."""
    encrypted, current, unreadable = 0, 0, []
    async with database.worker.acquire() as connection:
        async for found in sealed.everything(connection):
            if keyring.current(found.blob):
                current += 1
                continue
            try:
                plain = keyring.decrypt(found.blob, _context(found))
            except CryptoError:
                unreadable.append(f"{found.place} {found.id}")
                continue
            # One that was changed meanwhile was sealed by a running process, with its own first key.
            if await sealed.replace(connection, found, keyring.encrypt(plain, _context(found))):
                encrypted += 1
    log.info("keys_rotated", encrypted=encrypted, current=current, unreadable=len(unreadable))
    return Rotated(encrypted=encrypted, current=current, unreadable=unreadable)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """How many values were read, how many of them with an old key, and which could not be."""

    readable: int
    old: int
    unreadable: list[str]


async def check(database: db.Database, keyring: Keyring) -> Checked:
    """Whether the keys open everything that is stored."""
    readable, old, unreadable = 0, 0, []
    async with database.worker.acquire() as connection:
        async for found in sealed.everything(connection):
            try:
                keyring.decrypt(found.blob, _context(found))
            except CryptoError:
                unreadable.append(f"{found.place} {found.id}")
                continue
            readable += 1
            old += not keyring.current(found.blob)
    return Checked(readable=readable, old=old, unreadable=unreadable)


def new_key() -> str:
    """A key as `RECADO_SECRET_KEY` takes it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def add_to_file(path: Path) -> int:
    """Put a new key first in the key file; return how many it holds now."""
    keys = [new_key(), *_keys(path)]
    _write(path, keys)
    return len(keys)


def prune_file(path: Path) -> int:
    """Keep only the first key of the key file; return how many went. Rotate before, or what they sealed is lost."""
    keys = _keys(path)
    _write(path, keys[:1])
    return len(keys) - 1


def _keys(path: Path) -> list[str]:
    return [key.strip() for key in path.read_text(encoding="ascii").split(",") if key.strip()]


def _write(path: Path, keys: list[str]) -> None:
    # Beside it, then renamed: a key file that is cut off half-way would cost everything it ever sealed.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(",".join(keys) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _context(found: sealed.Sealed) -> bytes:
    contexts = {
        "server": directory.server_context,
        "connection": directory.connection_context,
        "zapi": directory.zapi_context,
        "webhook": _webhook_context,
        "webhook_previous": _webhook_context,
    }
    return contexts[found.place](found.id)


def _webhook_context(webhook_id: UUID) -> bytes:
    return delivering.secret_context(WebhookId(webhook_id))
