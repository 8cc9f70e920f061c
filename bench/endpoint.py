"""A company's webhook endpoint: it checks every signature, remembers what it acknowledged, and fails when asked to.

As a process (`python -m bench.endpoint`) it prints its port, answers GET /stats and is told its secret and mode
by POST /control. The chaos run uses `Endpoint` in its own process.
"""

import asyncio
import base64
import hashlib
import hmac
import sys
from typing import Any

import msgspec
import uvloop

from bench import processes, wire

MODES = ("ok", "404", "500", "slow")


class Event(msgspec.Struct, frozen=True):
    """What a test needs of an event's body."""

    id: str
    type: str
    instance_id: str | None = None
    conversation_id: str | None = None
    sequence: int = 0
    data: dict[str, Any] = {}


class Seen(msgspec.Struct, frozen=True):
    """An event that was acknowledged, at its first arrival."""

    at_ns: int
    webhook_id: str
    event: Event


class Control(msgspec.Struct, frozen=True):
    secret: str | None = None
    mode: str = "ok"
    reset: bool = False


class Endpoint:
    """`seen` holds acknowledged events in order, each webhook-id once; `repeats` counts further deliveries of one."""

    def __init__(self, name: str = "") -> None:
        self.listener = wire.Listener(self.handle)
        self.name = name
        self.seen: list[Seen] = []
        self.repeats = 0
        self.refused = 0
        self.bad_signatures = 0
        self.mode = "ok"
        self.slow_seconds = 1.0
        self._key = b""
        self._known: set[str] = set()
        self._decode = msgspec.json.Decoder(Event).decode

    def trust(self, secret: str) -> None:
        """Take the endpoint's secret, `whsec_…`."""
        self._key = base64.b64decode(secret.removeprefix("whsec_"))

    def handle(self, exchange: wire.Exchange) -> None:
        if exchange.path == "/control":
            control = msgspec.json.decode(exchange.body, type=Control)
            if control.secret is not None:
                self.trust(control.secret)
            self.mode = control.mode
            if control.reset:
                self.seen.clear()
            exchange.reply(200, b"{}")
        elif exchange.path.startswith("/stats"):
            exchange.reply(200, self.stats(full=exchange.path.endswith("full")))
        else:
            self._delivery(exchange)

    def stats(self, *, full: bool) -> bytes:
        """How much was acknowledged; with `full` each event's arrival and text."""
        return msgspec.json.encode(
            {
                "seen": len(self.seen),
                "last_ns": self.seen[-1].at_ns if self.seen else 0,
                "repeats": self.repeats,
                "bad_signatures": self.bad_signatures,
                "texts": [(text_of(seen.event), seen.at_ns) for seen in self.seen] if full else [],
            }
        )

    def _delivery(self, exchange: wire.Exchange) -> None:
        webhook_id = exchange.header("webhook-id")
        if not self._genuine(exchange, webhook_id):
            self.bad_signatures += 1
            exchange.reply(401, b"{}")
        elif self.mode in ("404", "500"):
            self.refused += 1
            exchange.reply(int(self.mode), b"no", "text/plain")
        else:
            if webhook_id in self._known:
                self.repeats += 1
            else:
                self._known.add(webhook_id)
                event = self._decode(exchange.body)
                self.seen.append(Seen(at_ns=exchange.arrived, webhook_id=webhook_id, event=event))
            if self.mode == "slow":
                asyncio.get_running_loop().call_later(self.slow_seconds, exchange.reply, 200, b"{}")
            else:
                exchange.reply(200, b"{}")

    def _genuine(self, exchange: wire.Exchange, webhook_id: str) -> bool:
        """Standard Webhooks: base64(HMAC-SHA256(secret, "id.timestamp.body")), any of those given."""
        signed = f"{webhook_id}.{exchange.header('webhook-timestamp')}.".encode() + exchange.body
        expected = "v1," + base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        return any(hmac.compare_digest(expected, given) for given in exchange.header("webhook-signature").split(" "))


def text_of(event: Event) -> str:
    """The text of a received message, or ''."""
    message = event.data.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return str(content.get("body", "")) if isinstance(content, dict) else ""


async def main() -> None:
    endpoint = Endpoint()
    await endpoint.listener.up()
    processes.announce({"port": endpoint.listener.port})
    await processes.parent_gone()
    await endpoint.listener.down()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
