"""What a number does beyond messages, sessions and groups: contacts, chats, presence, channels, labels, stories, profile."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from recado.domain import content as contents
from recado.domain import operations as areas
from recado.domain.operations import Channel, Chat, Checked, Label, Person, Picture
from recado.domain.provider import CallFailed, Connection
from recado.providers import whatsapp
from recado.providers.waha import ids, payloads
from recado.providers.waha.calls import Calls, at, file_of, not_readable, session
from recado.providers.waha.reading import Json, flag, given, identifier, inner, moment, objects, rest, text, whole

_STORY_COLOUR = "#38b42f"


class Contacts(Calls, areas.Contacts):
    """The address book. Nothing takes a contact off it."""

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """A page of the address book; groups in it are left out."""
        query = {"session": session(connection), "limit": limit, "offset": offset, "sortBy": "id", "sortOrder": "asc"}
        answer = await self._ask(connection, "GET", "/api/contacts/all", query=query)
        if not isinstance(answer.data, list):
            raise not_readable(answer)
        return [person for raw in objects(answer.data) if (person := _person(raw)) is not None]

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """One contact. WAHA answers for any number: whether it is on WhatsApp, `check_numbers` tells."""
        query = {"session": session(connection), "contactId": ids.chat_id(contact)}
        answer = await self._ask(connection, "GET", "/api/contacts", query=query)
        found = _person(answer.object) if answer.object else None
        if found is not None:
            return found
        named = whatsapp.party(contact)
        return Person(phone=named.phone, lid=named.lid)

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Whether each number is on WhatsApp: one request per number."""
        return [await self._check_number(connection, phone) for phone in phones]

    async def _check_number(self, connection: Connection, phone: str) -> Checked:
        query = {"session": session(connection), "phone": phone}
        answer = await self._ask(connection, "GET", "/api/contacts/check-exists", query=query)
        exists = flag(answer.object, "numberExists")
        if exists is None:
            raise not_readable(answer)
        found = whatsapp.party(identifier(answer.object.get("chatId")))
        return Checked(phone=phone, exists=exists, canonical=found.phone, lid=found.lid)

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """The address of a contact's or group's picture, or None when there is none to see."""
        if contact.endswith("@g.us"):
            answer = await self._ask(connection, "GET", at(connection, "groups", contact, "picture"))
            return text(answer.object, "url")
        query = {"session": session(connection), "contactId": ids.chat_id(contact)}
        answer = await self._ask(connection, "GET", "/api/contacts/profile-picture", query=query)
        return text(answer.object, "profilePictureURL")

    async def save_contact(self, connection: Connection, *, phone: str, name: str) -> None:
        """Add a contact to the phone's address book, or rename it."""
        first, _, last = name.strip().partition(" ")
        request = {"firstName": first, "lastName": last.strip()}
        await self._changed(connection, "PUT", at(connection, "contacts", ids.chat_id(phone)), json=request)


class Blocklist(Calls, areas.Blocklist):
    """Blocking. WAHA does not list who is blocked."""

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block a contact."""
        await self._block(connection, "block", contact)

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Take a block back."""
        await self._block(connection, "unblock", contact)

    async def _block(self, connection: Connection, step: str, contact: str) -> None:
        request = {"session": session(connection), "contactId": ids.chat_id(contact)}
        await self._changed(connection, "POST", f"/api/contacts/{step}", json=request)


class Chats(Calls, areas.Chats):
    """Chats. WAHA neither pins, mutes nor expires them."""

    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """A page of chats, the newest first."""
        return await self._overview(connection, {"limit": limit, "offset": offset})

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """One chat."""
        found = await self._overview(connection, {"limit": 1, "ids": ids.chat_id(chat)})
        if not found:
            raise CallFailed("WAHA knows no such chat.", code="chat_not_found", retryable=False)
        return found[0]

    async def _overview(self, connection: Connection, query: Mapping[str, Any]) -> list[Chat]:
        answer = await self._ask(connection, "GET", at(connection, "chats", "overview"), query=query)
        if not isinstance(answer.data, list):
            raise not_readable(answer)
        return [chat for raw in objects(answer.data) if (chat := _chat(raw)) is not None]

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """Archive a chat, or take it out."""
        step = "archive" if archived else "unarchive"
        await self._changed(connection, "POST", at(connection, "chats", ids.chat_id(chat), step))

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """Mark the messages of a chat as read (of the last 7 days), or the chat as unread."""
        steps = ("messages", "read") if read else ("unread",)
        await self._changed(connection, "POST", at(connection, "chats", ids.chat_id(chat), *steps))

    async def clear_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove the messages of a chat from the phone."""
        await self._changed(connection, "DELETE", at(connection, "chats", ids.chat_id(chat), "messages"))

    async def delete_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove a chat from the phone."""
        await self._changed(connection, "DELETE", at(connection, "chats", ids.chat_id(chat)))


