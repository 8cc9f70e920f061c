"""What a payload is made of: an event, and the place it happened in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from recado.domain.zapi import Callback, ZapiSettings
from recado.providers import whatsapp
from recado.providers.zapi import addresses

Json = dict[str, Any]

#: What an endpoint takes: Z-API's callbacks, and that of partners about proxies.
Told = Callback | Literal["proxy"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it was recorded. `data` is plain."""

    id: UUID
    type: str
    at: datetime
    data: Json
    message_id: UUID | None = None

    def part(self, name: str) -> Json:
        """An object of the data; empty where there is none."""
        found = self.data.get(name)
        return found if isinstance(found, dict) else {}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person, group or channel by all that is known of it. `group` is any chat that is no person."""

    phone: str | None = None
    lid: str | None = None
    group: str | None = None
    name: str | None = None

    @property
    def id(self) -> str | None:
        """What Z-API calls it: a number rather than a LID."""
        if self.group is not None:
            return chat_id(self.group)
        return self.phone or self.lid

    def filled(self, other: "Person | None") -> "Person":
        """Itself, with what only the other one knows."""
        if other is None:
            return self
        return Person(
            phone=self.phone or other.phone,
            lid=self.lid or other.lid,
            group=self.group or other.group,
            name=self.name or other.name,
        )


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is kept. `content` is plain data in the shape of `domain.content` for `type`.

    `provider_at` is set for what a provider told of, so an outbound message without it was sent through us.
    """

    id: UUID
    type: str
    content: Any
    address: str
    direction: str
    status: str = ""
    provider_id: str | None = None
    client_id: str | None = None
    reply_to: str | None = None
    metadata: Json | None = None
    provider_at: datetime | None = None

    @property
    def through_us(self) -> bool:
        """Whether it was handed to us to send."""
        return self.direction == "outbound" and self.provider_at is None

    @property
    def shown_id(self) -> str:
        """Its `messageId`."""
        if self.through_us or self.provider_id is None:
            return self.client_id or queue_id(self.id)
        return self.provider_id


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The file of a message. `url` works without a token; None with `error` when the file could not be fetched."""

    url: str | None
    mime_type: str | None = None
    filename: str | None = None
    error: str | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """All that an event does not say itself.

    public_id   the instance's id at Z-API
    phone       the number that is connected
    message     the event's message, as it is now
    about       the message that the event, or its message, speaks of: quoted, reacted to, voted on, pinned
    contact     the chat as our books have it
    file        of the message
    """

    public_id: str
    phone: str | None = None
    settings: ZapiSettings = ZapiSettings()
    message: Stored | None = None
    about: Stored | None = None
    contact: Person | None = None
    file: File | None = None


def queue_id(message_id: UUID | str) -> str:
    """The `zaapId` of a message of ours."""
    return UUID(str(message_id)).hex.upper()


def chat_id(address: str) -> str:
    """What Z-API calls the chat of an address of ours. A broadcast list is written as its webhooks write it."""
    user, _, domain = address.partition("@")
    listed = domain == "broadcast" and address != whatsapp.STORIES
    return f"{user}-broadcast" if listed else addresses.phone(address)


def person(value: object) -> Person:
    """A person of an event's data; what is not told is absent."""
    told: Mapping[str, Any] = value if isinstance(value, dict) else {}
    return Person(**{name: str(told[name]) for name in Person.__struct_fields__ if told.get(name)})


def person_at(address: object) -> Person:
    """Whoever has an address of ours."""
    if not isinstance(address, str) or not address:
        return Person()
    _, separator, domain = address.partition("@")
    if domain == "lid":
        return Person(lid=address)
    return Person(group=address) if separator else Person(phone=address)


def milliseconds(at: datetime) -> int:
    """A time as Z-API writes it."""
    return round(at.timestamp() * 1_000)


def instant(value: object) -> int | None:
    """The time of an event's data as Z-API writes it; None where it is none."""
    if isinstance(value, datetime):
        return milliseconds(value)
    if not isinstance(value, str):
        return None
    try:
        return milliseconds(datetime.fromisoformat(value))
    except ValueError:
        return None


def text(value: object) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


def inner(value: object, name: str) -> Json:
    """An object within another one; empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
