"""`recado demo`: one message goes round in front of the reader's eyes, through the same HTTP API that users have.

A company, a sandbox number, a webhook endpoint of this process; a message out, its receipts, the phone's answer,
and the signed webhooks that all of it caused, each verified as a receiver should.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from rich.console import Console

from recado import cli_common
from recado.kit import signing

_SECONDS = 30
_PHONE = "5511999990001"
_QUESTION = "Olá! O pedido 42 saiu para entrega."
_ANSWER = "Obrigado! Vou esperar na porta."
#: What must have come before the demo is over.
_WANTED = frozenset({"message.sent", "message.server_ack", "message.delivered", "message.read", "message.received"})


class Failed(RuntimeError):
    """A step of the demo did not do what it should. The message says which and why."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that arrived at the endpoint."""

    event: dict[str, Any]
    verified: bool


async def demo(url: str | None, token: str | None) -> None:
    """Run the demo against a running Recado, or one of its own. Raises `Failed`."""
    console = Console(highlight=False)
    async with contextlib.AsyncExitStack() as stack:
        if url is None:
            console.print("[dim]Starting Recado on a temporary folder: PostgreSQL, API, workers, sandbox…[/dim]")
            where, who = await stack.enter_async_context(_own_recado())
        elif token is None:
            raise Failed("--url needs --token, an admin token of that Recado.")
        else:
            where, who = url, token
        client = await stack.enter_async_context(aiohttp.ClientSession())
        admin = Caller(client, where, who)
        try:
            async with asyncio.timeout(_SECONDS):
                await _round_trip(console, admin, stack)
        except TimeoutError:
            raise Failed(f"The message did not come round within {_SECONDS} seconds.") from None
        except aiohttp.ClientError as error:
            raise Failed(f"{where} cannot be reached: {error}") from None


@contextlib.asynccontextmanager
async def _own_recado() -> AsyncIterator[tuple[str, str]]:
    from recado.app import Recado

    with tempfile.TemporaryDirectory(prefix="recado-demo-", ignore_cleanup_errors=True) as folder:
        settings = cli_common.settings(
            data_dir=Path(folder), host="127.0.0.1", port=0, allowed_networks="127.0.0.0/8", shutdown_grace_seconds=2
        )
        # Whatever the environment says of the real installation does not concern this one.
        elsewhere = ("database_url", "public_url", "admin_token", "secret_key", "redis_url", "media_url")
        recado = Recado(settings.model_copy(update=dict.fromkeys(elsewhere)))
        await recado.start()
        try:
            yield recado.url, recado.admin_token or ""
        finally:
            await recado.stop()


class Caller:
    """Calls the API with one token."""

    def __init__(self, client: aiohttp.ClientSession, url: str, token: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._token = token

    def with_token(self, token: str) -> "Caller":
        """The same API as somebody else."""
        return Caller(self._client, self._url, token)

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's data. Raises `Failed` with what the API said."""
        headers = {"authorization": f"Bearer {self._token}"}
        async with self._client.request(method, self._url + path, json=body, headers=headers) as response:
            data = await response.read()
            if response.status >= 400:
                raise Failed(f"{method} {path} answered {response.status}: {data.decode(errors='replace')[:500]}")
            return msgspec.json.decode(data) if data else None


class Endpoint:
    """The company's webhook endpoint: verifies every webhook before it believes it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.secret = ""

    async def receive(self, request: web.Request) -> web.Response:
        """What a company's own code would do."""
        body = await request.read()
        verified = signing.verify(
            [self.secret],
            request.headers.get("webhook-id", ""),
            int(request.headers.get("webhook-timestamp", "0")),
            body,
            request.headers.get("webhook-signature"),
            now=time.time(),
        )
        self.heard.put_nowait(Heard(event=msgspec.json.decode(body), verified=verified))
        return web.Response(status=204 if verified else 401)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The address it listens at."""
        app = web.Application()
        app.router.add_post("/webhooks", self.receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
        finally:
            await runner.cleanup()


async def _round_trip(console: Console, admin: Caller, stack: contextlib.AsyncExitStack) -> None:
    company = await admin("POST", "/v1/companies", {"name": "Demo"})
    stack.push_async_callback(admin, "DELETE", f"/v1/companies/{company['id']}")
    call = admin.with_token(company["token"])
    endpoint = Endpoint()
    address = await stack.enter_async_context(endpoint.listening())
    registered = await call("POST", "/v1/webhooks", {"url": address, "events": ["*"]})
    endpoint.secret = registered["secret"]
    instance = await call("POST", "/v1/instances", {"name": "Demo number", "kind": "sandbox"})
    console.print(f"[green]✓[/green] company, number and webhook endpoint {address}")
    await _pair(console, call, endpoint, instance["id"])
    await call("PUT", f"/sandbox/phones/{_PHONE}", {"auto_reply": _ANSWER, "ack": "read"})
    message = {"instance_id": instance["id"], "to": _PHONE, "type": "text", "text": {"body": _QUESTION}}
    started = time.perf_counter()
    accepted = await call("POST", "/v1/messages", message)
    took = (time.perf_counter() - started) * 1_000
    console.print(f"[green]✓[/green] POST /v1/messages: 201 in {took:.0f} ms, id {accepted['id']}\n")
    console.print(f"  [bold]→ {_PHONE}[/bold]  {_QUESTION}\n")
    await _follow(console, endpoint, started)
    await _show_timeline(console, call, accepted["id"])


async def _pair(console: Console, call: Caller, endpoint: Endpoint, instance_id: str) -> None:
    state = await call("POST", f"/v1/instances/{instance_id}/connect", {"method": "qr"})
    if state["status"] != "connected":
        await call("POST", "/sandbox/scan", {"code": state["qr"]})
        while (await _next(endpoint)).event["type"] != "instance.connected":
            continue
    console.print("[green]✓[/green] QR code shown, scanned by a sandbox phone: connected")


async def _follow(console: Console, endpoint: Endpoint, started: float) -> None:
    """Print webhooks as they come, until all that a round trip causes has come."""
    missing = set(_WANTED)
    while missing:
        heard = await _next(endpoint)
        kind = heard.event["type"]
        missing.discard(kind)
        console.print(
            f"  [dim]{time.perf_counter() - started:6.2f} s[/dim]  webhook [cyan]{kind:<20}[/cyan] signature ✓"
        )
        if kind == "message.received":
            console.print(f"\n  [bold]← {_PHONE}[/bold]  {_text_of(heard.event)}\n")


async def _next(endpoint: Endpoint) -> Heard:
    heard = await endpoint.heard.get()
    if not heard.verified:
        raise Failed("A webhook came whose signature does not verify.")
    return heard


def _text_of(event: dict[str, Any]) -> str:
    """The text, wherever a message event carries it: under `text`, or in `content`."""
    data = event["data"]
    for found in (data.get("text"), data.get("content"), data.get("message", {}).get("content")):
        if isinstance(found, dict) and "body" in found:
            return str(found["body"])
    raise Failed(f"The received message has no text: {sorted(data)}.")


async def _show_timeline(console: Console, call: Caller, message_id: str) -> None:
    message = await call("GET", f"/v1/messages/{message_id}")
    steps = " → ".join(step["state"] for step in message["timeline"])
    console.print(f"[green]✓[/green] the message's own timeline: {steps}")
    console.print("[green]✓[/green] done: out, acknowledged, read, answered, and every webhook verified")
