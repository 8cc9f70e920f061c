"""`/v1/tokens`: who may call. An admin sees all tokens, a company its own; their text is shown once, when made."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime, admin_or_company, only_admin
from recado.domain.ids import CompanyId
from recado.services import tokens
from recado.store import tokens as store

CompanyFilter = Annotated[UUID | None, QueryParameter(description="Only this company's; for the admin token.")]


class AdminTokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """`hint` shows level and last characters, so that its owner recognises it."""

    id: UUID
    level: store.Level
    company_id: UUID | None
    instance_id: UUID | None
    name: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None


class TokenCreated(TokenView, frozen=True, kw_only=True):
    """`token` is shown this once."""

    token: str


@get("/")
async def list_tokens(
    runtime: Runtime,
    principal: Principal,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
    company_id: CompanyFilter = None,
) -> paging.Page[TokenView]:
    """List tokens, the oldest first, revoked ones too."""
    wanted = principal.company_id or (None if company_id is None else CompanyId(company_id))
    found = await tokens.page(runtime, company_id=wanted, after=paging.after(cursor), limit=limit + 1)
    return paging.page(found, limit, view, lambda token: token.id)


@post("/", guards=[only_admin])
async def create_admin_token(
    runtime: Runtime,
    data: JSONBody[AdminTokenRequest] = AdminTokenRequest(),  # noqa: B008  # Frozen.
) -> TokenCreated:
    """Create a further admin token."""
    return created_token(await tokens.create_admin(runtime, name=data.name))


@post("/{token_id:uuid}/rotate")
async def rotate_token(runtime: Runtime, principal: Principal, token_id: FromPath[UUID]) -> TokenCreated:
    """Replace a token: the old one ends at once."""
    return created_token(await tokens.rotate(runtime, token_id, company_id=principal.company_id))


@delete("/{token_id:uuid}")
async def revoke_token(runtime: Runtime, principal: Principal, token_id: FromPath[UUID]) -> None:
    """Revoke a token: it ends at once."""
    await tokens.revoke(runtime, token_id, company_id=principal.company_id)


def view(token: store.Token) -> TokenView:
    """A token as it is shown."""
    return TokenView(**msgspec.structs.asdict(token))


def created_token(issued: tokens.Issued) -> TokenCreated:
    """A new token as it is shown once."""
    return TokenCreated(**msgspec.structs.asdict(issued.token), token=issued.secret)


router = Router(
    "/v1/tokens",
    guards=[admin_or_company],
    tags=["Tokens"],
    route_handlers=[list_tokens, create_admin_token, rotate_token, revoke_token],
)
