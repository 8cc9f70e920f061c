"""Opening instances to Z-API clients, and the company's account on that surface."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from recado.api import dependencies
from recado.api.dependencies import Principal, Runtime
from recado.services.zapi import accounts, partners
from recado.services.zapi.accounts import AccountView, Opened

Token = Annotated[str, msgspec.Meta(min_length=16, max_length=256)]


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The id and token that the instance had at Z-API; what is left out is made."""

    id: str | None = None
    token: str | None = None


class InstanceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`queue_limit` is how many messages may wait while the phone is disconnected; 1,000 as at Z-API unless it is set."""

    queue_limit: int


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed. `client_token` and `partner_token` are those that the account had at Z-API."""

    client_token: Token | None = None
    client_token_enabled: bool | None = None
    partner_token: Token | None = None
    settings: dict[str, Any] | None = None


class ClientToken(msgspec.Struct, frozen=True, kw_only=True):
    client_token: str


@put("/instances/{instance_id:uuid}/zapi")
async def open_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[OpenRequest]
) -> Opened:
    """Let Z-API clients use the instance. The answer has the address that takes the place of Z-API's."""
    return await accounts.open_instance(runtime, principal.company, instance_id, id=data.id, token=data.token)


@get("/instances/{instance_id:uuid}/zapi")
async def show_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> Opened:
    """By what Z-API clients use the instance."""
    return await accounts.show_instance(runtime, principal.company, instance_id)


@patch("/instances/{instance_id:uuid}/zapi")
async def change_instance(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[InstanceChange]
) -> Opened:
    """Change how many messages wait for the instance's phone."""
    return await accounts.change_instance(runtime, principal.company, instance_id, queue_limit=data.queue_limit)


@delete("/instances/{instance_id:uuid}/zapi")
async def close_instance(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> None:
    """Refuse Z-API clients from now on. What they sent goes on."""
    await partners.close_instance(runtime, principal.company, instance_id)


@get("/zapi")
async def show_account(runtime: Runtime, principal: Principal) -> AccountView:
    """The company's account on the Z-API surface."""
    return await accounts.show_account(runtime, principal.company)


@patch("/zapi")
async def change_account(runtime: Runtime, principal: Principal, data: JSONBody[AccountChange]) -> AccountView:
    """Change the account: its tokens, whether the Client-Token is asked for, and what its clients expect."""
    return await accounts.change_account(
        runtime,
        principal.company,
        settings=data.settings,
        client_token=data.client_token,
        client_token_enabled=data.client_token_enabled,
        partner_token=data.partner_token,
    )


@post("/zapi/client-token", status_code=201)
async def make_client_token(runtime: Runtime, principal: Principal) -> ClientToken:
    """Make a new Client-Token in place of the one before, shown once. None is asked for from then on until it is enabled."""
    return ClientToken(client_token=await accounts.new_client_token(runtime, principal.company))


router = Router(
    "/v1",
    route_handlers=[
        open_instance,
        show_instance,
        change_instance,
        close_instance,
        show_account,
        change_account,
        make_client_token,
    ],
    guards=[dependencies.only_company],
    tags=["Z-API"],
)
