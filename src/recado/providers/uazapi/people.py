"""What UAZAPI has of contacts, blocks, chats, presence, labels, the catalogue, privacy, stories and the profile."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recado.domain.content import MediaContent, TextContent
from recado.domain.operations import (
    Blocklist,
    BusinessChange,
    Catalogue,
    Category,
    Chat,
    Chats,
    Checked,
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
)
from recado.domain.provider import CallFailed, Connection
from recado.providers import whatsapp, wire
from recado.providers.uazapi import calls
from recado.providers.uazapi.calls import Caller, Json, bare, flag, maybe, objects, rest, text, whole
from recado.providers.uazapi.errors import moment
from recado.providers.uazapi.payloads import MEDIA_TYPES, number

_MOST = 1_000
_HOUR = 3_600
#: Seconds -> hours of `/chat/mute`, which takes no others.
_MUTES = {0: -1, 8 * _HOUR: 8, 168 * _HOUR: 168}
_EXPIRIES = {0: "off", 86_400: "1d", 604_800: "7d", 7_776_000: "90d"}
_LONGEST_NAME = 25
#: The colours of labels, by their number.
_COLORS = [
    "#ff9484",
    "#64c4ff",
    "#fed428",
    "#dfaef0",
    "#9ab6c1",
    "#56ccb4",
    "#fe9dfe",
    "#d3a91f",
    "#6f7bcf",
    "#d8e651",
    "#01d0e2",
    "#ffc5c7",
    "#92ceac",
    "#f64847",
    "#00a1f2",
    "#83e421",
    "#ffae04",
    "#b4ebff",
    "#9ba6ff",
    "#9568cf",
]
_PRIVACY = {
    "last_seen": "last",
    "online": "online",
    "picture": "profile",
    "about": "status",
    "read_receipts": "readreceipts",
    "groups": "groupadd",
    "calls": "calladd",
}
_EXCEPT = "contact_blacklist"
_STORIES = frozenset({"text", "image", "video", "audio", "voice"})


def invalid(why: str) -> CallFailed:
    """A request that UAZAPI would not take."""
    return CallFailed(why, code="invalid", retryable=False)


class People(Contacts, Blocklist, Chats, Presence, Labels, Catalogue, Privacy, Stories, Profile, Caller):
    """Operations around people, without rooms."""

    # --- contacts ------------------------------------------------------------------------------------------

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """A page of the address book, at most 1,000."""
        asked = {"limit": min(limit, _MOST), "offset": offset, "contactScope": "address_book"}
        answer = await self._object(connection, "POST", "/contacts/list", asked)
        return [_contact(one) for one in objects(answer.get("contacts"))]

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """What UAZAPI keeps of the contact's chat."""
        return _person(await self._details(connection, contact))

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Whether each number is on WhatsApp, in the order given; `CallFailed` for an answer that leaves one out."""
        asked = [number(phone) for phone in phones]
        answer = await self._ask(connection, "POST", "/chat/check", {"numbers": asked})
        found = {str(one.get("query")): one for one in objects(answer)}
        if missing := [phone for phone in asked if phone not in found]:
            raise CallFailed(f"UAZAPI did not answer for {len(missing)} of the numbers", code="bad_answer")
        return [_checked(phone, found[one]) for phone, one in zip(phones, asked, strict=True)]

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """The address of the picture in full size."""
        return text(await self._details(connection, contact), "image", "imagePreview")

    async def save_contact(self, connection: Connection, *, phone: str, name: str) -> None:
        """Add or rename; the whole name becomes the first name too."""
        await self._ask(connection, "POST", "/contact/add", {"number": number(phone), "name": name})

    async def remove_contact(self, connection: Connection, *, phone: str) -> None:
        """Take a contact off the address book."""
        await self._ask(connection, "POST", "/contact/remove", {"number": number(phone)})

    async def _details(self, connection: Connection, contact: str) -> Json:
        return await self._object(connection, "POST", "/chat/details", {"number": number(contact), "preview": False})

    # --- blocks --------------------------------------------------------------------------------------------

    async def list_blocked(self, connection: Connection) -> list[str]:
        """The contacts that the number has blocked."""
        listed = (await self._object(connection, "GET", "/chat/blocklist")).get("blockList")
        return [found for one in listed if (found := calls.jid_text(one))] if isinstance(listed, list) else []

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block a contact."""
        await self._ask(connection, "POST", "/chat/block", {"number": number(contact), "block": True})

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Take a block back."""
        await self._ask(connection, "POST", "/chat/block", {"number": number(contact), "block": False})

    # --- chats ---------------------------------------------------------------------------------------------

    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """A page of chats, the newest first."""
        asked = {"limit": limit, "offset": offset, "sort": "-wa_lastMsgTimestamp"}
        answer = await self._object(connection, "POST", "/chat/find", asked)
        return [found for one in objects(answer.get("chats")) if (found := _chat(one))]

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """One chat."""
        found = _chat(await self._details(connection, chat))
        if found is None:
            raise CallFailed("UAZAPI names no chat", code="bad_answer")
        return found

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """Archive a chat, or take it out."""
        await self._ask(connection, "POST", "/chat/archive", {"number": number(chat), "archive": archived})

    async def pin_chat(self, connection: Connection, *, chat: str, pinned: bool) -> None:
        """Pin a chat to the top, or let it go."""
        await self._ask(connection, "POST", "/chat/pin", {"number": number(chat), "pin": pinned})

    async def mute_chat(self, connection: Connection, *, chat: str, seconds: int | None) -> None:
        """Mute for 8 hours (28,800), a week (604,800) or for ever (0); nothing else. None ends it."""
        if seconds is not None and seconds not in _MUTES:
            raise invalid(f"UAZAPI mutes for 28,800 or 604,800 seconds or for ever (0), not for {seconds}")
        hours = 0 if seconds is None else _MUTES[seconds]
        await self._ask(connection, "POST", "/chat/mute", {"number": whatsapp.jid(chat), "muteEndTime": hours})

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """Mark a whole chat as read or as unread."""
        await self._ask(connection, "POST", "/chat/read", {"number": whatsapp.jid(chat), "read": read})

    async def clear_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove the messages from the phone. UAZAPI keeps its own copy of them."""
        await self._delete(connection, {"number": number(chat), "clearChatWhatsApp": True})

    async def delete_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove a chat from the phone. WhatsApp only empties a group."""
        await self._delete(connection, {"number": number(chat), "deleteChatWhatsApp": True})

    async def _delete(self, connection: Connection, asked: Json) -> None:
        answer = await self._object(connection, "POST", "/chat/delete", asked)
        problems = answer.get("errors")
        if isinstance(problems, list) and problems:
            raise CallFailed(wire.told(str(problems[0]), calls.secrets(connection)) or "the chat was not removed")

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Disappearing messages, in groups for its admins."""
        if seconds not in _EXPIRIES:
            raise invalid(f"WhatsApp knows no {seconds} seconds: 0, 86,400, 604,800 or 7,776,000")
        if chat.endswith("@g.us"):
            asked = {"groupjid": chat, "duration": _EXPIRIES[seconds]}
            await self._ask(connection, "POST", "/group/ephemeral", asked)
        else:
            asked = {"number": whatsapp.jid(chat), "duration": _EXPIRIES[seconds]}
            await self._ask(connection, "POST", "/chat/ephemeral", asked)

    async def note_chat(self, connection: Connection, *, chat: str, note: str) -> None:
        """Write the note of a chat, or remove it."""
        await self._ask(connection, "POST", "/chat/notes/edit", {"number": whatsapp.jid(chat), "notes": note})

    # --- presence ------------------------------------------------------------------------------------------

    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Show the number as online, or not. While it is online the phone itself may not notify."""
        presence = "available" if available else "unavailable"
        await self._ask(connection, "POST", "/instance/presence", {"presence": presence})

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        """Reject a ringing call."""
        await self._ask(connection, "POST", "/call/reject", {"number": number(caller), "id": call})

    # --- labels --------------------------------------------------------------------------------------------

    async def list_labels(self, connection: Connection) -> list[Label]:
        """The labels of a business number."""
        return [_label(one) for one in objects(await self._ask(connection, "GET", "/labels"))]

    async def create_label(self, connection: Connection, *, name: str, color: str | None) -> Label:
        """Make a label. UAZAPI does not tell its id, so the newest of that name is looked up."""
        asked = {"labelid": "new", "name": name, "delete": False, **_color(color)}
        await self._ask(connection, "POST", "/label/edit", asked)
        same = [label for label in await self.list_labels(connection) if label.name == name]
        if not same:
            raise CallFailed("UAZAPI does not list the label that it made", code="bad_answer")
        return max(same, key=lambda label: int(label.label) if label.label.isdecimal() else 0)

    async def update_label(self, connection: Connection, *, label: str, name: str, color: str | None) -> None:
        """Change a label. Without a colour it keeps its own."""
        asked = {"labelid": label, "name": name, "delete": False, **_color(color)}
        await self._ask(connection, "POST", "/label/edit", asked)

    async def delete_label(self, connection: Connection, *, label: str) -> None:
        """Remove a label."""
        await self._ask(connection, "POST", "/label/edit", {"labelid": label, "delete": True})

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put a label on a chat, or take it off."""
        action = "add_labelid" if labelled else "remove_labelid"
        await self._ask(connection, "POST", "/chat/labels", {"number": number(chat), action: label})

    # --- catalogue -----------------------------------------------------------------------------------------

    async def list_products(self, connection: Connection, *, contact: str | None, limit: int) -> list[Product]:
        """Products page by page, ten each, until there are `limit`."""
        asked: Json = {"jid": await self._catalogue(connection, contact)}
        found: list[Product] = []
        while len(found) < limit:
            answer = await self._object(connection, "POST", "/business/catalog/list", asked)
            page = maybe(answer.get("response"))
            products = [_product(one) for one in objects(page.get("Products"))]
            found += products
            after = text(maybe(page.get("Paging")), "After")
            if not products or after is None or after == asked.get("after"):
                break
            asked = {**asked, "after": after}
        return found[:limit]

    async def get_product(self, connection: Connection, *, product: str, contact: str | None) -> Product:
        """One product."""
        asked = {"jid": await self._catalogue(connection, contact), "id": product}
        answer = await self._object(connection, "POST", "/business/catalog/info", asked)
        return _product({"id": product, **maybe(answer.get("response"))})

    async def delete_product(self, connection: Connection, *, product: str) -> None:
        """Remove a product."""
        await self._ask(connection, "POST", "/business/catalog/delete", {"id": product})

    async def _catalogue(self, connection: Connection, contact: str | None) -> str:
        """The WhatsApp id of whose catalogue it is; for our own the number has to be asked for."""
        if contact is not None:
            return whatsapp.jid(contact)
        own = (await self.get_profile(connection)).phone
        if own is None:
            raise CallFailed("the number is not connected, so its catalogue has no name", code="not_connected")
        return whatsapp.jid(own)

    # --- privacy -------------------------------------------------------------------------------------------

    async def get_privacy(self, connection: Connection) -> dict[str, str]:
        """The settings by name. UAZAPI tells nothing of who sees stories."""
        answer = await self._object(connection, "GET", "/instance/privacy")
        told = {ours: text(answer, theirs) for ours, theirs in _PRIVACY.items()}
        return {name: "contacts_except" if found == _EXCEPT else found for name, found in told.items() if found}

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """Change what is given."""
        if unknown := sorted(set(settings) - set(_PRIVACY)):
            raise invalid(f"UAZAPI has no privacy setting {', '.join(unknown)}")
        asked = {_PRIVACY[name]: _EXCEPT if value == "contacts_except" else value for name, value in settings.items()}
        await self._ask(connection, "POST", "/instance/privacy", asked)

    # --- stories -------------------------------------------------------------------------------------------

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Post a text, image, video, audio or voice. Contacts outside of the number's story audience are left out."""
        answer = await self._object(connection, "POST", "/send/status", _story(kind, content, contacts))
        posted = bare(text(answer, "messageid", "Id", "id"))
        if posted is None:
            raise CallFailed("UAZAPI names no story", code="bad_answer")
        return posted

    # --- profile -------------------------------------------------------------------------------------------

    async def get_profile(self, connection: Connection) -> Person:
        """Name and picture as the instance keeps them. The "about" is not told."""
        instance = maybe((await self._object(connection, "GET", "/instance/status")).get("instance"))
        return Person(
            phone=whatsapp.address(instance.get("owner")),
            name=text(instance, "profileName"),
            picture=text(instance, "profilePicUrl"),
            business=flag(instance.get("isBusiness")),
        )

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Change the name that others see, up to 25 characters."""
        if len(name) > _LONGEST_NAME:
            raise invalid(f"a profile's name has at most {_LONGEST_NAME} characters")
        await self._ask(connection, "POST", "/profile/name", {"name": name})

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """Change the picture, or with None remove it."""
        await self._ask(connection, "POST", "/profile/image", {"image": picture_of(picture)})

    async def get_business_profile(self, connection: Connection, *, contact: str | None) -> dict[str, Any]:
        """A business's profile: the number's own, or a contact's."""
        asked = {} if contact is None else {"jid": whatsapp.jid(contact)}
        return maybe((await self._object(connection, "POST", "/business/get/profile", asked)).get("response"))

    async def set_business_profile(self, connection: Connection, *, change: BusinessChange) -> None:
        """Description, address and e-mail, in one call; nothing else."""
        if change.websites is not None or change.categories is not None:
            raise invalid("UAZAPI changes the description, address and e-mail of a business, nothing else")
        answer = await self._object(connection, "POST", "/business/update/profile", msgspec.to_builtins(change))
        if whole(answer.get("failed")):
            refused = [name for name, told in maybe(answer.get("response")).items() if text(maybe(told), "error")]
            raise CallFailed(f"WhatsApp refused {', '.join(refused) or 'a part of it'}", code="partly_refused")

    async def list_business_categories(self, connection: Connection) -> list[Category]:
        """The categories."""
        answer = await self._object(connection, "GET", "/business/get/categories")
        return [
            Category(category=identifier, name=text(one, "localized_display_name"))
            for one in objects(answer.get("response"))
            if (identifier := text(one, "id"))
        ]


