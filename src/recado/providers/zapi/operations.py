"""What Z-API can do beyond messages: contacts, chats, labels, catalogue, privacy, stories and the profile."""

from collections.abc import Mapping, Sequence
from typing import Any

from recado.domain.content import MediaContent, TextContent
from recado.domain.operations import (
    Blocklist,
    BusinessChange,
    Catalogue,
    Category,
    Chat,
    Chats,
    Checked,
    Collection,
    Contacts,
    Label,
    Labels,
    Person,
    Privacy,
    Product,
    Profile,
    Stories,
)
from recado.domain.provider import Connection
from recado.providers.zapi.addresses import address, party, phone
from recado.providers.zapi.calls import Calls, Json, number, objects, part, rest, text, time, truth, unable, unreadable

_EXPIRATIONS = {0: "OFF", 86_400: "24_HOURS", 604_800: "7_DAYS", 7_776_000: "90_DAYS"}

#: The same times where they are for new chats.
_DURATIONS = {0: "disable", 86_400: "hours24", 604_800: "days7", 7_776_000: "days90"}
_NO_EXPIRATION = "Messages disappear after 86400, 604800 or 7776000 seconds, or never (0)."

_EVERYBODY = {"all": "ALL", "contacts": "CONTACTS", "contacts_except": "CONTACT_BLACKLIST", "none": "NONE"}
#: Setting -> its route, the name of the value there, and the values it takes.
_PRIVACY: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "last_seen": ("last-seen", "visualizationType", _EVERYBODY),
    "picture": ("photo-visualization", "visualizationType", _EVERYBODY),
    "about": ("description", "visualizationType", _EVERYBODY),
    "online": ("online", "visualizationType", {"all": "ALL", "match_last_seen": "SAME_LAST_SEEN"}),
    "groups": ("group-add", "type", {name: value for name, value in _EVERYBODY.items() if name != "none"}),
}
#: Part of a business profile -> its route, and the field there.
_BUSINESS = (
    ("description", "company-description", "value"),
    ("address", "company-address", "value"),
    ("email", "company-email", "value"),
    ("websites", "company-websites", "websites"),
    ("categories", "categories", "categories"),
)
_MOST_PAGES = 100
_READ_RECEIPTS = {"all": "enable", "none": "disable"}


class People(Calls, Contacts, Blocklist):
    """The address book, who is on WhatsApp, and the blocklist."""

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """A page of the address book."""
        return [_contact(one) for one in await self.page(connection, "contacts", limit=limit, offset=offset)]

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """What the phone knows of a contact. The address of the picture lives for 48 hours."""
        return _contact(await self.ask_object(connection, "GET", f"contacts/{part(phone(contact))}"))

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """Whether each number is on WhatsApp. A number that the answer leaves out is an answer that cannot be read."""
        asked = [phone(one) for one in phones]
        if not asked:
            return []
        found = await self.ask_list(connection, "POST", "phone-exists-batch", json={"phones": asked})
        told = {str(one.get("inputPhone")): one for one in found}
        if not told.keys() >= set(asked):
            raise unreadable()
        return [_checked(given, told[number]) for given, number in zip(phones, asked, strict=True)]

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """The picture's address, which lives for 48 hours. Z-API answers with an object or with a list of one."""
        answer = await self.ask(connection, "GET", "profile-picture", query={"phone": phone(contact)})
        first = answer.data[0] if isinstance(answer.data, list) and answer.data else answer.data
        link = text(first, "link") if isinstance(first, dict) else None
        return link if link and link.startswith("http") else None

    async def save_contact(self, connection: Connection, *, phone: str, name: str) -> None:
        """Add a contact to the address book, or rename it."""
        first, _, last = name.strip().partition(" ")
        card = {"firstName": first, "phone": phone, **({"lastName": last.strip()} if last.strip() else {})}
        await self.do(connection, "POST", "contacts/add", json=[card])

    async def remove_contact(self, connection: Connection, *, phone: str) -> None:
        """Take a contact off the address book."""
        await self.do(connection, "DELETE", "contacts/remove", json=[phone])

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """Block a contact."""
        await self._block(connection, contact, "block")

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """Take a block back."""
        await self._block(connection, contact, "unblock")

    async def _block(self, connection: Connection, contact: str, action: str) -> None:
        body = {"phone": phone(contact), "action": action}
        await self.do(connection, "POST", "contacts/modify-blocked", json=body)


