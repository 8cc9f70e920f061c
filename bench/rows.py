"""The rows that run the product: one coroutine each, returning the keys that the table prints."""

import asyncio
import statistics
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from bench import adapters, backlog, graph, load, pgbench, processes, product, wire, zapi
from bench.processes import Helper
from bench.product import Recado
from recado.store import db


def _ordered(values: Iterable[float]) -> list[float]:
    found = sorted(values)
    if not found:
        raise product.Failed("nothing was measured")
    return found


def _check(outcome: load.Outcome) -> load.Outcome:
    if outcome.errors or not outcome.done:
        raise product.Failed(f"{outcome.errors} errors in {outcome.done} requests, the first: {outcome.first_error}")
    return outcome


async def _sandbox_senders(recado: Recado, count: int) -> list[load.Sender]:
    """Connected sandbox instances with the default, human pacing: what is accepted mostly waits."""
    token = await recado.company("bench")
    made = await asyncio.gather(*(recado.sandbox_instance(token, f"phone {n}") for n in range(count)))
    return [load.Sender(token=token, instance_id=instance["id"]) for instance in made]


async def accept() -> dict[str, Any]:
    async with product.running() as recado:
        senders = await _sandbox_senders(recado, 10)
        number = 0

        async def post(connections: int, seconds: float) -> load.Outcome:
            nonlocal number
            plan = load.Plan(
                port=recado.port, work="messages", connections=connections, seconds=seconds, senders=senders,
                start=number, recipients=100,
            )  # fmt: skip
            outcome = _check(await product.generate(plan))
            number += outcome.done
            return outcome

        # Every conversation exists after this, as in a gateway that has been running.
        await post(64, 2)
        owner = await product.connect(recado.path)
        insert = await pgbench.prepare(owner)
        ours, theirs, cpu, done = [], [], 0.0, 0
        for _ in range(3):
            theirs.append(await pgbench.run(recado.path, insert, rows=1, clients=64, seconds=3))
            await owner.execute("TRUNCATE bench_messages")
            before = processes.cpu_seconds(recado.pid)
            outcome = await post(64, 4)
            cpu += processes.cpu_seconds(recado.pid) - before
            done += outcome.done
            ours.append(outcome.done / outcome.seconds)
        alone = await post(1, 4)
        await owner.close()
    return {
        "accepted_per_s": round(statistics.mean(ours)),
        "pgbench_per_s": round(statistics.mean(theirs)),
        "ratio": round(statistics.mean(ours) / statistics.mean(theirs), 3),
        "p50_ms": round(alone.p50_ms, 2),
        "p99_ms": round(alone.p99_ms, 2),
        "cpu_us": round(cpu / done * 1e6),
    }


_BATCH_CLIENTS = 4


async def accept_batch() -> dict[str, Any]:
    async with product.running() as recado:
        senders = await _sandbox_senders(recado, 10)

        async def post(seconds: float) -> float:
            plan = load.Plan(
                port=recado.port,
                work="batch",
                connections=_BATCH_CLIENTS,
                seconds=seconds,
                senders=senders,
                recipients=100,
            )
            outcome = _check(await product.generate(plan))
            return outcome.done * plan.batch_size / outcome.seconds

        await post(1)
        owner = await product.connect(recado.path)
        insert = await pgbench.prepare(owner)
        ours, theirs = [], []
        for _ in range(3):
            rate = await pgbench.run(recado.path, insert, rows=1_000, clients=_BATCH_CLIENTS, seconds=3)
            theirs.append(rate)
            await owner.execute("TRUNCATE bench_messages")
            ours.append(await post(4))
        await _check_batch(recado, senders[0])
        await owner.close()
    return {
        "rows_per_s": round(statistics.mean(ours)),
        "pgbench_per_s": round(statistics.mean(theirs)),
        "ratio": round(statistics.mean(ours) / statistics.mean(theirs), 3),
    }