def picture_of(picture: Picture | None) -> str:
    """A picture as UAZAPI takes it: a data URL, or the word that removes it."""
    if picture is None:
        return "remove"
    return f"data:{picture.mime_type};base64,{base64.b64encode(picture.data).decode()}"


def _story(kind: str, content: Any, contacts: Sequence[str] | None) -> Json:
    if kind not in _STORIES:
        raise invalid(f"UAZAPI posts no {kind} as a story")
    story: Json = {"type": "text" if kind == "text" else MEDIA_TYPES[kind]}
    if isinstance(content, TextContent):
        story["text"] = content.body
    elif isinstance(content, MediaContent) and (content.link or content.data):
        story["file"] = content.link or content.data
        story |= {"text": content.caption} if content.caption else {}
        story |= {"mimetype": content.mime_type} if content.mime_type else {}
    else:
        raise invalid("a story needs a text, a link or data")
    return story if contacts is None else {**story, "recipients": [number(one) for one in contacts]}


def _contact(raw: Json) -> Person:
    party = whatsapp.party(raw.get("jid"))
    name = text(raw, "contact_name", "contact_FirstName")
    return Person(phone=party.phone, lid=party.lid, name=name, extra=rest(raw, "jid", "contact_name"))


def _person(raw: Json) -> Person:
    party = whatsapp.party(raw.get("wa_chatid"), raw.get("wa_chatlid"))
    return Person(
        phone=party.phone,
        lid=party.lid,
        name=text(raw, "wa_contactName", "name"),
        push_name=text(raw, "wa_name"),
        blocked=flag(raw.get("wa_isBlocked")),
        picture=text(raw, "image", "imagePreview"),
        extra=rest(raw, "wa_chatid", "wa_chatlid", "wa_contactName", "name", "wa_name", "wa_isBlocked", "image"),
    )


