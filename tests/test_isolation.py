"""No company sees, changes or makes a row of another: the database itself refuses, on every tenant table.

The tables come from the catalogue, so a new table is covered the day it is made. One row per company and table is
written as the owner with the foreign keys switched off: what is tested is who may see a row, not what is in it.
"""

import datetime
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from recado.domain.ids import CompanyId
from recado.store import db
from recado.store.db import Database

ALICE = CompanyId(uuid.UUID("01890000-0000-7000-8000-00000000000a"))
BOB = CompanyId(uuid.UUID("01890000-0000-7000-8000-00000000000b"))

_NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)

#: A value of each type that a column can have.
_VALUES: dict[str, Any] = {
    "uuid": uuid.uuid4,
    "text": lambda: uuid.uuid4().hex,
    "int2": lambda: 1,
    "int4": lambda: 1,
    "int8": lambda: 1,
    "float8": lambda: 1.0,
    "bool": lambda: True,
    "jsonb": dict,
    "bytea": lambda: uuid.uuid4().bytes,
    "timestamptz": lambda: _NOW,
    "_text": lambda: ["*"],
}

_TENANT_TABLES = """
    SELECT c.relname AS name, CASE WHEN c.relname = 'companies' THEN 'id' ELSE 'company_id' END AS company,
           c.relispartition AS partition
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND (c.relname = 'companies'
           OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'company_id'))
    ORDER BY c.relname
"""
#: What an INSERT must give: columns without a default, and the allowed values where a CHECK lists them.
_COLUMNS = """
    SELECT a.attname AS name, t.typname AS type,
           (SELECT (regexp_match(pg_get_constraintdef(k.oid), '''([^'']+)'''))[1] FROM pg_constraint k
            WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
              AND pg_get_constraintdef(k.oid) LIKE '%ARRAY[%') AS allowed
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
      AND NOT a.atthasdef AND a.attidentity = ''
"""


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[db.Owned]:
    connection = await db.connect(database_url, session_replication_role="replica")
    yield connection
    await connection.close()


async def _tables(owner: db.Owned, *, partitions: bool) -> list[tuple[str, str]]:
    rows = await owner.fetch(_TENANT_TABLES)
    return [(row["name"], row["company"]) for row in rows if row["partition"] is partitions]


async def _row(owner: db.Owned, table: str, company_column: str, company: CompanyId) -> dict[str, Any]:
    columns = await owner.fetch(_COLUMNS, table)
    row = {column["name"]: column["allowed"] or _VALUES[column["type"]]() for column in columns}
    if table == "tokens":
        # Its checks tie the level to the ids.
        row["level"] = "company"
    return {**row, company_column: company}


async def _insert(connection: db.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f"${position}" for position in range(1, len(row) + 1))
    await connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({values})', *row.values())


@pytest.fixture
async def filled(owner: db.Owned) -> list[tuple[str, str]]:
    """Every tenant table with one row of each company; the tables."""
    tables = await _tables(owner, partitions=False)
    for table, company_column in tables:
        for company in (ALICE, BOB):
            await _insert(owner, table, await _row(owner, table, company_column, company))
    return tables


async def test_the_tables_of_the_schema_are_found(owner: db.Owned) -> None:
    found = {table for table, _ in await _tables(owner, partitions=False)}
    assert found >= {"companies", "instances", "messages", "outbox", "events", "deliveries", "raw_webhooks", "media"}


async def test_every_tenant_table_is_protected(owner: db.Owned) -> None:
    unprotected = await owner.fetch(
        """SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id'
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
             AND has_table_privilege('recado_api', c.oid, 'SELECT')"""
    )
    assert [row["relname"] for row in unprotected] == []


async def test_the_roles_cannot_switch_it_off(owner: db.Owned) -> None:
    roles = await owner.fetch(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname IN ('recado_api', 'recado_worker')"
    )
    assert len(roles) == 2
    assert not any(role["rolsuper"] or role["rolbypassrls"] for role in roles)
    assert (
        await owner.fetchval(
            "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname LIKE 'recado%'"
        )
        == 0
    )


async def test_without_a_company_no_row_is_seen(database: Database, filled: list[tuple[str, str]]) -> None:
    async with database.api.acquire() as connection:
        for table, _ in filled:
            assert await connection.fetchval(f'SELECT count(*) FROM "{table}"') == 0, table


