"""Links that Recado fetches when it sends: kept once, and every answer of theirs a certain outcome."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.app import Recado
from recado.config import Settings
from recado.store import outbox
from recado.store.db import Database
from recado.testing.upstream import Reply, Upstream
from tests.media.test_media import JPEG, PNG, download
from tests.outbound import lanes
from tests.outbound.test_sending import reaches
from tests.support import client
from tests.support.client import Client

PHONE = "5511999990001"
#: As an encoder that writes sound alone begins: nothing tells it from a film.
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(64)
PAGE = b"\n<!DOCTYPE html><html><body>Entre para continuar</body></html>"
MOST = 300_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A small limit, and room for few sends at once."""
    return settings.model_copy(update={"max_media_bytes": MOST, "send_concurrency": 4})


@pytest.fixture
async def files() -> AsyncIterator[Upstream]:
    async with Upstream([]) as upstream:
        yield upstream


@pytest.fixture
async def instance(company: Client) -> dict[str, Any]:
    """A paired sandbox instance that tries once."""
    return await client.make_sandbox_instance(company, {**client.NO_PACING, "max_attempts": 1})


@pytest.fixture
async def storage(served: Recado) -> Path:
    return served.settings.data_dir / "media"


async def send(company: Client, instance: dict[str, Any], link: str, kind: str = "image", **more: Any) -> str:
    content = {"link": link, "fetch": True, **more}
    body = {"instance_id": instance["id"], "to": PHONE, "type": kind, kind: content}
    return str((await company.post("/v1/messages", body))["id"])


def stored(storage: Path) -> list[Path]:
    return [path for path in storage.rglob("*") if path.is_file()]


async def test_a_link_is_fetched_once_and_kept(
    company: Client, instance: dict[str, Any], files: Upstream, storage: Path
) -> None:
    """Also where the send is tried again; the phone, the history and the API show the stored file."""
    files.replies = [Reply(body=JPEG, headers={"content-type": "application/octet-stream"})]
    await company.call("PUT", f"/sandbox/phones/{PHONE}", json={"fail": {"code": "busy", "kind": "retry"}})
    message_id = await send(company, instance, f"{files.url}/f/praia%20azul.jpg?sig=1", caption="Olha")
    failed = await reaches(company, message_id, "failed")
    assert [attempt["outcome"] for attempt in failed["attempts"]] == ["retry"]
    await company.call("PUT", f"/sandbox/phones/{PHONE}", json={})
    await company.post(f"/v1/messages/{message_id}/retry", status=200)
    shown = await reaches(company, message_id, "sent")
    assert len(files.requests) == 1
    assert set(shown["content"]) == {"media_id", "caption"}
    (received,) = (await company.get(f"/sandbox/phones/{PHONE}/messages"))["data"]
    digest = hashlib.sha256(JPEG).hexdigest()
    assert received["media"] == {
        "mime_type": "image/jpeg", "filename": "praia azul.jpg", "size": len(JPEG), "sha256": digest
    }  # fmt: skip
    assert (await download(company, shown["content"]["media_id"])).body == JPEG
    assert len(stored(storage)) == 1


@pytest.mark.parametrize("limit", ["said", "unsaid"])
async def test_too_large_a_file_is_refused_and_nothing_is_kept(
    company: Client, instance: dict[str, Any], files: Upstream, storage: Path, limit: str
) -> None:
    body = b"\xff\xd8\xff\xe0" + bytes(MOST)
    files.replies = [Reply(body=body, trouble="none" if limit == "said" else "stall_body")]
    shown = await reaches(company, await send(company, instance, f"{files.url}/x"), "failed")
    assert shown["error"]["code"] == "media_too_large"
    assert str(MOST) in shown["error"]["why"]
    assert stored(storage) == []


