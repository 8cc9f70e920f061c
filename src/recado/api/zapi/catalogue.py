"""The catalogue of a business: its products."""

import abc
from typing import Annotated, Any, ClassVar

import msgspec

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed, RelayedFirst
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Success
from recado.domain.operations import Catalogue, Product, ProductDraft

#: How many products an answer holds. `nextCursor` is here the number of those before.
_PAGE = 100
#: Where a cursor may begin: no catalogue of WhatsApp's is larger.
_MOST = 10_000
#: Products are made with a price in the currency's unit and read in thousandths of it, as in the vendor's examples: a product
#: made with the price 20 is read with "20000".
_THOUSANDTHS = 1_000
_IN_STOCK = "in stock"
PRICES = (
    "The vendor does not say what a `price` is in; other providers answer thousandths of the currency's unit "
    '("20000" is 20), as WhatsApp keeps them.'
)
_NEXT = (
    f"Other providers than Z-API answer {_PAGE} products at a time and do not tell `cartEnabled`, `availability`, "
    "`salePrice` and `quantity`."
)


class OfCatalogue(Route, abc.ABC):
    domain: ClassVar[Domain] = "catalog"


# --- products ---------------------------------------------------------------------------------------------


class CatalogueProduct(Answer, frozen=True, kw_only=True):
    """A product in a catalogue."""

    availability: str | None
    id: str
    retailer_id: str | None
    description: str | None
    price: str | None
    sale_price: str | None
    currency: str | None
    name: str | None
    quantity: str | None
    images: tuple[str, ...]


class Products(Answer, frozen=True, kw_only=True):
    """A page of a catalogue. `nextCursor` is there while there is more."""

    cart_enabled: bool | None
    products: tuple[CatalogueProduct, ...]
    next_cursor: str | msgspec.UnsetType = msgspec.UNSET


class CursorQuery(Body, frozen=True, kw_only=True):
    next_cursor: str | None = None


_PRODUCT = {
    "availability": _IN_STOCK,
    "id": examples.PRODUCT,
    "retailerId": None,
    "description": "Descrição do mouse",
    "price": "100000",
    "salePrice": "90000",
    "currency": "BRL",
    "name": "Mouse",
    "quantity": None,
    "images": ["https://example.com/image.jpg"],
}
_PRODUCTS = {"cartEnabled": True, "products": [_PRODUCT]}
OF_PHONE = {"phone": examples.PHONE}


class _ListProducts(OfCatalogue, RelayedFirst, abc.ABC):
    """A route that lists the products of a catalogue: the number's own, or that of `{phone}`."""

    answers: ClassVar[Any] = Products
    needs: ClassVar[tuple[str, ...]] = ("list_products",)
    note: ClassVar[str] = f"{PRICES} {_NEXT} {asking.ELSEWHERE}"

    async def otherwise(self, call: Call) -> Any:
        """A page."""
        given = call.query if self.method == "GET" else call.body
        skipped = _skipped(given.next_cursor)
        owner = fields.recipient(call.path["phone"]) if "phone" in call.path else None
        # One more tells whether there is a page behind this one.
        found = await asking.recall(call, Catalogue.list_products, contact=owner, limit=skipped + _PAGE + 1)
        page = found.value[skipped : skipped + _PAGE]
        more = len(found.value) > skipped + _PAGE
        return asking.dated(
            Products(
                cart_enabled=None,
                products=tuple(_product(one) for one in page),
                next_cursor=str(skipped + _PAGE) if more else msgspec.UNSET,
            ),
            found,
        )


class OwnCatalogue(_ListProducts):
    """List the products of the number's own catalogue."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/catalogs"
    query: ClassVar[Any] = CursorQuery
    example: ClassVar[Example] = Example(answer=_PRODUCTS)


class OwnCatalogueByBody(_ListProducts):
    """List the products of the number's own catalogue, with a cursor of any length."""

    path: ClassVar[str] = "/catalogs"
    body: ClassVar[Any] = CursorQuery
    example: ClassVar[Example] = Example(body={}, answer=_PRODUCTS)


class CatalogueOf(_ListProducts):
    """List the products of a business's catalogue."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/catalogs/{phone}"
    query: ClassVar[Any] = CursorQuery
    example: ClassVar[Example] = Example(path=OF_PHONE, answer=_PRODUCTS)


class CatalogueOfByBody(_ListProducts):
    """List the products of a business's catalogue, with a cursor of any length."""

    path: ClassVar[str] = "/catalogs/{phone}"
    body: ClassVar[Any] = CursorQuery
    example: ClassVar[Example] = Example(path=OF_PHONE, body={}, answer=_PRODUCTS)


class FlatProduct(Answer, frozen=True, kw_only=True):
    """A product as the present documentation has it."""

    cart_enabled: bool | None
    catalog_id: str | None
    availability: str | None
    id: str
    retailer_id: str | None
    description: str | None
    price: str | None
    sale_price: str | None
    currency: str | None
    name: str | None
    images: tuple[str, ...]


class NestedProduct(Answer, frozen=True, kw_only=True):
    """A product as the older documentation has it."""

    cart_enabled: bool | None
    catalog_id: str | None
    product: CatalogueProduct


_FLAT = {"cartEnabled": True, "catalogId": "999999999999999"} | {
    name: value for name, value in _PRODUCT.items() if name != "quantity"
}


