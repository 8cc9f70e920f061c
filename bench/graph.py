"""A fake of Meta's Graph API: it takes messages, remembers them in order, and fails in the ways asked of it.

As a process (`python -m bench.graph`) it prints its port, answers GET /stats, and is told what to do by
POST /control. The chaos run uses `FakeGraph` in its own process.
"""

import asyncio
import hashlib
import hmac
import itertools
import random
import sys
import time
from typing import Any

import msgspec
import uvloop

from bench import processes, wire

#: What POST /messages does instead of answering. `lost` and `html200` take the message; the others do not.
MODES = ("ok", "hang", "reset", "error500", "html500", "limit429", "lost", "html200", "slow")

#: The modes after which nobody but the provider knows whether it has the message.
UNKNOWABLE = frozenset({"hang", "reset", "lost", "html200", "error500", "html500"})


class Body(msgspec.Struct, frozen=True):
    """What a test needs of a message. `text.body` carries the test's own name for it."""

    to: str = ""
    type: str = ""
    status: str = ""
    text: dict[str, Any] = {}
    biz_opaque_callback_data: str | None = None


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """A message that the provider has."""

    at_ns: int
    account: str
    to: str
    tag: str
    opaque: str | None
    wamid: str
    answered: bool


class Hook(msgspec.Struct, frozen=True):
    """Where the statuses of one number go."""

    port: int
    path: str
    app_secret: str


class Control(msgspec.Struct, frozen=True):
    mode: str = "ok"
    share: float = 1.0
    reset: bool = False
    hooks: dict[str, Hook] | None = None


class FakeGraph:
    """`taken` is every message in the order it came, per number and overall; `struck` counts the faults by mode."""

    def __init__(self, seed: int = 0) -> None:
        self.listener = wire.Listener(self.handle)
        self.taken: list[Taken] = []
        self.struck: dict[str, int] = {}
        self.wrong_token = 0
        self.mode = "ok"
        self.share = 1.0
        self.hooks: dict[str, Hook] = {}
        #: Numbers whose Bearer token must be `token-<account>`.
        self.check_tokens = False
        #: The wamids the answers of which were lost or unreadable.
        self.tags_struck: dict[str, set[str]] = {}
        self._random = random.Random(seed)
        self._ids = itertools.count(1)
        self._decode = msgspec.json.Decoder(Body).decode
        self._clients: dict[int, wire.Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, exchange: wire.Exchange) -> None:
        if exchange.method == "POST" and exchange.path.endswith("/messages"):
            self._message(exchange)
        elif exchange.path == "/control":
            self._control(exchange)
        elif exchange.path.startswith("/stats"):
            exchange.reply(200, self.stats(full=exchange.path.endswith("full")))
        else:
            account = exchange.path.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
            exchange.reply(200, msgspec.json.encode(_node(account)))

    def stats(self, *, full: bool) -> bytes:
        """How much was taken; with `full` every message."""
        return msgspec.json.encode(
            {
                "taken": len(self.taken),
                "last_ns": self.taken[-1].at_ns if self.taken else 0,
                "wrong_token": self.wrong_token,
                "struck": self.struck,
                "messages": self.taken if full else [],
            }
        )

    def _control(self, exchange: wire.Exchange) -> None:
        control = msgspec.json.decode(exchange.body, type=Control)
        self.mode, self.share = control.mode, control.share
        if control.hooks is not None:
            self.hooks = control.hooks
        if control.reset:
            self.taken.clear()
            self.struck.clear()
        exchange.reply(200, b"{}")

    def _message(self, exchange: wire.Exchange) -> None:
        body = self._decode(exchange.body)
        if body.status:
            # A read mark, or typing.
            exchange.reply(200, b'{"success":true}')
            return
        account = exchange.path.split("/")[-2]
        if self.check_tokens and exchange.header("authorization") != f"Bearer token-{account}":
            self.wrong_token += 1
        mode = self.mode if self.mode == "ok" or self._random.random() < self.share else "ok"
        tag = str(body.text.get("body", ""))
        if mode != "ok":
            self.struck[mode] = self.struck.get(mode, 0) + 1
            self.tags_struck.setdefault(tag, set()).add(mode)
        if mode == "hang":
            return
        if mode == "reset":
            exchange.reset()
        elif mode == "error500":
            exchange.reply(500, _error(2, "(#2) Service temporarily unavailable"))
        elif mode == "html500":
            exchange.reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        elif mode == "limit429":
            exchange.reply(429, _error(130429, "(#130429) Rate limit hit"), extra="Retry-After: 1\r\n")
        else:
            wamid = self._take(exchange, account, body, tag, answered=mode in ("ok", "slow"))
            if mode == "lost":
                exchange.cut()
            elif mode == "html200":
                exchange.reply(200, b"<html>welcome</html>", "text/html")
            elif mode == "slow":
                asyncio.get_running_loop().call_later(1.0, exchange.reply, 200, _answer(body.to, wamid))
            else:
                exchange.reply(200, _answer(body.to, wamid))

    def _take(self, exchange: wire.Exchange, account: str, body: Body, tag: str, *, answered: bool) -> str:
        wamid = f"wamid.FAKE{next(self._ids):012d}"
        self.taken.append(
            Taken(
                at_ns=exchange.arrived, account=account, to=body.to, tag=tag,
                opaque=body.biz_opaque_callback_data, wamid=wamid, answered=answered,
            )
        )  # fmt: skip
        hook = self.hooks.get(account)
        if hook is not None:
            task = asyncio.get_running_loop().create_task(self._report(hook, account, body, wamid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return wamid

    async def _report(self, hook: Hook, account: str, body: Body, wamid: str) -> None:
        """Post `sent` and `delivered`, again until they are acknowledged, as Meta does."""
        client = self._clients.setdefault(hook.port, wire.Client(hook.port))
        await asyncio.sleep(0.2)
        for state in ("sent", "delivered"):
            payload = status_payload(account, body.to, wamid, state, body.biz_opaque_callback_data)
            await post_signed(client, hook.path, hook.app_secret, payload)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.listener.down()
        for client in self._clients.values():
            client.close()


def _answer(to: str, wamid: str) -> bytes:
    return (
        f'{{"messaging_product":"whatsapp","contacts":[{{"input":"{to}","wa_id":"{to}"}}],'
        f'"messages":[{{"id":"{wamid}"}}]}}'
    ).encode()


def _error(code: int, message: str) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AFake"}}
    )


def _node(account: str) -> dict[str, Any]:
    return {
        "id": account, "display_phone_number": f"+{account}", "verified_name": "Fake", "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED", "status": "CONNECTED", "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"}, "messaging_limit_tier": "TIER_1K",
    }  # fmt: skip


