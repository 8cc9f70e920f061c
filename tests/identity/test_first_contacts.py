"""First contacts: a budget of their own, held without holding anything else, in order for each recipient."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from recado.config import Settings
from recado.domain import ids
from recado.domain.events import Party
from recado.domain.ids import CompanyId, ConversationId, InstanceId, MessageId
from recado.domain.provider import Capabilities
from recado.domain.settings import FIRST_CONTACTS, NO_PACING, InstanceSettings, Pacing
from recado.services.accepting import budget_of
from recado.store import cold, contacts, conversations, db, outbox
from recado.store.db import Database
from tests.outbound import lanes


class World(msgspec.Struct, kw_only=True):
    """An instance, and its conversations by phone."""

    database: Database
    company: CompanyId
    instance: InstanceId
    chats: dict[str, ConversationId] = {}

    async def chat(self, phone: str) -> ConversationId:
        if phone not in self.chats:
            wanted = contacts.Wanted(company_id=self.company, instance_id=self.instance, party=Party(phone=phone))
            async with self.database.work() as connection:
                (place,) = await contacts.resolve(connection, [wanted])
            self.chats[phone] = place.conversation_id
        return self.chats[phone]

    async def accept(self, phone: str, **changes: object) -> MessageId:
        draft = lanes.draft(
            self.company, self.instance, address=phone, conversation_id=await self.chat(phone), budgeted=True,
        )  # fmt: skip
        await lanes.accept(self.database, msgspec.structs.replace(draft, **changes))
        return draft.id

    async def hear(self, phone: str, *, typed: bool = False) -> bool:
        """They write to us, or we to them on the phone itself; whether lanes should be looked at."""
        at = datetime.now(UTC)
        noted = conversations.Noted(
            company_id=self.company,
            id=await self.chat(phone),
            last_message_at=at,
            last_received_at=None if typed else at,
            unread=0 if typed else 1,
        )
        async with self.database.work() as connection:
            return await cold.warm(connection, await conversations.note(connection, [noted]))

    async def try_next(self, *, budget: int, at: datetime) -> MessageId | None:
        """What a sender does: claim, ask the budget, send. None when nothing goes now."""
        for _ in range(5):
            claimed = await lanes.claim(self.database, now=at)
            if not claimed:
                # A lane that something was added to is looked at twice.
                continue
            (item,) = claimed
            if await self.take(item, budget=budget, at=at) is None:
                await lanes.finish(self.database, lanes.sent(item, not_before=at), now=at)
                return item.message_id
            await lanes.finish(self.database, self.given_back(item, at), now=at)
        return None

    async def take(self, item: outbox.Claimed, *, budget: int, at: datetime) -> datetime | None:
        async with self.database.work() as connection:
            if not await cold.is_cold(connection, self.company, item.message_id):
                return None
            return await cold.take(
                connection, self.company, self.instance, ConversationId(item.conversation_id), budget=budget, at=at
            )

    def given_back(self, item: outbox.Claimed, at: datetime) -> outbox.Finish:
        return outbox.Finish(claimed=item, done=False, next_at=at, not_before=lanes.sent(item).not_before)

    async def drain(self, *, budget: int, at: datetime) -> list[MessageId]:
        sent = []
        while (message_id := await self.try_next(budget=budget, at=at)) is not None:
            sent.append(message_id)
        return sent

    async def next_at(self) -> datetime | None:
        async with self.database.work() as connection:
            at: datetime | None = await connection.fetchval("SELECT next_at FROM lanes")
            return at


@pytest.fixture
async def world(database: Database) -> World:
    company, instance = await lanes.make_instance(database)
    return World(database=database, company=company, instance=instance, chats={})


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


async def test_the_budget_holds_first_contacts_while_everything_else_goes(world: World) -> None:
    known = "5511999990009"
    await world.hear(known)
    strangers = [await world.accept(f"551199999000{n}") for n in range(5)]
    reply = await world.accept(known)
    at = soon()
    assert await world.drain(budget=3, at=at) == [*strangers[:3], reply]
    assert await world.next_at() == at + timedelta(hours=1)
    followed = await world.accept("5511999990001")
    assert await world.drain(budget=3, at=at + timedelta(minutes=5)) == [followed], "it was reached: a known chat"
    assert await world.drain(budget=3, at=at + timedelta(minutes=59)) == []
    assert await world.drain(budget=3, at=at + timedelta(hours=1)) == strangers[3:]


async def test_the_budget_holds_in_every_window_of_an_hour(world: World) -> None:
    sent: list[int] = []
    for n in range(7):
        await world.accept(f"551199999000{n}")
    began = soon()
    for minute in range(0, 200, 5):
        sent += [minute] * len(await world.drain(budget=2, at=began + timedelta(minutes=minute)))
    assert sent == [0, 0, 60, 60, 120, 120, 180]


async def test_messages_to_one_stranger_keep_their_order_and_cost_one_first_contact(world: World) -> None:
    for phone in ("5511999990001", "5511999990002"):
        await world.chat(phone)
    first = [await world.accept("5511999990001") for _ in range(3)]
    held = [await world.accept("5511999990002") for _ in range(3)]
    at = soon()
    assert await world.drain(budget=1, at=at) == first
    held.append(await world.accept("5511999990002"))
    assert await world.drain(budget=1, at=at) == []
    held.append(await world.accept("5511999990002"))
    assert await world.drain(budget=1, at=at + timedelta(hours=1)) == held


@pytest.mark.parametrize("typed", [False, True])
async def test_an_answer_makes_everything_that_waits_for_them_warm(world: World, typed: bool) -> None:
    await world.accept("5511999990001")
    held = [await world.accept("5511999990002") for _ in range(2)]
    others = await world.accept("5511999990003")
    at = soon()
    await world.drain(budget=1, at=at)
    assert await world.hear("5511999990002", typed=typed)
    held.append(await world.accept("5511999990002"))
    assert await world.drain(budget=1, at=at) == held
    assert not await world.hear("5511999990002", typed=typed), "only the first changes anything"
    assert await world.drain(budget=1, at=at + timedelta(hours=1)) == [others]


async def test_what_is_accepted_while_they_answer_is_never_left_held(world: World) -> None:
    """Acceptance and the first answer at the same moment, in either order: both see the chat as one of them left it."""
    for n in range(20):
        phone = f"55119999901{n:02}"
        await world.chat(phone)
        await asyncio.gather(*(world.accept(phone) for _ in range(4)), world.hear(phone), world.accept(phone))
    async with world.database.work() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 100
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE cold") == 0
        # The lanes of what was cold for a moment must be looked at.
        assert await connection.fetchval("SELECT count(*) FROM lanes WHERE next_at IS NULL") == 0


async def test_priority_still_goes_first_and_the_older_of_cold_and_warm_within(world: World) -> None:
    await world.hear("5511999990009")
    order = [
        await world.accept(phone, priority=priority)
        for phone, priority in [("5511999990001", 1), ("5511999990009", 1), ("5511999990002", 0), ("5511999990003", 1)]
    ]
    assert await world.drain(budget=100, at=soon()) == [order[2], order[0], order[1], order[3]]


async def test_error_463_holds_only_cold_chats_and_gives_the_tried_one_back(world: World) -> None:
    answered, unanswered, stranger = "5511999990009", "5511999990001", "5511999990002"
    await world.hear(answered)
    await world.accept(unanswered)
    at = soon()
    await world.drain(budget=5, at=at)
    tried = await world.accept(stranger)
    waiting = await world.accept(unanswered)
    (item,) = await lanes.claim(world.database, now=at)
    assert await world.take(item, budget=5, at=at) is None
    until = at + timedelta(minutes=30)
    async with world.database.work() as connection:
        await cold.hold(
            connection, world.company, world.instance, world.chats[stranger], tried, until=until, at=at
        )  # fmt: skip
    await lanes.finish(world.database, world.given_back(item, at), now=at)
    reply = await world.accept(answered)
    later = await world.accept(unanswered)
    assert await world.drain(budget=5, at=at) == [reply]
    async with world.database.work() as connection:
        shown = await cold.summarise(connection, world.company, world.instance)
        assert (shown.waiting, shown.held_until) == (3, until)
        assert [row["conversation_id"] for row in await connection.fetch("SELECT * FROM first_contacts")] == [
            world.chats[unanswered]
        ], "the one that was tried was not spent"
    assert await world.next_at() == until
    assert await world.drain(budget=5, at=until) == [tried, waiting, later]


async def test_a_message_that_the_provider_calls_cold_is_held_whatever_we_knew(world: World) -> None:
    """We have it from them that they wrote; WhatsApp says 463 all the same. It must not be tried again and again."""
    await world.hear("5511999990001")
    tried = await world.accept("5511999990001")
    at = soon()
    (item,) = await lanes.claim(world.database, now=at)
    async with world.database.work() as connection:
        chat = world.chats["5511999990001"]
        until = at + timedelta(minutes=5)
        await cold.hold(connection, world.company, world.instance, chat, tried, until=until, at=at)
    await lanes.finish(world.database, world.given_back(item, at), now=at)
    assert await world.drain(budget=5, at=at) == []
    assert await world.drain(budget=5, at=until) == [tried]


@pytest.mark.parametrize("seed", range(40))
async def test_the_claim_takes_the_head_that_the_rules_name(world: World, seed: int) -> None:
    """Against a model: priority, then time, held first contacts passed over; else due when the first of them may go."""
    dice = random.Random(seed)
    now = datetime.now(UTC).replace(microsecond=0)
    holds = [dice.choice([None, now - timedelta(minutes=1), now + timedelta(minutes=dice.randint(1, 9))]) for _ in "ab"]
    held_until = max([until for until in holds if until], default=now)
    waiting = [
        (dice.choice([0, 1, 1, 2]), now + timedelta(minutes=dice.randint(-9, 3)), ids.new(), dice.random() < 0.6)
        for _ in range(dice.randint(0, 5))
    ]
    async with world.database.work() as connection:
        await connection.execute("UPDATE instances SET cold_until = $1, first_contacts_until = $2", *holds)
        await connection.execute(
            "INSERT INTO lanes (company_id, instance_id, next_at) VALUES ($1, $2, $3)",
            world.company,
            world.instance,
            now,
        )
        for priority, due_at, message_id, is_cold in waiting:
            await connection.execute(
                """WITH m AS (
                       INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status,
                                             type, address, content)
                       VALUES ($1, $2, $3, $2, $2, 'outbound', 'queued', 'text', 'x', '{}'))
                   INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at, cold)
                   VALUES ($1, $2, $3, $4, $5, $6)""",
                world.company, message_id, world.instance, priority, due_at, is_cold,
            )  # fmt: skip
    claimed = await lanes.claim(world.database, now=now)
    free = [one for one in waiting if one[1] <= now and (not one[3] or held_until <= now)]
    assert [one.message_id for one in claimed] == [one[2] for one in sorted(free)[:1]]
    if not free:
        later = [max(due_at, held_until) if is_cold else due_at for _, due_at, _, is_cold in waiting]
        assert await world.next_at() == min(later, default=None)


async def test_a_changed_budget_counts_at_once(world: World) -> None:
    messages = [await world.accept(f"551199999000{n}") for n in range(4)]
    at = soon()
    assert await world.drain(budget=1, at=at) == messages[:1]
    async with world.database.work() as connection:
        await cold.recount(connection, world.company, world.instance)
    assert await world.drain(budget=3, at=at) == messages[1:3]


async def test_senders_at_once_spend_no_more_than_the_budget(world: World) -> None:
    """Lanes per recipient: many first contacts are claimed at the same moment."""
    for n in range(12):
        await world.accept(f"55119999901{n:02}", lane_key=f"55119999901{n:02}")
    at = soon()
    claimed = await lanes.claim(world.database, now=at)
    assert len(claimed) == 12
    taken = await asyncio.gather(*(world.take(item, budget=5, at=at) for item in claimed))
    assert sum(until is None for until in taken) == 5


async def test_a_hundred_thousand_held_first_contacts_cost_a_reply_nothing(world: World, settings: Settings) -> None:
    owner = await db.connect(settings.database_url or "")
    await world.accept("5511999990001")
    await owner.execute(
        """INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at, cold, conversation_id)
           SELECT $1, new_id(), $2, 1, now() - interval '1 day', true, new_id() FROM generate_series(1, 100000)""",
        world.company, world.instance,
    )  # fmt: skip
    await owner.execute("UPDATE instances SET cold_until = now() + interval '1 hour'")
    await owner.execute("VACUUM ANALYZE outbox, lanes, instances, messages")
    await owner.close()
    await world.hear("5511999990009")
    async with world.database.worker.acquire() as connection:
        for _ in range(2):
            # Once before, so that what is counted is the reading and not the planning.
            reply = await world.accept("5511999990009")
            plan = await connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {outbox.Q.claim}",
                soon(), 10, ids.new(), lanes.LEASE,
            )  # fmt: skip
            assert await connection.fetchval("SELECT message_id FROM lanes") == reply
            await connection.execute("DELETE FROM outbox WHERE message_id = $1", reply)
            await connection.execute("UPDATE lanes SET owner = NULL, message_id = NULL, next_at = now()")
    (explained,) = msgspec.json.decode(plan)
    assert explained["Plan"]["Actual Rows"] == 1
    assert explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"] < 120


@pytest.mark.parametrize(
    ("pacing", "human", "budget"),
    [
        (None, True, FIRST_CONTACTS),
        (None, False, 0),
        (Pacing(), True, FIRST_CONTACTS),
        (NO_PACING, True, 0),
        (Pacing(first_contacts_per_hour=0), True, 0),
        (Pacing(first_contacts_per_hour=7), True, 7),
        (Pacing(first_contacts_per_hour=7), False, 7),
    ],
)
def test_the_budget_of_an_instance(pacing: Pacing | None, human: bool, budget: int) -> None:
    capabilities = Capabilities(kinds=frozenset({"text"}), human_pacing=human)
    assert budget_of(InstanceSettings(pacing=pacing), capabilities) == budget
