"""The command line as an operator uses it: programs started, exit codes, what is printed, JSON for scripts."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import typer.testing

from recado import cli
from recado.app import Recado
from recado.config import Settings
from recado.kit import crypto
from recado.services import keys
from recado.services.runtime import Runtime
from recado.store import db, sealed
from recado.store.db import Database
from tests.support import client, databases, secrets

Run = Callable[..., typer.testing.Result]

META_WEBHOOK = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "551130000000", "phone_number_id": "100200300"},
                        "contacts": [{"profile": {"name": "Ana"}, "wa_id": "5511999990001"}],
                        "messages": [
                            {
                                "from": "5511999990001",
                                "id": "wamid.HBgNNTUxMTk5OTk5MDAwMRUCABIYFDNB",
                                "timestamp": "1795305600",
                                "type": "text",
                                "text": {"body": "Oi"},
                            }
                        ],
                    },
                }
            ],
        }
    ],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `recado …` in this process, on a data directory of its own."""
    monkeypatch.setenv("RECADO_DATA_DIR", str(tmp_path / "data"))
    runner = typer.testing.CliRunner()

    def invoke(*arguments: str, code: int = 0, stdin: bytes | None = None) -> typer.testing.Result:
        result = runner.invoke(cli.cli, list(arguments), input=stdin)
        assert result.exit_code == code, f"{result.exit_code}: {result.output} {result.exception!r}"
        return result

    return invoke


