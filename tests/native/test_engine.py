"""An engine on real PostgreSQL and the real neonize: pairing, sending once, receiving, handing over."""

import asyncio
import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from recado.domain.events import ConnectionChanged, Noticed, Receipt, Received
from recado.domain.provider import Accepted, CallFailed, Connection, Limited, NotConnected, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.store import native
from recado.workers.native import NativeWorker
from tests.native.conftest import PHONE, World, eventually, outgoing

if TYPE_CHECKING:
    from tests.native.go import Go


async def test_a_code_is_shown_scanned_and_the_number_connected(world: World, go: "Go") -> None:
    await world.engine()
    connection = await world.connection()
    state = await world.adapter.connect(connection, method="qr", phone=None)
    assert (state.status, state.qr) == (ConnectionStatus.QR, "2@abc,def,ghi,1")
    assert state.expires_at is not None
    assert state.expires_at > datetime.now(UTC)
    go.scan(connection.id.hex)
    state = await world.until(connection, "connected")
    assert state.phone == "5511900000001"
    told = [event for event in await world.events(connection, at_least=2) if isinstance(event, ConnectionChanged)]
    assert [event.status for event in told] == ["qr", "connected"]
    session = await native.session(world.db.worker, world.company, connection.id)
    assert session is not None
    assert session.device == "5511900000001:12@s.whatsapp.net"


async def test_a_pairing_code_is_asked_for(world: World, go: "Go") -> None:
    await world.engine()
    connection = await world.connection()
    state = await world.adapter.connect(connection, method="phone_code", phone="+55 11 90000-0001")
    assert (state.status, state.pairing_code, state.qr) == (ConnectionStatus.QR, "ABCD-1234", None)
    assert ("PairPhone", ("5511900000001",)) in go.calls


async def test_codes_run_out(world: World, go: "Go") -> None:
    worker, _ = await world.engine()
    connection = await world.connection()
    await world.adapter.connect(connection, method="qr", phone=None)
    await asyncio.to_thread(go.end_codes, connection.id.hex, "timeout")
    state = await world.until(connection, "disconnected")
    assert state.reason == "pairing_expired"
    await eventually(lambda: not worker.holds)
    assert (await native.engines(world.db.worker, seen_within=10)).wanted == 0


async def test_a_passkey_step_is_shown(world: World, go: "Go") -> None:
    await world.engine()
    connection = await world.connection()
    await world.adapter.connect(connection, method="qr", phone=None)
    await asyncio.to_thread(go.end_codes, connection.id.hex, "passkey-request")
    state = await world.until(connection, "connecting")
    assert state.details["passkey"] == {"step": "challenge", "answerable": False}


async def test_without_an_engine_it_says_so(world: World) -> None:
    connection = await world.connection()
    with pytest.raises(CallFailed, match="No engine process"):
        await world.adapter.connect(connection, method="qr", phone=None)
    assert isinstance(await world.adapter.send(connection, outgoing()), NotConnected)
    assert not (await world.adapter.health(connection.server)).healthy


async def connected(world: World) -> Connection:
    connection = await world.paired()
    await world.until(connection, "connected")
    return connection


async def test_a_text_leaves_once_however_often_it_is_handed_over(world: World, go: "Go") -> None:
    await world.engine()
    connection = await connected(world)
    message = outgoing()
    first = await world.adapter.send(connection, message)
    assert isinstance(first, Accepted)
    assert await world.adapter.send(connection, message) == first
    assert await world.adapter.find(connection, message, since=datetime.now(UTC)) == first
    assert [(str(to.User), sent.conversation) for _, to, sent in go.sent] == [(PHONE, "oi")]
    assert await world.adapter.find(connection, outgoing(), since=datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("server returned error 463", Limited),
        ("server returned error 479", Refused),
        ("server returned error 503", Retry),
        ("failed to send message node: websocket not connected", NotConnected),
        ("websocket not connected", Unknown),
        ("failed to send message node: frame socket is closed", NotConnected),
        ("failed to get device list: info query timed out", Retry),
        ("timed out waiting for message send response", Unknown),
        ("something nobody has seen", Unknown),
        ("you're not participating in that group", Refused),
    ],
)
async def test_errors_of_a_send(world: World, go: "Go", error: str, expected: type[Any]) -> None:
    def fail(name: str, message: Any) -> str:
        raise RuntimeError(error)

    await world.engine()
    connection = await connected(world)
    go.on_send = fail
    outcome = await world.adapter.send(connection, outgoing())
    assert isinstance(outcome, expected), outcome
    if isinstance(outcome, Limited):
        assert (outcome.code, outcome.scope) == ("463", "cold")