class GetProduct(OfCatalogue, RelayedFirst):
    """Read a product of the number's own catalogue."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/products/{productId}"
    answers: ClassVar[Any] = FlatProduct
    needs: ClassVar[tuple[str, ...]] = ("get_product",)
    note: ClassVar[str] = (
        "An account set to the older documentation has the product under `product`, for clients written before 2026. "
        f"{PRICES} {asking.ELSEWHERE}"
    )
    example: ClassVar[Example] = Example(path={"productId": examples.PRODUCT}, answer=_FLAT)

    async def otherwise(self, call: Call) -> Any:
        """It."""
        found = await asking.recall(call, Catalogue.get_product, product=call.path["productId"], contact=None)
        product = _product(found.value)
        if call.view.account.documentation == "older":
            return asking.dated(NestedProduct(cart_enabled=None, catalog_id=None, product=product), found)
        told = {name: getattr(product, name) for name in FlatProduct.__struct_fields__ if hasattr(product, name)}
        return asking.dated(FlatProduct(cart_enabled=None, catalog_id=None, **told), found)


#: In the currency's unit; clients send cents behind a dot too.
Price = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]


class ProductBody(Body, frozen=True, kw_only=True):
    name: fields.Text
    price: Price
    currency: str
    description: fields.Text
    images: tuple[str, ...]
    is_hidden: bool = False
    sale_price: Price | None = None
    retailer_id: fields.Text | None = None
    url: str | None = None


class Saved(Answer, frozen=True, kw_only=True):
    id: str


class SaveProduct(OfCatalogue, RelayedFirst):
    """Make a product, or change the one that has its `retailerId`."""

    path: ClassVar[str] = "/products"
    body: ClassVar[Any] = ProductBody
    answers: ClassVar[Any] = Saved
    needs: ClassVar[tuple[str, ...]] = ("save_product",)
    note: ClassVar[str] = (
        "`price` is taken in the currency's unit (20, or 19.9), as in the vendor's examples, and answered in thousandths of "
        "it; Z-API itself as the provider takes it as it is. Only Z-API itself takes `salePrice`."
    )
    example: ClassVar[Example] = Example(
        body={
            "currency": "BRL",
            "description": "Uma descrição do produto",
            "images": [examples.IMAGE],
            "isHidden": False,
            "name": "Meu primeiro produto",
            "price": 20,
            "retailerId": "002",
            "url": "https://z-api.io",
        },
        answer={"id": examples.PRODUCT},
    )

    async def otherwise(self, call: Call) -> Any:
        """Its id."""
        body: ProductBody = call.body
        if body.sale_price is not None:
            raise ZapiError("salePrice: this instance's provider has no price for a sale")
        retailer_id = None if body.retailer_id is None else str(body.retailer_id)
        draft = ProductDraft(
            name=str(body.name),
            description=str(body.description),
            price=round(body.price * _THOUSANDTHS),
            currency=body.currency,
            retailer_id=retailer_id,
            url=body.url,
            images=list(body.images),
            hidden=body.is_hidden,
        )
        product = await _retailers(call, retailer_id) if retailer_id else None
        return Saved(id=(await call.ask(Catalogue.save_product, product=product, draft=draft)).product)


class DeleteProduct(OfCatalogue):
    """Remove a product."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/products/{productId}"
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("delete_product",)
    example: ClassVar[Example] = Example(path={"productId": examples.PRODUCT}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        await call.ask(Catalogue.delete_product, product=call.path["productId"])
        return Success()


class ConfigBody(Body, frozen=True, kw_only=True):
    cart_enabled: bool


class Config(OfCatalogue, Relayed):
    """Let customers of the catalogue use a cart, or not."""

    path: ClassVar[str] = "/catalogs/config"
    body: ClassVar[Any] = ConfigBody
    answers: ClassVar[Any] = Success
    reason: ClassVar[str] = (
        "Only Z-API itself switches the catalogue's cart; with another provider, do it on the phone."
    )
    example: ClassVar[Example] = Example(body={"cartEnabled": True}, answer=examples.SUCCESS)


ROUTES: tuple[Route, ...] = (
    OwnCatalogue(),
    OwnCatalogueByBody(),
    CatalogueOf(),
    CatalogueOfByBody(),
    GetProduct(),
    SaveProduct(),
    DeleteProduct(),
    Config(),
)


def _skipped(cursor: str | None) -> int:
    """How many products are before a page."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > len(str(_MOST)) or int(cursor) > _MOST:
        raise ZapiError("nextCursor is not one that was answered here")
    return int(cursor)


async def _retailers(call: Call, retailer_id: str) -> str | None:
    """The product that has a retailer's id."""
    found = await call.ask(Catalogue.list_products, contact=None, limit=_MOST)
    return next((one.product for one in found if one.retailer_id == retailer_id), None)


def _product(product: Product) -> CatalogueProduct:
    return CatalogueProduct(**facts(product))


def facts(product: Product) -> dict[str, Any]:
    return {
        "availability": None,
        "id": product.product,
        "retailer_id": product.retailer_id,
        "description": product.description,
        "price": None if product.price is None else str(product.price),
        "sale_price": None,
        "currency": product.currency,
        "name": product.name,
        "quantity": None,
        "images": tuple(product.images),
    }
