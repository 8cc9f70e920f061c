"""The instance's own routes: how it stands, pairing it, what it is set to, and whose number it is."""

import base64
import io
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import segno
from aiohttp import web

from recado.api.zapi import settings as setting_routes
from recado.config import Settings
from recado.domain.zapi import CALLBACKS
from recado.testing.upstream import Reply as Answer
from recado.testing.upstream import Upstream
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
URL = "https://example.com/zapi"


async def test_status_says_it_in_z_apis_sentences(zapi: ZapiClient) -> None:
    connected = {"connected": True, "error": "You are already connected.", "smartphoneConnected": True}
    cut = {"connected": False, "error": "You need to restore the session.", "smartphoneConnected": False}
    ended = {"connected": False, "error": "You are not connected.", "smartphoneConnected": False}
    assert await zapi.get("/status") == connected
    shown = f"/v1/instances/{zapi.instance_id}"

    await zapi.company.post(f"/sandbox/instances/{zapi.instance_id}/disconnect", status=200)
    await zapi.company.until(shown, lambda instance: instance["status"] == "disconnected")
    assert await zapi.get("/status") == cut
    assert (await zapi.call("GET", "/device")).body == {"error": "You need to restore the session."}
    assert await zapi.get("/restore-session") == {"value": True}
    assert await zapi.get("/status") == connected

    sent = await zapi.post("/send-text", {"phone": "5511999990002", "message": "antes"})
    assert await zapi.get("/disconnect") == {"value": True}
    assert await zapi.get("/status") == ended
    instance = await zapi.company.get(shown)
    assert (instance["status"], instance["status_reason"]) == ("disconnected", "disconnected on request")
    await zapi.post("/send-text", {"phone": "5511999990002", "message": "depois"})
    assert sent["messageId"]
    assert "data:image/png;base64," in (await zapi.get("/qr-code"))["value"], "a new code is needed"


async def test_a_new_instance_is_not_connected(module_company: Client) -> None:
    zapi = await open_instance(module_company, connected=False)
    assert (await zapi.get("/status"))["error"] == "You are not connected."
    refused = await zapi.call("GET", "/restore-session")
    assert (refused.status, refused.body) == (400, {"error": "It was never connected: connect it."})


async def test_the_qr_code_is_shown_until_it_is_scanned(module_company: Client) -> None:
    zapi = await open_instance(module_company, connected=False)
    shown = await zapi.get("/qr-code")
    code = (await module_company.get(f"/v1/instances/{zapi.instance_id}/qr"))["qr"]
    assert shown == {"value": _drawn(code)}, "starts connecting"
    assert await zapi.get("/qr-code") == shown, "the same while it is valid"
    assert await zapi.get("/qr-code/image") == shown

    await module_company.post("/sandbox/scan", {"code": code}, status=200)
    await module_company.until(f"/v1/instances/{zapi.instance_id}", lambda one: one["status"] == "connected")
    for path in ("/qr-code", "/qr-code/image", "/phone-code/5511999990001"):
        reply = await zapi.call("GET", path)
        assert (reply.status, reply.body) == (400, {"error": "Instance already connected"})


async def test_a_phone_code_is_typed_on_the_phone(module_company: Client) -> None:
    zapi = await open_instance(module_company, connected=False)
    code = (await zapi.get("/phone-code/5511999990077"))["value"]
    assert (await zapi.get("/qr-code"))["value"] != code, "whoever asks for a QR code gets one"
    code = (await zapi.get("/phone-code/5511999990077"))["value"]
    await module_company.post("/sandbox/scan", {"code": code, "phone": "5511999990077"}, status=200)
    await module_company.until(f"/v1/instances/{zapi.instance_id}", lambda one: one["status"] == "connected")
    assert (await zapi.get("/device"))["phone"] == "5511999990077"
    refused = await zapi.call("GET", "/phone-code/abc")
    assert (refused.status, refused.body) == (400, {"error": "Invalid phone"})