async def test_what_came_to_nothing_is_sent_again(world: World, go: "Go") -> None:
    await world.engine()
    connection = await connected(world)
    message = outgoing()
    go.on_send = _failing("failed to send message node: websocket not connected")
    assert isinstance(await world.adapter.send(connection, message), NotConnected)
    go.on_send = None
    assert isinstance(await world.adapter.send(connection, message), Accepted)
    assert len(go.sent) == 1


def _failing(why: str) -> Any:
    def fail(name: str, message: Any) -> str:
        raise RuntimeError(why)

    return fail


async def _secrets(world: World) -> None:
    """whatsmeow's table, as version 3 of its schema has it."""
    await world.owner.execute(
        "CREATE TABLE whatsmeow.whatsmeow_message_secrets (our_jid text, chat_jid text, sender_jid text,"
        " message_id text, key bytea NOT NULL, PRIMARY KEY (our_jid, chat_jid, sender_jid, message_id))"
    )


async def test_a_message_in_doubt_is_never_sent_again_and_known_by_its_receipt(world: World, go: "Go") -> None:
    await _secrets(world)
    await world.engine()
    connection = await connected(world)
    message = outgoing()
    secrets: list[bytes] = []

    def lose(name: str, sent: Any) -> str:
        secrets.append(sent.messageContextInfo.messageSecret)
        raise RuntimeError("timed out waiting for message send response")

    go.on_send = lose
    assert isinstance(await world.adapter.send(connection, message), Unknown)
    await world.owner.execute(
        "INSERT INTO whatsmeow.whatsmeow_message_secrets VALUES ($1, 'c', 's', '3EB0DOUBT', $2)",
        "5511900000001:12@s.whatsapp.net",
        secrets[0],
    )
    go.on_send = None
    assert isinstance(await world.adapter.send(connection, message), Unknown)
    assert go.sent == []
    with pytest.raises(CallFailed, match="receipt will tell"):
        await world.adapter.find(connection, message, since=datetime.now(UTC))
    from tests.native.go import receipt

    go.tell(connection.id.hex, receipt(["3EB0DOUBT"], "DELIVERED"))
    told = (await world.events(connection, type="message.delivered"))[0]
    assert isinstance(told, Receipt)
    assert (told.message_id, told.state) == (str(message.message_id), MessageStatus.DELIVERED)


async def test_a_message_that_never_came_to_leaving_is_sent_again(world: World, go: "Go") -> None:
    await _secrets(world)
    await world.engine()
    connection = await connected(world)
    message = outgoing()
    go.on_send = _failing("timed out waiting for message send response")
    assert isinstance(await world.adapter.send(connection, message), Unknown)
    go.on_send = None
    assert await world.adapter.find(connection, message, since=datetime.now(UTC)) is None
    assert isinstance(await world.adapter.send(connection, message), Accepted)
    assert len(go.sent) == 1


async def test_what_cannot_be_read_is_kept_as_it_came(world: World, go: "Go") -> None:
    """whatsmeow has acknowledged it already, so WhatsApp will not deliver it again."""
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.go import text

    await world.engine()
    connection = await connected(world)
    go.tell_raw(connection.id.hex, proto.Message, b"\xff\xff")
    go.tell(connection.id.hex, text("ABC2", "bom dia"))
    told = await world.events(connection, at_least=3)
    [kept] = [event for event in told if isinstance(event, Noticed)]
    assert (kept.type, kept.data["event"], kept.data["kind"]) == ("unknown", "unreadable", "Message")
    assert base64.b64decode(kept.data["data"]) == b"\xff\xff"
    assert isinstance(told[-1], Received), "the number goes on"


async def test_what_people_write_is_stored(world: World, go: "Go") -> None:
    from tests.native.go import text

    await world.engine()
    connection = await connected(world)
    go.tell(connection.id.hex, text("ABC1", "bom dia"))
    event = (await world.events(connection, type="message.received"))[0]
    assert isinstance(event, Received)
    assert (event.provider_id, event.content, event.chat.phone) == ("ABC1", {"body": "bom dia"}, PHONE)


async def test_a_stopping_process_hands_over_at_once(world: World, go: "Go") -> None:
    first, stop = await world.engine()
    connections = [await connected(world) for _ in range(3)]
    second, _ = await world.engine(capacity=10)
    began = time.monotonic()
    stop.set()
    while len(second.holds) < 3 or first.holds:
        await asyncio.sleep(0.02)
        assert time.monotonic() - began < 4
    for connection in connections:
        await world.until(connection, "connected")
        assert isinstance(await world.adapter.send(connection, outgoing()), Accepted)
    gaps = [event for event in await world.events(connections[0]) if isinstance(event, Noticed)]
    assert gaps == []


