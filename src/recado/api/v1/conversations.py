"""`/v1/conversations`: an instance and a contact, the most recently active first. Their messages: `/v1/messages`."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from recado.api import dependencies, paging
from recado.api.dependencies import Principal, Runtime
from recado.api.v1.contacts import seen_by
from recado.domain.errors import invalid
from recado.services import contacts as service
from recado.store import conversations

Instance = Annotated[UUID | None, QueryParameter(description="Only of this instance.")]
Contact = Annotated[UUID | None, QueryParameter(description="Only with this contact.")]
Unread = Annotated[bool, QueryParameter(description="true: only those with unread messages.")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ConversationContact(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: str
    name: str | None


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """`unread` counts what was received and not marked as read."""

    id: UUID
    instance_id: UUID
    contact: ConversationContact
    unread: int
    last_message_at: datetime | None
    last_received_at: datetime | None
    created_at: datetime


@get("/")
async def list_conversations(
    runtime: Runtime,
    principal: Principal,
    instance_id: Instance = None,
    contact_id: Contact = None,
    unread: Unread = False,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> paging.Page[ConversationView]:
    """The most recent message first; those without one last."""
    after, after_at = _after(cursor)
    rows = await service.conversation_page(
        runtime,
        principal.company,
        instance_id=seen_by(principal, instance_id),
        contact_id=contact_id,
        unread=unread,
        after=after,
        after_at=after_at,
        limit=limit,
    )
    shown = rows[:limit]
    more = _cursor_of(shown[-1]) if len(rows) > limit else None
    return paging.Page(data=[_view(row) for row in shown], next_cursor=more)


@get("/{conversation_id:uuid}")
async def get_conversation(runtime: Runtime, principal: Principal, conversation_id: FromPath[UUID]) -> ConversationView:
    """One conversation. The id of one that was merged into another answers with that one."""
    return _view(await service.get_conversation(runtime, principal.company, conversation_id, principal.instance_id))


def _cursor_of(row: conversations.Conversation) -> str:
    """The place of a row in the order of the list: its id, then its time in microseconds, where it has one."""
    place = row.id.bytes
    if row.last_message_at is not None:
        place += ((row.last_message_at - _EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode("ascii")


def _after(cursor: str | None) -> tuple[UUID | None, datetime | None]:
    if cursor is None:
        return None, None
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at = None
        if place[16:]:
            at = _EPOCH + timedelta(microseconds=int.from_bytes(place[16:24], "big", signed=True))
        return UUID(bytes=place[:16]), at
    except (ValueError, OverflowError, binascii.Error):
        raise invalid("cursor", "This is not a next_cursor of an earlier answer.") from None


def _view(row: conversations.Conversation) -> ConversationView:
    return ConversationView(
        id=row.id,
        instance_id=row.instance_id,
        contact=ConversationContact(id=row.contact_id, kind=row.contact_kind, name=row.contact_name),
        unread=row.unread,
        last_message_at=row.last_message_at,
        last_received_at=row.last_received_at,
        created_at=row.created_at,
    )


router = Router(
    "/v1/conversations",
    route_handlers=[list_conversations, get_conversation],
    guards=[dependencies.company_or_instance],
    tags=["Conversations"],
)
