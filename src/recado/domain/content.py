"""What a message can carry: one Struct per kind, named in the request by `type`.

The names follow Meta's Cloud API where it has them. Unknown fields are refused, so a typing error in a
request is a 422 and not a message that quietly lacks something.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
#: The id of a message: Recado's own (a UUID) or the provider's.
MessageRef = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]

#: How deeply data of the caller's own shape may be nested: more than any provider takes, and far from the depth at
#: which the messages, events and lists that it becomes part of could not be read or written any more.
DEEPEST = 32


def too_deep(value: Any) -> bool:
    """Whether plain data is nested deeper than `DEEPEST`. Does not recurse, so nothing is too deep for it."""
    level = [value]
    for _ in range(DEEPEST + 1):
        nested = [item for item in level if isinstance(item, dict | list)]
        if not nested:
            return False
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
    return True


def _check_depth(name: str, value: Any) -> None:
    if value and too_deep(value):
        raise ValueError(f"`{name}` is nested more than {DEEPEST} levels deep")


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of every kind."""


class TextContent(Content, frozen=True, kw_only=True):
    body: Text
    preview_url: bool = False
    #: Phones mentioned in a group.
    mentions: list[Identifier] = []


class MediaContent(Content, frozen=True, kw_only=True):
    """Exactly one of `link`, `data` (base64 or a data URL, up to the media limit) and `media_id`.

    `data` is stored when the message is accepted; from then on the content holds `media_id`.
    """

    link: Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"^https?://[^\s]+$")] | None = None
    data: str | None = None
    media_id: Identifier | None = None
    caption: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None
    filename: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    mime_type: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class LocationContent(Content, frozen=True, kw_only=True):
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None


class ContactName(Content, frozen=True, kw_only=True):
    formatted_name: Short
    first_name: str | None = None
    last_name: str | None = None


class ContactPhone(Content, frozen=True, kw_only=True):
    phone: Identifier
    type: str | None = None
    wa_id: str | None = None


class ContactEmail(Content, frozen=True, kw_only=True):
    email: Identifier
    type: str | None = None


class ContactOrganization(Content, frozen=True, kw_only=True):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class ContactCard(Content, frozen=True, kw_only=True):
    name: ContactName
    phones: list[ContactPhone] = []
    emails: list[ContactEmail] = []
    org: ContactOrganization | None = None
    birthday: str | None = None


class LinkContent(Content, frozen=True, kw_only=True):
    """A text with a link and its preview, written by the sender."""

    url: Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"^https?://[^\s]+$")]
    body: str | None = None
    title: str | None = None
    description: str | None = None
    image: str | None = None


