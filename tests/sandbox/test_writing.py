"""What phones write to instances, and the webhooks that carry it."""

import base64
import hashlib
from typing import Any

import filetype  # type: ignore[import-untyped]
import msgspec
import pytest

from recado.domain import content
from recado.domain.errors import Conflict, Invalid, NotFound
from recado.domain.events import Deleted, Edited, MediaRef, Reacted, Received
from recado.domain.ids import CompanyId, new
from recado.domain.provider import (
    CallFailed,
    Connection,
    FetchesMedia,
    FindsMessages,
    MarksRead,
    Restarts,
    ShowsTyping,
    TellsAccount,
)
from recado.providers.sandbox import samples, webhooks
from recado.services import sandbox, sandbox_phones
from recado.services.sandbox_phones import Behaviour, PhoneMessage, WrittenView
from tests.sandbox.conftest import PHONE, World, text


@pytest.fixture
async def instance(world: World) -> Connection:
    connection = await world.instance(secret="a secret of the connection")
    await sandbox.connect(world.db, world.company, connection.instance_id, at=world.clock.now)
    await world.posted()
    return connection


def written(instance: Connection, type: str, **body: Any) -> PhoneMessage:
    return msgspec.convert({"instance_id": str(instance.instance_id), "type": type, **body}, PhoneMessage)


async def write(world: World, instance: Connection, type: str, **body: Any) -> WrittenView:
    message = written(instance, type, **body)
    return await sandbox_phones.write(world.db, world.company, PHONE, message, at=world.clock.now)


async def test_a_phone_writes(world: World, instance: Connection) -> None:
    sent = text()
    await world.send(instance, sent)
    view = await write(world, instance, "text", text={"body": "Oi"}, name="Ana", reply_to=str(sent.message_id))
    [event] = await world.posted()
    assert isinstance(event, Received)
    assert event.provider_id == view.id
    assert (event.chat.phone, event.sender.name, event.content) == (PHONE, "Ana", {"body": "Oi"})
    assert event.reply_to == webhooks.provider_id(sent.message_id)
    await world.adapter.mark_read(instance, chat=PHONE, provider_id=view.id)


SAMPLES: dict[str, Any] = {
    "location": {"latitude": -23.5, "longitude": -46.6},
    "contacts": [{"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+5511999990003"}]}],
    "link": {"url": "https://example.com"},
    "poll": {"name": "Pizza?", "options": ["Sim", "Não"]},
    "order": {"reference_id": "1", "items": [{"name": "Pão", "product_id": "p", "quantity": 2, "amount": 100}]},
}


@pytest.mark.parametrize("kind", SAMPLES)
async def test_content_arrives_as_it_was_written(world: World, instance: Connection, kind: str) -> None:
    await write(world, instance, kind, **{kind: SAMPLES[kind]})
    [event] = await world.posted()
    assert isinstance(event, Received)
    assert event.kind == kind
    decoded = content.decode(kind, msgspec.json.encode(event.content))
    assert decoded == content.decode(kind, msgspec.json.encode(SAMPLES[kind]))


async def test_what_speaks_of_a_message_names_it_as_the_provider_does(world: World, instance: Connection) -> None:
    sent = text()
    target = str(sent.message_id)
    await write(world, instance, "reaction", reaction={"message_id": target, "emoji": "🙏"})
    await write(world, instance, "edit", edit={"message_id": target, "body": "Melhor"})
    await write(world, instance, "delete", delete={"message_id": "SBXABC"})
    reacted, edited, deleted = await world.posted()
    assert isinstance(reacted, Reacted)
    assert isinstance(edited, Edited)
    assert isinstance(deleted, Deleted)
    assert reacted.target == edited.target == webhooks.provider_id(sent.message_id)
    assert (reacted.emoji, edited.content, deleted.target) == ("🙏", {"body": "Melhor"}, "SBXABC")


