"""What WAHA is sent for every kind of content: one table, run against a local server and against WAHA's document."""

import base64
from typing import Any

import msgspec

from recado.domain.provider import Accepted, Connection, Limited, NotConnected, Outcome, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus
from recado.providers.waha import ids
from recado.testing import upstream
from recado.testing.tables import MESSAGE_ID, Expected, File, Row, connection, earlier
from recado.testing.upstream import Reply

KEY = "waha-key-of-the-tests-0123456789"
SECRET = "webhook-secret-of-the-tests"
SESSION = "rcd-00000000000000000000000000000001"
BARE = "3EB0A1B2C3D4E5F60718"
TARGET = "3AC22AE73E797638455D"
OURS = MESSAGE_ID.hex.upper()
GROUP = "120363000000000001@g.us"
LID = "900000000000002@lid"

SENT = upstream.json({"id": f"true_5511999990001@c.us_{BARE}", "timestamp": 1768580591, "body": "Olá"}, status=201)
#: An answer to media, as NOWEB gives it.
SENT_MEDIA = upstream.json(
    {"key": {"remoteJid": "5511999990001@s.whatsapp.net", "fromMe": True, "id": BARE}, "status": 1}, status=201
)
DONE = upstream.json({"success": True})
ACCEPTED = Accepted(provider_id=BARE, recipient="5511999990001")
ACCEPTED_MEDIA = Accepted(provider_id=BARE)
ON_TARGET = Accepted(provider_id=TARGET)

PNG = File(data=b"\x89PNG tests", mime_type="image/png", filename="foto.png")
PDF = File(data=b"%PDF-1.7 tests", mime_type="application/pdf", filename="boleto.pdf")
OGG = File(data=b"OggS tests", mime_type="audio/ogg; codecs=opus", filename="voz.ogg")
MP3 = File(data=b"ID3 tests", mime_type="audio/mpeg", filename="voz.mp3")
MP4 = File(data=b"ftyp tests", mime_type="video/mp4", filename="v.mp4")

CARD = {"name": {"formatted_name": "Ana Souza"}, "phones": [{"phone": "+55 11 99999-0002", "wa_id": "5511999990002"}]}
VCARD = (
    "BEGIN:VCARD\nVERSION:3.0\nN:;Ana Souza;;;\nFN:Ana Souza\n"
    "TEL;type=CELL;waid=5511999990002:+55 11 99999-0002\nEND:VCARD"
)


def connect(url: str, engine: str | None = None, **credentials: str) -> Connection:
    made = connection(url, kind="waha", account=SESSION, webhook_secret=SECRET, **credentials)
    held = {"api_key": KEY} | ({"engine": engine} if engine else {})
    return msgspec.structs.replace(made, server=msgspec.structs.replace(made.server, credentials=held))


def encoded(file: File) -> str:
    return base64.b64encode(file.data).decode()


def post(path: str, *, to: str = "5511999990001@c.us", **fields: Any) -> Expected:
    return Expected(method="POST", path=f"/api/{path}", json={"session": SESSION, "chatId": to, **fields})


