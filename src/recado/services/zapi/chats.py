"""Chats and people as Recado itself knows them, for providers that cannot be asked: its conversations and contacts."""

from collections.abc import Sequence

from recado.domain import phones
from recado.domain.operations import Chats
from recado.services import messaging, operating
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.store import chats, messages
from recado.store.chats import Chat, Kind


async def page(runtime: Runtime, view: ZapiView, *, limit: int, offset: int, kind: Kind | None = None) -> list[Chat]:
    """The instance's chats, the most recent message first."""
    async with runtime.db.tenant(view.company_id) as connection:
        return await chats.page(connection, view.company_id, view.id, kind=kind, limit=limit, offset=offset)


async def find(runtime: Runtime, view: ZapiView, address: str) -> Chat | None:
    """The chat with a phone, LID, group or channel. A Brazilian mobile is found with and without its ninth digit."""
    other = phones.other_form(address)
    found = await find_all(runtime, view, [address] if other is None else [address, other])
    return found.get(address) or (None if other is None else found.get(other))


async def find_all(runtime: Runtime, view: ZapiView, addresses: Sequence[str]) -> dict[str, Chat]:
    """The chats with these, by address; those that there are."""
    async with runtime.db.tenant(view.company_id) as connection:
        return await chats.find(connection, view.company_id, view.id, addresses)


async def mark_read(runtime: Runtime, view: ZapiView, address: str) -> None:
    """Mark a whole chat as read, on the phone and here. A provider that marks no chats marks its newest message, which
    WhatsApp takes for all before it. Raises as `messaging.mark_read`, and as `operating.call`."""
    chat = await find(runtime, view, address)
    newest = None
    if chat is not None:
        async with runtime.db.tenant(view.company_id) as connection:
            found = await messages.list_page(
                connection, view.company_id, before=None, limit=1, conversation_id=chat.id, direction="inbound"
            )
        newest = found[0]["id"] if found else None
    if Chats.mark_chat.__name__ not in await operating.supported(runtime, view.principal, view.id):
        if newest is not None:
            await messaging.mark_read(runtime, view.principal, newest)
        return
    await operating.call(runtime, view.principal, view.id, Chats.mark_chat, chat=address, read=True)
    if chat is not None and newest is not None:
        async with runtime.db.tenant(view.company_id) as connection:
            await messages.mark_conversation_read(connection, view.company_id, chat.id, newest)
