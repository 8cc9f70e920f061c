"""`/v1/instances/{id}/connections`: the ways by which a number is reached, ranked; and how one of them stands."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, only_company
from recado.domain.provider import ConnectionState
from recado.domain.states import ConnectionStatus
from recado.services import placing
from recado.services.runtime import Runtime as Clients
from recado.store import connections

Rank = Annotated[int, msgspec.Meta(ge=1, le=placing.MOST)]
Which = Annotated[UUID | None, QueryParameter(description="Of several connections, this one; else the active one.")]


class ConnectionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name a `kind` and the server is chosen, or name the server. Without a `rank` it stands behind the others."""

    kind: str | None = None
    server_id: UUID | None = None
    credentials: dict[str, str] = {}
    rank: Rank | None = None


class ConnectionChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. Credentials are merged; null takes one away."""

    rank: Rank | None = None
    credentials: dict[str, str | None] | None = None


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """`active`: the instance sends through it; the others stand by. `webhook_url` is where the provider must post to.

    `latency_ms` and `error_rate` (0 to 1, of about the last five minutes) are of the status checks, `heard_at` is when
    its provider last posted anything of the number. `evidence` (silent, unacknowledged, canary): why it is degraded
    whatever its provider says.
    """

    id: UUID
    kind: str
    server_id: UUID
    status: str
    status_reason: str | None
    status_at: datetime
    rank: int
    active: bool
    account: str | None
    webhook_url: str
    latency_ms: float | None
    error_rate: float | None
    heard_at: datetime | None
    evidence: str | None


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection stands. `qr` or `pairing_code` is there while `status` is `qr`. `details` holds what only some
    providers have: `qr_image` (a data URL, where there is no text of the code), `passkey` (its step)."""

    instance_id: UUID
    status: ConnectionStatus
    reason: str | None = None
    phone: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    expires_at: datetime | None = None
    details: dict[str, Any] = {}


@post("/")
async def create_connection(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[ConnectionRequest]
) -> ConnectionView:
    """Give an instance a further connection, which stands by until it takes over."""
    made = await placing.add(runtime, principal.company, instance_id, **msgspec.structs.asdict(data))
    return view(runtime, made)


@get("/")
async def list_connections(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]
) -> paging.Page[ConnectionView]:
    """List the connections of an instance, the best rank first. There are never more than a page of them."""
    found = await placing.page(runtime, principal.company, instance_id)
    return paging.page(found, placing.MOST, lambda one: view(runtime, one), lambda one: one.id)


@patch("/{connection_id:uuid}")
async def update_connection(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    connection_id: FromPath[UUID],
    data: JSONBody[ConnectionChange],
) -> ConnectionView:
    """Rank a connection, or give it new credentials. The others keep their order."""
    changed = await placing.change(
        runtime, principal.company, instance_id, connection_id, rank=data.rank, credentials=data.credentials
    )
    return view(runtime, changed)


@delete("/{connection_id:uuid}")
async def delete_connection(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: FromPath[UUID]
) -> None:
    """Remove a connection: its session ends, its place is free; if it was the active one, the best other takes over."""
    await placing.remove(runtime, principal.company, instance_id, connection_id)


def view(runtime: Clients, placed: connections.Connection) -> ConnectionView:
    """A connection as it is shown."""
    return ConnectionView(
        id=placed.id,
        kind=placed.kind,
        server_id=placed.server_id,
        status=placed.status,
        status_reason=placed.status_reason,
        status_at=placed.status_at,
        rank=placed.rank,
        active=placed.active,
        account=placed.account,
        webhook_url=runtime.directory.webhook_url(placed.kind, placed.hook_key),
        latency_ms=placed.latency_ms,
        error_rate=placed.error_rate,
        heard_at=placed.heard_at,
        evidence=placed.evidence,
    )


def state_view(instance_id: UUID, state: ConnectionState) -> StateView:
    """A connection's state as it is shown."""
    return StateView(instance_id=instance_id, **msgspec.structs.asdict(state))


router = Router(
    "/{instance_id:uuid}/connections",
    guards=[only_company],
    route_handlers=[create_connection, list_connections, update_connection, delete_connection],
)
