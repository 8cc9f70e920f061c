"""Labels, catalogue, business profile, newsletters and privacy on the sandbox: what is done is seen again, in Z-API's shapes."""

import base64
from typing import Any

import pytest

from recado.api.zapi import catalogue
from recado.api.zapi.business import _profile
from recado.api.zapi.labels import COLORS, _number
from recado.api.zapi.newsletters import _shown, _state
from recado.domain.operations import Channel
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

PHONE = "5511999990001"
PNG = b"\x89PNG\r\n\x1a\n pixel"
PIXEL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
MUG: dict[str, Any] = {
    "name": "Caneca",
    "description": "De louça",
    "price": 20,
    "currency": "BRL",
    "images": ["https://loja.example/caneca.jpg"],
    "retailerId": "002",
    "url": "https://loja.example/caneca",
}


async def refused(zapi: ZapiClient, method: str, path: str, why: str, *, status: int = 400, **options: Any) -> None:
    reply = await zapi.call(method, path, **options)
    assert reply.status == status, reply.body
    assert why in reply.body["error"]


async def number_of(zapi: ZapiClient) -> str:
    shown = await zapi.company.get(f"/v1/instances/{zapi.instance_id}")
    return str(shown["phone"])


async def test_labels_and_notes(zapi: ZapiClient) -> None:
    await zapi.post("/send-text", {"phone": PHONE, "message": "oi"})
    await zapi.company.until(f"/v1/instances/{zapi.instance_id}/chats", lambda page: len(page["data"]) == 1)
    tag = (await zapi.post("/business/create-tag", {"name": "Novo cliente", "color": "3"}))["id"]
    assert await zapi.get("/tags") == [{"id": tag, "name": "Novo cliente", "color": 3}]
    assert await zapi.post(f"/business/edit-tag/{tag}", {"name": "Cliente"}) == {"success": True}
    assert await zapi.get("/tags") == [{"id": tag, "name": "Cliente", "color": 3}]
    colors = await zapi.get("/business/tags/colors")
    assert (len(colors), colors["0"]) == (20, "#FF9485")

    chat = f"/v1/instances/{zapi.instance_id}/chats/{PHONE}"
    assert await zapi.put(f"/chats/{PHONE}/tags/{tag}/add") == {"value": True}
    assert await zapi.post(f"/chats/{PHONE}/notes", {"notes": "à tarde"}) == {"success": True}
    shown = await zapi.company.get(chat)
    assert (shown["labels"], shown["extra"]) == ([tag], {"note": "à tarde"})
    assert await zapi.put(f"/chats/{PHONE}/tags/{tag}/remove") == {"value": True}
    assert not (await zapi.company.get(chat))["labels"]
    reply = await zapi.call("DELETE", f"/business/tag/{tag}")
    assert (reply.status, reply.body) == (200, {"success": True})
    assert await zapi.get("/tags") == []
    await refused(zapi, "DELETE", f"/business/tag/{tag}", "no such label", status=404)


async def test_the_business_profile(zapi: ZapiClient) -> None:
    own = await number_of(zapi)
    [category] = await zapi.get("/business/available-categories", query="RESTAU")
    assert category["displayName"] == "Restaurante"
    assert set(category) == {"displayName", "label", "id"}
    for path, body in (
        ("company-description", {"value": "Pães"}),
        ("company-address", {"value": "Rua das Flores, 1"}),
        ("company-email", {"value": "loja@example.com"}),
        ("company-websites", {"websites": ["https://loja.example"]}),
        ("categories", {"categories": [category["id"]]}),
        ("company-address", {}),
    ):
        assert await zapi.post(f"/business/{path}", body, status=201) == {"success": True}
    assert await zapi.get("/business/profile", phone=own) == {
        "description": "Pães",
        "address": None,
        "email": "loja@example.com",
        "websites": ["https://loja.example"],
        "categories": [{"displayName": "Restaurante", "label": None, "id": "Restaurante"}],
        "businessHours": None,
        "hasCoverPhoto": None,
    }
    await refused(zapi, "GET", "/business/profile", "phone", params={})
    await refused(zapi, "POST", "/business/hours", "on the phone", json={"timezone": "America/Sao_Paulo"})


