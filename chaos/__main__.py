"""`python -m chaos [--json] [--quick] [--seed N]`: exit code 1 when anything promised did not hold."""

import argparse
import asyncio
import collections
import contextlib
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import endpoint, product
from chaos import faults, verdict
from chaos.streams import Streams
from chaos.world import World, say

#: How many examples of each kind of violation are shown.
_EXAMPLES = 5


async def run(size: faults.Size, seed: int, *, small: bool, log: Path | None) -> dict[str, Any]:
    """One run: the JSON that is printed. Recado's own log is copied to `log`."""
    with product.data_dir() as path, _kept(path / "serve.log", log):
        async with World(path, seed=seed, small=small) as world:
            streams = Streams(world, seed, pause=size.pause)
            planned = faults.schedule(world, streams, size, seed)
            say(f"seed {seed}: {len(world.instances)} instances, {len(planned)} faults in {size.seconds:.0f} s")
            world.began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(streams.run())
                breaking = group.create_task(faults.run(planned, world))
                await asyncio.sleep(size.seconds)
                await breaking
                streams.stop()
            say(f"{world.elapsed():6.1f} s  load over: {len(streams.sent)} out, {len(streams.acked)} in; draining")
            left = await _drain(world, streams, size.drain)
            return await _report(world, streams, planned, left, seed)


@contextlib.contextmanager
def _kept(source: Path, target: Path | None) -> Iterator[None]:
    try:
        yield
    finally:
        if target is not None and source.exists():
            shutil.copy(source, target)


async def _drain(world: World, streams: Streams, seconds: float) -> dict[str, int]:
    """Wait until nothing is left to do, or the time is up; what is left."""
    until = time.monotonic() + seconds
    quiet = 0
    while True:
        left = await world.waiting()
        quiet = quiet + 1 if not any(left.values()) else 0
        # Twice, with time for a webhook of a status to come in between.
        if quiet >= 4 or time.monotonic() > until:
            say(f"{world.elapsed():6.1f} s  left: {left}")
            return left
        await asyncio.sleep(0.5)


async def _reached(world: World) -> list[verdict.Reached]:
    """Every arrival at every provider. The clocks of the providers are one, so are their orders."""
    found = []
    for index, fake in enumerate(world.graphs):
        found += [verdict.Reached(tag=one.tag, order=one.at_ns, via=f"graph {index}") for one in fake.taken]
    order = 0
    for instance in world.sandbox:
        received: list[dict[str, Any]] = []
        for phone in instance.recipients:
            received += await world.received_by(instance.company, phone)
        for message in sorted(received, key=lambda one: one["received_at"]):
            order += 1
            found.append(verdict.Reached(tag=message["content"]["body"], order=order, times=message["count"]))
    return found


async def _unproven(world: World) -> set[str]:
    """The ids of all messages that the API shows as unproven."""
    found: set[str] = set()
    for company in world.companies:
        cursor = ""
        while True:
            page = await world.recado.api("GET", f"/v1/messages?status=unproven&limit=200{cursor}", token=company.token)
            found |= {message["id"] for message in page["data"]}
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
    return found


async def _unmarked(world: World, streams: Streams, duplicated: list[str]) -> list[str]:
    """The duplicates that the policy does not allow, or that the message does not own up to."""
    sent = {message.tag: message for message in streams.sent}
    companies = {instance.id: instance.company for instance in world.instances}
    found = []
    for tag in duplicated:
        shown = await world.message(companies[tag.split("|")[0]], sent[tag].message_id)
        if sent[tag].policy != "at_least_once" or not shown["resent"]:
            found.append(tag)
    return found


async def _crossed(world: World, streams: Streams, duplicated: list[str]) -> list[str]:
    """The duplicates that a switch made at providers which are one behind their servers, as the sandbox's are: through
    one connection it may have been sent, and through another it was."""
    sent = {message.tag: message for message in streams.sent}
    pairs = {instance.id: instance for instance in world.pairs}
    found = []
    for tag in duplicated:
        pair = pairs.get(tag.split("|")[0])
        if pair is None:
            continue
        shown = await world.message(pair.company, sent[tag].message_id)
        reached = {one["connection_id"] for one in shown["attempts"] if one["outcome"] in ("accepted", "unknown")}
        if len(reached) > 1:
            found.append(tag)
    return found


def _delivered(world: World) -> list[verdict.Delivered]:
    found = []
    for company in world.companies:
        for seen in company.endpoint.seen:
            if seen.event.type == "message.received":
                message = seen.event.data["message"]
                contact = message["contact"]
                found.append(
                    verdict.Delivered(
                        wamid=message["provider_id"],
                        company=company.name,
                        sender=contact["phone"] or "",
                        name=contact["name"] or "",
                        text=endpoint.text_of(seen.event),
                    )
                )
    return found


