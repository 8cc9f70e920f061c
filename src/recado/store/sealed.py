"""Everything that is encrypted with the key ring, wherever it is kept: for rotating keys and for checking them."""

from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId
from recado.store import db, queries

Q = queries.load("sealed")

Place = Literal["connection", "server", "webhook", "webhook_previous"]

_PAGE = 500


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """An encrypted value. `id` is that of the row it belongs to."""

    place: Place
    id: UUID
    company_id: CompanyId | None
    blob: bytes


async def everything(connection: db.Connection) -> AsyncIterator[Sealed]:
    """All of them, read in pages."""
    place, after = "", UUID(int=0)
    while True:
        rows = await connection.fetch(Q.list_sealed, place, after, _PAGE)
        for row in rows:
            yield Sealed(**row)
        if len(rows) < _PAGE:
            return
        place, after = rows[-1]["place"], rows[-1]["id"]


async def replace(connection: db.Connection, sealed: Sealed, blob: bytes) -> bool:
    """Put another blob in its place; False when somebody changed it meanwhile."""
    statement = getattr(Q, f"replace_{sealed.place}")
    status = await connection.execute(statement, sealed.company_id, sealed.id, sealed.blob, blob)
    return status == "UPDATE 1"
