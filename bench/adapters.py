"""The rows that run adapters alone, in this process: what one costs per send, and how fast it reads webhooks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bench import product, samples, wire
from bench.processes import Helper
from recado import providers
from recado.domain.provider import Accepted, Provider
from recado.kit.http import Http

_CONCURRENT = 16
_SENDS = 4_000
_ROUNDS = 3
_READ_SECONDS = 1.0


async def _many(one: Callable[[int], Awaitable[None]], count: int) -> float:
    """CPU time of this process per call in microseconds, `_CONCURRENT` of them at once."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await one(number)

    before = time.process_time()
    await asyncio.gather(*(work() for _ in range(_CONCURRENT)))
    return (time.process_time() - before) / count * 1e6


def _sends(adapter: Provider, url: str) -> Callable[[int], Awaitable[None]]:
    connection = samples.connection(adapter.kind, url)

    async def one(number: int) -> None:
        outcome = await adapter.send(connection, samples.text(number))
        if not isinstance(outcome, Accepted):
            raise product.Failed(f"{adapter.kind}: {outcome}")

    return one


async def adapters() -> dict[str, Any]:
    """What a send costs through each adapter, and the same request and answer through the HTTP client alone."""
    client = Http(allowed_networks=["127.0.0.0/8"], user_agent="recado/bench")
    await client.start()
    figures: dict[str, Any] = {}
    async with Helper("bench.answer") as fake:
        url = f"http://127.0.0.1:{fake.port}"
        offline = providers.registry()
        built = providers.build(client, graph_version="v23.0", sandbox=offline["sandbox"], native=offline["native"])
        control = wire.Client(fake.port)

        async def bare(number: int) -> None:
            body = msgspec.json.encode({"number": samples.PHONE, "text": samples.text(number).content.body})
            headers = {"content-type": "application/json", "token": "bench-instance-token"}
            msgspec.json.decode((await client.request("POST", f"{url}/send", headers=headers, data=body)).body)

        for kind, sample in samples.SAMPLES.items():
            if sample.answer is None:
                continue
            await control.request("POST", "/control", json=sample.answer)
            one = _sends(built[kind], url)
            await _many(one, 200)
            # In turns, so that what the machine does besides falls on both.
            costs = [(await _many(one, _SENDS), await _many(bare, _SENDS)) for _ in range(_ROUNDS)]
            adapter_us = min(cost for cost, _ in costs)
            bare_us = min(cost for _, cost in costs)
            figures[f"{kind}_cpu_us"] = round(adapter_us)
            figures[f"{kind}_over_bare"] = round(adapter_us / bare_us, 2)
        control.close()
    await client.stop()
    return figures


async def webhooks() -> dict[str, Any]:
    """Webhooks read into events per second of one core, a received text and a receipt in turns."""
    figures: dict[str, Any] = {}
    offline = providers.registry()
    for kind, sample in samples.SAMPLES.items():
        read = offline[kind].read
        bodies = [msgspec.json.encode(body) for body in sample.webhooks]
        told = [{event.type for event in read(body)} for body in bodies]
        if told != [{"message.received"}, {"message.delivered"}]:
            raise product.Failed(f"{kind}: the webhooks were read as {told}")
        best = 0.0
        for _ in range(_ROUNDS):
            done, began = 0, time.process_time()
            while (spent := time.process_time() - began) < _READ_SECONDS:
                for body in bodies * 50:
                    read(body)
                done += len(bodies) * 50
            best = max(best, done / spent)
        figures[f"{kind}_per_s"] = round(best)
    return figures
