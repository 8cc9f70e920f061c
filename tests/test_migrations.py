"""Migrations: applied once, in order, by one process at a time; the same schema on every PostgreSQL we support."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from recado.store import db, migrate
from tests.support import databases

_FILE = re.compile(r"^\d{3}_(pre|post)_\w+\.sql$")
#: Another PostgreSQL on this machine, the oldest first: production's, as opposed to the embedded one.
_OTHERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))


@pytest.fixture
async def empty(server: databases.Server) -> AsyncIterator[str]:
    url = await server.empty()
    yield url
    await server.drop(url)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[db.Owned]:
    connection = await db.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _schema(url: str) -> list[str]:
    """Every table's columns, as text."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
                 AND NOT a.attisdropped
               ORDER BY 1, 2"""
        )
    return [f"{row['relname']}.{row['attname']} {row['type']} {row['attnotnull']}" for row in rows]


def test_files_are_numbered_without_gaps() -> None:
    known = migrate.known()
    assert [migration.number for migration in known] == list(range(1, len(known) + 1))
    folder = Path(migrate.__file__).parent / "migrations"
    assert [path.name for path in folder.iterdir() if path.suffix == ".sql" and not _FILE.match(path.name)] == []


async def test_a_fresh_database_gets_all_and_a_second_run_does_nothing(empty: str) -> None:
    async with connected(empty) as connection:
        applied = await migrate.migrate(connection)
        assert applied == migrate.known()
        assert await migrate.pending(connection) == []
        assert await migrate.migrate(connection) == []


async def test_a_changed_migration_is_refused(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute("UPDATE schema_migrations SET checksum = 'other' WHERE number = 1")
        with pytest.raises(migrate.MigrationChanged, match=r"Migration 001 .* was changed"):
            await migrate.migrate(connection)
        with pytest.raises(migrate.MigrationChanged):
            await migrate.pending(connection)


async def test_the_pre_phase_stops_at_the_first_post_migration(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def migration(number: int, phase: str) -> migrate.Migration:
        return migrate.Migration(number=number, phase=phase, name=f"m{number}", sql=f"CREATE TABLE t{number} ()")

    files = [migration(1, "pre"), migration(2, "post"), migration(3, "pre")]
    monkeypatch.setattr(migrate, "known", lambda: files)
    async with connected(empty) as connection:
        assert [done.number for done in await migrate.migrate(connection, ("pre",))] == [1]
        assert [done.number for done in await migrate.migrate(connection)] == [2, 3]


async def test_a_migration_that_fails_leaves_nothing(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrate.Migration(number=1, phase="pre", name="broken", sql="CREATE TABLE half (); SELECT 1 / 0")
    monkeypatch.setattr(migrate, "known", lambda: [broken])
    async with connected(empty) as connection:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate.migrate(connection)
        assert await connection.fetchval("SELECT to_regclass('half')") is None
        assert await migrate.pending(connection) == [broken]


async def test_processes_that_start_together_apply_each_once(empty: str) -> None:
    async def start() -> int:
        async with connected(empty) as connection:
            return len(await migrate.migrate(connection))

    applied = await asyncio.gather(*(start() for _ in range(4)))
    assert sorted(applied) == [0, 0, 0, len(migrate.known())]


async def test_the_partitions_of_this_month_and_the_next_exist(database_url: str) -> None:
    async with connected(database_url) as connection:
        assert await connection.fetchval("SELECT ensure_partitions()") == 0
        made = await connection.fetchval("SELECT ensure_partitions(3)")
        assert made == 4
        others = await connection.fetch("SELECT tableoid FROM messages_other")
        assert others == []


@pytest.fixture
def other_postgres() -> Iterator[str]:
    """The URL of another, empty PostgreSQL than the embedded one, started for the test."""
    if not _OTHERS:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql: apt-get install postgresql")
    binaries = _OTHERS[0].parent
    directory = Path(tempfile.mkdtemp(prefix="recado-pg-"))
    # PostgreSQL does not run as root; Debian's package comes with this user.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(directory, user)

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            user=user,
            group=user,
            extra_groups=() if user else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    data = directory / "data"
    run(str(binaries / "initdb"), "-D", str(data), "--auth=trust", "-U", "postgres", "--encoding=utf8", "--locale=C")
    options = f"-h '' -k {directory} -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
    yield f"postgresql://postgres@/postgres?host={directory}"
    run(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
    shutil.rmtree(directory)


async def test_another_postgresql_gets_the_same_schema(other_postgres: str, database_url: str) -> None:
    async with connected(other_postgres) as connection:
        version = connection.get_server_version()
        assert version.major >= 15
        assert await migrate.migrate(connection) == migrate.known()
        assert await migrate.migrate(connection) == []
    assert await _schema(other_postgres) == await _schema(database_url)
    database = db.Database(other_postgres, pool_size=2)
    await database.start()
    async with database.work() as connection:
        assert await connection.fetchval("SELECT count(*) FROM messages") == 0
    await database.stop()
