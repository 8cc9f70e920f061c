"""Content as Z-API takes it: the route and the JSON of each kind.

Nothing is left out silently: what has no place in Z-API's request is a problem that `limits.check` tells, and `request`
makes what is sent.
"""

from collections.abc import Callable, Mapping

from recado.domain.content import (
    ButtonsContent,
    CarouselContent,
    CatalogContent,
    ChannelInviteContent,
    ContactCard,
    EventContent,
    LinkContent,
    ListContent,
    LocationContent,
    MediaContent,
    OrderContent,
    OtpContent,
    PixContent,
    PollContent,
    ProductContent,
    TextContent,
)
from recado.domain.provider import MediaLimit, Outgoing
from recado.providers.zapi.about import ABOUT, edit
from recado.providers.zapi.addresses import phone
from recado.providers.zapi.shapes import Json, Request, Unsendable, action, event, extension, given, order

#: Recado paces a number itself, so Z-API's own wait behind a message is as short as it can be, in seconds.
DELAY = 1

_AUDIO = MediaLimit(max_bytes=16 * 1024 * 1024)
_VIDEO = MediaLimit(max_bytes=100 * 1024 * 1024)
_MP4 = MediaLimit(max_bytes=100 * 1024 * 1024, mime_types=frozenset({"video/mp4"}))

#: Video as Z-API's page says, the rest as the page it refers to (WhatsApp's own limits).
MEDIA: Mapping[str, MediaLimit] = {
    "image": MediaLimit(max_bytes=16 * 1024 * 1024),
    "video": _VIDEO,
    "audio": _AUDIO,
    "voice": _AUDIO,
    "document": MediaLimit(max_bytes=100 * 1024 * 1024),
    "sticker": MediaLimit(max_bytes=1024 * 1024),
    "gif": _MP4,
    "ptv": _MP4,
}
CAPTIONED = frozenset({"image", "video", "gif", "document"})
#: Kinds whose routes document `messageId`, the message to quote.
QUOTING = frozenset({"text", "image", "sticker", "gif", "video", "ptv", "document", "link", "location", "contacts"})


def request(message: Outgoing, *, media: str | None = None) -> Request:
    """The request for a message that `check` found nothing in. `media` is the link or data url of its file, or of the one
    whose caption it changes.

    Raises `Unsendable`.
    """
    if message.reply_to is not None and message.kind in UNQUOTABLE:
        raise _unquotable()
    made = _about(message, media) if message.kind in _ABOUT else _new(message, media)
    if made.json is not None and made.route.partition("/")[0] in _DELAYED:
        made.json["delayMessage"] = DELAY
    if made.json is not None and message.kind in QUOTING and message.reply_to is not None:
        made.json["messageId"] = message.reply_to.provider_id
    return made


def _unquotable() -> Unsendable:
    return Unsendable("Z-API cannot quote a message with this kind", code="unsupported_by_provider")


def _about(message: Outgoing, media: str | None) -> Request:
    if message.about is None:
        raise Unsendable("the message that it speaks of is not known")
    if message.kind == "edit":
        return edit(message, message.about, media)
    return ABOUT[message.kind](message, message.about)


def _new(message: Outgoing, media: str | None) -> Request:
    to = {"phone": phone(message.to)}
    if message.kind in MEDIA:
        route, body = _media(message, media or "")
    else:
        route, body = _BUILDERS[message.kind](message)
    return Request(route=route, json={**to, **body})


# --- messages of their own ---------------------------------------------------------------------------------

Built = tuple[str, Json]


def _text(message: Outgoing) -> Built:
    content: TextContent = message.content
    if content.story:
        return "reply-status-text", {"message": content.body, "statusMessageId": content.story}
    if content.mention_all and not message.to.endswith("@g.us"):
        raise Unsendable("Z-API mentions everybody in groups only")
    return "send-text", _privately(message) | given(
        message=content.body,
        mentioned=[phone(one) for one in content.mentions],
        mentionAll=content.mention_all,
        groupMentioned=[{"phone": phone(one.group), "subject": one.subject} for one in content.group_mentions],
    )


def _privately(message: Outgoing) -> Json:
    """What makes a text the private answer to its author of a message in a group. Z-API wants the group and finds the author
    itself, so it is for nobody else: not for our own messages, which it would answer in front of all."""
    quoted = message.reply_to
    if quoted is None or quoted.from_me or quoted.sender != message.to or not quoted.chat.endswith("@g.us"):
        return {}
    return {"phone": phone(quoted.chat), "privateAnswer": True}


def _media(message: Outgoing, media: str) -> Built:
    content: MediaContent = message.content
    kind = message.kind
    field = "audio" if kind == "voice" else kind
    body: Json = {field: media}
    if content.story:
        return f"reply-status-{field}", {**body, "statusMessageId": content.story}
    if kind in CAPTIONED and content.caption:
        body["caption"] = content.caption
    if field == "audio":
        body["waveform"] = kind == "voice"
    body |= given(viewOnce=content.view_once, stickerAuthor=content.author)
    if kind != "document":
        return f"send-{field}", body
    filename = content.filename or (message.media.filename if message.media else None)
    mime_type = content.mime_type or (message.media.mime_type if message.media else None)
    if filename:
        body["fileName"] = filename
    return f"send-document/{extension(filename, content.link, mime_type)}", body


def _location(message: Outgoing) -> Built:
    content: LocationContent = message.content
    place = f"{content.latitude}, {content.longitude}"
    return "send-location", {
        "title": content.name or content.address or place,
        "address": content.address or content.name or place,
        "latitude": str(content.latitude),
        "longitude": str(content.longitude),
    }