def sends(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    outcome = more.pop("outcome", ACCEPTED)
    replies = more.pop("replies", (SENT,))
    return Row(label=label, kind=kind, content=content, replies=replies, requests=(expected,), outcome=outcome, **more)


def sends_media(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    if "media" in more:
        content = {"media_id": "0190", **content}
    return sends(label, kind, content, expected, replies=(SENT_MEDIA,), outcome=ACCEPTED_MEDIA, **more)


def chats(message: str, step: str = "", *, chat: str = "5511999990001@c.us") -> str:
    return f"/api/{SESSION}/chats/{chat}/messages/{message}{step}"


def changes(label: str, kind: str, content: Any, expected: Expected, **more: Any) -> Row:
    about = more.pop("about", earlier(TARGET))
    reply = more.pop("reply", DONE)
    return Row(
        label=label,
        kind=kind,
        content={"message_id": TARGET, **content},
        replies=(reply,),
        requests=(expected,),
        outcome=ON_TARGET,
        about=about,
        **more,
    )


#: On the engine GOWS.
GOWS: tuple[Row, ...] = (
    sends("text", "text", {"body": "Olá"}, post("sendText", text="Olá", linkPreview=False, id=OURS)),
    sends(
        "text in a group, mentioning and quoting one of its people",
        "text",
        {"body": "oi @5511999990002", "mentions": ["5511999990002"], "preview_url": True},
        post(
            "sendText",
            to=GROUP,
            text="oi @5511999990002",
            linkPreview=True,
            mentions=["5511999990002@c.us"],
            id=OURS,
            reply_to=f"false_{GROUP}_{TARGET}_{LID}",
        ),
        to=GROUP,
        reply_to=earlier(TARGET, chat=GROUP, sender=LID),
    ),
    sends(
        "text in a group, mentioning everybody",
        "text",
        {"body": "oi @all", "mention_all": True},
        post("sendText", to=GROUP, text="oi @all", linkPreview=False, mentions=["all"], id=OURS),
        to=GROUP,
    ),
    sends(
        "text to somebody without a phone, quoting ourselves",
        "text",
        {"body": "oi"},
        post("sendText", to=LID, text="oi", linkPreview=False, id=OURS, reply_to=f"true_{LID}_{TARGET}"),
        to=LID,
        reply_to=earlier(TARGET, chat=LID, from_me=True),
    ),
    sends(
        "link with a preview of its own",
        "link",
        {"url": "https://example.com/a", "body": "Veja", "title": "A", "image": "https://example.com/a.png"},
        post(
            "send/link-custom-preview",
            text="Veja\nhttps://example.com/a",
            linkPreviewHighQuality=True,
            preview={
                "url": "https://example.com/a",
                "title": "A",
                "description": "",
                "image": {"url": "https://example.com/a.png"},
            },
        ),
    ),
    sends(
        "link without",
        "link",
        {"url": "https://example.com/a"},
        post("sendText", text="https://example.com/a", linkPreview=True, id=OURS),
    ),
    sends(
        "link with a preview of its own that lacks the picture GOWS needs",
        "link",
        {"url": "https://example.com/a", "title": "A"},
        post("sendText", text="https://example.com/a", linkPreview=True, id=OURS),
    ),
    sends_media(
        "image by link",
        "image",
        {"link": "https://example.com/a.png", "caption": "uma foto"},
        post(
            "sendImage",
            file={"mimetype": "image/png", "filename": "a.png", "url": "https://example.com/a.png"},
            caption="uma foto",
        ),
    ),
    sends_media(
        "image from storage, quoting",
        "image",
        {},
        post(
            "sendImage",
            file={"mimetype": "image/png", "filename": "foto.png", "data": encoded(PNG)},
            reply_to=f"false_5511999990001@c.us_{TARGET}",
        ),
        media=PNG,
        reply_to=earlier(TARGET),
    ),
    sends_media(
        "document from storage",
        "document",
        {"caption": "o boleto"},
        post(
            "sendFile",
            file={"mimetype": "application/pdf", "filename": "boleto.pdf", "data": encoded(PDF)},
            caption="o boleto",
        ),
        media=PDF,
    ),
    sends_media(
        "document of no known type by link",
        "document",
        {"link": "https://example.com/"},
        post("sendFile", file={"mimetype": "application/octet-stream", "url": "https://example.com/"}),
    ),
    sends_media(
        "voice that needs no converting",
        "voice",
        {},
        post(
            "sendVoice",
            file={"mimetype": "audio/ogg; codecs=opus", "filename": "voz.ogg", "data": encoded(OGG)},
            convert=False,
        ),
        media=OGG,
    ),
    sends_media(
        "voice that does",
        "voice",
        {},
        post(
            "sendVoice",
            file={"mimetype": "audio/mpeg", "filename": "voz.mp3", "data": encoded(MP3)},
            convert=True,
        ),
        media=MP3,
    ),
    sends_media(
        "voice by link",
        "voice",
        {"link": "https://example.com/voz.mp3"},
        post("sendVoice", file={"mimetype": "audio/mpeg", "url": "https://example.com/voz.mp3"}, convert=True),
    ),
    sends_media(
        "video by link",
        "video",
        {"link": "https://example.com/v?x=1", "caption": "um vídeo"},
        post(
            "sendVideo",
            file={"mimetype": "video/mp4", "filename": "v", "url": "https://example.com/v?x=1"},
            convert=False,
            caption="um vídeo",
            asNote=False,
        ),
    ),
    sends_media(
        "round video from storage",
        "ptv",
        {},
        post(
            "sendVideo",
            file={"mimetype": "video/mp4", "filename": "v.mp4", "data": encoded(MP4)},
            convert=False,
            asNote=True,
        ),
        media=MP4,
    ),
    sends(
        "location",
        "location",
        {"latitude": -23.5614, "longitude": -46.6559, "name": "MASP", "address": "Avenida Paulista, 1578"},
        post("sendLocation", latitude=-23.5614, longitude=-46.6559, title="MASP, Avenida Paulista, 1578", id=OURS),
    ),
    sends("contacts", "contacts", [CARD], post("sendContactVcard", contacts=[{"vcard": VCARD}], id=OURS)),
    sends(
        "poll",
        "poll",
        {"name": "Quando?", "options": ["hoje", "amanhã"]},
        post("sendPoll", poll={"name": "Quando?", "options": ["hoje", "amanhã"], "multipleAnswers": False}, id=OURS),
    ),
    sends(
        "poll with any number of answers",
        "poll",
        {"name": "Quando?", "options": ["hoje", "amanhã"], "selectable": 0},
        post("sendPoll", poll={"name": "Quando?", "options": ["hoje", "amanhã"], "multipleAnswers": True}, id=OURS),
    ),
    sends(
        "list",
        "list",
        {
            "header": "Cardápio",
            "body": "Escolha",
            "footer": "Exemplo",
            "button": "Opções",
            "sections": [
                {"rows": [{"id": "1", "title": "Rápido", "description": "2 dias"}, {"id": "2", "title": "B"}]}
            ],
        },
        post(
            "sendList",
            message={
                "title": "Cardápio",
                "description": "Escolha",
                "footer": "Exemplo",
                "button": "Opções",
                "sections": [
                    {
                        "title": "",
                        "rows": [
                            {"title": "Rápido", "rowId": "1", "description": "2 dias"},
                            {"title": "B", "rowId": "2"},
                        ],
                    }
                ],
            },
        ),
    ),
    sends(
        "list without a header",
        "list",
        {"body": "Escolha", "button": "Opções", "sections": [{"title": "A", "rows": [{"id": "1", "title": "x"}]}]},
        post(
            "sendList",
            message={
                "title": "Escolha",
                "button": "Opções",
                "sections": [{"title": "A", "rows": [{"title": "x", "rowId": "1"}]}],
            },
        ),
    ),
    sends(
        "event",
        "event",
        {
            "name": "Reunião",
            "start_at": "2026-12-01T15:00:00Z",
            "end_at": "2026-12-01T16:00:00Z",
            "description": "a pauta",
            "location": "Sala 1",
        },
        Expected(
            method="POST",
            path=f"/api/{SESSION}/events",
            json={
                "chatId": "5511999990001@c.us",
                "event": {
                    "name": "Reunião",
                    "startTime": 1796137200,
                    "endTime": 1796140800,
                    "description": "a pauta",
                    "location": {"name": "Sala 1"},
                },
                "reply_to": f"false_5511999990001@c.us_{TARGET}",
            },
        ),
        reply_to=earlier(TARGET),
    ),
    changes(
        "reaction",
        "reaction",
        {"emoji": "👍"},
        Expected(
            method="PUT",
            path="/api/reaction",
            json={"session": SESSION, "messageId": f"false_5511999990001@c.us_{TARGET}", "reaction": "👍"},
        ),
    ),
    changes(
        "reaction in a group, taken back",
        "reaction",
        {"emoji": ""},
        Expected(
            method="PUT",
            path="/api/reaction",
            json={"session": SESSION, "messageId": f"false_{GROUP}_{TARGET}_5511999990002@c.us", "reaction": ""},
        ),
        about=earlier(TARGET, chat=GROUP, sender="5511999990002"),
        to=GROUP,
    ),
    changes(
        "edit",
        "edit",
        {"body": "melhor"},
        Expected(method="PUT", path=chats(f"true_5511999990001@c.us_{TARGET}"), json={"text": "melhor"}),
        about=earlier(TARGET, from_me=True),
    ),
    changes(
        "delete, answered with nothing",
        "delete",
        {},
        Expected(method="DELETE", path=chats(f"true_5511999990001@c.us_{TARGET}")),
        about=earlier(TARGET, from_me=True),
        reply=Reply(),
    ),
)

#: On the engine NOWEB, what GOWS does not have or does otherwise.
NOWEB: tuple[Row, ...] = (
    sends(
        "link with a preview of its own, without a picture",
        "link",
        {"url": "https://example.com/a", "title": "A"},
        post(
            "send/link-custom-preview",
            text="https://example.com/a",
            linkPreviewHighQuality=True,
            preview={"url": "https://example.com/a", "title": "A", "description": ""},
        ),
    ),
    sends(
        "forward",
        "forward",
        {"message_id": TARGET},
        post("forwardMessage", messageId=f"false_{GROUP}_{TARGET}_{LID}", id=OURS),
        about=earlier(TARGET, chat=GROUP, sender=LID),
    ),
    changes(
        "pin",
        "pin",
        {"duration_s": 86_400},
        Expected(
            method="POST",
            path=chats(f"false_5511999990001@c.us_{TARGET}", "/pin"),
            json={"duration": 86_400},
        ),
    ),
    changes(
        "unpin",
        "pin",
        {"pinned": False},
        Expected(method="POST", path=chats(f"false_5511999990001@c.us_{TARGET}", "/unpin")),
    ),
)

#: On the engine WEBJS, what GOWS does otherwise.
WEBJS: tuple[Row, ...] = (
    sends("text without an id of ours", "text", {"body": "Olá"}, post("sendText", text="Olá", linkPreview=False)),
    sends(
        "link, its preview made by WhatsApp",
        "link",
        {"url": "https://example.com/a", "title": "A"},
        post("sendText", text="https://example.com/a", linkPreview=True),
    ),
)

#: Nothing is asked.
REFUSED: tuple[Row, ...] = (
    Row(
        label="a kind that the engine does not have",
        kind="pin",
        content={"message_id": TARGET},
        about=earlier(TARGET),
        outcome=Refused(code="unsupported_by_provider", why="the engine GOWS sends no pin"),
    ),
    Row(
        label="poll with two answers of three",
        kind="poll",
        content={"name": "?", "options": ["a", "b", "c"], "selectable": 2},
        outcome=Refused(
            code="invalid",
            why="poll.selectable: WAHA's polls let people choose one option (1) or any number of them (0)",
        ),
    ),
    Row(
        label="image to open once",
        kind="image",
        content={"link": "https://example.com/a.png", "view_once": True},
        outcome=Refused(code="invalid", why="image.view_once: WAHA sends no media to be opened once"),
    ),
    *(
        Row(
            label=f"{kind} that answers a story",
            kind=kind,
            content={**content, "story": "1"},
            outcome=Refused(code="invalid", why=f"{kind}.story: WAHA answers no stories"),
        )
        for kind, content in (("text", {"body": "oi"}), ("image", {"link": "https://example.com/a.png"}))
    ),
    Row(
        label="text that mentions a group",
        kind="text",
        content={"body": "oi", "group_mentions": [{"group": GROUP, "subject": "Avisos"}]},
        outcome=Refused(code="invalid", why="text.group_mentions: WAHA mentions people only"),
    ),
    Row(
        label="event with a call",
        kind="event",
        content={"name": "x", "start_at": "2026-12-01T15:00:00Z", "call": "voice"},
        outcome=Refused(code="invalid", why="event.call: WAHA's events have no call"),
    ),
    Row(
        label="list to a group",
        kind="list",
        content={"body": "?", "button": "b", "sections": [{"rows": [{"id": "1", "title": "a"}]}]},
        to=GROUP,
        outcome=Refused(code="invalid", why="list: WAHA sends lists to people only"),
    ),
    Row(
        label="reaction to nothing",
        kind="reaction",
        content={"message_id": TARGET, "emoji": "👍"},
        outcome=Refused(code="target_missing", why="the message it is about is not known"),
    ),
    Row(
        label="media that is not stored",
        kind="image",
        content={"media_id": "0190"},
        outcome=Refused(code="media_missing", why="the message names no link and no stored media"),
    ),
    Row(
        label="media that is too large",
        kind="document",
        content={"media_id": "0190"},
        media=File(data=b"", size=40_000_000, mime_type="application/pdf"),
        outcome=Refused(code="media_too_large", why="40000000 bytes; WAHA takes 37748736 in a request"),
    ),
)


def broken(message: str, *, name: str = "Error", **more: Any) -> Reply:
    """A 500 as WAHA writes it: the request with its text and all is in it."""
    return upstream.json(
        {
            "statusCode": 500,
            "timestamp": "2026-07-20T15:27:41.024Z",
            "exception": {"message": message, "code": 2, "name": name, "stack": "Error: Olá"},
            "request": {
                "path": "/api/sendText",
                "method": "POST",
                "body": {"text": "Olá", "chatId": "5511999990001@c.us"},
            },
            "version": {"version": "2026.7.1", "engine": "GOWS"},
            **more,
        },
        status=500,
    )


def nest(status: int, message: Any) -> Reply:
    return upstream.json({"statusCode": status, "message": message, "error": "Refused"}, status=status)


def wrong_state(status: str) -> Reply:
    said = {
        "error": "Session status is not as expected. Try again later or restart the session",
        "session": SESSION,
        "status": status,
        "expected": ["WORKING"],
    }
    return upstream.json(said, status=422)


_STATE = "Session status is not as expected. Try again later or restart the session"

#: What WAHA answers to a text, and what that means.
ANSWERS: tuple[tuple[str, Reply, Outcome], ...] = (
    (
        "id as an object",
        upstream.json({"id": {"_serialized": f"true_{LID}_{BARE}"}}),
        Accepted(provider_id=BARE, recipient=LID),
    ),
    ("bare id", upstream.json({"id": BARE}), ACCEPTED_MEDIA),
    ("id of a group", upstream.json({"id": f"true_{GROUP}_{BARE}_{LID}"}), Accepted(provider_id=BARE, recipient=GROUP)),
    (
        "an id that is none",
        upstream.json({"id": "not an id"}),
        Unknown(why="HTTP 200 with an answer that names no message"),
    ),
    (
        "sent, without an id",
        upstream.json({"sent": True}),
        Unknown(why="HTTP 200 with an answer that names no message"),
    ),
    (
        "scan",
        wrong_state("SCAN_QR_CODE"),
        NotConnected(why=f"{_STATE} (SCAN_QR_CODE)", status=ConnectionStatus.QR),
    ),
    ("failed", wrong_state("FAILED"), NotConnected(why=f"{_STATE} (FAILED)", status=ConnectionStatus.DISCONNECTED)),
    ("works again", wrong_state("WORKING"), Retry(code="session_status", why=f"{_STATE} (WORKING)")),
    (
        "no session",
        upstream.json({"error": f'Session "{SESSION}" does not exist', "session": SESSION}, status=422),
        NotConnected(why=f'Session "{SESSION}" does not exist', status=ConnectionStatus.LOGGED_OUT),
    ),
    (
        "a session that does not run",
        nest(404, f"We didn't find a session with name '{SESSION}'.\nPlease start it first"),
        NotConnected(
            why=f"We didn't find a session with name '{SESSION}'.\nPlease start it first",
            status=ConnectionStatus.DISCONNECTED,
        ),
    ),
    (
        "wrong key",
        upstream.json({"message": "Unauthorized", "statusCode": 401}, status=401),
        NotConnected(why="Unauthorized (HTTP 401: the server does not accept the credentials)"),
    ),
    (
        "invalid",
        nest(400, ["chatId should not be empty", "text must be a string"]),
        Refused(code="http_400", why="chatId should not be empty; text must be a string"),
    ),
    (
        "not by this engine",
        nest(422, "The method is not implemented by the engine."),
        Refused(code="http_422", why="The method is not implemented by the engine."),
    ),
    ("too many", nest(429, "Too Many Requests"), Limited(code="http_429", why="Too Many Requests", after=5.0)),
    ("busy", nest(503, "Service Unavailable"), Retry(code="http_503", why="Service Unavailable")),
    (
        "463",
        broken("2 UNKNOWN: server returned error 463"),
        Limited(code="463", why="2 UNKNOWN: server returned error 463", after=3_600.0, scope="cold"),
    ),
    (
        "429 of WhatsApp",
        broken("2 UNKNOWN: server returned error 429"),
        Limited(code="429", why="2 UNKNOWN: server returned error 429", after=60.0),
    ),
    (
        "rate-overlimit",
        broken("rate-overlimit"),
        Limited(code="rate_overlimit", why="rate-overlimit", after=60.0),
    ),
    (
        "403 of WhatsApp",
        broken("2 UNKNOWN: server returned error 403"),
        Retry(code="403", why="2 UNKNOWN: server returned error 403"),
    ),
    (
        "nobody",
        broken("2 UNKNOWN: no LID found for 5511999990001@s.whatsapp.net from server"),
        Refused(code="not_on_whatsapp", why="2 UNKNOWN: no LID found for 5511999990001@s.whatsapp.net from server"),
    ),
    (
        "a file that WAHA could not fetch",
        broken("Request failed with status code 404", name="AxiosError"),
        Retry(code="media_unreachable", why="Request failed with status code 404"),
    ),
    (
        "a file that it could not upload",
        broken("Media upload failed on all hosts"),
        Retry(code="media_unreachable", why="Media upload failed on all hosts"),
    ),
    # It may have been sent before this happened.
    ("something", broken("Cannot read properties of undefined"), Unknown(why="Cannot read properties of undefined")),
    ("nothing said", broken(""), Unknown(why="an error without a message")),
)

assert ids.ours(MESSAGE_ID) == OURS
