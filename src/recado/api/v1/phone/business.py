"""What a business number has: labels and a catalogue."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.api.v1.phone.common import Text, router
from recado.domain.operations import Catalogue, Collection, Label, Labels, Product, ProductDraft
from recado.services import operating

Owner = Annotated[str | None, QueryParameter(description="Whose catalogue; without it, the number's own.")]


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`color` as the provider names its colours."""

    name: Text
    color: str | None = None


@get("/labels")
async def list_labels(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> list[Label]:
    """The labels on the phone."""
    return await operating.call(runtime, principal, instance_id, Labels.list_labels)


@post("/labels")
async def create_label(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[LabelRequest]
) -> Label:
    """Make a label."""
    return await operating.call(runtime, principal, instance_id, Labels.create_label, name=data.name, color=data.color)


@patch("/labels/{label:str}", status_code=204)
async def update_label(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    label: FromPath[str],
    data: JSONBody[LabelRequest],
) -> None:
    """Change a label."""
    await operating.call(
        runtime, principal, instance_id, Labels.update_label, label=label, name=data.name, color=data.color
    )


@delete("/labels/{label:str}")
async def delete_label(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], label: FromPath[str]
) -> None:
    """Remove a label."""
    await operating.call(runtime, principal, instance_id, Labels.delete_label, label=label)


@put("/labels/{label:str}/chats/{chat:str}", status_code=204)
async def label_chat(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], label: FromPath[str], chat: FromPath[str]
) -> None:
    """Put a label on a chat."""
    await _label(runtime, principal, instance_id, label, chat, labelled=True)


@delete("/labels/{label:str}/chats/{chat:str}")
async def unlabel_chat(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], label: FromPath[str], chat: FromPath[str]
) -> None:
    """Take a label off a chat."""
    await _label(runtime, principal, instance_id, label, chat, labelled=False)


@get("/products")
async def list_products(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    contact: Owner = None,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
) -> list[Product]:
    """Products of a catalogue."""
    owner = await _owner(runtime, principal, contact)
    return await operating.call(runtime, principal, instance_id, Catalogue.list_products, contact=owner, limit=limit)


@post("/products")
async def create_product(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[ProductDraft]
) -> Product:
    """Add a product to the number's own catalogue."""
    return await operating.call(runtime, principal, instance_id, Catalogue.save_product, product=None, draft=data)


@get("/products/{product:str}")
async def get_product(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    product: FromPath[str],
    contact: Owner = None,
) -> Product:
    """One product."""
    owner = await _owner(runtime, principal, contact)
    return await operating.call(runtime, principal, instance_id, Catalogue.get_product, product=product, contact=owner)


@put("/products/{product:str}")
async def replace_product(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    product: FromPath[str],
    data: JSONBody[ProductDraft],
) -> Product:
    """Change a product of the number's own catalogue."""
    return await operating.call(runtime, principal, instance_id, Catalogue.save_product, product=product, draft=data)


@delete("/products/{product:str}")
async def delete_product(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], product: FromPath[str]
) -> None:
    """Remove a product."""
    await operating.call(runtime, principal, instance_id, Catalogue.delete_product, product=product)


@get("/collections")
async def list_collections(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: Owner = None
) -> list[Collection]:
    """Collections of products."""
    owner = await _owner(runtime, principal, contact)
    return await operating.call(runtime, principal, instance_id, Catalogue.list_collections, contact=owner)


async def _label(
    runtime: Runtime, principal: Principal, instance_id: UUID, label: str, chat: str, *, labelled: bool
) -> None:
    wanted = await operating.address(runtime, principal, chat, field="chat")
    await operating.call(
        runtime, principal, instance_id, Labels.label_chat, chat=wanted, label=label, labelled=labelled
    )


async def _owner(runtime: Runtime, principal: Principal, contact: str | None) -> str | None:
    return None if contact is None else await operating.address(runtime, principal, contact, field="contact")


routers = [
    router(
        "Phone: labels",
        [list_labels, create_label, update_label, delete_label, label_chat, unlabel_chat],
    ),
    router(
        "Phone: catalogue",
        [
            list_products,
            create_product,
            get_product,
            replace_product,
            delete_product,
            list_collections,
        ],
    ),
]