def _contact(raw: Json) -> Person:
    found = party(raw.get("phone"), raw.get("lid"))
    return Person(
        phone=found.phone,
        lid=found.lid,
        name=text(raw, "name", "vname"),
        push_name=text(raw, "notify"),
        picture=text(raw, "imgUrl"),
        about=text(raw, "about"),
        extra=rest(raw, "phone", "lid", "name", "vname", "notify", "imgUrl", "about"),
    )


def _checked(given: str, raw: Json) -> Checked:
    exists = truth(raw.get("exists")) is True
    found = party(raw.get("outputPhone"), raw.get("lid"))
    return Checked(
        phone=given, exists=exists, canonical=found.phone if exists else None, lid=found.lid if exists else None
    )


class Talks(Calls, Chats, Labels):
    """Chats and the labels on them."""

    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """A page of chats."""
        return [_chat(one) for one in await self.page(connection, "chats", limit=limit, offset=offset)]

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """One chat."""
        return _chat({"phone": phone(chat), **await self.ask_object(connection, "GET", f"chats/{part(phone(chat))}")})

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """Archive a chat, or take it out."""
        await self._modify(connection, chat, "archive" if archived else "unarchive")

    async def pin_chat(self, connection: Connection, *, chat: str, pinned: bool) -> None:
        """Pin a chat to the top, or let it go."""
        await self._modify(connection, chat, "pin" if pinned else "unpin")

    async def mute_chat(self, connection: Connection, *, chat: str, seconds: int | None) -> None:
        """Mute a chat for ever, or no longer: Z-API takes no time."""
        if seconds:
            raise unable("Z-API mutes a chat without an end, not for a time.")
        await self._modify(connection, chat, "unmute" if seconds is None else "mute")

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """Mark a whole chat as read or as unread."""
        await self._modify(connection, chat, "read" if read else "unread")

    async def clear_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove the messages of a chat from the phone."""
        await self._modify(connection, chat, "clear")

    async def delete_chat(self, connection: Connection, *, chat: str) -> None:
        """Remove a chat from the phone."""
        await self._modify(connection, chat, "delete")

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Let messages of a chat disappear after a day, a week or 90 days; 0 keeps them."""
        if seconds not in _EXPIRATIONS:
            raise unable(_NO_EXPIRATION)
        body = {"phone": phone(chat), "chatExpiration": _EXPIRATIONS[seconds]}
        await self.do(connection, "POST", "send-chat-expiration", json=body)

    async def expire_new_chats(self, connection: Connection, *, seconds: int) -> None:
        """Let messages of new chats disappear after a day, a week or 90 days; 0 keeps them."""
        if seconds not in _DURATIONS:
            raise unable(_NO_EXPIRATION)
        await self.do(connection, "POST", "privacy/messages-duration", query={"value": _DURATIONS[seconds]})

    async def note_chat(self, connection: Connection, *, chat: str, note: str) -> None:
        """Write the note of a chat."""
        await self.do(connection, "POST", f"chats/{part(phone(chat))}/notes", json={"notes": note})

    async def _modify(self, connection: Connection, chat: str, action: str) -> None:
        await self.do(connection, "POST", "modify-chat", json={"phone": phone(chat), "action": action})

    async def list_labels(self, connection: Connection) -> list[Label]:
        """The labels of a business number. `color` is Z-API's number of it."""
        found = await self.ask_list(connection, "GET", "tags")
        return [
            Label(label=label, name=text(one, "name"), color=text(one, "color"))
            for one in found
            if (label := text(one, "id"))
        ]

    async def create_label(self, connection: Connection, *, name: str, color: str | None) -> Label:
        """Make a label. `color` is a number, or one of the colours (`#FF9485`) that Z-API lists."""
        body: Json = {"name": name, **await self._color(connection, color)}
        label = text(await self.do(connection, "POST", "business/create-tag", json=body), "id")
        if label is None:
            raise unreadable()
        return Label(label=label, name=name, color=text(body, "color"))

    async def update_label(self, connection: Connection, *, label: str, name: str, color: str | None) -> None:
        """Change a label's name and, where it is given, its colour."""
        body = {"name": name, **await self._color(connection, color)}
        await self.do(connection, "POST", f"business/edit-tag/{part(label)}", json=body)

    async def delete_label(self, connection: Connection, *, label: str) -> None:
        """Remove a label."""
        await self.do(connection, "DELETE", f"business/tag/{part(label)}")

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put a label on a chat, or take it off."""
        action = "add" if labelled else "remove"
        await self.do(connection, "PUT", f"chats/{part(phone(chat))}/tags/{part(label)}/{action}")

    async def _color(self, connection: Connection, color: str | None) -> Json:
        """The number of a colour, which Z-API lists by number."""
        if color is None:
            return {}
        index = number(color)
        if index is None:
            listed = await self.ask_object(connection, "GET", "business/tags/colors")
            index = next((number(key) for key, value in listed.items() if str(value).lower() == color.lower()), None)
        if index is None:
            raise unable(f"Z-API has no colour {color[:20]} for labels.")
        return {"color": index}


def _chat(raw: Json) -> Chat:
    muted = truth(raw.get("isMuted"))
    names = ("phone", "name", "unread", "archived", "pinned", "isMuted", "tags", "lastMessageTime", "messagesUnread")
    tags = raw.get("tags")
    return Chat(
        chat=address(raw.get("phone")) or str(raw.get("phone") or ""),
        name=text(raw, "name"),
        unread=number(raw.get("unread")),
        archived=truth(raw.get("archived")),
        pinned=truth(raw.get("pinned")),
        muted=muted,
        labels=[str(tag) for tag in tags] if isinstance(tags, list) else (),
        last_message_at=time(raw.get("lastMessageTime")),
        extra=rest(raw, *names),
    )


class Shop(Calls, Catalogue):
    """The catalogue. Making products is left out: Z-API does not tell in which unit it takes a price."""

    async def list_products(self, connection: Connection, *, contact: str | None, limit: int) -> list[Product]:
        """Products of the number's own catalogue, or of a business's, page by page up to `limit`."""
        route = f"catalogs/{part(phone(contact))}" if contact else "catalogs"
        found: list[Product] = []
        cursor: str | None = None
        while len(found) < limit:
            # The cursor goes in the body: in the address it may grow too long (HTTP 414).
            answer = await self.ask_object(connection, "POST", route, json={"nextCursor": cursor} if cursor else {})
            products = objects(answer.get("products"))
            found += [_product(one) for one in products]
            cursor = text(answer, "nextCursor")
            if not cursor or not products:
                break
        return found[:limit]

    async def get_product(self, connection: Connection, *, product: str, contact: str | None) -> Product:
        """One product of the number's own catalogue."""
        if contact:
            raise unable("Z-API reads single products of the number's own catalogue only.")
        answer = await self.ask_object(connection, "GET", f"products/{part(product)}")
        nested = answer.get("product")
        return _product(nested if isinstance(nested, dict) else answer)

    async def delete_product(self, connection: Connection, *, product: str) -> None:
        """Remove a product."""
        await self.do(connection, "DELETE", f"products/{part(product)}")

    async def list_collections(self, connection: Connection, *, contact: str | None) -> list[Collection]:
        """The number's own collections, without their products."""
        if contact:
            raise unable("Z-API lists the number's own collections only.")
        found: list[Collection] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"nextCursor": cursor} if cursor else None
            answer = await self.ask_object(connection, "GET", "catalogs/collection", query=query)
            listed = objects(answer.get("collections"))
            found += [
                Collection(collection=identifier, name=text(one, "name"), extra=rest(one, "id", "name"))
                for one in listed
                if (identifier := text(one, "id"))
            ]
            cursor = text(answer, "nextCursor")
            if not cursor or not listed:
                break
        return found


