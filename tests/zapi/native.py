"""Numbers on the built-in engine, open to Z-API clients: Recado and an engine in this process, over the Go library that is
not there."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from recado import app
from recado.api.zapi import examples
from recado.config import Settings
from recado.store import db
from recado.testing.upstream import Upstream
from recado.workers.native import NativeWorker
from tests.native.conftest import eventually
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient
from tests.zapi.world import World

if TYPE_CHECKING:
    from tests.native.go import Go

_NO_PAUSES = {"pacing": {"min_ms": 0, "max_ms": 0, "per_minute": 0, "first_contacts_per_hour": 0}}


@asynccontextmanager
async def served(url: str, folder: Path, go: "Go") -> AsyncIterator[Client]:
    """A company of a whole Recado on a database, its engine in this process too: the library is the double."""
    from neonize import client as neonize

    from tests.native.go import DEVICE

    owner = await db.connect(url)
    await owner.execute("CREATE TABLE whatsmeow.whatsmeow_device (jid text PRIMARY KEY)")
    await owner.execute("INSERT INTO whatsmeow.whatsmeow_device VALUES ($1)", DEVICE)
    await owner.close()
    settings = Settings(
        data_dir=folder,
        database_url=url,
        host="127.0.0.1",
        port=0,
        pool_size=4,
        admin_token=None,
        allowed_networks=("127.0.0.0/8", "::1/128"),
        zapi_http_webhooks=True,
        shutdown_grace_seconds=5,
        log_level="debug",
        log_format="json",
    )
    recado = app.Recado(settings, roles=[role for role in app.ROLES if role not in ("native", "sandbox")])
    stop = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neonize, "gocode", go)
        await recado.start()
        engine = asyncio.create_task(NativeWorker(recado.runtime, pace=0.0).run(stop))
        try:
            async with clients.connect(recado.url, recado.admin_token) as admin:
                yield await clients.make_company(admin)
        finally:
            stop.set()
            await engine
            await recado.stop()


class Phone:
    """A number in the double, and what people write to it."""

    def __init__(self, go: "Go", zapi: ZapiClient, name: str) -> None:
        self.go = go
        self.zapi = zapi
        #: What the library knows the number by.
        self.name = name

    @property
    def sent(self) -> list[Any]:
        """The messages that left it, oldest first, as WhatsApp's protobuf messages."""
        return [message for name, _, message in self.go.sent if name == self.name]

    def tells(self, event: Any) -> None:
        """WhatsApp tells the number of something."""
        self.go.tell(self.name, event)

    async def writes(self, id: str, message: Any, *, sender: str = examples.PHONE, known: bool = True) -> None:
        """Somebody writes a message; returns once it is `known`, as all are but those that only speak of others."""
        from tests.native import go as library

        person = library.jid(sender)
        self.tells(library.received(id, message, library.source(person, person)))
        path = f"/v1/messages?instance_id={self.zapi.instance_id}&direction=inbound"
        if known:
            await self.zapi.company.until(path, lambda page: any(one["provider_id"] == id for one in page["data"]))

    async def connect(self) -> None:
        """Pair it, or connect it again: by the surface, and by the phone that scans its code."""
        reply = await self.zapi.call("GET", "/qr-code")
        if reply.status == 200:
            assert reply.body["value"].startswith("data:image/png;base64,")
            self.go.scan(self.name)
        await self.until("connected")

    async def until(self, status: str) -> None:
        path = f"/v1/instances/{self.zapi.instance_id}"
        await self.zapi.company.until(path, lambda shown: shown["status"] == status)


async def open_native(company: Client, go: "Go", *, connected: bool = True) -> Phone:
    """A number on the built-in engine without pauses, open to Z-API clients."""
    body = {"name": "Padaria", "kind": "native", "settings": _NO_PAUSES}
    instance = await company.post("/v1/instances", body)
    secrets.register(instance["token"])
    reply = await company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json={})
    assert reply.status == 200, reply.body
    [connection] = instance["connections"]
    phone = Phone(go, ZapiClient(company, instance, reply.body), connection["id"].replace("-", ""))
    if connected:
        await phone.connect()
    return phone


class Endpoint:
    """A client's endpoint."""

    def __init__(self, server: Upstream) -> None:
        self._server = server
        self.url = server.url

    def arrived(self, *types: str) -> list[dict[str, Any]]:
        """What was told so far, of some types."""
        told = [msgspec.json.decode(request.body) for request in self._server.requests]
        return [one for one in told if one["type"] in types]

    async def told(self, type: str, count: int) -> list[dict[str, Any]]:
        """What was told of a type, once there is so much."""
        await eventually(lambda: len(self.arrived(type)) >= count)
        return self.arrived(type)


class NativeWorld(World):
    """What the examples speak of, as the double's account has it."""

    def __init__(self, company: Client, phone: Phone, files: Mapping[str, str]) -> None:
        super().__init__(company, phone.zapi, files)
        self.phone = phone
        # Nothing makes these on a number that is no business's.
        for documented in (examples.TAG, examples.PRODUCT, examples.COLLECTION, examples.INVITE):
            del self._makers[documented]
        self._written = 0

    async def opened(self, *, connected: bool = True) -> ZapiClient:
        return (await open_native(self.company, self.phone.go, connected=connected)).zapi

    async def _prepared(self, route: Any) -> dict[str, str]:
        if route.path == "/communities/unlink":
            return await super()._prepared(route)
        return {}

    async def _received(self, kind: str, content: dict[str, Any]) -> str:
        from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

        self._written += 1
        id = f"3EB0796DC6B777C0{self._written:04X}"
        message = waE2E.Message()
        match kind:
            case "poll":
                message.pollCreationMessageV3.name = content["name"]
                for option in content["options"]:
                    message.pollCreationMessageV3.options.add(optionName=option)
            case "event":
                message.eventMessage.name = content["name"]
                message.eventMessage.startTime = 1_798_113_600
            case _:
                message.conversation = content["body"]
        await self.phone.writes(id, message)
        return id


# --- as WhatsApp writes it ---------------------------------------------------------------------------------


def vote_of(poll: str, option: str, *, mine: bool) -> Any:
    """A vote in a poll, as the double encrypts it."""
    from neonize.proto.waCommon.WACommon_pb2 import MessageKey
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    chosen = waE2E.PollVoteMessage(selectedOptions=[hashlib.sha256(option.encode()).digest()])
    return waE2E.PollUpdateMessage(
        pollCreationMessageKey=MessageKey(remoteJID=f"{examples.PHONE}@s.whatsapp.net", fromMe=mine, ID=poll),
        vote=waE2E.PollEncValue(encPayload=chosen.SerializeToString(), encIV=b"i" * 12),
    )


def extended(words: str, context: Any) -> Any:
    """A text with its context."""
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    return waE2E.Message(extendedTextMessage=waE2E.ExtendedTextMessage(text=words, contextInfo=context))
