"""Leases: one holder at a time, whatever becomes of the database, of a process, or of its clock."""

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from recado.domain.events import ConnectionChanged, Noticed
from recado.domain.provider import Accepted, Connection, NotConnected
from recado.domain.states import ConnectionStatus
from recado.store import db, native
from recado.workers import native_numbers
from recado.workers.native import NativeWorker
from recado.workers.native_child import NativeSupervisor
from tests.native.conftest import World, eventually, outgoing

if TYPE_CHECKING:
    from tests.native.go import Go


async def _connected(world: World) -> Connection:
    connection = await world.paired()
    await world.until(connection, "connected")
    return connection


async def _session(world: World) -> Any:
    return await world.owner.fetchrow(
        "SELECT *, lease_until > now() AS leased, not_before > now() AS waits FROM native_sessions"
    )


async def test_a_lease_that_could_not_be_released_ends_by_itself(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewing everything of an owner kept such a number from everybody for as long as its process lived."""
    worker, _ = await world.engine(lease=1.5)
    connection = await _connected(world)

    async def away(*_: Any, **__: Any) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(native, "release", away)
        await worker.numbers.let_go(worker.numbers.by_id[connection.id], reason="handed_over")
    fence = (await _session(world))["fence"]
    await eventually(lambda: connection.id in worker.holds)
    await world.until(connection, "connected")
    assert (await _session(world))["fence"] == fence + 1


async def test_a_number_that_is_still_being_closed_is_not_taken_again(world: World, go: "Go") -> None:
    """After a pause of the whole process: the lease is over, and the same process would take it while closing it."""
    worker, _ = await world.engine(lease=1.5)
    connection = await _connected(world)
    open_again, closing = threading.Event(), threading.Event()
    disconnect = go.Disconnect

    def slowly(uuid: bytes) -> None:
        closing.set()
        open_again.wait(10)
        disconnect(uuid)

    go.Disconnect = slowly  # type: ignore[method-assign]
    await world.owner.execute("UPDATE native_sessions SET lease_until = now() - interval '1 second'")
    await eventually(closing.is_set)
    fence = (await _session(world))["fence"]
    taken = await native.claim(world.db.worker, worker.owner, limit=5, lease=1.5, without=worker.numbers.by_id.keys())
    assert taken == []
    assert (await _session(world))["fence"] == fence
    go.Disconnect = disconnect  # type: ignore[method-assign]
    open_again.set()
    await world.until(connection, "connected")
    assert list(go.numbers) == [connection.id.hex]
    assert worker.numbers.by_id[connection.id].held.fence > fence


async def test_a_message_does_not_leave_once_the_lease_may_be_over(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped after it had begun: what it sends then, another may have sent."""
    worker, _ = await world.engine(lease=30.0)
    connection = await _connected(world)
    upload, now = go.Upload, native_numbers.clock

    def stopped_meanwhile(uuid: bytes, data: bytes, size: int, kind: int) -> bytes:
        monkeypatch.setattr(native_numbers, "clock", lambda: now() + 25.0)
        return upload(uuid, data, size, kind)

    go.Upload = stopped_meanwhile  # type: ignore[method-assign]
    request = {"to": "5511988887777@s.whatsapp.net", "kind": "image", "content": {"caption": "x"}}
    number = worker.numbers.by_id[connection.id]
    assert number.device is not None
    result = await asyncio.to_thread(
        number.device.perform, "send", request, b"x", b"s" * 32, lambda: worker.numbers.may_act(number)
    )
    assert result.reply["outcome"] == "not_connected"
    assert go.sent == []


async def test_a_number_that_was_taken_is_connecting_until_it_says_otherwise(world: World, go: "Go") -> None:
    connection = await world.paired()
    await world.owner.execute("UPDATE native_sessions SET status = 'connected'")
    worker, _ = await world.engine(capacity=1)
    go.refuses = ""
    await native.claim(world.db.worker, worker.owner, limit=1, lease=5.0)
    state = await world.adapter.status(connection)
    assert state.status != ConnectionStatus.CONNECTED


async def test_processes_share_by_their_room(world: World) -> None:
    for capacity in (10, 30):
        await native.enroll(world.db.worker, UUID(int=capacity), capacity=capacity, version="x")
    for _ in range(4):
        await world.paired()
    found = await native.engines(world.db.worker, seen_within=10)
    assert (found.engines, found.capacity, found.wanted, found.held) == (2, 40, 4, 0)
    small, large = NativeWorker(world.runtime, capacity=10), NativeWorker(world.runtime, capacity=30)
    assert (small._share(found), large._share(found)) == (1, 3)


async def test_numbers_beyond_the_room_are_told_of_and_taken_when_there_is_room(world: World, go: "Go") -> None:
    await world.engine(capacity=1)
    first = await _connected(world)
    second = await world.paired()
    state = await world.until(second, "disconnected")
    assert state.reason == "engine_full"
    told = await world.events(second, type="instance.disconnected")
    assert [event.reason for event in told if isinstance(event, ConnectionChanged)] == ["engine_full"]
    health = await world.adapter.health(second.server)
    assert health.healthy, "those that are held go on"
    assert health.why == "2 numbers are to be held, and the engine processes have room for 1."
    assert (await world.adapter.status(first)).status == ConnectionStatus.CONNECTED
    await world.adapter.disconnect(first, logout=False)
    await world.until(second, "connected")


async def test_a_database_without_connections_left_is_not_used_up(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def little(*_: Any) -> int:
        return 20

    with monkeypatch.context() as patch:
        patch.setattr(native, "room", little)
        worker, _ = await world.engine()
        connection = await world.paired()
        state = await world.until(connection, "disconnected")
        assert (state.reason, worker.holds) == ("database_full", frozenset())
    await world.until(connection, "connected")


async def test_room_is_what_the_database_has(world: World) -> None:
    most = int(await world.owner.fetchval("SELECT current_setting('max_connections')"))
    assert 0 < await native.room(world.db.worker) < most


async def test_the_pool_of_a_number_is_ended_with_it(world: World, go: "Go") -> None:
    """neonize leaves it open: two connections to the database for each start, until none is left."""
    worker, _ = await world.engine()
    connection = await _connected(world)
    number = worker.numbers.by_id[connection.id]
    name = native_numbers.store_name(number.held)
    assert len(name) < 64
    left = await db.connect(str(world.runtime.settings.database_url), application_name=name)
    await worker.numbers.let_go(number, reason="handed_over")
    await eventually(left.is_closed)


async def test_what_a_dead_child_held_is_reported_as_a_gap(world: World, go: "Go") -> None:
    worker, _ = await world.engine()
    connection = await _connected(world)
    fence = (await _session(world))["fence"]
    await native.bury(world.db.worker, worker.owner)
    await eventually(lambda: connection.id in worker.holds and worker.numbers.by_id[connection.id].held.fence > fence)
    gap = (await world.events(connection, type="unknown"))[0]
    assert isinstance(gap, Noticed)
    assert gap.data["reason"] == "engine_lost"


async def test_another_way_of_pairing_shows_another_code(world: World, go: "Go") -> None:
    await world.engine(lease=1.5)
    connection = await world.connection()
    assert (await world.adapter.connect(connection, method="qr", phone=None)).qr
    state = await world.adapter.connect(connection, method="phone_code", phone="5511900000001")
    assert (state.status, state.pairing_code) == (ConnectionStatus.QR, "ABCD-1234")
    await world.adapter.connect(connection, method="phone_code", phone="5511900000002")
    assert [what for name, what in go.calls if name == "PairPhone"] == [("5511900000001",), ("5511900000002",)]


def test_nobody_tries_again_before_a_ban_ends() -> None:
    assert all(native_numbers.paused(3_600.0, failures) >= 3_600.0 for failures in range(12) for _ in range(20))
    assert native_numbers.paused(30.0, 12) <= 900.0 * 1.3


async def test_failures_are_forgotten_once_a_number_stood_for_a_while(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    from neonize.proto import Neonize_pb2 as proto

    connection = await world.paired()
    await world.owner.execute("UPDATE native_sessions SET failures = 6")
    worker, _ = await world.engine(lease=30.0)
    await world.until(connection, "connected")
    assert worker.numbers.by_id[connection.id].failed_before == 6
    worker.numbers.by_id[connection.id].connected_at = native_numbers.clock() - 301
    go.tell(connection.id.hex, proto.StreamReplaced())
    await eventually(lambda: not worker.holds)
    row = await _session(world)
    assert (row["failures"], row["waits"]) == (1, True)


async def test_a_child_is_started_to_log_a_number_out(world: World) -> None:
    connection = await world.paired()
    await native.unwant(world.db.worker, world.company, connection.id, logout=True)
    assert await NativeSupervisor(world.runtime)._is_wanted()


async def test_a_send_while_it_is_handed_over_is_certainly_not_sent(world: World, go: "Go") -> None:
    worker, _ = await world.engine(lease=30.0)
    connection = await _connected(world)
    worker.numbers.by_id[connection.id].going = True
    message = outgoing()
    assert isinstance(await world.adapter.send(connection, message), NotConnected)
    worker.numbers.by_id[connection.id].going = False
    assert isinstance(await world.adapter.send(connection, message), Accepted)
