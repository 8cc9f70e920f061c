"""Contents as WhatsApp's own protobuf messages (waE2E), to be sent by `SendMessage`.

A content comes as plain data in the shape of `domain.content`, an earlier message as that of `provider.Referenced`.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from neonize.builder import build_edit
from neonize.proto.Neonize_pb2 import JID, MessageInfo, MessageSource, UploadResponse
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E  # the name it has everywhere
from neonize.utils.enum import MediaType

from recado.domain.content import MEDIA_KINDS, VIEWED_ONCE, ContactCard
from recado.native import jids
from recado.providers import whatsapp

Json = Mapping[str, Any]
Upload = Callable[[bytes, MediaType], UploadResponse]

#: Makes the encrypted vote in a poll: its message and the names of the options. Raises what neonize raises.
Vote = Callable[[MessageInfo, list[str]], waE2E.Message]

#: Kinds whose second copy changes nothing: the same reaction, the same text, the same end, the same vote.
REPEATABLE = frozenset({"reaction", "edit", "delete", "pin", "poll_vote"})

_UPLOADED_AS = {
    "image": MediaType.MediaImage,
    "sticker": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "gif": MediaType.MediaVideo,
    "ptv": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "voice": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
}
_MIME_TYPES = {
    "image": "image/jpeg",
    "sticker": "image/webp",
    "video": "video/mp4",
    "gif": "video/mp4",
    "ptv": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg; codecs=opus",
    "document": "application/octet-stream",
}


class Unsendable(Exception):
    """The content cannot be made into a message; `code` says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def build(
    request: Json, *, own: str, secret: bytes | None, data: bytes | None, upload: Upload, vote: Vote
) -> waE2E.Message:
    """The message that a request to send asks for. `data` are the bytes of its media. Raises `Unsendable`, and what
    `upload` and `vote` raise."""
    kind, content = str(request["kind"]), request["content"]
    about = request.get("about")
    if kind == "poll_vote":
        return vote(_poll_of(_needed(about), own), [str(option) for option in content["options"]])
    if kind in REPEATABLE:
        return _about(kind, content, _needed(about), own)
    forwarded = kind == "forward"
    if forwarded:
        earlier = _needed(about)
        kind, content = str(earlier["kind"]), earlier.get("content") or {}
        if kind in MEDIA_KINDS or kind not in _BUILDERS:
            raise Unsendable("unsupported_forward", f"The built-in engine cannot forward a message of type {kind}.")
    if kind == "button_reply":
        return _with_secret(_button_reply(content, _needed(about), own), secret)
    if kind in MEDIA_KINDS:
        message = _media(kind, content, request, data, upload)
    elif kind in _BUILDERS:
        message = _BUILDERS[kind](content)
    else:
        raise Unsendable("unsupported_content", f"The built-in engine cannot send a message of type {kind}.")
    context = _context(request.get("reply_to"), content, to=str(request["to"]), own=own, forwarded=forwarded)
    if context is not None:
        _carrier(message).contextInfo.CopyFrom(context)
    return _with_secret(message, secret)


def _with_secret(message: waE2E.Message, secret: bytes | None) -> waE2E.Message:
    if secret is not None:
        message.messageContextInfo.messageSecret = secret
    return message


def key_of(about: Json, own: str) -> MessageKey:
    """How a message names an earlier one."""
    chat, from_me = whatsapp.jid(str(about["chat"])), bool(about["from_me"])
    key = MessageKey(remoteJID=chat, fromMe=from_me, ID=str(about["provider_id"]))
    if chat.endswith(jids.GROUPS) and (sender := own if from_me else about.get("sender")):
        key.participant = whatsapp.jid(str(sender))
    return key


# --- about an earlier message -------------------------------------------------------------------------------


def _about(kind: str, content: Json, about: Json, own: str) -> waE2E.Message:
    key = key_of(about, own)
    match kind:
        case "reaction":
            reaction = waE2E.ReactionMessage(key=key, text=str(content["emoji"]), senderTimestampMS=_now_ms())
            return waE2E.Message(reactionMessage=reaction)
        case "edit":
            chat = jids.parse(str(about["chat"]))
            return build_edit(chat, key.ID, _edited(about, str(content["body"])))
        case "delete":
            revoke = waE2E.ProtocolMessage(key=key, type=waE2E.ProtocolMessage.REVOKE)
            return waE2E.Message(protocolMessage=revoke)
        case _:
            pinned = bool(content.get("pinned", True))
            states = waE2E.PinInChatMessage
            state = states.PIN_FOR_ALL if pinned else states.UNPIN_FOR_ALL
            pin = waE2E.PinInChatMessage(key=key, type=state, senderTimestampMS=_now_ms())
            message = waE2E.Message(pinInChatMessage=pin)
            if pinned:
                message.messageContextInfo.messageAddOnDurationInSecs = int(content.get("duration_s", 604_800))
            return message