def _product(raw: Json) -> Product:
    images = raw.get("images")
    return Product(
        product=text(raw, "id") or "",
        name=text(raw, "name"),
        description=text(raw, "description"),
        price=number(raw.get("price")),
        currency=text(raw, "currency"),
        retailer_id=text(raw, "retailerId"),
        url=text(raw, "url"),
        images=[one for one in images if isinstance(one, str)] if isinstance(images, list) else (),
        hidden=truth(raw.get("isHidden")),
        extra=rest(raw, "id", "name", "description", "price", "currency", "retailerId", "url", "images", "isHidden"),
    )


class Self(Calls, Privacy, Stories, Profile):
    """The number itself: who sees what of it, its stories, its profile."""

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """Change what is given, one request each; all values are looked at before the first is sent."""
        wanted = [(name, value, _privacy(name, value)) for name, value in settings.items()]
        for name, _, written in wanted:
            if name == "read_receipts":
                await self.do(connection, "POST", "privacy/read-receipts", query={"value": written})
                continue
            route, field, _ = _PRIVACY[name]
            await self.do(connection, "POST", f"privacy/{route}", json={field: written})

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Post a text, image or video to everybody who may see stories."""
        if contacts:
            raise unable("Z-API posts stories to everybody, not to some.")
        if kind == "text" and isinstance(content, TextContent):
            body: Json = {"message": content.body}
        elif kind in ("image", "video") and isinstance(content, MediaContent):
            body = {
                kind: content.link or content.data or "",
                **({"caption": content.caption} if content.caption else {}),
            }
        else:
            raise unable(f"Z-API posts no {kind} as a story.")
        story = text(await self.do(connection, "POST", f"send-{kind}-status", json=body), "messageId", "zaapId")
        if story is None:
            raise unreadable()
        return story

    async def get_profile(self, connection: Connection) -> Person:
        """The number's name, picture and about."""
        device = await self.ask_object(connection, "GET", "device")
        return Person(
            phone=party(device.get("phone")).phone,
            name=text(device, "name"),
            picture=text(device, "imgUrl"),
            about=text(device, "about"),
            business=truth(device.get("isBusiness")),
        )

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Change the name that others see."""
        await self.do(connection, "PUT", "profile-name", json={"value": name})

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """Change the "about" text."""
        await self.do(connection, "PUT", "profile-description", json={"value": about})

    async def get_business_profile(self, connection: Connection, *, contact: str | None) -> dict[str, Any]:
        """A business's profile; the number's own is asked for by its phone, which takes a request more."""
        asked = phone(contact) if contact else (await self.get_profile(connection)).phone
        if not asked:
            raise unreadable()
        return await self.ask_object(connection, "GET", "business/profile", query={"phone": asked})

    async def set_business_profile(self, connection: Connection, *, change: BusinessChange) -> None:
        """Change what is given, a request each, in this order; what failed stops the rest."""
        for name, route, field in _BUSINESS:
            value = getattr(change, name)
            if value is not None:
                await self.do(connection, "POST", f"business/{route}", json={field: value})

    async def list_business_categories(self, connection: Connection) -> list[Category]:
        """The categories, each with Z-API's word for it under `extra.label`, where it has one."""
        found = await self.ask_list(connection, "GET", "business/available-categories")
        return [
            Category(category=identifier, name=text(one, "displayName"), extra=rest(one, "id", "displayName"))
            for one in found
            if (identifier := text(one, "id"))
        ]


def _privacy(name: str, value: str) -> str:
    values = _READ_RECEIPTS if name == "read_receipts" else _PRIVACY[name][2] if name in _PRIVACY else None
    if values is None:
        raise unable(f"Z-API has no privacy setting {name[:40]}.")
    if value not in values:
        raise unable(f"Z-API takes {', '.join(values)} for {name}.")
    return values[value]
