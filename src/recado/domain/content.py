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
Link = Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"^https?://[^\s]+$")]
#: A picture shown within another content: its link, or a data URL of up to half a megabyte.
Picture = Annotated[str, msgspec.Meta(max_length=700_000, pattern=r"^(https?://[^\s]+$|data:image/)")]
#: The id of a message: Recado's own (a UUID) or the provider's.
MessageRef = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
#: The provider's id of a story (`status.received`) that a message answers; it goes to whoever posted that.
StoryRef = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]

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


class GroupMention(Content, frozen=True, kw_only=True):
    """A group of the same community, named in a text as `@<its id>`."""

    group: Annotated[str, msgspec.Meta(pattern=r"^[0-9-]{10,40}@g\.us$")]
    subject: Short


class TextContent(Content, frozen=True, kw_only=True):
    body: Text
    preview_url: bool = False
    #: Phones mentioned in a group.
    mentions: list[Identifier] = []
    #: Everybody in the group is mentioned.
    mention_all: bool = False
    group_mentions: list[GroupMention] = []
    story: StoryRef | None = None


class MediaContent(Content, frozen=True, kw_only=True):
    """Exactly one of `link`, `data` (base64 or a data URL, up to the media limit) and `media_id`.

    `data` is stored when the message is accepted; from then on the content holds `media_id`. With `fetch` the link is
    fetched by Recado when the message is sent, and stored, instead of being handed to the provider; then, too, the
    content holds `media_id` from then on.
    """

    link: Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"^https?://[^\s]+$")] | None = None
    data: str | None = None
    media_id: Identifier | None = None
    caption: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None
    filename: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    mime_type: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    fetch: bool = False
    #: It can be opened once (`VIEWED_ONCE`); refused where the provider cannot.
    view_once: bool = False
    #: Who made a sticker, shown with it where the provider can.
    author: Short | None = None
    story: StoryRef | None = None


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
    #: Of the preview, where the provider lets it be chosen.
    size: Literal["small", "medium", "large"] | None = None


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
    #: Shown above the text; at most one of the two.
    image: Picture | None = None
    video: Link | None = None

    def __post_init__(self) -> None:
        if self.image and self.video:
            raise ValueError("`image` and `video` cannot both be given")


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
    """A code with a button that copies it. `button` is what stands on it, else the provider's own words."""

    body: Text
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    footer: str | None = None
    button: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] | None = None
    image: Picture | None = None


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
    body: Text | None = None
    footer: str | None = None
    thumbnail_product_id: str | None = None
    #: A product list needs the catalogue and sections of product ids; without them the whole catalogue is shown.
    catalog_id: str | None = None
    header: str | None = None
    sections: list[dict[str, Any]] = []
    #: What the card says below its header, and the language of the provider's own words on it.
    description: str | None = None
    language: Literal["en", "pt"] | None = None

    def __post_init__(self) -> None:
        _check_depth("sections", self.sections)


Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
#: What JSON numbers hold exactly, at most.
Cents = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
OrderStatus = Literal["pending", "processing", "partially_shipped", "shipped", "completed", "canceled"]


class OrderItem(Content, frozen=True, kw_only=True):
    name: Short
    quantity: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    amount: Cents
    #: The id in the catalogue; None for what is in none.
    product_id: Identifier | None = None


class OrderContent(Content, frozen=True, kw_only=True):
    """An order to pay or to follow. Amounts are in cents of `currency`."""

    reference_id: Identifier
    items: Annotated[list[OrderItem], msgspec.Meta(min_length=1)]
    body: str | None = None
    currency: Currency = "BRL"
    discount: Cents = 0
    tax: Cents = 0
    shipping: Cents = 0
    status: OrderStatus = "pending"
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


class PollVoteContent(Content, frozen=True, kw_only=True):
    """A vote in a poll, which replaces the number's earlier one; without `options` the vote is taken back."""

    message_id: MessageRef
    options: Annotated[list[Short], msgspec.Meta(max_length=12)]


class EventResponseContent(Content, frozen=True, kw_only=True):
    """Whether the number comes to an event."""

    message_id: MessageRef
    response: Literal["going", "not_going", "maybe"]


class EventEditContent(Content, frozen=True, kw_only=True):
    """An event of ours as it is from now on: all of it, also what stays. `cancelled` calls it off."""

    message_id: MessageRef
    event: EventContent
    cancelled: bool = False


class CarouselCard(Content, frozen=True, kw_only=True):
    body: Text
    image: Picture
    buttons: Annotated[list[Button], msgspec.Meta(max_length=10)] = []


class CarouselContent(Content, frozen=True, kw_only=True):
    """Cards beside each other, each with a picture, a text and buttons."""

    body: Text
    cards: Annotated[list[CarouselCard], msgspec.Meta(min_length=1, max_length=10)]
    footer: str | None = None


class ChannelInviteContent(Content, frozen=True, kw_only=True):
    """An invitation to be an admin of a channel of ours. `name` is the channel's, where the sender knows it."""

    channel: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{10,40}@newsletter$")]
    caption: Text
    name: Short | None = None


class ButtonReplyContent(Content, frozen=True, kw_only=True):
    """A button pressed, by us, in a message that was received. `template`: the button is a template's."""

    message_id: MessageRef
    id: Identifier
    title: Short | None = None
    template: bool = False


class OrderUpdateContent(Content, frozen=True, kw_only=True):
    """What became of an order. `message_id` is the message that it was sent with, or received as.

    reference_id, order_request_id   what the provider calls the order; its webhook of the order tells both
    changed                          what the update is about: the order's status, or its payment's
    items, amounts                   the whole order as it is from now on; amounts are in cents of `currency`
    """

    message_id: MessageRef
    reference_id: Identifier
    status: OrderStatus
    items: Annotated[list[OrderItem], msgspec.Meta(min_length=1)]
    order_request_id: Identifier | None = None
    changed: Literal["status", "payment"] = "status"
    payment_status: Literal["pending", "paid"] = "pending"
    body: str | None = None
    currency: Currency = "BRL"
    discount: Cents = 0
    tax: Cents = 0
    shipping: Cents = 0


MEDIA_KINDS = ("image", "video", "audio", "voice", "document", "sticker", "gif", "ptv")
#: What WhatsApp lets be opened once only.
VIEWED_ONCE = frozenset({"image", "video", "audio", "voice"})

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
    "poll_vote": PollVoteContent,
    "event_response": EventResponseContent,
    "event_edit": EventEditContent,
    "carousel": CarouselContent,
    "channel_invite": ChannelInviteContent,
    "button_reply": ButtonReplyContent,
    "order_update": OrderUpdateContent,
}

#: Kinds that speak of an earlier message, which must belong to the same instance.
ABOUT_A_MESSAGE = frozenset(
    {"reaction", "forward", "edit", "delete", "pin"}
    | {"poll_vote", "event_response", "event_edit", "button_reply", "order_update"}
)


def decode(kind: str, raw: bytes | msgspec.Raw) -> Any:
    """The typed content of a `kind` from its JSON. Raises `msgspec.ValidationError` naming the field."""
    return msgspec.json.decode(raw, type=KINDS[kind])
