"""Whether the database is there, and is the one that this version expects."""

from recado.store import db, migrate, queries

Q = queries.load("health")


async def missing_migrations(connection: db.Connection) -> list[str]:
    """The names of migrations that this version has and the database has not. Works with any role."""
    applied = {row["number"] for row in await connection.fetch(Q.applied_migrations)}
    return [f"{known.number:03}_{known.phase}_{known.name}" for known in migrate.known() if known.number not in applied]
