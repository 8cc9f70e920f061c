"""What a run consists of: the product, two fake Graph servers, three companies with an endpoint each, instances; some of
them with two connections, to both Graph servers or to two servers of the sandbox."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from bench import endpoint, graph, product, wire

#: Short, so that a run of minutes sees what a day would: the product's own defaults are longer.
ENVIRONMENT = {
    "RECADO_SEND_TIMEOUT_SECONDS": "3",
    "RECADO_LEASE_SECONDS": "6",
    "RECADO_DELIVERY_TIMEOUT_SECONDS": "3",
    "RECADO_SHUTDOWN_GRACE_SECONDS": "5",
}


class Company(msgspec.Struct, kw_only=True, eq=False):
    name: str
    token: str
    endpoint: endpoint.Endpoint


class Instance(msgspec.Struct, kw_only=True, frozen=True, eq=False):
    """`recipients` are the people it writes to. `ordering` and `policy` are its settings. `connections` holds the ids of
    both where it has two."""

    company: Company
    id: str
    kind: str
    ordering: str
    policy: str
    recipients: tuple[str, ...]
    account: str = ""
    app_secret: str = ""
    hook_path: str = ""
    connections: tuple[str, ...] = ()


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """A kill and how long the product was away for it, until /ready."""

    what: str
    at_s: float
    back_s: float
    exit_code: int | None = None


def say(text: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")
    sys.stderr.flush()


class World:
    """Everything of a run. `async with World(path) as world:` starts it and always takes it down."""

    def __init__(self, path: Path, *, seed: int, small: bool) -> None:
        self.path = path
        self.recado = product.Recado(path, env=ENVIRONMENT)
        self.graphs = [graph.FakeGraph(seed), graph.FakeGraph(seed + 1)]
        self.companies: list[Company] = []
        self.instances: list[Instance] = []
        self.kills: list[Kill] = []
        self.failed_starts = 0
        self.began = time.monotonic()
        self._graph_servers: list[str] = []
        self._sandbox_servers: list[str] = []
        self._small = small
        self._restarting = asyncio.Lock()

    @property
    def meta(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.kind == "meta"]

    @property
    def sandbox(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.kind == "sandbox"]

    @property
    def pairs(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.connections]

    async def __aenter__(self) -> Self:
        try:
            for fake in self.graphs:
                fake.check_tokens = True
                await fake.listener.up()
            await self.recado.start()
            await self._populate()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self.recado.client.close()
        await self.recado.stop(signal.SIGKILL)
        for fake in self.graphs:
            await fake.stop()
        for company in self.companies:
            await company.endpoint.listener.down()

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    # --- setting up -----------------------------------------------------------------------------------

    async def _populate(self) -> None:
        """Orderings, policies and status webhooks in every combination that behaves differently."""
        servers = [await self.recado.meta_server(fake.listener.port) for fake in self.graphs]
        self._graph_servers = servers
        self._sandbox_servers = [await self._sandbox_server(name) for name in ("one", "two")]
        each = 1 if self._small else 3
        for name, server, events in (("a", 0, ["*"]), ("b", 1, ["message.received"]), ("c", 1, ["message.received"])):
            token = await self.recado.company(name)
            receiver = endpoint.Endpoint(name)
            await receiver.listener.up()
            url = f"http://127.0.0.1:{receiver.listener.port}/events"
            receiver.trust((await self.recado.webhook(token, url, events))["secret"])
            company = Company(name=name, token=token, endpoint=receiver)
            self.companies.append(company)
            for ordering in ("instance", "recipient"):
                for policy in ("at_least_once", "at_most_once"):
                    for statuses in (True, False):
                        for _ in range(each):
                            await self._meta(company, servers[server], self.graphs[server], ordering, policy, statuses)
            for _ in range(2 * each):
                await self._sandbox(company)
            for policy in ("at_least_once", "at_most_once"):
                for _ in range(each):
                    await self._meta_pair(company, policy)
            for _ in range(2 * each):
                await self._sandbox_pair(company)

    async def _meta(
        self, company: Company, server_id: str, fake: graph.FakeGraph, ordering: str, policy: str, statuses: bool
    ) -> None:
        number = len(self.instances)
        account = f"10{number:08d}"
        settings = {"ordering": ordering, "unknown_outcome": policy, "settle_seconds": 2, "max_attempts": 20}
        made = await self.recado.meta_instance(company.token, server_id, account, settings)
        instance = Instance(
            company=company, id=made["id"], kind="meta", ordering=ordering, policy=policy, account=account,
            app_secret=made["app_secret"], hook_path=product.hook_path(made),
            recipients=tuple(f"551198{number:04d}{person:03d}" for person in range(3)),
        )  # fmt: skip
        if statuses:
            fake.hooks[account] = graph.Hook(
                port=self.recado.port, path=instance.hook_path, app_secret=instance.app_secret
            )
        self.instances.append(instance)

    async def _meta_pair(self, company: Company, policy: str) -> None:
        """A number at both Graph servers, neither of which knows what the other took."""
        number = len(self.instances)
        accounts = (f"11{number:08d}", f"12{number:08d}")
        settings = {
            "ordering": "instance", "unknown_outcome": policy, "settle_seconds": 2, "max_attempts": 20,
            "failover": {"after_seconds": 1},
        }  # fmt: skip
        made = await self.recado.meta_instance(company.token, self._graph_servers[0], accounts[0], settings)
        credentials = {
            "phone_number_id": accounts[1], "access_token": f"token-{accounts[1]}",
            "app_secret": f"secret-{accounts[1]}", "verify_token": f"verify-{accounts[1]}",
        }  # fmt: skip
        further = await self._further(
            company, made["id"], {"server_id": self._graph_servers[1], "credentials": credentials}
        )
        paths = (product.hook_path(made), urlsplit(further["webhook_url"]).path)
        if policy == "at_most_once":
            # The others are never told what became of a message whose answer was lost, and insist.
            for fake, account, path in zip(self.graphs, accounts, paths, strict=True):
                fake.hooks[account] = graph.Hook(port=self.recado.port, path=path, app_secret=f"secret-{account}")
        self.instances.append(
            Instance(
                company=company, id=made["id"], kind="meta", ordering="instance", policy=policy, account=accounts[0],
                app_secret=made["app_secret"], hook_path=paths[0],
                recipients=tuple(f"551196{number:04d}{person:03d}" for person in range(3)),
                connections=(made["connections"][0]["id"], further["id"]),
            )
        )  # fmt: skip

    async def _sandbox_pair(self, company: Company) -> None:
        """A number on both servers of the sandbox, whose phones both connections reach."""
        await self._sandbox(company, {"failover": {"after_seconds": 1}})
        pair = self.instances.pop()
        further = await self._further(company, pair.id, {"server_id": self._sandbox_servers[1]})
        path = f"/v1/instances/{pair.id}"
        state = await self.recado.api(
            "POST", f"{path}/connect?connection_id={further['id']}", {"method": "qr"}, token=company.token
        )
        await self.recado.api("POST", "/sandbox/scan", {"code": state["qr"]}, token=company.token)
        first, second = (await self.recado.api("GET", path, token=company.token))["connections"]
        self.instances.append(msgspec.structs.replace(pair, connections=(first["id"], second["id"])))

    async def _further(self, company: Company, instance_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """A second connection of an instance."""
        path = f"/v1/instances/{instance_id}/connections"
        made: dict[str, Any] = await self.recado.api("POST", path, body, token=company.token)
        return made

    async def _sandbox_server(self, name: str) -> str:
        body = {"name": name, "kind": "sandbox", "credentials": {}, "max_instances": 1_000}
        return str((await self.recado.api("POST", "/v1/servers", body))["id"])

    async def _sandbox(self, company: Company, more: dict[str, Any] | None = None) -> None:
        """Phones of the sandbox lose an answer now and then, and sometimes fail for now."""
        number = len(self.instances)
        settings = {"pacing": product.NO_PACING, "settle_seconds": 2, "max_attempts": 20, **(more or {})}
        made = await self.recado.sandbox_instance(company.token, f"phone {number}", settings)
        recipients = tuple(f"551197{number:04d}{person:03d}" for person in range(2))
        behaviour = {"ack": "delivered", "latency_ms": 50, "timeout_rate": 0.02}
        failing = {**behaviour, "fail": {"code": "busy", "rate": 0.05, "kind": "retry", "after": 0.5}}
        for phone, how in zip(recipients, (behaviour, failing), strict=True):
            await self.recado.api("PUT", f"/sandbox/phones/{phone}", how, token=company.token)
        self.instances.append(
            Instance(
                company=company,
                id=made["id"],
                kind="sandbox",
                ordering="instance",
                policy="at_least_once",
                recipients=recipients,
            )
        )

    # --- breaking it ----------------------------------------------------------------------------------

    async def kill_recado(self, how: signal.Signals) -> None:
        """End the process and start it again."""
        async with self._restarting:
            at = self.elapsed()
            code = await self.recado.stop(how)
            await self._start()
            self._count(how.name, at, code)

    async def kill_postgres(self) -> None:
        """kill -9 of the postmaster; the product is to bring it back by itself."""
        async with self._restarting:
            at = self.elapsed()
            pid = int((self.path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.2)
            for _ in range(600):
                with contextlib.suppress(wire.Lost):
                    if (await self.recado.client.request("GET", "/ready", timeout=2)).status == 200:
                        break
                if not self.recado.running:
                    self.failed_starts += 1
                    say(f"recado ended by itself when PostgreSQL was killed\n{self.recado.log_tail()}")
                    await self._start()
                await asyncio.sleep(0.05)
            self._count("PostgreSQL", at, None)

    async def lose(self, pair: Instance, how: str, seconds: float) -> None:
        """Cut (`disconnect`) or `ban` the connection that a sandbox pair sends through, and mend it later."""
        connection_id = await self._active(pair)
        path = f"/sandbox/instances/{pair.id}"
        await self._insist(pair.company, "POST", f"{path}/{how}?connection_id={connection_id}")
        await asyncio.sleep(seconds)
        await self._insist(pair.company, "POST", f"{path}/connect?connection_id={connection_id}")

    async def switch(self, pair: Instance) -> None:
        """Let a pair send through its other connection, unless that one does not send."""
        [other] = {*pair.connections} - {await self._active(pair)}
        path = f"/v1/instances/{pair.id}/switch"
        await self._insist(pair.company, "POST", path, {"connection_id": other}, refusable=True)

    async def lose_graph(self, index: int, seconds: float) -> None:
        """A provider is away as a whole, which a check of its server finds; and is back later."""
        fake, path = self.graphs[index], f"/v1/servers/{self._graph_servers[index]}/check"
        await fake.listener.down()
        await self._insist(None, "POST", path)
        await asyncio.sleep(seconds)
        await fake.listener.up()
        await self._insist(None, "POST", path)

    async def _active(self, pair: Instance) -> str:
        shown = await self._insist(pair.company, "GET", f"/v1/instances/{pair.id}")
        return str(next(one["id"] for one in shown["connections"] if one["active"]))

    async def _insist(
        self, company: Company | None, method: str, path: str, body: Any = None, *, refusable: bool = False
    ) -> Any:
        """The answer of a product that is killed again and again. None for a refusal that may be."""
        token = product.ADMIN if company is None else company.token
        for _ in range(200):
            with contextlib.suppress(wire.Lost):
                reply = await self.recado.client.request(
                    method, path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
                )
                if 200 <= reply.status < 300:
                    return reply.json()
                if refusable and reply.status == 409:
                    return None
                if reply.status < 500:
                    raise product.Failed(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
            await asyncio.sleep(0.1)
        raise product.Failed(f"{method} {path}: no answer")

    def _count(self, what: str, at: float, code: int | None) -> None:
        kill = Kill(what=what, at_s=round(at, 1), back_s=round(self.elapsed() - at, 1), exit_code=code)
        self.kills.append(kill)
        say(f"killed {what}, exit code {code}, back after {kill.back_s} s")

    async def _start(self) -> None:
        for _ in range(5):
            try:
                await self.recado.start()
            except product.Failed as error:
                self.failed_starts += 1
                say(f"did not start: {error}")
                await self.recado.stop(signal.SIGKILL)
            else:
                return
        raise product.Failed("recado does not start any more")

    # --- looking at it --------------------------------------------------------------------------------

    async def waiting(self) -> dict[str, int]:
        """What the database still holds to do."""
        connection = await product.connect(self.path)
        try:
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM inbox) AS inbox,"
                " (SELECT count(*) FROM deliveries WHERE status = 'pending') AS deliveries"
            )
            assert row is not None
            return dict(row)
        finally:
            await connection.close()

    async def late(self) -> tuple[set[str], set[str]]:
        """What is not lost but still to do: ids of messages in the outbox, provider ids of undelivered messages."""
        connection = await product.connect(self.path)
        try:
            outward = await connection.fetch("SELECT message_id::text AS id FROM outbox")
            inward = await connection.fetch(
                "SELECT e.data -> 'message' ->> 'provider_id' AS id FROM deliveries d JOIN events e"
                " ON e.company_id = d.company_id AND e.id = d.event_id"
                " WHERE d.status = 'pending' AND e.type = 'message.received'"
            )
            return {row["id"] for row in outward}, {row["id"] for row in inward}
        finally:
            await connection.close()

    async def stuck(self) -> list[dict[str, Any]]:
        """A few of the deliveries and messages that are still to do, for whoever looks into it."""
        connection = await product.connect(self.path)
        try:
            rows = await connection.fetch(
                "(SELECT 'delivery' AS what, d.id::text, d.attempts, d.last_status, d.last_error, l.owner IS NOT NULL"
                " AS claimed, l.parked, extract(epoch FROM l.next_at - now())::int AS due_in_s FROM deliveries d"
                " JOIN delivery_lanes l ON l.company_id = d.company_id AND l.webhook_id = d.webhook_id"
                " AND l.key = d.lane_key WHERE d.status = 'pending' ORDER BY d.sequence LIMIT 5) UNION ALL"
                " (SELECT 'message', o.message_id::text, o.attempts, NULL, NULL, l.owner IS NOT NULL, l.parked,"
                " extract(epoch FROM l.next_at - now())::int FROM outbox o JOIN lanes l ON l.company_id = o.company_id"
                " AND l.instance_id = o.instance_id AND l.key = o.lane_key ORDER BY o.due_at LIMIT 5)"
            )
            return [dict(row) for row in rows]
        finally:
            await connection.close()

    async def switches(self) -> dict[str, int]:
        """How often instances switched, by the reason that their companies were told."""
        connection = await product.connect(self.path)
        try:
            rows = await connection.fetch(
                "SELECT data ->> 'reason' AS reason, count(*) AS times FROM events WHERE type = 'instance.switched'"
                " GROUP BY 1"
            )
            return {row["reason"]: row["times"] for row in rows}
        finally:
            await connection.close()

    async def message(self, company: Company, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.recado.api("GET", f"/v1/messages/{message_id}", token=company.token)
        return found

    async def received_by(self, company: Company, phone: str) -> list[dict[str, Any]]:
        """Everything a sandbox phone received, in order."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.recado.api(
                "GET", f"/sandbox/phones/{phone}/messages?limit=200{cursor}", token=company.token
            )
            found += page["data"]
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"
