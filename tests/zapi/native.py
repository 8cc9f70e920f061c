"""Numbers on the built-in engine, open to Z-API clients: Recado and an engine in this process, over the Go library that is
not there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recado.api.zapi import examples
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient
from tests.zapi.world import World

if TYPE_CHECKING:
    from tests.native.go import Go

_NO_PAUSES = {"pacing": {"min_ms": 0, "max_ms": 0, "per_minute": 0, "first_contacts_per_hour": 0}}


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
