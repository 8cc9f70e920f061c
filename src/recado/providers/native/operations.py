"""Contacts, groups, channels and the rest: what the engine process is asked, and its answers as our shapes."""

import abc
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from recado.domain import operations
from recado.domain.operations import (
    Channel,
    Checked,
    Community,
    Group,
    JoinRequest,
    ParticipantAction,
    ParticipantResult,
    Person,
    Picture,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers import whatsapp

if TYPE_CHECKING:
    from recado.providers.native.adapter import Reply

T = TypeVar("T")


class _Asks(abc.ABC):
    """How every operation reaches the engine."""

    @abc.abstractmethod
    async def command(
        self, connection: Connection, operation: str, request: Mapping[str, Any], payload: bytes | None = None
    ) -> "Reply":
        """Have something done; the adapter does it."""

    async def ask(
        self, connection: Connection, operation: str, request: Mapping[str, Any], payload: bytes | None = None
    ) -> Any:
        """The result of an operation, as plain data."""
        reply = await self.command(connection, operation, request, payload)
        return reply.result

    async def _get(
        self,
        shape: type[T],
        connection: Connection,
        operation: str,
        request: Mapping[str, Any],
        payload: bytes | None = None,
    ) -> T:
        try:
            return msgspec.convert(await self.ask(connection, operation, request, payload), shape, strict=False)
        except msgspec.ValidationError as error:
            raise CallFailed(f"The engine's answer is not understood: {error}", code="bad_answer") from error


class _People(
    _Asks, operations.Contacts, operations.Blocklist, operations.Presence, operations.Profile, operations.Privacy
):
    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """The contacts that the phone shared with its devices."""
        return await self._get(list[Person], connection, "list_contacts", {"limit": limit, "offset": offset})

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """A contact by its names on the phone, and its "about" text."""
        return await self._get(Person, connection, "get_contact", {"contact": whatsapp.jid(contact)})

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Asked of WhatsApp."""
        request = {"phones": ["".join(filter(str.isdigit, phone)) for phone in phones]}
        return await self._get(list[Checked], connection, "check_numbers", request)

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """An address that ends after some days."""
        found = await self.ask(connection, "get_picture", {"contact": whatsapp.jid(contact)})
        return found if isinstance(found, str) else None

    async def list_blocked(self, connection: Connection) -> list[str]:
        """Phones, or `…@lid`."""
        return await self._get(list[str], connection, "list_blocked", {})

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block."""
        await self.ask(connection, "block_contact", {"contact": whatsapp.jid(contact)})

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Unblock."""
        await self.ask(connection, "unblock_contact", {"contact": whatsapp.jid(contact)})

    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Online, or not."""
        await self.ask(connection, "set_presence", {"available": available})

    async def watch_presence(self, connection: Connection, *, contact: str) -> None:
        """WhatsApp tells it only while our number is shown as online itself."""
        await self.ask(connection, "watch_presence", {"contact": whatsapp.jid(contact)})

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        """Reject."""
        await self.ask(connection, "reject_call", {"call": call, "caller": whatsapp.jid(caller)})

    async def get_profile(self, connection: Connection) -> Person:
        """Our own name and "about" text."""
        return await self._get(Person, connection, "get_profile", {})

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """The push name."""
        await self.ask(connection, "set_profile_name", {"name": name})

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """The "about" text."""
        await self.ask(connection, "set_profile_about", {"about": about})

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """A JPEG; neonize cannot take it away again."""
        await self.ask(connection, "set_profile_picture", {}, picture.data if picture else None)

    async def get_privacy(self, connection: Connection) -> dict[str, str]:
        """The settings by name."""
        return await self._get(dict[str, str], connection, "get_privacy", {})

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """One after the other. `status` is refused: neonize can only read it."""
        await self.ask(connection, "set_privacy", {"settings": dict(settings)})


class _Groups(_Asks, operations.Groups, operations.Communities):
    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """With their participants."""
        return await self._get(list[Group], connection, "list_groups", {"limit": limit, "offset": offset})

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group."""
        return await self._get(Group, connection, "get_group", {"group": group})

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group."""
        return await self._get(
            Group, connection, "create_group", {"subject": subject, "participants": _jids(participants)}
        )

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Rename."""
        await self.ask(connection, "rename_group", {"group": group, "subject": subject})

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Describe."""
        await self.ask(connection, "describe_group", {"group": group, "description": description})

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """A JPEG; neonize cannot take it away again."""
        await self.ask(connection, "set_group_picture", {"group": group}, picture.data if picture else None)

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
        """`announce` and `locked`; neonize has no call for the others, which are refused."""
        given = {"announce": announce, "locked": locked, "approval": approval, "members_add": members_add}
        await self.ask(connection, "set_group_settings", {"group": group, **given})

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Each one's result."""
        request = {"group": group, "action": action, "participants": _jids(participants)}
        found = await self._get(list[ParticipantResult], connection, "change_participants", request)
        return [
            msgspec.structs.replace(one, participant=given) for one, given in zip(found, participants, strict=False)
        ]

    async def list_join_requests(self, connection: Connection, *, group: str) -> list[JoinRequest]:
        """Who asks to come in."""
        return await self._get(list[JoinRequest], connection, "list_join_requests", {"group": group})

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The link."""
        return await self._get(str, connection, "get_invite", {"group": group})

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new link."""
        return await self._get(str, connection, "reset_invite", {"group": group})

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind a link."""
        return await self._get(Group, connection, "preview_invite", {"link": link})

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join."""
        return await self._get(str, connection, "join_group", {"link": link})

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave."""
        await self.ask(connection, "leave_group", {"group": group})

    async def list_communities(self, connection: Connection) -> list[Community]:
        """Without their groups."""
        return await self._get(list[Community], connection, "list_communities", {})

    async def get_community(self, connection: Connection, *, community: str) -> Community:
        """With its groups."""
        return await self._get(Community, connection, "get_community", {"community": community})

    async def create_community(self, connection: Connection, *, name: str, description: str | None) -> Community:
        """Make a community."""
        request = {"name": name, "description": description}
        return await self._get(Community, connection, "create_community", request)

    async def link_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """One after the other."""
        await self.ask(connection, "link_groups", {"community": community, "groups": list(groups)})

    async def unlink_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """One after the other."""
        await self.ask(connection, "unlink_groups", {"community": community, "groups": list(groups)})


class Operations(_People, _Groups, operations.Channels, operations.Stories, operations.Chats):
    """Every optional area that the engine has."""

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """Those that the number follows or runs."""
        return await self._get(list[Channel], connection, "list_channels", {})

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """By its id or link."""
        return await self._get(Channel, connection, "get_channel", {"channel": channel})

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """Make a channel."""
        payload = picture.data if picture is not None else None
        request = {"name": name, "description": description}
        return await self._get(Channel, connection, "create_channel", request, payload)

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """Follow, or no longer."""
        await self.ask(connection, "follow_channel", {"channel": channel, "following": following})

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """Mute, or no longer."""
        await self.ask(connection, "mute_channel", {"channel": channel, "muted": muted})

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Disappearing messages."""
        await self.ask(connection, "expire_chat", {"chat": whatsapp.jid(chat), "seconds": seconds})

    async def expire_new_chats(self, connection: Connection, *, seconds: int) -> None:
        """Disappearing messages in chats that begin."""
        await self.ask(connection, "expire_new_chats", {"seconds": seconds})

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """To those whom the phone's own settings name; a choice of contacts is refused."""
        plain = dict(msgspec.to_builtins(content))
        data = plain.pop("data", None)
        try:
            payload = base64.b64decode(str(data).rpartition(",")[2], validate=True) if data else None
        except binascii.Error as error:
            raise CallFailed("`data` is not base64.", code="bad_media", retryable=False) from error
        request = {"kind": kind, "content": plain, "contacts": _jids(contacts or ())}
        return await self._get(str, connection, "post_story", request, payload)

    async def delete_story(self, connection: Connection, *, story: str) -> None:
        """Take it back."""
        await self.ask(connection, "delete_story", {"story": story})


def _jids(addresses: Sequence[str]) -> list[str]:
    return [whatsapp.jid(address) for address in addresses]