async def _check_batch(recado: Recado, sender: load.Sender) -> None:
    """A 200 is not enough: every result of a batch must be a message."""
    item = {"instance_id": sender.instance_id, "to": "5511980000000", "type": "text", "text": {"body": "batch"}}
    answer = await recado.api("POST", "/v1/messages/batch", {"messages": [item] * 1_000}, token=sender.token)
    if len({result["id"] for result in answer["results"]}) != 1_000:
        raise product.Failed("a batch of 1,000 did not give 1,000 messages")


async def _taken(client: wire.Client, *, full: bool = False) -> dict[str, Any]:
    reply = await client.request("GET", "/stats-full" if full else "/stats", timeout=60)
    answer: dict[str, Any] = reply.json()
    return answer


async def _until_still(client: wire.Client, key: str, wanted: int, *, still: float = 5.0) -> dict[str, Any]:
    """Wait until the fake counts `wanted`, or until nothing has come for `still` seconds."""
    last, since = -1, time.monotonic()
    while True:
        stats = await _taken(client)
        if stats[key] >= wanted:
            return stats
        if stats[key] != last:
            last, since = stats[key], time.monotonic()
        elif time.monotonic() - since > still:
            return stats
        await asyncio.sleep(0.1)


async def send() -> dict[str, Any]:
    async with product.running() as recado, Helper("bench.graph") as fake:
        token = await recado.company("bench")
        server_id = await recado.meta_server(fake.port)
        instances = await recado.many_meta(token, [server_id], 1_000)
        senders = [load.Sender(token=token, instance_id=instance["id"]) for instance in instances]
        client = wire.Client(fake.port)
        number = 0

        async def post(**how: Any) -> load.Outcome:
            nonlocal number
            plan = load.Plan(
                port=recado.port, work="messages", senders=senders, start=number, recipients=2, keep_times=True, **how
            )
            outcome = _check(await product.generate(plan))
            number += outcome.done
            return outcome

        await post(connections=64, count=1_000)
        await _until_still(client, "taken", number)
        await client.request("POST", "/control", json={"reset": True})

        before = processes.cpu_seconds(recado.pid)
        full = await post(connections=64, seconds=10)
        stats = await _until_still(client, "taken", full.done)
        cpu = processes.cpu_seconds(recado.pid) - before
        left = full.done - stats["taken"]
        rate = stats["taken"] / ((stats["last_ns"] - full.first_ns) / 1e9)

        await client.request("POST", "/control", json={"reset": True})
        calm = await post(connections=16, rate=50.0, seconds=10)
        await _until_still(client, "taken", calm.done)
        messages = msgspec.convert((await _taken(client, full=True))["messages"], list[graph.Taken])
        reached = {load.number_of(taken.tag): taken.at_ns for taken in messages}
        left += sum(1 for sent, _ in calm.times if sent not in reached)
        latencies = _ordered((reached[sent] - due) / 1e6 for sent, due in calm.times if sent in reached)
        client.close()
    return {
        "sent_per_s": round(rate),
        "left_behind": left,
        "p50_ms": round(load.percentile(latencies, 50), 2),
        "p99_ms": round(load.percentile(latencies, 99), 2),
        "cpu_us": round(cpu / full.done * 1e6),
    }


