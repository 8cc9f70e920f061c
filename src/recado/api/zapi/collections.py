"""Collections, in which a business sorts the products of its catalogue."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.catalogue import OF_PHONE, PRICES, CatalogueProduct, CursorQuery, OfCatalogue, facts
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed, RelayedFirst
from recado.api.zapi.route import Answer, Body, Call, Example, Method, Route, Success
from recado.domain.operations import Catalogue, Collection, Product

_COLLECTIONS = "Only Z-API itself changes collections; with another provider, do it on the phone."


class CollectionShown(Answer, frozen=True, kw_only=True):
    id: str
    name: str | None
    status: str | None


class Collections(Answer, frozen=True, kw_only=True):
    next_cursor: str | None
    collections: tuple[CollectionShown, ...]


class ListCollections(OfCatalogue, RelayedFirst):
    """List the collections of the number's own catalogue."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/catalogs/collection"
    query: ClassVar[Any] = CursorQuery
    answers: ClassVar[Any] = Collections
    needs: ClassVar[tuple[str, ...]] = ("list_collections",)
    note: ClassVar[str] = f"Other providers than Z-API list all at once. {asking.ELSEWHERE}"
    example: ClassVar[Example] = Example(
        answer={
            "nextCursor": "AQHRi",
            "collections": [{"id": examples.COLLECTION, "name": "Nome da coleção", "status": "APPROVED"}],
        }
    )

    async def otherwise(self, call: Call) -> Any:
        """All of them."""
        found = await asking.recall(call, Catalogue.list_collections, contact=None)
        shown = tuple(CollectionShown(id=one.collection, name=one.name, status=None) for one in found.value)
        return asking.dated(Collections(next_cursor=None, collections=shown), found)


class Image(Answer, frozen=True, kw_only=True):
    url: str


class CollectionProduct(Answer, frozen=True, kw_only=True):
    """A product of a collection as the present documentation has it: `price` is a number."""

    id: str
    name: str | None
    description: str | None
    price: int | None
    currency: str | None
    images: tuple[Image, ...]


class OlderProduct(CatalogueProduct, frozen=True, kw_only=True):
    url: str | None
    is_hidden: bool | None


class OlderProducts(Answer, frozen=True, kw_only=True):
    """The products of a collection as the older documentation has them."""

    next_cursor: str | None
    products: tuple[OlderProduct, ...]


class CollectionQuery(CursorQuery, frozen=True, kw_only=True):
    collection_id: str


class CollectionProducts(OfCatalogue, RelayedFirst):
    """List the products of a business's collection."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/catalogs/collection-products/{phone}"
    query: ClassVar[Any] = CollectionQuery
    answers: ClassVar[Any] = tuple[CollectionProduct, ...] | OlderProducts
    needs: ClassVar[tuple[str, ...]] = ("list_collections",)
    note: ClassVar[str] = (
        "An account set to the older documentation is answered with `{nextCursor, products}`, for clients written before "
        f"2026. {PRICES} {asking.ELSEWHERE}"
    )
    example: ClassVar[Example] = Example(
        path=OF_PHONE,
        query={"collectionId": examples.COLLECTION},
        answer=[
            {
                "id": examples.PRODUCT,
                "name": "Nome do produto",
                "description": "Descrição do produto",
                "price": 9900,
                "currency": "BRL",
                "images": [{"url": "https://example.com/image.jpg"}],
            }
        ],
    )

    async def otherwise(self, call: Call) -> Any:
        """All of them."""
        owner = fields.recipient(call.path["phone"])
        found = await asking.recall(call, Catalogue.list_collections, contact=owner)
        products = _of(found.value, call.query.collection_id)
        if call.view.account.documentation == "older":
            shown = tuple(_older(one) for one in products)
            return asking.dated(OlderProducts(next_cursor=None, products=shown), found)
        return asking.dated(tuple(_collected(one) for one in products), found)


class CollectionBody(Body, frozen=True, kw_only=True):
    name: fields.Text
    product_ids: tuple[fields.Text, ...]


class CollectionMade(Answer, frozen=True, kw_only=True):
    collection_id: str


class CollectionChanged(Answer, frozen=True, kw_only=True):
    success: bool
    collection_id: str


_CHANGED = {"success": True, "collectionId": examples.COLLECTION}


class CreateCollection(OfCatalogue, Relayed):
    """Make a collection of products."""

    path: ClassVar[str] = "/catalogs/collection"
    body: ClassVar[Any] = CollectionBody
    answers: ClassVar[Any] = CollectionMade
    reason: ClassVar[str] = _COLLECTIONS
    example: ClassVar[Example] = Example(
        body={"name": "Nome da coleção", "productIds": [examples.PRODUCT]}, answer={"collectionId": examples.COLLECTION}
    )


class CollectionName(Body, frozen=True, kw_only=True):
    name: fields.Text


class EditCollection(OfCatalogue, Relayed):
    """Rename a collection."""

    path: ClassVar[str] = "/catalogs/collection-edit/{collectionId}"
    body: ClassVar[Any] = CollectionName
    answers: ClassVar[Any] = CollectionChanged
    reason: ClassVar[str] = _COLLECTIONS
    example: ClassVar[Example] = Example(
        path={"collectionId": examples.COLLECTION}, body={"name": "Novo nome da coleção"}, answer=_CHANGED
    )


class DeleteCollection(OfCatalogue, Relayed):
    """Remove a collection."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/catalogs/collection/{collectionId}"
    answers: ClassVar[Any] = Success
    reason: ClassVar[str] = _COLLECTIONS
    example: ClassVar[Example] = Example(path={"collectionId": examples.COLLECTION}, answer=examples.SUCCESS)


class CollectedBody(Body, frozen=True, kw_only=True):
    collection_id: fields.Text
    product_ids: tuple[fields.Text, ...]


class _Collect(OfCatalogue, Relayed, abc.ABC):
    """A route that changes which products are in a collection."""

    body: ClassVar[Any] = CollectedBody
    answers: ClassVar[Any] = CollectionChanged
    reason: ClassVar[str] = _COLLECTIONS
    example: ClassVar[Example] = Example(
        body={"collectionId": examples.COLLECTION, "productIds": [examples.PRODUCT]}, answer=_CHANGED
    )


class AddProducts(_Collect):
    """Put products into a collection."""

    path: ClassVar[str] = "/catalogs/collection/add-product"


class RemoveProducts(_Collect):
    """Take products out of a collection."""

    path: ClassVar[str] = "/catalogs/collection/remove-product"


ROUTES: tuple[Route, ...] = (
    ListCollections(),
    CollectionProducts(),
    CreateCollection(),
    EditCollection(),
    DeleteCollection(),
    AddProducts(),
    RemoveProducts(),
)


def _of(collections: Sequence[Collection], identifier: str) -> Sequence[Product]:
    """The products of a collection. Raises `ZapiError` where it is not there."""
    for one in collections:
        if one.collection == identifier:
            return one.products
    raise ZapiError("collectionId: there is no such collection")


def _older(product: Product) -> OlderProduct:
    return OlderProduct(url=product.url, is_hidden=product.hidden, **facts(product))


def _collected(product: Product) -> CollectionProduct:
    return CollectionProduct(
        id=product.product,
        name=product.name,
        description=product.description,
        price=product.price,
        currency=product.currency,
        images=tuple(Image(url=url) for url in product.images),
    )