class Presence(Calls, areas.Presence):
    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Show the number as online, or not."""
        request = {"presence": "online" if available else "offline"}
        await self._ask(connection, "POST", at(connection, "presence"), json=request)

    async def watch_presence(self, connection: Connection, *, contact: str) -> None:
        """Ask to be told when a contact is online or typing."""
        await self._ask(connection, "POST", at(connection, "presence", ids.chat_id(contact), "subscribe"))

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        """Reject a ringing call."""
        request = {"from": ids.chat_id(caller), "id": call}
        await self._ask(connection, "POST", at(connection, "calls", "reject"), json=request)


class Channels(Calls, areas.Channels):
    """Channels. WAHA does not change one that exists."""

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """The channels that the number follows or runs."""
        answer = await self._ask(connection, "GET", at(connection, "channels"))
        if not isinstance(answer.data, list):
            raise not_readable(answer)
        return [channel for raw in objects(answer.data) if (channel := _channel(raw)) is not None]

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """A channel by its id or invitation link."""
        # WAHA takes the code of a link too, which proxies do not stumble over.
        code = channel.rstrip("/").rpartition("/")[2]
        answer = await self._ask(connection, "GET", at(connection, "channels", code))
        found = _channel(answer.object)
        if found is None:
            raise not_readable(answer)
        return found

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """Make a channel."""
        request = given(name=name, description=description, picture=file_of(picture) if picture else None)
        answer = await self._ask(connection, "POST", at(connection, "channels"), json=request)
        found = _channel(answer.object)
        if found is None:
            raise not_readable(answer)
        return found

    async def delete_channel(self, connection: Connection, *, channel: str) -> None:
        """End a channel."""
        await self._changed(connection, "DELETE", at(connection, "channels", channel))

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """Follow a channel, or no longer."""
        step = "follow" if following else "unfollow"
        await self._changed(connection, "POST", at(connection, "channels", channel, step))

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """Mute a channel, or no longer."""
        await self._changed(connection, "POST", at(connection, "channels", channel, "mute" if muted else "unmute"))

    async def search_channels(self, connection: Connection, *, text: str, limit: int) -> list[Channel]:
        """Public channels by name."""
        request = {"text": text, "categories": [], "limit": limit, "startCursor": ""}
        answer = await self._ask(connection, "POST", at(connection, "channels", "search", "by-text"), json=request)
        return [channel for raw in objects(answer.object.get("channels")) if (channel := _channel(raw)) is not None]


class Labels(Calls, areas.Labels):
    """Labels of WhatsApp Business. A colour is WAHA's number (0 to 19) or `#rrggbb`."""

    async def list_labels(self, connection: Connection) -> list[Label]:
        """The labels of a business number."""
        answer = await self._ask(connection, "GET", at(connection, "labels"))
        if not isinstance(answer.data, list):
            raise not_readable(answer)
        return [label for raw in objects(answer.data) if (label := _label(raw)) is not None]

    async def create_label(self, connection: Connection, *, name: str, color: str | None) -> Label:
        """Make a label."""
        answer = await self._ask(connection, "POST", at(connection, "labels"), json=_label_body(name, color))
        found = _label(answer.object)
        if found is None:
            raise not_readable(answer)
        return found

    async def update_label(self, connection: Connection, *, label: str, name: str, color: str | None) -> None:
        """Change a label."""
        await self._changed(connection, "PUT", at(connection, "labels", label), json=_label_body(name, color))

    async def delete_label(self, connection: Connection, *, label: str) -> None:
        """Remove a label."""
        await self._changed(connection, "DELETE", at(connection, "labels", label))

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put a label on a chat, or take it off. WAHA sets a chat's labels as a whole, so they are read first."""
        path = at(connection, "labels", "chats", ids.chat_id(chat))
        answer = await self._ask(connection, "GET", path)
        if not isinstance(answer.data, list):
            raise not_readable(answer)
        present = [found for raw in objects(answer.data) if (found := text(raw, "id"))]
        wanted = [found for found in present if found != label] + ([label] if labelled else [])
        if wanted != present:
            await self._changed(connection, "PUT", path, json={"labels": [{"id": found} for found in wanted]})


class Stories(Calls, areas.Stories):
    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Post a text, image, video or voice, to all or to the contacts given; the provider's id."""
        request = _story(kind, content)
        if contacts is not None:
            request["contacts"] = [ids.chat_id(contact) for contact in contacts]
        # No id of ours: with one, NOWEB does not show the story to the number's own phone.
        answer = await self._ask(connection, "POST", at(connection, "status", kind), json=request)
        key = ids.answered(answer.data)
        if key is None:
            raise CallFailed("The story was posted, but WAHA names no id of it.", code="bad_answer", retryable=False)
        return key.id

    async def delete_story(self, connection: Connection, *, story: str) -> None:
        """Take a story back."""
        await self._changed(connection, "POST", at(connection, "status", "delete"), json={"id": story})