async def test_me_shows_what_was_set(zapi: ZapiClient) -> None:
    await zapi.put("/update-name", {"value": "Balcão"})
    await zapi.put("/update-every-webhooks", {"value": URL, "notifySentByMe": True})
    await zapi.put("/update-webhook-delivery", {"value": f"{URL}/delivery"})
    await zapi.put("/update-webhook-chat-presence", {"value": ""})
    await zapi.put("/update-call-reject-auto", {"value": True})
    await zapi.put("/update-call-reject-message", {"value": "Escreva para nós"})
    await zapi.put("/update-auto-read-message", {"value": "true"})
    me = await zapi.get("/me")
    assert me == me | {
        "id": zapi.id,
        "token": zapi.token,
        "name": "Balcão",
        "connected": True,
        "paymentStatus": "PAID",
        "connectedCallbackUrl": URL,
        "disconnectedCallbackUrl": URL,
        "messageStatusCallbackUrl": URL,
        "receivedCallbackUrl": URL,
        "deliveryCallbackUrl": f"{URL}/delivery",
        "presenceChatCallbackUrl": None,
        "receiveCallbackSentByMe": True,
        "callRejectAuto": True,
        "callRejectMessage": "Escreva para nós",
        "autoReadMessage": True,
        "initialDataCallbackUrl": None,
        "useProxy": False,
    }
    assert 1_700_000_000 < me["due"] < 10_000_000_000, "seconds"
    await zapi.put("/update-call-reject-message", {"value": ""})
    await zapi.put("/update-auto-read-message", {"value": False})
    assert (await zapi.get("/me")) == me | {"callRejectMessage": None, "autoReadMessage": False}


async def test_webhooks_are_set_apart_or_together(zapi: ZapiClient) -> None:
    fields = {
        "delivery": "deliveryCallbackUrl",
        "received": "receivedCallbackUrl",
        "message-status": "messageStatusCallbackUrl",
        "chat-presence": "presenceChatCallbackUrl",
        "connected": "connectedCallbackUrl",
        "disconnected": "disconnectedCallbackUrl",
    }
    assert len(fields) == len(CALLBACKS)
    for name, field in fields.items():
        assert await zapi.put(f"/update-webhook-{name}", {"value": f"{URL}/{name}"}) == {"value": True}
        assert (await zapi.get("/me"))[field] == f"{URL}/{name}"
    assert (await zapi.get("/me"))["receiveCallbackSentByMe"] is False
    await zapi.put("/update-webhook-received-delivery", {"value": f"{URL}/both"})
    me = await zapi.get("/me")
    assert (me["receivedCallbackUrl"], me["receiveCallbackSentByMe"]) == (f"{URL}/both", True)
    await zapi.put("/update-notify-sent-by-me", {"notifySentByMe": False})
    await zapi.put("/update-every-webhooks", {"value": URL})
    me = await zapi.get("/me")
    assert {me[field] for field in fields.values()} == {URL}
    assert me["receiveCallbackSentByMe"] is False, "as it was"


async def test_filters_have_z_apis_names(zapi: ZapiClient) -> None:
    await zapi.put("/update-filters", {"messageFilters": ["FILTER_FROM_GROUP"]})
    await zapi.put("/update-filters", {"callbackTypeFilters": ["FILTER_CONNECTED_CALLBACK"]})
    reply = await zapi.call("PUT", "/update-filters", json={"messageFilters": ["FILTER_OF_OURS"]})
    assert reply.status == 400
    assert "FILTER_OF_OURS" in reply.body["error"]


async def test_the_profile_is_changed(zapi: ZapiClient) -> None:
    async with Upstream([Answer(body=PNG, headers={"content-type": "application/octet-stream"})]) as files:
        assert await zapi.put("/profile-picture", {"value": f"{files.url}/logo"}) == {"value": True}
    await zapi.put("/profile-name", {"value": "Padaria"})
    await zapi.put("/profile-description", {"value": "Pão quente"})
    device = await zapi.get("/device")
    assert (device["name"], device["about"], device["isBusiness"]) == ("Padaria", "Pão quente", True)
    assert base64.b64decode(device["imgUrl"].partition(",")[2]) == PNG
    assert device["device"] == {"sessionName": None, "device_model": None}
    assert device["originalDevice"] is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=404), "HTTP 404"),
        (Answer(body=b"<html>", headers={"content-type": "image/png"}), "is no picture"),
        (Answer(trouble="cut"), "cannot be fetched"),
    ],
    ids=["gone", "page", "cut"],
)
async def test_what_is_no_picture_is_refused(zapi: ZapiClient, answer: Answer, why: str) -> None:
    async with Upstream([answer]) as files:
        reply = await zapi.call("PUT", "/profile-picture", json={"value": files.url})
    assert reply.status == 400
    assert why in reply.body["error"]


# --- where the provider is Z-API itself -----------------------------------------------------------------


