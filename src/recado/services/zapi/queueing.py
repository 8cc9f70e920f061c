"""The queue as Z-API clients know it: what may wait while the phone is disconnected, what waits, and taking it back."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from recado.domain.errors import Conflict, Invalid, NotFound
from recado.domain.ids import MessageId
from recado.services import messaging
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import references
from recado.store import outbox, zapi
from recado.store.outbox import FRONT, Place


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits, in the order of sending. `pause_ms` is None where the pause behind it is random; `words` is
    the text that it carries, empty where it has none."""

    id: UUID
    client_id: str | None
    to: str
    words: str
    pause_ms: int | None
    typing_ms: int
    created_at: datetime


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """`state` leads to the next page; None behind the last."""

    messages: Sequence[Waiting]
    state: str | None


async def check_room(runtime: Runtime, view: ZapiView) -> None:
    """Whether another message may wait for a phone that is disconnected. Raises `Conflict`.

    The count is taken before the message is written: requests that come at once may go over the limit together.
    """
    if not view.settings.enqueue_disconnected:
        raise Conflict("The phone is disconnected, and this instance is set not to queue messages.", code="not_queued")
    limit = view.settings.queue_limit
    async with runtime.db.tenant(view.company_id) as connection:
        waiting = await zapi.count_waiting(connection, view.company_id, view.id, limit)
    if waiting >= limit:
        raise Conflict(
            f"The phone is disconnected and {limit} messages wait for it already; connect it, or clear its queue.",
            code="queue_full",
        )


async def page(runtime: Runtime, view: ZapiView, *, limit: int, state: str | None = None, offset: int = 0) -> Page:
    """A page of what waits, behind `state` of the page before, or behind as many messages as `offset` says. Raises
    `Invalid` for a state that no page had."""
    after = _place(state) if state else FRONT
    async with runtime.db.tenant(view.company_id) as connection:
        rows = await outbox.list_in_order(
            connection, view.company_id, view.id, after=after, limit=limit + 1, offset=offset
        )
    shown = rows[:limit]
    return Page(messages=[_waiting(row) for row in shown], state=_state(shown[-1]) if len(rows) > limit else None)


async def count(runtime: Runtime, view: ZapiView) -> int:
    """How many messages wait."""
    async with runtime.db.tenant(view.company_id) as connection:
        return await outbox.count_waiting(connection, view.company_id, view.id)


async def clear(runtime: Runtime, view: ZapiView) -> int:
    """Take back everything that waits; return how many. What is being sent ends as it ends."""
    async with runtime.db.tenant(view.company_id) as connection:
        taken = await messaging.take_back(connection, view.company_id, view.id)
    runtime.signals.set("deliveries")
    return taken


async def remove(runtime: Runtime, view: ZapiView, message_id: str) -> None:
    """Take one waiting message back. Raises `NotFound` for one that the instance does not have, and `Conflict`, saying
    why, for one that it is too late for."""
    found = await references.find(runtime, view.company_id, view.id, message_id)
    if found is None or found["direction"] != "outbound":
        raise NotFound(f"There is no message {message_id[:64]} in this queue.", code="message_not_found")
    async with runtime.db.tenant(view.company_id) as connection:
        if not await messaging.take_back(connection, view.company_id, view.id, MessageId(found["id"])):
            taken = await outbox.is_taken(connection, view.company_id, view.id, found["id"])
            why = (
                f"does not wait any more: it is {found['status']}"
                if taken is None
                else "is being sent right now, or may have been sent already"
            )
            raise Conflict(f"Message {message_id[:64]} cannot be removed; it {why}.", code="not_cancellable")
    runtime.signals.set("deliveries")


def _waiting(row: Any) -> Waiting:
    return Waiting(
        id=row["id"],
        client_id=row["client_id"],
        to=row["address"],
        words=_words(row["content"]),
        pause_ms=row["pause_ms"],
        typing_ms=row["typing_ms"],
        created_at=row["created_at"],
    )


def _words(content: Any) -> str:
    """The text of a content, whatever its kind calls it."""
    if not isinstance(content, dict):
        return ""
    return next((str(content[name]) for name in ("body", "caption", "name", "emoji") if content.get(name)), "")


_encode = msgspec.json.Encoder().encode


def _state(row: Any) -> str:
    place = Place(row["lane_key"], row["priority"], row["due_at"], row["id"])
    return base64.urlsafe_b64encode(_encode(place)).decode()


def _place(state: str) -> Place:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(state), type=Place)
    except (binascii.Error, ValueError) as error:
        raise Invalid("This pagingState is none of ours; begin without one.", code="invalid") from error
