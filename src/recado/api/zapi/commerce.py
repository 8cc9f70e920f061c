"""Routes that send a product, a catalogue or an order, and that tell what became of an order.

Amounts are in units of the currency, as in the documented examples, and in cents within.
"""

import secrets
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from recado.api.zapi import examples, fields
from recado.api.zapi.route import Body, Call, Example, Route
from recado.api.zapi.sends import AboutBody, Send, SendBody, about

Json = dict[str, Any]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class ProductBody(SendBody, frozen=True, kw_only=True):
    catalog_phone: fields.Phone
    product_id: fields.Words


class SendProduct(Send):
    """Send a product of a catalogue."""

    path: ClassVar[str] = "/send-product"
    body: ClassVar[Any] = ProductBody
    needs: ClassVar[tuple[str, ...]] = ("product",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "catalogPhone": examples.OTHER_PHONE, "productId": examples.PRODUCT},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ProductBody) -> tuple[str, Any]:
        """A product."""
        catalogue = fields.recipient(body.catalog_phone, field="catalogPhone")
        return "product", {"catalog_id": catalogue, "product_id": str(body.product_id)}


class CatalogBody(SendBody, frozen=True, kw_only=True):
    catalog_phone: fields.Phone
    translation: Literal["EN", "PT"] | None = None
    message: fields.Text | None = None
    title: fields.Text | None = None
    catalog_description: fields.Text | None = None


class SendCatalog(Send):
    """Send a whole catalogue."""

    path: ClassVar[str] = "/send-catalog"
    body: ClassVar[Any] = CatalogBody
    needs: ClassVar[tuple[str, ...]] = ("catalog",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "catalogPhone": examples.OTHER_PHONE}, answer=examples.SENT
    )

    async def content(self, call: Call, body: CatalogBody) -> tuple[str, Any]:
        """A catalogue."""
        return "catalog", {
            "catalog_id": fields.recipient(body.catalog_phone, field="catalogPhone"),
            "body": fields.optional(body.message),
            "header": fields.optional(body.title),
            "description": fields.optional(body.catalog_description),
            "language": body.translation.lower() if body.translation else None,
        }


class Product(Body, frozen=True, kw_only=True):
    name: fields.Words
    value: Amount
    quantity: Annotated[int, msgspec.Meta(ge=1)]
    product_id: fields.Text | None = None


class KnownProduct(Product, frozen=True, kw_only=True):
    """A product as the webhook of the order told of it."""

    product_id: fields.Words
    is_custom_item: bool | None = None


class Charged(Body, frozen=True, kw_only=True):
    """What every order has."""

    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{3}$")]
    discount: Amount | None = None
    tax: Amount | None = None
    shipping: Amount | None = None


class Order(Charged, frozen=True, kw_only=True):
    products: tuple[Product, ...]


class KnownOrder(Charged, frozen=True, kw_only=True):
    products: tuple[KnownProduct, ...]


class PixKey(Body, frozen=True, kw_only=True):
    key: fields.Text | None = None
    key_type: str | None = None
    name: fields.Text | None = None


class CardPayment(Body, frozen=True, kw_only=True):
    enabled: bool | None = None


class PaymentSettings(Body, frozen=True, kw_only=True):
    pix: PixKey | None = None
    card: CardPayment | None = None


class OrderBody(SendBody, frozen=True, kw_only=True):
    order: Order
    payment_settings: PaymentSettings | None = None


class SendOrder(Send):
    """Send an order to pay."""

    path: ClassVar[str] = "/send-order"
    body: ClassVar[Any] = OrderBody
    needs: ClassVar[tuple[str, ...]] = ("order",)
    note: ClassVar[str] = "`keyType` is taken in upper and in lower case; both are documented."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "order": {
                "currency": "BRL",
                "discount": 10,
                "tax": 10,
                "shipping": 5,
                "products": [{"productId": "23940797548900636", "name": "Nome do produto", "value": 10, "quantity": 2}],
            },
            "paymentSettings": {
                "pix": {"key": "Chave PIX", "keyType": "cpf", "name": "Nome da chave"},
                "card": {"enabled": True},
            },
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: OrderBody) -> tuple[str, Any]:
        """An order. Z-API gives it a reference itself; ours is the client's id, so that a repetition is the same order."""
        return "order", {
            "reference_id": body.message_id or secrets.token_hex(6).upper(),
            "payment": _payment(body.payment_settings) if body.payment_settings else None,
            **_order(body.order),
        }


