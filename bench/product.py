"""Recado as a user runs it: `recado serve` on a data directory of its own, driven through its public API."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import asyncpg

from bench import load, processes, wire
from recado.store import embedded

ADMIN = "rcd_adm_" + "0" * 33

#: pgbench opens 64 connections beside the product's own.
_CONNECTIONS = "120"


class Failed(Exception):
    """The product did not do what a run needs."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def data_dir() -> Any:
    """A new data directory, removed afterwards together with the database that runs in it."""
    path = Path(tempfile.mkdtemp(prefix="recado-bench-", dir=os.environ.get("BENCH_DIR")))
    path.chmod(0o755)
    try:
        yield path
    finally:
        stop_database(path)
        shutil.rmtree(path, ignore_errors=True)


def stop_database(path: Path) -> None:
    """Stop whatever PostgreSQL runs in the data directory, at once."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, signal.SIGQUIT)
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)


def start_database(path: Path) -> str:
    """Start the embedded server of a data directory before the product does, with room for pgbench. Returns its URL."""
    embedded._SETTINGS["max_connections"] = _CONNECTIONS
    server = embedded.EmbeddedPostgres(path / "postgres")
    server.start()
    return server.url


def database_url(path: Path) -> str:
    """The owner's URL of a data directory's server."""
    return embedded.EmbeddedPostgres(path / "postgres").url


async def connect(path: Path, database: str = "postgres") -> "asyncpg.Connection[Any]":
    """The owner's connection to a data directory's server."""
    return await asyncpg.connect(database_url(path).replace("/postgres?", f"/{database}?"), command_timeout=120)


class Recado:
    """One `recado serve`. `api` calls it as the admin unless given another token."""

    def __init__(self, path: Path, *, env: Mapping[str, str] | None = None, port: int = 0) -> None:
        self.path = path
        self.port = port or free_port()
        self.client = wire.Client(self.port)
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("RECADO_")} | {
            "RECADO_ADMIN_TOKEN": ADMIN,
            "RECADO_ALLOWED_NETWORKS": "127.0.0.0/8",
            "RECADO_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            **(env or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self.log = path / "serve.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, timeout: float = 60.0) -> float:
        """Start and wait for /ready; how many seconds that took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_program(), "serve", "--host", "127.0.0.1", "--port", str(self.port), "--data-dir", str(self.path),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, cwd=processes.ROOT,
                preexec_fn=processes.die_with_parent,
            )  # fmt: skip
        while time.monotonic() - began < timeout:
            if self._process.returncode is not None:
                raise Failed(f"recado serve ended with {self._process.returncode}:\n{self.log_tail()}")
            with contextlib.suppress(wire.Lost):
                if (await self.client.request("GET", "/ready", timeout=2)).status == 200:
                    return time.monotonic() - began
            await asyncio.sleep(0.02)
        raise Failed(f"recado serve was not ready after {timeout} s:\n{self.log_tail()}")

    async def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 40.0) -> int:
        """Send a signal and wait for the end; the exit code. What does not end in time is killed."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        return self._process.returncode or 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.close()
        await self.stop()

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3_000:] if self.log.exists() else ""

    async def api(self, method: str, path: str, json: Any = None, *, token: str = ADMIN) -> Any:
        """The decoded answer. Raises `Failed` for anything but a 2xx."""
        headers = {"Authorization": f"Bearer {token}"}
        reply = await self.client.request(method, path, json=json, headers=headers)
        if not 200 <= reply.status < 300:
            raise Failed(f"{method} {path}: {reply.status} {reply.body[:800]!r}")
        return reply.json() if reply.body else None

    async def metrics(self) -> str:
        reply = await self.client.request("GET", "/metrics", headers={"Authorization": f"Bearer {ADMIN}"})
        return reply.body.decode()

    # --- setting up -----------------------------------------------------------------------------------

    async def company(self, name: str) -> str:
        """A new company's token."""
        return str((await self.api("POST", "/v1/companies", {"name": name}))["token"])

    async def meta_server(self, port: int, *, room: int = 100_000) -> str:
        """The id of a new server of kind meta at a port of the loopback."""
        body = {
            "name": f"graph {port}", "kind": "meta", "base_url": f"http://127.0.0.1:{port}",
            "credentials": {}, "max_instances": room,
        }  # fmt: skip
        return str((await self.api("POST", "/v1/servers", body))["id"])

    async def meta_instance(
        self, token: str, server_id: str, account: str, settings: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A connected Meta instance with pacing off; the API's answer, plus `account` and `app_secret`."""
        body = {
            "name": account, "server_id": server_id, "settings": {"pacing": NO_PACING, **(settings or {})},
            "credentials": {
                "phone_number_id": account, "access_token": f"token-{account}",
                "app_secret": f"secret-{account}", "verify_token": f"verify-{account}",
            },
        }  # fmt: skip
        made = await self.api("POST", "/v1/instances", body, token=token)
        return await self._connected(made, token) | {"account": account, "app_secret": f"secret-{account}"}

    async def sandbox_instance(
        self, token: str, name: str, settings: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A connected sandbox instance."""
        body = {"name": name, "kind": "sandbox", "settings": dict(settings or {})}
        made = await self.api("POST", "/v1/instances", body, token=token)
        return await self._connected(made, token)

    async def _connected(self, made: dict[str, Any], token: str) -> dict[str, Any]:
        if made["status"] != "connected":
            answer = await self.api("POST", f"/v1/instances/{made['id']}/connect", {"method": "qr"}, token=token)
            code = answer.get("qr") or answer.get("code")
            if answer.get("status") != "connected" and code:
                await self.api("POST", "/sandbox/scan", {"code": code}, token=token)
        return made

    async def many_meta(
        self, token: str, server_ids: Sequence[str], count: int, settings: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Many Meta instances, sixteen at a time, spread over servers: a server counts its own one by one."""
        gate = asyncio.Semaphore(16)

        async def one(index: int) -> dict[str, Any]:
            async with gate:
                server_id = server_ids[index % len(server_ids)]
                return await self.meta_instance(token, server_id, f"1{index:09d}", settings)

        return list(await asyncio.gather(*(one(index) for index in range(count))))

    async def webhook(self, token: str, url: str, events: Sequence[str]) -> dict[str, Any]:
        """A new endpoint of the company: its id and secret."""
        made: dict[str, Any] = await self.api("POST", "/v1/webhooks", {"url": url, "events": list(events)}, token=token)
        return made


NO_PACING = {"min_ms": 0, "max_ms": 0, "per_minute": 0}


def _program() -> list[str]:
    beside = Path(sys.executable).with_name("recado")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "recado.cli"]


def hook_path(instance: Mapping[str, Any]) -> str:
    """The path of an instance's webhook address."""
    url = str(instance["connections"][0]["webhook_url"])
    return "/" + url.split("://", 1)[-1].split("/", 1)[1]


@contextlib.asynccontextmanager
async def running(*, env: Mapping[str, str] | None = None) -> AsyncIterator[Recado]:
    """A fresh Recado on a fresh embedded database."""
    with data_dir() as path:
        await asyncio.to_thread(start_database, path)
        async with Recado(path, env=env) as recado:
            yield recado


async def generate(plan: load.Plan) -> load.Outcome:
    """Make a load from a process of its own."""
    import msgspec

    raw = await processes.run_json("bench.load", plan, timeout=300)
    return msgspec.convert(raw, load.Outcome, strict=False)


def rng_token() -> str:
    return secrets.token_hex(8)
