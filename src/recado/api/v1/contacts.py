"""`/v1/contacts`: the people and groups that a company's instances talk with."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from recado.api import dependencies, paging
from recado.api.dependencies import Principal, Runtime
from recado.domain.ids import InstanceId
from recado.services import contacts as service
from recado.store import contacts

Phone = Annotated[str | None, QueryParameter(description="Only the contact with this phone, in digits.")]
Name = Annotated[str | None, QueryParameter(description="Only names that hold this text, without regard to case.")]
Instance = Annotated[UUID | None, QueryParameter(description="Only contacts that this instance talks with.")]


class IdentityView(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider calls the contact. `kind`: phone, lid, bsuid, username or group."""

    kind: str
    value: str


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """`phone` is null where the providers do not tell it; of several it is the one that WhatsApp writes."""

    id: UUID
    kind: str
    name: str | None
    phone: str | None
    identities: list[IdentityView]
    created_at: datetime


@get("/")
async def list_contacts(
    runtime: Runtime,
    principal: Principal,
    phone: Phone = None,
    name: Name = None,
    instance_id: Instance = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> paging.Page[ContactView]:
    """The newest first."""
    rows = await service.page(
        runtime,
        principal.company,
        before=paging.after(cursor),
        phone=phone.lstrip("+") if phone else None,
        name=name,
        instance_id=seen_by(principal, instance_id),
        limit=limit,
    )
    return paging.page(rows, limit, _view, lambda row: row.id)


@get("/{contact_id:uuid}")
async def get_contact(runtime: Runtime, principal: Principal, contact_id: FromPath[UUID]) -> ContactView:
    """One contact. The id of one that was merged into another answers with that one: its `id` is then another."""
    return _view(await service.get(runtime, principal.company, contact_id, principal.instance_id))


def seen_by(principal: Principal, instance_id: UUID | None) -> InstanceId | None:
    """The instance to keep to: the one asked for, or a token's own. Raises `NotFound` for another's."""
    return principal.instance_id if instance_id is None else principal.check_instance(instance_id)


def _view(row: contacts.Contact) -> ContactView:
    return ContactView(
        id=row.id,
        kind=row.kind,
        name=row.name,
        phone=next((identity.value for identity in row.identities if identity.kind == "phone"), None),
        identities=[IdentityView(kind=identity.kind, value=identity.value) for identity in row.identities],
        created_at=row.created_at,
    )


router = Router(
    "/v1/contacts",
    route_handlers=[list_contacts, get_contact],
    guards=[dependencies.company_or_instance],
    tags=["Contacts"],
)
