"""`/v1/companies`: the tenants. For the admin token."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from recado.api import paging
from recado.api.dependencies import Runtime, only_admin
from recado.api.v1.tokens import TokenCreated, created_token
from recado.domain.settings import CompanySettings
from recado.services import companies, tokens
from recado.store import companies as store

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class CompanyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    settings: dict[str, Any] = {}


class CompanyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is absent stays. Settings are merged; null takes one back to its default."""

    name: Name | None = None
    status: companies.Status | None = None
    settings: dict[str, Any] | None = None


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `instance_id` the token is the whole company's."""

    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    instance_id: UUID | None = None


class CompanyView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    status: str
    settings: CompanySettings
    created_at: datetime


class CompanyCreated(CompanyView, frozen=True, kw_only=True):
    """`token` is shown this once."""

    token: str


@post("/")
async def create_company(runtime: Runtime, data: JSONBody[CompanyRequest]) -> CompanyCreated:
    """Create a company with its first token."""
    created = await companies.create(runtime, name=data.name, settings=data.settings)
    return CompanyCreated(**msgspec.structs.asdict(view(created.company)), token=created.token)


@get("/")
async def list_companies(
    runtime: Runtime, limit: paging.Limit = paging.DEFAULT_LIMIT, cursor: paging.Cursor = None
) -> paging.Page[CompanyView]:
    """List companies, the oldest first."""
    found = await companies.page(runtime, after=paging.after(cursor), limit=limit + 1)
    return paging.page(found, limit, view, lambda company: company.id)


@get("/{company_id:uuid}")
async def get_company(runtime: Runtime, company_id: FromPath[UUID]) -> CompanyView:
    """Show a company."""
    return view(await companies.get(runtime, company_id))


@patch("/{company_id:uuid}")
async def update_company(runtime: Runtime, company_id: FromPath[UUID], data: JSONBody[CompanyChange]) -> CompanyView:
    """Rename, suspend, activate or reconfigure a company."""
    return view(await companies.update(runtime, company_id, name=data.name, status=data.status, settings=data.settings))


@delete("/{company_id:uuid}")
async def delete_company(runtime: Runtime, company_id: FromPath[UUID]) -> None:
    """Delete a company and everything of it. There is no way back."""
    await companies.delete(runtime, company_id)


@post("/{company_id:uuid}/tokens")
async def create_company_token(
    runtime: Runtime,
    company_id: FromPath[UUID],
    data: JSONBody[TokenRequest] = TokenRequest(),  # noqa: B008  # Frozen.
) -> TokenCreated:
    """Create a further token of a company or of one of its instances."""
    await companies.get(runtime, company_id)
    return created_token(await tokens.create(runtime, company_id, instance_id=data.instance_id, name=data.name))


def view(company: store.Company) -> CompanyView:
    """A company as it is shown, defaults filled in."""
    return CompanyView(
        id=company.id,
        name=company.name,
        status=company.status,
        settings=msgspec.convert(company.settings, CompanySettings),
        created_at=company.created_at,
    )


router = Router(
    "/v1/companies",
    guards=[only_admin],
    tags=["Companies"],
    route_handlers=[
        create_company,
        list_companies,
        get_company,
        update_company,
        delete_company,
        create_company_token,
    ],
)
