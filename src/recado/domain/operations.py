"""What a provider can do beyond messages: contacts, chats, groups, and the rest, one area per class.

An adapter that has an area inherits from its class and overrides what the provider has of it; what it does not
override raises `Unsupported`. `operations` is therefore data, and the table in the docs is made from it.

Everywhere: `contact` is a phone (digits) or `…@lid`, `chat` one of these or a group or channel, `group` `…@g.us`,
`channel` `…@newsletter`. Pictures are given as bytes with their MIME type and come back as a url. Every method raises
`CallFailed` for what the provider does or fails to do. What a provider tells beyond a Struct is under its `extra`.
"""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NoReturn

import msgspec

from recado.domain.provider import CallFailed, Connection


class Unsupported(CallFailed):
    """The provider does not have the operation."""

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"The provider has no {operation.replace('_', ' ')}.", code="unsupported_by_provider", retryable=False
        )
        self.operation = operation


def _absent(area: "Area", operation: str) -> NoReturn:
    raise Unsupported(operation)


class Area:
    """The base of every area."""


# --- shapes ---------------------------------------------------------------------------------------------


class _Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    extra: dict[str, Any] = {}


class Person(_Shape, frozen=True, kw_only=True):
    """A contact in the number's address book, or one that was asked about."""

    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    push_name: str | None = None
    business: bool | None = None
    blocked: bool | None = None
    picture: str | None = None
    about: str | None = None


class Checked(_Shape, frozen=True, kw_only=True):
    """Whether a number is on WhatsApp. `canonical` is the number as WhatsApp writes it, which may lack the ninth digit."""

    phone: str
    exists: bool
    canonical: str | None = None
    lid: str | None = None


class Chat(_Shape, frozen=True, kw_only=True):
    chat: str
    name: str | None = None
    unread: int | None = None
    archived: bool | None = None
    pinned: bool | None = None
    muted: bool | None = None
    labels: Sequence[str] = ()
    last_message_at: datetime | None = None


class Participant(_Shape, frozen=True, kw_only=True):
    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    role: Literal["member", "admin", "owner"] = "member"


class Group(_Shape, frozen=True, kw_only=True):
    """`announce`: only admins write; `locked`: only admins change the group; `approval`: admins let people in."""

    group: str
    subject: str | None = None
    description: str | None = None
    owner: str | None = None
    created_at: datetime | None = None
    picture: str | None = None
    invite_link: str | None = None
    announce: bool | None = None
    locked: bool | None = None
    approval: bool | None = None
    community: str | None = None
    participants: Sequence[Participant] = ()


class ParticipantResult(_Shape, frozen=True, kw_only=True):
    """What became of one participant. `code` is the provider's, where it was refused."""

    participant: str
    done: bool
    code: str | None = None


class JoinRequest(_Shape, frozen=True, kw_only=True):
    participant: str
    requested_at: datetime | None = None


class Community(_Shape, frozen=True, kw_only=True):
    community: str
    name: str | None = None
    description: str | None = None
    announcement_group: str | None = None
    groups: Sequence[Group] = ()


class Channel(_Shape, frozen=True, kw_only=True):
    """A newsletter."""

    channel: str
    name: str | None = None
    description: str | None = None
    picture: str | None = None
    invite_link: str | None = None
    role: str | None = None
    followers: int | None = None
    muted: bool | None = None
    verified: bool | None = None


class Label(_Shape, frozen=True, kw_only=True):
    label: str
    name: str | None = None
    color: str | None = None


class Product(_Shape, frozen=True, kw_only=True):
    """`price` is in thousandths of `currency`, as WhatsApp keeps it."""

    product: str
    name: str | None = None
    description: str | None = None
    price: int | None = None
    currency: str | None = None
    retailer_id: str | None = None
    url: str | None = None
    images: Sequence[str] = ()
    hidden: bool | None = None


class ProductDraft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A product to make or to change. `price` is in thousandths of `currency`; `images` are links."""

    name: str
    description: str | None = None
    price: int | None = None
    currency: str = "BRL"
    retailer_id: str | None = None
    url: str | None = None
    images: list[str] = []
    hidden: bool = False


class Collection(_Shape, frozen=True, kw_only=True):
    collection: str
    name: str | None = None
    products: Sequence[Product] = ()


class Category(_Shape, frozen=True, kw_only=True):
    """A category that businesses can be of."""

    category: str
    name: str | None = None


class BusinessChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is changed in the number's business profile. None stays as it is, what is empty is removed; `categories` are ids."""

    description: str | None = None
    address: str | None = None
    email: str | None = None
    websites: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to set."""

    data: bytes
    mime_type: str = "image/jpeg"


# --- areas ----------------------------------------------------------------------------------------------


class Contacts(Area):
    """The address book, and who is on WhatsApp."""

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """A page of the address book."""
        _absent(self, "list_contacts")

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """One contact, on the address book or not."""
        _absent(self, "get_contact")

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Whether each number is on WhatsApp, in the order given."""
        _absent(self, "check_numbers")

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """The address of a contact's or group's picture, or None when there is none to see."""
        _absent(self, "get_picture")

    async def save_contact(self, connection: Connection, *, phone: str, name: str) -> None:
        """Add a contact to the address book, or rename it."""
        _absent(self, "save_contact")

    async def remove_contact(self, connection: Connection, *, phone: str) -> None:
        """Take a contact off the address book."""
        _absent(self, "remove_contact")


