"""The content of messages in Z-API's shape: the key that tells a kind, and its object.

`extra` is what a provider told beyond our content. One that is Z-API itself told whole objects, which are passed on with
our own addresses for the files in them; what other providers tell there fills what it can.
"""

from collections.abc import Callable, Mapping

import msgspec

from recado.domain import content as domain
from recado.domain import fallback
from recado.providers import whatsapp
from recado.services.zapi.payloads import buttons, commerce
from recado.services.zapi.payloads.facts import File, Json, Place, Stored, chat_id, inner, instant, person, text
from recado.services.zapi.payloads.said import Said

#: What is told beside the content of a message, by the provider that is Z-API itself.
_BESIDE = ("statusImage", "statusVideo", "statusAudio", "broadcastRecipients")
#: Kinds that Z-API tells and that are no content of ours: the provider's objects are passed on.
_WHOLE = ("carouselMessage", "requestPayment", "sendPayment", "newsletterAdminInvite")
_ADVERTISEMENT = (
    "title", "body", "mediaType", "thumbnailUrl", "sourceType", "sourceId", "ctwaClid", "sourceUrl", "containsAutoReply",
    "renderLargerThumbnail", "showAdAttribution",
)  # fmt: skip
_MEDIA_TYPES = {"NONE": 0, "IMAGE": 1, "VIDEO": 2}
_WEEK = 604_800


def render(said: Said) -> Json | None:
    """The keys that a message's content makes; None for what Z-API has no shape for."""
    beside = {name: said.extra[name] for name in _BESIDE if name in said.extra}
    if (advertisement := _advertisement(said.extra)) is not None:
        beside["externalAdReply"] = advertisement
    for name in _WHOLE:
        if isinstance(said.extra.get(name), dict):
            return {**beside, name: said.extra[name]}
    if isinstance(said.extra.get("hydratedTemplate"), dict):
        return {**beside, "hydratedTemplate": buttons.template(said, said.extra["hydratedTemplate"])}
    renderer = _RENDERERS.get(said.kind)
    found = renderer(said) if renderer is not None else _as_text(said)
    return None if found is None else {**beside, **found}


def _as_text(said: Said) -> Json | None:
    """What Z-API shows in no shape of its own (a list, a catalogue) is told as the text it says."""
    try:
        typed = msgspec.convert(said.content, domain.KINDS[said.kind])
    except (KeyError, msgspec.ValidationError):
        return None
    shown = fallback.as_text(said.kind, typed)
    return None if shown is None else {"text": {"message": shown}}


def _advertisement(extra: Json) -> Json | None:
    """The advertisement that somebody came by. Providers spell its fields in ways of their own."""
    told = extra.get("externalAdReply") or extra.get("referral")
    if not isinstance(told, dict) or not told:
        return None
    folded = {name.lower().replace("_", ""): value for name, value in told.items()}
    found = {name: folded.get(name.lower()) for name in _ADVERTISEMENT}
    return {**found, "mediaType": _MEDIA_TYPES.get(str(found["mediaType"]), found["mediaType"])}


# --- texts and places --------------------------------------------------------------------------------------


def _text(said: Said) -> Json:
    preview = dict(inner(said.extra, "preview"))
    if "descritpion" in preview:
        preview["description"] = preview.pop("descritpion")
    return {"text": {"message": said.get("body") or "", **preview}}


def _link(said: Said) -> Json:
    message = said.get("body") or said.get("url")
    picture = text(said.get("image"))
    preview = {
        "title": said.get("title"),
        "description": said.get("description"),
        "url": said.get("url"),
        "thumbnailUrl": None if picture is None or picture.startswith("data:") else picture,
    }
    return {"text": {"message": message, **{name: value for name, value in preview.items() if value}}}


def _location(said: Said) -> Json:
    more = inner(said.extra, "location")
    named = {"name": said.get("name")} if said.get("name") else {}
    return {
        "location": {
            "longitude": said.get("longitude"),
            "latitude": said.get("latitude"),
            **named,
            "address": said.get("address") or "",
            "url": text(more.get("url")) or text(said.extra.get("url")) or "",
        }
    }