def _poll_of(about: Json, own: str) -> MessageInfo:
    """A poll as far as its vote needs it: whatsmeow looks for its secret by its chat, author and id."""
    chat, nobody = jids.parse(str(about["chat"])), JID(User="", Device=0, RawAgent=0, Integrator=0, Server="")
    author = own if about["from_me"] else about.get("sender") or about["chat"]
    where = MessageSource(
        Chat=chat,
        Sender=jids.parse(str(author)),
        IsFromMe=bool(about["from_me"]),
        IsGroup=chat.Server == jids.GROUPS,
        SenderAlt=nobody,
        RecipientAlt=nobody,
        BroadcastListOwner=nobody,
    )
    unsaid = {"ServerID": 0, "Type": "poll", "Pushname": "", "Timestamp": 0, "Category": "", "Multicast": False}
    return MessageInfo(MessageSource=where, ID=str(about["provider_id"]), MediaType="", Edit="", **unsaid)


def _button_reply(content: Json, about: Json, own: str) -> waE2E.Message:
    """What a phone sends when a button is pressed: an answer that quotes the message with the button."""
    identifier = str(content["id"])
    shown, context = str(content.get("title") or identifier), _quoting(about, own)
    if content.get("template"):
        answer = waE2E.TemplateButtonReplyMessage(selectedID=identifier, selectedDisplayText=shown, contextInfo=context)
        return waE2E.Message(templateButtonReplyMessage=answer)
    pressed = waE2E.ButtonsResponseMessage(
        selectedButtonID=identifier,
        selectedDisplayText=shown,
        type=waE2E.ButtonsResponseMessage.DISPLAY_TEXT,
        contextInfo=context,
    )
    return waE2E.Message(buttonsResponseMessage=pressed)


def _edited(about: Json, body: str) -> waE2E.Message:
    """The new content: a text, or a caption where the message is a picture, a video or a document."""
    match about["kind"]:
        case "image":
            return waE2E.Message(imageMessage=waE2E.ImageMessage(caption=body))
        case "video" | "gif":
            return waE2E.Message(videoMessage=waE2E.VideoMessage(caption=body))
        case "document":
            return waE2E.Message(documentMessage=waE2E.DocumentMessage(caption=body))
        case _:
            return waE2E.Message(conversation=body)


def _needed(about: Json | None) -> Json:
    if about is None:
        raise Unsendable("message_not_found", "The message it speaks of is not known.")
    return about


def _context(reply_to: Json | None, content: Any, *, to: str, own: str, forwarded: bool) -> waE2E.ContextInfo | None:
    context = waE2E.ContextInfo() if reply_to is None else _quoting(reply_to, own)
    if reply_to is not None and str(reply_to["chat"]).endswith(jids.GROUPS) and reply_to["chat"] != to:
        # In another chat it names the group that it is from. A person has two ids, which are one chat.
        context.remoteJID = str(reply_to["chat"])
    if isinstance(content, Mapping):
        if content.get("story") and not forwarded:
            context = _answering(str(content["story"]), to)
        context.mentionedJID.extend(whatsapp.jid(str(one)) for one in content.get("mentions") or ())
        if content.get("mention_all"):
            context.nonJIDMentions = 1
        for one in content.get("group_mentions") or ():
            context.groupMentions.add(groupJID=str(one["group"]), groupSubject=str(one["subject"]))
    if forwarded:
        context.isForwarded = True
        context.forwardingScore = 1
    return context if context.ListFields() else None


def _answering(story: str, to: str) -> waE2E.ContextInfo:
    """To whoever posted the story: the phones of both have what it showed."""
    shown = waE2E.Message(conversation="")
    return waE2E.ContextInfo(
        stanzaID=story, participant=whatsapp.jid(to), remoteJID=whatsapp.STORIES, quotedMessage=shown
    )


def _quoting(message: Json, own: str) -> waE2E.ContextInfo:
    sender = own if message["from_me"] else message.get("sender") or message["chat"]
    return waE2E.ContextInfo(
        stanzaID=str(message["provider_id"]),
        participant=whatsapp.jid(str(sender)),
        quotedMessage=_quoted(message),
    )