async def test_two_processes_share_fairly(world: World, go: "Go") -> None:
    first, _ = await world.engine(lease=2.0)
    for _ in range(6):
        await connected(world)
    assert len(first.holds) == 6
    second, _ = await world.engine(lease=2.0)
    began = time.monotonic()
    while len(first.holds) > 4 or len(second.holds) < 2:
        await asyncio.sleep(0.05)
        assert time.monotonic() - began < 15, (len(first.holds), len(second.holds))
    assert not first.holds & second.holds


async def test_a_former_holder_changes_nothing(world: World, go: "Go") -> None:
    worker, _ = await world.engine()
    connection = await connected(world)
    held = worker.numbers.by_id[connection.id].held
    async with world.db.work() as transaction:
        await transaction.execute(
            "UPDATE native_sessions SET fence = fence + 1, owner = $1", worker.owner.__class__(int=7)
        )
    void = native.Change(status=ConnectionStatus.DISCONNECTED, reason="late")
    assert not await native.report(world.db.worker, held, void)
    await eventually(lambda: not worker.holds)
    assert go.numbers == {}, "it disconnects what belongs to somebody else"


async def test_what_people_wrote_to_a_former_holder_is_kept(world: World, go: "Go") -> None:
    """WhatsApp will not tell it again; a repeat is recognised by its key."""
    from tests.native.go import text

    await world.engine(lease=30.0)
    connection = await connected(world)
    async with world.db.work() as transaction:
        await transaction.execute("UPDATE native_sessions SET fence = fence + 1")
    go.tell(connection.id.hex, text("LATE", "cheguei"))
    event = (await world.events(connection, type="message.received"))[0]
    assert isinstance(event, Received)
    assert event.provider_id == "LATE"


async def test_leases_that_cannot_be_renewed_end_connected_numbers(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _ = await world.engine(lease=1.0)
    await connected(world)

    async def away(*_: Any, **__: Any) -> list[native.Renewed]:
        raise OSError("the database is away")

    monkeypatch.setattr(native, "renew", away)
    began = time.monotonic()
    while worker.holds:
        await asyncio.sleep(0.02)
        assert time.monotonic() - began < 3
    assert go.numbers == {}


async def test_logging_out(world: World, go: "Go") -> None:
    worker, _ = await world.engine(lease=1.5)
    connection = await connected(world)
    await world.adapter.disconnect(connection, logout=True)
    await world.until(connection, "disconnected")
    await eventually(lambda: not worker.holds)
    assert "Logout" in [name for name, _ in go.calls]
    session = await native.session(world.db.worker, world.company, connection.id)
    assert session is not None
    assert (session.device, session.wanted) == (None, False)
    await world.adapter.disconnect(connection, logout=True)


async def test_restarting_keeps_the_pairing(world: World, go: "Go") -> None:
    await world.engine(lease=1.5)
    connection = await connected(world)
    state = await world.adapter.restart(connection)
    assert state.status in ("connected", "connecting")
    await world.until(connection, "connected")


async def test_a_first_connection_that_fails_waits_longer_each_time(world: World, go: "Go") -> None:
    go.refuses = "failed to dial whatsapp web websocket"
    await world.engine()
    connection = await world.paired()
    state = await world.until(connection, "disconnected")
    assert state.reason == "engine_stopped"
    assert "dial" in state.details["why"]
    for _ in range(100):
        async with world.db.work() as transaction:
            row = await transaction.fetchrow("SELECT failures, not_before > now() AS waits, owner FROM native_sessions")
        if row is not None and row["owner"] is None:
            break
        await asyncio.sleep(0.02)
    assert row is not None
    assert (row["failures"], row["waits"]) == (1, True)


async def test_a_device_without_keys_is_not_started(world: World, go: "Go") -> None:
    """The real library ends its process over one: seen with neonize 0.5.2."""
    await world.owner.execute("DELETE FROM whatsmeow.whatsmeow_device")
    await world.engine()
    connection = await world.paired()
    state = await world.until(connection, "logged_out")
    assert state.reason == "device_lost"
    assert go.numbers == {}


async def test_a_busy_engine_never_begins_late(world: World, go: "Go", monkeypatch: pytest.MonkeyPatch) -> None:
    await world.engine()
    connection = await connected(world)

    async def nothing(*_: Any, **__: Any) -> list[native.Command]:
        return []

    monkeypatch.setattr(native, "begin", nothing)
    outcome = await world.adapter.send(connection, outgoing())
    assert isinstance(outcome, Retry)
    async with world.db.work() as transaction:
        assert await transaction.fetchval("SELECT count(*) FROM native_commands") == 0


async def test_without_neonize_the_role_says_how_to_install_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from recado import native as engine

    monkeypatch.setattr(engine, "trouble", lambda: engine.INSTALL)
    await asyncio.wait_for(NativeWorker(world.runtime).run(asyncio.Event()), 5)
    assert "uv sync --extra native" in capfd.readouterr().err
