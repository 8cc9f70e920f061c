"""What an operator asks the database, across companies."""

from datetime import datetime
from uuid import UUID

from recado.domain.ids import CompanyId
from recado.store import db, queries

Q = queries.load("operations")


async def company_of_message(connection: db.Connection, message_id: UUID) -> CompanyId | None:
    """The company whose message this is."""
    found: CompanyId | None = await connection.fetchval(Q.company_of_message, message_id)
    return found


async def clock(connection: db.Connection) -> tuple[datetime, int]:
    """The database's time, and its version as a number: 150004 is 15.4."""
    row = await connection.fetchrow(Q.clock)
    assert row is not None, "a SELECT without FROM gives a row"
    return row["now"], row["version"]