def _quoted(reply_to: Json) -> waE2E.Message:
    """What the quotation shows: the text, or what stands for it."""
    kind, content = reply_to["kind"], reply_to.get("content")
    said = content if isinstance(content, Mapping) else {}
    caption = str(said.get("caption") or "")
    match kind:
        case "image":
            return waE2E.Message(imageMessage=waE2E.ImageMessage(caption=caption))
        case "video" | "gif" | "ptv":
            return waE2E.Message(videoMessage=waE2E.VideoMessage(caption=caption))
        case "audio" | "voice":
            return waE2E.Message(audioMessage=waE2E.AudioMessage(PTT=kind == "voice"))
        case "document":
            named = str(said.get("filename") or "")
            return waE2E.Message(documentMessage=waE2E.DocumentMessage(caption=caption, fileName=named))
        case "sticker":
            return waE2E.Message(stickerMessage=waE2E.StickerMessage())
        case _:
            return waE2E.Message(conversation=str(said.get("body") or said.get("name") or said.get("url") or ""))


def _carrier(message: waE2E.Message) -> Any:
    """The part of a message that has the `contextInfo`. A bare text has none, and becomes one that has."""
    if message.HasField("conversation"):
        body = message.conversation
        message.ClearField("conversation")
        message.extendedTextMessage.text = body
    return next(value for field, value in message.ListFields() if field.name != "messageContextInfo")


# --- contents -----------------------------------------------------------------------------------------------


def _media(kind: str, content: Json, request: Json, data: bytes | None, upload: Upload) -> waE2E.Message:
    if str(request["to"]).endswith(jids.CHANNELS):
        raise Unsendable("unsupported_content", "neonize does not pass on what media in channels need.")
    if data is None:
        raise Unsendable("media_missing", "There are no bytes to send.")
    described = request.get("media") or {}
    mime_type = str(content.get("mime_type") or described.get("mime_type") or _MIME_TYPES[kind])
    if kind == "voice" and "ogg" in mime_type:
        mime_type = _MIME_TYPES["voice"]
    once = bool(content.get("view_once"))
    if once and kind not in VIEWED_ONCE:
        raise Unsendable("unsupported_content", f"The built-in engine cannot send {kind} to be opened once.")
    uploaded = upload(data, _UPLOADED_AS[kind])
    file: dict[str, Any] = {
        "URL": uploaded.url,
        "directPath": uploaded.DirectPath,
        "mediaKey": uploaded.MediaKey,
        "fileEncSHA256": uploaded.FileEncSHA256,
        "fileSHA256": uploaded.FileSHA256,
        "fileLength": len(data),
        "mimetype": mime_type,
    }
    if content.get("caption") and kind in ("image", "video", "gif", "document"):
        file["caption"] = str(content["caption"])
    if once:
        file["viewOnce"] = True
    match kind:
        case "image":
            return waE2E.Message(imageMessage=waE2E.ImageMessage(**file))
        case "sticker":
            return waE2E.Message(stickerMessage=waE2E.StickerMessage(**file))
        case "video" | "gif":
            return waE2E.Message(videoMessage=waE2E.VideoMessage(**file, gifPlayback=kind == "gif"))
        case "ptv":
            return waE2E.Message(ptvMessage=waE2E.VideoMessage(**file))
        case "audio" | "voice":
            return waE2E.Message(audioMessage=waE2E.AudioMessage(**file, PTT=kind == "voice"))
        case _:
            named = str(content.get("filename") or described.get("filename") or "file")
            return waE2E.Message(documentMessage=waE2E.DocumentMessage(**file, fileName=named, title=named))


def _text(content: Json) -> waE2E.Message:
    return waE2E.Message(conversation=str(content["body"]))


def _link(content: Json) -> waE2E.Message:
    url, body = str(content["url"]), str(content.get("body") or "")
    shown = waE2E.ExtendedTextMessage(
        text=body if url in body else f"{body}\n{url}".strip(),
        matchedText=url,
        title=str(content.get("title") or ""),
        description=str(content.get("description") or ""),
    )
    return waE2E.Message(extendedTextMessage=shown)


def _location(content: Json) -> waE2E.Message:
    place = waE2E.LocationMessage(degreesLatitude=content["latitude"], degreesLongitude=content["longitude"])
    if content.get("name"):
        place.name = str(content["name"])
    if content.get("address"):
        place.address = str(content["address"])
    return waE2E.Message(locationMessage=place)


