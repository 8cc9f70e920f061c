"""Webhooks in Z-API's shape on a served Recado: set, delivered in order to a real server, filtered, moved, refused."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from recado.domain.errors import Invalid
from recado.domain.events import EVENT_TYPES
from recado.domain.zapi import CALLBACKS
from recado.services import media
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import callbacks
from recado.store import events
from tests.zapi.conftest import ZapiClient

if TYPE_CHECKING:
    from recado.app import Recado

ANA = "5511999990001"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Server:
    """A client's endpoint. Each path takes what is posted there; `answer` is its status from now on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer = 200
        self.headers: list[Mapping[str, str]] = []
        self._arrived: dict[str, list[dict[str, Any]]] = {}
        self._news = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        if self.answer == 200:
            self.headers.append(request.headers)
            self._arrived.setdefault(request.path, []).append(body)
        async with self._news:
            self._news.notify_all()
        return web.Response(status=self.answer)

    async def told(self, path: str, count: int) -> list[dict[str, Any]]:
        """The first posts to a path, once there are so many."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: len(self._arrived.get(path, ())) >= count)
        return self._arrived[path]


@pytest.fixture
async def endpoint() -> AsyncIterator[Server]:
    app = web.Application()
    runner = web.AppRunner(app)
    found = Server("")
    app.router.add_post("/{path:.*}", found.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def view_of(recado: "Recado", zapi: ZapiClient) -> ZapiView:
    return await recado.runtime.directory.zapi(zapi.id)


async def send(zapi: ZapiClient, body: str, **facts: Any) -> str:
    message = {"instance_id": zapi.instance_id, "to": ANA, "type": "text", "text": {"body": body}, **facts}
    return str((await zapi.company.post("/v1/messages", message))["id"])


async def write(zapi: ZapiClient, **content: Any) -> None:
    """Ana writes to the instance."""
    await zapi.company.post(
        f"/sandbox/phones/{ANA}/messages", {"instance_id": zapi.instance_id, "name": "Ana", **content}
    )


async def settled(zapi: ZapiClient) -> list[dict[str, Any]]:
    """All deliveries to the instance's endpoints, once none of them waits."""
    found = []
    for row in (await zapi.company.get("/v1/webhooks"))["data"]:
        if row["instance_id"] == zapi.instance_id:
            path = f"/v1/webhooks/{row['id']}/deliveries"
            page = await zapi.company.until(path, lambda page: all(one["status"] != "pending" for one in page["data"]))
            found += page["data"]
    return found


async def test_the_database_and_the_code_agree(module_recado: "Recado") -> None:
    """What each callback is made from is written down on both sides."""
    async with module_recado.runtime.db.worker.acquire() as connection:
        rows = await connection.fetch(
            "SELECT t.type, zapi_callbacks(t.type) AS told FROM unnest($1::text[]) t (type)", EVENT_TYPES
        )
    told = {(callback, row["type"]) for row in rows for callback in row["told"]}
    assert told == {(callback, type) for callback, types in callbacks.EVENTS.items() for type in types}