async def test_what_a_link_answers_decides(
    served: Recado, company: Client, instance: dict[str, Any], files: Upstream, storage: Path
) -> None:
    html = {"content-type": "text/html; charset=utf-8"}
    cases: list[tuple[str, Reply, str]] = [
        ("image", Reply(status=404), "media_not_found"),
        ("image", Reply(status=410), "media_not_found"),
        ("image", Reply(status=403, body=PAGE, headers=html), "media_invalid"),
        ("image", Reply(status=204), "media_invalid"),
        ("image", Reply(body=b""), "media_invalid"),
        ("image", Reply(body=PAGE), "media_is_html"),
        ("document", Reply(body=b"<div>oi</div>", headers=html), "media_is_html"),
        ("image", Reply(body=b"%PDF-1.7\n1 0 obj"), "media_invalid"),
        ("image", Reply(body=b"no picture", headers={"content-type": "image/png"}), "media_invalid"),
        ("video", Reply(body=PNG), "media_invalid"),
        ("sticker", Reply(body=MP4), "sticker_format"),
        ("image", Reply(status=302, headers={"location": "http://169.254.169.254/meta-data"}), "media_invalid"),
        ("image", Reply(status=429), "media_unreachable"),
        ("image", Reply(status=503), "media_unreachable"),
        ("image", Reply(trouble="cut"), "media_unreachable"),
        ("image", Reply(body=JPEG, trouble="cut_body"), "media_unreachable"),
        ("image", Reply(trouble="hang"), "media_unreachable"),
        ("image", Reply(body=JPEG, trouble="stall_body"), "media_unreachable"),
    ]
    got = []
    for kind, reply, _ in cases:
        files.replies, files.requests = [reply], []
        if reply.trouble in ("hang", "stall_body"):
            served.runtime.settings = served.settings.model_copy(update={"send_timeout_seconds": 0.3})
        shown = await reaches(company, await send(company, instance, f"{files.url}/x", kind), "failed")
        got.append((kind, reply, shown["error"]["code"]))
        certain = "retry" if shown["error"]["code"] == "media_unreachable" else "refused"
        assert [attempt["outcome"] for attempt in shown["attempts"]] == [certain]
        assert shown["content"] == {"link": f"{files.url}/x", "fetch": True}
        if kind == "sticker":
            assert "video/mp4" in shown["error"]["why"]
    assert got == cases
    assert (await company.get(f"/sandbox/phones/{PHONE}/messages"))["data"] == []
    assert stored(storage) == []


@pytest.mark.parametrize(
    "link", ["http://10.1.2.3/a.jpg", "http://user:pw@example.com/a.jpg", "http://[::ffff:10.0.0.1]/"]
)
async def test_a_guarded_address_is_refused(
    company: Client, instance: dict[str, Any], storage: Path, link: str
) -> None:
    shown = await reaches(company, await send(company, instance, link), "failed")
    assert shown["error"]["code"] == "media_invalid"
    assert "refused" in shown["error"]["why"]
    assert "pw" not in shown["error"]["why"]
    assert stored(storage) == []


async def test_what_the_file_is(company: Client, instance: dict[str, Any], files: Upstream) -> None:
    """Its bytes say so; where they do not, the message, then the answer, then the name."""
    silent = {"content-type": "application/octet-stream"}
    cases: list[tuple[str, str, dict[str, Any], Reply, str, str | None]] = [
        ("document", "/nota", {}, Reply(body=b"%PDF-1.7\n1 0 obj", headers=silent), "application/pdf", None),
        ("document", "/a.csv", {}, Reply(body=b"a;b\n1;2", headers=silent), "text/csv", "a.csv"),
        ("document", "/a.bin", {"filename": "b.csv"}, Reply(body=b"a;b", headers=silent), "text/csv", "b.csv"),
        ("document", "/p.html", {}, Reply(body=PAGE, headers={"content-type": "text/html"}), "text/html", "p.html"),
        ("document", "/p", {"mime_type": "text/html"}, Reply(body=PAGE), "text/html", None),
        ("image", "/a.png", {}, Reply(body=JPEG, headers={"content-type": "text/html"}), "image/jpeg", "a.png"),
        ("audio", "/a.m4a", {}, Reply(body=MP4, headers={"content-type": "audio/mp4"}), "audio/mp4", "a.m4a"),
        ("video", "/a.mp4", {}, Reply(body=MP4), "video/mp4", "a.mp4"),
    ]
    got = []
    for kind, path, more, reply, _, name in cases:
        files.replies, files.requests = [reply], []
        await reaches(company, await send(company, instance, files.url + path, kind, **more), "sent")
        newest = (await company.get(f"/sandbox/phones/{PHONE}/messages"))["data"]
        media = max(newest, key=lambda one: str(one["id"]))["media"]
        shown = media["filename"] if name is not None else None
        got.append((kind, path, more, reply, media["mime_type"], shown))
    assert got == cases


