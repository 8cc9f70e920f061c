"""What events are told with to Z-API clients, read in one query for each of them."""

from collections.abc import Sequence
from uuid import UUID

from recado.store import db, queries, refusals

Q = queries.load("told")


async def load_place(
    connection: db.Connection,
    company_id: UUID,
    instance_id: UUID,
    *,
    message_id: UUID | None,
    reference: str | None,
    identities: Sequence[tuple[str, str]],
) -> refusals.Row | None:
    """The place of an event of an instance; None when that is gone.

    `reference` is the message that the event speaks of beside its own, by our id or the provider's; `identities`, (kind,
    value), are those of the chat of an event that has no message.
    """
    row: refusals.Row | None = await connection.fetchrow(
        Q.load_place,
        company_id,
        instance_id,
        message_id,
        reference,
        [kind for kind, _ in identities],
        [value for _, value in identities],
    )
    return row
