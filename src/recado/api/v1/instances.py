"""`/v1/instances`: the WhatsApp numbers of a company. An instance's own token may look at and connect that instance."""

import base64
import io
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import segno
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, company_or_instance, only_company
from recado.api.v1 import connections
from recado.api.v1.connections import ConnectionView, StateView, Which, state_view
from recado.api.v1.tokens import TokenCreated, created_token
from recado.domain.errors import Conflict
from recado.domain.provider import ConnectionState
from recado.domain.settings import InstanceSettings
from recado.domain.states import ConnectionStatus
from recado.services import failover, instances, recovering, tokens
from recado.services.runtime import Runtime as Clients

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
StatusFilter = Annotated[ConnectionStatus | None, QueryParameter(description="Only instances that stand so.")]


class InstanceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name a `kind` and the server is chosen, or name the server. `credentials` are what the provider needs for this
    number on the instance's first connection."""

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


class SwitchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection to send through from now on."""

    connection_id: UUID


class PasskeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`step` is that of `details.passkey`; `answer` is what the browser or the phone made of it."""

    step: Literal["challenge", "confirmation"]
    answer: dict[str, Any]


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of the number, in its own words."""

    instance_id: UUID
    connection_id: UUID
    kind: str
    account: dict[str, Any]


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


class RecoveredView(StateView, frozen=True, kw_only=True):
    """How the connection stands after the steps that were taken. `needs_person` says what only a person can do."""

    steps: list[recovering.Step]
    needs_person: str | None


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
    connection_id: Which = None,
    data: JSONBody[ConnectRequest] = ConnectRequest(),  # noqa: B008  # Frozen.
) -> StateView:
    """Start the session: answers with the code to show, or that it is connected."""
    wanted = principal.check_instance(instance_id)
    state = await instances.connect(
        runtime, principal.company, wanted, connection_id=connection_id, method=data.method, phone=data.phone
    )
    return state_view(wanted, state)


@get("/{instance_id:uuid}/qr")
async def get_qr(
    request: Request[Any, Any, Any],
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    connection_id: Which = None,
) -> Response[StateView | bytes]:
    """The code to show now, as JSON, or as a picture for `Accept: image/png`."""
    wanted = principal.check_instance(instance_id)
    state = await instances.pairing(runtime, principal.company, wanted, connection_id=connection_id)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if request.accept.best_match(["application/json", "image/png"], default="application/json") != "image/png":
        return Response(state_view(wanted, state), media_type="application/json", headers=headers)
    return Response(_picture(state), media_type="image/png", headers=headers)


@post("/{instance_id:uuid}/passkey", status_code=200)
async def answer_passkey(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    data: JSONBody[PasskeyRequest],
    connection_id: Which = None,
) -> StateView:
    """Go on with a pairing that asked for a passkey."""
    wanted = principal.check_instance(instance_id)
    state = await instances.answer_passkey(
        runtime, principal.company, wanted, step=data.step, answer=data.answer, connection_id=connection_id
    )
    return state_view(wanted, state)


@get("/{instance_id:uuid}/status")
async def get_status(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> StateView:
    """Ask the provider how the instance stands."""
    wanted = principal.check_instance(instance_id)
    return state_view(wanted, await instances.status(runtime, principal.company, wanted, connection_id=connection_id))


@get("/{instance_id:uuid}/account")
async def get_account(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> AccountView:
    """Ask the provider what it says of the number: its name, quality, limits."""
    wanted = principal.check_instance(instance_id)
    placed, account = await instances.account(runtime, principal.company, wanted, connection_id=connection_id)
    return AccountView(instance_id=wanted, connection_id=placed.id, kind=placed.kind, account=account)


@post("/{instance_id:uuid}/restart", status_code=200)
async def restart_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> StateView:
    """Restart the session without a new pairing."""
    wanted = principal.check_instance(instance_id)
    return state_view(wanted, await instances.restart(runtime, principal.company, wanted, connection_id=connection_id))


@post("/{instance_id:uuid}/disconnect", status_code=200)
async def disconnect_instance(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    connection_id: Which = None,
    data: JSONBody[DisconnectRequest] = DisconnectRequest(),  # noqa: B008  # Frozen.
) -> StateView:
    """End the session; messages wait until it is connected again, or switched to another connection by call."""
    wanted = principal.check_instance(instance_id)
    state = await instances.disconnect(
        runtime, principal.company, wanted, connection_id=connection_id, logout=data.logout
    )
    return state_view(wanted, state)


@post("/{instance_id:uuid}/recover", status_code=200)
async def recover_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], connection_id: Which = None
) -> RecoveredView:
    """Bring a connection back that is down or looks dead, now; answers with how it stands and what was done."""
    wanted = principal.check_instance(instance_id)
    done = await instances.recover(runtime, principal.company, wanted, connection_id=connection_id)
    return RecoveredView(
        **msgspec.structs.asdict(state_view(wanted, done.state)), steps=done.steps, needs_person=done.needs_person
    )


@post("/{instance_id:uuid}/switch", status_code=200, guards=[only_company])
async def switch_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[SwitchRequest]
) -> InstanceView:
    """Send through another connection from now on, until it fails or is switched again. Accepting goes on."""
    await failover.switch(runtime, principal.company, instance_id, data.connection_id)
    return view(runtime, await instances.get(runtime, principal.company, instance_id))


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
        connections=[connections.view(runtime, placed) for placed in described.connections],
        created_at=instance.created_at,
    )


def _picture(state: ConnectionState) -> bytes:
    """The code as a PNG: drawn from its text, or the provider's own where it gives no text."""
    own = str(state.details.get("qr_image", ""))
    if state.qr is None and own.startswith("data:image/png;base64,"):
        return base64.b64decode(own.partition(",")[2])
    if state.qr is None:
        raise Conflict("The instance is being connected by a pairing code, which has no picture.", code="not_pairing")
    picture = io.BytesIO()
    segno.make(state.qr, error="m", micro=False).save(picture, kind="png", scale=8, border=4)
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
        answer_passkey,
        get_status,
        get_account,
        restart_instance,
        disconnect_instance,
        recover_instance,
        switch_instance,
        connections.router,
    ],
)
