"""What we send, against the document Evolution publishes (../shared/specs/evolution/openapi.patched.json).

Needs the shared folder; skipped by name where it is absent, a failure in CI.

The document (2.1.1) is behind the server's code, and the code decides (NOTES.md, "Document against code"). Each place
where they part is mended here after the code of v2.3.6, and only there.
"""

from typing import Any

import msgspec
import pytest

from recado.domain.events import MediaRef
from recado.domain.provider import Connection
from recado.providers.evolution.adapter import Evolution
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Request, Upstream
from tests.providers.conftest import shared
from tests.providers.evolution.rows import CLOUD, PHONE, cloud, connect
from tests.providers.evolution.test_calls import FILE, REF, bare
from tests.providers.evolution.test_operations import CASES, IDS, Case
from tests.support import documents
from tests.support.documents import Document, Json


def _schema(document: Json, route: str, method: str = "post") -> Json:
    content = document["paths"][f"/{route}/{{instance}}"][method]["requestBody"]["content"]
    found: Json = content["application/json"]["schema"]
    return found


def _add(document: Json, route: str, schema: Json | None, method: str = "post") -> None:
    """A route that the code has and the document has not."""
    operation: Json = {
        "parameters": [{"name": "instance", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": ""}},
    }
    if schema is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    document["paths"].setdefault(f"/{route}/{{instance}}", {})[method] = operation


def _object(required: tuple[str, ...], **properties: Any) -> Json:
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


TEXT: Json = {"type": "string"}


def mend(document: Json) -> None:
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {}) if path.count("/") else {}
        properties = content.get("application/json", {}).get("schema", {}).get("properties", {})
        # Placeholders and examples stand as the only values allowed.
        for name in ("mentioned", "values", "statusJidList"):
            properties.get(name, {}).get("items", {}).pop("enum", None)

    # Required in the document only (`mediaMessageSchema`: number and mediatype; `statusMessageSchema`: type).
    _schema(document, "message/sendMedia")["required"] = ["number", "mediatype"]
    _schema(document, "message/sendStatus")["required"] = ["type"]
    # `fullname` is required and `fullName` is a property.
    contact = _schema(document, "message/sendContact")["properties"]["contact"]["items"]
    contact["required"] = ["fullName", "phoneNumber"]
    # `listMessageSchema` has `sections`, not `values`.
    rows = _schema(document, "message/sendList")
    rows["properties"]["sections"] = rows["properties"].pop("values")
    rows["required"] = ["number", "title", "footerText", "buttonText", "sections"]
    # `buttonsMessageSchema`: only the number is required, and a button has a `type`.
    keys = _schema(document, "message/sendButtons")
    keys["properties"]["buttons"]["items"] |= {"required": ["type"]}
    keys["properties"]["buttons"]["items"]["properties"]["type"] = {"enum": ["reply", "copy", "url", "call", "pix"]}
    # `updateMessageSchema`: the number is a text, and a WhatsApp id.
    _schema(document, "chat/updateMessage")["properties"]["number"] = TEXT
    # `deleteMessageSchema`: a typing error is required; the participant is not.
    _schema(document, "chat/deleteMessageForEveryone", "delete")["required"] = ["id", "remoteJid", "fromMe"]
    # `presenceSchema`: presence and delay stand beside the number.
    presence = _schema(document, "chat/sendPresence")
    presence["required"] = ["number", "presence", "delay"]
    presence["properties"] |= {
        "presence": {"enum": ["unavailable", "available", "composing", "recording", "paused"]},
        "delay": {"type": "number"},
    }
    # `archiveChatSchema` and `markChatUnreadSchema`: the chat is enough for the first, and the second takes one message.
    _schema(document, "chat/archiveChat")["required"] = ["archive"]
    last = _schema(document, "chat/archiveChat")["properties"]["lastMessage"]
    _schema(document, "chat/markChatUnread")["properties"]["lastMessage"] = last
    # `createGroupSchema`: a subject is a text, and a description may be absent.
    group = _schema(document, "group/create")
    group["properties"]["subject"] = TEXT
    group["required"] = ["subject", "participants"]
    # `privacySettingsSchema` takes `none` for groups too.
    _schema(document, "chat/updatePrivacySettings")["properties"]["groupadd"]["enum"].append("none")
    # `fetchMessages` pages by `page` and `offset`, `fetchChats` by `take` and `skip`.
    _schema(document, "chat/findMessages")["properties"] |= {"page": {"type": "integer"}, "offset": {"type": "integer"}}
    _add(
        document,
        "chat/findChats",
        _object((), where={"type": "object"}, take={"type": "integer"}, skip={"type": "integer"}),
    )
    # The router has it under chat, and the document under message.
    document["paths"]["/chat/updateBlockStatus/{instance}"] = document["paths"].pop(
        "/message/updateBlockStatus/{instance}"
    )
    # `webhookSchema` is nested; the events are those of `EventController.events`.
    hook = _schema(document, "webhook/set")["properties"]
    nested = _object(
        ("enabled", "url"),
        enabled=hook["enabled"],
        url=hook["url"],
        byEvents={"type": "boolean"},
        base64={"type": "boolean"},
        headers={"type": "object"},
        events={"type": "array", "items": {"enum": [*hook["events"]["items"]["enum"], *LATER]}},
    )
    _schema(document, "webhook/set").clear()
    _schema(document, "webhook/set").update(_object(("webhook",), webhook=nested))
    # Creating checks no list of events, and takes the business account of the Cloud channel (`InstanceDto`).
    create = document["paths"]["/instance/create"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    create["properties"]["webhook"]["properties"]["events"]["items"]["enum"] += LATER
    create["properties"]["businessId"] = TEXT
    # The code restarts by POST.
    _add(document, "instance/restart", None)
    # In the code only.
    _add(document, "message/sendPtv", _object(("number",), number=TEXT, video=TEXT, quoted={"type": "object"}))
    _add(
        document,
        "message/sendTemplate",
        _object(("name", "language"), number=TEXT, name=TEXT, language=TEXT, components={"type": "array"}),
    )
    _add(document, "label/findLabels", None, "get")
    label = _object(("number", "labelId", "action"), number=TEXT, labelId=TEXT, action={"enum": ["add", "remove"]})
    _add(document, "label/handleLabel", label)
    for route in ("getCatalog", "getCollections"):
        _add(document, f"business/{route}", _object((), number=TEXT, limit={"type": "number"}))


LATER = [
    "MESSAGES_EDITED",
    "SEND_MESSAGE_UPDATE",
    "LABELS_EDIT",
    "LABELS_ASSOCIATION",
    "REMOVE_INSTANCE",
    "LOGOUT_INSTANCE",
    "STATUS_INSTANCE",
]


@pytest.fixture
def document() -> Document:
    return documents.load(shared("specs/evolution/openapi.patched.json"), mend)


@pytest.mark.parametrize("row", PHONE, ids=str)
async def test_every_kind_to_a_phone(row: Row, evolution: Evolution, document: Document) -> None:
    await sent(row, evolution, document, connect)


@pytest.mark.parametrize("row", CLOUD, ids=str)
async def test_every_kind_to_the_cloud_channel(row: Row, evolution: Evolution, document: Document) -> None:
    await sent(row, evolution, document, cloud)


async def sent(row: Row, evolution: Evolution, document: Document, connection: Any) -> None:
    async with Upstream(row.replies) as server:
        assert await evolution.send(connection(server.url), tables.outgoing(row)) == row.outcome
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_every_operation(case: Case, evolution: Evolution, document: Document) -> None:
    async with Upstream([upstream.json(answer) for answer in case.answers]) as server:
        await case.do(evolution, connect(server.url))
    for request in server.requests:
        document.check(request)


async def everything_else(evolution: Evolution, connection: Connection) -> None:
    await evolution.open_session(bare(connection))
    await evolution.close_session(connection)
    await evolution.register_webhook(connection)
    await evolution.connect(connection, method="qr", phone=None)
    await evolution.connect(connection, method="phone_code", phone="5511999990001")
    await evolution.status(connection)
    await evolution.restart(connection)
    await evolution.disconnect(connection, logout=True)
    await evolution.mark_read(connection, chat="5511999990001", provider_id="3A01")
    await evolution.show_typing(connection, chat="5511999990001", last_received=None)
    await evolution.health(connection.server)
    async for _ in evolution.fetch_media(connection, MediaRef(ref=REF)):
        pass


@pytest.mark.parametrize("connection", [connect, cloud], ids=["phone", "cloud"])
async def test_every_other_call(connection: Any, evolution: Evolution, document: Document) -> None:
    answer = {"instance": {"state": "open"}, "version": "2.3.6", "base64": FILE[:99].hex()}
    async with Upstream([upstream.json(answer)]) as server:
        await everything_else(evolution, connection(server.url))
    assert len(server.requests) == (11 if connection is cloud else 12)
    for request in server.requests:
        document.check(request)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/message/sendText/x", {"number": "5511999990001"}),
        ("/message/sendText/x", {"number": 5511999990001, "text": "oi"}),
        ("/message/sendText/x", {"number": "5511999990001", "text": "oi", "body": "oi"}),
        ("/message/sendTemplate/x", {"number": "5511999990001", "name": "a"}),
        ("/webhook/set/x", {"webhook": {"enabled": True, "url": "u", "events": ["EVERYTHING"]}}),
        ("/nowhere/x", {}),
    ],
)
def test_the_mended_document_still_refuses(path: str, wrong: Json, document: Document) -> None:
    headers = {"content-type": "application/json"}
    with pytest.raises(AssertionError):
        document.check(Request(method="POST", path=path, headers=headers, body=msgspec.json.encode(wrong)))
