"""Uniting contacts: one survives, nothing of the others is lost, and any number of transactions may do it at once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings, strategies
from hypothesis.strategies import DrawFn

from recado.domain import ids
from recado.domain.events import Party
from recado.domain.ids import CompanyId, InstanceId
from recado.services import merging
from recado.services.merging import _joining
from recado.services.runtime import Runtime
from recado.store import contacts, conversations, db
from recado.store.contacts import Holder, Proof
from recado.store.db import Database
from tests.outbound import lanes

PHONE, LID, BSUID = ("phone", "5511999990001"), ("lid", "77@lid"), ("bsuid", "BR.1")


async def resolve(
    database: Database, company: CompanyId, instance: InstanceId, *parties: Party
) -> list[contacts.Resolved]:
    wanted = [contacts.Wanted(company_id=company, instance_id=instance, party=party) for party in parties]
    async with database.work() as connection:
        return await contacts.resolve(connection, wanted)


def party(*identities: tuple[str, str]) -> Party:
    return Party(**dict(identities))


async def write(
    database: Database, company: CompanyId, instance: InstanceId, place: contacts.Resolved, count: int
) -> None:
    """So many messages of a conversation."""
    async with database.work() as connection:
        await connection.executemany(
            """INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type,
                                     address, content)
               VALUES ($1, $2, $3, $4, $5, 'inbound', 'received', 'text', 'x', '{}')""",
            [(company, ids.new(), instance, place.conversation_id, place.contact_id) for _ in range(count)],
        )


async def unite(runtime: Runtime, company: CompanyId, *identities: tuple[str, str]) -> None:
    await merging.unite(runtime, [Proof(company_id=company, identities=identities)])


async def rows(database: Database, query: str, *arguments: object) -> list[Any]:
    async with database.work() as connection:
        return await connection.fetch(query, *arguments)


async def test_the_older_contact_survives_and_the_others_id_goes_on_working(
    runtime: Runtime, database: Database
) -> None:
    company, instance = await lanes.make_instance(database)
    (old,) = await resolve(database, company, instance, party(PHONE))
    (new,) = await resolve(database, company, instance, Party(lid=LID[1], name="Ana"))
    await write(database, company, instance, old, 2)
    await write(database, company, instance, new, 3)
    at = datetime(2026, 11, 22, tzinfo=UTC)
    noted = [
        conversations.Noted(
            company_id=company, id=place.conversation_id, last_message_at=at + timedelta(hours=n),
            last_received_at=at + timedelta(hours=n), last_received_id=f"id{n}", unread=n + 1,
        )
        for n, place in enumerate((old, new))
    ]  # fmt: skip
    async with database.work() as connection:
        await conversations.note(connection, noted)
    await unite(runtime, company, PHONE, LID)

    async with database.tenant(company) as connection:
        for contact_id in (old.contact_id, new.contact_id):
            shown = await contacts.get(connection, company, contact_id)
            assert shown is not None
            assert (shown.id, shown.name) == (old.contact_id, "Ana")
            assert await contacts.identities(connection, company, contact_id) == dict([PHONE, LID])
        for conversation_id in (old.conversation_id, new.conversation_id):
            kept = await conversations.get(connection, company, conversation_id)
            assert kept is not None
            assert (kept.id, kept.unread) == (old.conversation_id, 3)
            assert kept.last_message_at == kept.last_received_at == at + timedelta(hours=1)
        assert await connection.fetchval("SELECT last_received_id FROM conversations") == "id1"
    messages = await rows(database, "SELECT DISTINCT conversation_id, contact_id FROM messages")
    assert [tuple(row) for row in messages] == [(old.conversation_id, old.contact_id)]
    (told,) = await rows(database, "SELECT data FROM events WHERE type = 'contact.merged'")
    assert told["data"]["merged"] == str(new.contact_id)
    assert told["data"]["contact"]["id"] == str(old.contact_id)
    assert {(one["kind"], one["value"]) for one in told["data"]["contact"]["identities"]} == {PHONE, LID}
    assert await resolve(database, company, instance, party(LID, PHONE)) == [
        contacts.Resolved(contact_id=old.contact_id, conversation_id=old.conversation_id, name="Ana")
    ]
    await unite(runtime, company, PHONE, LID)
    assert len(await rows(database, "SELECT FROM events")) == 1, "what is one already is told once"


async def test_conversations_merge_per_instance_and_chains_of_merges_lead_to_the_last(
    runtime: Runtime, database: Database
) -> None:
    company, one = await lanes.make_instance(database)
    _, two = await lanes.make_instance(database, company)
    (by_bsuid,) = await resolve(database, company, one, party(BSUID))
    (by_phone,) = await resolve(database, company, two, party(PHONE))
    (lid_one, lid_two) = [(await resolve(database, company, place, party(LID)))[0] for place in (one, two)]
    await write(database, company, two, lid_two, 1)
    await unite(runtime, company, PHONE, LID)
    await write(database, company, two, by_phone, 1)
    await unite(runtime, company, LID, BSUID)
    survivor = by_bsuid.contact_id
    async with database.tenant(company) as connection:
        for contact_id in (by_phone.contact_id, lid_one.contact_id):
            assert await contacts.survivor(connection, company, contact_id) == survivor
        for conversation_id, leads_to in (
            (lid_one.conversation_id, by_bsuid.conversation_id),
            (lid_two.conversation_id, by_phone.conversation_id),
        ):
            shown = await conversations.get(connection, company, conversation_id)
            assert shown is not None
            assert (shown.id, shown.contact_id) == (leads_to, survivor)
    found = await rows(database, "SELECT instance_id, contact_id FROM conversations")
    assert {tuple(row) for row in found} == {(one, survivor), (two, survivor)}
    moved = await rows(database, "SELECT DISTINCT conversation_id, contact_id FROM messages")
    assert [tuple(row) for row in moved] == [(by_phone.conversation_id, survivor)]


async def test_a_long_history_moves_in_small_transactions_and_stragglers_follow(
    runtime: Runtime, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "MOVED_AT_ONCE", 10)
    company, instance = await lanes.make_instance(database)
    (old,) = await resolve(database, company, instance, party(PHONE))
    (new,) = await resolve(database, company, instance, party(LID))
    await write(database, company, instance, new, 35)
    await unite(runtime, company, PHONE, LID)
    left = "SELECT FROM messages WHERE conversation_id <> $1 OR contact_id <> $2"
    place = (old.conversation_id, old.contact_id)
    assert len(await rows(database, left, *place)) == 25

    async def move() -> None:
        for _ in range(100):
            async with database.work() as connection:
                if not await conversations.move(connection):
                    return
        raise AssertionError("it never ends")

    await move()
    assert await rows(database, left, *place) == []
    await write(database, company, instance, new, 1)
    for _ in range(2):
        await rows(database, "UPDATE history_moves SET next_at = now() RETURNING id")
        await move()
    assert await rows(database, left, *place) == []
    assert await rows(database, "SELECT FROM history_moves") == []


async def test_a_phone_that_was_given_to_somebody_else_moves_and_merges_nobody(
    runtime: Runtime, database: Database
) -> None:
    company, instance = await lanes.make_instance(database)
    (first,) = await resolve(database, company, instance, party(PHONE, LID))
    other = ("lid", "88@lid")
    await unite(runtime, company, PHONE, other)
    (second,) = await resolve(database, company, instance, party(PHONE, other))
    assert second.contact_id != first.contact_id
    assert (await resolve(database, company, instance, party(LID)))[0] == first
    assert await rows(database, "SELECT FROM events") == []


async def test_a_username_merges_nobody_who_is_known_otherwise(runtime: Runtime, database: Database) -> None:
    company, instance = await lanes.make_instance(database)
    name = ("username", "ana")
    (first,) = await resolve(database, company, instance, party(name, LID))
    (second,) = await resolve(database, company, instance, party(PHONE))
    await unite(runtime, company, PHONE, name)
    assert (await resolve(database, company, instance, party(name)))[0] == second
    assert (await resolve(database, company, instance, party(LID)))[0] == first
    (third,) = await resolve(database, company, instance, Party(username="bia"))
    await unite(runtime, company, LID, ("username", "bia"))
    async with database.tenant(company) as connection:
        assert await contacts.survivor(connection, company, third.contact_id) == first.contact_id


async def test_a_message_stored_for_a_conversation_that_is_being_merged_is_stored_again(
    runtime: Runtime, database: Database
) -> None:
    company, instance = await lanes.make_instance(database)
    await resolve(database, company, instance, party(PHONE))
    (new,) = await resolve(database, company, instance, party(LID))
    at = datetime.now(UTC)
    noted = conversations.Noted(company_id=company, id=new.conversation_id, last_message_at=at)
    await unite(runtime, company, PHONE, LID)
    with pytest.raises(asyncpg.SerializationError):
        async with database.work() as connection:
            await conversations.note(connection, [noted])


@pytest.mark.parametrize("seed", range(3))
async def test_any_number_of_merges_at_once_end_in_one_contact_without_a_deadlock(
    runtime: Runtime, database: Database, seed: int
) -> None:
    """People learnt in halves by some transactions, proven whole by others, written to by all: at once, in any order."""
    company, instance = await lanes.make_instance(database)
    people = [[("phone", f"55{n}"), ("lid", f"{n}@lid"), ("bsuid", f"BR.{n}")] for n in range(8)]
    dice = random.Random(seed)

    async def resolving() -> None:
        for _ in range(12):
            chosen = dice.sample(people, 4)
            parties = [party(*dice.sample(person, dice.choice((1, 1, 2)))) for person in chosen]
            while True:
                try:
                    await db.retrying(lambda parties=parties: _note(database, company, instance, parties))  # type: ignore[misc]
                    break
                except contacts.Divided as divided:
                    await merging.unite(runtime, divided.proofs, make=True)

    async def proving() -> None:
        for _ in range(12):
            await unite(runtime, company, *dice.sample(dice.choice(people), 2))

    await asyncio.gather(*(resolving() for _ in range(4)), *(proving() for _ in range(3)))
    for person in people:
        await merging.unite(runtime, [Proof(company_id=company, identities=tuple(person))], make=True)
        assert len(await resolve(database, company, instance, party(*person))) == 1
    assert len(await rows(database, "SELECT FROM contacts")) == len(people)
    assert len(await rows(database, "SELECT FROM conversations")) == len(people)
    unread = await rows(database, "SELECT sum(unread)::int AS unread FROM conversations")
    assert unread[0]["unread"] == 4 * 12 * 4, "no count is lost, whichever conversation it was made in"
    deadlocks = await rows(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks[0]["deadlocks"] == 0


async def _note(database: Database, company: CompanyId, instance: InstanceId, parties: list[Party]) -> None:
    """What receiving does with messages of these people, in one transaction."""
    wanted = [contacts.Wanted(company_id=company, instance_id=instance, party=one) for one in parties]
    async with database.work() as connection:
        places = await contacts.resolve(connection, wanted)
        noted = [
            conversations.Noted(company_id=company, id=place, last_message_at=datetime.now(UTC), unread=1)
            for place in {place.conversation_id for place in places}
        ]
        await conversations.note(connection, noted)


@strategies.composite
def holders(draw: DrawFn) -> list[Holder]:
    found = []
    for n in range(draw(strategies.integers(0, 4))):
        identities = draw(strategies.sets(strategies.tuples(_kinds, strategies.sampled_from("123")), min_size=1))
        found.append(
            Holder(
                id=ids.ContactId(ids.new()), kind="person", name=None, identities=frozenset(identities),
                created_at=datetime(2026, 1, 1 + n, tzinfo=UTC),
            )
        )  # fmt: skip
    return found


_kinds = strategies.sampled_from(("phone", "lid", "bsuid", "username"))


@given(holders(), strategies.dictionaries(_kinds, strategies.sampled_from("123"), min_size=1))
@settings(deadline=None)
def test_no_merge_gives_a_person_two_lids(found: list[Holder], told: dict[str, str]) -> None:
    proof = Proof(company_id=CompanyId(ids.new()), identities=tuple(told.items()))
    found = [holder for holder in found if holder.identities & set(proof.identities)]
    single = [holder for holder in found if len(holder.known_as("lid")) <= 1]
    joining = _joining(single, proof)
    lids = {lid for holder in joining for lid in holder.known_as("lid")} | ({told["lid"]} if "lid" in told else set())
    assert len(lids) <= 1
    assert joining == sorted(joining, key=lambda holder: holder.created_at)