def _checked(phone: str, raw: Json) -> Checked:
    return Checked(
        phone=phone,
        exists=flag(raw.get("isInWhatsapp")) is True,
        canonical=whatsapp.address(raw.get("jid")),
        lid=whatsapp.party(raw.get("lid")).lid,
        extra=rest(raw, "query", "jid", "lid", "isInWhatsapp"),
    )


def _chat(raw: Json) -> Chat | None:
    address = whatsapp.address(raw.get("wa_chatid")) or whatsapp.address(raw.get("wa_chatlid"))
    if address is None:
        return None
    muted, labels = whole(raw.get("wa_muteEndTime")), raw.get("wa_label")
    return Chat(
        chat=address,
        name=text(raw, "name", "wa_name"),
        unread=whole(raw.get("wa_unreadCount")),
        archived=flag(raw.get("wa_archived")),
        pinned=flag(raw.get("wa_isPinned")),
        muted=None if muted is None else muted != 0,
        labels=[str(label) for label in labels] if isinstance(labels, list) else (),
        last_message_at=moment(raw.get("wa_lastMsgTimestamp")),
    )


def _label(raw: Json) -> Label:
    # Calls name a label by WhatsApp's number of it; `id` is UAZAPI's own of the row.
    identifier = text(raw, "labelid") or str(raw.get("labelid") or raw.get("id") or "")
    color = text(raw, "colorHex")
    return Label(label=identifier, name=text(raw, "name"), color=color, extra=rest(raw, "labelid", "name", "colorHex"))