async def test_a_redirect_is_followed_and_a_stored_message_is_not_fetched(
    company: Client, instance: dict[str, Any], files: Upstream
) -> None:
    files.replies = [Reply(status=302, headers={"location": "/there"}), Reply(body=PNG)]
    shown = await reaches(company, await send(company, instance, f"{files.url}/here"), "sent")
    assert [request.path for request in files.requests] == ["/here", "/there"]
    body = {"instance_id": instance["id"], "to": PHONE, "type": "image"}
    again = await company.post("/v1/messages", {**body, "image": {"media_id": shown["content"]["media_id"]}})
    await reaches(company, again["id"], "sent")
    assert len(files.requests) == 2
    wrong = await company.call("POST", "/v1/messages", json={**body, "image": {"media_id": "x", "fetch": True}})
    assert (wrong.status, wrong.body["errors"][0]["field"]) == (422, "image.fetch")


async def test_a_process_that_ended_while_it_fetched_leaves_no_doubt(
    served: Recado, company: Client, instance: dict[str, Any], files: Upstream
) -> None:
    files.replies = [Reply(body=PNG)]
    await company.post(f"/v1/instances/{instance['id']}/queue/pause", status=204)
    message_id = await send(company, instance, f"{files.url}/x")
    async with served.runtime.db.worker.acquire() as connection:
        # As a claim leaves the lane whose process is killed.
        await connection.execute(
            "UPDATE lanes SET message_id = $2 WHERE instance_id = $1", UUID(instance["id"]), UUID(message_id)
        )
    await company.post(f"/v1/instances/{instance['id']}/queue/resume", status=204)
    shown = await reaches(company, message_id, "sent")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["accepted"]
    assert len(files.requests) == 1


async def test_a_process_that_ended_behind_the_fetch_leaves_no_doubt(database: Database) -> None:
    """Nothing is sent under the claim that fetched, so whoever takes the lane next may send."""
    owner, sender = await lanes.make_instance(database)
    await lanes.accept(database, lanes.draft(owner, sender, type="image", content=msgspec.Raw(b'{"link":"x"}')))
    (claimed,) = await lanes.claim(database)
    async with database.work() as connection:
        assert await outbox.keep_content(connection, claimed, {"media_id": "x"})
    (again,) = await lanes.claim(database, now=datetime.now(UTC) + 2 * lanes.LEASE)
    assert (again.message_id, again.interrupted, again.content) == (claimed.message_id, False, {"media_id": "x"})
    async with database.work() as connection:
        assert not await outbox.keep_content(connection, claimed, {}), "the first claim is over"


async def test_slow_links_do_not_hold_up_what_needs_none(
    company: Client, instance: dict[str, Any], files: Upstream
) -> None:
    """More of them than the process sends at once, each in a lane of its own."""
    files.replies = [Reply(body=JPEG, trouble="stall_body")]
    settings = {**client.NO_PACING, "ordering": "recipient"}
    slow = await client.make_sandbox_instance(company, settings)
    for number in range(6):
        content = {"link": f"{files.url}/{number}.jpg", "fetch": True}
        to = f"55119999900{number + 10}"
        await company.post("/v1/messages", {"instance_id": slow["id"], "to": to, "type": "image", "image": content})
    await company.until(f"/v1/instances/{slow['id']}/queue", lambda queue: queue["counts"]["sending"] > 0)
    body = {"instance_id": instance["id"], "to": PHONE, "type": "text", "text": {"body": "oi"}}
    await reaches(company, (await company.post("/v1/messages", body))["id"], "sent")
    assert len(files.requests) == 1, "one link of a company at a time, of the four sends that there is room for"


async def test_typing_is_shown_behind_the_fetch(database: Database) -> None:
    """Only showing it spends it."""
    owner, sender = await lanes.make_instance(database)
    await lanes.accept(database, lanes.draft(owner, sender, typing_ms=700))
    left = []
    for typed in (False, True, False):
        (claimed,) = await lanes.claim(database)
        left.append(claimed.typing_ms)
        now = datetime.now(UTC)
        await lanes.finish(
            database, outbox.Finish(claimed=claimed, done=False, next_at=now, not_before=now, typed=typed), now=now
        )
    assert left == [700, 700, 0]
