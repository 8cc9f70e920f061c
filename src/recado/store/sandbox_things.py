"""The sandbox's WhatsApp beyond messages: things of accounts (an account is a number; '' is everybody's), as documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from recado.domain.ids import CompanyId, ConnectionId
from recado.store import db, queries

Q = queries.load("sandbox_things")


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What an account exchanged with a number. `last_at` and `unread` look at what was not cleared; `wrote` tells whether
    the number ever wrote, and `name` what it called itself last."""

    chat: str
    last_at: datetime | None
    unread: int
    read_at: datetime | None
    wrote: bool
    name: str | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that is paired with a number."""

    connection_id: ConnectionId
    phone: str
    connected: bool


async def get(connection: db.Connection, company_id: CompanyId, account: str, kind: str, id: str) -> Any | None:
    """What is kept of a thing."""
    return await connection.fetchval(Q.get_thing, company_id, account, kind, id)


async def find(
    connection: db.Connection, company_id: CompanyId, account: str, kind: str, contains: dict[str, Any]
) -> dict[str, Any]:
    """The things of a kind whose data contain something, by id, the oldest first."""
    rows = await connection.fetch(Q.find_things, company_id, account, kind, contains)
    return {row["id"]: row["data"] for row in rows}


async def owners(connection: db.Connection, company_id: CompanyId, kind: str, id: str) -> list[str]:
    """The accounts that have a thing of this kind and id."""
    return [row["account"] for row in await connection.fetch(Q.find_owners, company_id, kind, id)]


async def put(connection: db.Connection, company_id: CompanyId, account: str, kind: str, id: str, data: Any) -> None:
    """Keep a thing as it is now."""
    await connection.execute(Q.put_thing, company_id, account, kind, id, data)


async def drop(connection: db.Connection, company_id: CompanyId, account: str, kind: str, id: str) -> None:
    """A thing is no more."""
    await connection.execute(Q.drop_thing, company_id, account, kind, id)


async def numbers(
    connection: db.Connection, company_id: CompanyId, connection_id: ConnectionId, wanted: Sequence[str]
) -> dict[str, bool]:
    """Those of the numbers that the sandbox knows, and whether each is an instance's own."""
    rows = await connection.fetch(Q.find_numbers, company_id, connection_id, wanted)
    return {row["number"]: row["own"] for row in rows}


async def talks(connection: db.Connection, company_id: CompanyId, account: str, chat: str | None = None) -> list[Talk]:
    """With whom an account exchanged messages, or what with one."""
    rows = await connection.fetch(Q.list_talks, company_id, account, chat)
    return [msgspec.convert(dict(row), Talk) for row in rows]


async def read(connection: db.Connection, company_id: CompanyId, account: str, chat: str, *, at: datetime) -> None:
    """An account read a chat whole."""
    await connection.execute(Q.read_chat, company_id, account, chat, at)


async def lines(connection: db.Connection, company_id: CompanyId, phones: Sequence[str]) -> list[Line]:
    """The connections that are paired with some numbers."""
    rows = await connection.fetch(Q.list_lines, company_id, phones)
    return [msgspec.convert(dict(row), Line) for row in rows]