@pytest.mark.parametrize("kind", content.MEDIA_KINDS)
async def test_media_without_data_is_a_sample_of_its_kind(world: World, instance: Connection, kind: str) -> None:
    await write(world, instance, kind, **{kind: {"caption": "Veja"}})
    [event] = await world.posted()
    assert isinstance(event, Received)
    assert event.media is not None
    data = b"".join([chunk async for chunk in world.adapter.fetch_media(instance, event.media)])
    assert data == samples.sample(kind)[2]
    assert (event.media.size, event.media.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert filetype.guess_mime(data) == event.media.mime_type
    assert event.content["caption"] == "Veja"
    assert "data" not in event.content


async def test_media_with_data_is_that_data(world: World, instance: Connection) -> None:
    url = "data:text/plain;base64," + base64.b64encode(b"bytes").decode()
    await write(world, instance, "document", document={"data": url, "filename": "a.txt"})
    [event] = await world.posted()
    assert isinstance(event, Received)
    assert event.media is not None
    assert (event.media.mime_type, event.media.filename) == ("text/plain", "a.txt")
    assert [chunk async for chunk in world.adapter.fetch_media(instance, event.media)] == [b"bytes"]


async def test_media_that_is_gone_says_so(world: World, instance: Connection) -> None:
    for ref in ({"id": str(new())}, {"id": "nonsense"}, {}):
        with pytest.raises(CallFailed) as failed:
            _ = [chunk async for chunk in world.adapter.fetch_media(instance, MediaRef(ref=ref))]
        assert not failed.value.retryable


@pytest.mark.parametrize(
    ("type", "body", "field"),
    [
        ("text", {}, "text"),
        ("text", {"text": {"body": "a"}, "image": {}}, "image"),
        ("nonsense", {"text": {"body": "a"}}, "type"),
        ("template", {}, "type"),
        ("image", {"image": {"link": "https://example.com/a.png"}}, "image"),
        ("image", {"image": {"data": "%%%"}}, "image.data"),
    ],
)
async def test_wrong_content_names_the_field(
    world: World, instance: Connection, type: str, body: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await write(world, instance, type, **body)
    assert [error.field for error in refused.value.errors] == [field]


async def test_what_is_written_while_either_is_off_waits(world: World, instance: Connection) -> None:
    off = Behaviour(connected=False)
    await sandbox_phones.put_phone(world.db, world.company, PHONE, off, at=world.clock.now)
    await sandbox.disconnect(world.db, world.company, instance.instance_id, at=world.clock.now)
    await write(world, instance, "text", text={"body": "1"})
    await world.posted()
    await sandbox.connect(world.db, world.company, instance.instance_id, at=world.clock.now)
    world.clock.move(minutes=1)
    assert [event.type for event in await world.posted()] == ["instance.connected"]
    await sandbox.disconnect(world.db, world.company, instance.instance_id, at=world.clock.now)
    await sandbox_phones.put_phone(world.db, world.company, PHONE, Behaviour(), at=world.clock.now)
    await write(world, instance, "text", text={"body": "2"})
    assert [event.type for event in await world.posted()] == ["instance.disconnected"]
    await sandbox.connect(world.db, world.company, instance.instance_id, at=world.clock.now)
    events = await world.posted()
    assert [event.content["body"] for event in events if isinstance(event, Received)] == ["1", "2"]


async def test_nobody_writes_to_what_is_not_there(world: World, instance: Connection) -> None:
    stranger = CompanyId(new())
    await world.company_exists(stranger)
    with pytest.raises(NotFound):
        await sandbox_phones.write(world.db, stranger, PHONE, written(instance, "text", text={"body": "a"}))
    with pytest.raises(Conflict):
        await write(world, await world.instance(), "text", text={"body": "a"})


async def test_only_a_right_signature_is_believed(world: World, instance: Connection) -> None:
    body = b'{"events": []}'
    signature = webhooks.sign("a secret of the connection", body)
    adapter = world.adapter
    assert adapter.verify(instance, {"x-sandbox-signature": signature}, body)
    assert not adapter.verify(instance, {"x-sandbox-signature": signature}, body + b" ")
    assert not adapter.verify(instance, {"x-sandbox-signature": "é"}, body)
    assert not adapter.verify(instance, {}, body)
    unsigned = await world.instance()
    assert not adapter.verify(unsigned, {"x-sandbox-signature": webhooks.sign("", body)}, body)


def test_an_unknown_event_is_kept_and_another_shape_is_an_error(world: World) -> None:
    read = world.adapter.read
    [event] = read(b'{"events": [{"id": "1", "event": "moon", "at": "2026-01-01T00:00:00Z", "payload": {"a": 1}}]}')
    assert event.type == "unknown"
    for body in (b"<html>", b"[]", b'{"events": [{"id": 1}]}', b"\xff"):
        with pytest.raises(ValueError, match=r".+"):
            read(body)


async def test_the_optional_protocols_are_there(world: World) -> None:
    for protocol in (FindsMessages, Restarts, MarksRead, ShowsTyping, FetchesMedia, TellsAccount):
        assert isinstance(world.adapter, protocol)
    assert (await world.adapter.health((await world.instance()).server)).healthy
