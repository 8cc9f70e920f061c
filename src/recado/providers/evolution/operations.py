"""Contacts, chats, presence, labels, the catalogue, privacy, stories and the profile. Groups are in groups.py.

Routes are those of the server's code (v2.3.6). On the Cloud channel it has none of these, and says so.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from recado.domain.content import MediaContent, TextContent
from recado.domain.operations import (
    Blocklist,
    Catalogue,
    Chat,
    Chats,
    Checked,
    Collection,
    Contacts,
    Label,
    Labels,
    Person,
    Picture,
    Presence,
    Privacy,
    Product,
    Profile,
    Stories,
    Unsupported,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers import waproto, whatsapp
from recado.providers.evolution.calls import Calls
from recado.providers.evolution.envelope import written

Json = dict[str, Any]

#: Our names of privacy settings, and the server's.
_PRIVACY = {
    "last_seen": "last",
    "online": "online",
    "picture": "profile",
    "about": "status",
    "read_receipts": "readreceipts",
    "groups": "groupadd",
}
_SECRETS = frozenset({"token", "apikey", "hash"})
_STORY_COLOUR = "#008069"
_STORY_KINDS = {"image": "image", "video": "video", "voice": "audio", "audio": "audio"}


class EvolutionAreas(Calls, Contacts, Blocklist, Chats, Presence, Labels, Catalogue, Privacy, Stories, Profile):
    """Every area but groups."""

    # --- the account -----------------------------------------------------------------------------------------

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The instance as the server lists it: name, number, profile, counts; without its key and its integrations, which
        have keys of their own."""
        found = await self._ask(
            connection,
            "GET",
            "instance/fetchInstances",
            query={"instanceName": connection.account or ""},
            named=False,
        )
        listed = found if isinstance(found, list) else [found]
        for one in listed:
            # Servers before v2 wrap each.
            raw = one.get("instance", one) if isinstance(one, dict) else None
            if isinstance(raw, dict) and connection.account in (raw.get("name"), raw.get("instanceName")):
                return {name: value for name, value in raw.items() if name not in _SECRETS and _is_plain(name, value)}
        raise CallFailed("The server lists no such instance.", code="no_session", retryable=False)

    # --- contacts --------------------------------------------------------------------------------------------

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """A page of what the server has stored; the server pages by whole pages, so it is cut here."""
        found = await self._ask(connection, "POST", "chat/findContacts", json={"where": {}})
        people = [_person(one) for one in waproto.objects(found) if not str(one.get("remoteJid", "")).endswith("@g.us")]
        return people[offset : offset + limit]

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """Name, picture and about, asked of WhatsApp."""
        raw = waproto.fields(await self._ask(connection, "POST", "chat/fetchProfile", json={"number": contact}))
        party = whatsapp.party(raw.get("wuid"), whatsapp.jid(contact))
        return Person(
            phone=party.phone,
            lid=party.lid,
            name=waproto.text(raw, "name"),
            business=raw["isBusiness"] if isinstance(raw.get("isBusiness"), bool) else None,
            picture=waproto.text(raw, "picture"),
            about=_about(raw.get("status")),
            extra=_given(raw, "email", "description", "website"),
        )

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Whether each is on WhatsApp; the server caches what is."""
        asked = list(dict.fromkeys(phone.removeprefix("+") for phone in phones))
        found = await self._ask(connection, "POST", "chat/whatsappNumbers", json={"numbers": asked})
        by_number = {str(one.get("number")): one for one in waproto.objects(found)}
        return [_checked(phone, by_number.get(phone.removeprefix("+"), {})) for phone in phones]

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """The address of a contact's or group's picture."""
        json = {"number": contact}
        raw = waproto.fields(await self._ask(connection, "POST", "chat/fetchProfilePictureUrl", json=json))
        return waproto.text(raw, "profilePictureUrl")

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block a contact."""
        await self._block(connection, contact, "block")

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Take a block back."""
        await self._block(connection, contact, "unblock")

    async def _block(self, connection: Connection, contact: str, status: str) -> None:
        await self._ask(connection, "POST", "chat/updateBlockStatus", json={"number": contact, "status": status})

    # --- chats -----------------------------------------------------------------------------------------------

    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """Chats that the server has messages of, the newest first."""
        json = {"where": {}, "take": limit, "skip": offset}
        found = await self._ask(connection, "POST", "chat/findChats", json=json)
        return [chat for one in waproto.objects(found)[:limit] if (chat := _chat(one)) is not None]

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """One chat that the server has messages of."""
        json = {"where": {"remoteJid": whatsapp.jid(chat)}}
        for one in waproto.objects(await self._ask(connection, "POST", "chat/findChats", json=json)):
            found = _chat(one)
            if found is not None:
                return found
        raise CallFailed("The server has no message of the chat.", code="not_found", retryable=False)

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """Archive a chat, or take it out. WhatsApp wants its last message, which the server looks up."""
        json = {"chat": whatsapp.jid(chat), "archive": archived}
        await self._ask(connection, "POST", "chat/archiveChat", json=json)

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """Mark a chat by its last message, which is asked for first."""
        key = await self._last(connection, whatsapp.jid(chat))
        if read:
            await self._ask(connection, "POST", "chat/markMessageAsRead", json={"readMessages": [key]})
        else:
            json = {"chat": whatsapp.jid(chat), "lastMessage": {"key": key}}
            await self._ask(connection, "POST", "chat/markChatUnread", json=json)

    async def _last(self, connection: Connection, jid: str) -> Json:
        json = {"where": {"key": {"remoteJid": jid}}, "page": 1, "offset": 1}
        found = waproto.fields(await self._ask(connection, "POST", "chat/findMessages", json=json))
        records = waproto.objects(waproto.fields(found.get("messages")).get("records"))
        key = waproto.fields(records[0].get("key")) if records else {}
        if not isinstance(key.get("id"), str):
            raise CallFailed("The server has no message of the chat.", code="not_found", retryable=False)
        return {"id": key["id"], "fromMe": key.get("fromMe") is True, "remoteJid": jid}

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Let messages of a group disappear; the server can do it for groups only."""
        if not chat.endswith("@g.us"):
            raise Unsupported("expire_chat")
        query = {"groupJid": chat}
        await self._ask(connection, "POST", "group/toggleEphemeral", query=query, json={"expiration": seconds})

    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Show the number as online, or not."""
        json = {"presence": "available" if available else "unavailable"}
        await self._ask(connection, "POST", "instance/setPresence", json=json)

    # --- labels, catalogue -------------------------------------------------------------------------------------

    async def list_labels(self, connection: Connection) -> list[Label]:
        """The labels that the server has stored."""
        found = waproto.objects(await self._ask(connection, "GET", "label/findLabels"))
        return [
            Label(label=label, name=waproto.text(one, "name"), color=waproto.text(one, "color"))
            for one in found
            if (label := waproto.text(one, "id"))
        ]

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put a label on a chat, or take it off."""
        json = {"number": chat, "labelId": label, "action": "add" if labelled else "remove"}
        await self._ask(connection, "POST", "label/handleLabel", json=json)

    async def list_products(self, connection: Connection, *, contact: str | None, limit: int) -> list[Product]:
        """Products of a business's catalogue, or of the number's own."""
        json: Json = {"limit": limit} | ({"number": contact} if contact else {})
        raw = waproto.fields(await self._ask(connection, "POST", "business/getCatalog", json=json))
        return [_product(one) for one in waproto.objects(raw.get("catalog"))][:limit]

    async def list_collections(self, connection: Connection, *, contact: str | None) -> list[Collection]:
        """Collections of products, up to 20."""
        json: Json = {"limit": 20} | ({"number": contact} if contact else {})
        raw = waproto.fields(await self._ask(connection, "POST", "business/getCollections", json=json))
        return [
            Collection(
                collection=waproto.text(one, "id") or "",
                name=waproto.text(one, "name"),
                products=[_product(product) for product in waproto.objects(one.get("products"))],
            )
            for one in waproto.objects(raw.get("collections"))
        ]

    # --- privacy, stories, profile -----------------------------------------------------------------------------

    async def get_privacy(self, connection: Connection) -> dict[str, str]:
        """The settings by our names."""
        raw = waproto.fields(await self._ask(connection, "GET", "chat/fetchPrivacySettings"))
        found = {ours: waproto.text(raw, theirs) for ours, theirs in _PRIVACY.items()}
        return {
            name: "contacts_except" if value == "contact_blacklist" else value
            for name, value in found.items()
            if value is not None
        }

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """Change what is given. The server takes all six at once, so the others are asked for first."""
        strange = sorted(set(settings) - set(_PRIVACY))
        if strange:
            raise Unsupported(f"privacy setting {', '.join(strange)}")
        wanted = await self.get_privacy(connection) | dict(settings)
        json = {
            _PRIVACY[name]: "contact_blacklist" if value == "contacts_except" else value
            for name, value in wanted.items()
        }
        await self._ask(connection, "POST", "chat/updatePrivacySettings", json=json)

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Post a text, image, video or voice, to all contacts that the server has stored or to those given."""
        json: Json = {"allContacts": contacts is None, "statusJidList": [whatsapp.jid(one) for one in contacts or ()]}
        if isinstance(content, TextContent):
            json |= {"type": "text", "content": content.body, "backgroundColor": _STORY_COLOUR, "font": 1}
        elif isinstance(content, MediaContent) and kind in _STORY_KINDS:
            json |= {"type": _STORY_KINDS[kind], "content": _story_media(kind, content)}
            json |= {"caption": content.caption} if content.caption else {}
        else:
            raise Unsupported(f"story of kind {kind}")
        if contacts is not None and not contacts:
            raise CallFailed("A story needs somebody to see it.", code="invalid", retryable=False)
        if contacts is None:
            del json["statusJidList"]
        raw = waproto.fields(await self._ask(connection, "POST", "message/sendStatus", json=json))
        identifier = waproto.text(raw.get("key"), "id")
        if identifier is None:
            raise CallFailed("The server's answer has no id.", code="bad_answer", retryable=False)
        return identifier

    async def get_profile(self, connection: Connection) -> Person:
        """Name, picture and about of the number itself."""
        return await self.get_contact(connection, contact=await self._own(connection))

    async def _own(self, connection: Connection) -> str:
        raw = await self.account_info(connection)
        phone = whatsapp.party(raw.get("ownerJid"), raw.get("owner")).phone
        if phone is None:
            raise CallFailed("The number was never connected.", code="not_connected")
        return phone

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Change the name that others see."""
        await self._ask(connection, "POST", "chat/updateProfileName", json={"name": name})

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """Change the "about" text."""
        await self._ask(connection, "POST", "chat/updateProfileStatus", json={"status": about})

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """Change the picture, or with None remove it."""
        if picture is None:
            await self._ask(connection, "DELETE", "chat/removeProfilePicture")
        else:
            json = {"picture": base64.b64encode(picture.data).decode()}
            await self._ask(connection, "POST", "chat/updateProfilePicture", json=json)

    async def get_business_profile(self, connection: Connection, *, contact: str | None) -> dict[str, Any]:
        """A business's profile as the server gives it."""
        number = contact or await self._own(connection)
        return waproto.fields(await self._ask(connection, "POST", "chat/fetchBusinessProfile", json={"number": number}))


