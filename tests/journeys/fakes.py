"""Four providers of phones on local ports, and the WhatsApp behind them.

Each keeps its session, checks the credentials of every request, takes messages, and posts webhooks in its provider's own
wire shape to the address it was given, signed or marked as the provider does it. What people do with their phones a test
does with `scan`, `log_out`, `Line.write` and `tell_receipt`. Nothing is posted by itself but the echo of what was sent.
"""

import abc
import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from tests.support.secrets import register

Json = dict[str, Any]
Receipt = Literal["delivered", "read"]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on WhatsApp; one without a phone shows nobody more than the LID."""

    lid: str
    name: str
    phone: str | None = None


ANA = Person(phone="5511988887777", lid="900000000000001@lid", name="Ana")
BIA = Person(lid="900000000000002@lid", name="Bia")
#: Of a country whose numbers have one form only, so that nobody asks about them before writing.
RUI = Person(phone="351912345678", lid="900000000000003@lid", name="Rui")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the chat with a person. `to` is what the provider was asked to send to; `track` an id of ours that it
    was given beside WhatsApp's own."""

    id: str
    person: Person
    body: str
    file: bytes | None = None
    from_me: bool = False
    to: str = ""
    track: str = ""
    through: str = ""


class Line:
    """One number of WhatsApp: the providers that it is linked with, and what went out of it through any of them.

    Every linked device hears what another one sends: with `hears` before that one has its answer, or not by itself.
    `read` ends once Recado has read all that was posted: what comes first is then read first, too.
    """

    phone: ClassVar[str] = "5511940000000"

    def __init__(self) -> None:
        self.hears: Literal["first", "by hand"] = "by hand"
        self.read: Callable[[], Awaitable[None]] | None = None
        self.sent: list[Message] = []
        self.linked: list[Fake] = []
        self._changed = asyncio.Condition()

    async def take(self, message: Message) -> None:
        """Our number wrote."""
        async with self._changed:
            self.sent.append(message)
            self._changed.notify_all()

    async def wait_sent(self, count: int) -> list[Message]:
        """Until so many messages went out in all."""
        async with self._changed, asyncio.timeout(20):
            await self._changed.wait_for(lambda: len(self.sent) >= count)
        return self.sent

    async def write(self, person: Person, body: str, *, file: bytes | None = None) -> Message:
        """Somebody writes to the number; every linked provider that is up hears it."""
        message = Message(id=f"3A{secrets.token_hex(9).upper()}", person=person, body=body, file=file)
        for fake in self.linked:
            await fake.tell(message)
        return message