def envelope(*values: dict[str, Any]) -> dict[str, Any]:
    """A webhook of one entry per value."""
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "419561257915477", "changes": [{"value": value, "field": "messages"}]} for value in values],
    }


def message_value(account: str, sender: str, name: str, messages: list[tuple[str, str]]) -> dict[str, Any]:
    """Text messages (id, text) of one sender to one number, as Meta words them."""
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": account, "phone_number_id": account},
        "contacts": [{"profile": {"name": name}, "wa_id": sender}],
        "messages": [
            {"from": sender, "id": wamid, "timestamp": str(int(time.time())), "type": "text", "text": {"body": text}}
            for wamid, text in messages
        ],
    }


def status_payload(account: str, to: str, wamid: str, state: str, opaque: str | None) -> bytes:
    status: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(int(time.time())), "recipient_id": to}
    if opaque is not None:
        status["biz_opaque_callback_data"] = opaque
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": account, "phone_number_id": account},
        "statuses": [status],
    }
    return msgspec.json.encode(envelope(value))


def signature(app_secret: str, payload: bytes) -> str:
    """The value of X-Hub-Signature-256."""
    return "sha256=" + hmac.digest(app_secret.encode(), payload, hashlib.sha256).hex()


async def post_signed(client: wire.Client, path: str, app_secret: str, payload: bytes) -> int:
    """Post a webhook again and again until it is acknowledged; how many tries that took."""
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(app_secret, payload)}
    tries = 0
    while True:
        tries += 1
        try:
            reply = await client.request("POST", path, headers=headers, body=payload, timeout=10)
            if 200 <= reply.status < 300:
                return tries
        except wire.Lost:
            pass
        await asyncio.sleep(min(2.0, 0.2 * tries))


async def main() -> None:
    graph = FakeGraph()
    await graph.listener.up()
    processes.announce({"port": graph.listener.port})
    await processes.parent_gone()
    await graph.stop()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