class Blocklist(Area):
    async def list_blocked(self, connection: Connection) -> list[str]:
        """The contacts that the number has blocked."""
        _absent(self, "list_blocked")

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block a contact."""
        _absent(self, "block_contact")

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Take a block back."""
        _absent(self, "unblock_contact")


class Chats(Area):
    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """A page of chats, the newest first."""
        _absent(self, "list_chats")

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """One chat."""
        _absent(self, "get_chat")

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """Archive a chat, or take it out."""
        _absent(self, "archive_chat")

    async def pin_chat(self, connection: Connection, *, chat: str, pinned: bool) -> None:
        """Pin a chat to the top, or let it go."""
        _absent(self, "pin_chat")

    async def mute_chat(self, connection: Connection, *, chat: str, seconds: int | None) -> None:
        """Mute a chat for a time (0: for ever), or with None no longer."""
        _absent(self, "mute_chat")

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """Mark a whole chat as read or as unread."""
        _absent(self, "mark_chat")

    async def clear_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove the messages of a chat from the phone."""
        _absent(self, "clear_chat")

    async def delete_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove a chat from the phone."""
        _absent(self, "delete_chat")

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Let messages of a chat disappear after 86,400, 604,800 or 7,776,000 seconds; 0 keeps them."""
        _absent(self, "expire_chat")

    async def expire_new_chats(self, connection: Connection, *, seconds: int) -> None:
        """Let messages of chats that begin from now on disappear, as `expire_chat`."""
        _absent(self, "expire_new_chats")

    async def note_chat(self, connection: Connection, *, chat: str, note: str) -> None:
        """Write the note that a business's phone keeps of a chat; an empty one removes it."""
        _absent(self, "note_chat")


class Presence(Area):
    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Show the number as online, or not."""
        _absent(self, "set_presence")

    async def watch_presence(self, connection: Connection, *, contact: str) -> None:
        """Ask to be told when a contact is online or typing."""
        _absent(self, "watch_presence")

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        """Reject a ringing call."""
        _absent(self, "reject_call")


ParticipantAction = Literal["add", "remove", "promote", "demote"]


class Groups(Area):
    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """The groups that the number is in. Participants may be absent."""
        _absent(self, "list_groups")

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group with its participants."""
        _absent(self, "get_group")

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group."""
        _absent(self, "create_group")

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Change a group's subject."""
        _absent(self, "rename_group")

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Change a group's description."""
        _absent(self, "describe_group")

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """Change a group's picture, or with None remove it."""
        _absent(self, "set_group_picture")

    async def set_group_settings(
        self,
        connection: Connection,
        *,
        group: str,
        announce: bool | None = None,
        locked: bool | None = None,
        approval: bool | None = None,
        members_add: bool | None = None,
    ) -> None:
        """Change who may write, change the group, come in, and add others. None stays as it is."""
        _absent(self, "set_group_settings")

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Add, remove, promote or demote. What the provider does not tell of one apart counts as done."""
        _absent(self, "change_participants")

    async def list_join_requests(self, connection: Connection, *, group: str) -> list[JoinRequest]:
        """Who asks to come in."""
        _absent(self, "list_join_requests")

    async def answer_join_requests(
        self, connection: Connection, *, group: str, participants: Sequence[str], approve: bool
    ) -> list[ParticipantResult]:
        """Let people in, or not."""
        _absent(self, "answer_join_requests")

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The invitation link."""
        _absent(self, "get_invite")

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new invitation link; the old one ends."""
        _absent(self, "reset_invite")

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind an invitation link or its code."""
        _absent(self, "preview_invite")

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join by an invitation link or its code; the group's id."""
        _absent(self, "join_group")

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave a group."""
        _absent(self, "leave_group")


class Communities(Area):
    async def list_communities(self, connection: Connection) -> list[Community]:
        """The communities that the number is in."""
        _absent(self, "list_communities")

    async def get_community(self, connection: Connection, *, community: str) -> Community:
        """A community with its groups."""
        _absent(self, "get_community")

    async def create_community(self, connection: Connection, *, name: str, description: str | None) -> Community:
        """Make a community."""
        _absent(self, "create_community")

    async def deactivate_community(self, connection: Connection, *, community: str) -> None:
        """End a community; its groups stay."""
        _absent(self, "deactivate_community")

    async def link_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Put groups into a community."""
        _absent(self, "link_groups")

    async def unlink_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Take groups out of a community."""
        _absent(self, "unlink_groups")


class Channels(Area):
    """Newsletters."""

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """The channels that the number follows or runs."""
        _absent(self, "list_channels")

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """A channel by its id or invitation link."""
        _absent(self, "get_channel")

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """Make a channel."""
        _absent(self, "create_channel")

    async def update_channel(
        self,
        connection: Connection,
        *,
        channel: str,
        name: str | None = None,
        description: str | None = None,
        picture: Picture | None = None,
    ) -> None:
        """Change what is given."""
        _absent(self, "update_channel")

    async def delete_channel(self, connection: Connection, *, channel: str) -> None:
        """End a channel."""
        _absent(self, "delete_channel")

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """Follow a channel, or no longer."""
        _absent(self, "follow_channel")

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """Mute a channel, or no longer."""
        _absent(self, "mute_channel")

    async def set_channel_reactions(
        self, connection: Connection, *, channel: str, reactions: Literal["all", "basic", "none"]
    ) -> None:
        """With which emojis followers may react: any, WhatsApp's usual ones, or none."""
        _absent(self, "set_channel_reactions")

    async def search_channels(self, connection: Connection, *, text: str, limit: int) -> list[Channel]:
        """Public channels by name."""
        _absent(self, "search_channels")


