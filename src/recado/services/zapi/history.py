"""The messages of a chat, in the shape in which they were, or would have been, told to a Z-API client."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import chats, payloads, telling
from recado.services.zapi.payloads import Event, Json
from recado.store import messages


async def page(runtime: Runtime, view: ZapiView, address: str, *, before: UUID | None, limit: int) -> list[Json]:
    """Messages of the chat with an address, the newest first, each as its `ReceivedCallback` without `type`. Left out is
    what Z-API has no shape for. Empty where there is no such chat."""
    chat = await chats.find(runtime, view, address)
    if chat is None:
        return []
    async with runtime.db.tenant(view.company_id) as connection:
        rows = await messages.list_page(
            connection, view.company_id, before=before, limit=limit, conversation_id=chat.id
        )
    told = [await _told(runtime, view, row) for row in rows]
    return [one for one in told if one is not None]


async def _told(runtime: Runtime, view: ZapiView, row: Mapping[str, Any]) -> Json | None:
    sent_by_us = row["direction"] == "outbound" and row["provider_at"] is None
    event = Event(
        id=row["id"],
        # The events that are told from the message as it is stored.
        type="message.sent" if sent_by_us else "media.ready",
        at=row["provider_at"] or row["created_at"],
        data={},
        message_id=row["id"],
    )
    found = await telling.load(runtime, view.company_id, view.id, event)
    made = None if found is None else payloads.payload("received", event, found[1])
    return None if made is None else {name: value for name, value in made.items() if name != "type"}