def _contacts(said: Said) -> Json | None:
    """One card, as documented; of several, the first one and all of them under `contacts`."""
    cards = [_card(one) for one in said.content if isinstance(one, dict)] if isinstance(said.content, list) else []
    if not cards:
        return None
    return {"contact": cards[0]} if len(cards) == 1 else {"contact": cards[0], "contacts": cards}


def _card(card: Json) -> Json:
    known = {name: value for name, value in card.items() if name in domain.ContactCard.__struct_fields__}
    try:
        typed = msgspec.convert(known, domain.ContactCard)
    except msgspec.ValidationError:
        # A provider told what no card of ours has the shape of: its name is what is left.
        name = text(inner(card, "name").get("formatted_name")) or "?"
        typed = domain.ContactCard(name=domain.ContactName(formatted_name=name[:1_024]))
    phones = ["".join(filter(str.isdigit, one.wa_id or one.phone)) for one in typed.phones]
    return {"displayName": typed.name.formatted_name, "vCard": whatsapp.vcard(typed), "phones": phones}


# --- files -------------------------------------------------------------------------------------------------


def _failure(file: File) -> Json:
    return {} if file.error is None else {"downloadError": file.error}


def _image(said: Said) -> Json:
    return {"image": _picture(said, inner(said.extra, "media"))}


def _picture(said: Said, more: Json) -> Json:
    """Where no thumbnail is told, the picture is one; a size that is not told is 0, as in Z-API's own examples."""
    return {
        "mimeType": said.mime_type or "image/jpeg",
        "imageUrl": said.file.url,
        "thumbnailUrl": more.get("thumbnailUrl") or said.file.url,
        "downloadError": said.file.error,
        "caption": said.get("caption") or "",
        "width": more.get("width") or 0,
        "height": more.get("height") or 0,
        "viewOnce": said.view_once,
    }


def _audio(said: Said) -> Json:
    return {
        "audio": {
            "ptt": said.kind == "voice",
            "seconds": said.said("seconds") or 0,
            "audioUrl": said.file.url,
            "mimeType": said.mime_type or "audio/ogg; codecs=opus",
            "viewOnce": said.view_once,
            **_failure(said.file),
        }
    }


def _video(said: Said) -> Json:
    return {
        "video": {
            **_moving(said),
            "seconds": said.said("seconds") or 0,
            "viewOnce": said.view_once,
        }
    }


def _moving_picture(said: Said) -> Json:
    return {"video": _moving(said)}


def _moving(said: Said) -> Json:
    return {
        "videoUrl": said.file.url,
        "caption": said.get("caption") or "",
        "mimeType": said.mime_type or "video/mp4",
        **_failure(said.file),
    }


def _document(said: Said) -> Json:
    filename = said.file.filename or text(said.get("filename")) or ""
    return {
        "document": {
            "caption": said.get("caption"),
            "documentUrl": said.file.url,
            "mimeType": said.mime_type or "application/octet-stream",
            "title": said.said("title") or filename,
            "pageCount": said.said("pageCount") or 0,
            "fileName": filename,
            **_failure(said.file),
        }
    }


def _sticker(said: Said) -> Json:
    sticker = {"stickerUrl": said.file.url, "mimeType": said.mime_type or "image/webp"}
    return {"sticker": {**sticker, **_failure(said.file)}}


# --- polls, events, and what is about another message -------------------------------------------------------


def referenced(place: Place, told: str | None, chat: str | None) -> Json:
    """The message that something is about, by the id that it is known by here."""
    about = place.about
    if about is None:
        return {"messageId": told, "fromMe": False, "phone": chat, "participant": None}
    sender = person((about.metadata or {}).get("sender"))
    return {
        "messageId": about.shown_id,
        "fromMe": about.direction == "outbound",
        "phone": chat_id(about.address),
        "participant": None if about.direction == "outbound" else sender.id,
    }


