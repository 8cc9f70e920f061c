"""An engine process that is killed: another takes its numbers, and nothing is sent twice."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from recado.domain.events import Noticed
from recado.domain.provider import Accepted, Unknown
from recado.workers.native_child import NativeSupervisor
from tests.native.conftest import World, eventually, outgoing

_PROCESS = Path(__file__).parent / "process.py"
_ROOT = Path(__file__).parents[2]


def _environment(world: World) -> dict[str, str]:
    url = world.runtime.settings.database_url
    assert url is not None
    return {"RECADO_DATABASE_URL": url, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}


async def test_another_process_takes_over_and_reports_the_gap(world: World) -> None:
    connection = await world.paired()
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROCESS), env={**os.environ, **_environment(world)}, cwd=_ROOT
    )
    try:
        await world.until(connection, "connected")
        message = outgoing(content={"body": "hang"})
        sending = asyncio.create_task(world.adapter.send(connection, message))
        await _begun(world)
    finally:
        child.kill()
        await child.wait()
    second = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROCESS), env={**os.environ, **_environment(world)}, cwd=_ROOT
    )
    try:
        assert isinstance(await sending, Unknown)
        began = time.monotonic()
        while not [event for event in await world.events(connection) if isinstance(event, Noticed)]:
            assert time.monotonic() - began < 15
            await asyncio.sleep(0.1)
        await world.until(connection, "connected")
        assert isinstance(await world.adapter.send(connection, message), Unknown), "it had come to leaving"
        assert isinstance(await world.adapter.send(connection, outgoing()), Accepted)
    finally:
        second.terminate()
        assert await asyncio.wait_for(second.wait(), 15) == 0


async def _begun(world: World) -> None:
    for _ in range(200):
        if await world.owner.fetchval("SELECT count(*) FROM native_commands WHERE claimed_at IS NOT NULL"):
            table = "whatsmeow.whatsmeow_message_secrets"
            if await world.owner.fetchval("SELECT to_regclass($1) IS NOT NULL", table) and await world.owner.fetchval(
                f"SELECT count(*) FROM {table}"
            ):
                return
        await asyncio.sleep(0.05)
    raise AssertionError("the command was not begun")


async def test_the_supervisor_starts_a_dead_child_again_and_frees_its_numbers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _environment(world).items():
        monkeypatch.setenv(name, value)
    connection = await world.paired()
    stop = asyncio.Event()
    supervisor = NativeSupervisor(world.runtime, command=(sys.executable, str(_PROCESS)))
    running = asyncio.create_task(supervisor.run(stop))
    try:
        await world.until(connection, "connected")
        assert supervisor.child is not None
        first = supervisor.child.pid
        supervisor.child.kill()
        await eventually(lambda: supervisor.child is not None and supervisor.child.pid != first)
        await world.until(connection, "connected")
        assert isinstance(await world.adapter.send(connection, outgoing()), Accepted)
    finally:
        stop.set()
        await running
    assert (await world.adapter.status(connection)).status != "connected"
