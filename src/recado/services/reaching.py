"""First contacts: a budget of their own, and what happens when WhatsApp takes none (error 463)."""

from datetime import UTC, datetime, timedelta

import structlog

from recado.domain.ids import ConversationId
from recado.domain.provider import capabilities_of
from recado.services.accepting import budget_of
from recado.services.directory import ConnectionView, InstanceView
from recado.services.runtime import Runtime
from recado.store import cold, db, outbox

log = structlog.get_logger(__name__)

#: However long, or short, a provider says that it lasts: it is tried again after this, and not before.
_LONGEST = timedelta(days=7)
_SHORTEST = timedelta(minutes=1)


async def may_go(runtime: Runtime, view: InstanceView, active: ConnectionView, claimed: outbox.Claimed) -> bool:
    """Whether a claimed message may be sent now; a first contact takes from the budget of its instance.

    False: the budget is spent, first contacts are held, and the lane should be looked at again at once for what is not.
    What may have been sent already took its share.
    """
    budget = budget_of(view.settings, capabilities_of(runtime.providers[active.kind], active.connection))
    if not budget or claimed.unproven_at is not None:
        return True
    async with runtime.db.worker.acquire() as connection:
        if not await cold.is_cold(connection, claimed.company_id, claimed.message_id):
            return True
    until = await db.retrying(lambda: _take(runtime, claimed, budget))
    if until is not None:
        log.info("first_contacts_spent", instance_id=str(claimed.instance_id), budget=budget, until=until.isoformat())
    return until is None


async def hold(runtime: Runtime, claimed: outbox.Claimed, *, after: float) -> None:
    """The provider takes no message to people who never wrote to us for `after` seconds: hold those of the instance."""
    until = datetime.now(UTC) + min(max(timedelta(seconds=after), _SHORTEST), _LONGEST)
    await db.retrying(lambda: _hold(runtime, claimed, until))
    log.warning("cold_chats_held", instance_id=str(claimed.instance_id), until=until.isoformat())


async def _take(runtime: Runtime, claimed: outbox.Claimed, budget: int) -> datetime | None:
    async with runtime.db.work() as connection:
        return await cold.take(
            connection,
            claimed.company_id,
            claimed.instance_id,
            ConversationId(claimed.conversation_id),
            budget=budget,
            at=datetime.now(UTC),
        )


async def _hold(runtime: Runtime, claimed: outbox.Claimed, until: datetime) -> None:
    async with runtime.db.work() as connection:
        await cold.hold(
            connection,
            claimed.company_id,
            claimed.instance_id,
            ConversationId(claimed.conversation_id),
            claimed.message_id,
            until=until,
            at=datetime.now(UTC),
        )
