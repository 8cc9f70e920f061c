"""Contacts: one per person, whoever asks first and however many ask at once."""

import asyncio
from collections import Counter

import pytest

from recado.domain import ids
from recado.domain.events import Party
from recado.domain.ids import CompanyId, InstanceId
from recado.services import merging
from recado.services.runtime import Runtime
from recado.store import contacts
from recado.store.db import Database


async def _company(database: Database, instances: int = 1) -> tuple[CompanyId, list[InstanceId]]:
    company_id = CompanyId(ids.new())
    made = [InstanceId(ids.new()) for _ in range(instances)]
    async with database.work() as connection:
        await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'c')", company_id)
        for instance_id in made:
            await connection.execute(
                "INSERT INTO instances (company_id, id, name) VALUES ($1, $2, 'i')", company_id, instance_id
            )
    return company_id, made


async def _resolve(
    database: Database, company_id: CompanyId, instance_id: InstanceId, *parties: Party
) -> list[contacts.Resolved]:
    async with database.work() as connection:
        return await contacts.resolve(
            connection,
            [contacts.Wanted(company_id=company_id, instance_id=instance_id, party=party) for party in parties],
        )


async def test_a_person_is_made_once_and_found_again(database: Database) -> None:
    company_id, (one, two) = await _company(database, 2)
    first = await _resolve(database, company_id, one, Party(phone="5511999990001"), Party(phone="5511999990001"))
    assert first[0] == first[1]
    again = await _resolve(database, company_id, one, Party(phone="5511999990001", name="Ana"))
    assert again[0].contact_id == first[0].contact_id
    assert again[0].conversation_id == first[0].conversation_id
    assert again[0].name == "Ana"
    other = await _resolve(database, company_id, two, Party(phone="5511999990001", name="Not Ana"))
    assert other[0].contact_id == first[0].contact_id
    assert other[0].conversation_id != first[0].conversation_id
    assert other[0].name == "Ana"


async def test_new_identities_join_the_contact_of_a_known_one(database: Database) -> None:
    company_id, (instance,) = await _company(database)
    first = await _resolve(database, company_id, instance, Party(lid="77"), Party(phone="551188", lid="77"))
    assert first[0].contact_id == first[1].contact_id
    assert await _resolve(database, company_id, instance, Party(phone="551188")) == [first[0]]
    halves = [Party(lid="9"), Party(phone="559"), Party(phone="559", lid="9")]
    assert len(set(await _resolve(database, company_id, instance, *halves))) == 1, "told in one batch, in any order"
    async with database.work() as connection:
        contact = await contacts.get(connection, company_id, first[0].contact_id)
        assert contact is not None
        assert {(i.kind, i.value) for i in contact.identities} == {("phone", "551188"), ("lid", "77")}


async def test_who_has_two_contacts_is_told_of_and_nothing_is_written(database: Database) -> None:
    company_id, (instance,) = await _company(database)
    await _resolve(database, company_id, instance, Party(phone="551188", lid="77"))
    await _resolve(database, company_id, instance, Party(username="bia"))
    for party in (Party(phone="551188", username="bia"), Party(phone="551188", lid="78")):
        with pytest.raises(contacts.Divided) as divided:
            await _resolve(database, company_id, instance, Party(phone="new"), party)
        assert [proof.identities for proof in divided.value.proofs] == [tuple(party.identities())]
    async with database.work() as connection:
        assert await connection.fetchval("SELECT count(*) FROM contacts") == 2


async def test_hundreds_of_transactions_at_once_agree(runtime: Runtime) -> None:
    """Also where some know less of a person: who is told of it as divided has it united and begins again, as
    `services.receiving` does."""
    database = runtime.db
    company_id, (instance,) = await _company(database)
    parties = [Party(phone=f"5511{n:08}", lid=f"lid{n}", name=f"Person {n}") for n in range(40)]

    async def some(offset: int) -> list[contacts.Resolved]:
        turned = parties[offset:] + parties[:offset]
        if offset % 3 == 0:
            turned = [Party(phone=party.phone, name=party.name) for party in turned]
        try:
            resolved = await _resolve(database, company_id, instance, *turned)
        except contacts.Divided as divided:
            await merging.unite(runtime, divided.proofs, make=True)
            return await some(offset)
        return resolved[len(parties) - offset :] + resolved[: len(parties) - offset]

    results = await asyncio.gather(*(some(n % len(parties)) for n in range(120)))
    seen = {tuple((one.contact_id, one.conversation_id) for one in result) for result in results}
    assert len(seen) == 1
    async with database.work() as connection:
        assert await connection.fetchval("SELECT count(*) FROM contacts") == len(parties)
        assert await connection.fetchval("SELECT count(*) FROM identities") == 2 * len(parties)
        assert await connection.fetchval("SELECT count(*) FROM conversations") == len(parties)
        names = await connection.fetch("SELECT name FROM contacts")
    assert Counter(row["name"] for row in names) == Counter(party.name for party in parties)


async def test_whoever_loses_a_race_joins_the_contact_of_the_winner(database: Database) -> None:
    company_id, (instance,) = await _company(database)
    async with database.work() as winner:
        wanted = contacts.Wanted(company_id=company_id, instance_id=instance, party=Party(phone="551177"))
        (first,) = await contacts.resolve(winner, [wanted])
        loser = asyncio.create_task(_resolve(database, company_id, instance, Party(phone="551177", lid="late")))
        async with asyncio.timeout(10):
            while True:
                if await winner.fetchval(
                    """SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE NOT granted AND datname = current_database()"""
                ):
                    break
                await asyncio.sleep(0.01)
    (second,) = await loser
    assert (second.contact_id, second.conversation_id) == (first.contact_id, first.conversation_id)
    async with database.work() as connection:
        assert await contacts.identities(connection, company_id, first.contact_id) == {"phone": "551177", "lid": "late"}
        assert await connection.fetchval("SELECT count(*) FROM contacts") == 1


async def test_who_writes_in_a_group_is_a_contact_without_a_conversation(database: Database) -> None:
    company_id, (instance,) = await _company(database)
    (group,) = await _resolve(database, company_id, instance, Party(group="1203@g.us", name="Team"))
    async with database.work() as connection:
        members = [(company_id, Party(phone="551190")), (company_id, Party(lid="9"))]
        assert await contacts.resolve(connection, [], members) == []
        assert await connection.fetchval("SELECT count(*) FROM contacts") == 3
        assert await connection.fetchval("SELECT count(*) FROM conversations") == 1
        assert await connection.fetchval("SELECT kind FROM contacts WHERE id = $1", group.contact_id) == "group"
