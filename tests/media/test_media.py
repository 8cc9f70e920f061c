"""Media over HTTP: handed in, fetched from the provider, handed out under signed links."""

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import aiohttp
import pytest

from recado.domain.ids import CompanyId
from recado.services import media
from tests.inbound.conftest import make_number
from tests.inbound.wire import Number
from tests.media.conftest import MediaGraph
from tests.support import client

if TYPE_CHECKING:
    from recado.app import Recado

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)) * 900


async def upload(company: client.Client, data: Any, *, status: int = 201, path: str = "/v1/media", **more: Any) -> Any:
    reply = await company.call("POST", path, data=data, **more)
    assert reply.status == status, reply.body
    return reply.body


async def download(company: client.Client, media_id: str) -> client.Reply:
    reply = await company.call("GET", f"/v1/media/{media_id}")
    assert reply.status == 302, reply.body
    return await company.as_(None).call("GET", reply.headers["Location"])


def image(media_id: str, **more: Any) -> dict[str, Any]:
    return {
        "from": "5511999990001",
        "id": f"wamid.{media_id}",
        "timestamp": "1790000000",
        "type": "image",
        "image": {"id": media_id, "mime_type": "image/jpeg", "sha256": "x", **more},
    }


async def test_a_raw_upload_is_hashed_sniffed_and_served(number: Number) -> None:
    made = await upload(
        number.company, PNG, path="/v1/media?filename=a%2F..%2Ffoto.png", headers={"Content-Type": "text/html"}
    )
    assert made["mime_type"] == "image/png", "the bytes decide"
    assert made["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert made["size"] == len(PNG)
    assert "/" not in made["filename"]
    reply = await download(number.company, made["id"])
    assert reply.body == PNG
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Disposition"].startswith("inline;")


async def test_what_a_browser_could_run_is_only_ever_saved(number: Number) -> None:
    page = b"<html><script>alert(1)</script></html>"
    made = await upload(number.company, page, headers={"Content-Type": 'text/html; charset="utf-8"'})
    reply = await download(number.company, made["id"])
    assert reply.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in reply.headers["Content-Security-Policy"]


async def test_a_form_upload_takes_its_first_file(number: Number) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("note", "not the file")
    form.add_field("file", JPEG, filename="imagem ção.jpg", content_type="application/octet-stream")
    form.add_field("more", PNG, filename="second.png")
    made = await upload(number.company, form)
    assert (made["mime_type"], made["filename"], made["size"]) == ("image/jpeg", "imagem ção.jpg", len(JPEG))
    assert (await download(number.company, made["id"])).body == JPEG


async def test_uploads_that_are_refused(served: "Recado", number: Number, monkeypatch: pytest.MonkeyPatch) -> None:
    await upload(number.company, b"", status=422)
    await upload(
        number.company, b"--x\r\nbroken", status=400, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    await upload(number.company, b"x", status=400, headers={"Content-Type": "multipart/form-data"})
    form = aiohttp.FormData({"note": "no file"})
    form.add_field("other", "text", content_type="text/plain")
    await upload(number.company, form, status=422)
    await upload(number.company.as_(None), PNG, status=401)


async def test_too_large_a_file_is_refused_while_it_arrives(served: "Recado", number: Number) -> None:
    most = 2_000_000
    served.runtime.settings = served.settings.model_copy(update={"max_media_bytes": most})

    async def endless(count: int) -> Any:
        for _ in range(count):
            yield b"x" * 500_000

    made = await upload(number.company, endless(4))
    assert made["size"] == most
    await upload(number.company, endless(5), status=413)
    assert len(list((served.settings.data_dir / "media").rglob("*-*-*-*-*"))) == 2, "one folder, one file"


async def test_a_declared_type_that_no_header_can_carry_is_dropped(number: Number) -> None:
    document = {"data": "aGVsbG8=", "mime_type": "текст/plain", "filename": 'olá\r\n"x.txt'}
    sent = await number.company.post(
        "/v1/messages",
        {"instance_id": number.instance_id, "to": "5511999990001", "type": "document", "document": document},
    )
    message = await number.company.get(f"/v1/messages/{sent['id']}")
    reply = await download(number.company, message["content"]["media_id"])
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/octet-stream")


async def test_links_expire_and_cannot_be_changed(served: "Recado", number: Number) -> None:
    made = await upload(number.company, PNG)
    other = await upload(number.company, JPEG)
    reply = await number.company.call("GET", f"/v1/media/{made['id']}")
    location = reply.headers["Location"]
    anybody = number.company.as_(None)
    assert (await anybody.call("GET", location)).status == 200
    assert (await anybody.call("GET", location.replace(made["id"], other["id"]))).status == 403
    assert (await anybody.call("GET", location.replace("expires=1", "expires=2"))).status == 403
    assert (await anybody.call("GET", location[:-4] + "AAAA")).status == 403
    assert (await anybody.call("GET", location.split("signature=")[0] + "signature=%00")).status == 403
    expired = "expires=1&signature=" + location.split("signature=")[1]
    assert (await anybody.call("GET", location.split("expires=")[0] + expired)).status == 403
    company_id = CompanyId(UUID(location.split("/")[2]))
    stored = await media.open_stored(served.runtime, company_id, made["id"])
    assert stored is not None
    assert await stored.read() == PNG


async def test_another_companys_media_does_not_exist(
    number: Number, admin: client.Client, graph_server: MediaGraph
) -> None:
    made = await upload(number.company, PNG)
    other = await make_number(admin, graph_server, account="999")
    assert (await other.company.call("GET", f"/v1/media/{made['id']}")).status == 404


async def test_received_media_is_fetched_kept_and_told(number: Number, graph_server: MediaGraph) -> None:
    graph_server.files["M1"] = JPEG
    await number.receive(image("M1", caption="olha"))
    (event,) = await number.events(1)
    content = event["data"]["message"]["content"]
    assert content["caption"] == "olha"
    (ready,) = await number.events(1, "media.ready")
    assert ready["data"]["media"]["id"] == content["media_id"]
    assert ready["data"]["media"]["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert ready["message_id"] == event["message_id"]
    assert ready["conversation_id"] == event["conversation_id"]
    assert (await download(number.company, content["media_id"])).body == JPEG


async def test_media_that_is_gone_fails_once_and_says_so(number: Number, graph_server: MediaGraph) -> None:
    graph_server.files["M2"] = JPEG
    graph_server.statuses = [404]
    await number.receive(image("M2"))
    (failed,) = await number.events(1, "media.failed")
    assert "404" in failed["data"]["media"]["error"]
    assert graph_server.downloads == 1
    reply = await number.company.call("GET", f"/v1/media/{failed['data']['media']['id']}")
    assert (reply.status, reply.body["code"]) == (404, "media_failed")


async def test_media_is_tried_again_and_given_up_after_five(
    served: "Recado", number: Number, graph_server: MediaGraph
) -> None:
    graph_server.files |= {"M3": JPEG, "M4": JPEG}
    graph_server.statuses = [500] * 6
    await number.receive(image("M3"))
    await hurry(served, graph_server, until=5)
    (failed,) = await number.events(1, "media.failed")
    assert failed["data"]["media"]["message_id"]
    await number.receive(image("M4"))
    await hurry(served, graph_server, until=7)
    assert len(await number.events(1, "media.ready")) == 1
    assert graph_server.downloads == 7


async def hurry(served: "Recado", graph: MediaGraph, *, until: int) -> None:
    """Let what waits for its next try be due at once, until so many tries were made."""
    async with asyncio.timeout(20):
        while graph.downloads < until:
            async with served.runtime.db.work() as connection:
                await connection.execute(
                    "UPDATE media SET next_at = now() WHERE status = 'pending' AND error IS NOT NULL"
                )
            served.runtime.signals.set("media")
            await asyncio.sleep(0.05)


async def test_a_file_in_a_message_is_stored_and_reaches_the_provider(number: Number, graph_server: MediaGraph) -> None:
    made = await upload(number.company, PNG)
    reply = await number.company.call(
        "POST",
        "/v1/messages",
        json={
            "instance_id": number.instance_id,
            "to": "5511999990001",
            "type": "image",
            "image": {"data": f"data:image/png;base64,{base64.b64encode(PNG).decode()}", "caption": "oi"},
        },
    )
    assert reply.status == 201, reply.body
    shown = await number.company.get(f"/v1/messages/{reply.body['id']}")
    stored_id = shown["content"]["media_id"]
    assert stored_id != made["id"]
    assert (await download(number.company, stored_id)).body == PNG