async def inbound() -> dict[str, Any]:
    async with product.running() as recado, Helper("bench.graph") as fake, Helper("bench.endpoint") as company:
        token = await recado.company("bench")
        server_id = await recado.meta_server(fake.port)
        instances = await recado.many_meta(token, [server_id], 20)
        hooks = [
            load.Hook(path=product.hook_path(made), app_secret=made["app_secret"], account=made["account"])
            for made in instances
        ]
        made = await recado.webhook(token, f"http://127.0.0.1:{company.port}/hook", ["message.received"])
        client = wire.Client(company.port)
        await client.request("POST", "/control", json={"secret": made["secret"]})
        number = 0

        async def post(**how: Any) -> load.Outcome:
            nonlocal number
            plan = load.Plan(
                port=recado.port, work="webhooks", hooks=hooks, start=number, recipients=50, keep_times=True, **how
            )
            outcome = _check(await product.generate(plan))
            number += outcome.done
            return outcome

        await post(connections=64, count=1_000)
        await _until_still(client, "seen", number)
        await client.request("POST", "/control", json={"reset": True})

        before, memory = processes.cpu_seconds(recado.pid), processes.rss_mb(recado.pid)
        full = await post(connections=64, seconds=6)
        stats = await _until_still(client, "seen", full.done)
        cpu = processes.cpu_seconds(recado.pid) - before
        grown = processes.rss_mb(recado.pid) - memory
        if stats["seen"] < full.done or stats["bad_signatures"]:
            raise product.Failed(f"{full.done} webhooks answered, delivered: {stats}")
        if grown > 100:
            raise product.Failed(f"the process grew by {grown:.0f} MB")

        await client.request("POST", "/control", json={"reset": True})
        calm = await post(connections=16, rate=50.0, seconds=8)
        await _until_still(client, "seen", calm.done)
        texts = (await _taken(client, full=True))["texts"]
        arrived = {load.number_of(text): at for text, at in texts}
        missing = [sent for sent, _ in calm.times if sent not in arrived]
        if missing:
            raise product.Failed(f"{len(missing)} of {calm.done} webhooks were not delivered")
        latencies = _ordered((arrived[sent] - due) / 1e6 for sent, due in calm.times)
        client.close()
    return {
        "answered_per_s": round(full.done / full.seconds),
        "delivered_per_s": round(stats["seen"] / ((stats["last_ns"] - full.first_ns) / 1e9)),
        "p50_ms": round(load.percentile(latencies, 50), 2),
        "p99_ms": round(load.percentile(latencies, 99), 2),
        "cpu_us": round(cpu / full.done * 1e6),
    }


_PER_CONVERSATION = 100
_HISTORY = """
INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type, address,
                      content, created_at)
SELECT $1, uuidv7(), $2, ('00000000-0000-7000-8000-1' || lpad(to_hex(n % $5), 11, '0'))::uuid,
       ('00000000-0000-7000-8000-2' || lpad(to_hex(n % $5), 11, '0'))::uuid, 'outbound', 'read', 'text',
       '5511980000000', '{"body": "bench 0000000001: Your order has left our warehouse and arrives tomorrow."}', now()
FROM generate_series($3::bigint, $4::bigint - 1) n
"""


