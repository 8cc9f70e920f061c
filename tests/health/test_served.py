"""Health through the API of a whole Recado, with the sandbox: all roles, the real queue, the real webhooks."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from recado.app import Recado
from recado.config import Settings
from tests.support import client, databases
from tests.support.client import Client

PHONE = "5511999990001"


@pytest.fixture(scope="module")
async def served(server: databases.Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recado]:
    """One for all tests here, each with a company of its own."""
    url = await server.fresh()
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("served"), database_url=url, host="127.0.0.1", port=0, pool_size=4
    )
    recado = Recado(settings)
    await recado.start()
    yield recado
    await recado.stop()
    await server.drop(url)


@pytest.fixture
async def company(served: Recado) -> AsyncIterator[Client]:
    async with client.connect(served.url, served.admin_token) as admin:
        yield await client.make_company(admin)


async def _instance(company: Client) -> tuple[str, dict[str, Any]]:
    made = await client.make_sandbox_instance(company, {"liveness": {"recover": False}})
    path = f"/v1/instances/{made['id']}"
    return path, made


async def test_what_a_phone_writes_is_heard(company: Client) -> None:
    path, made = await _instance(company)
    (connection,) = (await company.get(path))["connections"]
    assert (connection["heard_at"], connection["evidence"]) == (None, None)
    written = {"instance_id": made["id"], "type": "text", "text": {"body": "Oi"}}
    await company.post(f"/sandbox/phones/{PHONE}/messages", written)
    shown = await company.until(path, lambda shown: shown["connections"][0]["heard_at"] is not None)
    listed = (await company.get(f"{path}/connections"))["data"]
    assert [one["heard_at"] for one in listed] == [shown["connections"][0]["heard_at"]]


async def test_a_cut_line_is_recovered_by_one_call(company: Client) -> None:
    path, made = await _instance(company)
    await company.post(f"/sandbox/instances/{made['id']}/disconnect", status=200)
    await company.until(path, lambda shown: shown["status"] == "disconnected")
    done = await company.post(f"{path}/recover", status=200)
    assert (done["instance_id"], done["status"], done["needs_person"]) == (made["id"], "connected", None)
    assert done["steps"] == [{"step": "reconnect", "attempt": 1, "done": True, "status": "connected"}]
    assert (await company.get(path))["status"] == "connected"
    told = (await company.get("/v1/events?type=instance.recovering"))["data"]
    assert [event["data"]["step"] for event in told] == ["reconnect"]


async def test_a_ban_needs_a_person(company: Client) -> None:
    path, made = await _instance(company)
    await company.post(f"/sandbox/instances/{made['id']}/ban", status=200)
    await company.until(path, lambda shown: shown["status"] == "banned")
    done = await company.post(f"{path}/recover", status=200)
    assert (done["status"], done["steps"]) == ("banned", [])
    assert "banned" in done["needs_person"]


async def test_a_canary_comes_home(company: Client) -> None:
    canary = {"to": "5511999990009", "every_minutes": 60}
    instance = await client.make_sandbox_instance(company, {**client.NO_PACING, "liveness": {"canary": canary}})
    shown = await company.until(
        f"/v1/messages?instance_id={instance['id']}",
        lambda found: any(message["status"] in ("delivered", "read") for message in found["data"]),
    )
    assert [message["metadata"] for message in shown["data"]] == [{"canary": True}]
    assert (await company.get(f"/v1/instances/{instance['id']}"))["status"] == "connected"
