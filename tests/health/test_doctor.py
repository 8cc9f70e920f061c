"""`recado doctor` on providers: what it finds around a server that instances use."""

from typing import Any

import pytest

from recado import cli_doctor
from recado.cli_doctor import Finding
from recado.domain.provider import AnswersChallenge, CallFailed, Health
from recado.services import instances, servers
from recado.services.runtime import Runtime
from tests.health.conftest import CONNECTED, World


async def _found(world: World, **settings: Any) -> dict[str, Finding]:
    runtime = world.runtime
    runtime.settings = runtime.settings.model_copy(update=settings)
    return {finding.check: finding for finding in await cli_doctor._providers(runtime)}


@pytest.fixture
async def at_home(world: World) -> World:
    """The servers are on this machine."""
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET base_url = 'http://127.0.0.1:1'")
    return world


async def test_a_server_that_nobody_uses_is_only_asked_how_it_is(at_home: World) -> None:
    assert set(await _found(at_home)) == {"server phone", "server plain", "server deaf"}


async def test_a_look_from_here_changes_nothing(at_home: World) -> None:
    """It may be run where the provider cannot be reached from; that must not take a server out of use."""
    number = await at_home.number()
    before = await servers.get(at_home.runtime, number.server_id)
    at_home.phone.healthy = Health(healthy=False, why="No route to host.")
    assert not (await _found(at_home))["server phone"].ok
    assert await servers.get(at_home.runtime, number.server_id) == before


async def test_all_is_well(at_home: World) -> None:
    number = await at_home.number()
    await at_home.hear(number)
    found = await _found(at_home)
    assert [name for name, finding in found.items() if not finding.ok] == []
    assert "phone 1.2.3 answers in" in found["server phone"].found
    assert found["room on phone"].found == "1 of 100 instances"
    assert found["credentials of phone"].found == "accepted; a number that was asked about is connected"
    assert found["webhooks of phone"].found == "1 of 1 connected numbers heard in a day, the last 0 min ago"
    assert found["address for phone"].found.startswith("http://127.0.0.1")


async def test_credentials_that_the_provider_refuses(at_home: World) -> None:
    number = await at_home.number()
    at_home.phone.states = [CallFailed("It answers 401: invalid key.", code="unauthorized")]
    finding = (await _found(at_home))["credentials of phone"]
    assert (finding.ok, finding.found) == (False, "asked about a number: It answers 401: invalid key.")
    assert str(number.connection.instance_id) in finding.advice


async def test_a_number_that_was_never_connected_is_not_asked_about(at_home: World) -> None:
    await instances.create(at_home.runtime, at_home.company, name="Vendas", kind="phone")
    assert "credentials of phone" not in await _found(at_home)


async def test_a_server_that_is_away(at_home: World) -> None:
    await at_home.number()
    at_home.phone.healthy = Health(healthy=False, why="It answers 503.")
    found = await _found(at_home)
    assert not found["server phone"].ok
    assert "It answers 503." in found["server phone"].found
    assert "credentials of phone" not in found


async def test_nothing_heard_yet_is_said_and_no_fault(at_home: World) -> None:
    await at_home.number()
    finding = (await _found(at_home))["webhooks of phone"]
    assert finding.ok
    assert "nothing was heard yet" in finding.found


async def test_numbers_that_look_dead(at_home: World) -> None:
    number = await at_home.number()
    await at_home.usually_talks(number)
    await at_home.watch(45)
    finding = (await _found(at_home))["webhooks of phone"]
    assert not finding.ok
    assert "1 look dead" in finding.found
    assert "recover" in finding.advice


async def test_a_full_server(at_home: World) -> None:
    number = await at_home.number()
    await servers.update(at_home.runtime, number.server_id, max_instances=1)
    finding = (await _found(at_home))["room on phone"]
    assert not finding.ok
    assert "max_instances" in finding.advice
    await servers.create(
        at_home.runtime,
        name="two",
        kind="phone",
        base_url="http://127.0.0.1:2",
        credentials={"api_key": "k"},
        max_instances=5,
    )
    assert (await _found(at_home))["room on phone"].ok
    await servers.update(at_home.runtime, number.server_id, status="draining")
    assert (await _found(at_home))["room on phone"].found == "1 of 1 instances, draining"


@pytest.mark.parametrize(
    ("ours", "theirs", "ok"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:3000", True),
        ("http://192.168.0.5", "http://10.1.2.3:3000", True),
        ("http://127.0.0.1:8080", "https://8.8.8.8", False),
        ("http://192.168.0.5", "https://8.8.8.8", False),
        ("https://9.9.9.9", "https://8.8.8.8", True),
        ("http://9.9.9.9", "https://8.8.8.8", True),
        ("https://nowhere.invalid", "https://8.8.8.8", False),
    ],
)
async def test_whether_the_provider_reaches_us(world: World, ours: str, theirs: str, ok: bool) -> None:
    number = await world.number()
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET base_url = $2 WHERE id = $1", number.server_id, theirs)
    finding = (await _found(world, public_url=ours))["address for phone"]
    assert finding.ok is ok
    assert ("RECADO_PUBLIC_URL" in finding.advice) is not ok


@pytest.mark.parametrize(("ours", "ok"), [("http://9.9.9.9", False), ("https://9.9.9.9", True)])
async def test_some_post_to_https_only(world: World, ours: str, ok: bool) -> None:
    number = await world.number()
    world.phone.challenge = lambda connection, query: None  # type: ignore[attr-defined]  # As Meta's adapter has it.
    assert isinstance(world.phone, AnswersChallenge)
    async with world.runtime.db.work() as connection:
        await connection.execute("UPDATE servers SET base_url = 'https://8.8.8.8' WHERE id = $1", number.server_id)
    assert (await _found(world, public_url=ours))["address for phone"].ok is ok


async def test_every_finding_that_is_bad_has_advice(world: World, runtime: Runtime) -> None:
    await world.number()
    world.phone.states = [CallFailed("no answer")]
    world.phone.healthy = Health(healthy=False)
    found = await _found(world, public_url="http://127.0.0.1")
    assert [finding for finding in found.values() if not finding.ok and not finding.advice] == []
    world.phone.states = [CONNECTED]
