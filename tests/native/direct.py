"""A number without leases and database: the adapter, neonize's client and the library that is not there, one after the
other. How commands get from a gateway to an engine is tested with the engine."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, ConnectionState, Server
from recado.domain.states import ConnectionStatus
from recado.native.device import Device
from recado.native.events import Told
from recado.providers.native import adapter
from recado.store.native import Held
from tests.native import go as library

NOWHERE = "postgres:///recado"


class Direct:
    """`adapter.Engine` on one device that is connected already."""

    def __init__(self, device: Device) -> None:
        self.device = device
        #: Raised instead of an answer.
        self.trouble: Exception | None = None

    async def open(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        return await self.state(connection)

    async def state(self, connection: Connection) -> ConnectionState:
        return ConnectionState(status=ConnectionStatus.CONNECTED)

    async def close(self, connection: Connection, *, logout: bool) -> None:
        return None

    async def call(
        self,
        connection: Connection,
        operation: str,
        request: Mapping[str, Any],
        *,
        timeout: float,
        message_id: MessageId | None = None,
        payload: bytes | None = None,
    ) -> adapter.Reply:
        if self.trouble is not None:
            raise self.trouble
        # As they come out of the database.
        plain = msgspec.json.decode(msgspec.json.encode(request))
        secret = b"s" * 32 if message_id is not None else None
        made = await asyncio.to_thread(self.device.perform, operation, plain, payload, secret, lambda: True)
        answer = msgspec.convert(msgspec.json.decode(msgspec.json.encode(made.reply)), adapter.Reply)
        return msgspec.structs.replace(answer, payload=made.payload)

    async def sent(self, connection: Connection, message_id: MessageId, *, timeout: float) -> adapter.Reply | None:
        if self.trouble is not None:
            raise self.trouble
        return None

    async def engines(self) -> adapter.Engines:
        return adapter.Engines(engines=1, version="0", wanted=1, held=1, capacity=1)


def connection() -> Connection:
    server = Server(id=ServerId(UUID(int=1)), kind="native", base_url="native://local")
    return Connection(
        id=ConnectionId(UUID(int=2)),
        company_id=CompanyId(UUID(int=3)),
        instance_id=InstanceId(ids.new()),
        server=server,
    )


def started(told: list[Told]) -> Device:
    """A device that is paired and connected; what it tells goes into `told`."""
    held = Held(
        company_id=CompanyId(UUID(int=3)),
        connection_id=ConnectionId(UUID(int=2)),
        server_id=ServerId(UUID(int=1)),
        fence=1,
        device=library.DEVICE,
        method="qr",
        pair_phone=None,
        wanted=True,
        logout=False,
        status=ConnectionStatus.CONNECTING,
        failures=0,
        lost_at=None,
    )
    device = Device(NOWHERE, held, told.append)
    device.start()
    return device
