"""Products, orders and Pix keys in Z-API's shape.

A provider that is Z-API itself told the whole object, which is passed on; else it is made from our content. Z-API writes
the prices of a cart and of a product in thousandths, those of an order that a business sends in units; ours are cents.
"""

from collections.abc import Callable, Mapping
from typing import Any

from recado.services.zapi.payloads.facts import Json, inner
from recado.services.zapi.payloads.said import Said

_PRODUCT = (
    ("productImage", None), ("businessOwnerJid", None), ("currencyCode", None), ("productId", None), ("description", ""),
    ("productImageCount", 0), ("price", None), ("url", ""), ("retailerId", ""), ("firstImageId", ""), ("title", ""),
)  # fmt: skip
_CART: tuple[tuple[str, Any], ...] = (
    ("itemCount", 0), ("orderId", None), ("message", ""), ("orderTitle", ""), ("sellerJid", None), ("thumbnailUrl", None),
    ("token", None), ("currency", "BRL"), ("total", None), ("subTotal", None), ("products", []),
)  # fmt: skip


def _whole(fields: tuple[tuple[str, Any], ...], told: Json, ours: Json) -> Json:
    """Every field: as Z-API told it, as we know it, or empty."""
    return {name: told.get(name, ours.get(name, empty)) for name, empty in fields}


def _product(said: Said) -> Json:
    told = inner(said.extra, "product")
    ours = {
        "businessOwnerJid": said.get("catalog_id"),
        "productId": said.get("product_id"),
        "title": said.get("body") or "",
    }
    return {"product": _whole(_PRODUCT, told if "businessOwnerJid" in told else {}, ours)}


def _items(said: Said) -> list[Json]:
    items = said.get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _order(said: Said) -> Json:
    """A customer's cart, or the order that a business sent."""
    for name in ("reviewOrder", "reviewAndPay"):
        if isinstance(said.extra.get(name), dict):
            return {name: said.extra[name]}
    if said.get("status") or (said.place.message is not None and said.place.message.through_us):
        return {"reviewAndPay": _review(said, "pending")}
    told = inner(said.extra, "order")
    return {"order": _whole(_CART, told if "orderId" in told else {}, _cart(said))}


def _cart(said: Said) -> Json:
    items = _items(said)
    currency = said.get("currency") or "BRL"
    total = sum(one.get("amount", 0) * one.get("quantity", 1) for one in items) * 10
    products = [
        {
            "quantity": one.get("quantity", 1),
            "name": one.get("name") or "",
            "productId": one.get("product_id"),
            "retailerId": None,
            "price": one.get("amount", 0) * 10,
            "currencyCode": currency,
        }
        for one in items
    ]
    return {
        "itemCount": len(items),
        "orderId": said.get("reference_id"),
        "message": said.get("body") or "",
        "currency": currency,
        "total": total,
        "subTotal": total,
        "products": products,
    }


def _order_update(said: Said) -> Json:
    name = "reviewAndPay" if said.get("changed") == "payment" else "reviewOrder"
    return {name: _review(said, said.get("payment_status") or "pending")}


def _review(said: Said, payment_status: str) -> Json:
    items = _items(said)
    amounts = {name: said.get(name) or 0 for name in ("discount", "shipping", "tax")}
    sub_total = sum(one.get("amount", 0) * one.get("quantity", 1) for one in items)
    total = sub_total + amounts["shipping"] + amounts["tax"] - amounts["discount"]
    return {
        "type": "physical-goods",
        "currency": said.get("currency") or "BRL",
        "referenceId": said.get("reference_id"),
        "orderRequestId": said.get("order_request_id"),
        "orderStatus": said.get("status") or "pending",
        "paymentStatus": payment_status,
        "total": _units(total),
        "subTotal": _units(sub_total),
        **{name: _units(amount) for name, amount in amounts.items()},
        "products": [
            {
                "name": one.get("name") or "",
                "quantity": one.get("quantity", 1),
                "isCustomItem": one.get("product_id") is None,
                "productId": one.get("product_id"),
                "value": _units(one.get("amount", 0)),
            }
            for one in items
        ],
    }


def _units(cents: int) -> int | float:
    return cents // 100 if cents % 100 == 0 else cents / 100


def _pix(said: Said) -> Json:
    told = inner(said.extra, "pixKeyMessage")
    return {
        "pixKeyMessage": {
            "currency": told.get("currency") or "BRL",
            "referenceId": told.get("referenceId") or "",
            "key": said.get("key"),
            "keyType": str(said.get("key_type") or "").upper(),
            "merchantName": said.get("merchant_name") or "Pix",
        }
    }


RENDERERS: Mapping[str, Callable[[Said], Json | None]] = {
    "product": _product,
    "order": _order,
    "order_update": _order_update,
    "pix": _pix,
}
