"""The phone's address book, who is on WhatsApp, and whom the number has blocked."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.api.paging import Page
from recado.api.v1.phone.common import Identifier, Text, router
from recado.domain.operations import Blocklist, Checked, Contacts, Person
from recado.services import operating

Numbers = Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=100)]


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phones: Numbers


class NameRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text


class PictureAddress(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is null where there is no picture, or none that the number may see."""

    url: str | None


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    data: list[str]


@get("/operations")
async def list_operations(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> list[str]:
    """The operations that the instance's present provider has."""
    return await operating.supported(runtime, principal, instance_id)


@get("/address-book")
async def list_address_book(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> Page[Person]:
    """The address book of the phone."""
    position = paging.offset(cursor)
    found = await operating.call(runtime, principal, instance_id, Contacts.list_contacts, limit=limit, offset=position)
    return paging.offset_page(found, limit, position)


@post("/address-book/check", status_code=200)
async def check_numbers(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[CheckRequest]
) -> list[Checked]:
    """Whether numbers are on WhatsApp, and how WhatsApp writes them."""
    phones = [
        await operating.address(runtime, principal, phone, field=f"phones[{place}]")
        for place, phone in enumerate(data.phones)
    ]
    return await operating.call(runtime, principal, instance_id, Contacts.check_numbers, phones=phones)


@get("/address-book/{contact:str}")
async def get_person(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: FromPath[str]
) -> Person:
    """One person, in the address book or not."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    return await operating.call(runtime, principal, instance_id, Contacts.get_contact, contact=wanted)


@get("/address-book/{contact:str}/picture")
async def get_picture(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: FromPath[str]
) -> PictureAddress:
    """The picture of a person or a group."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    return PictureAddress(
        url=await operating.call(runtime, principal, instance_id, Contacts.get_picture, contact=wanted)
    )


@put("/address-book/{contact:str}", status_code=204)
async def save_person(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    contact: FromPath[str],
    data: JSONBody[NameRequest],
) -> None:
    """Add a person to the address book, or rename one."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    await operating.call(runtime, principal, instance_id, Contacts.save_contact, phone=wanted, name=data.name)


@delete("/address-book/{contact:str}")
async def remove_person(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: FromPath[str]
) -> None:
    """Take a person off the address book."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    await operating.call(runtime, principal, instance_id, Contacts.remove_contact, phone=wanted)


@get("/blocklist")
async def list_blocked(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> Blocked:
    """Whom the number has blocked."""
    return Blocked(data=await operating.call(runtime, principal, instance_id, Blocklist.list_blocked))


@put("/blocklist/{contact:str}", status_code=204)
async def block_person(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: FromPath[str]
) -> None:
    """Block somebody."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    await operating.call(runtime, principal, instance_id, Blocklist.block_contact, contact=wanted)


@delete("/blocklist/{contact:str}")
async def unblock_person(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: FromPath[str]
) -> None:
    """Take a block back."""
    wanted = await operating.address(runtime, principal, contact, field="contact")
    await operating.call(runtime, principal, instance_id, Blocklist.unblock_contact, contact=wanted)


routers = [
    router(
        "Phone: people",
        [
            list_operations,
            list_address_book,
            check_numbers,
            get_person,
            get_picture,
            save_person,
            remove_person,
            list_blocked,
            block_person,
            unblock_person,
        ],
    )
]
