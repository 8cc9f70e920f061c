"""What the engine's numbers tell, stored in its order: into the inbox like a provider's webhooks, and as their state."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog

from recado.domain import ids
from recado.domain.ids import RawWebhookId
from recado.domain.states import ConnectionStatus
from recado.kit.batching import Batcher, FlushFailed, Split, Stopped
from recado.services.native import REPLIES
from recado.services.runtime import Runtime
from recado.store import db, inbox, native

if TYPE_CHECKING:
    from recado.native.events import Told

log = structlog.get_logger(__name__)

_MOST_PER_COMMIT = 200


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    held: native.Held
    body: dict[str, Any]
    change: native.Change | None


class Journal:
    """Group commits of what is told. How a number stands is void once somebody else holds it; what people wrote never is:
    WhatsApp will not tell it again, and a repeat is recognised."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._writer = Batcher[_Item, bool](self._write, max_items=_MOST_PER_COMMIT)

    async def start(self) -> None:
        """Take what is told from now on."""
        await self._writer.start()

    async def stop(self) -> None:
        """Store what was taken."""
        await self._writer.stop()

    async def told(self, held: native.Held, told: "Told", *, wanted: Callable[[], bool]) -> None:
        """Store what a number told; returns when it is stored, or no longer `wanted`. While the database is away it
        waits, and what neonize still holds with it."""
        body = dict(told.body)
        while wanted():
            try:
                await self._enrich(held, body)
                await self._store(_Item(held=held, body=body, change=told.change))
                return
            except (Stopped, asyncpg.DataError) as error:
                why = type(error).__name__
                log.error("native_event_lost", connection_id=str(held.connection_id), told=body["event"], why=why)
                return
            except (*db.AWAY, asyncpg.PostgresError, FlushFailed) as error:
                log.warning("native_event_waits", why=type(error).__name__)
                await asyncio.sleep(0.5)

    async def report(self, held: native.Held, change: native.Change) -> None:
        """Store a change that is of our making. Raises what the database raises, and `FlushFailed`."""
        body = {
            "event": "state",
            "at": datetime.now(UTC).isoformat(),
            "status": change.status,
            "reason": change.reason,
        }
        await self._store(_Item(held=held, body=body, change=change))

    async def gap(self, held: native.Held, *, since: datetime) -> None:
        """The former holder was killed: what it had acknowledged and not stored is lost, and nobody knows what."""
        body = {
            "event": "gap",
            "at": datetime.now(UTC).isoformat(),
            "reason": "engine_lost",
            "since": since.isoformat(),
        }
        await self._store(_Item(held=held, body=body, change=None))

    async def no_room(self, reason: str) -> int:
        """Tell of each number that waits for room, once; return how many that were not told of before."""
        at = datetime.now(UTC)
        body = {
            "event": "state",
            "at": at.isoformat(),
            "status": ConnectionStatus.DISCONNECTED,
            "reason": reason,
        }
        async with self._runtime.db.work() as connection:
            waiting = await native.turn_away(connection, reason)
            if waiting:
                await inbox.store(connection, [_webhook(one, body) for one in waiting])
                await native.wake(connection, REPLIES)
        if waiting:
            self._runtime.signals.set("inbox")
        return len(waiting)

    async def _store(self, item: _Item) -> None:
        if not await self._writer.submit(item):
            log.info("native_state_void", connection_id=str(item.held.connection_id))
            return
        self._runtime.signals.set("inbox")
        if item.change is not None:
            self._runtime.signals.set(REPLIES)

    async def _write(self, items: list[_Item]) -> list[bool | BaseException]:
        try:
            return await self._write_all(items)
        except asyncpg.DataError as error:
            raise Split from error

    async def _write_all(self, items: list[_Item]) -> list[bool | BaseException]:
        stored: list[bool | BaseException] = []
        webhooks = []
        async with self._runtime.db.work() as connection:
            for item in items:
                good = item.change is None or await native.report(connection, item.held, item.change)
                stored.append(good)
                if good:
                    webhooks.append(_webhook(item.held, item.body))
            if webhooks:
                await inbox.store(connection, webhooks)
            if any(item.change is not None for item in items):
                await native.wake(connection, REPLIES)
        return stored

    async def _enrich(self, held: native.Held, body: dict[str, Any]) -> None:
        """Our own ids of the messages that are spoken of, and the names behind the hashes of a vote."""
        try:
            if body["event"] == "receipt":
                body["message_ids"] = await self._ours(held, body["ids"])
            elif body["event"] == "message":
                await self._enrich_message(held, body)
        except asyncpg.DataError as error:
            # An id that no text of PostgreSQL can be is not one of ours; whoever made it up must not hold up the number.
            log.warning("native_id_odd", connection_id=str(held.connection_id), why=type(error).__name__)

    async def _enrich_message(self, held: native.Held, body: dict[str, Any]) -> None:
        info = body["info"]
        if info.get("from_me"):
            ours = await self._ours(held, [info["id"]])
            if info["id"] in ours:
                body["message_id"] = ours[info["id"]]
        if "vote_hashes" in body:
            poll = body["message"].get("pollUpdateMessage", {}).get("pollCreationMessageKey", {}).get("ID", "")
            options = await native.poll_options(self._runtime.db.worker, held.company_id, held.connection_id, poll)
            if options:
                body["votes"] = _chosen(options, body["vote_hashes"])

    async def _ours(self, held: native.Held, provider_ids: list[str]) -> dict[str, str]:
        found = await native.message_ids(self._runtime.db.worker, held.company_id, held.connection_id, provider_ids)
        return {provider_id: str(id) for provider_id, id in found.items()}


def _chosen(options: list[str], hashes: list[str]) -> list[str]:
    return [option for option in options if hashlib.sha256(option.encode()).hexdigest() in hashes]


def _webhook(of: native.Held | native.Waiting, body: dict[str, Any]) -> inbox.NewWebhook:
    return inbox.NewWebhook(
        company_id=of.company_id,
        id=RawWebhookId(ids.new()),
        kind="native",
        server_id=of.server_id,
        connection_id=of.connection_id,
        source=of.connection_id,
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body),
        received_at=datetime.now(UTC),
    )
