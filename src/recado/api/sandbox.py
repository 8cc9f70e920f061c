"""`/sandbox/…`: phones that do as they are told, pairing codes to scan, lines to cut. For trying and for tests."""

from collections.abc import Awaitable
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from litestar import Router, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, only_company
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.provider import ConnectionState
from recado.domain.states import ConnectionStatus
from recado.services import sandbox, sandbox_owners, sandbox_phones
from recado.store import db

Number = FromPath[str]
Sender = Annotated[UUID | None, QueryParameter(description="Only what this instance sent.")]

Which = Annotated[UUID | None, QueryParameter(description="Only this connection's line; else all of the instance's.")]


class _Change(Protocol):
    def __call__(
        self, database: db.Database, company_id: CompanyId, instance_id: InstanceId, *, connection_id: UUID | None
    ) -> Awaitable[ConnectionState]: ...


class Scan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A QR code's text or a pairing code; `phone` is the number that scans it, made up if absent."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    phone: Annotated[str, msgspec.Meta(min_length=3, max_length=32)] | None = None


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """How the sandbox sees an instance; Recado hears of it by webhook."""

    instance_id: InstanceId
    status: ConnectionStatus
    reason: str | None = None
    phone: str | None = None


@put("/phones/{number:str}", guards=[only_company])
async def put_phone(
    runtime: Runtime, principal: Principal, number: Number, data: JSONBody[sandbox_phones.Behaviour]
) -> sandbox_phones.PhoneView:
    """Tell a phone how to behave from now on. What is not said is as with a number that nobody described."""
    phone = await sandbox_phones.put_phone(runtime.db, principal.company, number, data)
    runtime.signals.set(sandbox.TOPIC)
    return phone


@get("/phones/{number:str}", guards=[only_company])
async def get_phone(runtime: Runtime, principal: Principal, number: Number) -> sandbox_phones.PhoneView:
    """How a phone behaves, and the instances that are typing to it."""
    return await sandbox_phones.phone_view(runtime.db, principal.company, number)


@get("/phones/{number:str}/messages", guards=[only_company])
async def list_messages(
    runtime: Runtime,
    principal: Principal,
    number: Number,
    instance_id: Sender = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> sandbox_phones.ReceivedPage:
    """What a phone received, in order. `total` counts every time, `distinct` every message."""
    instance = InstanceId(instance_id) if instance_id else None
    return await sandbox_phones.received(
        runtime.db, principal.company, number, instance_id=instance, limit=limit, cursor=cursor
    )


@post("/phones/{number:str}/messages", guards=[only_company])
async def write_message(
    runtime: Runtime, principal: Principal, number: Number, data: JSONBody[sandbox_phones.PhoneMessage]
) -> sandbox_phones.WrittenView:
    """A phone writes to an instance: `{"instance_id": …, "type": "text", "text": {"body": "Oi"}}`."""
    written = await sandbox_phones.write(runtime.db, principal.company, number, data)
    runtime.signals.set(sandbox.TOPIC)
    return written


@post("/phones/{number:str}/calls", guards=[only_company])
async def make_call(
    runtime: Runtime, principal: Principal, number: Number, data: JSONBody[sandbox_owners.PhoneCall]
) -> sandbox_owners.CallView:
    """A phone calls an instance, which hears it ring (`call.received`) and may reject it."""
    made = await sandbox_owners.call(runtime.db, principal.company, number, data)
    runtime.signals.set(sandbox.TOPIC)
    return made


@put("/instances/{instance_id:uuid}/business", guards=[only_company])
async def put_business(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[sandbox_owners.Business]
) -> sandbox_owners.Business:
    """Describe an instance's business as its owner does on the phone: the profile, and collections of the catalogue."""
    return await sandbox_owners.put_business(runtime.db, principal.company, InstanceId(instance_id), data)


@post("/instances/{instance_id:uuid}/disconnect", guards=[only_company], status_code=200)
async def disconnect(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> InstanceState:
    """Cut an instance's line."""
    return await _changed(runtime, principal, instance_id, connection_id, sandbox.disconnect)


@post("/instances/{instance_id:uuid}/connect", guards=[only_company], status_code=200)
async def connect(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> InstanceState:
    """Mend an instance's line, whatever it was: cut, banned, logged out or never paired."""
    return await _changed(runtime, principal, instance_id, connection_id, sandbox.connect)


@post("/instances/{instance_id:uuid}/ban", guards=[only_company], status_code=200)
async def ban(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> InstanceState:
    """Ban an instance's number."""
    return await _changed(runtime, principal, instance_id, connection_id, sandbox.ban)


@post("/scan", guards=[only_company], status_code=200)
async def scan(runtime: Runtime, principal: Principal, data: JSONBody[Scan]) -> InstanceState:
    """Scan a QR code, or type a pairing code, with a sandbox phone."""
    instance_id, state = await sandbox.scan(runtime.db, principal.company, data.code, phone=data.phone)
    runtime.signals.set(sandbox.TOPIC)
    return _state(instance_id, state)


async def _changed(
    runtime: Runtime, principal: Principal, instance_id: UUID, connection_id: UUID | None, change: _Change
) -> InstanceState:
    instance = InstanceId(instance_id)
    state = await change(runtime.db, principal.company, instance, connection_id=connection_id)
    runtime.signals.set(sandbox.TOPIC)
    return _state(instance, state)


def _state(instance_id: InstanceId, state: ConnectionState) -> InstanceState:
    return InstanceState(instance_id=instance_id, status=state.status, reason=state.reason, phone=state.phone)


router = Router(
    "/sandbox",
    route_handlers=[
        put_phone,
        get_phone,
        list_messages,
        write_message,
        make_call,
        put_business,
        disconnect,
        connect,
        ban,
        scan,
    ],
    tags=["Sandbox"],
)
