"""Routes that send a text, a link, a place or contacts. Files are in `media.py`, what speaks of an earlier message in
`editing.py`."""

from typing import Any, ClassVar, Literal

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Body, Call, Example, Route
from recado.api.zapi.sends import Send, SendBody, about, known, send
from recado.domain.content import TextContent

_GROUP = "@g.us"


class GroupMention(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    subject: str


class TextBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    private_answer: bool | None = None
    edit_message_id: str | None = None
    mentioned: tuple[fields.Phone, ...] | None = None
    mention_all: bool | None = None
    group_mentioned: tuple[GroupMention, ...] | None = None


class SendText(Send):
    """Send a text, an answer to a message, or the change of a text that was sent."""

    path: ClassVar[str] = "/send-text"
    body: ClassVar[Any] = TextBody
    needs: ClassVar[tuple[str, ...]] = ("text",)
    note: ClassVar[str] = (
        "`editMessageId` changes the message whether or not a webhook is set; a change carries no mentions. "
        "`privateAnswer` without a message of the group to answer is refused rather than answered in front of all."
    )
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "message": "Welcome to *Z-API*"}, answer=examples.SENT
    )

    async def answer(self, call: Call) -> Any:
        """Accept it, for the author's own chat where the answer is to be private."""
        body: TextBody = call.body
        kind, content = await self.content(call, body)
        to = await _author(call, body) if body.private_answer else None
        return await send(call, body, kind, content, to=to)

    async def content(self, call: Call, body: TextBody) -> tuple[str, Any]:
        """A text, or the change of one."""
        text = fields.lines(body.message)
        if body.edit_message_id:
            edited = await about(call, body.edit_message_id, field="editMessageId")
            return "edit", {"message_id": edited, "body": text}
        if not (body.mentioned or body.mention_all or body.group_mentioned):
            return "text", TextContent(body=text)
        content: dict[str, Any] = {"body": text}
        if body.mentioned:
            content["mentions"] = [fields.recipient(phone, field="mentioned") for phone in body.mentioned]
        if body.mention_all:
            if not fields.recipient(body.phone).endswith(_GROUP):
                raise ZapiError("mentionAll can only be used in groups")
            content["mention_all"] = True
        if body.group_mentioned:
            content["group_mentions"] = [
                {"group": fields.group(one.phone, field="groupMentioned"), "subject": one.subject}
                for one in body.group_mentioned
            ]
        return "text", content


async def _author(call: Call, body: TextBody) -> str | None:
    """Whose chat a private answer goes to; None for the one named, where it is no group or we wrote the message.

    Raises `ZapiError` where the author cannot be told: what was meant for one must not be read by all.
    """
    if not fields.recipient(body.phone).endswith(_GROUP):
        return None
    if not body.message_id:
        raise ZapiError("privateAnswer: messageId must name the message to answer")
    found = await known(call, body.message_id)
    if found["direction"] == "outbound":
        return None
    sender = (found["metadata"] or {}).get("sender") or {}
    address: str | None = sender.get("phone") or sender.get("lid") or sender.get("bsuid")
    if address is None:
        raise ZapiError("privateAnswer: the author of this message is not known")
    return address


class LinkBody(SendBody, frozen=True, kw_only=True):
    message: fields.Text
    image: str
    link_url: str
    title: fields.Text
    link_description: fields.Text
    link_type: Literal["SMALL", "MEDIUM", "LARGE"] | None = None


class SendLink(Send):
    """Send a text with a link and its preview."""

    path: ClassVar[str] = "/send-link"
    body: ClassVar[Any] = LinkBody
    needs: ClassVar[tuple[str, ...]] = ("link",)
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "message": "Aqui você coloca um texto sobre o site, atenção esse texto preciso ter o link que será enviado "
            "no final da mensagem! Assim: https://z-api.io",
            "image": examples.IMAGE,
            "linkUrl": "https://z-api.io",
            "title": "Z-API",
            "linkDescription": "Integração com o whatsapp",
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: LinkBody) -> tuple[str, Any]:
        """A link."""
        return "link", {
            "url": body.link_url,
            "body": fields.lines(body.message) or None,
            "title": str(body.title) or None,
            "description": str(body.link_description) or None,
            "image": body.image or None,
            "size": body.link_type.lower() if body.link_type else None,
        }


