"""The store's promises: order, one in flight per lane, no lost wake-up, a stale worker changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from recado.config import Settings
from recado.domain import ids
from recado.domain.ids import WebhookId
from recado.store import db, deliveries, webhooks
from recado.store.deliveries import Claimed, Finish, Room
from tests.deliveries.conftest import World, conversation

LEASE = timedelta(seconds=60)


async def claim(
    world: World, *, owner: UUID, limit: int = 100, each: int = 100, rooms: dict[WebhookId, Room] | None = None,
    now: datetime | None = None, after: tuple[UUID, UUID] = deliveries.START,
) -> list[Claimed]:  # fmt: skip
    async with world.db.worker.acquire() as connection:
        return await deliveries.claim(
            connection, owner=owner, limit=limit, each=each, lease=LEASE, now=now or datetime.now(UTC), rooms=rooms,
            after=after,
        )  # fmt: skip


def done(claimed: Claimed, status: deliveries.Status = "delivered", retry_at: datetime | None = None) -> Finish:
    return Finish(
        company_id=claimed.company_id,
        webhook_id=claimed.webhook_id,
        key=claimed.key,
        fence=claimed.fence,
        delivery_id=claimed.delivery_id,
        number=claimed.number,
        at=datetime.now(UTC),
        duration_ms=1.0,
        status=status,
        answer=200 if status == "delivered" else 500,
        error=None if status == "delivered" else "no",
        retry_at=retry_at,
    )


async def finish(
    world: World, items: list[Finish], *, owner: UUID, now: datetime | None = None
) -> list[deliveries.Finished | None]:
    async with world.db.worker.acquire() as connection:
        return await deliveries.finish(connection, items, owner=owner, now=now or datetime.now(UTC))


async def test_one_in_flight_per_lane_in_order(world: World) -> None:
    await world.register("https://example.com/")
    first, second = conversation(), conversation()
    await world.happen(first, first, second, first)
    me, order = uuid4(), []
    while claimed := await claim(world, owner=me):
        assert len({one.key for one in claimed}) == len(claimed)
        order += [(one.key, one.data) for one in claimed]
        assert not await claim(world, owner=uuid4())
        results = await finish(world, [done(one) for one in claimed], owner=me)
        assert all(results)
    assert [data for key, data in order if key == str(first)] == ['{"number": 0}', '{"number": 1}', '{"number": 3}']
    assert [data for key, data in order if key == str(second)] == ['{"number": 2}']
    assert await world.pending() == 0


async def test_an_event_during_the_finish_wakes_the_lane(world: World) -> None:
    """The event is not visible to the finish's snapshot; it waits for the event's lane lock and must see it then."""
    await world.register("https://example.com/")
    chat, me = conversation(), uuid4()
    await world.happen(chat)
    (claimed,) = await claim(world, owner=me)
    async with world.db.worker.acquire() as writer, world.db.worker.acquire() as looker:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(
            "INSERT INTO events (company_id, id, type, instance_id, conversation_id, data)"
            " VALUES ($1, $2, 'message.received', $3, $4, '{}')",
            world.company, ids.new(), world.instance, chat,
        )  # fmt: skip
        finishing = asyncio.create_task(finish(world, [done(claimed)], owner=me))
        while not await looker.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not finishing.done()
        await transaction.commit()
    (result,) = await finishing
    assert result is not None
    assert result.next_at is not None
    (again,) = await claim(world, owner=me)
    assert again.data == "{}"


async def test_with_several_workers_each_lane_is_delivered_once_and_in_order(world: World) -> None:
    """A claim that saw the past would hand out what another worker has just delivered."""
    await world.register("https://example.com/")
    chats = [conversation() for _ in range(8)]
    for _ in range(20):
        await world.happen(*chats)
    order: dict[str, list[int]] = {}

    async def deliver() -> None:
        me = uuid4()
        while taken := await claim(world, owner=me, limit=3):
            for item in taken:
                order.setdefault(item.key, []).append(item.sequence or 0)
            await finish(world, [done(item) for item in taken], owner=me)

    while sum(map(len, order.values())) < 160:
        await asyncio.gather(deliver(), deliver(), deliver())
    assert len(order) == 8
    for seen in order.values():
        assert len(seen) == 20
        assert seen == sorted(set(seen))


async def test_thousands_of_events_against_lanes_going_idle_leave_nothing_waiting(world: World) -> None:
    """What would catch a lost wake-up: a lane's last event meets the finish of the one before, thousands of times.

    Later events would heal a lane that was forgotten, so each conversation has two only.
    """
    await world.register("https://example.com/", filter=["message.received"])
    busy, conversations = 2, 600

    async def write() -> None:
        nonlocal busy
        for _ in range(conversations):
            chat = conversation()
            await world.happen(chat)
            await world.happen(chat)
        busy -= 1

    async def deliver() -> None:
        me = uuid4()
        while True:
            last_look = not busy
            claimed = await claim(world, owner=me)
            if claimed:
                assert all(await finish(world, [done(one) for one in claimed], owner=me))
            elif last_look and not await scheduled():
                return

    async def scheduled() -> int:
        async with world.db.worker.acquire() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM delivery_lanes WHERE next_at IS NOT NULL"))

    await asyncio.gather(write(), write(), deliver(), deliver())
    assert await world.pending() == 0
    async with world.db.work() as connection:
        assert await deliveries.sweep(connection) == 0
        assert await connection.fetchval("SELECT count(*) FROM delivery_attempts") == 4 * conversations


async def test_a_stale_worker_changes_nothing(world: World) -> None:
    await world.register("https://example.com/")
    await world.happen(conversation())
    start, dead, alive = datetime.now(UTC), uuid4(), uuid4()
    (lost,) = await claim(world, owner=dead, now=start)
    assert not await claim(world, owner=alive, now=start + LEASE - timedelta(seconds=1))
    (found,) = await claim(world, owner=alive, now=start + LEASE)
    assert found.delivery_id == lost.delivery_id
    assert await finish(world, [done(lost, "failed")], owner=dead) == [None]
    assert await finish(world, [done(lost, "failed")], owner=alive) == [None]
    (result,) = await finish(world, [done(found)], owner=alive)
    assert result is not None
    async with world.db.work() as connection:
        attempts = await deliveries.attempts(connection, world.company, [found.delivery_id])
    assert [one.status for one in attempts[found.delivery_id]] == [200]
    assert await world.pending() == 0


async def test_a_failed_delivery_holds_its_lane_until_its_retry(world: World) -> None:
    await world.register("https://example.com/")
    chat, me = conversation(), uuid4()
    await world.happen(chat, chat)
    now = datetime.now(UTC)
    (first,) = await claim(world, owner=me, now=now)
    retry_at = now + timedelta(minutes=5)
    await finish(world, [done(first, "pending", retry_at)], owner=me)
    await world.happen(chat)
    assert not await claim(world, owner=me, now=retry_at - timedelta(seconds=1))
    (again,) = await claim(world, owner=me, now=retry_at)
    assert (again.delivery_id, again.attempts, again.number) == (first.delivery_id, 1, 2)
    assert again.first_at is not None


async def test_an_endpoint_gets_its_share_and_the_walk_goes_round(world: World) -> None:
    made = sorted([(await world.register(f"https://example.com/{n}")).id for n in range(3)])
    await world.happen(*(conversation() for _ in range(10)))
    me = uuid4()
    first = await claim(world, owner=me, each=4, limit=6)
    assert [one.webhook_id for one in first] == [made[0]] * 4 + [made[1]] * 2
    rest = await claim(world, owner=me, each=4, limit=10, after=(world.company, made[1]))
    assert [one.webhook_id for one in rest] == [made[2]] * 4
    rooms = {made[0]: Room(healthy=0, failing=0), made[1]: Room(healthy=1, failing=0)}
    more = await claim(world, owner=me, each=2, limit=10, rooms=rooms)
    assert sorted(one.webhook_id for one in more) == [made[1], made[2], made[2]]


async def test_a_failing_endpoint_gives_one_probe_due_or_not(world: World) -> None:
    webhook = await world.register("https://example.com/")
    await world.happen(conversation(), conversation())
    me, now = uuid4(), datetime.now(UTC)
    for number, one in enumerate(await claim(world, owner=me, now=now)):
        await finish(world, [done(one, "pending", now + timedelta(hours=1 + number))], owner=me)
    assert not await claim(world, owner=me, now=now)
    async with world.db.work() as connection:
        assert await webhooks.mark_failing(connection, world.company, webhook.id, now)
    assert not await claim(world, owner=me, now=now, rooms={webhook.id: Room(healthy=9, failing=0)})
    (probe,) = await claim(world, owner=me, now=now)
    assert probe.failing_since == now
    async with world.db.work() as connection:
        await deliveries.hasten(connection, world.company, webhook.id, now=now)
        await webhooks.mark_recovered(connection, world.company, webhook.id)
    (other,) = await claim(world, owner=me, now=now)
    assert other.delivery_id != probe.delivery_id


async def test_an_event_that_raced_with_a_resumption_is_found(world: World) -> None:
    webhook = await world.register("https://example.com/")
    await world.happen(conversation())
    async with world.db.work() as connection:
        await deliveries.park(connection, world.company, webhook.id)
    assert not await claim(world, owner=uuid4())
    async with world.db.work() as connection:
        assert await deliveries.sweep(connection) == 1
    assert len(await claim(world, owner=uuid4())) == 1


async def test_the_claim_does_not_read_the_backlog(world: World, settings: Settings) -> None:
    """With many lanes waiting at endpoints that have no room, finding the next endpoint costs a few pages."""
    busy = [(await world.register(f"https://example.com/{n}", filter=["message.received"])).id for n in range(3)]
    for _ in range(4):
        await world.happen(*(conversation() for _ in range(2_500)))
    quiet = await world.register("https://example.org/", filter=["message.read"])
    await world.happen(conversation(), type="message.read")
    rooms = {webhook_id: Room(healthy=0, failing=0) for webhook_id in busy}
    owner = await db.connect(settings.database_url or "")
    await owner.execute("ANALYZE delivery_lanes, deliveries, webhooks, delivery_attempts, events")
    await owner.close()
    async with world.db.worker.acquire() as connection:
        # Once before, so that what is counted is the reading and not the planning of the function's statements.
        now, me = datetime.now(UTC), uuid4()
        first = await deliveries.claim(connection, owner=me, limit=50, each=16, lease=LEASE, now=now, rooms=rooms)
        await deliveries.finish(connection, [done(item) for item in first], owner=me, now=now)
        await world.happen(conversation(), type="message.read")
        plan = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {deliveries.Q.claim}",
            datetime.now(UTC), 50, uuid4(), LEASE, *deliveries.START, 16, list(rooms),
            [0] * len(rooms), [0] * len(rooms),
        )  # fmt: skip
    (explained,) = msgspec.json.decode(plan)
    assert explained["Plan"]["Actual Rows"] == 1
    assert explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"] < 300
    (left,) = await claim(world, owner=uuid4(), each=1, rooms=rooms | {busy[0]: Room(healthy=1, failing=0)})
    assert left.webhook_id == busy[0] != quiet.id


async def test_an_instance_of_another_company_is_refused(world: World) -> None:
    async with world.db.work() as connection:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await webhooks.insert(
                connection, world.company, WebhookId(ids.new()), instance_id=ids.InstanceId(ids.new()),
                url="https://example.com/", events=["*"], format="recado", secret=b"",
            )  # fmt: skip
