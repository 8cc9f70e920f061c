"""Sending one claimed message: ask the adapter, then decide what its outcome means for the message and its lane.

accepted       sent; the lane goes on after its pause
refused        failed, a dead letter; the lane goes on
retry          the lane waits with backoff, up to `max_attempts`, then a dead letter
not_connected  the lane waits until the connection returns; no attempt is spent
limited        the lane, or the whole instance, waits until then; no attempt is spent
unknown        unproven: a receipt or the provider settles it within `settle_seconds`, then the instance's policy
"""

import random
import time
from asyncio import timeout
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

import msgspec
import structlog

from recado.domain import content as contents
from recado.domain import ids
from recado.domain.ids import ServerId
from recado.domain.provider import (
    Accepted,
    CallFailed,
    Connection,
    FindsMessages,
    Limited,
    NotConnected,
    Outcome,
    Outgoing,
    Provider,
    Referenced,
    Refused,
    Retry,
    ShowsTyping,
    Unknown,
    capabilities_of,
)
from recado.domain.states import ConnectionStatus, MessageStatus
from recado.kit import backoff
from recado.kit.breaker import Breaker
from recado.services import connections, media
from recado.services.accepting import event_data, pacing_of
from recado.services.directory import ConnectionView, InstanceView
from recado.services.runtime import Runtime
from recado.store import db, lanes, messages, outbox
from recado.telemetry import metrics, traces

log = structlog.get_logger(__name__)

_BACKOFF_BASE = 2.0
_BACKOFF_CAP = 300.0
_LONGEST_LIMIT = 86_400.0
_NOT_CONNECTED_LOOK = 30.0
_BREAKER_CODE = "server_unreachable"
#: The longest provider id, code and reason that are kept. An id is the key of an index, which bounds it.
_LONGEST_ID = 512
_LONGEST_CODE = 64
_LONGEST_WHY = 2_000


