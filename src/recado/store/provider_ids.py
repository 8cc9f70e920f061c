"""The provider's ids of everything seen: a second sight is a repeat, and receipts find their message by them."""

from collections.abc import Collection, Mapping

from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.store import db, queries

Q = queries.load("provider_ids")

#: (company, instance, the provider's id)
Key = tuple[CompanyId, InstanceId, str]
#: (company, instance, 'message', 'reaction', 'event' or 'change', the provider's id, or what a change says)
Seen = tuple[CompanyId, InstanceId, str, str]


async def find(connection: db.Connection, keys: Collection[Key]) -> dict[Key, MessageId]:
    """The messages that these provider ids belong to, those that are known."""
    if not keys:
        return {}
    columns = [list(column) for column in zip(*keys, strict=True)]
    rows = await connection.fetch(Q.find, *columns)
    return {(row["company_id"], row["instance_id"], row["provider_id"]): row["message_id"] for row in rows}


async def insert(connection: db.Connection, seen: Mapping[Seen, MessageId | None]) -> set[Seen]:
    """Remember these, each with its message where there is one; return those seen for the first time.

    Waits for a transaction that is inserting the same, so of two exactly one is told that it was first.
    """
    if not seen:
        return set()
    columns = [list(column) for column in zip(*seen, strict=True)]
    rows = await connection.fetch(Q.insert, *columns, list(seen.values()))
    return {(row["company_id"], row["instance_id"], row["kind"], row["provider_id"]) for row in rows}
