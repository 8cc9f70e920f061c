"""Numbered plain-SQL migrations: `NNN_pre_*.sql` before the new code runs, `NNN_post_*.sql` after the old is gone.

Each runs in its own transaction under a lock timeout, once, guarded by an advisory lock, and is remembered with
its checksum: a file that changed after it was applied is an error, not a surprise.
"""

import hashlib
import re
from importlib import resources
from typing import Literal

import msgspec

from recado.store import db

Phase = Literal["pre", "post"]

_FILE = re.compile(r"^(\d{3})_(pre|post)_(\w+)\.sql$")
_LOCK = 7_263_236


class Migration(msgspec.Struct, frozen=True, kw_only=True, order=True):
    number: int
    phase: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class MigrationChanged(Exception):
    """An applied migration file differs from what was applied. Write a new migration instead."""


def known() -> list[Migration]:
    """The migrations of this version, in order."""
    found = []
    for entry in resources.files("recado.store").joinpath("migrations").iterdir():
        match = _FILE.match(entry.name)
        if match:
            number, phase, name = match.groups()
            found.append(Migration(number=int(number), phase=phase, name=name, sql=entry.read_text("utf-8")))
    return sorted(found)


async def pending(connection: db.Owned) -> list[Migration]:
    """What is not applied yet. Raises `MigrationChanged`."""
    await connection.execute(
        """CREATE TABLE IF NOT EXISTS schema_migrations (
               number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
               applied_at timestamptz NOT NULL DEFAULT now())"""
    )
    applied = {row["number"]: row["checksum"] for row in await connection.fetch("SELECT * FROM schema_migrations")}
    for migration in known():
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationChanged(
                f"Migration {migration.number:03} ({migration.name}) was changed after it was applied to this database: "
                "run the version of Recado that applied it, or restore that file."
            )
    return [migration for migration in known() if migration.number not in applied]


async def migrate(connection: db.Owned, phases: tuple[Phase, ...] = ("pre", "post")) -> list[Migration]:
    """Apply what is pending, in order, up to the first migration of a phase not in `phases`; return what was applied."""
    done: list[Migration] = []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        for migration in await pending(connection):
            if migration.phase not in phases:
                break
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '5s'")
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
            done.append(migration)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return done
