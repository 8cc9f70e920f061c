"""Pairing, lines that are cut, bans."""

from collections.abc import Sequence

import pytest

from recado.domain.errors import Conflict, NotFound
from recado.domain.events import ConnectionChanged
from recado.domain.ids import CompanyId, InstanceId, new
from recado.domain.states import ConnectionStatus
from recado.services import sandbox
from tests.sandbox.conftest import World


def changes(events: Sequence[object]) -> list[tuple[ConnectionStatus, str | None]]:
    assert all(isinstance(event, ConnectionChanged) for event in events)
    return [(event.status, event.reason) for event in events if isinstance(event, ConnectionChanged)]


async def test_a_scanned_code_connects(world: World) -> None:
    connection = await world.instance()
    assert (await world.adapter.status(connection)).status == ConnectionStatus.CREATED
    shown = await world.adapter.connect(connection, method="qr", phone=None)
    assert shown.status == ConnectionStatus.QR
    assert shown.qr is not None
    assert shown.pairing_code is None
    assert shown.expires_at is not None
    assert (shown.expires_at - world.clock.now).total_seconds() == 60
    world.clock.move(seconds=59)
    instance_id, state = await sandbox.scan(world.db, world.company, shown.qr, at=world.clock.now)
    assert (instance_id, state.status) == (connection.instance_id, ConnectionStatus.CONNECTED)
    assert state.phone is not None
    assert await world.adapter.status(connection) == state
    [event] = await world.posted()
    assert isinstance(event, ConnectionChanged)
    assert (event.type, event.status, event.phone) == ("instance.connected", ConnectionStatus.CONNECTED, state.phone)
    world.clock.move(minutes=5)
    assert await world.posted() == []
    with pytest.raises(NotFound):
        await sandbox.scan(world.db, world.company, shown.qr)


@pytest.mark.parametrize("spelling", [str, str.lower, lambda code: code.replace("-", "")])
async def test_a_pairing_code_connects_however_it_is_typed(world: World, spelling: object) -> None:
    connection = await world.instance()
    shown = await world.adapter.connect(connection, method="phone_code", phone="+55 11 98888-7777")
    assert shown.qr is None
    assert shown.pairing_code is not None
    assert callable(spelling)
    _, state = await sandbox.scan(world.db, world.company, spelling(shown.pairing_code), at=world.clock.now)
    assert state.phone == "5511988887777"


async def test_a_code_expires_and_connecting_again_shows_a_new_one(world: World) -> None:
    connection = await world.instance()
    old = await world.adapter.connect(connection, method="qr", phone=None)
    assert old.qr is not None
    world.clock.move(seconds=60)
    assert (await world.adapter.status(connection)).status == ConnectionStatus.DISCONNECTED
    with pytest.raises(Conflict) as expired:
        await sandbox.scan(world.db, world.company, old.qr, at=world.clock.now)
    assert expired.value.code == "pairing_expired"
    assert changes(await world.posted()) == [(ConnectionStatus.DISCONNECTED, "pairing_expired")]
    fresh = await world.adapter.connect(connection, method="qr", phone=None)
    assert fresh.qr is not None
    assert fresh.qr != old.qr
    with pytest.raises(NotFound):
        await sandbox.scan(world.db, world.company, old.qr, at=world.clock.now)
    await sandbox.scan(world.db, world.company, fresh.qr, at=world.clock.now)
    world.clock.move(minutes=5)
    assert changes(await world.posted()) == [(ConnectionStatus.CONNECTED, None)]


async def test_a_cut_line_and_a_ban_last_until_they_are_mended(world: World) -> None:
    connection = await world.instance()
    instance_id = connection.instance_id
    with pytest.raises(Conflict) as not_paired:
        await sandbox.disconnect(world.db, world.company, instance_id)
    assert not_paired.value.code == "not_paired"
    await sandbox.connect(world.db, world.company, instance_id, at=world.clock.now)
    for _ in range(2):
        await sandbox.disconnect(world.db, world.company, instance_id, at=world.clock.now)
    assert (await world.adapter.restart(connection)).status == ConnectionStatus.DISCONNECTED
    await sandbox.ban(world.db, world.company, instance_id, at=world.clock.now)
    assert (await world.adapter.connect(connection, method="qr", phone=None)).status == ConnectionStatus.BANNED
    assert [status.value for status, _ in changes(await world.posted())] == ["connected", "disconnected", "banned"]
    await sandbox.connect(world.db, world.company, instance_id, at=world.clock.now)
    assert [status.value for status, _ in changes(await world.posted())] == ["connected"]


async def test_a_cut_line_comes_back_without_a_code_and_a_logout_does_not(world: World) -> None:
    connection = await world.instance()
    await sandbox.connect(world.db, world.company, connection.instance_id, at=world.clock.now)
    await sandbox.disconnect(world.db, world.company, connection.instance_id, at=world.clock.now)
    resumed = await world.adapter.connect(connection, method="qr", phone=None)
    assert resumed.status == ConnectionStatus.CONNECTED
    for _ in range(2):
        await world.adapter.disconnect(connection, logout=True)
    shown = await world.adapter.connect(connection, method="qr", phone=None)
    assert shown.status == ConnectionStatus.QR
    # Nothing old arrives late and contradicts what connecting answered.
    assert await world.posted() == []


async def test_another_companys_instance_and_codes_do_not_exist(world: World) -> None:
    connection = await world.instance()
    shown = await world.adapter.connect(connection, method="qr", phone=None)
    assert shown.qr is not None
    stranger = CompanyId(new())
    await world.company_exists(stranger)
    with pytest.raises(NotFound):
        await sandbox.scan(world.db, stranger, shown.qr, at=world.clock.now)
    for change in (sandbox.connect, sandbox.disconnect, sandbox.ban):
        with pytest.raises(NotFound):
            await change(world.db, stranger, connection.instance_id)
        with pytest.raises(NotFound):
            await change(world.db, world.company, InstanceId(new()))


async def test_an_instance_of_another_kind_is_a_conflict(world: World) -> None:
    connection = await world.instance(kind="meta")
    with pytest.raises(Conflict) as refused:
        await sandbox.connect(world.db, world.company, connection.instance_id)
    assert refused.value.code == "not_sandbox"


async def test_removing_a_connection_removes_what_the_sandbox_knew(world: World) -> None:
    connection = await world.instance()
    await sandbox.connect(world.db, world.company, connection.instance_id)
    await world.send(connection)
    await world.db.worker.execute("DELETE FROM instances")
    for table in ("sandbox_sessions", "sandbox_messages", "sandbox_jobs", "sandbox_written"):
        assert await world.db.worker.fetchval(f"SELECT count(*) FROM {table}") == 0
