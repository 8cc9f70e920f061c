"""`/v1/instances`: the WhatsApp numbers of a company. An instance's own token may look at and connect that instance."""

import io
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import segno
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, company_or_instance, only_company
from recado.api.v1.tokens import TokenCreated, created_token
from recado.domain.errors import Conflict
from recado.domain.provider import ConnectionState
from recado.domain.settings import InstanceSettings
from recado.domain.states import ConnectionStatus
from recado.services import instances, tokens
from recado.services.runtime import Runtime as Clients

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
StatusFilter = Annotated[ConnectionStatus | None, QueryParameter(description="Only instances that stand so.")]


class InstanceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name a `kind` and the server is chosen, or name the server. `credentials` are what the provider needs for this
    number."""

    name: Name
    kind: str | None = None
    server_id: UUID | None = None
    phone: str | None = None
    credentials: dict[str, str] = {}
    settings: dict[str, Any] = {}


class InstanceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. Settings and credentials are merged; null takes one back to its default."""

    name: Name | None = None
    settings: dict[str, Any] | None = None
    credentials: dict[str, str | None] | None = None


class ConnectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`phone_code` needs the `phone` that the code will be typed on."""

    method: instances.Method = "qr"
    phone: str | None = None


class DisconnectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`logout` also ends the pairing: the phone forgets the session, and connecting needs a new code."""

    logout: bool = False


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """`webhook_url` is where the provider must post to."""

    id: UUID
    kind: str
    server_id: UUID
    status: str
    status_reason: str | None
    status_at: datetime
    rank: int
    account: str | None
    webhook_url: str


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    status: str
    status_reason: str | None
    phone: str | None
    paused: bool
    settings: InstanceSettings
    connections: list[ConnectionView]
    created_at: datetime


class InstanceCreated(InstanceView, frozen=True, kw_only=True):
    """`token` is shown this once."""

    token: str


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """How the connection in use stands. `qr` or `pairing_code` is there while `status` is `qr`."""

    instance_id: UUID
    status: ConnectionStatus
    reason: str | None = None
    phone: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    expires_at: datetime | None = None
    details: dict[str, Any] = {}


@post("/", guards=[only_company])
async def create_instance(runtime: Runtime, principal: Principal, data: JSONBody[InstanceRequest]) -> InstanceCreated:
    """Create an instance on a server with room, with its first token."""
    created = await instances.create(runtime, principal.company, **msgspec.structs.asdict(data))
    return InstanceCreated(**msgspec.structs.asdict(view(runtime, created.described)), token=created.token)


@get("/", guards=[only_company])
async def list_instances(
    runtime: Runtime,
    principal: Principal,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
    status: StatusFilter = None,
) -> paging.Page[InstanceView]:
    """List the company's instances, the oldest first."""
    found = await instances.page(runtime, principal.company, after=paging.after(cursor), limit=limit + 1, status=status)
    return paging.page(found, limit, lambda one: view(runtime, one), lambda one: one.instance.id)


@get("/{instance_id:uuid}")
async def get_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> InstanceView:
    """Show an instance."""
    wanted = principal.check_instance(instance_id)
    return view(runtime, await instances.get(runtime, principal.company, wanted))


@patch("/{instance_id:uuid}", guards=[only_company])
async def update_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[InstanceChange]
) -> InstanceView:
    """Rename or reconfigure an instance, or give it new credentials."""
    changed = await instances.update(
        runtime,
        principal.company,
        instance_id,
        name=data.name,
        settings=data.settings,
        credentials=data.credentials,
    )
    return view(runtime, changed)


@delete("/{instance_id:uuid}", guards=[only_company])
async def delete_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> None:
    """Delete an instance: its session and tokens end, its queue is cancelled, its messages stay as history."""
    await instances.delete(runtime, principal.company, instance_id)


@post("/{instance_id:uuid}/tokens", guards=[only_company])
async def create_instance_token(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    data: JSONBody[TokenRequest] = TokenRequest(),  # noqa: B008  # Frozen.
) -> TokenCreated:
    """Create a further token of an instance."""
    return created_token(await tokens.create(runtime, principal.company, instance_id=instance_id, name=data.name))


