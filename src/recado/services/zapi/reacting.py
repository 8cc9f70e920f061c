"""Reacting to what comes in, as Z-API does for instances that are set to: messages and statuses are read, calls rejected.

The inbound worker hands over what a batch brought, once that is committed, and does not wait. What is done here is asked of a
provider once: a mark that fails is logged and counted, and stays unset. The answer to a rejected call is a message in the
queue, which is as durable as any other.
"""

import asyncio
import collections
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from recado.domain import events, operations
from recado.domain.content import TextContent
from recado.domain.errors import Conflict, RecadoError
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.operations import Presence
from recado.domain.provider import CallFailed, Connection, MarksRead, Provider, capabilities_of
from recado.domain.zapi import Reaction
from recado.services import messaging, operating
from recado.services.accepting import Acceptor, MessageRequest
from recado.services.directory import Principal, ZapiView
from recado.services.routing import Item
from recado.services.runtime import Runtime
from recado.store import db
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: The chat that WhatsApp keeps stories in.
STORIES = "status@broadcast"

#: Calls to providers under way at once; one at a time for each instance.
_AT_ONCE = 32
#: What waits for one instance. More is let go: whoever gets that much does not read it at once either.
_MOST_WAITING = 1_000
#: How long a call rings. What is told of later, because we were away, is over.
_RINGS = timedelta(minutes=1)
#: How long what is under way may take once the process stops.
_GOODBYE_SECONDS = 2.0


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do about an event that came by a connection. `message_id` is ours."""

    setting: Reaction
    company_id: CompanyId
    instance_id: InstanceId
    connection_id: ConnectionId
    event: events.Received | events.Noticed
    message_id: UUID | None


def can(setting: Reaction, adapter: Provider, connection: Connection) -> bool:
    """Whether a provider can do what a setting asks for."""
    match setting:
        case "auto_read_message":
            return isinstance(adapter, MarksRead)
        case "auto_read_status":
            return isinstance(adapter, MarksRead) and capabilities_of(adapter, connection).reads_stories
        case "call_reject_auto":
            return "reject_call" in operations.operations(adapter)


class Reactor:
    """Does what the instances of one process are set to. `start` before, `stop` after."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._acceptor = Acceptor(runtime)
        self._waiting: dict[tuple[CompanyId, InstanceId], collections.deque[_Task]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def start(self) -> None:
        """Be ready to answer calls."""
        await self._acceptor.start()

    async def stop(self) -> None:
        """Finish what is under way, if that is soon; let go of the rest."""
        for waiting in self._waiting.values():
            _drop(waiting)
            waiting.clear()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=_GOODBYE_SECONDS)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._acceptor.stop()

    def take(self, items: Iterable[Item]) -> None:
        """Do what the instances of these items are set to do about them, beside whatever goes on."""
        for item in items:
            task = _task(item)
            if task is not None:
                self._add(item.place, task)

    def _add(self, place: tuple[CompanyId, InstanceId], task: _Task) -> None:
        waiting = self._waiting.get(place)
        if waiting is None:
            waiting = self._waiting[place] = collections.deque()
            worker = asyncio.create_task(self._work(place, waiting))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if len(waiting) >= _MOST_WAITING:
            _drop([task])
        elif task.setting == "call_reject_auto":
            # It rings now; nobody waits for blue ticks.
            waiting.appendleft(task)
        else:
            waiting.append(task)

    async def _work(self, place: tuple[CompanyId, InstanceId], waiting: "collections.deque[_Task]") -> None:
        """Everything that waits for one instance, one after the other."""
        while waiting:
            async with self._free:
                if waiting:
                    await self._do(waiting.popleft())
        del self._waiting[place]

    async def _do(self, task: _Task) -> None:
        """One of them. Nothing that it raises ends the others."""
        result = "failed"
        try:
            async with asyncio.timeout(self._runtime.settings.send_timeout_seconds):
                result = "done" if await self._react(task) else "skipped"
        except (CallFailed, RecadoError, TimeoutError, *db.AWAY) as error:
            why = str(error) or type(error).__name__
            log.warning("reaction_failed", setting=task.setting, instance_id=task.instance_id, why=why)
        except Exception:
            log.exception("reaction_failed", setting=task.setting, instance_id=task.instance_id)
        finally:
            metrics.reactions.labels(setting=task.setting, result=result).inc()

    async def _react(self, task: _Task) -> bool:
        """Whether it was done. What the provider does by itself, as Z-API does, is not; nor what was set otherwise since
        the batch was read."""
        view = await self._runtime.directory.zapi_of(task.company_id, task.instance_id)
        if view is None or view.principal.suspended or not getattr(view.settings, task.setting):
            return False
        placed = (await self._runtime.directory.instance(task.company_id, task.instance_id)).placed(task.connection_id)
        adapter = self._runtime.providers[placed.kind]
        if not can(task.setting, adapter, placed.connection):
            return False
        match task.event:
            case events.Received():
                assert task.message_id is not None, "a message that was stored"
                await messaging.mark_read(self._runtime, view.principal, task.message_id)
            case events.Noticed(type="status.received", data={"provider_id": story}):
                assert isinstance(adapter, MarksRead), "it can"
                await adapter.mark_read(placed.connection, chat=STORIES, provider_id=str(story))
            case events.Noticed() as call:
                await self._reject(view, call)
        return True

    async def _reject(self, view: ZapiView, call: events.Noticed) -> None:
        """Reject a call, and then tell the caller what the instance is set to say."""
        party = call.party
        # WhatsApp knows a caller whose LID it told by that; the phone beside it is what people call them.
        caller = party and (party.lid or party.phone)
        identifier = call.data.get("call_id")
        if party is None or not caller or not identifier:
            raise Conflict("The provider does not tell who calls.", code="caller_unknown")
        principal = view.principal
        await operating.call(
            self._runtime, principal, view.id, Presence.reject_call, call=str(identifier), caller=caller
        )
        if view.settings.call_reject_message:
            await self._answer(principal, view, str(identifier), party.phone or caller)

    async def _answer(self, principal: Principal, view: ZapiView, call: str, caller: str) -> None:
        request = MessageRequest(
            to=caller, type="text", instance_id=view.id, text=TextContent(body=view.settings.call_reject_message or "")
        )
        # Two connections may tell of one call.
        await self._acceptor.accept(principal, request, idempotency_key=f"call:{view.id}:{call}")


def _task(item: Item) -> _Task | None:
    """What is to be done about an item; None for nothing."""
    event = item.event
    if not isinstance(event, events.Received | events.Noticed):
        return None
    setting = _setting(event)
    if setting is None or setting not in item.route.reactions:
        return None
    return _Task(
        setting=setting,
        company_id=item.route.company_id,
        instance_id=item.route.instance_id,
        connection_id=item.route.id,
        event=event,
        message_id=item.message_id,
    )


def _setting(event: events.Received | events.Noticed) -> Reaction | None:
    """The setting that an event concerns."""
    match event:
        case events.Received(from_me=False):
            return "auto_read_message"
        case events.Noticed(type="status.received", data={"provider_id": str()}):
            return "auto_read_status"
        case events.Noticed(type="call.received", data={"state": "ringing"}, at=at):
            return "call_reject_auto" if at > datetime.now(UTC) - _RINGS else None
        case _:
            return None


def _drop(tasks: Iterable[_Task]) -> None:
    for task in tasks:
        metrics.reactions.labels(setting=task.setting, result="dropped").inc()
        log.warning("reaction_dropped", setting=task.setting, instance_id=task.instance_id)
