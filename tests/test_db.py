"""The pools: what is left of a connection when the server ends it."""

import asyncio

import asyncpg
import pytest

from recado.store import db


async def test_a_connection_that_the_server_ended_is_not_handed_out_again(database_url: str) -> None:
    database = db.Database(database_url, pool_size=2)
    await database.start()
    owner = await db.connect(database_url)
    try:
        for _ in range(5):
            async with database.worker.acquire() as connection:
                pid = await connection.fetchval("SELECT pg_backend_pid()")
                sleeping = asyncio.create_task(connection.fetchval("SELECT pg_sleep(20)"))
                await asyncio.sleep(0)
                while not await owner.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep(20)%'", pid
                ):
                    continue
                await owner.execute(f"SELECT pg_terminate_backend({pid})")
                with pytest.raises(db.AWAY):
                    await sleeping
            assert await asyncio.gather(*[database.worker.fetchval("SELECT 1") for _ in range(4)]) == [1] * 4
    finally:
        await owner.close()
        await database.stop()


async def test_a_statement_that_is_refused_keeps_its_connection(database: db.Database) -> None:
    async with database.worker.acquire() as connection:
        before = await connection.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT * FROM nonsense")
        assert await connection.fetchval("SELECT pg_backend_pid()") == before


async def test_a_transaction_left_open_is_ended_before_the_connection_is_used_again(database: db.Database) -> None:
    async with database.worker.acquire() as connection:
        await connection.execute("BEGIN")
    async with database.worker.acquire() as connection:
        assert not connection.is_in_transaction()
