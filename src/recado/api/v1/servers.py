"""`/v1/servers`: providers' installations. For the admin token. Credentials go in and never come out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Runtime, only_admin
from recado.services import servers
from recado.services.runtime import Runtime as Clients
from recado.store import servers as store

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Room = Annotated[int, msgspec.Meta(ge=0, le=2_000_000_000)]
Region = Annotated[str, msgspec.Meta(max_length=100)]
KindFilter = Annotated[str | None, QueryParameter(description="Only servers of this kind.")]
CompanyFilter = Annotated[UUID | None, QueryParameter(description="Only this company's own servers.")]


class ServerRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`base_url` may be left out where the provider has one address for everybody. Without `company_id` every
    company may use the server."""

    name: Name
    kind: str
    base_url: Url | None = None
    credentials: dict[str, str] = {}
    max_instances: Room = 1_000
    region: Region | None = None
    company_id: UUID | None = None


class ServerChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. Credentials are merged; null takes one away."""

    name: Name | None = None
    base_url: Url | None = None
    credentials: dict[str, str | None] | None = None
    max_instances: Room | None = None
    region: Region | None = None
    status: servers.Status | None = None


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """`credentials` are the names of those that are set. `webhook_url` is for providers that post the events of a
    whole installation to one address. `latency_ms` is that of the last check; `error_rate` (0 to 1) counts the checks
    of the server and of its connections in about the last five minutes."""

    id: UUID
    company_id: UUID | None
    name: str
    kind: str
    base_url: str
    credentials: list[str]
    max_instances: int
    instances: int
    region: str | None
    status: str
    healthy: bool
    unhealthy_since: datetime | None
    health_error: str | None
    latency_ms: float | None
    error_rate: float | None
    version: str | None
    checked_at: datetime | None
    webhook_url: str
    created_at: datetime


@post("/")
async def create_server(runtime: Runtime, data: JSONBody[ServerRequest]) -> ServerView:
    """Register a provider's installation."""
    return view(runtime, await servers.create(runtime, **msgspec.structs.asdict(data)))


@get("/")
async def list_servers(
    runtime: Runtime,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
    kind: KindFilter = None,
    company_id: CompanyFilter = None,
) -> paging.Page[ServerView]:
    """List servers, the oldest first."""
    found = await servers.page(runtime, after=paging.after(cursor), limit=limit + 1, kind=kind, company_id=company_id)
    return paging.page(found, limit, lambda server: view(runtime, server), lambda server: server.id)


@get("/{server_id:uuid}")
async def get_server(runtime: Runtime, server_id: FromPath[UUID]) -> ServerView:
    """Show a server."""
    return view(runtime, await servers.get(runtime, server_id))


@patch("/{server_id:uuid}")
async def update_server(runtime: Runtime, server_id: FromPath[UUID], data: JSONBody[ServerChange]) -> ServerView:
    """Change a server; `status: active` ends a drain."""
    return view(runtime, await servers.update(runtime, server_id, **msgspec.structs.asdict(data)))


@delete("/{server_id:uuid}")
async def delete_server(runtime: Runtime, server_id: FromPath[UUID]) -> None:
    """Remove a server that has no instances."""
    await servers.delete(runtime, server_id)


@post("/{server_id:uuid}/check", status_code=200)
async def check_server(runtime: Runtime, server_id: FromPath[UUID]) -> ServerView:
    """Ask a server now how it is."""
    return view(runtime, await servers.check(runtime, server_id))


@post("/{server_id:uuid}/drain", status_code=200)
async def drain_server(runtime: Runtime, server_id: FromPath[UUID]) -> ServerView:
    """Place no more instances on a server; those that are there stay."""
    return view(runtime, await servers.update(runtime, server_id, status="draining"))


def view(runtime: Clients, server: store.Server) -> ServerView:
    """A server as it is shown."""
    shown = msgspec.structs.asdict(server)
    key = shown.pop("hook_key")
    shown["credentials"] = sorted(servers.opened(runtime, server))
    return ServerView(**shown, webhook_url=runtime.directory.webhook_url(server.kind, key))


router = Router(
    "/v1/servers",
    guards=[only_admin],
    tags=["Servers"],
    route_handlers=[
        create_server,
        list_servers,
        get_server,
        update_server,
        delete_server,
        check_server,
        drain_server,
    ],
)