def _contacts(message: Outgoing) -> Built:
    cards: list[ContactCard] = message.content
    listed: list[Json] = [
        {"name": card.name.formatted_name, "phones": [phone(one.wa_id or one.phone) for one in card.phones]}
        | given(businessDescription=card.org.company if card.org else None)
        for card in cards
    ]
    if len(listed) == 1 and len(cards[0].phones) == 1:
        (one,) = listed
        return "send-contact", {"contactName": one["name"], "contactPhone": one["phones"][0]} | given(
            contactBusinessDescription=one.get("businessDescription")
        )
    return "send-contacts", {"contacts": listed}


def _link(message: Outgoing) -> Built:
    """A link with its preview. Z-API demands a picture for that; without one the link goes as text."""
    content: LinkContent = message.content
    text = content.body or ""
    if content.url not in text:
        text = f"{text}\n{content.url}" if text else content.url
    if not content.image:
        return "send-text", {"message": text}
    # The page asks for the link at the very end, or no preview is shown.
    if not text.endswith(content.url):
        text = f"{text}\n{content.url}"
    return "send-link", {
        "message": text,
        "image": content.image,
        "linkUrl": content.url,
        "title": content.title or content.url,
        "linkDescription": content.description or "",
        **given(linkType=content.size and content.size.upper()),
    }


def _buttons(message: Outgoing) -> Built:
    """Quick replies alone are a list of buttons; with a link, a call, a header or a footer they are actions."""
    content: ButtonsContent = message.content
    plain = not content.header and not content.footer and not any(one.url or one.phone for one in content.buttons)
    if plain:
        shown = given(image=content.image, video=content.video)
        shown["buttons"] = [{"id": one.id or one.title, "label": one.title} for one in content.buttons]
        return "send-button-list", {"message": content.body, "buttonList": shown}
    return "send-button-actions", given(
        message=content.body,
        title=content.header,
        footer=content.footer,
        image=content.image,
        buttonActions=[action(one) for one in content.buttons],
    )


def _carousel(message: Outgoing) -> Built:
    content: CarouselContent = message.content
    cards = [
        given(text=card.body, image=card.image, buttons=[action(one) for one in card.buttons]) for card in content.cards
    ]
    return "send-carousel", {"message": content.body, "carousel": cards}


def _list(message: Outgoing) -> Built:
    content: ListContent = message.content
    if message.to.endswith("@g.us"):
        raise Unsendable("Z-API sends no lists to groups")
    section = content.sections[0]
    options = [given(id=row.id, title=row.title, description=row.description) for row in section.rows]
    title = content.header or section.title or content.button
    shown = {"title": title, "buttonLabel": content.button, "options": options}
    return "send-option-list", {"message": content.body, "optionList": shown}


def _otp(message: Outgoing) -> Built:
    content: OtpContent = message.content
    return "send-button-otp", given(
        message=content.body, code=content.code, image=content.image, buttonText=content.button
    )


def _pix(message: Outgoing) -> Built:
    content: PixContent = message.content
    return "send-button-pix", given(
        pixKey=content.key, type=content.key_type.upper(), merchantName=content.merchant_name
    )


def _poll(message: Outgoing) -> Built:
    content: PollContent = message.content
    options = [{"name": option} for option in content.options]
    return "send-poll", given(message=content.name, poll=options, pollMaxOptions=content.selectable)


def _event(message: Outgoing) -> Built:
    content: EventContent = message.content
    if not message.to.endswith("@g.us"):
        raise Unsendable("Z-API sends events to groups only")
    # The page calls `dateTime` a time without a zone and shows one in UTC: with this zone both readings are one time.
    return "send-event", {"event": {**event(content), "timeZone": "UTC+0"}}


def _product(message: Outgoing) -> Built:
    content: ProductContent = message.content
    return "send-product", {"catalogPhone": phone(content.catalog_id), "productId": content.product_id}


def _catalog(message: Outgoing) -> Built:
    content: CatalogContent = message.content
    return "send-catalog", given(
        catalogPhone=phone(content.catalog_id or ""),
        message=content.body,
        title=content.header,
        catalogDescription=content.description,
        translation=content.language and content.language.upper(),
    )


def _order(message: Outgoing) -> Built:
    content: OrderContent = message.content
    return "send-order", given(order=order(content), paymentSettings=content.payment)


def _channel_invite(message: Outgoing) -> Built:
    content: ChannelInviteContent = message.content
    invite = {"newsletterId": phone(content.channel), "caption": content.caption}
    return "send-newsletter-admin-invite", {"adminInviteMessage": invite}


_BUILDERS: Mapping[str, Callable[[Outgoing], Built]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "link": _link,
    "buttons": _buttons,
    "list": _list,
    "otp": _otp,
    "pix": _pix,
    "poll": _poll,
    "event": _event,
    "product": _product,
    "catalog": _catalog,
    "order": _order,
    "carousel": _carousel,
    "channel_invite": _channel_invite,
}

#: Routes that document `delayMessage`.
_DELAYED = frozenset(
    {"send-text", "send-location", "send-contact", "send-contacts", "send-link", "send-button-list", "send-carousel"}
    | {"send-option-list", "send-poll", "send-reaction", "send-remove-reaction", "forward-message"}
    | {f"send-{'audio' if kind == 'voice' else kind}" for kind in MEDIA}
)

_ABOUT = frozenset(ABOUT) | {"edit"}
KINDS = frozenset(MEDIA) | frozenset(_BUILDERS) | _ABOUT
#: Kinds that cannot carry a quote.
UNQUOTABLE = KINDS - QUOTING
