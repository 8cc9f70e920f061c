"""Calls a served Recado as a user would: over HTTP, with a token."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from tests.support import secrets


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; `body` is decoded when it is JSON, bytes otherwise."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """One caller. Paths are relative to the served address."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._session = session
        self.url = url
        self.token = token

    def as_(self, token: str | None) -> "Client":
        """The same server, another caller."""
        return Client(self._session, self.url, token)

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        """Any request; a token is sent unless the headers name another."""
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        async with self._session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        ) as response:
            raw = await response.read()
            body = msgspec.json.decode(raw) if "json" in response.headers.get("Content-Type", "") else raw
            return Reply(status=response.status, headers=response.headers, body=body)

    async def get(self, path: str, **options: Any) -> Any:
        """The body of a 200."""
        return self._expect(await self.call("GET", path, **options), 200)

    async def post(self, path: str, json: Any = None, *, status: int = 201, **options: Any) -> Any:
        """The body of the expected status."""
        return self._expect(await self.call("POST", path, json=json, **options), status)

    async def until(self, path: str, done: Callable[[Any], bool], *, seconds: float = 20) -> Any:
        """Ask again until the answer is as wanted."""
        body = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    body = await self.get(path)
                    if done(body):
                        return body
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{path} never became what was waited for; last: {body}") from None

    def _expect(self, reply: Reply, status: int) -> Any:
        assert reply.status == status, f"{reply.status}: {reply.body}"
        return reply.body


@asynccontextmanager
async def connect(url: str, token: str | None) -> AsyncIterator[Client]:
    """A client of a served Recado."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(session, url, token)


async def make_company(admin: Client, name: str = "Padaria") -> Client:
    """A new company's client."""
    body = await admin.post("/v1/companies", {"name": name})
    secrets.register(body["token"])
    return admin.as_(body["token"])


async def make_meta_instance(
    company: Client, server_id: str, *, account: str = "100200300", settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A connected instance on a Graph server."""
    credentials = {
        "phone_number_id": account,
        "access_token": f"EAA-access-{account}",
        "app_secret": f"app-secret-{account}",
        "verify_token": f"verify-{account}",
    }
    for secret in credentials.values():
        if secret != account:
            secrets.register(secret)
    body: dict[str, Any] = await company.post(
        "/v1/instances",
        {"name": "Vendas", "server_id": server_id, "credentials": credentials, "settings": settings or {}},
    )
    secrets.register(body["token"])
    return body


async def make_sandbox_instance(company: Client, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """A paired instance of the sandbox."""
    body: dict[str, Any] = await company.post(
        "/v1/instances", {"name": "Teste", "kind": "sandbox", "settings": settings or {}}
    )
    secrets.register(body["token"])
    state = await company.post(f"/v1/instances/{body['id']}/connect", {"method": "qr"}, status=200)
    await company.post("/sandbox/scan", {"code": state["qr"]}, status=200)
    await company.until(f"/v1/instances/{body['id']}", lambda shown: shown["status"] == "connected")
    return body


NO_PACING = {"pacing": {"min_ms": 0, "max_ms": 0, "per_minute": 0}}

Serve = Callable[[], Awaitable[Client]]
