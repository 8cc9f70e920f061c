"""What providers said of Brazilian mobile numbers: how WhatsApp writes each, or that it is not there."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from recado.domain.ids import CompanyId
from recado.store import db, queries

Q = queries.load("canonical_phones")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`canonical` is None for a number that is not on WhatsApp."""

    canonical: str | None
    checked_at: datetime


async def get(connection: db.Connection, company_id: CompanyId, phone: str) -> Answer | None:
    """The last answer about a number, however old."""
    row = await connection.fetchrow(Q.get, company_id, phone)
    return Answer(**row) if row else None


async def put(
    connection: db.Connection, company_id: CompanyId, answers: Mapping[str, str | None], *, at: datetime
) -> None:
    """Keep answers, phone -> canonical or None."""
    await connection.execute(Q.put, company_id, list(answers), list(answers.values()), at)
