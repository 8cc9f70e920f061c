"""What people do on their phones that no API of WhatsApp's does for them: they call, and describe their business."""

from typing import Annotated
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.errors import Conflict, invalid
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.states import ConnectionStatus
from recado.providers.sandbox import people, world
from recado.providers.sandbox.things import Call, CollectionOf, ProductOf, Saved
from recado.services import sandbox as sessions
from recado.services import sandbox_world
from recado.services.sandbox_world import Visit
from recado.store import db, sandbox

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class PhoneCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that a phone makes."""

    instance_id: UUID
    video: bool = False


class CallView(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """`call` is its id. It rings until the instance rejects it."""

    call: str
    from_: str
    instance_id: InstanceId
    video: bool


class CollectionDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`products` are ids of the instance's catalogue."""

    name: _Text
    products: list[str] = []


class Business(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The profile of a business, and the collections of its catalogue. What is left out is not there."""

    description: _Text | None = None
    address: _Text | None = None
    email: _Text | None = None
    websites: list[_Text] = []
    categories: list[_Text] = []
    collections: list[CollectionDraft] = []


async def call(database: db.Database, company_id: CompanyId, number: str, made: PhoneCall) -> CallView:
    """A phone calls an instance, which hears it ring unless it blocked the phone, or silences whom it did not save.

    Raises `NotFound` and `Conflict` for the instance.
    """
    number, id = sessions.number(number), ids.new().hex.upper()
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        callee = await _visit(transaction, company_id, InstanceId(made.instance_id))
        kept = Call(caller=number, video=made.video)
        await callee.put(id, kept)
        if await _rings(callee, number):
            await callee.tell([callee.number], people.called(id, kept), wait=False)
    return CallView(call=id, from_=number, instance_id=InstanceId(made.instance_id), video=made.video)


async def put_business(
    database: db.Database, company_id: CompanyId, instance_id: InstanceId, business: Business
) -> Business:
    """Describe an instance's business anew. Raises `Invalid` for a product that there is not, `NotFound` and `Conflict`."""
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        owner = await _visit(transaction, company_id, instance_id)
        products = await owner.find(ProductOf)
        for place, draft in enumerate(business.collections):
            if unknown := sorted(set(draft.products) - set(products)):
                raise invalid(f"collections[{place}].products", f"the catalogue has no product {unknown[0]}")
        profile = msgspec.to_builtins(msgspec.structs.replace(business, collections=[]))
        await owner.put("", msgspec.structs.replace(await world.account(owner), business=profile))
        for id in await owner.find(CollectionOf):
            await owner.drop(CollectionOf, id)
        for place, draft in enumerate(business.collections, start=1):
            await owner.put(str(place), CollectionOf(name=draft.name, products=draft.products))
    return business


async def _rings(callee: Visit, caller: str) -> bool:
    privacy = (await world.account(callee)).privacy
    if privacy.get("calls") == "known" and await callee.get(Saved, caller) is None:
        return False
    return not await sandbox_world.has_blocked(callee, caller)


async def _visit(transaction: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> Visit:
    for session in await sessions.of_instance(transaction, company_id, instance_id):
        if session.status == ConnectionStatus.CONNECTED and session.phone is not None:
            return Visit(transaction, company_id, session.connection_id, session.phone, sessions.now())
    raise Conflict(f"The instance {instance_id} is not connected to the sandbox.", code="not_connected")
