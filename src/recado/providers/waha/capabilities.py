"""What each of WAHA's engines can do.

From the engines' tables in WAHA's own documentation (devlikeapro/waha-docs, commit 1a6f1c4db8c2, 2026-07-24) and its
changelog up to 2026.7.
"""

from collections.abc import Mapping

from recado.domain.provider import Capabilities, MediaLimit

#: A request may have 50 MB (devlikeapro/waha `src/main.ts`, commit 55fc6a4282a4), and base64 makes four bytes of three.
_MEDIA_LIMIT = MediaLimit(max_bytes=36 * 1024 * 1024)
MEDIA_KINDS = frozenset({"image", "video", "voice", "document", "ptv"})

_EVERY_ENGINE = MEDIA_KINDS | {
    "text",
    "location",
    "contacts",
    "link",
    "poll",
    "reaction",
    "edit",
    "delete",
}

#: Requests without a `reply_to`.
_UNQUOTABLE = frozenset({"reaction", "edit", "delete", "forward", "pin"})

_NOTES = (
    "Sends no plain audio, sticker or GIF: a sound goes as `voice` or as `document`.",
    "Buttons are left out: WAHA's own page says that they do not work at the moment.",
    "Polls let people choose one option or any number of them.",
    "Media by link is fetched by the WAHA server, stored media goes in the request (36 MiB at most).",
    "Changing the webhook of a running session restarts it.",
)
_OWN_IDS = (
    "Texts, links without a preview of one's own, locations, contacts, polls and forwards carry an id that we choose "
    "(from WAHA 2026.4.3), so their echoes and receipts settle what was unproven; media, lists and events do not."
)
_TAGS = (
    "Runs a browser per session. Receipts and presence need `tagsEventsOn`, which is switched on for the sessions that "
    "Recado makes; WAHA warns that it costs performance."
)
_NO_BLOCKING = "Does not block contacts."
_NO_DELETING = "Does not delete or clear chats."
_STORE = "Chats and contacts need its store, which is switched on for the sessions that Recado makes."

GOWS = Capabilities(
    kinds=frozenset(_EVERY_ENGINE | {"list", "event"}),
    media=dict.fromkeys(MEDIA_KINDS, _MEDIA_LIMIT),
    unquotable=_UNQUOTABLE - {"forward", "pin"},
    receipts=frozenset({"server_ack", "delivered", "read", "played"}),
    echoes_message_id=True,
    notes=(
        *_NOTES,
        _OWN_IDS,
        "May ask for a passkey while pairing; the only engine that does.",
        "Does not forward messages, pin them, archive chats or delete channels.",
        _NO_BLOCKING,
        _NO_DELETING,
    ),
)
NOWEB = Capabilities(
    kinds=frozenset(_EVERY_ENGINE | {"list", "forward", "pin"}),
    media=GOWS.media,
    unquotable=_UNQUOTABLE,
    receipts=GOWS.receipts,
    echoes_message_id=True,
    notes=(*_NOTES, _OWN_IDS, _STORE, "Does not follow or mute channels.", _NO_BLOCKING, _NO_DELETING),
)
WEBJS = Capabilities(
    kinds=frozenset(_EVERY_ENGINE | {"pin"}),
    media=GOWS.media,
    unquotable=_UNQUOTABLE - {"forward"},
    receipts=GOWS.receipts,
    notes=(
        *_NOTES,
        _TAGS,
        "Tells of messages that are still waiting to be decrypted, and of archived chats; the only engine that does.",
        "Makes no link preview of one's own, creates, deletes, follows and mutes no channels, deletes no stories.",
        "Forwarding is left out: it is answered without the new message's id, so that none could ever be proven.",
    ),
)
WPP = Capabilities(
    kinds=frozenset(_EVERY_ENGINE | {"forward"}),
    media=GOWS.media,
    unquotable=_UNQUOTABLE - {"pin"},
    receipts=GOWS.receipts,
    notes=(
        *_NOTES,
        "Runs a browser per session.",
        "Makes no link preview of one's own, pins no messages, saves no contacts, clears no chats, deletes no stories.",
    ),
)

DEFAULT_ENGINE = "GOWS"
ENGINES: Mapping[str, Capabilities] = {"GOWS": GOWS, "NOWEB": NOWEB, "WEBJS": WEBJS, "WPP": WPP}

#: Engines that take a message id of ours (changelog 2026.4.3).
CHOOSES_IDS = frozenset({"GOWS", "NOWEB"})
#: Engines that take a link preview written by the sender.
CUSTOM_PREVIEWS = frozenset({"GOWS", "NOWEB"})