def _contacts(content: Any) -> waE2E.Message:
    cards = msgspec.convert(content, list[ContactCard])
    made = [waE2E.ContactMessage(displayName=card.name.formatted_name, vcard=whatsapp.vcard(card)) for card in cards]
    if len(made) == 1:
        return waE2E.Message(contactMessage=made[0])
    several = waE2E.ContactsArrayMessage(displayName=f"{len(made)} contacts", contacts=made)
    return waE2E.Message(contactsArrayMessage=several)


def _poll(content: Json) -> waE2E.Message:
    options = [waE2E.PollCreationMessage.Option(optionName=str(option)) for option in content["options"]]
    selectable = int(content.get("selectable", 1))
    poll = waE2E.PollCreationMessage(name=str(content["name"]), options=options, selectableOptionsCount=selectable)
    return waE2E.Message(pollCreationMessageV3=poll) if selectable == 1 else waE2E.Message(pollCreationMessage=poll)


def _event(content: Json) -> waE2E.Message:
    event = waE2E.EventMessage(name=str(content["name"]), startTime=_seconds(content["start_at"]))
    if content.get("end_at"):
        event.endTime = _seconds(content["end_at"])
    if content.get("description"):
        event.description = str(content["description"])
    if content.get("location"):
        event.location.name = str(content["location"])
    return waE2E.Message(eventMessage=event)


def _buttons(content: Json) -> waE2E.Message:
    buttons = []
    for button in content["buttons"]:
        if button.get("url"):
            buttons.append(_flow_button("cta_url", display_text=button["title"], url=button["url"]))
        elif button.get("phone"):
            buttons.append(_flow_button("cta_call", display_text=button["title"], phone_number=button["phone"]))
        else:
            buttons.append(
                _flow_button("quick_reply", display_text=button["title"], id=button.get("id") or button["title"])
            )
    return _flow(content, buttons)


def _list(content: Json) -> waE2E.Message:
    sections = [
        {
            "title": section.get("title") or "",
            "rows": [
                {"id": row["id"], "title": row["title"], "description": row.get("description") or ""}
                for row in section["rows"]
            ],
        }
        for section in content["sections"]
    ]
    return _flow(content, [_flow_button("single_select", title=content["button"], sections=sections)])


def _otp(content: Json) -> waE2E.Message:
    code = str(content["code"])
    copy = _flow_button("cta_copy", display_text=str(content.get("button") or code), copy_code=code)
    return _flow(content, [copy])


def _pix(content: Json) -> waE2E.Message:
    """A key to pay to, as phones share theirs: a payment without an amount."""
    nothing = {"value": 0, "offset": 100}
    item = {"name": "", "amount": nothing, "quantity": 0, "sale_amount": nothing}
    key = {
        "merchant_name": str(content.get("merchant_name") or ""),
        "key": str(content["key"]),
        "key_type": str(content["key_type"]).upper(),
    }
    payment = _flow_button(
        "payment_info",
        currency="BRL",
        total_amount=nothing,
        reference_id=secrets.token_hex(6).upper(),
        type="physical-goods",
        order={"status": "pending", "subtotal": nothing, "order_type": "ORDER", "items": [item]},
        payment_settings=[{"type": "pix_static_code", "pix_static_code": key}],
        share_payment_status=False,
    )
    return _flow({}, [payment])


def _flow(content: Json, buttons: list[Any]) -> waE2E.Message:
    """An interactive message, which is how phones take buttons from numbers that are no business's."""
    made = waE2E.InteractiveMessage(
        nativeFlowMessage=waE2E.InteractiveMessage.NativeFlowMessage(buttons=buttons, messageVersion=1),
    )
    if content.get("body"):
        made.body.text = str(content["body"])
    if content.get("header"):
        made.header.title = str(content["header"])
    if content.get("footer"):
        made.footer.text = str(content["footer"])
    return waE2E.Message(interactiveMessage=made)


def _flow_button(name: str, **parameters: Any) -> Any:
    button = waE2E.InteractiveMessage.NativeFlowMessage.NativeFlowButton
    return button(name=name, buttonParamsJSON=msgspec.json.encode(parameters).decode())


_BUILDERS: Mapping[str, Callable[[Any], waE2E.Message]] = {
    "text": _text,
    "link": _link,
    "location": _location,
    "contacts": _contacts,
    "poll": _poll,
    "event": _event,
    "buttons": _buttons,
    "list": _list,
    "otp": _otp,
    "pix": _pix,
}


def _seconds(moment: str) -> int:
    at = msgspec.convert(moment, datetime)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _now_ms() -> int:
    return int(time.time() * 1000)