def reaction(said: Said, target: str | None) -> Json:
    """An emoji on a message; empty when it was taken back."""
    about = referenced(said.place, target, said.chat)
    told = {"value": said.get("emoji") or "", "time": said.at, "reactionBy": said.by, "referencedMessage": about}
    return {"reaction": told}


def poll_vote(said: Said, target: str | None) -> Json:
    """A vote, by the names of the options."""
    options = said.get("options")
    chosen = [{"name": str(one)} for one in options] if isinstance(options, list) else []
    poll = said.place.about.shown_id if said.place.about else target
    return {"pollVote": {"pollMessageId": poll, "options": chosen}}


def event_response(said: Said, target: str | None) -> Json:
    """Whether somebody comes to an event."""
    answer = str(said.get("answer") or said.get("response") or "").upper()
    about = referenced(said.place, target, said.chat)
    return {"eventResponse": {"response": answer, "responseFrom": said.by, "time": said.at, "referencedMessage": about}}


def _poll(said: Said) -> Json:
    options = said.get("options")
    selectable = said.get("selectable")
    return {
        "poll": {
            "question": said.get("name") or "",
            "pollMaxOptions": 1 if selectable is None else selectable,
            "options": [{"name": str(one)} for one in options] if isinstance(options, list) else [],
        }
    }


def _event(said: Said) -> Json:
    return {"event": _appointment(said, said.content if isinstance(said.content, dict) else {}, canceled=False)}


def _event_edit(said: Said) -> Json:
    return {"event": _appointment(said, inner(said.content, "event"), canceled=said.get("cancelled") is True)}


def _appointment(said: Said, event: Json, *, canceled: bool) -> Json:
    told = inner(said.extra, "event")
    start = instant(event.get("start_at"))
    place = text(event.get("location"))
    return {
        "name": event.get("name") or "",
        "description": event.get("description") or "",
        "canceled": canceled or True in (told.get("canceled"), said.extra.get("canceled")),
        "joinLink": told.get("joinLink") or said.extra.get("join_link"),
        "scheduleTime": None if start is None else start // 1_000,
        "location": inner(told, "location") or ({} if place is None else {"name": place}),
    }


def _pin(said: Said) -> Json:
    pinned = said.get("pinned") is not False
    duration = said.get("duration_s") or (_WEEK if pinned else 0)
    about = referenced(said.place, text(said.get("message_id")), said.chat)
    return {
        "pinMessage": {
            "action": "pin" if pinned else "unpin",
            "pinDurationInSecs": duration,
            "referencedMessage": about,
        }
    }


def _own(renderer: Callable[[Said, str | None], Json]) -> Callable[[Said], Json]:
    """What is about another message, sent through us: its target is in its content."""
    return lambda said: renderer(said, text(said.get("message_id")))


def _channel_invite(said: Said) -> Json:
    return {
        "newsletterAdminInvite": {
            "newsletterId": said.get("channel"),
            "newsletterName": said.get("name") or "",
            "text": said.get("caption") or "",
            "inviteExpiration": None,
        }
    }


def forwarded(said: Said) -> tuple[Said, Stored] | None:
    """What a forwarded message says: the content of the other one. None where that is not kept any more."""
    about = said.place.about
    if about is None:
        return None
    extra = (about.metadata or {}).get("extra") if not about.through_us else None
    return msgspec.structs.replace(
        said, kind=about.type, content=about.content, extra=extra if isinstance(extra, dict) else {}
    ), about


_RENDERERS: Mapping[str, Callable[[Said], Json | None]] = {
    "text": _text,
    "link": _link,
    "location": _location,
    "contacts": _contacts,
    "image": _image,
    "audio": _audio,
    "voice": _audio,
    "video": _video,
    "gif": _moving_picture,
    "ptv": _moving_picture,
    "document": _document,
    "sticker": _sticker,
    "poll": _poll,
    "event": _event,
    "event_edit": _event_edit,
    "pin": _pin,
    "reaction": _own(reaction),
    "poll_vote": _own(poll_vote),
    "event_response": _own(event_response),
    "channel_invite": _channel_invite,
    **buttons.RENDERERS,
    **commerce.RENDERERS,
}
