"""What the sandbox's accounts have beyond messages, and what they share: the documents that are kept of it.

An account is a number, as on WhatsApp. Its own things are found under it; groups, communities and channels (`shared`) are
WhatsApp's own, so that every instance of a company can come to them. Pictures are kept as data URLs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

Role = Literal["member", "admin", "owner"]

#: The privacy settings with their values, the first of which is a new account's.
PRIVACY: Mapping[str, tuple[str, ...]] = {
    "last_seen": ("all", "contacts", "contacts_except", "none"),
    "online": ("all", "match_last_seen"),
    "picture": ("all", "contacts", "contacts_except", "none"),
    "about": ("all", "contacts", "contacts_except", "none"),
    "status": ("contacts", "all", "contacts_except", "none"),
    "read_receipts": ("all", "none"),
    "groups": ("all", "contacts", "contacts_except", "none"),
    "calls": ("all", "known"),
}


#: What a business can be, by the ids that WhatsApp has for it.
CATEGORIES: Mapping[str, str] = {
    "629412378414563": "Outras empresas",
    "1223524174334504": "Serviço automotivo",
    "200600219953504": "Restaurante",
}


class Thing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every document. `kind` is where it is kept; one that is not `shared` belongs to an account."""

    kind: ClassVar[str]
    shared: ClassVar[bool] = False


class Account(Thing, frozen=True, kw_only=True):
    """An account's profile and settings, under the empty id. `business` is what it says of itself,
    `expire_seconds` how long messages of new chats stay."""

    kind: ClassVar[str] = "account"

    name: str = "Sandbox"
    about: str | None = None
    picture: str | None = None
    available: bool = False
    privacy: dict[str, str] = {}
    business: dict[str, Any] = {}
    expire_seconds: int = 0


class Saved(Thing, frozen=True, kw_only=True):
    """A number in the address book, under its number."""

    kind: ClassVar[str] = "contact"

    name: str


class Blocked(Thing, frozen=True, kw_only=True):
    """A number that is blocked, under its number."""

    kind: ClassVar[str] = "blocked"


class Watched(Thing, frozen=True, kw_only=True):
    """A number whose presence is told, under its number."""

    kind: ClassVar[str] = "watched"


class Call(Thing, frozen=True, kw_only=True):
    """A call that a phone made to the account, under its id."""

    kind: ClassVar[str] = "call"

    caller: str
    video: bool = False
    state: Literal["ringing", "rejected"] = "ringing"


class ChatMarks(Thing, frozen=True, kw_only=True):
    """What an account did to a chat, under the chat's address. Of a `deleted` one nothing is left until somebody writes."""

    kind: ClassVar[str] = "chat"

    archived: bool = False
    pinned: bool = False
    muted: bool = False
    muted_until: datetime | None = None
    unread_at: datetime | None = None
    cleared_at: datetime | None = None
    deleted: bool = False
    expire_seconds: int = 0
    labels: list[str] = []
    note: str = ""


class LabelOf(Thing, frozen=True, kw_only=True):
    """A label, under its number."""

    kind: ClassVar[str] = "label"

    name: str
    color: str


class ProductOf(Thing, frozen=True, kw_only=True):
    """A product of the account's catalogue, under its id."""

    kind: ClassVar[str] = "product"

    name: str
    description: str | None = None
    price: int | None = None
    currency: str = "BRL"
    retailer_id: str | None = None
    url: str | None = None
    images: list[str] = []
    hidden: bool = False


class CollectionOf(Thing, frozen=True, kw_only=True):
    """A collection of the account's products, under its id."""

    kind: ClassVar[str] = "collection"

    name: str
    products: list[str] = []


class StoryOf(Thing, frozen=True, kw_only=True):
    """A story, under its id. Media is kept by its link, or described."""

    kind: ClassVar[str] = "story"

    type: str
    content: dict[str, Any]
    posted_at: datetime
    contacts: list[str] | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    phone: str
    role: Role = "member"


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asks to come in."""

    phone: str
    at: datetime


class GroupOf(Thing, frozen=True, kw_only=True):
    """A group, under its id. `invite` is the code at the end of its link."""

    kind: ClassVar[str] = "group"
    shared: ClassVar[bool] = True

    subject: str
    created_at: datetime
    owner: str
    invite: str
    description: str | None = None
    picture: str | None = None
    announce: bool = False
    locked: bool = False
    approval: bool = False
    members_add: bool = True
    community: str | None = None
    members: list[Member] = []
    asking: list[Asking] = []


class CommunityOf(Thing, frozen=True, kw_only=True):
    """A community, under its id. Who is in it is who is in its announcement group."""

    kind: ClassVar[str] = "community"
    shared: ClassVar[bool] = True

    name: str
    announcements: str
    description: str | None = None


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    phone: str
    muted: bool = False


class ChannelOf(Thing, frozen=True, kw_only=True):
    """A channel, under its id."""

    kind: ClassVar[str] = "channel"
    shared: ClassVar[bool] = True

    name: str
    owner: str
    invite: str
    description: str | None = None
    picture: str | None = None
    muted_by_owner: bool = False
    reactions: str = "all"
    followers: list[Follower] = []