class LocationBody(SendBody, frozen=True, kw_only=True):
    title: fields.Text
    address: fields.Text
    latitude: float
    longitude: float


class SendLocation(Send):
    """Send a place."""

    path: ClassVar[str] = "/send-location"
    body: ClassVar[Any] = LocationBody
    needs: ClassVar[tuple[str, ...]] = ("location",)
    note: ClassVar[str] = (
        "Latitude and longitude are taken as text, as documented, and as numbers, as clients send them."
    )
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "title": "Google Brasil",
            "address": "Av. Brg. Faria Lima, 3477 - Itaim Bibi, São Paulo - SP, 04538-133",
            "latitude": "-23.0696347",
            "longitude": "-50.4357913",
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: LocationBody) -> tuple[str, Any]:
        """A place."""
        return "location", {
            "latitude": body.latitude,
            "longitude": body.longitude,
            "name": str(body.title) or None,
            "address": str(body.address) or None,
        }


class ContactBody(SendBody, frozen=True, kw_only=True):
    contact_name: fields.Words
    contact_phone: fields.Phone
    contact_business_description: str | None = None


class SendContact(Send):
    """Send a contact."""

    path: ClassVar[str] = "/send-contact"
    body: ClassVar[Any] = ContactBody
    needs: ClassVar[tuple[str, ...]] = ("contacts",)
    note: ClassVar[str] = "The business description is shown as the contact's company."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "contactName": "Z-API Contato",
            "contactPhone": examples.OTHER_PHONE,
            "contactBusinessDescription": "Teste",
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ContactBody) -> tuple[str, Any]:
        """One card."""
        phone = fields.recipient(body.contact_phone, field="contactPhone")
        return "contacts", [_card(str(body.contact_name), [phone], body.contact_business_description)]


class Card(Body, frozen=True, kw_only=True):
    name: fields.Words
    phones: tuple[fields.Phone, ...]
    business_description: str | None = None


class ContactsBody(SendBody, frozen=True, kw_only=True):
    contacts: tuple[Card, ...]


class SendContacts(Send):
    """Send several contacts in one message."""

    path: ClassVar[str] = "/send-contacts"
    body: ClassVar[Any] = ContactsBody
    needs: ClassVar[tuple[str, ...]] = ("contacts",)
    note: ClassVar[str] = "Between 1 and 100 contacts. The business description is shown as the contact's company."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "contacts": [
                {"name": "Z-API Contato 1", "phones": [examples.OTHER_PHONE]},
                {"name": "Z-API Contato 2", "phones": [examples.PHONE, examples.OTHER_PHONE]},
            ],
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ContactsBody) -> tuple[str, Any]:
        """The cards."""
        if not 0 < len(body.contacts) <= _MOST_CONTACTS:
            raise ZapiError(f"contacts: a message carries 1 to {_MOST_CONTACTS} contacts")
        return "contacts", [
            _card(
                str(card.name),
                [fields.recipient(phone, field="contacts.phones") for phone in card.phones],
                card.business_description,
            )
            for card in body.contacts
        ]


#: What `MessageRequest.contacts` takes.
_MOST_CONTACTS = 100


def _card(name: str, phones: list[str], description: str | None) -> dict[str, Any]:
    card: dict[str, Any] = {"name": {"formatted_name": name}, "phones": [{"phone": phone} for phone in phones]}
    if description:
        card["org"] = {"company": description}
    return card


ROUTES: tuple[Route, ...] = (SendText(), SendLink(), SendLocation(), SendContact(), SendContacts())