def _color(color: str | None) -> Json:
    """A colour by its number (0 to 19) or as one of WhatsApp's twenty in hexadecimal."""
    if color is None:
        return {}
    if color.lower() in _COLORS:
        return {"color": _COLORS.index(color.lower())}
    if color.isascii() and color.isdecimal() and int(color) < len(_COLORS):
        return {"color": int(color)}
    raise invalid("a label's colour is a number from 0 to 19 or one of WhatsApp's twenty")


def _product(raw: Json) -> Product:
    """A product of a list, in whatsmeow's spelling, or of one answer, in lower case."""
    price = raw.get("Price")
    amount = text(maybe(price), "Amount") or text(raw, "price")
    images = [text(image, "OriginalImageUrl", "RequestImageUrl") for image in objects(raw.get("Images"))]
    return Product(
        product=text(raw, "ID", "id") or "",
        name=text(raw, "Name", "name"),
        description=text(raw, "Description", "description"),
        price=int(amount) if amount and amount.isascii() and amount.isdecimal() else None,
        currency=text(maybe(price), "Currency") or text(raw, "currency"),
        retailer_id=text(raw, "RetailerID"),
        url=text(raw, "Url"),
        images=[image for image in images if image],
        hidden=flag(raw.get("IsHidden")),
        extra=rest(raw, "ID", "id", "Name", "name", "Description", "description", "RetailerID", "Url", "Images"),
    )
