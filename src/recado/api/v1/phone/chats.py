"""The phone's chats, its presence, and its calls."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.api.paging import Page
from recado.api.v1.phone.common import Identifier, router
from recado.domain.errors import invalid
from recado.domain.operations import Chat, Chats, Presence
from recado.services import operating

ExpireSeconds = Literal[0, 86_400, 604_800, 7_776_000]


class ChatChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed, one after the other. `muted_seconds` 0 mutes for ever, null not at all;
    `expire_seconds` lets messages disappear, 0 keeps them; `note` is what a business's phone notes of it, and empty
    removes that."""

    archived: bool | None = None
    pinned: bool | None = None
    read: bool | None = None
    muted_seconds: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType | None = msgspec.UNSET
    expire_seconds: ExpireSeconds | None = None
    note: Annotated[str, msgspec.Meta(max_length=4_096)] | None = None


class NewChatsChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expire_seconds` lets messages of chats that begin disappear, 0 keeps them."""

    expire_seconds: ExpireSeconds


class PresenceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    available: bool


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contact: Identifier


class RejectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`caller` as in the event `call.received`."""

    caller: Identifier


@get("/chats")
async def list_chats(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> Page[Chat]:
    """The chats on the phone, the newest first."""
    position = paging.offset(cursor)
    found = await operating.call(runtime, principal, instance_id, Chats.list_chats, limit=limit, offset=position)
    return paging.offset_page(found, limit, position)


@get("/chats/{chat:str}")
async def get_chat(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], chat: FromPath[str]) -> Chat:
    """One chat."""
    wanted = await operating.address(runtime, principal, chat, field="chat")
    return await operating.call(runtime, principal, instance_id, Chats.get_chat, chat=wanted)


@patch("/chats/{chat:str}", status_code=204)
async def change_chat(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    chat: FromPath[str],
    data: JSONBody[ChatChange],
) -> None:
    """Archive, pin, mute, mark a chat, or let its messages disappear."""
    wanted = await operating.address(runtime, principal, chat, field="chat")
    if data == ChatChange():
        raise invalid("archived", "Name at least one thing to change.")
    if data.archived is not None:
        await operating.call(runtime, principal, instance_id, Chats.archive_chat, chat=wanted, archived=data.archived)
    if data.pinned is not None:
        await operating.call(runtime, principal, instance_id, Chats.pin_chat, chat=wanted, pinned=data.pinned)
    if data.read is not None:
        await operating.call(runtime, principal, instance_id, Chats.mark_chat, chat=wanted, read=data.read)
    if data.muted_seconds is not msgspec.UNSET:
        await operating.call(runtime, principal, instance_id, Chats.mute_chat, chat=wanted, seconds=data.muted_seconds)
    if data.expire_seconds is not None:
        await operating.call(
            runtime, principal, instance_id, Chats.expire_chat, chat=wanted, seconds=data.expire_seconds
        )
    if data.note is not None:
        await operating.call(runtime, principal, instance_id, Chats.note_chat, chat=wanted, note=data.note)


@put("/new-chats", status_code=204)
async def change_new_chats(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[NewChatsChange]
) -> None:
    """Let messages of chats that begin from now on disappear."""
    await operating.call(runtime, principal, instance_id, Chats.expire_new_chats, seconds=data.expire_seconds)


@post("/chats/{chat:str}/clear", status_code=204)
async def clear_chat(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], chat: FromPath[str]) -> None:
    """Remove a chat's messages from the phone. What Recado keeps stays."""
    wanted = await operating.address(runtime, principal, chat, field="chat")
    await operating.call(runtime, principal, instance_id, Chats.clear_chat, chat=wanted)


@delete("/chats/{chat:str}")
async def delete_chat(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], chat: FromPath[str]) -> None:
    """Remove a chat from the phone. What Recado keeps stays."""
    wanted = await operating.address(runtime, principal, chat, field="chat")
    await operating.call(runtime, principal, instance_id, Chats.delete_chat, chat=wanted)


@put("/presence", status_code=204)
async def set_presence(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[PresenceRequest]
) -> None:
    """Show the number as online, or not."""
    await operating.call(runtime, principal, instance_id, Presence.set_presence, available=data.available)


@post("/presence/watch", status_code=204)
async def watch_presence(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[WatchRequest]
) -> None:
    """Ask to be told, by `presence.updated`, when somebody is online or typing."""
    wanted = await operating.address(runtime, principal, data.contact, field="contact")
    await operating.call(runtime, principal, instance_id, Presence.watch_presence, contact=wanted)


@post("/calls/{call:str}/reject", status_code=204)
async def reject_call(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    call: FromPath[str],
    data: JSONBody[RejectRequest],
) -> None:
    """Reject a call that rings."""
    caller = await operating.address(runtime, principal, data.caller, field="caller")
    await operating.call(runtime, principal, instance_id, Presence.reject_call, call=call, caller=caller)


routers = [
    router(
        "Phone: chats",
        [
            list_chats,
            get_chat,
            change_chat,
            change_new_chats,
            clear_chat,
            delete_chat,
            set_presence,
            watch_presence,
            reject_call,
        ],
    )
]