@pytest.mark.parametrize(
    ("raw", "websites", "categories"),
    [
        ({"website": "https://a"}, ("https://a",), ()),
        ({"website": ["https://a", None], "category": "Padaria"}, ("https://a",), (("Padaria", None, "Padaria"),)),
        ({"categories": [{"id": "1", "localized_display_name": "Padaria"}, {}]}, (), (("Padaria", None, "1"),)),
        ({"categories": 7, "websites": {}}, (), ()),
    ],
    ids=str,
)
def test_profiles_in_the_words_of_providers(raw: Any, websites: Any, categories: Any) -> None:
    shown = _profile(raw)
    assert shown.websites == websites
    assert tuple((one.display_name, one.label, one.id) for one in shown.categories) == categories


@pytest.mark.parametrize(
    ("told", "state"),
    [("active", "ACTIVE"), ({"type": "suspended"}, "SUSPENDED"), ({}, None), (7, None), (None, None)],
    ids=str,
)
def test_states_in_the_words_of_providers(told: Any, state: str | None) -> None:
    assert _state(told) == state


@pytest.mark.parametrize(
    ("told", "color"),
    [
        ("7", 7),
        ("#64c4ff", 1),
        ("#FED428", 2),
        ("9568cf", 19),
        (None, None),
        ("", None),
        ("blue", None),
        ("#zzzzzz", None),
    ],
)
def test_colours_in_the_words_of_providers(told: str | None, color: int | None) -> None:
    assert _number(told) == color
    assert len(set(COLORS)) == 20


