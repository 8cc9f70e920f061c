"""WAHA's ids: chats are `<phone>@c.us`, messages `<fromMe>_<chat>_<id>[_<participant>]`.

Outside this folder a message is named by its bare WhatsApp id, and a person by the digits of a phone.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.provider import Referenced
from recado.providers import whatsapp

_DECORATED = re.compile(r"(true|false)_([^_\s]+@[^_\s]+)_([^_\s]+)(?:_(\S+))?")
_BARE = re.compile(r"[A-Za-z0-9.:\-]{1,128}")
_OURS = re.compile(r"[0-9A-F]{32}")
_GROUPS = ("@g.us", "@broadcast")
#: No id of ours is older.
_EARLIEST_MS = datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000


class MessageKey(msgspec.Struct, frozen=True, kw_only=True):
    """A message id taken apart. Only `id` is known of a bare one."""

    id: str
    chat: str | None = None
    from_me: bool | None = None
    participant: str | None = None


def chat_id(address: str) -> str:
    """WAHA's id of an address of ours."""
    return whatsapp.jid(address, domain="c.us")


def parse(value: object) -> MessageKey | None:
    """A message id, decorated or bare. None when it is neither."""
    if not isinstance(value, str):
        return None
    found = _DECORATED.fullmatch(value)
    if found is not None:
        from_me, chat, bare, participant = found.groups()
        return MessageKey(id=bare, chat=chat, from_me=from_me == "true", participant=participant)
    return MessageKey(id=value) if _BARE.fullmatch(value) else None


def bare(value: object) -> str | None:
    """The WhatsApp id in a message id, decorated or bare."""
    key = parse(value)
    return key.id if key else None


def decorated(message: Referenced) -> str:
    """WAHA's id of an earlier message. In a group it ends with who wrote it, where that was not us."""
    mark = "true" if message.from_me else "false"
    whole = f"{mark}_{chat_id(message.chat)}_{message.provider_id}"
    if message.sender and not message.from_me and message.chat.endswith(_GROUPS):
        return f"{whole}_{chat_id(message.sender)}"
    return whole


def answered(answer: Any) -> MessageKey | None:
    """The id in the answer to a send, whose shape depends on the engine: `id`, `id._serialized`, `id.id`, `key.id`."""
    if not isinstance(answer, dict):
        return None
    identifier = answer.get("id")
    if isinstance(identifier, dict):
        return parse(identifier.get("_serialized")) or parse(identifier.get("id"))
    if isinstance(identifier, str):
        return parse(identifier)
    key = answer.get("key")
    return parse(key.get("id")) if isinstance(key, dict) else None


def ours(message_id: UUID) -> str:
    """The WhatsApp id of a message of ours, where the engine lets us choose it: 32 hexadecimal digits, a shape that
    WhatsApp's own apps use. The same for every attempt."""
    return message_id.hex.upper()


def message_of(identifier: str, now: datetime) -> str | None:
    """Our message id in a WhatsApp id that we chose; None for one that somebody else chose.

    Ours are UUIDs of version 7 whose time has come: one random id in 100,000 looks like that.
    """
    if not _OURS.fullmatch(identifier):
        return None
    found = UUID(hex=identifier)
    made_ms = found.int >> 80
    if found.version != 7 or not _EARLIEST_MS < made_ms < (now + timedelta(days=1)).timestamp() * 1000:
        return None
    return str(found)
