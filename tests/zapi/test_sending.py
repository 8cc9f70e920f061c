"""What Z-API's sending routes make of a request: the kind and the content, whom it goes to, and what is refused."""

import base64
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from recado.domain.provider import MediaLimit
from recado.providers.sandbox import samples
from recado.testing.upstream import Reply as Answer
from recado.testing.upstream import Upstream
from tests.media.test_media import download
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado

_PHONE = "5511999990071"
_ANA = "5511999990072"
_LINK = "https://files.example"
_TO = {"phone": _PHONE}


@pytest.fixture
async def offline(module_company: Client) -> ZapiClient:
    """An instance whose phone is not connected: what it accepts stays as it was accepted."""
    return await open_instance(module_company, connected=False)


async def stored(zapi: ZapiClient, sent: dict[str, Any]) -> dict[str, Any]:
    """The message behind an answer."""
    found: dict[str, Any] = await zapi.company.get(f"/v1/messages/{sent['zaapId'].lower()}")
    return found


async def settled(zapi: ZapiClient, sent: dict[str, Any]) -> dict[str, Any]:
    """The same once it was sent, or has failed."""
    shown: dict[str, Any] = await zapi.company.until(
        f"/v1/messages/{sent['zaapId'].lower()}", lambda one: one["status"] not in ("queued", "unproven")
    )
    return shown


async def writes(zapi: ZapiClient, phone: str, **message: Any) -> str:
    """A phone writes to the instance; the provider's id of it, once it is here."""
    body = {"instance_id": zapi.instance_id, "type": "text", "text": {"body": "Oi"}, "name": "Ana", **message}
    written = await zapi.company.post(f"/sandbox/phones/{phone}/messages", body)
    await zapi.company.until(
        f"/v1/messages?instance_id={zapi.instance_id}&direction=inbound",
        lambda page: any(one["provider_id"] == written["id"] for one in page["data"]),
    )
    return str(written["id"])


def _fetched(path: str, **more: Any) -> dict[str, Any]:
    return {"link": f"{_LINK}/{path}", "fetch": True, **more}