class ZapiItself:
    """Z-API's own service. `answers` are by method and route; any other route answers as settings do."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"GET /status": {"connected": False, "error": "You are not connected."}}
        self.asked: dict[str, Any] = {}

    async def answer(self, request: web.Request) -> web.Response:
        route = f"{request.method} /{request.path.split('/', 5)[-1]}"
        raw = await request.read()
        self.asked[route] = msgspec.json.decode(raw) if raw else None
        return web.json_response(self.answers.get(route, {"value": True}))


@pytest.fixture
def admin(module_recado: "Recado", module_company: Client) -> Client:
    """The operator, who adds servers."""
    return module_company.as_(module_recado.admin_token)


async def _open(company: Client, server: dict[str, Any], credentials: dict[str, str]) -> ZapiClient:
    """An instance on a server, open to Z-API clients."""
    body = {"name": "Antes", "server_id": server["id"], "credentials": credentials}
    instance = await company.post("/v1/instances", body)
    secrets.register(instance["token"])
    opened = await company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json={})
    return ZapiClient(company, instance, opened.body)


@pytest.fixture
async def itself() -> AsyncIterator[tuple[ZapiItself, str]]:
    served = ZapiItself()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield served, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def public(settings: Settings) -> AsyncIterator["Recado"]:
    """A Recado with an https address, which Z-API wants for its webhooks."""
    from recado.app import Recado

    recado = Recado(settings.model_copy(update={"public_url": "https://recado.example.com"}))
    await recado.start()
    yield recado
    await recado.stop()


async def test_what_z_api_itself_does_is_done_there(public: "Recado", itself: tuple[ZapiItself, str]) -> None:
    async with clients.connect(f"http://127.0.0.1:{public.settings.port}", public.admin_token) as admin:
        await _check_upstream(admin, await clients.make_company(admin), *itself)


async def _check_upstream(admin: Client, company: Client, upstream: ZapiItself, url: str) -> None:
    server = await admin.post("/v1/servers", {"name": "z", "kind": "zapi", "base_url": url, "credentials": {}})
    token = secrets.register("A1B2C3D4E5F60718293A4B5C")
    zapi = await _open(company, server, {"instance_id": "3D0E2F3A4B5C6D7E8F9A0B1C2D3E4F5B", "token": token})

    # A passkey is asked for in place of a code.
    challenge = {"challenge": "c2VjcmV0", "rpId": "whatsapp.com"}
    upstream.answers["GET /qr-code"] = {"challenge": challenge}
    assert await zapi.get("/qr-code") == {"challenge": challenge}
    assertion = {
        "id": "a",
        "rawId": "a",
        "type": "public-key",
        "response": {"authenticatorData": "b", "clientDataJSON": "c", "signature": "d"},
    }
    assert await zapi.post("/passkey-prologue", assertion) == {"success": True, "reason": None}
    assert upstream.asked["POST /passkey-prologue"] == assertion
    upstream.answers["POST /reset-passkey-challenge"] = {"success": True}
    assert await zapi.post("/reset-passkey-challenge") == {"success": True}
    assert "POST /reset-passkey-challenge" in upstream.asked
    upstream.answers["GET /qr-code"] = {"value": "data:image/png;base64,AAAA"}
    assert await zapi.get("/qr-code") == {"value": "data:image/png;base64,AAAA"}

    # What no operation of ours does is done there, and known here.
    assert await zapi.put("/update-call-reject-auto", {"value": True}) == {"value": True}
    assert upstream.asked["PUT /update-call-reject-auto"] == {"value": True}
    assert (await zapi.get("/me"))["callRejectAuto"] is True
    upstream.answers["GET /extension-token"] = {"token": "A1B2-C3D4", "expiresAt": 1}
    assert await zapi.get("/extension-token") == {"token": "A1B2-C3D4", "expiresAt": 1}
    upstream.answers["GET /device"] = {"phone": "5511999990009", "originalDevice": "iphone"}
    assert await zapi.get("/device") == {"phone": "5511999990009", "originalDevice": "iphone"}
    # Ours to do.
    del upstream.asked["PUT /update-call-reject-auto"]
    assert await zapi.put("/update-auto-read-message", {"value": True}) == {"value": True}
    assert "PUT /update-auto-read-message" not in upstream.asked


async def test_a_setting_that_would_change_nothing_is_refused(module_company: Client, admin: Client) -> None:
    credentials = {"api_key": secrets.register("an-evolution-key-of-the-test")}
    server = await admin.post(
        "/v1/servers",
        {"name": "evo", "kind": "evolution", "base_url": "http://127.0.0.1:1", "credentials": credentials},
    )
    zapi = await _open(module_company, server, {})
    for route in (setting_routes.UpdateCallRejectAuto, setting_routes.UpdateAutoReadStatus):
        refused = await zapi.call("PUT", route.path, json={"value": True})
        assert (refused.status, refused.body) == (400, {"error": route.reason})
        assert await zapi.put(route.path, {"value": False}) == {"value": True}
    assert await zapi.put("/update-auto-read-message", {"value": True}) == {"value": True}


def _drawn(code: str) -> str:
    picture = io.BytesIO()
    segno.make(code, error="m", micro=False).save(picture, kind="png", scale=8, border=4)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
