"""The pause that a message names itself: in place of pacing's, behind what has left, and never before a retry."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from recado.app import Recado
from recado.store import outbox
from recado.store.db import Database
from tests.outbound import lanes
from tests.outbound.test_sending import reaches, send
from tests.support import client
from tests.support.client import Client
from tests.support.graph import Graph, graph_error

#: So long that what does not wait for it was not held by it.
HOUR_MS = 3_600_000


async def not_before(database: Database, instance_id: Any) -> datetime:
    """When the lane of an instance may send next."""
    async with database.worker.acquire() as connection:
        found: datetime = await connection.fetchval(
            "SELECT not_before FROM lanes WHERE instance_id = $1", UUID(str(instance_id))
        )
    return found


@pytest.mark.parametrize(
    ("pause_ms", "paced", "expected"),
    [(None, 30, 30), (7_000, 30, 7), (0, 30, 0), (45_000, 1, 45), (600_000, 0, 600)],
)
async def test_the_lane_rests_as_long_as_the_message_says(
    database: Database, pause_ms: int | None, paced: int, expected: int
) -> None:
    company, instance = await lanes.make_instance(database)
    given = {} if pause_ms is None else {"pause_ms": pause_ms}
    await lanes.accept(database, lanes.draft(company, instance, **given), lanes.draft(company, instance))
    (claimed,) = await lanes.claim(database)
    now = datetime.now(UTC) + timedelta(seconds=1)
    await lanes.finish(database, lanes.sent(claimed, not_before=now + timedelta(seconds=paced)), now=now)
    until = now + timedelta(seconds=expected)
    assert await not_before(database, instance) == until
    if expected:
        assert await lanes.claim(database, now=until - timedelta(milliseconds=1)) == []
    assert len(await lanes.claim(database, now=until)) == 1


async def test_the_limit_per_minute_holds_whatever_a_message_says(database: Database) -> None:
    company, instance = await lanes.make_instance(database)
    await lanes.accept(database, *[lanes.draft(company, instance, pause_ms=0) for _ in range(3)])
    now = datetime.now(UTC) + timedelta(seconds=1)
    for _ in range(2):
        (claimed,) = await lanes.claim(database, now=now)
        await lanes.finish(database, lanes.sent(claimed, per_minute=2, not_before=now), now=now)
    assert await lanes.claim(database, now=now + timedelta(seconds=59)) == []
    assert len(await lanes.claim(database, now=now + timedelta(seconds=60))) == 1


async def test_a_retry_does_not_wait_for_the_pause_and_the_message_keeps_it(database: Database) -> None:
    company, instance = await lanes.make_instance(database)
    await lanes.accept(database, lanes.draft(company, instance, pause_ms=HOUR_MS))
    (claimed,) = await lanes.claim(database)
    now = datetime.now(UTC) + timedelta(seconds=1)
    soon = now + timedelta(seconds=2)
    again = lanes.sent(
        claimed,
        done=False,
        status=None,
        provider_id=None,
        next_at=soon,
        outcome="retry",
        event_type=None,
        not_before=now,
    )
    await lanes.finish(database, again, now=now)
    (claimed,) = await lanes.claim(database, now=soon)
    await lanes.finish(database, lanes.sent(claimed, not_before=soon), now=soon)
    assert await not_before(database, instance) == soon + timedelta(hours=1)


async def test_a_batch_gives_each_lane_its_own_pause(database: Database) -> None:
    company, instance = await lanes.make_instance(database)
    drafts = [
        lanes.draft(company, instance, lane_key=str(second), **({"pause_ms": second * 1_000} if second % 2 else {}))
        for second in range(20)
    ]
    await lanes.accept(database, *drafts)
    claimed = await lanes.claim(database)
    now = datetime.now(UTC)
    await lanes.finish(database, *[lanes.sent(one, not_before=now + timedelta(minutes=1)) for one in claimed], now=now)
    async with database.worker.acquire() as connection:
        rows = await connection.fetch("SELECT key, not_before FROM lanes WHERE instance_id = $1", instance)
    assert {int(row["key"]): (row["not_before"] - now).total_seconds() for row in rows} == {
        second: second if second % 2 else 60 for second in range(20)
    }


async def test_what_is_queued_again_keeps_its_fallback_and_not_its_pause(database: Database) -> None:
    company, instance = await lanes.make_instance(database)
    draft = lanes.draft(company, instance, pause_ms=HOUR_MS, typing_ms=500, fallback=True)
    await lanes.accept(database, draft)
    (claimed,) = await lanes.claim(database)
    now = datetime.now(UTC)
    await lanes.finish(
        database, lanes.sent(claimed, status="failed", provider_id=None, outcome="refused", code="x", why="x"), now=now
    )
    async with database.worker.acquire() as connection:
        assert await outbox.requeue(connection, company, [(draft.id, "")]) == {draft.id}
        row = await connection.fetchrow("SELECT * FROM outbox WHERE message_id = $1", draft.id)
        assert row is not None
        assert (row["fallback"], row["pause_ms"], row["typing_ms"]) == (True, None, 0)


async def test_pauses_over_the_api(served: Recado, company: Client, server_id: str, meta: Graph) -> None:
    """Under a pacing of an hour, pause 0 lets the next message go at once; a refused one leaves its pause, too."""
    pacing = {"min_ms": 600_000, "max_ms": 600_000, "per_minute": 0}
    instance = await client.make_meta_instance(company, server_id, settings={"ordering": "instance", "pacing": pacing})
    wrong = await company.call(
        "POST", "/v1/messages",
        json={"instance_id": instance["id"], "to": "5511999990001", "type": "text", "text": {"body": "x"}, "pause_ms": 600_001},
    )  # fmt: skip
    assert (wrong.status, wrong.body["errors"][0]["field"]) == (422, "pause_ms")
    for _ in range(3):
        await reaches(company, await send(company, instance, pause_ms=0), "sent")
    meta.answer = graph_error(400, 131026)
    before = datetime.now(UTC)
    await reaches(company, await send(company, instance, pause_ms=300_000), "failed")
    rest = await not_before(served.runtime.db, instance["id"]) - before
    assert timedelta(seconds=299) < rest < timedelta(seconds=320)
    assert (await company.get(f"/v1/instances/{instance['id']}/queue"))["counts"]["waiting"] == 0
