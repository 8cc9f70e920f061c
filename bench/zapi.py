"""What the Z-API surface costs beside our own API, and how fast it lists a long queue."""

import asyncio
import operator
import statistics
import time
from typing import Any

from bench import load, processes, product
from bench.product import Recado

_ROUNDS = 8
_SECONDS = 4.0
_WAITING = 10_000
_PAGE = 30
_LOOKS = 600


async def run() -> dict[str, Any]:
    """`POST send-text` and `POST /v1/messages` in turns on the same instances; then pages of a queue of 10,000."""
    async with product.running() as recado:
        token = await recado.company("bench")
        made = await asyncio.gather(*(recado.sandbox_instance(token, f"phone {n}") for n in range(10)))
        opened = [await recado.api("PUT", f"/v1/instances/{instance['id']}/zapi", {}, token=token) for instance in made]
        ours = [load.Sender(token=token, instance_id=instance["id"]) for instance in made]
        theirs = [load.Sender(token=one["token"], instance_id=one["id"]) for one in opened]
        costs = await _costs(recado, {"messages": ours, "zapi": theirs})
        pages = await _pages(recado, token, made[0]["id"], opened[0])
    return {
        "native_cpu_us": round(statistics.median(costs["messages"])),
        "zapi_cpu_us": round(statistics.median(costs["zapi"])),
        "ratio": round(statistics.median(map(operator.truediv, costs["zapi"], costs["messages"])), 3),
        **pages,
    }


async def _costs(recado: Recado, senders: dict[str, list[load.Sender]]) -> dict[str, list[float]]:
    """Microseconds of the product's processor time per request of each kind of work, round by round. Who goes first changes
    from round to round, since what one leaves behind falls on the other."""
    found: dict[str, list[float]] = {work: [] for work in senders}
    number = 0
    for turn in range(_ROUNDS + 1):
        for work in sorted(senders, reverse=turn % 2 == 0):
            before = processes.cpu_seconds(recado.pid)
            plan = load.Plan(
                port=recado.port,
                work=work,
                connections=64,
                seconds=_SECONDS,
                senders=senders[work],
                start=number,
                recipients=100,
            )
            outcome = await product.generate(plan)
            if outcome.errors or not outcome.done:
                raise product.Failed(f"{work}: {outcome.errors} errors, the first: {outcome.first_error}")
            number += outcome.done
            # The first turn makes the conversations.
            if turn:
                found[work].append((processes.cpu_seconds(recado.pid) - before) / outcome.done * 1e6)
    return found


async def _pages(recado: Recado, token: str, instance_id: str, opened: dict[str, Any]) -> dict[str, Any]:
    """Latencies of pages all along a queue of 10,000, asked for one after the other."""
    own = f"/v1/instances/{instance_id}"
    await recado.api("POST", f"{own}/queue/pause", token=token)
    await recado.api("DELETE", f"{own}/queue", token=token)
    body = {"to": "5511980000000", "type": "text", "text": {"body": "Waiting"}, "instance_id": instance_id}
    for _ in range(_WAITING // 1_000):
        await recado.api("POST", "/v1/messages/batch", {"messages": [body] * 1_000}, token=token)
    base = f"/instances/{opened['id']}/token/{opened['token']}"
    times: list[float] = []
    seen, state = 0, None
    for _ in range(_LOOKS):
        asked = {"pageSize": _PAGE} | ({"pagingState": state} if state else {})
        began = time.perf_counter()
        reply = await recado.client.request("POST", f"{base}/queue", json=asked)
        times.append((time.perf_counter() - began) * 1_000)
        page = reply.json()
        if reply.status != 200 or not page["messages"]:
            raise product.Failed(f"the queue answered {reply.status} {reply.body[:300]!r}")
        state = page["pagingState"] if page["hasMore"] else None
        seen += len(page["messages"])
        if state is None and seen % _WAITING:
            raise product.Failed(f"the pages of a queue of {_WAITING} held {seen} messages")
    times.sort()
    return {
        "queue_page_p50_ms": round(load.percentile(times, 50), 2),
        "queue_page_p99_ms": round(load.percentile(times, 99), 2),
    }