async def _examples(world: World, streams: Streams, tags: list[str]) -> list[Any]:
    """What the API says of a few messages, for whoever looks into a violation."""
    sent = {message.tag: message for message in streams.sent}
    companies = {instance.id: instance.company for instance in world.instances}
    found = []
    for tag in tags[:_EXAMPLES]:
        shown = await world.message(companies[tag.split("|")[0]], sent[tag].message_id)
        keys = ("id", "status", "resent", "created_at", "timeline", "attempts")
        found.append({"tag": tag, "policy": sent[tag].policy} | {key: shown.get(key) for key in keys})
    return found


async def _report(
    world: World, streams: Streams, planned: list[faults.Planned], left: dict[str, int], seed: int
) -> dict[str, Any]:
    unproven = await _unproven(world)
    late_out, late_in = await world.late()
    out = verdict.outward(streams.sent, await _reached(world), unproven | late_out)
    into = verdict.inward(streams.acked, _delivered(world), late_in)
    unmarked = await _unmarked(world, streams, out.duplicated)
    crossed = sorted({*out.crossed, *await _crossed(world, streams, out.duplicated)})
    switches = await world.switches()
    bad_exits = [kill for kill in world.kills if kill.what == "SIGTERM" and kill.exit_code != 0]
    violations = {
        "lost_outward": len(out.lost),
        "lost_inward": len(into.lost),
        "duplicated_unmarked": len(unmarked),
        "duplicated_by_a_switch": len(crossed),
        "never_switched": 0 if {"failover", "requested"} <= {*switches} else 1,
        "duplicated_inward": len(into.duplicated),
        "disordered_outward": len(out.disordered),
        "disordered_inward": len(into.disordered),
        "mixed_up": len(into.mixed_up) + sum(fake.wrong_token for fake in world.graphs),
        "never_accepted_but_sent": len(out.strange) + len(into.strange),
        "bad_signatures": sum(company.endpoint.bad_signatures for company in world.companies),
        "refused_by_the_api": len(streams.refusals),
        "api_500": streams.troubles.get("500", 0),
        "sigterm_not_exit_0": len(bad_exits),
        "failed_starts": world.failed_starts,
        "left_to_do": sum(left.values()),
    }
    struck: collections.Counter[str] = collections.Counter()
    for fake in world.graphs:
        struck.update(fake.struck)
    return {
        "accepted": out.accepted + into.accepted,
        "reached": out.reached + into.reached,
        "lost": len(out.lost) + len(into.lost),
        "duplicated": len(out.duplicated) + len(into.duplicated),
        "unproven": len(unproven),
        "kills": len(world.kills),
        "details": {
            "passed": not any(violations.values()),
            "violations": {name: count for name, count in violations.items() if count},
            "outward": {"accepted": out.accepted, "reached": out.reached, "duplicated_marked": len(out.duplicated)
                        - len(unmarked)},
            "inward": {"accepted": into.accepted, "reached": into.reached, "with_several_messages": streams.compound,
                       "posted_ten_times_at_once": streams.tenfold,
                       "deliveries_repeated": sum(company.endpoint.repeats for company in world.companies)},
            "switches": switches,
            "faults": dict(collections.Counter(fault.what for fault in planned)),
            "requests_struck_by_the_provider": dict(struck),
            "answers_other_than_2xx": streams.troubles,
            "away_s": {what: sorted(kill.back_s for kill in world.kills if kill.what == what)
                       for what in sorted({kill.what for kill in world.kills})},
            "left_to_do": left,
            "examples": {
                "left_to_do": await world.stuck() if any(left.values()) else [],
                "lost_outward": await _examples(world, streams, out.lost),
                "duplicated_unmarked": await _examples(world, streams, unmarked),
                "duplicated_by_a_switch": await _examples(world, streams, crossed),
                "disordered_outward": await _examples(world, streams, out.disordered),
                "lost_inward": into.lost[:_EXAMPLES], "duplicated_inward": into.duplicated[:_EXAMPLES],
                "disordered_inward": into.disordered[:_EXAMPLES], "mixed_up": into.mixed_up[:_EXAMPLES],
                "strange": [*out.strange, *into.strange][:_EXAMPLES], "refusals": streams.refusals[:_EXAMPLES],
            },
            "seconds": round(world.elapsed()),
            "seed": seed,
        },
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of indented JSON")
    parser.add_argument("--quick", action="store_true", help="about a minute, with fewer kills")
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to repeat its moments")
    parser.add_argument("--log", type=Path, default=None, metavar="FILE", help="keep Recado's log of the run here")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)

    async def interruptible() -> dict[str, Any]:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        size = faults.QUICK if options.quick else faults.FULL
        return await run(size, seed, small=options.quick, log=options.log)

    try:
        report = uvloop.run(interruptible())
    except asyncio.CancelledError:
        return 130
    raw = msgspec.json.encode(report)
    sys.stdout.buffer.write((raw if options.json else msgspec.json.format(raw, indent=2)) + b"\n")
    return 0 if report["details"]["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
