"""The catalogue of a sandbox account: products that the API keeps, collections that its owner makes on the phone."""

import secrets

import msgspec

from recado.domain import operations
from recado.domain.operations import Collection, Product, ProductDraft
from recado.domain.provider import Connection
from recado.providers.sandbox import world as worlds
from recado.providers.sandbox.things import CollectionOf, ProductOf
from recado.providers.sandbox.world import Visitor, World, missing


class Catalogue(Visitor, operations.Catalogue):
    async def list_products(self, connection: Connection, *, contact: str | None, limit: int) -> list[Product]:
        """The oldest first. Others do not see what is hidden."""
        async with self._looking(connection) as world:
            return list((await _products(world, contact)).values())[:limit]

    async def get_product(self, connection: Connection, *, product: str, contact: str | None) -> Product:
        """One product."""
        async with self._looking(connection) as world:
            found = (await _products(world, contact)).get(product)
            if found is None:
                raise missing("product")
            return found

    async def save_product(self, connection: Connection, *, product: str | None, draft: ProductDraft) -> Product:
        """A change replaces all of it."""
        async with self._changing(connection) as world:
            if product is not None and await world.get(ProductOf, product) is None:
                raise missing("product")
            id = product or f"{secrets.randbelow(9 * 10**15) + 10**15}"
            kept = msgspec.convert(msgspec.to_builtins(draft), ProductOf)
            await world.put(id, kept)
            return _product(id, kept)

    async def delete_product(self, connection: Connection, *, product: str) -> None:
        """It leaves its collections too."""
        async with self._changing(connection) as world:
            if await world.get(ProductOf, product) is None:
                raise missing("product")
            await world.drop(ProductOf, product)
            for id, collection in (await world.find(CollectionOf, {"products": [product]})).items():
                left = [one for one in collection.products if one != product]
                await world.put(id, msgspec.structs.replace(collection, products=left))

    async def list_collections(self, connection: Connection, *, contact: str | None) -> list[Collection]:
        """Those of `PUT /sandbox/instances/{id}/business`."""
        async with self._looking(connection) as world:
            products = await _products(world, contact)
            found = await world.find(CollectionOf, of=await _owner(world, contact))
            return [
                Collection(
                    collection=id, name=one.name, products=[products[id] for id in one.products if id in products]
                )
                for id, one in found.items()
            ]


async def _owner(world: World, contact: str | None) -> str:
    return world.number if contact is None else await worlds.person(world, contact)


async def _products(world: World, contact: str | None) -> dict[str, Product]:
    """A catalogue as the visitor sees it, by id."""
    owner = await _owner(world, contact)
    found = await world.find(ProductOf, of=owner)
    return {id: _product(id, one) for id, one in found.items() if owner == world.number or not one.hidden}


def _product(id: str, kept: ProductOf) -> Product:
    return Product(
        product=id,
        name=kept.name,
        description=kept.description,
        price=kept.price,
        currency=kept.currency,
        retailer_id=kept.retailer_id,
        url=kept.url,
        images=kept.images,
        hidden=kept.hidden,
    )
