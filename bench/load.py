"""The load generator: reads a `Plan` as JSON, makes the load from its own process, prints what came of it as JSON.

A closed loop keeps every connection busy; an open loop starts a request every 1/rate seconds whatever the server
does, and counts a latency from the moment the request was due.
"""

import asyncio
import collections
import hashlib
import hmac
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator

import msgspec
import uvloop

from bench import wire


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """An instance to send from; for `zapi` by its id and token on that surface."""

    token: str
    instance_id: str


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """An instance's webhook address."""

    path: str
    app_secret: str
    account: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`work`: messages, zapi, batch, webhooks or pages. Ends after `seconds`, or `count` requests, whichever is first."""

    port: int
    work: str
    connections: int = 64
    seconds: float = 3_600.0
    count: int = 1_000_000_000
    rate: float | None = None
    seed: int = 1
    #: Numbers the messages, so that several runs of one measurement differ.
    start: int = 0
    batch_size: int = 1_000
    #: People per instance.
    recipients: int = 10
    senders: list[Sender] = []
    hooks: list[Hook] = []
    #: (token, path) for `pages`.
    pages: list[tuple[str, str]] = []
    #: Return when each request was due, to be matched with what arrived elsewhere.
    keep_times: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    done: int = 0
    errors: int = 0
    statuses: dict[int, int] = {}
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    first_ns: int = 0
    last_ns: int = 0
    #: (number, time.time_ns() when it was due or sent)
    times: list[tuple[int, int]] = []
    first_error: str = ""


#: The text of message `n`, as long as a short message of a person: what is counted at the other end.
TEXT = "bench %010d: Your order has left our warehouse and arrives tomorrow."


def number_of(text: str) -> int:
    """The number in a text made from `TEXT`, or -1."""
    return int(text[6:16]) if text.startswith("bench ") else -1


def _message(plan: Plan, senders: list[Sender], number: int) -> str:
    """The instances take turns, and so do the people of each."""
    turn, index = divmod(number, len(senders))
    return (
        f'{{"instance_id":"{senders[index].instance_id}","to":"55119{80_000_000 + turn % plan.recipients:08d}",'
        f'"type":"text","text":{{"body":"{TEXT % number}"}}}}'
    )


def _messages(plan: Plan) -> Iterator[bytes]:
    return _requests(
        plan,
        lambda sender: ("/v1/messages", {"Authorization": f"Bearer {sender.token}"}),
        lambda number: _message(plan, plan.senders, number),
    )


def _zapi(plan: Plan) -> Iterator[bytes]:
    """What `_messages` sends, as Z-API clients send it."""

    def body(number: int) -> str:
        turn = number // len(plan.senders)
        return f'{{"phone":"55119{80_000_000 + turn % plan.recipients:08d}","message":"{TEXT % number}"}}'

    return _requests(plan, lambda sender: (f"/instances/{sender.instance_id}/token/{sender.token}/send-text", {}), body)


def _requests(
    plan: Plan, place: Callable[[Sender], tuple[str, dict[str, str]]], made: Callable[[int], str]
) -> Iterator[bytes]:
    """One message each; `made` makes bodies of one length, so the head of a sender's requests is always the same."""
    heads: dict[str, bytes] = {}
    for number in itertools.count(plan.start):
        sender = plan.senders[number % len(plan.senders)]
        body = made(number).encode()
        head = heads.get(sender.instance_id)
        if head is None:
            path, headers = place(sender)
            whole = wire.request_bytes("POST", path, {**headers, "Content-Type": "application/json"}, body)
            head = heads[sender.instance_id] = whole[: -len(body)]
        yield head + body


def _batches(plan: Plan) -> Iterator[bytes]:
    """Twenty batches, made before the clock starts and sent again and again."""
    ready = []
    by_token: dict[str, list[Sender]] = {}
    for sender in plan.senders:
        by_token.setdefault(sender.token, []).append(sender)
    tokens = list(by_token)
    for index in range(20):
        token = tokens[index % len(tokens)]
        own = by_token[token]
        items = [_message(plan, own, n) for n in range(plan.batch_size)]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = ('{"messages":[' + ",".join(items) + "]}").encode()
        ready.append(wire.request_bytes("POST", "/v1/messages/batch", headers, body))
    return itertools.cycle(ready)


