"""Messages in WhatsApp's own protobuf schema (WAProto), as the JSON that Baileys and whatsmeow make of them.

Names are camelCase; the two libraries write acronyms differently (`url` and `URL`, `stanzaId` and `stanzaID`) and both
are read. Byte fields come as base64, as `{"0": 1, …}`, as lists or as Node's `{"type": "Buffer"}`; 64-bit numbers as
numbers, as text or as `{"low", "high", "unsigned"}`. Nothing here raises for a message of any shape: what is not
understood is `unknown`, with the provider's object in `extra`.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from recado.providers import whatsapp

Json = Mapping[str, Any]

#: Real messages are wrapped two or three times.
_DEEPEST = 12
#: No number, place or size is larger; up to here a float is exact.
_LARGEST = 2.0**53
_EDIT, _REVOKE = (14, "MESSAGE_EDIT"), (0, "REVOKE", None)
_PINNED = (1, "PIN_FOR_ALL")
_PIX_KEYS = frozenset({"cpf", "cnpj", "phone", "email", "evp"})

#: Beside the content, or about the delivery only.
_BESIDE = frozenset(
    {"messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage"}
)
#: What providers add to a message, which is no content.
_ADDED = frozenset({"base64", "mediaUrl", "speechToText", "contextInfo"})
#: Previews and helpers of playing, which fetching the file does not need and which are large.
_NOT_KEPT = frozenset(
    {
        "contextInfo",
        "caption",
        "jpegThumbnail",
        "JPEGThumbnail",
        "pngThumbnail",
        "thumbnail",
        "waveform",
        "streamingSidecar",
        "firstFrameSidecar",
        "scansSidecar",
        "scanLengths",
        "midQualityFileSha256",
        "annotations",
        "interactiveAnnotations",
    }
)
_ACRONYMS = (("Sha256", "SHA256"), ("Json", "JSON"), ("Jid", "JID"), ("Id", "ID"), ("timestampMs", "timestampMS"))
_ALL_CAPITALS = frozenset({"url", "id", "ptt"})


class MediaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The media of a message. `sha256` is that of the decrypted file, hexadecimal; `size` in bytes.

    `node` is the media object itself without previews: `mediaKey`, `directPath`, `url` and what else its maker needs
    to fetch it, as it came. `field` is what its message calls it (`imageMessage`).
    """

    field: str
    node: dict[str, Any]
    mime_type: str | None = None
    filename: str | None = None
    size: int | None = None
    sha256: str | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says.

    `kind` is a key of `domain.content.KINDS` with `content` in that shape as plain data, or one of

    button_reply, list_reply, nfm_reply   an answer: {id, title[, description]}; {name, body, response}
    group_invite    {group, code, name[, body]}
    reaction        {emoji} on `about`; empty when taken back
    edit            the new content of `about`, whose kind is `edited`
    delete          `about` was taken back for everybody
    pin             {pinned} of `about`
    poll_vote       {options} of the poll `about`; None while the votes are encrypted
    event_response  {answer} to the event `about`; None while it is encrypted
    protocol        nothing that a person sees: keys, history, settings between devices, the head of an album
    unknown         the message is in `extra`

    `about_from_me` tells whether the number that received this wrote the message `about`, as the sender's key says it.
    `edited_at` is when an edit was made, by its author's clock: the same in every telling of that edit.
    """

    kind: str
    content: Any = None
    media: MediaSpec | None = None
    reply_to: str | None = None
    mentions: list[str] = []
    forwarded: bool = False
    about: str | None = None
    about_from_me: bool | None = None
    edited: str | None = None
    edited_at: datetime | None = None
    extra: dict[str, Any] = {}


def read(message: Mapping[str, Any], *, context: Mapping[str, Any] | None = None) -> Content:
    """What a message says. `context` is its `contextInfo` where a provider keeps it beside the message. Never raises."""
    try:
        return _read(message, context)
    except RecursionError:
        return Content(kind="unknown", content={})


def _read(message: Json, context: Json | None) -> Content:
    view_once = False
    for _ in range(_DEEPEST):
        name, value = _content_of(message)
        inner = _wrapped(name, value)
        if inner is None:
            break
        view_once = view_once or name.startswith("viewOnce")
        message = inner
    else:
        return Content(kind="unknown", content={})
    beside = message.get("contextInfo")
    context = beside if isinstance(beside, dict) else context
    if name == "conversation" and isinstance(value, str):
        found = Content(kind="text", content={"body": value})
        return found if not context else _with_context(found, context, {})
    if not isinstance(value, dict):
        return _nothing(message)
    reader = READERS.get(name)
    read = reader(name, value) if reader is not None else None
    extra = {"view_once": True} if view_once or value.get("viewOnce") is True else {}
    if read is None:
        return Content(kind="unknown", content={}, extra={name: _without_previews(value)} | extra)
    own = value.get("contextInfo")
    around = own if isinstance(own, dict) and own else context
    return _with_context(read, around, extra) if around or extra else read


def _content_of(message: Json) -> tuple[str, Any]:
    """The one field of a message that is its content."""
    for name, value in message.items():
        if value is not None and name not in _BESIDE and name not in _ADDED:
            return name, value
    return "", None


def _wrapped(name: str, value: Any) -> Json | None:
    """The message inside a message that only says how it was sent: disappearing, view once, with a caption …"""
    if not isinstance(value, dict) or name in READERS:
        return None
    inner = value.get("message")
    return inner if isinstance(inner, dict) else None


def _nothing(message: Json) -> Content:
    name, value = _content_of(message)
    if name:
        return Content(kind="unknown", content={}, extra={name: value})
    return Content(kind="protocol" if not _BESIDE.isdisjoint(message) else "unknown", content={})


def _with_context(read: Content, context: Json | None, extra: dict[str, Any]) -> Content:
    context = context or {}
    mentioned = find(context, "mentionedJid")
    score = number(context.get("forwardingScore"))
    advertisement = context.get("externalAdReply")
    if isinstance(advertisement, dict):
        extra = extra | {"referral": _without_previews(advertisement)}
    if text(context, "remoteJid") == whatsapp.STORIES:
        extra = extra | {"story_reply": True}
    mentions = [found for one in mentioned if (found := whatsapp.address(one))] if isinstance(mentioned, list) else []
    return msgspec.structs.replace(
        read,
        reply_to=read.reply_to or text(context, "stanzaId"),
        mentions=mentions or read.mentions,
        forwarded=context.get("isForwarded") is True or bool(score),
        extra=read.extra | extra,
    )


# --- one reader per field ------------------------------------------------------------------------------------


def _read_text(name: str, value: Json) -> Content | None:
    body = value.get("text")
    return Content(kind="text", content={"body": body}) if isinstance(body, str) else None


def _media(kind: str) -> Callable[[str, Json], Content | None]:
    def read(name: str, value: Json) -> Content | None:
        mime_type = text(value, "mimetype")
        filename = (text(value, "fileName") or text(value, "title")) if kind == "document" else None
        real = kind
        if kind == "audio" and find(value, "ptt") is True:
            real = "voice"
        elif kind == "video" and value.get("gifPlayback") is True:
            real = "gif"
        sha256 = octets(find(value, "fileSha256"))
        return Content(
            kind=real,
            content=_given(caption=text(value, "caption"), filename=filename, mime_type=mime_type),
            media=MediaSpec(
                field=name,
                node=_without_previews(value),
                mime_type=mime_type,
                filename=filename,
                size=integer(value.get("fileLength")),
                sha256=sha256.hex() if sha256 is not None and len(sha256) == 32 else None,
            ),
            extra=_given(seconds=integer(value.get("seconds")), media=_measures(kind, value)),
        )

    return read


def _measures(kind: str, value: Json) -> dict[str, int] | None:
    """How large a picture is, or how many pages a document has, as its sender says."""
    names = {"image": ("width", "height"), "document": ("pageCount",)}.get(kind, ())
    return _given(**{name: integer(value.get(name)) or None for name in names}) or None


def _read_location(name: str, value: Json) -> Content | None:
    latitude, longitude = number(value.get("degreesLatitude")), number(value.get("degreesLongitude"))
    if latitude is None or longitude is None:
        return None
    place = _given(name=text(value, "name"), address=text(value, "address"))
    live = name == "liveLocationMessage" or value.get("isLive") is True
    extra = _given(live=live, url=find(value, "url"), caption=text(value, "caption"))
    return Content(kind="location", content={"latitude": latitude, "longitude": longitude} | place, extra=extra)


def _read_contact(name: str, value: Json) -> Content | None:
    listed = value.get("contacts")
    given = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [value]
    cards = [whatsapp.read_vcard(one.get("vcard"), name=text(one, "displayName")) for one in given]
    read = [card for card in cards if card is not None]
    return Content(kind="contacts", content=read) if read else None


def _read_reaction(name: str, value: Json) -> Content | None:
    emoji = value.get("text")
    return _about("reaction", value.get("key"), {"emoji": emoji if isinstance(emoji, str) else ""})


def _read_protocol(name: str, value: Json) -> Content | None:
    kind = value.get("type")
    if kind in _EDIT:
        edited = value.get("editedMessage")
        new = _read(edited, None) if isinstance(edited, dict) else Content(kind="unknown", content={})
        found = _about("edit", value.get("key"), new.content)
        if found is None:
            return None
        at = moment(find(value, "timestampMs"))
        return msgspec.structs.replace(found, edited=new.kind, edited_at=at, extra=new.extra)
    if kind in _REVOKE and isinstance(value.get("key"), dict):
        return _about("delete", value.get("key"), {})
    return Content(kind="protocol", content={}, extra={"type": kind} if isinstance(kind, str | int) else {})


def _read_pin(name: str, value: Json) -> Content | None:
    return _about("pin", value.get("key"), {"pinned": value.get("type") in _PINNED})


def _read_poll(name: str, value: Json) -> Content | None:
    options = [text(option, "optionName") for option in objects(value.get("options"))]
    title = text(value, "name")
    if title is None:
        return None
    selectable = integer(value.get("selectableOptionsCount")) or 0
    poll = {"name": title, "options": [option for option in options if option], "selectable": selectable}
    return Content(kind="poll", content=poll)


def _read_vote(name: str, value: Json) -> Content | None:
    vote = value.get("vote")
    chosen = vote.get("selectedOptions") if isinstance(vote, dict) else None
    options = [option for option in chosen if isinstance(option, str)] if isinstance(chosen, list) else None
    return _about("poll_vote", value.get("pollCreationMessageKey"), {"options": options})


def _read_event(name: str, value: Json) -> Content | None:
    title = text(value, "name")
    if title is None:
        return None
    place = value.get("location")
    event = _given(
        name=title,
        start_at=_moment(value.get("startTime")),
        end_at=_moment(value.get("endTime")),
        description=text(value, "description"),
        location=text(place, "name") if isinstance(place, dict) else None,
    )
    link = text(value, "joinLink")
    if link is not None:
        event["call"] = "voice" if "/voice/" in link else "video"
    return Content(kind="event", content=event, extra=_given(join_link=link, canceled=value.get("isCanceled")))


def _read_event_response(name: str, value: Json) -> Content | None:
    return _about("event_response", value.get("eventCreationMessageKey"), {"answer": None})


def _read_button_reply(name: str, value: Json) -> Content | None:
    identifier = text(value, "selectedButtonId") or text(value, "selectedId")
    title = text(value, "selectedDisplayText")
    if identifier is None and title is None:
        return None
    return Content(kind="button_reply", content={"id": identifier or title, "title": title or identifier})


def _read_list_reply(name: str, value: Json) -> Content | None:
    row = value.get("singleSelectReply")
    identifier = text(row, "selectedRowId") if isinstance(row, dict) else None
    title = text(value, "title")
    if identifier is None and title is None:
        return None
    reply = {"id": identifier or title, "title": title or ""} | _given(description=text(value, "description"))
    return Content(kind="list_reply", content=reply)


def _read_interactive_reply(name: str, value: Json) -> Content | None:
    body = value.get("body")
    said = text(body, "text") if isinstance(body, dict) else None
    flow = value.get("nativeFlowResponseMessage")
    if not isinstance(flow, dict):
        return Content(kind="text", content={"body": said}) if said else None
    response = _json(text(flow, "paramsJson"))
    what = text(flow, "name")
    identifier = text(response, "id") if isinstance(response, dict) else None
    if what in ("quick_reply", "menu_options", "single_select") and identifier:
        reply = {"id": identifier, "title": said or text(response, "title") or text(response, "display_text") or ""}
        if what == "quick_reply":
            return Content(kind="button_reply", content=reply)
        described = text(response, "description")
        return Content(kind="list_reply", content=reply | _given(description=described))
    return Content(kind="nfm_reply", content=_given(name=what, body=said) | {"response": response})


def _read_buttons(name: str, value: Json) -> Content | None:
    """Buttons that a business sent, in any of their three generations."""
    for inner in ("hydratedTemplate", "hydratedFourRowTemplate", "interactiveMessageTemplate"):
        nested = value.get(inner)
        if isinstance(nested, dict):
            value = nested
            break
    body, footer, header = value.get("body"), value.get("footer"), value.get("header")
    said = text(body, "text") if isinstance(body, dict) else None
    flow = objects(fields(value.get("nativeFlowMessage")).get("buttons"))
    special = _read_special(flow[0], said) if len(flow) == 1 else None
    if special is not None:
        return special
    listed = value.get("buttons") or value.get("hydratedButtons") or flow
    content = _given(
        body=said or text(value, "contentText") or text(value, "hydratedContentText"),
        header=text(value, "text") or text(value, "hydratedTitleText") or (text(header, "title") if header else None),
        footer=(text(footer, "text") if isinstance(footer, dict) else None)
        or text(value, "footerText")
        or text(value, "hydratedFooterText"),
        buttons=[button for one in objects(listed) if (button := _button(one))],
    )
    if "body" not in content or "buttons" not in content:
        return None
    return Content(kind="buttons", content=content)


def _read_special(button: Json, body: str | None) -> Content | None:
    """A button that is a kind of its own: one that copies a code, or pays to a Pix key."""
    given = fields(_json(text(button, "buttonParamsJson")))
    match text(button, "name"):
        case "cta_copy":
            code = text(given, "copy_code")
            return Content(kind="otp", content={"body": body, "code": code}) if body and code else None
        case "payment_info":
            settings = objects(given.get("payment_settings"))
            pix = fields(settings[0].get("pix_static_code")) if settings else {}
            key, key_type = text(pix, "key"), (text(pix, "key_type") or "").lower()
            if key is None or key_type not in _PIX_KEYS:
                return None
            named = _given(merchant_name=text(pix, "merchant_name"))
            return Content(kind="pix", content={"key": key, "key_type": key_type} | named)
        case _:
            return None


def _button(one: Json) -> dict[str, Any] | None:
    quick, link, call = (one.get(name) for name in ("quickReplyButton", "urlButton", "callButton"))
    if isinstance(quick, dict):
        return _given(title=text(quick, "displayText"), id=text(quick, "id"))
    if isinstance(link, dict):
        return _given(title=text(link, "displayText"), url=find(link, "url"))
    if isinstance(call, dict):
        return _given(title=text(call, "displayText"), phone=text(call, "phoneNumber"))
    shown = one.get("buttonText")
    if isinstance(shown, dict):
        return _given(title=text(shown, "displayText"), id=text(one, "buttonId"))
    given = _json(text(one, "buttonParamsJson"))
    if not isinstance(given, dict):
        return None
    phone = text(given, "phone_number")
    return _given(title=text(given, "display_text"), id=text(given, "id"), url=text(given, "url"), phone=phone)


def _read_list(name: str, value: Json) -> Content | None:
    sections = [
        {"rows": [_row(row) for row in objects(section.get("rows"))]} | _given(title=text(section, "title"))
        for section in objects(value.get("sections"))
    ]
    content = _given(
        body=text(value, "description") or text(value, "title"),
        button=text(value, "buttonText"),
        header=text(value, "title") if text(value, "description") else None,
        footer=text(value, "footerText"),
        sections=sections,
    )
    return Content(kind="list", content=content) if "body" in content and sections else None


def _row(row: Json) -> dict[str, Any]:
    return _given(id=text(row, "rowId"), title=text(row, "title"), description=text(row, "description"))


def _read_product(name: str, value: Json) -> Content | None:
    product = value.get("product")
    identifier = text(product, "productId") if isinstance(product, dict) else None
    owner = whatsapp.address(find(value, "businessOwnerJid"))
    if identifier is None:
        return None
    shown = _given(body=text(value, "body"), footer=text(value, "footer"))
    content = {"catalog_id": owner or "", "product_id": identifier} | shown
    return Content(kind="product", content=content, extra={"product": _without_previews(product or {})})


def _read_order(name: str, value: Json) -> Content | None:
    """A cart. The message has the sum only: the products are asked for with its `token`."""
    identifier = text(value, "orderId")
    if identifier is None:
        return None
    content = {"reference_id": identifier, "items": []}
    shown = _given(body=text(value, "message"), currency=text(value, "totalCurrencyCode"))
    return Content(kind="order", content=content | shown, extra={"order": _without_previews(value)})


def _read_group_invite(name: str, value: Json) -> Content | None:
    invite = _given(
        group=find(value, "groupJid"),
        code=text(value, "inviteCode"),
        name=text(value, "groupName"),
        body=text(value, "caption"),
    )
    return Content(kind="group_invite", content=invite) if "group" in invite else None


def _read_album(name: str, value: Json) -> Content | None:
    """The head of an album; its pictures come as messages of their own."""
    images, videos = integer(value.get("expectedImageCount")), integer(value.get("expectedVideoCount"))
    return Content(kind="protocol", content={}, extra=_given(images=images, videos=videos))


def _about(kind: str, key: Any, content: Any) -> Content | None:
    identifier = text(key, "id") if isinstance(key, dict) else None
    if identifier is None:
        return None
    mine = key.get("fromMe")
    return Content(kind=kind, content=content, about=identifier, about_from_me=mine if isinstance(mine, bool) else None)


READERS: Mapping[str, Callable[[str, Json], Content | None]] = {
    "extendedTextMessage": _read_text,
    "imageMessage": _media("image"),
    "videoMessage": _media("video"),
    "ptvMessage": _media("ptv"),
    "audioMessage": _media("audio"),
    "documentMessage": _media("document"),
    "stickerMessage": _media("sticker"),
    "locationMessage": _read_location,
    "liveLocationMessage": _read_location,
    "contactMessage": _read_contact,
    "contactsArrayMessage": _read_contact,
    "reactionMessage": _read_reaction,
    "protocolMessage": _read_protocol,
    "pinInChatMessage": _read_pin,
    "pollCreationMessage": _read_poll,
    "pollCreationMessageV2": _read_poll,
    "pollCreationMessageV3": _read_poll,
    "pollCreationMessageV5": _read_poll,
    "pollUpdateMessage": _read_vote,
    "eventMessage": _read_event,
    "encEventResponseMessage": _read_event_response,
    "buttonsResponseMessage": _read_button_reply,
    "templateButtonReplyMessage": _read_button_reply,
    "listResponseMessage": _read_list_reply,
    "interactiveResponseMessage": _read_interactive_reply,
    "buttonsMessage": _read_buttons,
    "templateMessage": _read_buttons,
    "interactiveMessage": _read_buttons,
    "listMessage": _read_list,
    "productMessage": _read_product,
    "orderMessage": _read_order,
    "groupInviteMessage": _read_group_invite,
    "albumMessage": _read_album,
}


# --- reading loosely -----------------------------------------------------------------------------------------


@cache
def _other_spelling(name: str) -> str:
    if name in _ALL_CAPITALS:
        return name.upper()
    for ours, theirs in _ACRONYMS:
        name = name.replace(ours, theirs)
    return name


def find(value: Json, name: str) -> Any:
    """A field by its Baileys name, in the spelling of either library. None when absent."""
    found = value.get(name)
    return value.get(_other_spelling(name)) if found is None else found


def text(value: Any, name: str) -> str | None:
    """A text field, or a number as text; None when absent, empty or something else."""
    found = find(value, name) if isinstance(value, dict) else None
    if isinstance(found, str):
        return found or None
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else None


def number(value: Any) -> float | None:
    """A number, a number as text, or a Long as `{low, high, unsigned}`; None when it is none of these."""
    if isinstance(value, dict):
        low, high = value.get("low"), value.get("high", 0)
        if not isinstance(low, int) or not isinstance(high, int):
            return None
        whole = ((high & 0xFFFFFFFF) << 32) | (low & 0xFFFFFFFF)
        value = whole if value.get("unsigned") is True or whole < 2**63 else whole - 2**64
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < _LARGEST else None


def integer(value: Any) -> int | None:
    """As `number`, cut to a whole one."""
    found = number(value)
    return None if found is None else int(found)


def moment(value: Any) -> datetime | None:
    """A Unix time in seconds or milliseconds, in any form of a number; None when it is no time."""
    found = number(value)
    if found is None or found <= 0:
        return None
    try:
        return datetime.fromtimestamp(found / 1000 if found > 100_000_000_000 else found, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def octets(value: Any) -> bytes | None:
    """A byte field: base64, a list of numbers, `{"0": 1, …}` or Node's `{"type": "Buffer", "data": …}`."""
    if isinstance(value, str):
        try:
            return base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
    if isinstance(value, dict):
        if "data" in value:
            return octets(value["data"])
        value = [value.get(str(place)) for place in range(len(value))]
    if not isinstance(value, list):
        return None
    try:
        return bytes(value)
    except (TypeError, ValueError):
        return None


def _moment(value: Any) -> str | None:
    found = moment(value)
    return None if found is None else found.isoformat()


def fields(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _json(given: str | None) -> Any:
    """JSON within JSON, without the NUL characters that show only now; a text that is no JSON as it is."""
    try:
        return msgspec.json.decode((given or "null").replace("\\u0000", ""))
    except (ValueError, RecursionError):
        return given


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _without_previews(value: Json) -> dict[str, Any]:
    return {name: found for name, found in value.items() if name not in _NOT_KEPT}