@pytest.fixture
def on_database(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` on the test's database."""
    monkeypatch.setenv("RECADO_DATABASE_URL", database_url)
    return run


async def in_thread(run: Run, *arguments: str, code: int = 0) -> typer.testing.Result:
    """`run` while this loop goes on: a command has a loop of its own."""
    return await asyncio.to_thread(run, *arguments, code=code)


# --- help and settings ----------------------------------------------------------------------------------


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, recado.cli; print([m for m in ('litestar', 'asyncpg', 'pydantic', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "api",
        "worker",
        "migrate",
        "demo",
        "doctor",
        "config",
        "openapi",
        "explain",
        "webhook",
        "admin",
        "admin/company",
        "admin/key",
    ],
)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    assert "Usage" in run(*command.split("/"), "--help").output


def test_config_lists_every_setting_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_ADMIN_TOKEN", secrets.register("an-admin-token-of-mine"))
    monkeypatch.setenv("RECADO_PORT", "9001")
    rows = {row["variable"]: row for row in json.loads(run("config", "--json").stdout)}
    assert set(rows) == {f"RECADO_{name.upper()}" for name in Settings.model_fields}
    assert rows["RECADO_PORT"]["value"] == 9001
    assert rows["RECADO_ADMIN_TOKEN"]["value"] == "(set)"
    shown = run("config").stdout
    assert "RECADO_LEASE_SECONDS" in shown
    assert "an-admin-token" not in shown


def test_a_wrong_setting_ends_the_command_with_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_PORT", "a-port")
    result = run("config", code=2)
    assert "RECADO_PORT" in result.stderr
    assert "a-port" not in result.stderr


def test_openapi_prints_the_document(run: Run) -> None:
    document = json.loads(run("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "post" in document["paths"]["/v1/messages"]


# --- webhook read ---------------------------------------------------------------------------------------


@pytest.fixture
def meta_file(tmp_path: Path) -> Path:
    file = tmp_path / "webhook.json"
    file.write_text(json.dumps(META_WEBHOOK))
    return file


def test_a_webhook_becomes_a_list_of_events(run: Run, meta_file: Path) -> None:
    events = json.loads(run("webhook", "read", "meta", str(meta_file), "--json").stdout)
    assert [event["type"] for event in events] == ["message.received"]
    assert events[0]["provider_id"] == "wamid.HBgNNTUxMTk5OTk5MDAwMRUCABIYFDNB"
    assert "1 event" in run("webhook", "read", "meta", str(meta_file)).stdout


def test_a_webhook_may_come_by_pipe(run: Run, meta_file: Path) -> None:
    result = run("webhook", "read", "meta", "-", "--json", stdin=meta_file.read_bytes())
    assert len(json.loads(result.stdout)) == 1


@pytest.mark.parametrize(("secret", "code"), [("app-secret", 0), ("another-secret", 1)])
def test_a_signature_is_checked_when_a_secret_is_given(run: Run, meta_file: Path, secret: str, code: int) -> None:
    signature = hmac.new(b"app-secret", meta_file.read_bytes(), hashlib.sha256).hexdigest()
    header = f"X-Hub-Signature-256=sha256={signature}"
    result = run("webhook", "read", "meta", str(meta_file), "--header", header, "--secret", secret, "--json", code=code)
    assert ("signature" in result.stderr) is bool(code)


@pytest.mark.parametrize("kind", ["meta", "sandbox"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff\xfe", b'{"a": '], ids=repr)
def test_what_is_no_webhook_is_said_so(run: Run, tmp_path: Path, kind: str, body: bytes) -> None:
    file = tmp_path / "body"
    file.write_bytes(body)
    result = run("webhook", "read", kind, str(file), "--json", code=1)
    assert f"not a webhook of {kind}" in result.stderr
    assert result.stdout == ""


def test_wrong_arguments_are_said_so(run: Run, meta_file: Path, tmp_path: Path) -> None:
    assert "There is no provider" in run("webhook", "read", "pigeon", str(meta_file), code=2).stderr
    assert "Cannot read" in run("webhook", "read", "meta", str(tmp_path / "absent"), code=1).stderr
    assert "Name=value" in run("webhook", "read", "meta", str(meta_file), "--header", "x", code=2).stderr


# --- admin ----------------------------------------------------------------------------------------------


def test_a_company_an_instance_and_tokens(on_database: Run) -> None:
    run = on_database
    company = json.loads(run("admin", "company", "create", "Padaria", "--json").stdout)
    secrets.register(company["token"])
    assert company["token"].startswith("rcd_co_")
    assert [one["id"] for one in json.loads(run("admin", "company", "list", "--json").stdout)] == [company["id"]]
    assert "Padaria" in run("admin", "company", "list").stdout

    token = json.loads(run("admin", "token", "create", "--company", company["id"], "--json").stdout)
    rotated = json.loads(run("admin", "token", "rotate", token["id"], "--json").stdout)
    assert rotated["token"] != token["token"]
    assert "ended" in run("admin", "token", "revoke", rotated["id"]).stdout
    run("admin", "token", "rotate", rotated["id"], code=1)
    admin = json.loads(run("admin", "token", "create", "--json").stdout)
    assert admin["token"].startswith("rcd_adm_")
    assert len(json.loads(run("admin", "token", "list", "--company", company["id"], "--json").stdout)) == 3


def test_an_instance_is_made_on_a_server(on_database: Run, runtime: Runtime) -> None:
    run = on_database
    company = json.loads(run("admin", "company", "create", "Padaria", "--json").stdout)["id"]
    made = json.loads(run("admin", "instance", "create", "Vendas", "--company", company, "--json").stdout)
    assert made["token"].startswith("rcd_in_")
    assert [one["kind"] for one in made["connections"]] == ["sandbox"]


def test_an_instance_takes_credentials_from_files(on_database: Run, runtime: Runtime, tmp_path: Path) -> None:
    run = on_database
    company = json.loads(run("admin", "company", "create", "Padaria", "--json").stdout)["id"]
    (tmp_path / "token").write_text("EAA-from-a-file\n")
    made = run(
        *("admin", "instance", "create", "Vendas", "--company", company, "--kind", "meta", "--json"),
        *("--credential", "phone_number_id=100200300", "--credential", f"access_token=@{tmp_path / 'token'}"),
        *("--credential", "app_secret=an-app-secret", "--credential", "verify_token=a-verify-token"),
    )
    assert json.loads(made.stdout)["connections"][0]["kind"] == "meta"
    missing = run("admin", "instance", "create", "Vendas", "--company", company, "--kind", "meta", code=1)
    assert "phone_number_id" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("instance", "create", "x", "--company", str(uuid4())), 1, "There is no company"),
        (("instance", "create", "x", "--company", "padaria"), 2, "not the id of a company"),
        (("token", "create", "--company", str(uuid4())), 1, "There is no company"),
        (("token", "revoke", str(uuid4())), 1, "There is no token"),
        (("token", "create", "--instance", str(uuid4())), 2, "needs --company"),
    ],
)
def test_what_is_not_there_is_said_so(on_database: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in on_database("admin", *arguments, code=code).stderr


def test_a_database_that_is_away_is_said_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert "recado doctor" in run("admin", "company", "list", code=1).stderr


async def test_migrate_brings_an_empty_database_up(
    run: Run, server: databases.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await server.empty()
    monkeypatch.setenv("RECADO_DATABASE_URL", url)
    refused = await in_thread(run, "admin", "company", "list", code=1)
    assert "recado migrate" in refused.stderr
    applied = json.loads((await in_thread(run, "migrate", "--json")).stdout)["applied"]
    assert applied[0] == {"number": 1, "phase": "pre", "name": "heart"}
    assert (await in_thread(run, "migrate")).stdout == "nothing to do\n"
    await server.drop(url)


# --- keys -----------------------------------------------------------------------------------------------


async def _all_current(url: str, ring: crypto.Keyring) -> bool:
    database = Database(url, pool_size=2)
    await database.start()
    async with database.worker.acquire() as connection:
        current = [ring.current(one.blob) async for one in sealed.everything(connection)]
    await database.stop()
    assert current
    return all(current)


async def test_keys_rotate_in_three_steps(
    on_database: Run, database_url: str, runtime: Runtime, tmp_path: Path
) -> None:
    run = on_database
    path = runtime.settings.secret_key_path
    company = json.loads((await in_thread(run, "admin", "company", "create", "Padaria", "--json")).stdout)["id"]
    await in_thread(run, "admin", "instance", "create", "Vendas", "--company", company)
    assert json.loads((await in_thread(run, "admin", "key", "add", "--json")).stdout) == {"keys": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    ring = crypto.load_or_create(path)
    assert not await _all_current(database_url, ring)
    assert "still need" in (await in_thread(run, "admin", "key", "prune", code=1)).stderr

    done = json.loads((await in_thread(run, "admin", "key", "rotate", "--json")).stdout)
    assert done["encrypted"] > 0
    assert done["unreadable"] == []
    assert await _all_current(database_url, ring)
    again = json.loads((await in_thread(run, "admin", "key", "rotate", "--json")).stdout)
    assert (again["encrypted"], again["current"]) == (0, done["encrypted"])

    assert json.loads((await in_thread(run, "admin", "key", "prune", "--json")).stdout) == {"dropped": 1}
    assert await _all_current(database_url, crypto.load_or_create(path))
    assert "stored credentials" in (await in_thread(run, "doctor")).stdout


async def test_a_webhook_secret_is_rotated_too(database: Database) -> None:
    """Both secrets of an endpoint, bound to the endpoint."""
    first = keys.new_key()
    old, new = crypto.parse(first), crypto.parse(f"{keys.new_key()},{first}")
    company, webhook = uuid4(), uuid4()
    context = b"webhook:" + webhook.bytes
    async with database.work() as connection:
        await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'x')", company)
        await connection.execute(
            "INSERT INTO webhooks (company_id, id, url, events, secret, previous_secret) VALUES ($1, $2, $3, $4, $5, $6)",
            company,
            webhook,
            "https://example.com",
            ["*"],
            old.encrypt(b"now", context),
            old.encrypt(b"before", context),
        )
    assert (await keys.rotate(database, new)).encrypted == 2
    async with database.work() as connection:
        row = await connection.fetchrow("SELECT secret, previous_secret FROM webhooks")
    assert row is not None
    assert [new.decrypt(row[0], context), new.decrypt(row[1], context)] == [b"now", b"before"]
    assert [new.current(row[0]), new.current(row[1])] == [True, True]


async def test_what_no_key_opens_is_named_and_left(database: Database, runtime: Runtime) -> None:
    other = crypto.Keyring([b"o" * 32])
    done = await keys.rotate(database, other)
    assert done.encrypted == 0
    assert all(name.startswith("server ") for name in done.unreadable)
    assert (await keys.check(database, runtime.keyring)).unreadable == []


def test_a_key_in_the_environment_is_the_operators_to_change(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_SECRET_KEY", keys.new_key())
    made = json.loads(run("admin", "key", "add", "--json").stdout)["key"]
    assert len(base64.b64decode(made)) == crypto.KEY_BYTES
    assert "RECADO_SECRET_KEY" in run("admin", "key", "prune", code=1).stderr


# --- doctor ---------------------------------------------------------------------------------------------


def _checks(result: typer.testing.Result) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in json.loads(result.stdout)["checks"]}


async def test_doctor_finds_all_well(on_database: Run, runtime: Runtime) -> None:
    result = await in_thread(on_database, "doctor", "--json")
    checks = _checks(result)
    assert json.loads(result.stdout)["ok"]
    assert list(checks)[:4] == ["data directory", "disk", "key", "media storage"]
    assert {"database", "clock", "migrations", "stored credentials", "server sandbox"} <= set(checks)
    assert "✓" in (await in_thread(on_database, "doctor")).stdout


def test_doctor_says_what_to_do_about_a_missing_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_DATABASE_URL", "postgresql://nobody:hunter22@127.0.0.1:1/nothing")
    checks = _checks(run("doctor", "--json", code=1))
    assert not checks["database"]["ok"]
    assert "RECADO_DATABASE_URL" in checks["database"]["advice"]
    shown = run("doctor", code=1).stdout
    assert "✗" in shown
    assert "hunter22" not in shown


async def test_doctor_finds_missing_migrations(
    run: Run, server: databases.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await server.empty()
    monkeypatch.setenv("RECADO_DATABASE_URL", url)
    checks = _checks(await in_thread(run, "doctor", "--json", code=1))
    assert checks["migrations"]["advice"] == "recado migrate"
    await server.drop(url)


async def test_doctor_finds_a_key_that_opens_nothing(
    on_database: Run, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECADO_SECRET_KEY", keys.new_key())
    checks = _checks(await in_thread(on_database, "doctor", "--json", code=1))
    assert not checks["stored credentials"]["ok"]
    assert "key" in checks["stored credentials"]["advice"]


def test_doctor_finds_a_key_that_is_none(on_database: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_SECRET_KEY", "not-a-key")
    assert not _checks(on_database("doctor", "--json", code=1))["key"]["ok"]


def test_doctor_finds_a_redis_that_is_away(on_database: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_REDIS_URL", "redis://127.0.0.1:1")
    assert not _checks(on_database("doctor", "--json", code=1))["redis"]["ok"]


async def test_doctor_finds_a_server_that_is_away(on_database: Run, runtime: Runtime, database: Database) -> None:
    from recado.services import companies, instances, servers

    company = (await companies.create(runtime, name="Padaria", settings={})).company
    made = await servers.create(
        runtime,
        name="Graph",
        kind="meta",
        base_url="http://127.0.0.1:1",
        credentials={},
        max_instances=10,
        region=None,
        company_id=None,
    )
    unused = _checks(await in_thread(on_database, "doctor", "--json"))["server Graph"]
    assert unused["ok"]
    credentials = {
        "phone_number_id": "100200300",
        "access_token": "EAA-access-token",
        "app_secret": "the-app-secret",
        "verify_token": "the-verify-token",
    }
    await instances.create(runtime, company.id, name="Vendas", server_id=made.id, credentials=credentials)
    checks = _checks(await in_thread(on_database, "doctor", "--json", code=1))
    assert not checks["server Graph"]["ok"]
    assert str(made.id) in checks["server Graph"]["advice"]


# --- explain --------------------------------------------------------------------------------------------


async def test_explain_tells_a_message_in_words(run: Run, served: Recado, monkeypatch: pytest.MonkeyPatch) -> None:
    text = secrets.text("Olá")
    async with client.connect(served.url, served.admin_token) as admin:
        company = await client.make_company(admin)
        instance = await client.make_sandbox_instance(company)
        body = {"instance_id": instance["id"], "to": "5511999990001", "type": "text", "text": {"body": text}}
        sent = await company.post("/v1/messages", body)
        await company.until(f"/v1/messages/{sent['id']}", lambda shown: shown["status"] == "read")
    assert served.settings.database_url is not None
    monkeypatch.setenv("RECADO_DATABASE_URL", served.settings.database_url)
    shown = (await in_thread(run, "explain", sent["id"])).stdout
    assert "Accepted: text to 5511999990001" in shown
    assert "Attempt 1: the provider took it" in shown
    assert "The recipient read it." in shown
    assert "It arrived and was read." in shown
    assert text not in shown
    story = json.loads((await in_thread(run, "explain", sent["id"], "--json")).stdout)
    assert [step["state"] for step in story["steps"]][-1] == "read"
    assert "There is no message" in (await in_thread(run, "explain", str(uuid4()), code=1)).stderr


async def test_explain_says_what_a_waiting_message_waits_for(
    run: Run, served: Recado, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client.connect(served.url, served.admin_token) as admin:
        company = await client.make_company(admin)
        instance = await company.post("/v1/instances", {"name": "Vendas", "kind": "sandbox"})
        body = {"instance_id": instance["id"], "to": "5511999990001", "type": "text", "text": {"body": "Olá"}}
        waiting = await company.post("/v1/messages", body)
        assert served.settings.database_url is not None
        monkeypatch.setenv("RECADO_DATABASE_URL", served.settings.database_url)
        assert "Vendas is created" in (await in_thread(run, "explain", waiting["id"])).stdout
        await company.post(f"/v1/instances/{instance['id']}/queue/pause", status=204)
        assert "paused" in (await in_thread(run, "explain", waiting["id"])).stdout
        await company.post(f"/v1/messages/{waiting['id']}/cancel", status=200)
        assert "taken back" in (await in_thread(run, "explain", waiting["id"])).stdout


# --- serve and demo -------------------------------------------------------------------------------------


async def test_the_demo_goes_round_on_a_running_recado(run: Run, served: Recado) -> None:
    assert served.admin_token is not None
    shown = (await in_thread(run, "demo", "--url", served.url, "--token", served.admin_token)).stdout
    assert "message.read" in shown
    assert "message.received" in shown
    assert "every webhook verified" in shown
    async with client.connect(served.url, served.admin_token) as admin:
        assert (await admin.get("/v1/companies"))["data"] == []


def test_the_demo_says_what_failed(run: Run) -> None:
    assert "--token" in run("demo", "--url", "http://127.0.0.1:1", code=1).stderr
    refused = run("demo", "--url", "http://127.0.0.1:1", "--token", "x", code=1)
    assert "cannot be reached" in refused.stderr


def _program(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "recado.cli", *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_serve_prints_a_first_message_that_works(database_url: str, tmp_path: Path) -> None:
    environment = {"RECADO_DATABASE_URL": database_url, "RECADO_DATA_DIR": str(tmp_path)}
    program = _program("serve", "--port", "0", "--example", **environment)
    try:
        printed = await asyncio.to_thread(_read_until, program, "/v1/messages?instance_id=")
        curl = re.search(r"curl -X POST (\S+) -H \"Authorization: (Bearer \S+)\" .*? -d '(.*?)'", printed, re.DOTALL)
        assert curl is not None, printed
        url, authorization, body = curl.groups()
        secrets.register(authorization.removeprefix("Bearer "))
        headers = {"authorization": authorization, "content-type": "application/json"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.post(url, data=body) as response:
                assert response.status == 201, await response.text()
            instance = json.loads(body)["instance_id"]
            caller = client.Client(session, url.removesuffix("/v1/messages"), None)
            found = await caller.until(
                f"/v1/messages?instance_id={instance}", lambda shown: len(shown["data"]) == 2, seconds=40
            )
        assert {message["direction"] for message in found["data"]} == {"inbound", "outbound"}
        assert await asyncio.to_thread(_end, program) == 0
        # The next start shows the same company again.
        assert (tmp_path / "example.json").stat().st_mode & 0o777 == 0o600
        again = _program("serve", "--port", "0", "--example", **environment)
        try:
            printed_again = await asyncio.to_thread(_read_until, again, "/v1/messages?instance_id=")
        finally:
            assert await asyncio.to_thread(_end, again) == 0
        assert authorization in printed_again
        assert instance in printed_again
    finally:
        _end(program)


def _end(program: subprocess.Popen[str]) -> int:
    """Stop it as an operator does, and return its exit code."""
    program.send_signal(signal.SIGTERM)
    try:
        return program.wait(30)
    finally:
        program.kill()
        assert program.stdout is not None
        program.stdout.close()


def _read_until(program: subprocess.Popen[str], wanted: str) -> str:
    assert program.stdout is not None
    printed = ""
    for line in program.stdout:
        printed += line
        if wanted in line:
            return printed
    raise AssertionError(f"the program ended with {program.wait()}: {printed}")


def test_a_worker_of_an_unknown_role_does_not_start(run: Run) -> None:
    assert "sender" in run("worker", "--roles", "sneder", code=2).stderr


async def test_api_and_worker_do_not_start_on_an_empty_database(
    run: Run, server: databases.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await server.empty()
    for command in ("api", "worker"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "recado.cli", command],
            env={**os.environ, "RECADO_DATABASE_URL": url, "RECADO_PORT": "0"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "recado migrate" in done.stderr
    await server.drop(url)


async def test_the_database_tells_its_time(database_url: str) -> None:
    from recado.store import operations

    connection = await db.connect(database_url)
    now, version = await operations.clock(connection)
    assert now.tzinfo is not None
    assert version >= 150_000
    await connection.close()