class Sender:
    """Sends for one process. It keeps no work: what it holds is claimed in the database and comes back by its lease."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        # One provider server that is away must not cost every lane a time-out and an attempt each.
        self._breaker = Breaker(threshold=8, open_seconds=5.0)
        self._refused: dict[str, set[ServerId]] = {}
        self._random = random.Random()

    async def send(self, claimed: outbox.Claimed) -> outbox.Finish:
        """Send, or settle, a claimed message and return what became of it. Raises only for the database."""
        if claimed.proven:
            # A receipt came while the lane was held, and could not take the message out of the queue itself.
            return outbox.Finish(claimed=claimed, done=True, not_before=_MIN)
        view = await self._runtime.directory.instance(claimed.company_id, claimed.instance_id)
        if view.active is None:
            return self._wait(claimed, view, NotConnected(why="The instance has no connection."))
        if claimed.unproven_at is not None:
            settled = await self._settle(claimed, view, view.active)
            if settled is not None:
                return settled
        elif claimed.interrupted:
            why = "The process that was sending it ended before the answer came."
            return await self._decide(claimed, view, view.active, Unknown(why=why), datetime.now(UTC), 0.0)
        provider = self._runtime.providers[view.active.kind]
        if claimed.typing_ms and isinstance(provider, ShowsTyping):
            return await self._type(claimed, view, view.active.connection, provider)
        return await self._try(claimed, view, view.active, provider)

    async def _try(
        self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView, provider: Provider
    ) -> outbox.Finish:
        server = active.server_id
        now = time.monotonic()
        if not self._breaker.allows(server, now):
            after = max(0.1, (self._breaker.opens_at(server) or now) - now)
            return self._wait(
                claimed, view, Limited(code=_BREAKER_CODE, why="The server does not answer.", after=after)
            )
        prepared = await self._outgoing(claimed, view)
        started_at = datetime.now(UTC)
        if isinstance(prepared, Refused):
            return await self._decide(claimed, view, active, prepared, started_at, 0.0)
        started = time.perf_counter()
        outcome = await self._call(provider, active.connection, prepared)
        duration_ms = (time.perf_counter() - started) * 1000
        self._judge(server, active.kind, outcome)
        return await self._decide(claimed, view, active, outcome, started_at, duration_ms)

    def _judge(self, server: ServerId, kind: str, outcome: Outcome) -> None:
        """Count an outcome for or against the server it came from."""
        if isinstance(outcome, Retry | Unknown):
            self._breaker.failed(server, time.monotonic())
            if self._breaker.opens_at(server) is not None:
                self._refused.setdefault(kind, set()).add(server)
        else:
            self._breaker.succeeded(server)
            self._refused.get(kind, set()).discard(server)
        metrics.breaker_open.labels(kind=kind).set(len(self._refused.get(kind, ())))

    async def _call(self, provider: Provider, connection: Connection, message: Outgoing) -> Outcome:
        try:
            with traces.span("send", kind=provider.kind):
                async with timeout(self._runtime.settings.send_timeout_seconds):
                    return _storable(await provider.send(connection, message))
        except TimeoutError:
            return Unknown(why=f"No answer within {self._runtime.settings.send_timeout_seconds:g} s.")
        except Exception as error:
            # An adapter must not raise. What it did before it raised nobody knows.
            log.exception("adapter_raised", kind=provider.kind, message_id=str(message.message_id))
            return Unknown(why=f"The {provider.kind} adapter failed: {type(error).__name__}.")

    async def _outgoing(self, claimed: outbox.Claimed, view: InstanceView) -> Outgoing | Refused:
        """The message with every reference resolved to the provider's own ids."""
        content = msgspec.convert(claimed.content, contents.KINDS[claimed.type])
        reply_to = about = stored = None
        if claimed.reply_to is not None or claimed.type in contents.ABOUT_A_MESSAGE:
            async with self._runtime.db.worker.acquire() as connection:
                if claimed.reply_to is not None:
                    reply_to = await _referenced(connection, claimed, claimed.reply_to)
                    if reply_to is None:
                        return Refused(code="reply_target_unsent", why="The message to quote was never sent.")
                if claimed.type in contents.ABOUT_A_MESSAGE:
                    about = await _referenced(connection, claimed, content.message_id)
                    if about is None:
                        return Refused(code="target_unsent", why="The message it refers to was never sent.")
                    content = msgspec.structs.replace(content, message_id=about.provider_id)
        if isinstance(content, contents.MediaContent) and content.media_id is not None:
            stored = await media.open_stored(self._runtime, claimed.company_id, content.media_id)
            if stored is None:
                return Refused(code="media_gone", why=f"The media {content.media_id} is no longer stored.")
        return Outgoing(
            message_id=claimed.message_id,
            to=claimed.address,
            kind=claimed.type,
            content=content,
            reply_to=reply_to,
            about=about,
            media=stored,
            attempt=claimed.attempts + 1,
        )

    async def _type(
        self, claimed: outbox.Claimed, view: InstanceView, connection: Connection, provider: ShowsTyping
    ) -> outbox.Finish:
        """Show "typing…" and come back when it has been shown long enough: nobody sleeps holding work."""
        async with self._runtime.db.worker.acquire() as database:
            last = await messages.last_received(database, claimed.company_id, claimed.conversation_id)
        try:
            async with timeout(self._runtime.settings.send_timeout_seconds):
                await provider.show_typing(connection, chat=claimed.address, last_received=last)
        except (CallFailed, TimeoutError) as error:
            log.info("typing_not_shown", message_id=str(claimed.message_id), why=str(error))
        return outbox.Finish(
            claimed=claimed,
            done=False,
            next_at=datetime.now(UTC) + timedelta(milliseconds=claimed.typing_ms),
            not_before=_MIN,
        )

    # --- unproven ----------------------------------------------------------------------------------

    async def _settle(
        self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView
    ) -> outbox.Finish | None:
        """Settle an unproven message: ask the provider, then apply the policy. None: it is to be sent again now."""
        provider = self._runtime.providers[active.kind]
        prepared = await self._outgoing(claimed, view) if isinstance(provider, FindsMessages) else None
        if isinstance(provider, FindsMessages) and isinstance(prepared, Outgoing):
            since = claimed.unproven_at or claimed.created_at
            try:
                async with timeout(self._runtime.settings.send_timeout_seconds):
                    found = await provider.find(active.connection, prepared, since=since)
            except (CallFailed, TimeoutError) as error:
                later = datetime.now(UTC) + timedelta(seconds=max(1, view.settings.settle_seconds))
                log.warning("unproven_not_settled", message_id=str(claimed.message_id), why=str(error))
                return outbox.Finish(claimed=claimed, done=False, next_at=later, not_before=_MIN, unproven=True)
            if found is not None:
                return await self._decide(claimed, view, active, _storable(found), datetime.now(UTC), 0.0)
            # The provider certainly does not have it, so sending it cannot double.
            return self._again(claimed, view)
        if self._policy(view, provider) == "at_least_once":
            given_up = self._again(claimed, view)
            if given_up is None:
                async with self._runtime.db.work() as connection:
                    await outbox.mark_resent(connection, claimed.company_id, claimed.message_id)
            return given_up
        # at_most_once: it leaves the queue as unproven and waits for a receipt, or for a person.
        return outbox.Finish(claimed=claimed, done=True, not_before=_MIN)

    def _again(self, claimed: outbox.Claimed, view: InstanceView) -> outbox.Finish | None:
        """None while the message has attempts left; else it leaves the queue as it is, unproven."""
        if claimed.attempts < view.settings.max_attempts:
            return None
        return outbox.Finish(claimed=claimed, done=True, not_before=_MIN)

    def _policy(self, view: InstanceView, provider: Provider) -> str:
        default = "at_least_once" if provider.capabilities.deduplicates else "at_most_once"
        return view.settings.unknown_outcome or default

    # --- outcomes ----------------------------------------------------------------------------------

    async def _decide(
        self,
        claimed: outbox.Claimed,
        view: InstanceView,
        active: ConnectionView,
        outcome: Outcome,
        started_at: datetime,
        duration_ms: float,
    ) -> outbox.Finish:
        now = datetime.now(UTC)
        pacing = pacing_of(view.settings, capabilities_of(self._runtime.providers[active.kind], active.connection))
        attempt: dict[str, Any] = {
            "claimed": claimed,
            "attempt_id": ids.new(),
            "connection_id": active.id,
            "started_at": started_at,
            "duration_ms": duration_ms,
            "outcome": _NAMES[type(outcome)],
            "not_before": now + timedelta(milliseconds=self._random.uniform(pacing.min_ms, pacing.max_ms)),
            "per_minute": pacing.per_minute,
        }
        match outcome:
            case Accepted():
                return outbox.Finish(
                    **attempt,
                    done=True,
                    status=MessageStatus.SENT,
                    spent=1,
                    provider_id=outcome.provider_id,
                    event_type="message.sent",
                    event=self._event(claimed, MessageStatus.SENT, {"provider_id": outcome.provider_id}),
                )
            case Refused():
                return self._fail(claimed, attempt, outcome.code, outcome.why)
            case Retry():
                if claimed.attempts + 1 >= view.settings.max_attempts:
                    return self._fail(claimed, attempt, outcome.code, outcome.why)
                wait = backoff.full_jitter(claimed.attempts + 1, _BACKOFF_BASE, _BACKOFF_CAP, self._random)
                next_at = now + timedelta(seconds=max(wait, min(outcome.after or 0.0, _LONGEST_LIMIT)))
                return outbox.Finish(
                    **attempt, done=False, spent=1, next_at=next_at, code=outcome.code, why=outcome.why
                )
            case NotConnected():
                await self._disconnected(claimed, active, outcome)
                finish = self._wait(claimed, view, outcome)
                return msgspec.structs.replace(finish, **_call_of(attempt), code="not_connected", why=outcome.why)
            case Limited():
                if outcome.scope == "instance":
                    until = now + timedelta(seconds=min(outcome.after, _LONGEST_LIMIT))
                    async with self._runtime.db.work() as connection:
                        await lanes.hold(connection, claimed.company_id, claimed.instance_id, until)
                finish = self._wait(claimed, view, outcome)
                return msgspec.structs.replace(finish, **_call_of(attempt), code=outcome.code, why=outcome.why)
            case Unknown():
                first = claimed.unproven_at is None and not claimed.resent
                event = self._event(claimed, MessageStatus.UNPROVEN, {"why": outcome.why}) if first else None
                return outbox.Finish(
                    **attempt,
                    done=False,
                    status=MessageStatus.UNPROVEN,
                    spent=1,
                    unproven=True,
                    next_at=now + timedelta(seconds=view.settings.settle_seconds),
                    why=outcome.why,
                    event_type="message.unproven" if first else None,
                    event=event,
                )
            case _:
                assert_never(outcome)

    def _fail(self, claimed: outbox.Claimed, attempt: dict[str, Any], code: str, why: str) -> outbox.Finish:
        error = {"code": code, "why": why}
        return outbox.Finish(
            **attempt,
            done=True,
            status=MessageStatus.FAILED,
            spent=1,
            error=error,
            code=code,
            why=why,
            event_type="message.failed",
            event=self._event(claimed, MessageStatus.FAILED, {"error": error}),
        )

    def _wait(self, claimed: outbox.Claimed, view: InstanceView, outcome: NotConnected | Limited) -> outbox.Finish:
        """The lane waits; no attempt is spent. A returning connection releases it before this time."""
        seconds = min(outcome.after, _LONGEST_LIMIT) if isinstance(outcome, Limited) else _NOT_CONNECTED_LOOK
        return outbox.Finish(
            claimed=claimed,
            done=False,
            next_at=datetime.now(UTC) + timedelta(seconds=seconds),
            not_before=_MIN,
        )

    async def _disconnected(self, claimed: outbox.Claimed, active: ConnectionView, outcome: NotConnected) -> None:
        """Believe the refusal over the last known state: park the instance's lanes and tell its company."""
        if outcome.status in (ConnectionStatus.CONNECTED, ConnectionStatus.DEGRADED):
            return
        async with self._runtime.db.work() as connection:
            await connections.change_status(
                connection, self._runtime, claimed.company_id, active.id, outcome.status, outcome.why
            )

    def _event(self, claimed: outbox.Claimed, status: MessageStatus, more: Mapping[str, Any]) -> dict[str, Any]:
        data = event_data(
            message_id=claimed.message_id,
            to=claimed.address,
            kind=claimed.type,
            status=status,
            client_id=claimed.client_id,
            metadata=claimed.metadata,
        )
        data["message"].update(more)
        return data


