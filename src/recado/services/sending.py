"""Sending one claimed message: ask the adapter, then decide what its outcome means for the message and its lane.

accepted       sent; the lane goes on after its pause
refused        failed, a dead letter; the lane goes on
retry          the lane waits with backoff, up to `max_attempts`, then a dead letter; where nobody was there to take it,
               until the server is back, and no attempt is spent
not_connected  the lane waits until the connection returns; no attempt is spent
limited        the lane, the whole instance, or its first contacts wait until then; no attempt is spent
unknown        unproven: a receipt or the provider settles it within `settle_seconds`, then the instance's policy

A message belongs to no connection until it is tried. What may have been sent belongs to the connection that tried it:
only that one can be asked, and only through that one may it be sent again. After a switch what cannot be settled stays
unproven, whatever the policy, because another provider does not know our ids and would send it twice.
"""

import random
import time
from asyncio import timeout
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

import msgspec
import structlog
from msgspec import UnsetType

from recado.domain import content as contents
from recado.domain import fallback, ids
from recado.domain.errors import NotFound
from recado.domain.ids import CompanyId, ServerId
from recado.domain.provider import (
    SERVER_UNREACHABLE,
    Accepted,
    CallFailed,
    Capabilities,
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
from recado.domain.states import SENDING, MessageStatus
from recado.kit import backoff
from recado.kit.breaker import Breaker
from recado.services import addressing, connections, media, media_links, reaching
from recado.services.accepting import event_data, pacing_of
from recado.services.directory import ConnectionView, InstanceView
from recado.services.runtime import Runtime
from recado.store import db, lanes, messages, outbox, servers
from recado.telemetry import metrics, traces

log = structlog.get_logger(__name__)

_BACKOFF_BASE = 2.0
_BACKOFF_CAP = 300.0
_LONGEST_LIMIT = 86_400.0
_NOT_CONNECTED_LOOK = 30.0
#: When a message is tried again whose server was not there; a switch to another connection comes before.
_UNREACHABLE_LOOK = (5.0, 15.0)
_LOOKED_AT_SECONDS = 10.0
#: Z-API's limit. WhatsApp's own is shorter, differs between its programs, and shows in no answer.
_EDITABLE_FOR = timedelta(days=7)
_AWAY_LOOK = 1.0
#: The part of a process's sends that may wait for links, in all and of one company: a slow host must not hold up what needs
#: none. What is over that comes back later.
_FETCHES = 1 / 2
_FETCHES_OF_COMPANY = 1 / 8
_FETCH_LOOK = (1.0, 5.0)
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
        self._looked_at: dict[ServerId, float] = {}
        self._fetching = Counter[CompanyId]()
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
            if isinstance(settled, outbox.Finish):
                return settled
            claimed = settled
        elif claimed.interrupted and not _to_fetch(claimed):
            return await self._interrupted(claimed, view, view.active)
        try:
            ready = await self._ready(claimed, view, view.active)
        except Exception as error:  # noqa: BLE001  # Whatever it is, nothing was called.
            return await self._unprepared(claimed, view, view.active, error)
        if isinstance(ready, outbox.Finish):
            return ready
        started_at, started = datetime.now(UTC), time.perf_counter()
        outcome = await self._call(self._runtime.providers[view.active.kind], view.active.connection, ready)
        duration_ms = (time.perf_counter() - started) * 1000
        self._judge(view.active.server_id, view.active.kind, outcome)
        return await self._decide(claimed, view, view.active, outcome, started_at, duration_ms)

    async def _ready(
        self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView
    ) -> Outgoing | outbox.Finish:
        """What is to be sent now, with all done that goes before the call; or the finish when nothing is."""
        if _to_fetch(claimed):
            fetched = await self._fetch(claimed, view, active)
            if fetched is not None:
                return fetched
        if not await reaching.may_go(self._runtime, view, active, claimed):
            return self._passed_over(claimed)
        provider = self._runtime.providers[active.kind]
        if claimed.typing_ms and isinstance(provider, ShowsTyping):
            return await self._type(claimed, view, active.connection, provider)
        server, now = active.server_id, time.monotonic()
        if not self._breaker.allows(server, now):
            after = max(0.1, (self._breaker.opens_at(server) or now) - now)
            return self._wait(
                claimed, view, Limited(code=SERVER_UNREACHABLE, why="The server does not answer.", after=after)
            )
        prepared = await self._outgoing(claimed, view, active)
        if isinstance(prepared, Refused):
            return await self._decide(claimed, view, active, prepared, datetime.now(UTC), 0.0)
        if len(view.connections) > 1 and not await self._record(claimed, active):
            return outbox.Finish(claimed=claimed, done=False, not_before=_MIN)
        return prepared

    async def _fetch(self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView) -> outbox.Finish | None:
        """Fetch the link that a message names, once, and come back to send it: a fetch and a call each have a lease of
        their own. None where its provider cannot send the kind anyway."""
        able = capabilities_of(self._runtime.providers[active.kind], active.connection)
        if claimed.type not in able.kinds:
            return None
        doubt, company = claimed.unproven_at is not None, claimed.company_id
        if not self._may_fetch(company):
            next_at = datetime.now(UTC) + timedelta(seconds=self._random.uniform(*_FETCH_LOOK))
            return outbox.Finish(claimed=claimed, done=False, next_at=next_at, not_before=_MIN, unproven=doubt)
        content = msgspec.convert(claimed.content, contents.MediaContent)
        started_at, started = datetime.now(UTC), time.perf_counter()
        self._fetching[company] += 1
        try:
            unfit = await media_links.fetch(self._runtime, claimed, content, able.media.get(claimed.type))
        finally:
            self._fetching[company] -= 1
            self._fetching = +self._fetching
        if unfit is not None:
            duration_ms = (time.perf_counter() - started) * 1000
            return await self._decide(claimed, view, active, _storable(unfit), started_at, duration_ms)
        return outbox.Finish(claimed=claimed, done=False, next_at=datetime.now(UTC), not_before=_MIN, unproven=doubt)

    def _may_fetch(self, company: CompanyId) -> bool:
        """Whether there is room for another link of a company."""
        slots = self._runtime.settings.send_concurrency
        if self._fetching.total() >= max(1, int(slots * _FETCHES)):
            return False
        return self._fetching[company] < max(1, int(slots * _FETCHES_OF_COMPANY))

    async def _unprepared(
        self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView, error: Exception
    ) -> outbox.Finish:
        """What was not called is not in doubt. It waits for a database that is away; for anything else it is an attempt,
        so that what can never be prepared does not hold its lane for ever."""
        now, message_id = datetime.now(UTC), str(claimed.message_id)
        if isinstance(error, db.AWAY):
            log.warning("send_not_prepared", message_id=message_id, why=f"{type(error).__name__}: {error}")
            doubt = claimed.unproven_at is not None
            next_at = now + timedelta(seconds=_AWAY_LOOK)
            return outbox.Finish(claimed=claimed, done=False, next_at=next_at, not_before=_MIN, unproven=doubt)
        log.error("send_not_prepared", message_id=message_id, exc_info=error)
        outcome = Retry(code="not_prepared", why=f"Recado could not prepare it: {type(error).__name__}.")
        return await self._decide(claimed, view, active, outcome, now, 0.0)

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

    async def _record(self, claimed: outbox.Claimed, active: ConnectionView) -> bool:
        """Remember what the message is tried through, in case nobody lives to say. False: the claim is over."""
        async with self._runtime.db.worker.acquire() as connection:
            return await lanes.record_connection(
                connection,
                claimed.company_id,
                claimed.instance_id,
                claimed.key,
                fence=claimed.fence,
                connection_id=active.id,
            )

    async def _outgoing(
        self, claimed: outbox.Claimed, view: InstanceView, through: ConnectionView
    ) -> Outgoing | Refused:
        """The message as a connection sends it: every reference resolved to the provider's own ids, and as text where
        that may be and its provider cannot render the kind: another one was active when it was accepted."""
        kind, content = claimed.type, msgspec.convert(claimed.content, contents.KINDS[claimed.type])
        able = capabilities_of(self._runtime.providers[through.kind], through.connection)
        if kind not in able.kinds:
            text = await self._as_text(claimed, content) if "text" in able.kinds else None
            if text is None:
                why = f"The provider {through.kind}, which the instance sends through now, cannot send {kind}."
                return Refused(code="unsupported_by_provider", why=why)
            kind, content = "text", contents.TextContent(body=text)
        if claimed.reply_to is not None and (not able.replies or kind in able.unquotable):
            why = f"The provider {through.kind}, which the instance sends through now, cannot send {kind} with a quote."
            return Refused(code="unsupported_by_provider", why=why)
        reply_to = about = stored = None
        if claimed.reply_to is not None or kind in contents.ABOUT_A_MESSAGE:
            async with self._runtime.db.worker.acquire() as connection:
                if claimed.reply_to is not None:
                    reply_to = await _referenced(connection, claimed, claimed.reply_to)
                    if reply_to is None:
                        return Refused(code="reply_target_unsent", why="The message to quote was never sent.")
                if kind in contents.ABOUT_A_MESSAGE:
                    about = await _referenced(connection, claimed, content.message_id)
                    if about is None:
                        return Refused(code="target_unsent", why="The message it refers to was never sent.")
                    content = msgspec.structs.replace(content, message_id=about.provider_id)
        if kind == "edit" and about is not None:
            if about.at is not None and datetime.now(UTC) - about.at > _EDITABLE_FOR:
                return Refused(code="too_old", why="A message can be changed for seven days; this one is older.")
            about = await self._with_file(claimed.company_id, about)
        if len(view.connections) > 1:
            for named in (reply_to, about):
                if named is not None and not self._knows(able, named.provider_id):
                    why = f"The provider {through.kind} does not know the message it refers to: another one sent it."
                    return Refused(code="target_on_other_connection", why=why)
        if isinstance(content, contents.MediaContent) and content.media_id is not None:
            stored = await media.open_stored(self._runtime, claimed.company_id, content.media_id)
            if stored is None:
                return Refused(code="media_gone", why=f"The media {content.media_id} is no longer stored.")
        to = await addressing.resolve(self._runtime, through.connection, claimed.address)
        if isinstance(to, Refused):
            return to
        return Outgoing(
            message_id=claimed.message_id,
            to=to,
            kind=kind,
            content=content,
            reply_to=reply_to,
            about=about,
            media=stored,
            attempt=claimed.attempts + 1,
        )

    async def _with_file(self, company_id: CompanyId, about: Referenced) -> Referenced:
        """A message whose caption is to change with its stored file, where it has one."""
        media_id = about.content.get("media_id") if about.kind in contents.MEDIA_KINDS else None
        stored = await media.open_stored(self._runtime, company_id, media_id) if media_id else None
        return msgspec.structs.replace(about, media=stored)

    async def _as_text(self, claimed: outbox.Claimed, content: Any) -> str | None:
        """The content as text, where its sender allows that."""
        async with self._runtime.db.worker.acquire() as connection:
            allowed = await outbox.has_fallback(connection, claimed.company_id, claimed.message_id)
        return fallback.as_text(claimed.type, content) if allowed else None

    def _knows(self, able: Capabilities, provider_id: str) -> bool:
        """Whether a message's id means anything to a provider: WhatsApp's own ids mean the same to all that use them,
        on one number; the ids of a provider with a world of its own mean nothing to the others."""
        if able.own_ids:
            return provider_id.startswith(able.own_ids)
        foreign = {one.capabilities.own_ids for one in self._runtime.providers.values()} - {""}
        return not provider_id.startswith(tuple(foreign))

    async def _type(
        self, claimed: outbox.Claimed, view: InstanceView, connection: Connection, provider: ShowsTyping
    ) -> outbox.Finish:
        """Show "typing…" and come back when it has been shown long enough: nobody sleeps holding work."""
        async with self._runtime.db.worker.acquire() as database:
            last = await messages.last_received(database, claimed.company_id, claimed.conversation_id)
        try:
            async with timeout(self._runtime.settings.send_timeout_seconds):
                await provider.show_typing(
                    connection,
                    chat=claimed.address,
                    last_received=last,
                    recording=claimed.type in ("voice", "audio"),
                )
        except (CallFailed, TimeoutError) as error:
            log.info("typing_not_shown", message_id=str(claimed.message_id), why=str(error))
        return outbox.Finish(
            claimed=claimed,
            done=False,
            next_at=datetime.now(UTC) + timedelta(milliseconds=claimed.typing_ms),
            not_before=_MIN,
            typed=True,
        )

    # --- unproven ----------------------------------------------------------------------------------

    async def _tried(self, claimed: outbox.Claimed, view: InstanceView) -> ConnectionView | None:
        """The connection that may have sent a message; None when it was removed meanwhile."""
        async with self._runtime.db.worker.acquire() as connection:
            wanted = await lanes.connection_of(connection, claimed.company_id, claimed.instance_id, claimed.key)
        if wanted is None:
            return min(view.connections, key=lambda one: one.id)
        return next((one for one in view.connections if one.id == wanted), None)

    async def _interrupted(self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView) -> outbox.Finish:
        """An earlier claim ended without a word: the message is unproven, and its attempt is that claim's."""
        tried = await self._tried(claimed, view)
        why = "The process that was sending it ended before the answer came."
        finish = await self._decide(claimed, view, tried or active, Unknown(why=why), datetime.now(UTC), 0.0)
        return finish if tried is not None else msgspec.structs.replace(finish, connection_id=None)

    async def _settle(
        self, claimed: outbox.Claimed, view: InstanceView, active: ConnectionView
    ) -> outbox.Finish | outbox.Claimed:
        """Settle an unproven message: ask the provider that may have it, then apply the policy. Or return it to be sent
        again now: without its doubt when it was certainly not sent, with it when the same connection may send it twice.
        """
        now = datetime.now(UTC)
        due = (claimed.unproven_at or now) + timedelta(seconds=view.settings.settle_seconds)
        if now < due:
            # A lane that is released, by a switch for one, is looked at before a receipt had its time.
            return outbox.Finish(claimed=claimed, done=False, next_at=due, not_before=_MIN, unproven=True)
        tried = await self._tried(claimed, view)
        switched = tried is None or tried.id != active.id
        if tried is not None:
            try:
                found = await self._find(claimed, view, tried)
            except (CallFailed, TimeoutError) as error:
                log.warning("unproven_not_settled", message_id=str(claimed.message_id), why=str(error))
                if not switched:
                    later = now + timedelta(seconds=max(1, view.settings.settle_seconds))
                    return outbox.Finish(claimed=claimed, done=False, next_at=later, not_before=_MIN, unproven=True)
                found = _CANNOT_TELL
            if isinstance(found, Accepted):
                return await self._decide(claimed, view, tried, _storable(found), now, 0.0)
            if found is None:
                # The provider certainly does not have it, so sending it, through any connection, cannot double.
                return self._given_up(claimed, view) or msgspec.structs.replace(claimed, unproven_at=None)
        if not switched and self._policy(view, self._runtime.providers[active.kind]) == "at_least_once":
            given_up = self._given_up(claimed, view)
            if given_up is not None:
                return given_up
            async with self._runtime.db.work() as connection:
                await outbox.mark_resent(connection, claimed.company_id, claimed.message_id)
            return claimed
        # It leaves the queue as unproven and waits for a receipt, or for a person.
        return outbox.Finish(claimed=claimed, done=True, not_before=_MIN, **self._unproven_for_good(claimed))

    async def _find(
        self, claimed: outbox.Claimed, view: InstanceView, tried: ConnectionView
    ) -> Accepted | UnsetType | None:
        """The message as its provider has it; None: it certainly has not; unset: it cannot be asked. Raises `CallFailed`
        or `TimeoutError`."""
        provider = self._runtime.providers[tried.kind]
        if not isinstance(provider, FindsMessages):
            return _CANNOT_TELL
        prepared = await self._outgoing(claimed, view, tried)
        if not isinstance(prepared, Outgoing):
            return _CANNOT_TELL
        async with timeout(self._runtime.settings.send_timeout_seconds):
            return await provider.find(tried.connection, prepared, since=claimed.unproven_at or claimed.created_at)

    def _given_up(self, claimed: outbox.Claimed, view: InstanceView) -> outbox.Finish | None:
        """None while the message has attempts left; else it leaves the queue as it is, unproven."""
        if claimed.attempts < view.settings.max_attempts:
            return None
        return outbox.Finish(claimed=claimed, done=True, not_before=_MIN, **self._unproven_for_good(claimed))

    def _unproven_for_good(self, claimed: outbox.Claimed) -> dict[str, Any]:
        """The event of a message that leaves the queue as unproven: only a receipt will say more of it."""
        event = self._event(claimed, MessageStatus.UNPROVEN, {})
        return {"event_type": "message.unproven", "event": {**event, "final": True}}

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
                await addressing.learn(self._runtime, claimed.company_id, claimed.address, outcome.recipient)
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
            case Retry(code=code) if code == SERVER_UNREACHABLE:
                # Nobody took it, as when the phone is away: it waits, and the server's health is looked at now.
                await self._look_at(active.server_id)
                after = self._random.uniform(*_UNREACHABLE_LOOK)
                finish = self._wait(claimed, view, Limited(code=code, why=outcome.why, after=after))
                return msgspec.structs.replace(finish, **_call_of(attempt), code=code, why=outcome.why)
            case Retry():
                if claimed.attempts + 1 >= view.settings.max_attempts:
                    return self._fail(claimed, attempt, outcome.code, outcome.why)
                wait = backoff.full_jitter(claimed.attempts + 1, _BACKOFF_BASE, _BACKOFF_CAP, self._random)
                next_at = now + timedelta(seconds=max(wait, min(outcome.after or 0.0, _LONGEST_LIMIT)))
                return outbox.Finish(
                    **attempt,
                    done=False,
                    spent=1,
                    next_at=next_at,
                    # What a further try says of itself does not settle the doubt about an earlier one.
                    unproven=claimed.unproven_at is not None,
                    code=outcome.code,
                    why=outcome.why,
                )
            case NotConnected():
                await self._disconnected(claimed, active, outcome)
                finish = self._wait(claimed, view, outcome)
                return msgspec.structs.replace(finish, **_call_of(attempt), code="not_connected", why=outcome.why)
            case Limited():
                await self._hold(claimed, outcome, now)
                passed_over = outcome.scope == "cold" and claimed.unproven_at is None
                finish = self._passed_over(claimed) if passed_over else self._wait(claimed, view, outcome)
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
        """It ends as a dead letter. Where an earlier try may have arrived, that would invite to send it twice: it leaves the
        queue as what it is, unproven, and the attempt tells what became of this try."""
        if claimed.unproven_at is not None:
            told = self._unproven_for_good(claimed)
            return outbox.Finish(
                **attempt, done=True, status=MessageStatus.UNPROVEN, spent=1, code=code, why=why, **told
            )
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
            unproven=claimed.unproven_at is not None,
        )

    async def _look_at(self, server: ServerId) -> None:
        """Have a server checked now rather than in its turn."""
        if time.monotonic() < self._looked_at.get(server, 0.0):
            return
        self._looked_at[server] = time.monotonic() + _LOOKED_AT_SECONDS
        async with self._runtime.db.work() as connection:
            await servers.check_soon(connection, server)

    async def _hold(self, claimed: outbox.Claimed, outcome: Limited, now: datetime) -> None:
        """Hold back what the provider limited beyond this message."""
        until = now + timedelta(seconds=min(outcome.after, _LONGEST_LIMIT))
        if outcome.scope == "instance":
            async with self._runtime.db.work() as connection:
                await lanes.hold(connection, claimed.company_id, claimed.instance_id, until)
        elif outcome.scope == "cold":
            await reaching.hold(self._runtime, claimed, after=outcome.after)

    def _passed_over(self, claimed: outbox.Claimed) -> outbox.Finish:
        """It is held with the other first contacts; the lane goes on at once with what is not."""
        return outbox.Finish(claimed=claimed, done=False, next_at=datetime.now(UTC), not_before=_MIN)

    async def _disconnected(self, claimed: outbox.Claimed, active: ConnectionView, outcome: NotConnected) -> None:
        """Believe the refusal over the last known state: park the instance's lanes and tell its company."""
        if outcome.status in SENDING:
            return
        try:
            async with self._runtime.db.work() as connection:
                await connections.change_status(
                    connection, self._runtime, claimed.company_id, active.id, outcome.status, outcome.why
                )
        except NotFound:
            log.info("connection_gone", connection_id=str(active.id), message_id=str(claimed.message_id))

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


def _to_fetch(claimed: outbox.Claimed) -> bool:
    """Whether its link is still to be fetched: then it was never sent."""
    return claimed.type in contents.MEDIA_KINDS and claimed.content.get("fetch", False)


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
_CANNOT_TELL = msgspec.UNSET

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