class Labels(Area):
    async def list_labels(self, connection: Connection) -> list[Label]:
        """The labels of a business number."""
        _absent(self, "list_labels")

    async def create_label(self, connection: Connection, *, name: str, color: str | None) -> Label:
        """Make a label."""
        _absent(self, "create_label")

    async def update_label(self, connection: Connection, *, label: str, name: str, color: str | None) -> None:
        """Change a label."""
        _absent(self, "update_label")

    async def delete_label(self, connection: Connection, *, label: str) -> None:
        """Remove a label."""
        _absent(self, "delete_label")

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put a label on a chat, or take it off."""
        _absent(self, "label_chat")


class Catalogue(Area):
    async def list_products(self, connection: Connection, *, contact: str | None, limit: int) -> list[Product]:
        """Products of the number's own catalogue, or of a business's."""
        _absent(self, "list_products")

    async def get_product(self, connection: Connection, *, product: str, contact: str | None) -> Product:
        """One product."""
        _absent(self, "get_product")

    async def save_product(self, connection: Connection, *, product: str | None, draft: ProductDraft) -> Product:
        """Make a product, or change the one named."""
        _absent(self, "save_product")

    async def delete_product(self, connection: Connection, *, product: str) -> None:
        """Remove a product."""
        _absent(self, "delete_product")

    async def list_collections(self, connection: Connection, *, contact: str | None) -> list[Collection]:
        """Collections of products."""
        _absent(self, "list_collections")


class Privacy(Area):
    """Who sees what. Names: last_seen, online, picture, about, status, read_receipts, groups, calls. Values: all,
    contacts, contacts_except, none; online: all, match_last_seen; read_receipts: all, none; calls: all, known."""

    async def get_privacy(self, connection: Connection) -> dict[str, str]:
        """The settings by name."""
        _absent(self, "get_privacy")

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """Change what is given."""
        _absent(self, "set_privacy")


class Stories(Area):
    """Status posts, seen for a day."""

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Post a text, image, video or voice, to all or to the contacts given; the provider's id. `content` is that of
        `domain.content`; media comes by link or as a base64 data URL in `data`."""
        _absent(self, "post_story")

    async def delete_story(self, connection: Connection, *, story: str) -> None:
        """Take a story back."""
        _absent(self, "delete_story")


class Profile(Area):
    """The number's own profile."""

    async def get_profile(self, connection: Connection) -> Person:
        """Name, picture, about."""
        _absent(self, "get_profile")

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Change the name that others see."""
        _absent(self, "set_profile_name")

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """Change the "about" text."""
        _absent(self, "set_profile_about")

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """Change the picture, or with None remove it."""
        _absent(self, "set_profile_picture")

    async def get_business_profile(self, connection: Connection, *, contact: str | None) -> dict[str, Any]:
        """A business's profile: the number's own, or a contact's."""
        _absent(self, "get_business_profile")

    async def set_business_profile(self, connection: Connection, *, change: BusinessChange) -> None:
        """Change what is given in the number's own business profile."""
        _absent(self, "set_business_profile")

    async def list_business_categories(self, connection: Connection) -> list[Category]:
        """The categories that a business can be of."""
        _absent(self, "list_business_categories")


AREAS: tuple[type[Area], ...] = (
    Contacts,
    Blocklist,
    Chats,
    Presence,
    Groups,
    Communities,
    Channels,
    Labels,
    Catalogue,
    Privacy,
    Stories,
    Profile,
)

#: Every operation with its area, in the order of the docs.
OPERATIONS: dict[str, type[Area]] = {
    name: area for area in AREAS for name in vars(area) if not name.startswith("_") and callable(vars(area)[name])
}


def operations(adapter: object) -> frozenset[str]:
    """The operations that an adapter has: those that it overrides."""
    return _overridden(type(adapter))  # type: ignore[arg-type]  # A class is hashable, whatever its instances are.


@functools.cache
def _overridden(adapter: type) -> frozenset[str]:
    return frozenset(
        name
        for name, area in OPERATIONS.items()
        if issubclass(adapter, area) and getattr(adapter, name) is not getattr(area, name)
    )