async def test_what_is_sent_and_received_is_told(module_recado: "Recado", zapi: ZapiClient, endpoint: Server) -> None:
    """Two callbacks share an address and keep their order; own messages come once they are asked for."""
    runtime, view = module_recado.runtime, await view_of(module_recado, zapi)
    both, inbox = f"{endpoint.url}/both", f"{endpoint.url}/inbox"
    await callbacks.set_webhooks(runtime, view, {"delivery": both, "message_status": both, "received": inbox})
    await send(zapi, "oi", client_id="pedido-7")
    told = await endpoint.told("/both", 4)
    assert [one.get("status", one["type"]) for one in told] == ["DeliveryCallback", "SENT", "RECEIVED", "READ"]
    assert told[0]["messageId"] == "pedido-7"
    assert {tuple(one["ids"]) for one in told[1:]} == {("pedido-7",)}
    assert {one["instanceId"] for one in told} == {zapi.id}
    headers = endpoint.headers[0]
    assert headers["z-api-token"] == zapi.token
    assert headers["origin"] == runtime.settings.base_url
    assert headers["webhook-signature"]

    await callbacks.set_notify_sent_by_me(runtime, view, True)
    await callbacks.set_filters(runtime, view, messages=["FILTER_IMAGE_MESSAGE"])
    await send(zapi, "de novo")
    (own,) = await endpoint.told("/inbox", 1)
    assert (own["fromMe"], own["fromApi"], own["text"]) == (True, True, {"message": "de novo"})
    await write(zapi, type="image", image={"data": PNG, "mime_type": "image/png"})
    await write(zapi, type="text", text={"body": "bom dia"})
    _, received = await endpoint.told("/inbox", 2)
    assert (received["phone"], received["senderName"], received["text"]) == (ANA, "Ana", {"message": "bom dia"})
    # The first message of ours was told to nobody, and the picture is filtered out when it is there.
    await zapi.company.until(
        "/v1/events?type=media.ready", lambda page: any(one["instance_id"] == zapi.instance_id for one in page["data"])
    )
    skipped = {one["reason"]: one for one in await settled(zapi) if one["status"] == "skipped"}
    assert skipped["FILTER_IMAGE_MESSAGE is set."]["type"] == "media.ready"
    assert skipped["Own messages are told only with notifySentByMe."]["callback"] == "received"
    assert all(one["attempts"] == [] for one in skipped.values())


async def test_a_file_can_be_had_without_a_token(module_recado: "Recado", zapi: ZapiClient, endpoint: Server) -> None:
    view = await view_of(module_recado, zapi)
    await callbacks.set_webhooks(module_recado.runtime, view, {"received": f"{endpoint.url}/inbox"})
    await write(zapi, type="image", image={"data": PNG, "mime_type": "image/png", "caption": "praia"})
    (told,) = await endpoint.told("/inbox", 1)
    url = told["image"]["imageUrl"].removeprefix(module_recado.runtime.settings.base_url)
    assert (told["image"]["caption"], url.endswith(".png")) == ("praia", True)
    anonymous = zapi.company.as_(None)
    file = await anonymous.call("GET", url)
    assert (file.status, file.headers["content-type"], file.body[:4]) == (200, "image/png", b"\x89PNG")
    assert file.headers["x-content-type-options"] == "nosniff"
    folder, _, expires = url.rpartition("/")[0].rpartition("/")
    changed = await anonymous.call("GET", f"{folder}/{int(expires) + 1}/{url.rpartition('/')[2]}")
    assert (changed.status, changed.body["code"]) == (403, "bad_media_link")
    endless = await anonymous.call("GET", f"{folder}/{'9' * 5_000}/{url.rpartition('/')[2]}")
    assert endless.status in (403, 404)


async def test_an_event_that_cannot_be_told_holds_nothing_up(
    module_recado: "Recado", zapi: ZapiClient, endpoint: Server
) -> None:
    runtime, view = module_recado.runtime, await view_of(module_recado, zapi)
    await callbacks.set_webhooks(runtime, view, {"received": f"{endpoint.url}/inbox"})
    strange = events.NewEvent(company_id=view.company_id, type="message.received", instance_id=view.id, data={})
    async with runtime.db.work() as connection:
        await events.insert(connection, [strange])
    await write(zapi, type="text", text={"body": "bom dia"})
    (told,) = await endpoint.told("/inbox", 1)
    assert told["text"] == {"message": "bom dia"}
    [broken] = [one for one in await settled(zapi) if one["status"] == "failed"]
    assert [one["error"] for one in broken["attempts"]] == ["Recado could not put it into Z-API's shape: KeyError."]