class Profile(Calls, areas.Profile):
    """The number's own profile. WAHA tells neither its "about" nor a business's profile."""

    async def get_profile(self, connection: Connection) -> Person:
        """Name and picture."""
        answer = await self._ask(connection, "GET", at(connection, "profile"))
        named = whatsapp.party(identifier(answer.object.get("id")))
        if not named.identities():
            raise not_readable(answer)
        return Person(
            phone=named.phone, lid=named.lid, name=text(answer.object, "name"), picture=text(answer.object, "picture")
        )

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Change the name that others see."""
        await self._changed(connection, "PUT", at(connection, "profile", "name"), json={"name": name})

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """Change the "about" text."""
        await self._changed(connection, "PUT", at(connection, "profile", "status"), json={"status": about})

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """Change the picture, or with None remove it."""
        await self._set_picture(connection, at(connection, "profile", "picture"), picture)


# --- reading -----------------------------------------------------------------------------------------------


def _person(raw: Json) -> Person | None:
    """A contact of any engine; None for a group, or for what has no id."""
    named = whatsapp.party(identifier(raw.get("id")), raw.get("phoneNumber"), raw.get("lid"), raw.get("number"))
    if named.group or not named.identities():
        return None
    return Person(
        phone=named.phone,
        lid=named.lid,
        name=text(raw, "name"),
        push_name=text(raw, "pushname") or text(raw, "notify") or text(raw, "pushName"),
        business=flag(raw, "isBusiness"),
        blocked=flag(raw, "isBlocked"),
        picture=text(raw, "imgUrl"),
        extra=given(my_contact=flag(raw, "isMyContact"), verified_name=text(raw, "verifiedName")),
    )


def _chat(raw: Json) -> Chat | None:
    chat = whatsapp.address(identifier(raw.get("id")))
    if chat is None:
        return None
    inside, last = inner(raw, "_chat"), inner(raw, "lastMessage")
    mute = inside.get("muteExpiration") or inside.get("muteEndTime")
    pinned = inside.get("pinned", inside.get("pin"))
    return Chat(
        chat=chat,
        name=text(raw, "name"),
        unread=whole(inside.get("unreadCount")),
        archived=flag(inside, "archived", "archive"),
        pinned=None if pinned is None else bool(pinned),
        muted=flag(inside, "isMuted") if flag(inside, "isMuted") is not None else _muted(mute),
        last_message_at=moment(last.get("timestamp")),
        extra=given(picture=text(raw, "picture")),
    )


def _muted(until: Any) -> bool | None:
    if until == -1:
        return True
    at_ = moment(until)
    return None if at_ is None else at_ > datetime.now(at_.tzinfo)


def _channel(raw: Json) -> Channel | None:
    named = whatsapp.party(identifier(raw.get("id"))).group
    if named is None:
        return None
    role = text(raw, "role")
    return Channel(
        channel=named,
        name=text(raw, "name"),
        description=text(raw, "description"),
        picture=text(raw, "picture") or text(raw, "preview"),
        invite_link=text(raw, "invite"),
        role=role.lower() if role else None,
        followers=whole(raw.get("subscribersCount")),
        verified=flag(raw, "verified"),
        extra=rest(
            raw, "id", "name", "description", "picture", "preview", "invite", "role", "subscribersCount", "verified"
        ),
    )


def _label(raw: Json) -> Label | None:
    named = text(raw, "id")
    if named is None:
        return None
    return Label(
        label=named,
        name=text(raw, "name"),
        color=text(raw, "colorHex") or text(raw, "color"),
        extra=given(number=whole(raw.get("color"))),
    )


def _label_body(name: str, color: str | None) -> Json:
    if color is None:
        return {"name": name}
    return (
        {"name": name, "color": int(color)}
        if color.isascii() and color.isdigit()
        else {"name": name, "colorHex": color}
    )


def _story(kind: str, content: Any) -> Json:
    if kind == "text":
        return {"text": content.body, "backgroundColor": _STORY_COLOUR, "font": 0, "linkPreview": content.preview_url}
    if kind not in ("image", "video", "voice") or not isinstance(content, contents.MediaContent):
        raise CallFailed(f"WAHA posts no {kind} as a story.", code="unsupported_by_provider", retryable=False)
    request = payloads.media(kind, content, _given_file(kind, content))
    if kind == "voice":
        request["backgroundColor"] = _STORY_COLOUR
    return request


def _given_file(kind: str, content: contents.MediaContent) -> payloads.File | None:
    """The media written into a content: base64, or a data URL. None for a link. Raises `CallFailed`."""
    if content.link:
        return None
    head, _, encoded = (content.data or "").rpartition(",")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise CallFailed("The story has neither a link nor readable data.", code="media_missing", retryable=False)
    mime_type = head.removeprefix("data:").removesuffix(";base64")
    return payloads.File(data=data, mime_type=mime_type, filename=content.filename or kind)