async def _referenced(connection: db.Connection, claimed: outbox.Claimed, reference: str) -> Referenced | None:
    """An earlier message as adapters need it; None when it is not there, or has no id at its provider."""
    found = await messages.find(connection, claimed.company_id, claimed.instance_id, reference)
    if found is None or found["provider_id"] is None:
        return None
    sender = (found["metadata"] or {}).get("sender") or {}
    return Referenced(
        provider_id=found["provider_id"],
        chat=found["address"],
        from_me=found["direction"] == "outbound",
        kind=found["type"],
        content=found["content"],
        sender=sender.get("phone") or sender.get("lid") or sender.get("bsuid"),
        at=found["provider_at"] or found["created_at"],
    )


_MIN = datetime(1970, 1, 1, tzinfo=UTC)

_NAMES = {
    Accepted: "accepted",
    Refused: "refused",
    Retry: "retry",
    NotConnected: "not_connected",
    Limited: "limited",
    Unknown: "unknown",
}


def _call_of(attempt: dict[str, Any]) -> dict[str, Any]:
    """The part of an attempt that records the call, without what would spend it."""
    return {name: attempt[name] for name in ("attempt_id", "connection_id", "started_at", "duration_ms", "outcome")}


def _storable(outcome: Outcome) -> Outcome:
    """An outcome with nothing in it that the database would refuse: its finish shares a statement with others'."""
    match outcome:
        case Accepted():
            if "\0" in outcome.provider_id or len(outcome.provider_id) > _LONGEST_ID:
                return Unknown(why="The provider took it, but the id in its answer cannot be kept.")
            return outcome
        case NotConnected() | Unknown():
            return msgspec.structs.replace(outcome, why=_plain(outcome.why, _LONGEST_WHY))
        case Refused() | Retry() | Limited():
            return msgspec.structs.replace(
                outcome, code=_plain(outcome.code, _LONGEST_CODE), why=_plain(outcome.why, _LONGEST_WHY)
            )
        case _:
            assert_never(outcome)


def _plain(text: str, most: int) -> str:
    return text.replace("\0", "\ufffd")[:most]