SENDS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("/send-text", {"message": "a\r\nb\rc%0ad%0Ae"}, "text", {"body": "a\nb\nc\nd\ne"}),
    ("/send-text", {"message": 12, "delayMessage": None, "mentioned": None, "mentionAll": None}, "text", {"body": "12"}),
    ("/send-text", {"message": "oi @5511999990072", "mentioned": [5511999990072]}, "text",
     {"body": "oi @5511999990072", "mentions": [_ANA]}),
    ("/send-text", {"phone": "120363019502650977-group", "message": "@all", "mentionAll": "true",
                    "groupMentioned": [{"phone": "120363019502650978-group", "subject": "Equipe"}]}, "text",
     {"body": "@all", "mention_all": True,
      "group_mentions": [{"group": "120363019502650978@g.us", "subject": "Equipe"}]}),
    ("/send-image", {"image": f" {_LINK}/meu logo.png ", "caption": "Foto%0aboa", "viewOnce": "true"}, "image",
     _fetched("meu%20logo.png", caption="Foto\nboa", view_once=True)),
    ("/send-video", {"video": f"{_LINK}/a.mp4", "caption": "", "async": True}, "video", _fetched("a.mp4")),
    ("/send-gif", {"gif": f"{_LINK}/a.mp4", "caption": "x"}, "gif", _fetched("a.mp4", caption="x")),
    ("/send-ptv", {"ptv": f"{_LINK}/a.mp4"}, "ptv", _fetched("a.mp4")),
    ("/send-audio", {"audio": f"{_LINK}/a.mp3", "viewOnce": True}, "voice", _fetched("a.mp3", view_once=True)),
    ("/send-audio", {"audio": f"{_LINK}/a.mp3", "waveform": True}, "voice", _fetched("a.mp3")),
    ("/send-audio", {"audio": f"{_LINK}/a.mp3", "waveform": False}, "audio", _fetched("a.mp3")),
    ("/send-sticker", {"sticker": f"{_LINK}/a.webp", "stickerAuthor": "Eu"}, "sticker",
     _fetched("a.webp", author="Eu")),
    ("/send-document/PDF", {"document": f"{_LINK}/1", "fileName": "Contrato v1.2"}, "document",
     _fetched("1", filename="Contrato v1.2.pdf", mime_type="application/pdf")),
    ("/send-document/.docx", {"document": f"{_LINK}/1", "fileName": "a.DOCX", "caption": "Leia"}, "document",
     _fetched("1", filename="a.DOCX", caption="Leia",
              mime_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document")),
    ("/send-document/pdf", {"document": f"{_LINK}/1.pdf"}, "document", _fetched("1.pdf", mime_type="application/pdf")),
    ("/send-document", {"document": f"{_LINK}/1.pdf", "fileName": "a.pdf"}, "document",
     _fetched("1.pdf", filename="a.pdf")),
    ("/send-link", {"message": f"veja {_LINK}", "linkUrl": _LINK, "title": "Título", "linkDescription": "",
                    "image": f"{_LINK}/a.png", "linkType": "LARGE"}, "link",
     {"url": _LINK, "body": f"veja {_LINK}", "title": "Título", "image": f"{_LINK}/a.png", "size": "large"}),
    ("/send-location", {"title": "Casa", "address": "Rua 1", "latitude": "-23.5", "longitude": -46}, "location",
     {"latitude": -23.5, "longitude": -46.0, "name": "Casa", "address": "Rua 1"}),
    ("/send-contact", {"contactName": "Ana", "contactPhone": 5511999990072, "contactBusinessDescription": "Padaria"},
     "contacts",
     [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": _ANA}], "org": {"company": "Padaria"}}]),
    ("/send-contacts", {"contacts": [{"name": "Ana", "phones": [_ANA, _PHONE]}, {"name": "Bia", "phones": [_PHONE]}]},
     "contacts",
     [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": _ANA}, {"phone": _PHONE}]},
      {"name": {"formatted_name": "Bia"}, "phones": [{"phone": _PHONE}]}]),
]  # fmt: skip


async def test_what_each_send_becomes(offline: ZapiClient) -> None:
    for path, body, kind, content in SENDS:
        shown = await stored(offline, await offline.post(path, {**_TO, **body}))
        assert (shown["type"], shown["content"]) == (kind, content), path


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("/send-text", {"message": ""}, "message"),
    ("/send-text", {"message": "x", "phone": "abc"}, "Invalid phone"),
    ("/send-text", {"message": "x", "mentioned": ["abc"]}, "Invalid phone in mentioned"),
    ("/send-text", {"message": "x", "mentionAll": True}, "mentionAll can only be used in groups"),
    ("/send-text", {"message": "x", "phone": "999999999999999999@newsletter", "mentionAll": True}, "only be used in groups"),
    ("/send-text", {"message": "x", "messageId": "x" * 257}, "messageId: an id has 1 to 256 characters"),
    ("/send-text", {"message": "x", "editMessageId": "A" * 20}, "editMessageId: there is no message AAAA"),
    ("/send-text", {"message": "x\u0000"}, "U+0000"),
    ("/send-text", {"message": "x", "messageId": "\u0000"}, "U+0000"),
    ("/send-text", {"message": "x", "phone": "120363019502650977-group", "privateAnswer": True}, "privateAnswer: messageId"),
    ("/send-text", {"message": "x", "phone": "120363019502650977-group", "privateAnswer": True, "messageId": "A" * 20},
     "there is no message"),
    ("/send-image", {"image": "logo.png"}, "Message not send caused by invalid media url"),
    ("/send-image", {"image": "data:image/png;base64,@@"}, "not base64"),
    ("/send-image", {"image": f"{_LINK}/a.png", "editImageMessageId": "pedido"}, "caption: is required"),
    ("/send-document/p%20f", {"document": f"{_LINK}/a"}, "extension"),
    ("/send-link", {"message": "x", "linkUrl": "z-api.io", "title": "x", "linkDescription": "x", "image": "x"}, "$.url"),
    ("/send-location", {"title": "x", "address": "x", "latitude": "91", "longitude": "1"}, "$.latitude"),
    ("/send-location", {"title": "x", "address": "x", "latitude": "nan", "longitude": "1"}, "$.latitude"),
    ("/send-contact", {"contactName": "Ana", "contactPhone": "x"}, "Invalid phone in contactPhone"),
    ("/send-contacts", {"contacts": []}, "contacts: a message carries 1 to 100"),
    ("/forward-message", {"messageId": "A" * 20, "messagePhone": _PHONE}, "messageId: there is no message"),
    ("/send-reaction", {"messageId": "", "reaction": "x"}, "messageId: an id has 1 to 256 characters"),
    ("/pin-message", {"messageId": "A", "messageAction": "pin", "pinMessageDuration": "24_HOURS"}, "pinMessageDuration"),
    ("/read-message", {"messageId": "A" * 20}, "there is no message"),
    ("/broadcast", {"name": "x", "phones": [_PHONE]}, "Broadcast lists are kept by the phone"),
]  # fmt: skip


async def test_what_is_refused(offline: ZapiClient) -> None:
    for path, body, error in REFUSED:
        reply = await offline.call("POST", path, json={**_TO, **body})
        assert reply.status == 400, f"{path} {body}: {reply.body}"
        assert error in reply.body["error"], path
    assert await offline.get("/queue/count") == {"count": 0}


async def test_files_as_clients_write_them(offline: ZapiClient) -> None:
    mime_type, filename, image = samples.sample("image")
    encoded = base64.b64encode(image).decode()
    in_lines = "\r\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76)) + "\n"
    for written in (
        f"data:{mime_type};base64,{in_lines}",
        f"DATA:{mime_type};name={filename}; base64, {encoded}",
        encoded,
        in_lines,
    ):
        shown = await stored(offline, await offline.post("/send-image", {**_TO, "image": written}))
        (media_id,) = shown["content"].values()
        assert (await download(offline.company, media_id)).body == image, written[:40]
    shown = await stored(offline, await offline.post("/send-image", {**_TO, "image": f"HTTPS{_LINK[5:]}/É b.png"}))
    assert shown["content"] == _fetched("É%20b.png")


async def test_what_somebody_else_wrote_is_not_changed(zapi: ZapiClient) -> None:
    came = await writes(zapi, _ANA)
    for path, body in (("/send-text", {"message": "x", "editMessageId": came}),
                       ("/send-image", {"image": _LINK, "caption": "x", "editImageMessageId": came})):  # fmt: skip
        reply = await zapi.call("POST", path, json={"phone": _ANA, **body})
        assert reply.status == 400
        assert "message_id: is a message of somebody else" in reply.body["error"]


async def test_what_is_too_old_is_not_changed(zapi: ZapiClient, module_recado: "Recado") -> None:
    sent = await zapi.post("/send-text", {**_TO, "message": "velho"})
    await settled(zapi, sent)
    async with module_recado.runtime.db.work() as connection:
        await connection.execute(
            "UPDATE messages SET created_at = now() - interval '8 days', provider_at = NULL WHERE id = $1",
            UUID(sent["zaapId"]),
        )
    changed = await zapi.post("/send-text", {**_TO, "message": "novo", "editMessageId": sent["messageId"]})
    assert (await settled(zapi, changed))["error"]["code"] == "too_old"


async def test_delays_are_brought_between_1_and_15_seconds(offline: ZapiClient) -> None:
    given = {0.2: 1, 5: 5, "7.5": 7.5, 99: 15, "nan": -1, -3: 1}
    for delay in given:
        await offline.post("/send-text", {**_TO, "message": "x", "delayMessage": delay, "delayTyping": delay})
    entries = (await offline.post("/queue"))["messages"]
    assert [entry["DelayMessage"] for entry in entries] == list(given.values())
    assert [entry["DelayTyping"] for entry in entries] == [0 if one == -1 else one for one in given.values()]


async def test_a_message_id_is_the_one_to_quote_or_the_callers_own(zapi: ZapiClient) -> None:
    came = await writes(zapi, _ANA)
    quoting = await zapi.post("/send-text", {**_TO, "message": "sim", "messageId": came})
    inbound = (await zapi.company.get(f"/v1/messages?instance_id={zapi.instance_id}&direction=inbound"))["data"][0][
        "id"
    ]
    assert (await stored(zapi, quoting))["reply_to"] == inbound
    assert quoting["messageId"] == quoting["zaapId"] == quoting["id"]
    own = {**_TO, "message": "meu", "messageId": "pedido-42"}
    first = await zapi.post("/send-text", own)
    assert (first["messageId"], first["id"]) == ("pedido-42", "pedido-42")
    shown = await stored(zapi, first)
    assert (shown["client_id"], shown["reply_to"]) == ("pedido-42", None)
    assert await zapi.post("/send-text", own) == first, "a repeat of the same request"
    another = await zapi.post("/send-text", {**_TO, "message": "sobre o meu", "messageId": "pedido-42"})
    assert another["zaapId"] != first["zaapId"]
    assert another["messageId"] == another["zaapId"]
    assert (await stored(zapi, another))["reply_to"] == shown["id"], "another one quotes the message of the id"
    uuid = "7d1f4e7c-8b1a-4c57-9b0e-0d3c5a6b7c8d"
    theirs = await zapi.post("/send-text", {**_TO, "message": "meu", "messageId": uuid})
    assert await zapi.post("/send-text", {**_TO, "message": "meu", "messageId": uuid}) == theirs
    counted = await zapi.post("/send-text", {**_TO, "message": "meu", "messageId": "1234567890123456789"})
    assert counted["messageId"] == "1234567890123456789", "a long number is nobody's but the client's"
    before = await zapi.post("/send-text", {**_TO, "message": "velho", "messageId": "3EB0C767F26A3EB0C767"})
    shown = await stored(zapi, before)
    assert (shown["client_id"], shown["reply_to"]) == (None, None), "of before the migration"


async def test_messages_are_changed_and_spoken_of(zapi: ZapiClient) -> None:
    sent = await zapi.post("/send-text", {**_TO, "message": "errado", "messageId": "pedido-43"})
    await settled(zapi, sent)
    target = (await stored(zapi, sent))["id"]
    kind, encoded = samples.sample("image")[0], base64.b64encode(samples.sample("image")[2]).decode()
    picture = await zapi.post("/send-image", {**_TO, "image": f"data:{kind};base64,{encoded}", "caption": "antes"})
    await settled(zapi, picture)
    about = {**_TO, "messageId": "pedido-43"}
    calls: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
        ("/send-text", {**_TO, "message": "certo", "editMessageId": "pedido-43"}, "edit", {"body": "certo"}),
        ("/send-reaction", {**about, "reaction": "👍"}, "reaction", {"emoji": "👍"}),
        ("/send-remove-reaction", about, "reaction", {"emoji": ""}),
        ("/pin-message", {**about, "messageAction": "pin", "pinMessageDuration": "30_days"}, "pin", {"duration_s": 2_592_000}),
        ("/pin-message", {**about, "messageAction": "unpin", "pinMessageDuration": "24_hours"}, "pin",
         {"pinned": False, "duration_s": 86_400}),
    ]  # fmt: skip
    for path, body, kind, content in calls:
        shown = await settled(zapi, await zapi.post(path, body))
        assert (shown["type"], shown["content"]) == (kind, {"message_id": target, **content}), path
        assert (shown["client_id"], shown["reply_to"]) == (None, None), path
        assert shown["status"] != "failed", shown
    changed = {**_TO, "image": _LINK, "caption": "depois", "editImageMessageId": picture["messageId"]}
    shown = await settled(zapi, await zapi.post("/send-image", changed))
    assert shown["status"] != "failed", shown
    assert shown["content"] == {"message_id": (await stored(zapi, picture))["id"], "body": "depois"}
    forwarded = await zapi.post("/forward-message", {"phone": _ANA, "messageId": "pedido-43", "messagePhone": _PHONE})
    assert list(forwarded) == ["zaapId"]
    shown = await stored(zapi, forwarded)
    assert (shown["type"], shown["to"], shown["content"]) == ("forward", _ANA, {"message_id": target})
    deleted = await zapi.call("DELETE", "/messages", params={**about, "owner": "true"})
    assert (deleted.status, deleted.body) == (204, b"")
    newest = (await zapi.company.get(f"/v1/messages?instance_id={zapi.instance_id}&limit=1"))["data"][0]
    assert (newest["type"], newest["content"]) == ("delete", {"message_id": target})


async def test_a_message_is_read_and_fetched(zapi: ZapiClient) -> None:
    came = await writes(zapi, _ANA)
    listed = await zapi.get("/messages", phone=_ANA)
    assert [one["messageId"] for one in listed] == [came]
    assert listed[0]["text"] == {"message": "Oi"}
    assert await zapi.get("/messages", phone=_ANA, lastMessageId=came) == []
    chat = f"/v1/conversations?instance_id={zapi.instance_id}"
    assert (await zapi.company.get(chat))["data"][0]["unread"] == 1
    read = await zapi.call("POST", "/read-message", json={"phone": _ANA, "messageId": came})
    assert (read.status, read.body) == (204, b"")
    assert (await zapi.company.get(chat))["data"][0]["unread"] == 0
    sent = await zapi.post("/send-text", {**_TO, "message": "meu"})
    own = await zapi.call("POST", "/read-message", json={**_TO, "messageId": sent["messageId"]})
    assert own.status == 400
    assert "was not received" in own.body["error"]


async def test_a_private_answer_goes_to_its_author(zapi: ZapiClient, module_recado: "Recado") -> None:
    made = await zapi.post("/create-group", {"autoInvite": False, "groupName": "Equipe", "phones": [_ANA, _PHONE]})
    group = made["phone"]
    ours = await zapi.post("/send-text", {"phone": group, "message": "Bom dia"})
    await settled(zapi, ours)
    came = await writes(zapi, _ANA)
    # The sandbox's phones write to nobody's groups: this is how a message of a participant is kept.
    async with module_recado.runtime.db.work() as connection:
        await connection.execute(
            "UPDATE messages SET address = $2, metadata = $3 WHERE provider_id = $1",
            came,
            group.replace("-group", "@g.us"),
            {"sender": {"phone": _ANA}},
        )
    to = {
        came: _ANA,
        ours["messageId"]: group.replace("-group", "@g.us"),
    }
    for message_id, expected in to.items():
        body = {"phone": group, "message": "só para você", "messageId": message_id, "privateAnswer": True}
        shown = await stored(zapi, await zapi.post("/send-text", body))
        assert shown["to"] == expected
        assert shown["reply_to"] is not None
    async with module_recado.runtime.db.work() as connection:
        await connection.execute("UPDATE messages SET metadata = NULL WHERE provider_id = $1", came)
    body = {"phone": group, "message": "só para você", "messageId": came, "privateAnswer": True}
    unknown = await zapi.call("POST", "/send-text", json=body)
    assert unknown.status == 400
    assert "the author of this message is not known" in unknown.body["error"]


async def test_files_are_fetched_when_they_are_sent(zapi: ZapiClient) -> None:
    """The answer comes before the file is looked at; what is wrong with it ends the message."""
    mime_type, _, image = samples.sample("image")
    replies = [
        Answer(body=image, headers={"content-type": mime_type}),
        Answer(status=404),
        Answer(body=b"<!doctype html><html></html>", headers={"content-type": "text/html"}),
    ]
    async with Upstream(replies) as files:
        ended = []
        for number in range(3):
            sent = await zapi.post("/send-image", {**_TO, "image": f"{files.url}/{number}.png", "caption": "Foto"})
            shown = await settled(zapi, sent)
            ended.append(shown["error"]["code"] if shown["error"] else None)
        assert ended == [None, "media_not_found", "media_is_html"]
    received = await zapi.company.get(f"/sandbox/phones/{_PHONE}/messages?instance_id={zapi.instance_id}")
    assert [one["content"]["caption"] for one in received["data"]] == ["Foto"]
    assert received["data"][0]["media"]["size"] == len(image)


@pytest.mark.parametrize(
    ("audio", "kind"),
    [
        (f"{_LINK}/a.ogg?x=1", "voice"),
        (f"{_LINK}/A.OPUS", "voice"),
        ("data:audio/ogg; codecs=opus;base64,T2dnUw==", "voice"),
        (f"{_LINK}/a.mp3", "audio"),
        (f"{_LINK}/tts", "audio"),
        ("data:audio/mpeg;base64,SUQz", "audio"),
        ("https://[x/a.ogg", "voice"),
    ],
)
async def test_an_audio_is_spoken_where_the_provider_takes_it(
    zapi: ZapiClient, module_recado: "Recado", monkeypatch: pytest.MonkeyPatch, audio: str, kind: str
) -> None:
    """With the limit that Recado's own engine has for voice messages."""
    sandbox = module_recado.runtime.providers["sandbox"]
    limits = {**sandbox.capabilities.media, "voice": MediaLimit(max_bytes=1_000, mime_types=frozenset({"audio/ogg"}))}
    able = msgspec.structs.replace(sandbox.capabilities, media=limits)
    monkeypatch.setattr(sandbox, "capabilities", able, raising=False)
    shown = await stored(zapi, await zapi.post("/send-audio", {**_TO, "audio": audio}))
    assert shown["type"] == kind