class Fake(abc.ABC):
    """What the providers have in common. `gateway` is where Recado listens, behind the public address that it knows.

    echo      when the provider tells of a message that it sent: before it answers, or not by itself
    lost      it takes messages and cuts the line instead of answering
    asked     `METHOD path` of every request that brought the right credentials
    """

    kind: ClassVar[str]

    def __init__(self, line: Line, gateway: str) -> None:
        self.line = line
        self.gateway = gateway
        self.url = ""
        self.key = register(f"key-{secrets.token_hex(12)}")
        self.echo: Literal["first", "by hand"] = "by hand"
        self.lost = False
        self.connected = False
        self.session = ""
        self.webhook: str | None = None
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.posted: list[int] = []
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    # --- of every kind ------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """What the provider answers."""

    @abc.abstractmethod
    def allows(self, request: web.Request) -> bool:
        """Whether a request brings the credentials that its route wants."""

    def probes(self, request: web.Request) -> bool:
        """Whether a request only looks whether anybody answers, even if with a refusal."""
        return False

    @abc.abstractmethod
    def credentials(self) -> Json:
        """What the server is registered with."""

    def held(self) -> list[str]:
        """Every secret of the provider that must not get into what Recado shows."""
        return [self.key]

    @abc.abstractmethod
    def away(self) -> web.Response:
        """The answer to a send while the number is not connected."""

    @abc.abstractmethod
    async def tell(self, message: Message, *, by_api: bool = False) -> None:
        """Post the webhook of a message."""

    @abc.abstractmethod
    async def tell_receipt(self, message: Message, state: Receipt) -> None:
        """Post the webhook of a receipt."""

    @abc.abstractmethod
    async def tell_connection(self) -> None:
        """Post the webhook of how the session stands."""

    # --- driven by tests ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        app = web.Application(client_max_size=50_000_000, middlewares=[self._guard])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._client = aiohttp.ClientSession()
        self.line.linked.append(self)

    async def stop(self) -> None:
        """Die, and be heard of no more. Twice is fine."""
        if self in self.line.linked:
            self.line.linked.remove(self)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def scan(self) -> None:
        """Somebody scans the code."""
        self.connected = True
        await self.tell_connection()

    async def log_out(self) -> None:
        """Somebody ends the session on the phone."""
        self.connected = False
        await self.tell_connection()

    # --- for the kinds ------------------------------------------------------------------------------------------

    async def post(self, body: Json, headers: Mapping[str, str] | None = None) -> None:
        """Post a webhook, as the reverse proxy in front of Recado hands it on."""
        assert self.webhook is not None, "nobody gave an address for webhooks"
        address = urlsplit(self.webhook)
        assert (address.scheme, address.netloc) == ("https", "recado.test")
        assert self._client is not None
        sent = {"content-type": "application/json", **(headers or {})}
        async with self._client.post(self.gateway + address.path, data=_encoded(body), headers=sent) as response:
            self.posted.append(response.status)

    async def send(self, request: web.Request, **fields: Any) -> Message:
        """Take a message out of a send. Where the answer is to be lost, the line is cut behind it."""
        to = fields["to"]
        person = next((one for one in (ANA, BIA, RUI) if to in (one.phone, one.lid)), None)
        assert person is not None, f"nobody is at {to}"
        fields.setdefault("id", f"3EB0{secrets.token_hex(9).upper()}")
        message = Message(person=person, from_me=True, through=self.kind, **fields)
        await self.line.take(message)
        if self.echo == "first":
            await self.tell(message, by_api=True)
        for other in self.line.linked if self.line.hears == "first" else ():
            if other is not self and other.connected:
                await other.tell(message)
        if self.line.read is not None and "first" in (self.echo, self.line.hears):
            await self.line.read()
        if self.lost:
            assert request.transport is not None
            request.transport.abort()
        return message

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not self.allows(request):
            if not self.probes(request):
                self.refused.append(f"{request.method} {request.path}")
            return web.json_response({"message": "Unauthorized", "statusCode": 401}, status=401)
        self.asked.append(f"{request.method} {request.path}")
        found: web.StreamResponse = await handler(request)
        return found


