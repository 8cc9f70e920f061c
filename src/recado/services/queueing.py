"""An instance's sending queue as a person sees it: what waits, since when; pause, resume, clear."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.errors import Conflict
from recado.domain.ids import MessageId
from recado.domain.states import PRIORITY_RANK, SENDING
from recado.services import messaging
from recado.services.directory import Principal
from recado.services.runtime import Runtime
from recado.store import cold, lanes, outbox

_PRIORITY_NAME = {rank: priority.value for priority, rank in PRIORITY_RANK.items()}


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits. `state`: queued, scheduled, retrying, unproven or sending."""

    id: UUID
    state: str
    type: str
    to: str
    priority: str
    client_id: str | None
    attempts: int
    due_at: datetime
    created_at: datetime


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """`counts` by state; `next_send_at` is when the lane is looked at next, None while nothing goes:
    it is empty, paused, or its number is not connected. `first_contacts` counts those that wait, and
    `first_contacts_held_until` is when they go on, None while they are not held."""

    instance_id: UUID
    status: str
    paused: bool
    counts: dict[str, int]
    oldest_at: datetime | None
    oldest_age_s: float | None
    next_send_at: datetime | None
    first_contacts: int
    first_contacts_held_until: datetime | None
    items: list[QueueItem]
    next_cursor: str | None = None


async def show(
    runtime: Runtime, principal: Principal, instance_id: UUID, *, after: UUID | None, limit: int
) -> tuple[QueueView, bool]:
    """The queue of an instance, oldest first, and whether more waits than is shown. Raises `NotFound`."""
    view = await runtime.directory.instance(principal.company, principal.check_instance(instance_id))
    async with runtime.db.tenant(principal.company) as connection:
        summary = await outbox.summarise(connection, principal.company, view.id)
        first = await cold.summarise(connection, principal.company, view.id)
        rows = await outbox.list_waiting(connection, principal.company, view.id, after=after, limit=limit + 1)
    counts = {name: summary[name] for name in ("scheduled", "retrying", "unproven", "sending")}
    counts["queued"] = summary["waiting"] - sum(counts.values())
    counts["waiting"] = summary["waiting"]
    oldest = summary["oldest_at"]
    shown = QueueView(
        instance_id=view.id,
        status=view.status,
        paused=view.paused,
        counts=counts,
        oldest_at=oldest,
        oldest_age_s=(datetime.now(UTC) - oldest).total_seconds() if oldest else None,
        next_send_at=summary["next_send_at"] if not view.paused and view.status in SENDING else None,
        first_contacts=first.waiting,
        first_contacts_held_until=first.held_until,
        items=[_item(row) for row in rows[:limit]],
    )
    return shown, len(rows) > limit


async def clear(runtime: Runtime, principal: Principal, instance_id: UUID) -> int:
    """Take back everything that waits; return how many. What is being sent ends as it ends."""
    checked = principal.check_instance(instance_id)
    await runtime.directory.instance(principal.company, checked)
    async with runtime.db.tenant(principal.company) as connection:
        taken = await messaging.take_back(connection, principal.company, checked)
    runtime.signals.set("deliveries")
    return taken


async def remove(runtime: Runtime, principal: Principal, instance_id: UUID, message_id: UUID) -> None:
    """Take one waiting message back. Raises `Conflict` when it does not wait any more."""
    checked = principal.check_instance(instance_id)
    await runtime.directory.instance(principal.company, checked)
    async with runtime.db.tenant(principal.company) as connection:
        if not await messaging.take_back(connection, principal.company, checked, MessageId(message_id)):
            raise Conflict(
                f"Message {message_id} does not wait in this queue: it was sent, is being sent, or never was here.",
                code="not_cancellable",
            )
    runtime.signals.set("deliveries")


async def pause(runtime: Runtime, principal: Principal, instance_id: UUID) -> None:
    """Send nothing more for this instance until it is resumed; accepting goes on."""
    await _set_paused(runtime, principal, instance_id, True)


async def resume(runtime: Runtime, principal: Principal, instance_id: UUID) -> None:
    """Send again."""
    await _set_paused(runtime, principal, instance_id, False)


async def _set_paused(runtime: Runtime, principal: Principal, instance_id: UUID, paused: bool) -> None:
    checked = principal.check_instance(instance_id)
    await runtime.directory.instance(principal.company, checked)
    async with runtime.directory.changing(principal.company) as connection:
        status = await lanes.set_paused(connection, principal.company, checked, paused)
        if paused:
            await lanes.park(connection, principal.company, checked)
        elif status in SENDING:
            await lanes.release(connection, principal.company, checked)
    runtime.signals.set("lanes")


def _item(row: Any) -> QueueItem:
    return QueueItem(priority=_PRIORITY_NAME[row["priority"]], **{
        name: row[name] for name in QueueItem.__struct_fields__ if name != "priority"
    })  # fmt: skip