async def _store_history(recado: Recado, url: str, name: str, stored: int) -> list[tuple[str, str]]:
    """Fill a database through SQL; the token and path of every conversation's first page."""
    token = await recado.company(name)
    instance = await recado.sandbox_instance(token, name)
    conversations = stored // _PER_CONVERSATION
    connections = [await db.connect(url), await db.connect(url)]
    company_id = await connections[0].fetchval("SELECT company_id FROM instances WHERE id = $1", instance["id"])
    await connections[0].execute(
        "INSERT INTO contacts (company_id, id) SELECT $1, ('00000000-0000-7000-8000-2' ||"
        " lpad(to_hex(n), 11, '0'))::uuid FROM generate_series(0, $2::bigint - 1) n",
        company_id, conversations,
    )  # fmt: skip
    await connections[0].execute(
        "INSERT INTO conversations (company_id, id, instance_id, contact_id)"
        " SELECT $1, ('00000000-0000-7000-8000-1' || lpad(to_hex(n), 11, '0'))::uuid, $2,"
        " ('00000000-0000-7000-8000-2' || lpad(to_hex(n), 11, '0'))::uuid FROM generate_series(0, $3::bigint - 1) n",
        company_id, instance["id"], conversations,
    )  # fmt: skip

    async def fill(connection: db.Owned, first: int, last: int) -> None:
        await connection.execute("SET synchronous_commit = off")
        for at in range(first, last, 100_000):
            until = min(at + 100_000, last)
            await connection.execute(_HISTORY, company_id, instance["id"], at, until, conversations, timeout=120)

    async with backlog.bulk_load(connections[0], "messages"):
        await asyncio.gather(fill(connections[0], 0, stored // 2), fill(connections[1], stored // 2, stored))
    for connection in connections:
        await connection.close()
    return [(token, f"/v1/messages?conversation_id=00000000-0000-7000-8000-1{n:011x}") for n in range(conversations)]


async def history() -> dict[str, Any]:
    """Two Recados on two databases of one server, asked in turns."""
    with product.data_dir() as path:
        await asyncio.to_thread(product.start_database, path)
        latencies: dict[str, list[float]] = {}
        recados: dict[str, Recado] = {}
        pages: dict[str, list[tuple[str, str]]] = {}
        try:
            for name, stored in (("small", 10_000), ("large", 1_000_000)):
                await (await backlog.make_database(path, name)).close()
                url = backlog.database_url(path, name)
                (path / name).mkdir()
                recado = recados[name] = Recado(path / name, env={"RECADO_DATABASE_URL": url})
                await recado.start()
                pages[name] = await _store_history(recado, url, name, stored)
                latencies[name] = []
            for turn in range(12):
                for name, recado in recados.items():
                    found = await _read_pages(recado, pages[name], turn)
                    if turn >= 2:
                        latencies[name] += found
        finally:
            for recado in recados.values():
                recado.client.close()
                await recado.stop()
    small, large = (load.percentile(sorted(latencies[name]), 99) for name in ("small", "large"))
    return {"small_p99_ms": round(small, 2), "large_p99_ms": round(large, 2), "ratio": round(large / small, 2)}


async def _read_pages(recado: Recado, pages: list[tuple[str, str]], seed: int) -> list[float]:
    """The first page of 100 conversations, of which every second is followed to its second page."""
    import random

    rng = random.Random(seed)
    found = []
    for _ in range(100):
        token, path = rng.choice(pages)
        for turn in range(2 if rng.random() < 0.5 else 1):
            began = time.perf_counter()
            answer = await recado.api("GET", path, token=token)
            found.append((time.perf_counter() - began) * 1e3)
            if len(answer["data"]) != 50:
                raise product.Failed(f"a page had {len(answer['data'])} messages")
            if turn == 0:
                path += f"&cursor={answer['next_cursor']}"
    return found


async def memory() -> dict[str, Any]:
    async with product.running() as recado, Helper("bench.graph") as fake:
        token = await recado.company("bench")
        server_ids = [await recado.meta_server(fake.port) for _ in range(8)]
        await asyncio.sleep(3)
        idle = sum(processes.rss_mb(pid) for pid in processes.python_tree(recado.pid))
        instances = await recado.many_meta(token, server_ids, 10_000)
        for instance in instances[::10]:
            await recado.api("GET", f"/v1/instances/{instance['id']}/status", token=token)
        await asyncio.sleep(3)
        full = sum(processes.rss_mb(pid) for pid in processes.python_tree(recado.pid))
    return {"idle_rss_mb": round(idle, 1), "with_10k_rss_mb": round(full, 1)}


async def start() -> dict[str, Any]:
    """The median of three starts on a data directory that exists, each with the database stopped."""
    with product.data_dir() as path:
        recado = Recado(path)
        seconds = []
        for turn in range(4):
            taken = await recado.start()
            if turn:
                seconds.append(taken)
            await recado.stop()
            await asyncio.to_thread(product.stop_database, path)
        recado.client.close()
    return {"ready_s": round(statistics.median(seconds), 2)}


ROWS = {
    "accept": accept,
    "accept_batch": accept_batch,
    "send": send,
    "backlog": backlog.run,
    "inbound": inbound,
    "history": history,
    "memory": memory,
    "start": start,
    "adapters": adapters.adapters,
    "webhooks": adapters.webhooks,
    "zapi": zapi.run,
}