def _says(value: Callable[[], Any], status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that answers with what is so at the time."""

    async def handle(request: web.Request) -> web.Response:
        return web.json_response(value(), status=status)

    return handle


def _encoded(body: Json) -> bytes:
    return json.dumps(body).encode()


def _same(given: str | None, *wanted: str) -> bool:
    return given is not None and given in [one for one in wanted if one]


def _jid(address: str, domain: str = "s.whatsapp.net") -> str:
    return address if "@" in address else f"{address}@{domain}"


def _address(jid: str) -> str:
    """Digits of a phone, or the LID."""
    return jid if jid.endswith("@lid") else jid.partition("@")[0]


def _data(value: str) -> bytes:
    """What base64, as a data URL or not, holds."""
    return base64.b64decode(value.rpartition(",")[2], validate=True)


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _ms() -> int:
    return time.time_ns() // 1_000_000


# --- WAHA ---------------------------------------------------------------------------------------------------------


class Waha(Fake):
    """WAHA with the engine GOWS: one key, sessions of which each webhook is signed with a secret of its own."""

    kind = "waha"

    def __init__(self, line: Line, gateway: str) -> None:
        super().__init__(line, gateway)
        self.status = ""
        self.config: Json = {}

    def credentials(self) -> Json:
        return {"api_key": self.key, "engine": "GOWS"}

    def held(self) -> list[str]:
        return [self.key, *(hook["hmac"]["key"] for hook in self.config.get("webhooks", []))]

    def allows(self, request: web.Request) -> bool:
        return request.path == "/ping" or request.headers.get("X-Api-Key") == self.key

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ping", _says(lambda: {"message": "pong"})),
            web.get("/api/server/version", _says(lambda: {"version": "2026.7.1", "engine": "GOWS"})),
            web.post("/api/sessions", self._create),
            web.get("/api/sessions/{session}", self._described),
            web.put("/api/sessions/{session}", self._change),
            web.delete("/api/sessions/{session}", self._delete),
            web.post("/api/sessions/{session}/{step}", self._step),
            web.get("/api/{session}/auth/qr", self._qr),
            web.get("/api/contacts/check-exists", self._exists),
            web.post("/api/sendText", self._send_text),
            web.post("/api/sendImage", self._send_image),
            web.get("/api/files/{session}/{name}", self._file),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.session, self.config, self.status = body["name"], body["config"], "STOPPED"
        self.webhook = self.config["webhooks"][0]["url"]
        return web.json_response(self._session(), status=201)

    def _session(self) -> Json:
        return {"name": self.session, "status": self.status, "config": self.config, "me": self._me() or None}

    def _me(self) -> Json:
        return {"id": f"{self.line.phone}@c.us", "pushName": "Loja"} if self.connected else {}

    def _missing(self, request: web.Request) -> bool:
        return not self.session or request.match_info["session"] != self.session

    async def _described(self, request: web.Request) -> web.Response:
        if self._missing(request):
            return web.json_response({"message": "Session not found", "statusCode": 404}, status=404)
        return web.json_response(self._session())

    async def _change(self, request: web.Request) -> web.Response:
        self.config = (await request.json())["config"]
        self.webhook = self.config["webhooks"][0]["url"]
        return web.json_response(self._session())

    async def _delete(self, request: web.Request) -> web.Response:
        if not self._missing(request):
            self.session, self.connected = "", False
        return web.json_response({})

    async def _step(self, request: web.Request) -> web.Response:
        if self._missing(request):
            return web.json_response({"message": "Session not found", "statusCode": 404}, status=404)
        step = request.match_info["step"]
        if step in ("start", "restart"):
            self.status = "STARTING"
            answer = self._session()
            self.status = "WORKING" if self.connected else "SCAN_QR_CODE"
            await self.tell_status()
            return web.json_response(answer, status=201)
        self.connected, self.status = False, "STOPPED"
        return web.json_response(self._session(), status=201)

    async def _qr(self, request: web.Request) -> web.Response:
        if self.status != "SCAN_QR_CODE":
            said = {"error": "Session status is not as expected.", "session": self.session}
            return web.json_response({**said, "status": self.status, "expected": ["SCAN_QR_CODE"]}, status=422)
        return web.json_response({"value": "2@waha-code"})

    async def _exists(self, request: web.Request) -> web.Response:
        there = request.query["phone"] == ANA.phone
        return web.json_response({"numberExists": there, **({"chatId": f"{ANA.phone}@c.us"} if there else {})})

    async def _send_text(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, id=body["id"], body=body["text"])

    async def _send_image(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, body=body.get("caption", ""), file=_data(body["file"]["data"]))

    async def _sent(self, request: web.Request, asked: Json, **fields: Any) -> web.Response:
        if not self.connected:
            return self.away()
        assert asked["session"] == self.session
        message = await self.send(request, to=_address(asked["chatId"]), **fields)
        return web.json_response({"id": f"true_{asked['chatId']}_{message.id}", "body": message.body}, status=201)

    def away(self) -> web.Response:
        said = {"error": "Session status is not as expected.", "session": self.session}
        return web.json_response({**said, "status": self.status, "expected": ["WORKING"]}, status=422)

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]], content_type="image/jpeg")

    async def _event(self, event: str, payload: Json) -> None:
        hook = self.config["webhooks"][0]
        if event not in hook["events"]:
            return
        body = {
            "id": f"evt_{uuid.uuid4().hex}",
            "timestamp": _ms(),
            "event": event,
            "session": self.session,
            "metadata": {},
            "me": self._me(),
            "payload": payload,
            "engine": "GOWS",
        }
        digest = hmac.new(hook["hmac"]["key"].encode(), _encoded(body), hashlib.sha512).hexdigest()
        headers = {"X-Webhook-Hmac": digest, "X-Webhook-Hmac-Algorithm": "sha512"}
        await self.post(body, headers | {one["name"]: one["value"] for one in hook["customHeaders"]})

    async def tell_status(self) -> None:
        await self._event(
            "session.status",
            {"status": self.status, "statuses": [{"status": self.status, "timestamp": _ms()}], "data": None},
        )

    async def tell_connection(self) -> None:
        self.status = "WORKING" if self.connected else "FAILED"
        await self.tell_status()

    async def tell(self, message: Message, *, by_api: bool = False) -> None:
        person = message.person
        chat = (message.to and _jid(message.to, "c.us")) or person.lid
        mark = "true" if message.from_me else "false"
        alternate = "RecipientAlt" if message.from_me else "SenderAlt"
        payload: Json = {
            "id": f"{mark}_{chat}_{message.id}",
            "timestamp": _ms() // 1_000,
            "from": f"{self.line.phone}@c.us" if message.from_me else chat,
            "fromMe": message.from_me,
            "source": "api" if by_api else "app",
            "to": chat if message.from_me else None,
            "body": message.body,
            "hasMedia": message.file is not None,
            "media": None,
            "ack": 1,
            "_data": {
                "Info": {"PushName": person.name, alternate: _jid(person.phone) if person.phone else ""},
                "Message": {"conversation": message.body},
            },
        }
        if message.file is not None:
            name = f"{message.id}.jpeg"
            self.files[name] = message.file
            url = f"http://localhost:3000/api/files/{self.session}/{name}"
            payload["media"] = {"url": url, "mimetype": "image/jpeg", "filename": None}
            payload["_data"]["Message"] = {"imageMessage": {"mimetype": "image/jpeg", "caption": message.body}}
        await self._event("message.any", payload)

    async def tell_receipt(self, message: Message, state: Receipt) -> None:
        ack, name = {"delivered": (2, "DEVICE"), "read": (3, "READ")}[state]
        chat = _jid(message.to, "c.us")
        identifier = f"true_{chat}_{message.id}"
        await self._event("message.ack", {"id": identifier, "from": chat, "fromMe": True, "ack": ack, "ackName": name})


# --- UAZAPI -------------------------------------------------------------------------------------------------------


class Uazapi(Fake):
    """uazapiGO: an admin token makes instances, whose own token is in every webhook."""

    kind = "uazapi"

    def __init__(self, line: Line, gateway: str) -> None:
        super().__init__(line, gateway)
        self.token = ""
        self.hooks: list[Json] = []
        self.ended: Json = {}
        self.code = ""

    def credentials(self) -> Json:
        return {"admin_token": self.key}

    def held(self) -> list[str]:
        return [self.key, self.token]

    def allows(self, request: web.Request) -> bool:
        if request.path.startswith("/files/"):
            return "token" not in request.headers
        if request.path in ("/instance/create", "/instance/all"):
            return request.headers.get("admintoken") == self.key
        return _same(request.headers.get("token"), self.token)

    def probes(self, request: web.Request) -> bool:
        return request.path == "/instance/status" and "token" not in request.headers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/instance/all", self._all),
            web.post("/instance/create", self._create),
            web.post("/instance/connect", self._connect),
            web.get("/instance/status", _says(lambda: self._described())),
            web.post("/instance/disconnect", self._disconnect),
            web.delete("/instance", self._delete),
            web.get("/webhook", _says(lambda: self.hooks)),
            web.post("/webhook", self._set_webhook),
            web.post("/chat/check", self._check),
            web.post("/send/text", self._send_text),
            web.post("/send/media", self._send_media),
            web.post("/message/find", self._find),
            web.post("/message/download", self._download),
            web.get("/files/{name}", self._file),
        ]

    def _instance(self) -> Json:
        shown = {"id": "r1a2b3c4", "name": self.session, "token": self.token, **self.ended}
        status = "connected" if self.connected else "connecting" if self.code else "disconnected"
        return {**shown, "status": status, "qrcode": self.code}

    def _described(self) -> Json:
        jid = f"{self.line.phone}@s.whatsapp.net" if self.connected else None
        now = {"connected": self.connected, "loggedIn": self.connected, "jid": jid}
        return {"instance": self._instance(), "status": now}

    async def _all(self, request: web.Request) -> web.Response:
        return web.json_response([self._instance()] if self.session else [])

    async def _create(self, request: web.Request) -> web.Response:
        self.session = (await request.json())["name"]
        self.token = register(str(uuid.uuid4()))
        return web.json_response({"response": "created", "instance": self._instance(), "token": self.token})

    async def _connect(self, request: web.Request) -> web.Response:
        if not self.connected:
            self.code = "data:image/png;base64," + base64.b64encode(b"\x89PNG uazapi").decode()
        return web.json_response({"connected": self.connected, **self._described()})

    async def _disconnect(self, request: web.Request) -> web.Response:
        self.connected, self.code = False, ""
        return web.json_response({"response": "Disconnected", "instance": self._instance()})

    async def _delete(self, request: web.Request) -> web.Response:
        self.session, self.token, self.connected = "", "", False
        return web.json_response({"response": "Instance Deleted"})

    async def _set_webhook(self, request: web.Request) -> web.Response:
        body = await request.json()
        action = body.pop("action")
        if action == "add":
            self.hooks.append({**body, "id": f"hook{len(self.hooks)}"})
        else:
            self.hooks = [one for one in self.hooks if one["id"] != body["id"]]
            self.hooks += [body] if action == "update" else []
        self.webhook = self.hooks[0]["url"] if self.hooks else None
        return web.json_response(self.hooks)

    async def _check(self, request: web.Request) -> web.Response:
        asked = (await request.json())["numbers"]
        return web.json_response(
            [
                {"query": one, "isInWhatsapp": True, "jid": _jid(one), "lid": ANA.lid}
                if one == ANA.phone
                else {"query": one, "isInWhatsapp": False, "jid": "", "lid": ""}
                for one in asked
            ]
        )

    async def _send_text(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, body=body["text"])

    async def _send_media(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["type"] == "image"
        return await self._sent(request, body, body=body.get("text", ""), file=_data(body["file"]))

    async def _sent(self, request: web.Request, asked: Json, **fields: Any) -> web.Response:
        if not self.connected:
            return self.away()
        message = await self.send(request, to=_address(asked["number"]), track=asked["track_id"], **fields)
        return web.json_response(self._message(message, by_api=True) | {"status": "Sent"})

    def away(self) -> web.Response:
        return web.json_response({"error": "WhatsApp disconnected"}, status=500)

    async def _find(self, request: web.Request) -> web.Response:
        track = (await request.json())["track_id"]
        found = [self._message(one, by_api=True) | {"status": "Sent"} for one in self.line.sent if one.track == track]
        return web.json_response({"messages": found, "returnedMessages": len(found)})

    async def _download(self, request: web.Request) -> web.Response:
        name = (await request.json())["id"].rpartition(":")[2]
        return web.json_response({"fileURL": f"{self.url}/files/{name}", "mimetype": "image/jpeg"})

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]], content_type="image/jpeg")

    def _message(self, message: Message, *, by_api: bool) -> Json:
        person = message.person
        chat = _jid(message.to or person.phone or person.lid)
        own = f"{self.line.phone}@s.whatsapp.net"
        content: Any = {"text": message.body}
        if message.file is not None:
            content = {"URL": "https://mmg.whatsapp.net/x.enc", "mimetype": "image/jpeg", "caption": message.body}
            content |= {"fileSHA256": _sha256(message.file), "fileLength": len(message.file), "mediaKey": _sha256(b"k")}
        return {
            "id": f"{self.line.phone}:{message.id}",
            "messageid": message.id,
            "chatid": chat,
            "chatlid": "" if message.from_me else person.lid,
            "content": content,
            "fromMe": message.from_me,
            "isGroup": False,
            "mediaType": "image" if message.file is not None else "",
            "messageTimestamp": _ms(),
            "messageType": "ImageMessage" if message.file is not None else "ExtendedTextMessage",
            "owner": self.line.phone,
            "quoted": "",
            "reaction": "",
            "edited": "",
            "sender": own if message.from_me else person.lid,
            "senderName": "" if message.from_me else person.name,
            "sender_lid": "" if message.from_me else person.lid,
            "sender_pn": own if message.from_me else (person.phone and _jid(person.phone)) or "",
            "text": message.body,
            "track_id": message.track if by_api else "",
            "track_source": "",
            "type": "media" if message.file is not None else "text",
            "wasSentByApi": by_api,
        }

    async def _post(self, type_: str, **fields: Any) -> None:
        if self.hooks and type_ in self.hooks[0]["events"]:
            around = {"BaseUrl": self.url, "EventType": type_, "instanceName": self.session}
            await self.post({**around, "owner": self.line.phone, "token": self.token, **fields})

    async def tell_connection(self) -> None:
        self.code = ""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
        out = {"lastDisconnect": now, "lastDisconnectReason": "401: logged out from another device"}
        self.ended = {} if self.connected else out
        status = "connected" if self.connected else "disconnected"
        await self._post("connection", instance={"name": self.session, "status": status, **self.ended})

    async def tell(self, message: Message, *, by_api: bool = False) -> None:
        if message.file is not None:
            self.files[message.id] = message.file
        person = message.person
        chat = {"wa_chatid": _jid(person.phone or person.lid), "wa_chatlid": person.lid, "wa_name": person.name}
        await self._post("messages", chat=chat, chatSource="updated", message=self._message(message, by_api=by_api))

    async def tell_receipt(self, message: Message, state: Receipt) -> None:
        told = state.capitalize()
        jid = _jid(message.to)
        event = {
            "Chat": jid,
            "Sender": jid,
            "IsFromMe": False,
            "IsGroup": False,
            "MessageIDs": [message.id],
            "Timestamp": int(time.time()),
            "Type": told,
        }
        await self._post("messages_update", event=event, state=told, type="ReadReceipt")


# --- Evolution ----------------------------------------------------------------------------------------------------


class Evolution(Fake):
    """Evolution API v2 on Baileys: a key of the server, one of the instance, and a header of ours in every webhook."""

    kind = "evolution"

    def __init__(self, line: Line, gateway: str) -> None:
        super().__init__(line, gateway)
        self.token = ""
        self.hook: Json = {}
        self.pairing = False

    def credentials(self) -> Json:
        return {"api_key": self.key}

    def held(self) -> list[str]:
        return [self.key, self.token, *self.hook.get("headers", {}).values()]

    def allows(self, request: web.Request) -> bool:
        return request.path == "/" or _same(request.headers.get("apikey"), self.key, self.token)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", _says(lambda: {"status": 200, "message": "Welcome", "version": "2.3.6"})),
            web.post("/instance/create", self._create),
            web.get("/instance/connect/{instance}", self._connect),
            web.get("/instance/connectionState/{instance}", self._state),
            web.delete("/instance/logout/{instance}", self._logout),
            web.delete("/instance/delete/{instance}", self._delete),
            web.post("/webhook/set/{instance}", self._set_webhook),
            web.post("/chat/whatsappNumbers/{instance}", self._check),
            web.post("/message/sendText/{instance}", self._send_text),
            web.post("/message/sendMedia/{instance}", self._send_media),
            web.post("/chat/getBase64FromMediaMessage/{instance}", self._download),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.session, self.token, self.hook = body["instanceName"], register(body["token"]), body["webhook"]
        self.webhook = self.hook["url"]
        made = {"instanceName": self.session, "instanceId": str(uuid.uuid4()), "status": "close"}
        return web.json_response({"instance": made, "hash": self.token, "webhook": {}, "settings": {}}, status=201)

    async def _connect(self, request: web.Request) -> web.Response:
        if self.connected:
            return await self._state(request)
        self.pairing = True
        return web.json_response({"pairingCode": None, "code": "2@evolution-code", "base64": "data:…", "count": 1})

    async def _state(self, request: web.Request) -> web.Response:
        if request.match_info["instance"] != self.session:
            said = {"status": 404, "error": "Not Found", "response": {"message": ["The instance does not exist"]}}
            return web.json_response(said, status=404)
        state = "open" if self.connected else "connecting" if self.pairing else "close"
        return web.json_response({"instance": {"instanceName": self.session, "state": state}})

    async def _logout(self, request: web.Request) -> web.Response:
        if not self.connected:
            message = f'The "{self.session}" instance is not connected'
            return web.json_response({"status": 400, "error": "x", "response": {"message": [message]}}, status=400)
        self.connected = False
        return web.json_response({"status": "SUCCESS", "error": False, "response": {"message": "Instance logged out"}})

    async def _delete(self, request: web.Request) -> web.Response:
        self.session = ""
        return web.json_response({"status": "SUCCESS", "error": False, "response": {"message": "Instance deleted"}})

    async def _set_webhook(self, request: web.Request) -> web.Response:
        self.hook = (await request.json())["webhook"]
        self.webhook = self.hook["url"]
        return web.json_response({**self.hook, "id": "cm2"}, status=201)

    async def _check(self, request: web.Request) -> web.Response:
        asked = (await request.json())["numbers"]
        return web.json_response([{"jid": _jid(one), "exists": one == ANA.phone, "number": one} for one in asked])

    async def _send_text(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, body=body["text"])

    async def _send_media(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert (body["mediatype"], body["mimetype"]) == ("image", "image/jpeg")
        return await self._sent(request, body, body=body.get("caption", ""), file=_data(body["media"]))

    async def _sent(self, request: web.Request, asked: Json, **fields: Any) -> web.Response:
        if not self.connected:
            return self.away()
        assert request.match_info["instance"] == self.session
        message = await self.send(request, to=_address(asked["number"]), **fields)
        return web.json_response(self._record(message) | {"status": "PENDING"}, status=201)

    def away(self) -> web.Response:
        said = {"status": 400, "error": "Bad Request", "response": {"message": ["Error: Connection Closed"]}}
        return web.json_response(said, status=400)

    async def _download(self, request: web.Request) -> web.Response:
        identifier = (await request.json())["message"]["key"]["id"]
        data = base64.b64encode(self.files[identifier]).decode()
        return web.json_response({"mediaType": "imageMessage", "mimetype": "image/jpeg", "base64": data}, status=201)

    def _record(self, message: Message) -> Json:
        person = message.person
        key: Json = {"remoteJid": _jid(message.to or person.lid), "fromMe": message.from_me, "id": message.id}
        if not message.from_me and person.phone:
            key |= {"remoteJidAlt": _jid(person.phone), "addressingMode": "lid"}
        said: Json = {"conversation": message.body}
        if message.file is not None:
            image = {"url": "https://mmg.whatsapp.net/x.enc", "mimetype": "image/jpeg", "caption": message.body}
            image |= {"fileSha256": _sha256(message.file), "mediaKey": _sha256(b"k"), "directPath": "/v/x.enc"}
            said = {"imageMessage": image}
        return {
            "key": key,
            "pushName": "Loja" if message.from_me else person.name,
            "status": "SERVER_ACK" if message.from_me else "DELIVERY_ACK",
            "message": said,
            "messageType": next(iter(said)),
            "messageTimestamp": int(time.time()),
            "instanceId": "188cbb13",
            "source": "web",
        }

    async def _event(self, event: str, data: Any) -> None:
        if event.upper().replace(".", "_") not in self.hook["events"]:
            return
        body = {
            "event": event,
            "instance": self.session,
            "data": data,
            "destination": self.webhook,
            "date_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sender": f"{self.line.phone}@s.whatsapp.net",
            "server_url": self.url,
            "apikey": self.token,
        }
        await self.post(body, self.hook["headers"])

    async def tell_connection(self) -> None:
        self.pairing = False
        told: Json = {"instance": self.session, "state": "open", "statusReason": 200}
        told |= {"wuid": f"{self.line.phone}@s.whatsapp.net", "profileName": "Loja"}
        out = {"instance": self.session, "state": "close", "statusReason": 401}
        await self._event("connection.update", told if self.connected else out)

    async def tell(self, message: Message, *, by_api: bool = False) -> None:
        if message.file is not None:
            self.files[message.id] = message.file
        await self._event("send.message" if by_api else "messages.upsert", self._record(message))

    async def tell_receipt(self, message: Message, state: Receipt) -> None:
        told = {"delivered": "DELIVERY_ACK", "read": "READ"}[state]
        data = {"keyId": message.id, "remoteJid": _jid(message.to), "fromMe": True, "status": told}
        await self._event("messages.update", data | {"participant": None, "messageId": "cm1", "instanceId": "188cbb13"})


# --- Z-API --------------------------------------------------------------------------------------------------------


class Zapi(Fake):
    """Z-API: a partner's token makes instances, whose token is in every path. Its webhooks carry no secret at all."""

    kind = "zapi"

    def __init__(self, line: Line, gateway: str) -> None:
        super().__init__(line, gateway)
        self.token = register(f"token-{secrets.token_hex(12)}")
        self.client_token = register(f"client-{secrets.token_hex(12)}")
        self.account = secrets.token_hex(16).upper()
        self.cancelled = False

    def credentials(self) -> Json:
        return {"partner_token": self.key, "client_token": self.client_token}

    def held(self) -> list[str]:
        return [self.key, self.token, self.client_token]

    def allows(self, request: web.Request) -> bool:
        if request.path == "/" or request.path.startswith("/files/"):
            return "client-token" not in request.headers
        of_partner = request.headers.get("authorization") == f"Bearer {self.key}"
        if request.path in ("/instances", "/instances/integrator/on-demand"):
            return of_partner
        of_instance = request.path.startswith(f"/instances/{self.account}/token/{self.token}/")
        return of_instance and request.headers.get("client-token") == self.client_token

    def routes(self) -> list[web.RouteDef]:
        here = f"/instances/{self.account}/token/{self.token}"
        return [
            web.get("/", _says(lambda: {"error": "Unable to find matching target resource method"}, 404)),
            web.get("/instances", self._all),
            web.post("/instances/integrator/on-demand", self._create),
            web.put(f"{here}/update-every-webhooks", self._set_webhooks),
            web.get(f"{here}/status", self._status),
            web.get(f"{here}/qr-code", _says(lambda: {"value": "2@zapi-code"})),
            web.get(f"{here}/disconnect", self._disconnect),
            web.post(f"{here}/integrator/on-demand/cancel", self._cancel),
            web.post(f"{here}/phone-exists-batch", self._check),
            web.post(f"{here}/send-text", self._send_text),
            web.post(f"{here}/send-image", self._send_image),
            web.get("/files/{name}", self._file),
        ]

    async def _all(self, request: web.Request) -> web.Response:
        made = [{"id": self.account, "token": self.token, "name": self.session}] if self.session else []
        return web.json_response({"total": len(made), "totalPage": 1, "content": made})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.session, self.webhook = body["name"], body["receivedCallbackUrl"]
        return web.json_response({"id": self.account, "token": self.token, "due": _ms()})

    async def _set_webhooks(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["notifySentByMe"] is True
        self.webhook = body["value"]
        return web.json_response({"value": True})

    async def _status(self, request: web.Request) -> web.Response:
        error = "You are already connected" if self.connected else "You are not connected."
        return web.json_response({"connected": self.connected, "error": error, "smartphoneConnected": self.connected})

    async def _disconnect(self, request: web.Request) -> web.Response:
        self.connected = False
        return web.json_response({"value": True})

    async def _cancel(self, request: web.Request) -> web.Response:
        assert request.headers.get("authorization") == f"Bearer {self.key}"
        self.session, self.cancelled = "", True
        return web.json_response({"value": True})

    async def _check(self, request: web.Request) -> web.Response:
        asked = (await request.json())["phones"]
        return web.json_response(
            [
                {"exists": one == ANA.phone, "inputPhone": one, "outputPhone": one}
                | ({"lid": ANA.lid} if one == ANA.phone else {})
                for one in asked
            ]
        )

    async def _send_text(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, body=body["message"])

    async def _send_image(self, request: web.Request) -> web.Response:
        body = await request.json()
        return await self._sent(request, body, body=body.get("caption", ""), file=_data(body["image"]))

    async def _sent(self, request: web.Request, asked: Json, **fields: Any) -> web.Response:
        if not self.connected:
            return self.away()
        message = await self.send(request, to=asked["phone"], **fields)
        return web.json_response({"zaapId": secrets.token_hex(16).upper(), "messageId": message.id, "id": message.id})

    def away(self) -> web.Response:
        return web.json_response({"error": "You are not connected."}, status=400)

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]], content_type="image/jpeg")

    async def _event(self, type_: str, **fields: Any) -> None:
        await self.post({"type": type_, "instanceId": self.account, "momment": _ms(), **fields})

    async def tell_connection(self) -> None:
        if self.connected:
            await self._event("ConnectedCallback", connected=True, phone=self.line.phone)
        else:
            why = "It was not possible to restore a session with the current token, please login again"
            await self._event("DisconnectedCallback", disconnected=True, error=why, phone=self.line.phone)

    async def tell(self, message: Message, *, by_api: bool = False) -> None:
        person = message.person
        said: Json = {"text": {"message": message.body}}
        if message.file is not None:
            self.files[message.id] = message.file
            said = {"image": {"imageUrl": f"{self.url}/files/{message.id}", "mimeType": "image/jpeg"}}
            said["image"]["caption"] = message.body
        await self._event(
            "ReceivedCallback",
            isStatusReply=False,
            chatLid=person.lid,
            connectedPhone=self.line.phone,
            waitingMessage=False,
            isEdit=False,
            isGroup=False,
            isNewsletter=False,
            messageId=message.id,
            phone=person.lid if message.from_me else person.phone or person.lid,
            fromMe=message.from_me,
            fromApi=by_api,
            status="RECEIVED",
            chatName=person.name,
            senderName="Loja" if message.from_me else person.name,
            participantPhone=None,
            participantLid=None,
            forwarded=False,
            **said,
        )

    async def tell_receipt(self, message: Message, state: Receipt) -> None:
        told = {"delivered": "RECEIVED", "read": "READ"}[state]
        await self._event("MessageStatusCallback", status=told, ids=[message.id], phone=message.to, isGroup=False)


