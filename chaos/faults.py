"""What breaks, when: drawn from the seed before the run begins, so that a run can be repeated."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import msgspec

from bench import graph
from chaos.streams import Streams
from chaos.world import Company, Instance, World, say

Act = Callable[[], Awaitable[None]]

#: What a provider does to us, most often what cannot be told from success.
PROVIDER_FAULTS = ("hang", "reset", "error500", "html500", "limit429", "lost", "lost", "html200", "slow")


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything. `seconds` of load, then at most `drain` until the queues are empty."""

    seconds: float
    drain: float
    kills: tuple[int, int, int]
    provider_rounds: int
    provider_seconds: tuple[float, float]
    outage: float
    crowds: int
    crowd: int
    switches: int
    pause: float


FULL = Size(
    seconds=165, drain=100, kills=(8, 6, 7), provider_rounds=2, provider_seconds=(1.5, 4.0), outage=60, crowds=3,
    crowd=400, switches=12, pause=0.8,
)  # fmt: skip
QUICK = Size(
    seconds=16, drain=42, kills=(2, 1, 1), provider_rounds=1, provider_seconds=(0.5, 1.2), outage=8, crowds=1,
    crowd=200, switches=3, pause=0.5,
)  # fmt: skip


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    what: str
    act: Act


def schedule(world: World, streams: Streams, size: Size, seed: int) -> list[Planned]:
    """Every fault of a run with its moment."""
    rng = random.Random(seed)
    planned = [*_kills(world, size, rng), *_provider(world, size, rng), *_outages(world, size, rng)]
    planned += _switches(world, size, random.Random(f"{seed}-switches"))
    for _ in range(size.crowds):
        # The same moment for the people and for what breaks would prove less than different ones.
        crowd = _crowd(streams, size.crowd, random.Random(rng.random()))
        planned.append(Planned(at=rng.uniform(0.1, 0.9) * size.seconds, what=f"{size.crowd} people", act=crowd))
    return sorted(planned, key=lambda one: one.at)


def _spread(count: int, size: Size, rng: random.Random) -> list[float]:
    """Moments of which no two are so close that the first cannot show its effect."""
    gap = (size.seconds - 4) / count
    return [2 + gap * (index + rng.uniform(0, 0.7)) for index in range(count)]


def _kills(world: World, size: Size, rng: random.Random) -> list[Planned]:
    def kill(how: signal.Signals) -> Act:
        return lambda: world.kill_recado(how)

    acts: list[tuple[str, Act]] = [
        *[("kill -9 recado", kill(signal.SIGKILL))] * size.kills[0],
        *[("SIGTERM recado", kill(signal.SIGTERM))] * size.kills[1],
        *[("kill -9 PostgreSQL", world.kill_postgres)] * size.kills[2],
    ]
    rng.shuffle(acts)
    moments = _spread(len(acts), size, rng)
    return [Planned(at=at, what=what, act=act) for at, (what, act) in zip(moments, acts, strict=True)]


def _provider(world: World, size: Size, rng: random.Random) -> list[Planned]:
    modes = list(PROVIDER_FAULTS) * size.provider_rounds
    planned = []
    for fake in world.graphs:
        rng.shuffle(modes)
        for at, mode in zip(_spread(len(modes), size, rng), modes, strict=True):
            seconds, share = rng.uniform(*size.provider_seconds), rng.choice((0.3, 0.6, 1.0))
            planned.append(Planned(at=at, what=f"provider {mode}", act=_trouble(fake, mode, share, seconds)))
    return planned


def _trouble(fake: graph.FakeGraph, mode: str, share: float, seconds: float) -> Act:
    async def act() -> None:
        fake.mode, fake.share = mode, share
        await asyncio.sleep(seconds)
        fake.mode = "ok"

    return act


def _outages(world: World, size: Size, rng: random.Random) -> list[Planned]:
    planned = []
    for company, mode in zip(world.companies, ("down", "404", "500"), strict=True):
        at = rng.uniform(0.05, max(0.06, 0.9 - size.outage / size.seconds)) * size.seconds
        planned.append(Planned(at=at, what=f"endpoint {mode}", act=_outage(company, mode, size.outage)))
    return planned


def _outage(company: Company, mode: str, seconds: float) -> Act:
    async def act() -> None:
        receiver = company.endpoint
        if mode == "down":
            await receiver.listener.down()
            await asyncio.sleep(seconds)
            await receiver.listener.up()
        else:
            receiver.mode = mode
            await asyncio.sleep(seconds)
            receiver.mode = "ok"

    return act


def _switches(world: World, size: Size, rng: random.Random) -> list[Planned]:
    """Every pair loses the connection that it sends through, or is told to send through the other, again and again; each
    Graph server is away once; and answers are lost just before a switch, which is how a message could go twice."""
    planned = []
    for pair in world.pairs:
        for at in _spread(size.switches, size, rng):
            how = rng.choice(("switch",) if pair.kind == "meta" else ("switch", "disconnect", "ban"))
            planned.append(Planned(at=at, what=f"connection {how}", act=_switch(world, pair, how, rng.uniform(1.5, 5))))
    for index, at in enumerate(_spread(len(world.graphs), size, rng)):
        away = _lose_graph(world, index, rng.uniform(*size.provider_seconds) + 1)
        planned.append(Planned(at=at, what="provider away", act=away))
    for turn, at in enumerate(_spread(size.switches, size, rng)):
        doubt = _doubt(world, world.graphs[turn % len(world.graphs)])
        planned.append(Planned(at=at, what="answers lost, then a switch", act=doubt))
    return planned


def _switch(world: World, pair: Instance, how: str, seconds: float) -> Act:
    return lambda: world.switch(pair) if how == "switch" else world.lose(pair, how, seconds)


def _doubt(world: World, fake: graph.FakeGraph) -> Act:
    async def act() -> None:
        fake.mode, fake.share = "lost", 1.0
        await asyncio.sleep(1)
        fake.mode = "ok"
        await asyncio.gather(*(world.switch(pair) for pair in world.pairs if pair.kind == "meta"))

    return act


def _lose_graph(world: World, index: int, seconds: float) -> Act:
    return lambda: world.lose_graph(index, seconds)


def _crowd(streams: Streams, size: int, rng: random.Random) -> Act:
    return lambda: streams.crowd(size, rng)


async def run(planned: list[Planned], world: World) -> None:
    """Let everything happen at its moment; what takes long does not hold up the rest."""

    async def one(fault: Planned) -> None:
        await asyncio.sleep(max(0.0, fault.at - world.elapsed()))
        say(f"{world.elapsed():6.1f} s  {fault.what}")
        await fault.act()

    async with asyncio.TaskGroup() as group:
        for fault in planned:
            group.create_task(one(fault))