class OrderUpdateBody(AboutBody, frozen=True, kw_only=True):
    reference_id: fields.Words
    order_request_id: fields.Words
    order_status: Literal["pending", "processing", "shipped", "completed", "canceled"]
    payment_status: Literal["pending", "paid"]
    order: KnownOrder
    message: fields.Text | None = None


_UPDATE: Json = {
    "phone": examples.PHONE,
    "messageId": examples.MESSAGE,
    "message": "Mensagem de texto da atualização do pedido",
    "referenceId": "4N8FCTW1WM6",
    "orderRequestId": "4N8FCTW22W4",
    "orderStatus": "processing",
    "paymentStatus": "pending",
    "order": {
        "currency": "BRL",
        "discount": 10,
        "tax": 10,
        "shipping": 5,
        "products": [
            {
                "value": 150,
                "quantity": 2,
                "name": "order 1",
                "isCustomItem": True,
                "productId": "custom-item-4N8FCTW23N7",
            },
            {"productId": "23940797548900636", "value": 150, "quantity": 2, "name": "order 2", "isCustomItem": False},
        ],
    },
}


class OrderStatusUpdate(Send):
    """Tell how an order stands."""

    path: ClassVar[str] = "/order-status-update"
    body: ClassVar[Any] = OrderUpdateBody
    needs: ClassVar[tuple[str, ...]] = ("order_update",)
    note: ClassVar[str] = "`isCustomItem` is not relied on: the id of such an item says it."
    example: ClassVar[Example] = Example(body=_UPDATE, answer=examples.SENT)
    changed: ClassVar[Literal["status", "payment"]] = "status"

    async def content(self, call: Call, body: OrderUpdateBody) -> tuple[str, Any]:
        """The order as it is from now on."""
        return "order_update", {
            "message_id": await about(call, body.message_id),
            "changed": self.changed,
            "reference_id": str(body.reference_id),
            "order_request_id": str(body.order_request_id),
            "status": body.order_status,
            "payment_status": body.payment_status,
            "body": fields.optional(body.message),
            **_order(body.order),
        }


class OrderPaymentUpdate(OrderStatusUpdate):
    """Tell whether an order is paid."""

    path: ClassVar[str] = "/order-payment-update"
    example: ClassVar[Example] = Example(body={**_UPDATE, "paymentStatus": "paid"}, answer=examples.SENT)
    changed: ClassVar[Literal["status", "payment"]] = "payment"


def _order(order: Order | KnownOrder) -> Json:
    return {
        "currency": order.currency.upper(),
        "items": [
            {
                "name": str(one.name),
                "product_id": None if one.product_id in (None, "") else str(one.product_id),
                "quantity": one.quantity,
                "amount": _cents(one.value),
            }
            for one in order.products
        ],
        "discount": _cents(order.discount or 0),
        "tax": _cents(order.tax or 0),
        "shipping": _cents(order.shipping or 0),
    }


def _payment(settings: PaymentSettings) -> Json:
    """The settings as Z-API takes them: its own are handed on, and other providers say what they make of them."""
    payment: Json = {}
    if settings.pix is not None:
        pix = settings.pix
        kind = pix.key_type.lower() if pix.key_type else None
        kind = "randomKey" if kind in ("randomkey", "evp") else kind
        payment["pix"] = _given(key=fields.optional(pix.key), keyType=kind, name=fields.optional(pix.name))
    if settings.card is not None:
        payment["card"] = {"enabled": bool(settings.card.enabled)}
    return payment


def _cents(amount: float) -> int:
    """An amount in units as cents, by what is written: 10.235 is 1024 and not what is nearest in binary."""
    return int((Decimal(str(amount)) * 100).to_integral_value(ROUND_HALF_UP))


def _given(**found: Any) -> Json:
    return {name: value for name, value in found.items() if value}


ROUTES: tuple[Route, ...] = (SendProduct(), SendCatalog(), SendOrder(), OrderStatusUpdate(), OrderPaymentUpdate())