# --- the company --------------------------------------------------------------------------------------------------


class Endpoint:
    """The company's own server: every event that it was told, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.events: list[Json] = []
        self._changed = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + raw
        signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if f"v1,{signature}" not in request.headers["webhook-signature"].split():
            return web.Response(status=401)
        async with self._changed:
            self.events.append(json.loads(raw))
            self._changed.notify_all()
        return web.Response()

    def types(self, prefix: str) -> list[str]:
        """The types of the events that begin so, in the order they came."""
        return [event["type"] for event in self.events if event["type"].startswith(prefix)]

    async def told(self, type_: str, count: int = 1) -> Json:
        """The event of this type, once it was delivered so often."""

        def found() -> list[Json]:
            return [event for event in self.events if event["type"] == type_]

        async with self._changed:
            try:
                async with asyncio.timeout(20):
                    await self._changed.wait_for(lambda: len(found()) >= count)
            except TimeoutError:
                raise AssertionError(f"no {type_}; told: {[event['type'] for event in self.events]}") from None
        return found()[count - 1]


@asynccontextmanager
async def serve_endpoint() -> AsyncIterator[Endpoint]:
    """A company's server that takes everything that is signed."""
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/in", endpoint.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    try:
        yield endpoint
    finally:
        await runner.cleanup()
