"""The sending queue of an instance."""

from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.params import FromPath

from recado.api import dependencies, paging
from recado.api.dependencies import Principal, Runtime
from recado.services import queueing
from recado.services.queueing import QueueView


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    cancelled: int


@get("/")
async def show_queue(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> QueueView:
    """Counts by state, the oldest age, the next send time, and what waits, oldest first."""
    view, more = await queueing.show(runtime, principal, instance_id, after=paging.after(cursor), limit=limit)
    return msgspec.structs.replace(view, next_cursor=paging.cursor_of(view.items[-1].id)) if more else view


@delete("/", status_code=200)
async def clear_queue(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> Cleared:
    """Cancel everything that waits. What is being sent, or may have been, stays."""
    return Cleared(cancelled=await queueing.clear(runtime, principal, instance_id))


@delete("/{message_id:uuid}")
async def remove_from_queue(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], message_id: FromPath[UUID]
) -> None:
    """Cancel one waiting message. 409 when it does not wait any more."""
    await queueing.remove(runtime, principal, instance_id, message_id)


@post("/pause", status_code=204)
async def pause_queue(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> None:
    """Send nothing until resumed. Messages are still accepted."""
    await queueing.pause(runtime, principal, instance_id)


@post("/resume", status_code=204)
async def resume_queue(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> None:
    """Send again."""
    await queueing.resume(runtime, principal, instance_id)


router = Router(
    "/v1/instances/{instance_id:uuid}/queue",
    route_handlers=[show_queue, clear_queue, remove_from_queue, pause_queue, resume_queue],
    guards=[dependencies.company_or_instance],
    tags=["Queue"],
)