@post("/{instance_id:uuid}/connect", status_code=200)
async def connect_instance(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    data: JSONBody[ConnectRequest] = ConnectRequest(),  # noqa: B008  # Frozen.
) -> StateView:
    """Start the session: answers with the code to show, or that it is connected."""
    wanted = principal.check_instance(instance_id)
    state = await instances.connect(runtime, principal.company, wanted, method=data.method, phone=data.phone)
    return state_view(wanted, state)


@get("/{instance_id:uuid}/qr")
async def get_qr(
    request: Request[Any, Any, Any], runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]
) -> Response[StateView | bytes]:
    """The code to show now, as JSON, or as a picture for `Accept: image/png`."""
    wanted = principal.check_instance(instance_id)
    state = await instances.pairing(runtime, principal.company, wanted)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if request.accept.best_match(["application/json", "image/png"], default="application/json") != "image/png":
        return Response(state_view(wanted, state), media_type="application/json", headers=headers)
    if state.qr is None:
        raise Conflict("The instance is being connected by a pairing code, which has no picture.", code="not_pairing")
    return Response(_png(state.qr), media_type="image/png", headers=headers)


@get("/{instance_id:uuid}/status")
async def get_status(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> StateView:
    """Ask the provider how the instance stands."""
    wanted = principal.check_instance(instance_id)
    return state_view(wanted, await instances.status(runtime, principal.company, wanted))


@post("/{instance_id:uuid}/restart", status_code=200)
async def restart_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> StateView:
    """Restart the session without a new pairing."""
    wanted = principal.check_instance(instance_id)
    return state_view(wanted, await instances.restart(runtime, principal.company, wanted))


@post("/{instance_id:uuid}/disconnect", status_code=200)
async def disconnect_instance(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    data: JSONBody[DisconnectRequest] = DisconnectRequest(),  # noqa: B008  # Frozen.
) -> StateView:
    """End the session; messages wait until it is connected again."""
    wanted = principal.check_instance(instance_id)
    state = await instances.disconnect(runtime, principal.company, wanted, logout=data.logout)
    return state_view(wanted, state)


@post("/{instance_id:uuid}/recover", status_code=200)
async def recover_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> StateView:
    """Check the session and bring it back if it is down."""
    wanted = principal.check_instance(instance_id)
    return state_view(wanted, await instances.recover(runtime, principal.company, wanted))


def view(runtime: Clients, described: instances.Described) -> InstanceView:
    """An instance as it is shown, defaults of its settings filled in."""
    instance = described.instance
    return InstanceView(
        id=instance.id,
        name=instance.name,
        status=instance.status,
        status_reason=instance.status_reason,
        phone=instance.phone,
        paused=instance.paused,
        settings=msgspec.convert(instance.settings, InstanceSettings),
        connections=[
            ConnectionView(
                id=placed.id,
                kind=placed.kind,
                server_id=placed.server_id,
                status=placed.status,
                status_reason=placed.status_reason,
                status_at=placed.status_at,
                rank=placed.rank,
                account=placed.account,
                webhook_url=runtime.directory.webhook_url(placed.kind, placed.hook_key),
            )
            for placed in described.connections
        ],
        created_at=instance.created_at,
    )


def state_view(instance_id: UUID, state: ConnectionState) -> StateView:
    """A connection's state as it is shown."""
    return StateView(instance_id=instance_id, **msgspec.structs.asdict(state))


def _png(text: str) -> bytes:
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="png", scale=8, border=4)
    return picture.getvalue()


router = Router(
    "/v1/instances",
    guards=[company_or_instance],
    tags=["Instances"],
    route_handlers=[
        create_instance,
        list_instances,
        get_instance,
        update_instance,
        delete_instance,
        create_instance_token,
        connect_instance,
        get_qr,
        get_status,
        restart_instance,
        disconnect_instance,
        recover_instance,
    ],
)