async def test_addresses_change_and_take_along_what_waits(
    module_recado: "Recado", zapi: ZapiClient, endpoint: Server
) -> None:
    runtime, view = module_recado.runtime, await view_of(module_recado, zapi)
    endpoint.answer = 500
    await callbacks.set_webhooks(runtime, view, dict.fromkeys(CALLBACKS, f"{endpoint.url}/old"))
    [row] = [one for one in (await zapi.company.get("/v1/webhooks"))["data"] if one["instance_id"] == zapi.instance_id]
    assert (row["format"], row["callbacks"]) == ("zapi", list(CALLBACKS))
    await write(zapi, type="text", text={"body": "bom dia"})
    await zapi.company.until(
        f"/v1/webhooks/{row['id']}/deliveries", lambda page: any(one["attempts"] for one in page["data"])
    )
    # Only the address of one callback changes: what waits for it goes there; the others stay where they are.
    endpoint.answer = 200
    settings = await callbacks.set_webhooks(runtime, view, {"received": f"{endpoint.url}/new", "connected": ""})
    assert set(settings.webhooks) == set(CALLBACKS) - {"connected"}
    (told,) = await endpoint.told("/new", 1)
    assert told["text"] == {"message": "bom dia"}
    kept = await zapi.company.get(f"/v1/webhooks/{row['id']}")
    assert set(kept["callbacks"]) == set(CALLBACKS) - {"connected", "received"}
    for method, body in (("PATCH", {"url": "https://example.com"}), ("DELETE", None)):
        refused = await zapi.company.call(method, f"/v1/webhooks/{row['id']}", json=body)
        assert (refused.status, refused.body["code"]) == (409, "zapi_webhook")
    # A test, a pause and a replay work as with every endpoint.
    await zapi.company.post(f"/v1/webhooks/{row['id']}/test", status=202)
    (test,) = await endpoint.told("/old", 1)
    assert test == {"type": "TestCallback", "instanceId": zapi.id, "message": "This is a test."}
    [new] = [
        one
        for one in (await zapi.company.get("/v1/webhooks"))["data"]
        if one["instance_id"] == zapi.instance_id and one["id"] != row["id"]
    ]
    since = {"since": "2020-01-01T00:00:00Z"}
    replayed = await zapi.company.post(f"/v1/webhooks/{new['id']}/replay", since, status=202)
    assert replayed["deliveries"] >= 1
    assert (await endpoint.told("/new", 2))[1] == told


@pytest.mark.parametrize("url", ["ftp://example.com", "https://user:secret@example.com", "not an address"])
async def test_an_address_that_is_none_is_refused(module_recado: "Recado", zapi: ZapiClient, url: str) -> None:
    with pytest.raises(Invalid):
        await callbacks.set_webhooks(module_recado.runtime, await view_of(module_recado, zapi), {"received": url})


async def test_http_is_refused_unless_the_operator_allows_it(module_recado: "Recado", zapi: ZapiClient) -> None:
    runtime, view = module_recado.runtime, await view_of(module_recado, zapi)
    strict = msgspec.structs.replace(
        runtime, settings=runtime.settings.model_copy(update={"zapi_http_webhooks": False})
    )
    with pytest.raises(Invalid, match="https"):
        await callbacks.set_webhooks(strict, view, {"received": "http://example.com"})
    await callbacks.set_webhooks(strict, view, {"received": "https://example.com"})
    with pytest.raises(Invalid, match="filter"):
        await callbacks.set_filters(strict, view, callbacks=["FILTER_EVERYTHING"])


@pytest.mark.parametrize(
    ("mime_type", "ending"),
    [
        ("audio/ogg; codecs=opus", ".ogg"),
        ("image/webp", ".webp"),
        ("image/jpeg", ".jpg"),
        ("audio/mp4", ".m4a"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
        ("nobody/knows", ""),
        (None, ""),
    ],
)
def test_addresses_of_files_end_as_their_type_does(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, mime_type: str | None, ending: str
) -> None:
    """On every machine: one without lists of its own knows no voice note and no sticker."""
    bare = mimetypes.MimeTypes()
    monkeypatch.setattr(mimetypes, "guess_extension", bare.guess_extension)
    url = media.signed_url(runtime, UUID(int=1), UUID(int=2), mime_type, 60)
    assert url.rpartition("/")[2].partition(".")[2] == ending.removeprefix(".")