def _webhooks(plan: Plan) -> Iterator[bytes]:
    """One text message each, every one from a sender that is always the same person to the same number."""
    for number in itertools.count(plan.start):
        hook = plan.hooks[number % len(plan.hooks)]
        person = f"55119{70_000_000 + number // len(plan.hooks) % plan.recipients:08d}"
        body = (
            '{"object":"whatsapp_business_account","entry":[{"id":"419561257915477","changes":[{"value":'
            '{"messaging_product":"whatsapp","metadata":{"display_phone_number":"' + hook.account
            + '","phone_number_id":"' + hook.account + '"},"contacts":[{"profile":{"name":"Person '
            + person + '"},"wa_id":"' + person + '"}],"messages":[{"from":"' + person + '","id":"wamid.BENCH'
            + f"{plan.seed:06d}{number:012d}" + '","timestamp":"' + str(int(time.time()))
            + '","type":"text","text":{"body":"' + TEXT % number + '"}}]},"field":"messages"}]}]}'
        ).encode()  # fmt: skip
        signature = hmac.digest(hook.app_secret.encode(), body, hashlib.sha256).hex()
        yield (
            f"POST {hook.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _pages(plan: Plan) -> Iterator[bytes]:
    ready = [wire.request_bytes("GET", path, {"Authorization": f"Bearer {token}"}) for token, path in plan.pages]
    random.Random(plan.seed).shuffle(ready)
    return itertools.cycle(ready)


MAKERS: dict[str, Callable[[Plan], Iterator[bytes]]] = {
    "messages": _messages,
    "zapi": _zapi,
    "batch": _batches,
    "webhooks": _webhooks,
    "pages": _pages,
}


class Generator:
    """One run of a plan. Connections that are lost are made again; their request counts as an error."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = MAKERS[plan.work](plan)
        self._latencies: list[float] = []
        self._outcome = Outcome()
        self._number = plan.start
        self._in_flight = 0
        self._stopping = False
        self._waiting: collections.deque[tuple[int, int, bytes]] = collections.deque()
        self._free: list[wire.ClientConnection] = []
        self._idle = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Outcome:
        await asyncio.gather(*(self._connect() for _ in range(self._plan.connections)))
        loop = asyncio.get_running_loop()
        self._outcome.first_ns = time.time_ns()
        started = loop.time()
        if self._plan.rate is None:
            for connection in list(self._free):
                self._next(connection)
            self._free.clear()
            timer = loop.call_later(self._plan.seconds, self._stop)
        else:
            timer = loop.call_soon(self._tick, started, 0)  # type: ignore[assignment]
        await self._idle.wait()
        timer.cancel()
        outcome = self._outcome
        outcome.seconds = loop.time() - started
        outcome.last_ns = time.time_ns()
        ordered = sorted(self._latencies)
        if ordered:
            outcome.p50_ms, outcome.p99_ms = percentile(ordered, 50), percentile(ordered, 99)
            outcome.max_ms = ordered[-1]
        return outcome

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: wire.ClientConnection(self._replied, self._lost), "127.0.0.1", self._plan.port
        )
        self._free.append(connection)

    def _tick(self, started: float, index: int) -> None:
        """Start what is due of the open loop."""
        assert self._plan.rate is not None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while started + index / self._plan.rate <= now:
            if index >= self._plan.count or index / self._plan.rate >= self._plan.seconds:
                self._stop()
                return
            due_ns = time.time_ns() - int((now - started - index / self._plan.rate) * 1e9)
            request = (self._number, due_ns, next(self._requests))
            self._number += 1
            index += 1
            self._in_flight += 1
            if self._free:
                self._start(self._free.pop(), request)
            else:
                self._waiting.append(request)
        loop.call_at(started + index / self._plan.rate, self._tick, started, index)

    def _next(self, connection: wire.ClientConnection) -> None:
        """The closed loop's next request, unless the run is over."""
        if self._stopping or self._number - self._plan.start >= self._plan.count:
            self._stop()
            return
        self._in_flight += 1
        request = (self._number, time.time_ns(), next(self._requests))
        self._number += 1
        self._start(connection, request)

    def _start(self, connection: wire.ClientConnection, request: tuple[int, int, bytes]) -> None:
        number, due_ns, raw = request
        connection.context = (number, due_ns)
        connection.send(raw)

    def _replied(self, connection: wire.ClientConnection, status: int, head: bytes, body: bytes) -> None:
        number, due_ns = connection.context
        connection.context = None
        self._in_flight -= 1
        outcome = self._outcome
        outcome.done += 1
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        if status >= 300:
            outcome.errors += 1
            outcome.first_error = outcome.first_error or f"{status} {body[:500]!r}"
        else:
            self._latencies.append((time.time_ns() - due_ns) / 1e6)
            if self._plan.keep_times:
                outcome.times.append((number, due_ns))
        if connection.open:
            self._continue(connection)
        else:
            self._reconnect()
        self._settle()

    def _continue(self, connection: wire.ClientConnection) -> None:
        if self._plan.rate is None:
            self._next(connection)
        elif self._waiting:
            self._start(connection, self._waiting.popleft())
        else:
            self._free.append(connection)

    def _lost(self, connection: wire.ClientConnection) -> None:
        if connection.context is not None:
            connection.context = None
            self._in_flight -= 1
            self._outcome.errors += 1
            self._outcome.first_error = self._outcome.first_error or "connection lost"
            self._reconnect()
        elif connection in self._free:
            self._free.remove(connection)
            self._reconnect()
        self._settle()

    def _reconnect(self) -> None:
        if self._stopping:
            return
        task = asyncio.get_running_loop().create_task(self._connect_and_go())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_and_go(self) -> None:
        await self._connect()
        self._continue(self._free.pop())

    def _stop(self) -> None:
        self._stopping = True
        self._settle()

    def _settle(self) -> None:
        if self._stopping and self._in_flight == 0:
            self._idle.set()


def percentile(ordered: list[float], percent: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(await Generator(plan).run()))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