class Button(Content, frozen=True, kw_only=True):
    """A quick reply (`id`), a link (`url`) or a call (`phone`); exactly one of the three."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    id: Identifier | None = None
    url: str | None = None
    phone: str | None = None


class ButtonsContent(Content, frozen=True, kw_only=True):
    body: Text
    buttons: Annotated[list[Button], msgspec.Meta(min_length=1, max_length=10)]
    header: str | None = None
    footer: str | None = None


class Row(Content, frozen=True, kw_only=True):
    id: Identifier
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=72)]
    description: str | None = None


class Section(Content, frozen=True, kw_only=True):
    rows: Annotated[list[Row], msgspec.Meta(min_length=1, max_length=100)]
    title: str | None = None


class ListContent(Content, frozen=True, kw_only=True):
    body: Text
    button: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    sections: Annotated[list[Section], msgspec.Meta(min_length=1, max_length=10)]
    header: str | None = None
    footer: str | None = None


class OtpContent(Content, frozen=True, kw_only=True):
    """A code with a button that copies it."""

    body: Text
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    footer: str | None = None


class PixContent(Content, frozen=True, kw_only=True):
    """A Pix key to pay to. `key_type`: cpf, cnpj, phone, email or evp (random)."""

    key: Identifier
    key_type: Literal["cpf", "cnpj", "phone", "email", "evp"]
    merchant_name: str | None = None


class PollContent(Content, frozen=True, kw_only=True):
    name: Short
    options: Annotated[list[Short], msgspec.Meta(min_length=2, max_length=12)]
    selectable: Annotated[int, msgspec.Meta(ge=0, le=12)] = 1


class ReactionContent(Content, frozen=True, kw_only=True):
    """An emoji on a message; the empty string takes the reaction back."""

    message_id: MessageRef
    emoji: Annotated[str, msgspec.Meta(max_length=64)]


class EventContent(Content, frozen=True, kw_only=True):
    """An appointment that people in the chat can accept."""

    name: Short
    start_at: datetime
    end_at: datetime | None = None
    description: str | None = None
    location: str | None = None
    call: Literal["voice", "video"] | None = None


class ProductContent(Content, frozen=True, kw_only=True):
    catalog_id: Identifier
    product_id: Identifier
    body: str | None = None
    footer: str | None = None


class CatalogContent(Content, frozen=True, kw_only=True):
    body: Text
    footer: str | None = None
    thumbnail_product_id: str | None = None
    #: A product list needs the catalogue and sections of product ids; without them the whole catalogue is shown.
    catalog_id: str | None = None
    header: str | None = None
    sections: list[dict[str, Any]] = []

    def __post_init__(self) -> None:
        _check_depth("sections", self.sections)


class OrderItem(Content, frozen=True, kw_only=True):
    name: Short
    product_id: Identifier
    quantity: Annotated[int, msgspec.Meta(ge=1)]
    #: In cents.
    amount: Annotated[int, msgspec.Meta(ge=0)]


class OrderContent(Content, frozen=True, kw_only=True):
    """An order to pay or to follow. Amounts are in cents of `currency`."""

    reference_id: Identifier
    items: Annotated[list[OrderItem], msgspec.Meta(min_length=1)]
    body: str | None = None
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")] = "BRL"
    status: Literal["pending", "processing", "partially_shipped", "shipped", "completed", "canceled"] = "pending"
    #: Provider-specific payment settings, passed as they are (Meta's `payment_settings`).
    payment: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_depth("payment", self.payment)


class TemplateContent(Content, frozen=True, kw_only=True):
    """A message approved by the provider; `components` as in Meta's Cloud API."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    language: Annotated[str, msgspec.Meta(min_length=2, max_length=16)] = "pt_BR"
    components: list[dict[str, Any]] = []

    def __post_init__(self) -> None:
        _check_depth("components", self.components)


class ForwardContent(Content, frozen=True, kw_only=True):
    message_id: MessageRef


class EditContent(Content, frozen=True, kw_only=True):
    message_id: MessageRef
    body: Text


class DeleteContent(Content, frozen=True, kw_only=True):
    message_id: MessageRef


class PinContent(Content, frozen=True, kw_only=True):
    message_id: MessageRef
    pinned: bool = True
    duration_s: Literal[86_400, 604_800, 2_592_000] = 604_800


MEDIA_KINDS = ("image", "video", "audio", "voice", "document", "sticker", "gif", "ptv")

#: Kind -> the type its field in the request is decoded to. The order is that of API.md.
KINDS: dict[str, Any] = {
    "text": TextContent,
    "image": MediaContent,
    "video": MediaContent,
    "audio": MediaContent,
    "voice": MediaContent,
    "document": MediaContent,
    "sticker": MediaContent,
    "gif": MediaContent,
    "ptv": MediaContent,
    "location": LocationContent,
    "contacts": list[ContactCard],
    "link": LinkContent,
    "buttons": ButtonsContent,
    "list": ListContent,
    "otp": OtpContent,
    "pix": PixContent,
    "poll": PollContent,
    "reaction": ReactionContent,
    "event": EventContent,
    "product": ProductContent,
    "catalog": CatalogContent,
    "order": OrderContent,
    "template": TemplateContent,
    "forward": ForwardContent,
    "edit": EditContent,
    "delete": DeleteContent,
    "pin": PinContent,
}

#: Kinds that speak of an earlier message, which must belong to the same instance.
ABOUT_A_MESSAGE = frozenset({"reaction", "forward", "edit", "delete", "pin"})


def decode(kind: str, raw: bytes | msgspec.Raw) -> Any:
    """The typed content of a `kind` from its JSON. Raises `msgspec.ValidationError` naming the field."""
    return msgspec.json.decode(raw, type=KINDS[kind])
