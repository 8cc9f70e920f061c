"""The load: clients that send, and Meta that posts webhooks. Both insist until they have a 2xx, as they should."""

import asyncio
import itertools
import random
from typing import Any

import msgspec

from bench import graph, wire
from chaos.verdict import Acked, Sent
from chaos.world import Instance, World

#: What a client repeats; every other refusal is a fault of the run and ends up in `refusals`.
_AGAIN = frozenset({429, 500, 502, 503, 504})


class Streams:
    """What the clients and Meta remember of a run."""

    def __init__(self, world: World, seed: int, *, pause: float) -> None:
        self.world = world
        self.sent: list[Sent] = []
        self.acked: list[Acked] = []
        self.refusals: list[str] = []
        #: Answers other than a 2xx, by what they were.
        self.troubles: dict[str, int] = {}
        #: Webhooks that held more than one message, and those posted ten times at once.
        self.compound = 0
        self.tenfold = 0
        self._seed = seed
        self._pause = pause
        self._stop = asyncio.Event()
        self._wamids = itertools.count(1)
        self._conversations: dict[str, int] = {}

    def stop(self) -> None:
        """No new messages; what is under way is repeated until it is accepted."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`, and then until everything begun is accepted."""
        async with asyncio.TaskGroup() as group:
            for index, instance in enumerate(self.world.instances):
                group.create_task(self._outward(instance, random.Random(f"{self._seed}-out-{index}")))
            for index, instance in enumerate(self.world.meta):
                group.create_task(self._inward(instance, random.Random(f"{self._seed}-in-{index}")))

    async def _rest(self, rng: random.Random) -> None:
        try:
            async with asyncio.timeout(rng.expovariate(1 / self._pause)):
                await self._stop.wait()
        except TimeoutError:
            return

    def _trouble(self, what: str) -> None:
        self.troubles[what] = self.troubles.get(what, 0) + 1

    async def _insist(self, method: str, path: str, headers: dict[str, str], body: bytes) -> wire.Reply | None:
        """Repeat a request until its answer is final."""
        wait = 0.1
        while True:
            try:
                reply = await self.world.recado.client.request(method, path, headers=headers, body=body, timeout=10)
            except wire.Lost:
                self._trouble("no answer")
            else:
                if 200 <= reply.status < 300:
                    return reply
                self._trouble(str(reply.status))
                if reply.status not in _AGAIN:
                    self.refusals.append(f"{method} {path}: {reply.status} {reply.body[:300]!r}")
                    return None
            await asyncio.sleep(wait)
            wait = min(1.0, wait * 1.5)

    # --- outward --------------------------------------------------------------------------------------

    async def _outward(self, instance: Instance, rng: random.Random) -> None:
        """One message after the other, so that the order of acceptance is known; sometimes a batch."""
        numbers = itertools.count()
        headers = {"Authorization": f"Bearer {instance.company.token}", "Content-Type": "application/json"}
        while not self._stop.is_set():
            size = rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 5))
            items = [self._message(instance, next(numbers), rng) for _ in range(size)]
            if size == 1:
                path, body = "/v1/messages", items[0]
            else:
                path, body = "/v1/messages/batch", {"messages": items}
            reply = await self._insist("POST", path, headers, msgspec.json.encode(body))
            if reply is not None:
                answer = reply.json()
                for item, result in zip(items, answer["results"] if size > 1 else [answer], strict=True):
                    self._accepted(instance, item, result)
            await self._rest(rng)

    def _message(self, instance: Instance, number: int, rng: random.Random) -> dict[str, Any]:
        to = rng.choice(instance.recipients)
        tag = f"{instance.id}|{number}|{to}"
        return {"instance_id": instance.id, "to": to, "type": "text", "text": {"body": tag}, "client_id": tag}

    def _accepted(self, instance: Instance, item: dict[str, Any], result: dict[str, Any]) -> None:
        if "id" not in result:
            self.refusals.append(f"in a batch: {str(result)[:300]}")
            return
        tag = item["client_id"]
        lane = instance.id if instance.ordering == "instance" else f"{instance.id}|{item['to']}"
        self.sent.append(
            Sent(tag=tag, message_id=result["id"], lane=lane, number=int(tag.split("|")[1]), policy=instance.policy)
        )

    # --- inward ---------------------------------------------------------------------------------------

    async def _inward(self, instance: Instance, rng: random.Random) -> None:
        """Webhooks of one number, each acknowledged before the next: five people who write to nobody else."""
        people = [f"5521{instance.account[-6:]}{person:03d}" for person in range(5)]
        while not self._stop.is_set():
            entries = 1 if rng.random() < 0.8 else rng.randint(2, 4)
            values, messages = [], []
            for _ in range(entries):
                count = 1 if entries == 1 else rng.randint(1, 3)
                value, made = self._value(instance, rng.choice(people), count)
                values.append(value)
                messages += made
            self.compound += len(messages) > 1
            times = 10 if rng.random() < 0.03 else 1
            self.tenfold += times > 1
            await self._post(instance, values, messages, times)
            if rng.random() < 0.05:
                # Meta repeats what it already knows to be delivered.
                await self._post(instance, values, [], 1)
            await self._rest(rng)

    def _value(self, instance: Instance, person: str, count: int) -> tuple[dict[str, Any], list[Acked]]:
        name = f"Person {person}"
        made = []
        for _ in range(count):
            conversation = f"{instance.account}|{person}"
            number = self._conversations[conversation] = self._conversations.get(conversation, -1) + 1
            made.append(
                Acked(
                    wamid=f"wamid.CHAOS{next(self._wamids):09d}",
                    company=instance.company.name,
                    conversation=conversation,
                    number=number,
                    sender=person,
                    name=name,
                    text=f"{person} writes {number} to {instance.account}",
                )
            )
        value = graph.message_value(instance.account, person, name, [(one.wamid, one.text) for one in made])
        return value, made

    async def _post(self, instance: Instance, values: list[Any], messages: list[Acked], times: int) -> None:
        payload = msgspec.json.encode(graph.envelope(*values))
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": graph.signature(instance.app_secret, payload),
        }
        posts = (self._insist("POST", instance.hook_path, headers, payload) for _ in range(times))
        replies = await asyncio.gather(*posts)
        if any(reply is not None for reply in replies):
            self.acked += messages

    async def crowd(self, size: int, rng: random.Random) -> None:
        """So many different people write at the same instant."""
        posts = []
        for _ in range(size):
            instance = rng.choice(self.world.meta)
            person = f"5531{rng.randrange(10**9):09d}"
            value, messages = self._value(instance, person, 1)
            posts.append(self._post(instance, [value], messages, 1))
        await asyncio.gather(*posts)
