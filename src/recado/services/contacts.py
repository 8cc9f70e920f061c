"""Looking at contacts and conversations. An instance's token sees those it talks with."""

from datetime import datetime
from uuid import UUID

from recado.domain.errors import NotFound
from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId
from recado.services.runtime import Runtime
from recado.store import contacts, conversations


async def page(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    before: UUID | None,
    phone: str | None,
    name: str | None,
    instance_id: InstanceId | None,
    limit: int,
) -> list[contacts.Contact]:
    """Contacts made before the one with id `before`, the newest first; one more than `limit`, to tell of another page."""
    async with runtime.db.tenant(company_id) as connection:
        return await contacts.page(
            connection,
            company_id,
            before=before,
            phone=phone,
            name=name,
            instance_id=instance_id,
            limit=limit + 1,
        )


async def get(
    runtime: Runtime, company_id: CompanyId, contact_id: UUID, instance_id: InstanceId | None
) -> contacts.Contact:
    """One contact. Raises `NotFound`."""
    async with runtime.db.tenant(company_id) as connection:
        found = await contacts.get(connection, company_id, ContactId(contact_id), instance_id=instance_id)
    if found is None:
        raise NotFound(f"There is no contact {contact_id}.", code="contact_not_found")
    return found


async def conversation_page(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    instance_id: InstanceId | None,
    contact_id: UUID | None,
    unread: bool,
    after: UUID | None,
    after_at: datetime | None,
    limit: int,
) -> list[conversations.Conversation]:
    """Conversations, the most recent message first; one more than `limit`, to tell of another page."""
    async with runtime.db.tenant(company_id) as connection:
        return await conversations.page(
            connection,
            company_id,
            instance_id=instance_id,
            contact_id=ContactId(contact_id) if contact_id else None,
            unread=unread,
            after=after,
            after_at=after_at,
            limit=limit + 1,
        )


async def get_conversation(
    runtime: Runtime, company_id: CompanyId, conversation_id: UUID, instance_id: InstanceId | None
) -> conversations.Conversation:
    """One conversation. Raises `NotFound`."""
    async with runtime.db.tenant(company_id) as connection:
        found = await conversations.get(
            connection, company_id, ConversationId(conversation_id), instance_id=instance_id
        )
    if found is None:
        raise NotFound(f"There is no conversation {conversation_id}.", code="conversation_not_found")
    return found