async def test_the_catalogue(zapi: ZapiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    own = await number_of(zapi)
    product = (await zapi.post("/products", MUG))["id"]
    assert await zapi.post("/products", {**MUG, "price": "25"}) == {"id": product}
    shown = {
        "availability": None,
        "id": product,
        "retailerId": "002",
        "description": "De louça",
        "price": "25000",
        "salePrice": None,
        "currency": "BRL",
        "name": "Caneca",
        "images": MUG["images"],
    }
    assert await zapi.get(f"/products/{product}") == {"cartEnabled": None, "catalogId": None} | shown
    listed = {"cartEnabled": None, "products": [shown | {"quantity": None}]}
    assert await zapi.get("/catalogs") == await zapi.post("/catalogs", {}) == listed
    assert await zapi.get(f"/catalogs/{own}") == await zapi.post(f"/catalogs/{own}", {}) == listed

    monkeypatch.setattr(catalogue, "_PAGE", 1)
    other = (await zapi.post("/products", {**MUG, "retailerId": 3}))["id"]
    first = await zapi.get("/catalogs")
    second = await zapi.post("/catalogs", {"nextCursor": first["nextCursor"]})
    assert [one["id"] for page in (first, second) for one in page["products"]] == [product, other]
    assert "nextCursor" not in second
    for cursor in ("AQHR==", "-1", "9" * 20, "0000000001", "²"):
        await refused(zapi, "GET", "/catalogs", "nextCursor", params={"nextCursor": cursor})
    await refused(zapi, "POST", "/products", "salePrice", json={**MUG, "salePrice": 10})

    reply = await zapi.call("DELETE", f"/products/{other}")
    assert (reply.status, reply.body) == (200, {"success": True})
    await refused(zapi, "DELETE", f"/products/{other}", "no such product", status=404)


async def test_collections_and_products_in_the_shapes_of_both_documentations(zapi: ZapiClient) -> None:
    own = await number_of(zapi)
    product = (await zapi.post("/products", MUG))["id"]
    business = {"collections": [{"name": "Tudo", "products": [product]}]}
    reply = await zapi.company.call("PUT", f"/sandbox/instances/{zapi.instance_id}/business", json=business)
    assert reply.status == 200, reply.body
    found = await zapi.get("/catalogs/collection")
    [collection] = found["collections"]
    assert found == {"nextCursor": None, "collections": [{"id": collection["id"], "name": "Tudo", "status": None}]}

    path = f"/catalogs/collection-products/{own}"
    facts = {"id": product, "name": "Caneca", "description": "De louça", "currency": "BRL"}
    assert await zapi.get(path, collectionId=collection["id"]) == [
        facts | {"price": 20_000, "images": [{"url": MUG["images"][0]}]}
    ]
    await refused(zapi, "GET", path, "no such collection", params={"collectionId": "none"})

    settings = await zapi.company.call("PATCH", "/v1/zapi", json={"settings": {"documentation": "older"}})
    assert settings.status == 200, settings.body
    older = await zapi.get(path, collectionId=collection["id"])
    [one] = older.pop("products")
    assert older == {"nextCursor": None}
    assert facts | {"price": "20000", "images": MUG["images"], "url": MUG["url"], "isHidden": False} == {
        name: value
        for name, value in one.items()
        if name not in ("availability", "quantity", "salePrice", "retailerId")
    }
    nested = await zapi.get(f"/products/{product}")
    assert set(nested) == {"cartEnabled", "catalogId", "product"}
    assert (nested["product"]["id"], nested["product"]["price"]) == (product, "20000")
    await zapi.company.call("PATCH", "/v1/zapi", json={"settings": {"documentation": "current"}})


async def test_newsletters(zapi: ZapiClient, module_company: Client) -> None:
    made = await zapi.post("/create-newsletter", {"name": "Ofertas", "description": "Todo dia"}, status=201)
    assert list(made) == ["id"]
    for path, body in (
        ("/update-newsletter-name", {"name": "Promos"}),
        ("/update-newsletter-description", {"description": "Toda hora"}),
        ("/update-newsletter-picture", {"pictureUrl": PIXEL}),
    ):
        assert await zapi.post(path, made | body, status=201) == {"value": True}
    settings = f"/newsletter/settings/{made['id']}"
    assert await zapi.post(settings, {"reactionCodes": "basic"}, status=201) == {"value": True}
    await refused(zapi, "POST", settings, "reactionCodes", json={"reactionCodes": "hearts"})
    assert await zapi.put("/mute-newsletter", made) == {"value": True}
    shown = await zapi.get(f"/newsletter/metadata/{made['id']}")
    assert shown.pop("inviteLink").startswith("https://whatsapp.com/channel/")
    assert shown == {
        "id": made["id"],
        "creationTime": None,
        "state": None,
        "name": "Promos",
        "description": "Toda hora",
        "subscribersCount": "0",
        "verification": "UNVERIFIED",
        "picture": PIXEL,
        "preview": PIXEL,
        "viewMetadata": {"mute": "ON", "role": "OWNER"},
    }

    follower = await open_instance(module_company)
    search = {"limit": 5, "filters": {"countryCodes": ["BR"]}}
    await refused(follower, "POST", "/search-newsletter", "searchText", json=search)
    [found] = await follower.post("/search-newsletter", {**search, "searchText": "promos"})
    assert found["id"] == made["id"]
    assert await follower.put("/follow-newsletter", made) == {"value": True}
    assert await follower.put("/unmute-newsletter", made) == {"value": True}
    assert [one["viewMetadata"] for one in await follower.get("/newsletter")] == [{"mute": "OFF", "role": "SUBSCRIBER"}]
    assert await follower.put("/unfollow-newsletter", made) == {"value": True}
    assert await follower.get("/newsletter") == []
    await refused(follower, "DELETE", "/delete-newsletter", "owner", json=made)
    reply = await zapi.call("DELETE", "/delete-newsletter", json=made)
    assert (reply.status, reply.body) == (200, {"value": True})
    await refused(zapi, "GET", "/newsletter/metadata/5511@lid", "Invalid newsletterId")
    await refused(zapi, "POST", f"/newsletter/remove-admin/{made['id']}", "admins", json={"phone": PHONE})


async def test_privacy(zapi: ZapiClient) -> None:
    for path, body in (
        ("last-seen", {"visualizationType": "NONE"}),
        ("photo-visualization", {"visualizationType": "ALL", "contactsBlacklist": []}),
        ("photo", {"visualizationType": "CONTACTS"}),
        ("description", {"visualizationType": "CONTACT_BLACKLIST"}),
        ("group-add", {"type": "CONTACTS"}),
        ("online", {"visualizationType": "SAME_LAST_SEEN"}),
    ):
        assert await zapi.post(f"/privacy/{path}", body) == {"success": True}
    for path, value in (("read-receipts", "disable"), ("messages-duration", "days7")):
        reply = await zapi.call("POST", f"/privacy/{path}", params={"value": value})
        assert (reply.status, reply.body) == (200, {"success": True})
    shown = await zapi.company.get(f"/v1/instances/{zapi.instance_id}/privacy")
    assert {name: shown[name] for name in ("last_seen", "picture", "about", "groups", "online", "read_receipts")} == {
        "last_seen": "none",
        "picture": "contacts",
        "about": "contacts_except",
        "groups": "contacts",
        "online": "match_last_seen",
        "read_receipts": "none",
    }
    profile = await zapi.company.get(f"/v1/instances/{zapi.instance_id}/profile")
    assert profile["extra"] == {"expire_seconds": 604_800}
    await refused(zapi, "POST", "/privacy/group-add", "type", json={"type": "NONE"})
    await refused(zapi, "POST", "/privacy/messages-duration", "value", params={"value": "days8"})
    await refused(zapi, "GET", "/privacy/disallowed-contacts", "excepts", params={"type": "photo"})


async def test_numbers_and_texts_in_place_of_each_other(zapi: ZapiClient) -> None:
    made = await zapi.post("/create-newsletter", {"name": 2026, "description": 7}, status=201)
    bare = int(made["id"].removesuffix("@newsletter"))
    assert await zapi.post("/update-newsletter-name", {"id": bare, "name": 2027}, status=201) == {"value": True}
    assert await zapi.put("/mute-newsletter", {"id": str(bare)}) == {"value": True}
    [shown] = await zapi.get("/newsletter")
    assert (shown["name"], shown["description"], shown["viewMetadata"]["mute"]) == ("2027", "7", "ON")
    [found] = await zapi.post("/search-newsletter", {"limit": "5", "filters": {}, "searchText": 2027})
    assert found["id"] == made["id"]
    await refused(zapi, "POST", "/search-newsletter", "searchText", json={"limit": 5, "filters": {}, "searchText": " "})

    product = (await zapi.post("/products", {**MUG, "name": 7, "price": "19.9", "retailerId": 9}))["id"]
    shown = await zapi.get(f"/products/{product}")
    assert (shown["name"], shown["price"], shown["retailerId"]) == ("7", "19900", "9")
    for price in (-1, "nan", "19,90", 1e300):
        await refused(zapi, "POST", "/products", "price", json={**MUG, "price": price})
    tag = (await zapi.post("/business/create-tag", {"name": 1}))["id"]
    assert await zapi.get("/tags") == [{"id": tag, "name": "1", "color": 0}]
    assert await zapi.post("/business/company-address", {"value": 12}, status=201) == {"success": True}
    assert await zapi.post("/business/company-websites", {}, status=201) == {"success": True}
    for path, body in (
        ("/catalogs/collection", {"name": 1, "productIds": [7190654897637620]}),
        ("/catalogs/collection/add-product", {"collectionId": 1, "productIds": [7190654897637620]}),
    ):
        await refused(zapi, "POST", path, "Only Z-API itself", json=body)


def test_newsletters_as_providers_tell_them() -> None:
    told = Channel(channel="1@newsletter", extra={"creation_time": "1695643504", "state": {"type": "active"}})
    assert (_shown(told).creation_time, _shown(told).state) == (1_695_643_504, "ACTIVE")
    nothing = _shown(Channel(channel="1@newsletter", extra={"creation_time": [], "state": 7}))
    assert (nothing.creation_time, nothing.state, nothing.subscribers_count, nothing.verification) == (None,) * 4