async def test_without_a_company_nothing_is_written(
    database: Database, owner: db.Owned, filled: list[tuple[str, str]]
) -> None:
    async with database.api.acquire() as connection:
        for table, company_column in filled:
            row = await _row(owner, table, company_column, ALICE)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await _insert(connection, table, row)
            assert await connection.execute(f'DELETE FROM "{table}"') == "DELETE 0", table


async def test_a_company_sees_its_own_rows_only(database: Database, filled: list[tuple[str, str]]) -> None:
    for table, company_column in filled:
        async with database.tenant(ALICE) as connection:
            seen = await connection.fetch(f'SELECT {company_column} AS company FROM "{table}"')
        assert [row["company"] for row in seen] == [ALICE], table


async def test_a_company_changes_its_own_rows_only(
    database: Database, owner: db.Owned, filled: list[tuple[str, str]]
) -> None:
    for table, company_column in filled:
        async with database.tenant(ALICE) as connection:
            mine = f'UPDATE "{table}" SET {company_column} = {company_column} WHERE {company_column} = $1'
            assert await connection.execute(mine, BOB) == "UPDATE 0", table
            theirs = f'DELETE FROM "{table}" WHERE {company_column} = $1'
            assert await connection.execute(theirs, BOB) == "DELETE 0", table
        assert await owner.fetchval(f'SELECT count(*) FROM "{table}" WHERE {company_column} = $1', BOB) == 1, table


async def test_a_company_makes_no_row_of_another(
    database: Database, owner: db.Owned, filled: list[tuple[str, str]]
) -> None:
    for table, company_column in filled:
        row = await _row(owner, table, company_column, BOB)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant(ALICE) as connection:
                await _insert(connection, table, row)


async def test_a_row_is_not_given_to_another_company(database: Database, filled: list[tuple[str, str]]) -> None:
    for table, company_column in filled:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.tenant(ALICE) as connection:
                await connection.execute(f'UPDATE "{table}" SET {company_column} = $1', BOB)


async def test_a_partition_is_no_way_around(database: Database, owner: db.Owned, filled: list[tuple[str, str]]) -> None:
    await owner.execute("SELECT ensure_partitions(5)")
    partitions = await _tables(owner, partitions=True)
    assert partitions
    for partition, company_column in partitions:
        async with database.api.acquire() as connection:
            try:
                assert await connection.fetchval(f'SELECT count(*) FROM "{partition}"') == 0, partition
            except asyncpg.InsufficientPrivilegeError:
                continue
        async with database.tenant(ALICE) as connection:
            seen = await connection.fetch(f'SELECT {company_column} AS company FROM "{partition}"')
            assert {row["company"] for row in seen} <= {ALICE}, partition


async def test_the_company_does_not_outlive_its_transaction(database: Database, filled: list[tuple[str, str]]) -> None:
    async with database.tenant(ALICE) as connection:
        assert await connection.fetchval("SELECT count(*) FROM instances") == 1
    for _ in range(10):
        async with database.api.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM instances") == 0


async def test_a_row_cannot_point_into_another_company(database: Database, owner: db.Owned) -> None:
    """The composite foreign keys, checked by the catalogue: each one between tenant tables carries the company."""
    loose = await owner.fetch(
        """SELECT k.conrelid::regclass::text AS source, k.confrelid::regclass::text AS target
           FROM pg_constraint k
           JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attname = 'company_id'
           JOIN pg_attribute ours ON ours.attrelid = k.conrelid AND ours.attname = 'company_id'
           WHERE k.contype = 'f' AND NOT (ours.attnum = ANY (k.conkey) AND theirs.attnum = ANY (k.confkey))"""
    )
    # A server may belong to every company, so a connection points to it by its id alone.
    assert [(row["source"], row["target"]) for row in loose] == [("connections", "servers")]


async def test_workers_see_every_company(database: Database, filled: list[tuple[str, str]]) -> None:
    async with database.work() as connection:
        for table, company_column in filled:
            seen = await connection.fetch(f'SELECT {company_column} AS company FROM "{table}"')
            assert {row["company"] for row in seen} == {ALICE, BOB}, table
