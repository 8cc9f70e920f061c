"""An engine of one answer, and bodies as the engine writes them: one for each event and each shape of a message."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, ConnectionState, Server
from recado.domain.states import ConnectionStatus
from recado.providers.native.adapter import Engines, Reply

CONNECTION = Connection(
    id=ConnectionId(UUID(int=2)),
    company_id=CompanyId(UUID(int=3)),
    instance_id=InstanceId(UUID(int=4)),
    server=Server(id=ServerId(UUID(int=1)), kind="native", base_url="native://local"),
)

AT = "2026-11-22T10:00:00+00:00"
OWN = {"phone": "5511900000001", "lid": "77001@lid"}
ANA = "5511988887777@s.whatsapp.net"
GROUP = "1203@g.us"


class OneAnswer:
    """`adapter.Engine`: every command is answered alike, or fails alike. `asked` holds them."""

    def __init__(self, answer: Reply | Exception, engines: Engines | Exception | None = None) -> None:
        self.answer = answer
        self.found = engines or Engines(engines=1, version="0.5.2", wanted=1, held=1, capacity=100)
        self.asked: list[tuple[str, Mapping[str, Any], bytes | None]] = []

    async def open(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        return await self.state(connection)

    async def state(self, connection: Connection) -> ConnectionState:
        if isinstance(self.answer, Exception):
            raise self.answer
        return ConnectionState(status=ConnectionStatus.CONNECTED)

    async def close(self, connection: Connection, *, logout: bool) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer

    async def call(
        self,
        connection: Connection,
        operation: str,
        request: Mapping[str, Any],
        *,
        timeout: float,
        message_id: MessageId | None = None,
        payload: bytes | None = None,
    ) -> Reply:
        self.asked.append((operation, request, payload))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def sent(self, connection: Connection, message_id: MessageId, *, timeout: float) -> Reply | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def engines(self) -> Engines:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def body(event: str, **told: Any) -> dict[str, Any]:
    return {"event": event, "at": AT, "own": OWN, **told}


def message(content: Mapping[str, Any], *, chat: str = ANA, sender: str = ANA, **told: Any) -> dict[str, Any]:
    info = {
        "id": "ABC1",
        "chat": chat,
        "sender": sender,
        "sender_alt": "990011@lid",
        "from_me": False,
        "group": chat.endswith("@g.us"),
        "push_name": "Ana",
    }
    return body("message", info=info, message=dict(content), **told)


def _protocol(kind: str, **more: Any) -> dict[str, Any]:
    return {"protocolMessage": {"type": kind, "key": {"ID": "OLD1", "remoteJID": ANA, "fromMe": False}, **more}}


_KEY = {"ID": "OLD1", "remoteJID": ANA, "fromMe": True}
_PICTURE = {
    "URL": "https://mmg.test/x",
    "directPath": "/x",
    "mediaKey": "aw==",
    "fileSHA256": "c3M=",
    "fileLength": "9",
}

#: What each is read as: the types of its events.
BODIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": (message({"conversation": "oi"}), ["message.received"]),
    "picture in a group": (
        message({"imageMessage": {**_PICTURE, "mimetype": "image/jpeg", "caption": "foto"}}, chat=GROUP),
        ["message.received"],
    ),
    "reply": (
        message({"extendedTextMessage": {"text": "sim", "contextInfo": {"stanzaID": "Q1", "mentionedJID": [ANA]}}}),
        ["message.received"],
    ),
    "view once": (message({"conversation": "x"}, view_once=True), ["message.received"]),
    "reaction": (message({"reactionMessage": {"key": _KEY, "text": "👍"}}), ["reaction.received"]),
    "edit": (message(_protocol("MESSAGE_EDIT", editedMessage={"conversation": "novo"})), ["message.edited"]),
    "deletion": (message(_protocol("REVOKE")), ["message.deleted"]),
    "pin": (message({"pinInChatMessage": {"key": _KEY, "type": "PIN_FOR_ALL"}}), ["chat.updated"]),
    "vote": (
        message({"pollUpdateMessage": {"pollCreationMessageKey": _KEY}}, votes=["a"], vote_hashes=["00"]),
        ["poll.voted"],
    ),
    "vote on another's poll": (
        message({"pollUpdateMessage": {"pollCreationMessageKey": _KEY}}, vote_hashes=["00"]),
        ["poll.voted"],
    ),
    "story": (message({"conversation": "x"}, chat="status@broadcast"), ["status.received"]),
    "undecryptable": (body("undecryptable", info={"id": "W1", "chat": ANA, "sender": ANA}), ["message.waiting"]),
    "receipts": (
        body("receipt", ids=["A", "B"], type="read", chat=ANA, sender=ANA, from_me=False, message_ids={"A": "1"}),
        ["message.read", "message.read"],
    ),
    "receipt between devices": (body("receipt", ids=["A"], type="sender", chat=ANA, sender=ANA), []),
    "code": (body("state", status="qr", qr="2@x", expires_at=AT), ["instance.qr"]),
    "connected": (body("state", status="connected", phone="5511900000001"), ["instance.connected"]),
    "ban": (
        body("state", status="banned", reason="temporary_ban:x", details={"code": "x"}),
        ["instance.disconnected"],
    ),
    "presence": (body("presence", state="composing", chat=ANA, sender=ANA), ["presence.updated"]),
    "call": (body("call", id="C1", state="ringing", kind="video", caller=ANA), ["call.received"]),
    "group": (
        body("group", group=GROUP, by=ANA, subject="Nova", joined=[ANA], locked=True, invite_link="https://x.test"),
        ["group.updated"] * 4,
    ),
    "joined group": (body("joined_group", group=GROUP, by=ANA, subject="Nova"), ["group.updated"]),
    "picture of a person": (body("picture", about=ANA, by=ANA, removed=True), ["contact.updated"]),
    "picture of a group": (body("picture", about=GROUP, by=ANA), ["group.updated"]),
    "identity": (body("identity_change", about=ANA), ["contact.updated"]),
    "blocklist": (body("blocklist", changes=[{"contact": ANA, "blocked": True}]), ["contact.updated"]),
    "channel": (body("channel", channel="555@newsletter", change="joined"), ["unknown"]),
    "gap": (body("gap", reason="engine_lost", since=AT), ["unknown"]),
    "offline": (body("offline_preview", counts={"total": 3}), ["unknown"]),
    "of a later version": (body("something_new", x={"y": 1}), ["unknown"]),
}