def _is_plain(name: str, value: Any) -> bool:
    return name == "_count" or not isinstance(value, dict | list)


def _person(raw: Json) -> Person:
    party = whatsapp.party(raw.get("remoteJid"), raw.get("id"))
    name = waproto.text(raw, "pushName")
    return Person(
        phone=party.phone,
        lid=party.lid,
        push_name=name if name != str(raw.get("remoteJid")).partition("@")[0] else None,
        picture=waproto.text(raw, "profilePicUrl"),
    )


def _checked(phone: str, raw: Json) -> Checked:
    exists = raw.get("exists") is True
    party = whatsapp.party(raw.get("jid"))
    return Checked(phone=phone, exists=exists, canonical=party.phone if exists else None, lid=party.lid)


def _chat(raw: Json) -> Chat | None:
    chat = whatsapp.address(raw.get("remoteJid") or raw.get("id"))
    if chat is None:
        return None
    at = waproto.moment(waproto.fields(raw.get("lastMessage")).get("messageTimestamp"))
    return Chat(
        chat=chat,
        name=waproto.text(raw, "pushName") or waproto.text(raw, "name"),
        unread=waproto.integer(raw.get("unreadCount")),
        last_message_at=at or written(raw.get("updatedAt")),
    )


def _product(raw: Json) -> Product:
    images = waproto.fields(raw.get("imageUrls"))
    return Product(
        product=waproto.text(raw, "id") or "",
        name=waproto.text(raw, "name"),
        description=waproto.text(raw, "description"),
        price=waproto.integer(raw.get("price")),
        currency=waproto.text(raw, "currency"),
        retailer_id=waproto.text(raw, "retailerId"),
        url=waproto.text(raw, "url"),
        images=[value for value in images.values() if isinstance(value, str)],
        hidden=raw["isHidden"] if isinstance(raw.get("isHidden"), bool) else None,
    )


def _story_media(kind: str, content: MediaContent) -> str:
    """Voice is converted by the server, from a link or bare base64; pictures go as a link or a data URL."""
    if content.link is not None:
        return content.link
    data = content.data or ""
    if _STORY_KINDS[kind] == "audio":
        return data.partition(",")[2] if data.startswith("data:") else data
    return data if data.startswith("data:") else f"data:{content.mime_type or 'image/jpeg'};base64,{data}"


def _about(status: Any) -> str | None:
    """Newer servers give what WhatsApp answers: a text with its time."""
    return waproto.text(status, "status") if isinstance(status, dict) else status if isinstance(status, str) else None


def _given(raw: Json, *names: str) -> Json:
    return {name: raw[name] for name in names if raw.get(name)}
