"""First contacts: messages to people who never wrote to us and to whom nothing was sent, and until when they are held.

`outbox.cold` marks one at acceptance; the claim passes marked messages over while `instances` says that they are held:
because the hour's budget is spent (`first_contacts_until`), or because the provider said so (`cold_until`). Whoever
changes several things here locks conversations, then the instance, then lanes, then the outbox.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from recado.domain.ids import CompanyId, ConversationId, InstanceId, MessageId
from recado.store import db, queries

Q = queries.load("cold")

_HOUR = timedelta(hours=1)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """First contacts that wait in an instance's queue; `held_until` is None while they are not held."""

    waiting: int
    held_until: datetime | None


async def is_cold(connection: db.Connection, company_id: CompanyId, message_id: MessageId) -> bool:
    """Whether a waiting message is a first contact."""
    return bool(await connection.fetchval(Q.is_cold, company_id, message_id))


async def take(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    conversation_id: ConversationId,
    *,
    budget: int,
    at: datetime,
) -> datetime | None:
    """Spend one of the hour's first contacts on a conversation; None when it may go.

    Otherwise the budget is spent: the instance's first contacts are held until the time returned. Everything that waits
    for the conversation goes with the one that was taken, so it stays in order, and another try of it costs nothing.
    """
    await connection.execute(Q.lock_budget, instance_id)
    await connection.execute(Q.forget_old, company_id, instance_id, at - _HOUR)
    spent = await connection.fetch(Q.list_spent, company_id, instance_id, conversation_id)
    if not any(row["mine"] for row in spent):
        if len(spent) >= budget:
            until: datetime = spent[len(spent) - budget]["at"] + _HOUR
            await connection.execute(Q.pause_first_contacts, company_id, instance_id, until)
            return until
        await connection.execute(Q.spend, company_id, instance_id, conversation_id, at)
    await connection.execute(Q.reach, company_id, conversation_id, at)
    await connection.execute(Q.warm_own, company_id, conversation_id)
    return None


async def hold(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    conversation_id: ConversationId,
    message_id: MessageId,
    *,
    until: datetime,
    at: datetime,
) -> None:
    """The provider takes nothing for chats in which nobody wrote to us: hold them all until then.

    The first contact that was tried, `message_id`, is given back and waits with them. A chat that was reached before and
    never answered counts as unknown again from now on, and takes from the budget when it goes on.
    """
    await connection.execute(Q.give_back, company_id, instance_id, conversation_id)
    await connection.execute(Q.hold, company_id, instance_id, until, at)
    await connection.execute(Q.cool_own, company_id, message_id, conversation_id)
    await connection.execute(Q.cool, company_id, instance_id)


async def warm(connection: db.Connection, known: Sequence[tuple[CompanyId, UUID]]) -> bool:
    """What waits for these conversations is no first contact any more, if somebody wrote in them or they were reached.

    Returns whether lanes should be looked at.
    """
    if not known:
        return False
    columns = [list(column) for column in zip(*known, strict=True)]
    if not await connection.fetch(Q.lock_cold_lanes, *columns):
        return False
    await connection.execute(Q.warm, *columns)
    return True


async def recount(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> None:
    """The budget was changed: what the old one held is looked at again now."""
    if await connection.fetchval(Q.resume_first_contacts, company_id, instance_id):
        await connection.execute(Q.wake, company_id, instance_id)


async def summarise(connection: db.Connection, company_id: CompanyId, instance_id: InstanceId) -> Summary:
    """The first contacts in an instance's queue."""
    row = await connection.fetchrow(Q.summarise, company_id, instance_id)
    return Summary(waiting=row["waiting"], held_until=row["held_until"]) if row else Summary(waiting=0, held_until=None)
