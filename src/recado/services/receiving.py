"""Receiving: provider webhooks become messages, receipts, media to fetch and events (DESIGN 6).

`work` processes a batch of raw webhooks in one transaction with a fixed number of statements, however many events
they hold. Raw webhooks of one source are processed in order and by one process at a time. What cannot be read or
routed stays in the log with its error, to be replayed.
"""

import collections
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado.domain import events, ids
from recado.domain.events import Party, ProviderEvent
from recado.domain.ids import CompanyId, ConversationId, InstanceId, MediaId, MessageId
from recado.domain.provider import ConnectionState
from recado.domain.states import MessageStatus
from recado.services import connections
from recado.services.runtime import Runtime
from recado.store import (
    contacts,
    conversations,
    db,
    inbox,
    media,
    provider_ids,
    raw_webhooks,
    receipts,
    received,
)
from recado.store import events as event_log
from recado.store.events import NewEvent
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: One batch: enough to share a commit, little enough to keep the event loop responsive.
_BATCH = 128
_BATCH_BYTES = 8_000_000
_LONGEST_ERROR = 1_000

#: A NUL in a JSON string, which PostgreSQL cannot store: an escape that is not itself escaped.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

#: What a row's own data causes. Everything else the database says is about the database, and passes.
_DATA_ERRORS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class Done(msgspec.Struct, kw_only=True):
    """What `work` did, and what should happen next.

    blocked    there was work, and other processes are at it
    deferred   receipts wait for a sender's transaction to end: sweep soon
    found      provider ids learned here whose receipts may have come before: settle them
    after      the source to go on behind
    """

    webhooks: int = 0
    events: int = 0
    media: int = 0
    blocked: bool = False
    deferred: bool = False
    released: bool = False
    found: list[tuple[CompanyId, InstanceId, str, MessageId]] = []
    after: UUID = inbox.START


class _Item(msgspec.Struct):
    """One event on its way to rows."""

    raw: inbox.Waiting
    route: inbox.Route
    event: ProviderEvent
    #: The message that a `Received` becomes, or that another event is about.
    message_id: MessageId | None = None
    chat: contacts.Resolved | None = None
    told: NewEvent | None = None

    @property
    def place(self) -> tuple[CompanyId, InstanceId]:
        return (self.route.company_id, self.route.instance_id)


class _Result(msgspec.Struct):
    """What reading and routing made of one raw webhook."""

    events: int = 0
    errors: list[str] = []
    told: list[NewEvent] = []


async def work(runtime: Runtime, *, after: UUID = inbox.START) -> Done:
    """Process the oldest raw webhooks of sources that no other process works on, of those after `after` first.

    A webhook whose data the database refuses ends with its error and stops no other. Raises only for what is not a
    webhook's fault; then nothing was changed.
    """
    async with runtime.db.worker.acquire() as connection:
        wanted = await inbox.sources(connection, limit=_BATCH, after=after)
        if not wanted and after != inbox.START:
            after = inbox.START
            wanted = await inbox.sources(connection, limit=_BATCH)
        if not wanted:
            return Done()
        # Where there are more sources than a batch takes, the next one goes on behind these.
        following = wanted[-1] if len(wanted) == _BATCH else inbox.START

        async def together() -> Done:
            async with connection.transaction():
                raws = await _take(connection, wanted)
                return await _process(runtime, connection, raws) if raws else Done(blocked=True)

        async def one_by_one() -> Done:
            async with connection.transaction():
                return await _one_by_one(runtime, connection, await _take(connection, wanted))

        try:
            done = await db.retrying(together)
        except Exception as error:
            if not _is_about_data(error, connection):
                raise
            log.warning("inbound_batch_refused", why=type(error).__name__)
            done = await db.retrying(one_by_one)
    done.after = following
    _wake(runtime, done)
    return done


async def settle(runtime: Runtime, done: Done) -> None:
    """Apply receipts that came before the provider ids that `done` learned."""
    if not done.found:
        return
    async with runtime.db.work() as connection:
        released = await receipts.settle(connection, done.found)
    runtime.signals.set("deliveries")
    if released:
        runtime.signals.set("lanes")


async def sweep(runtime: Runtime, *, since: datetime) -> bool:
    """Apply early receipts that nobody else applied; return whether there may be more."""
    async with runtime.db.work() as connection:
        count, released = await receipts.sweep(connection, since=since)
    if count:
        runtime.signals.set("deliveries")
    if released:
        runtime.signals.set("lanes")
    return count >= receipts.SWEEP_BATCH


# --- taking a batch -----------------------------------------------------------------------------------


async def _take(connection: db.Connection, wanted: Sequence[UUID]) -> list[inbox.Waiting]:
    locked = await inbox.lock(connection, wanted)
    if not locked:
        return []
    raws = await inbox.fetch(connection, locked, limit=_BATCH, most_bytes=_BATCH_BYTES)
    if not raws:
        await inbox.drop_orphans(connection, locked)
    return raws


async def _one_by_one(runtime: Runtime, connection: db.Connection, raws: Sequence[inbox.Waiting]) -> Done:
    """Each webhook in a savepoint of its own, so that the one at fault is found and kept with its error."""
    total = Done()
    refused: list[NewEvent] = []
    for raw in raws:
        try:
            async with connection.transaction():
                done = await _process(runtime, connection, [raw])
        except Exception as error:
            if not _is_about_data(error, connection):
                raise
            why = f"The database refused it: {error}"[:_LONGEST_ERROR].replace("\x00", "�")
            await raw_webhooks.finish(connection, [_finished(raw, _Result(errors=[why]))])
            metrics.provider_webhooks.labels(kind=raw.kind, result="unreadable").inc()
            refused += _unknown(raw, None, why, None)
            done = Done(webhooks=1)
        total.webhooks += done.webhooks
        total.events += done.events
        total.media += done.media
        total.deferred |= done.deferred
        total.released |= done.released
        total.found += done.found
    await event_log.insert(connection, refused)
    return total


def _is_about_data(error: Exception, connection: db.Connection) -> bool:
    """Whether a webhook's data is at fault, as opposed to the database or the line to it."""
    if isinstance(error, _DATA_ERRORS):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return not connection.is_closed()
    return not isinstance(error, (asyncpg.PostgresError, *db.AWAY))


def _wake(runtime: Runtime, done: Done) -> None:
    if done.events or done.webhooks:
        runtime.signals.set("deliveries")
    if done.media:
        runtime.signals.set("media")
    if done.released:
        runtime.signals.set("lanes")


# --- one batch ----------------------------------------------------------------------------------------


async def _process(runtime: Runtime, connection: db.Connection, raws: Sequence[inbox.Waiting]) -> Done:
    results = [_Result() for _ in raws]
    read = [_read(runtime, raw, result) for raw, result in zip(raws, results, strict=True)]
    items = await _route(connection, raws, read, results)
    done = Done(webhooks=len(raws), events=len(items))

    known = await _find_known(connection, items)
    items = await _drop_repeats(connection, items, known, done)
    await _resolve(connection, items)
    await _store_messages(connection, items, known, done)
    await _store_receipts(connection, items, known, done)
    await _amend(connection, items)
    _tell_others(items)
    for item in items:
        if isinstance(item.event, events.ConnectionChanged):
            done.released |= await _change_connection(runtime, connection, item, item.event)

    await raw_webhooks.finish(connection, [_finished(raw, result) for raw, result in zip(raws, results, strict=True)])
    told = [event for result in results for event in result.told]
    told += [item.told for item in items if item.told is not None]
    await event_log.insert(connection, told)
    _count(raws, results, items)
    return done


def _read(runtime: Runtime, raw: inbox.Waiting, result: _Result) -> list[ProviderEvent]:
    """The events of one body. Whatever an adapter raises for it is the body's error."""
    provider = runtime.providers.get(raw.kind)
    if provider is None:
        result.errors = [f"There is no adapter for {raw.kind}."]
        return []
    body = raw.body
    if b"\\u0000" in body:
        body = _NUL.sub(rb"\1\\ufffd", body)
    try:
        found = provider.read(body)
    except Exception as error:  # noqa: BLE001  # Any failure to read is kept with the body, and replayed once fixed.
        result.errors = [f"It cannot be read: {type(error).__name__}: {error}"[:_LONGEST_ERROR].replace("\x00", "�")]
        return []
    result.events = len(found)
    return found


async def _route(
    connection: db.Connection,
    raws: Sequence[inbox.Waiting],
    read: Sequence[list[ProviderEvent]],
    results: Sequence[_Result],
) -> list[_Item]:
    """Each event with the connection it belongs to. What belongs to none is an error of its raw webhook."""
    asked = {(raw.company_id, raw.connection_id) for raw in raws if raw.connection_id is not None}
    accounts = {
        (raw.kind, event.account)
        for raw, found in zip(raws, read, strict=True)
        for event in found
        if event.account is not None
    }
    routes = await inbox.routes(connection, asked, accounts)
    by_id = {(route.company_id, route.id): route for route in routes}
    by_account: dict[tuple[str, str | None], list[inbox.Route]] = {}
    for route in routes:
        by_account.setdefault((route.kind, route.account), []).append(route)

    items = []
    for raw, found, result in zip(raws, read, results, strict=True):
        own = by_id.get((raw.company_id, raw.connection_id)) if raw.connection_id is not None else None
        for reason in result.errors:
            result.told += _unknown(raw, own, reason, None)
        for event in found:
            target = _target(raw, own, event, by_account)
            if isinstance(target, inbox.Route):
                items.append(_Item(raw=raw, route=target, event=event))
                continue
            if target not in result.errors:
                result.errors.append(target)
            result.told += _unknown(raw, own, target, event)
    return items


def _target(
    raw: inbox.Waiting,
    own: inbox.Route | None,
    event: ProviderEvent,
    by_account: dict[tuple[str, str | None], list[inbox.Route]],
) -> inbox.Route | str:
    """The connection an event belongs to, or why there is none.

    What comes by a connection's own address can only belong to its company: the sender holds that company's secret
    and nobody else's. What comes by a server's address can belong to every connection on that server. Any company can
    write any account into an instance of its own, so where several have it, only what their provider says counts.
    """
    if raw.connection_id is not None:
        if own is None:
            return "The connection that it came by was removed."
        if event.account is None or own.account is None or event.account == own.account:
            return own
        same = [route for route in by_account.get((raw.kind, event.account), ()) if route.company_id == own.company_id]
    else:
        if event.account is None:
            return "It names no account, and the address it came by is shared by several."
        same = [
            route
            for route in by_account.get((raw.kind, event.account), ())
            if route.server_id == raw.server_id and raw.company_id in (ids.PLATFORM, route.company_id)
        ]
        if len({route.company_id for route in same}) > 1:
            same = [route for route in same if route.proven]
            if len({route.company_id for route in same}) != 1:
                return f"Several companies have the account {event.account}, and it is not clear whose it is."
    return same[0] if same else f"No connection has the account {event.account}."


def _unknown(raw: inbox.Waiting, own: inbox.Route | None, reason: str, event: ProviderEvent | None) -> list[NewEvent]:
    """The event that tells a company of what could not be understood. A shared server's has nobody to be told."""
    if raw.company_id == ids.PLATFORM:
        return []
    data: dict[str, Any] = {"reason": reason, "raw_webhook_id": raw.id, "kind": raw.kind}
    if event is not None:
        data |= {"type": event.type, "account": event.account}
    return [
        NewEvent(company_id=raw.company_id, type="unknown", data=data, instance_id=own.instance_id if own else None)
    ]


async def _find_known(connection: db.Connection, items: Sequence[_Item]) -> dict[provider_ids.Key, MessageId]:
    """The messages that receipts, replies, edits and reactions speak of."""
    asked: set[provider_ids.Key] = set()
    for item in items:
        match item.event:
            case events.Receipt(provider_id=reference):
                asked.add((*item.place, reference))
            case events.Received(reply_to=str(reference)):
                asked.add((*item.place, reference))
            case events.Edited(target=reference) | events.Deleted(target=reference) | events.Reacted(target=reference):
                asked.add((*item.place, reference))
            case _:
                pass
    return await provider_ids.find(connection, asked)


async def _drop_repeats(
    connection: db.Connection, items: Sequence[_Item], known: dict[provider_ids.Key, MessageId], done: Done
) -> list[_Item]:
    """The items seen for the first time. New messages get their id; `known` learns them, and ids that were echoed."""
    echoed = await _find_echoed(connection, items, known)
    seen: dict[provider_ids.Seen, MessageId | None] = {}
    first: dict[provider_ids.Seen, _Item] = {}
    for item in items:
        key = _seen(item)
        if key is not None and key not in seen:
            seen[key] = item.message_id = _new_message_id(item.event)
            first[key] = item
    for (company_id, instance_id, provider_id), message_id in echoed.items():
        seen.setdefault((company_id, instance_id, "message", provider_id), message_id)
    new = await provider_ids.insert(connection, seen)
    kept = []
    for item in items:
        key = _seen(item)
        if key is None or (key in new and first[key] is item):
            kept.append(item)
            if item.message_id is not None and isinstance(item.event, events.Received):
                known[(*item.place, item.event.provider_id)] = item.message_id
                if item.event.from_me:
                    done.found.append((*item.place, item.event.provider_id, item.message_id))
    for key_, message_id in echoed.items():
        known[key_] = message_id
        done.found.append((*key_, message_id))
    return kept


async def _find_echoed(
    connection: db.Connection, items: Sequence[_Item], known: dict[provider_ids.Key, MessageId]
) -> dict[provider_ids.Key, MessageId]:
    """Messages of ours that receipts name by our own id, before their provider's id is known."""
    claimed: dict[provider_ids.Key, MessageId] = {}
    for item in items:
        event = item.event
        if isinstance(event, events.Receipt) and event.message_id and (*item.place, event.provider_id) not in known:
            try:
                claimed[(*item.place, event.provider_id)] = MessageId(UUID(event.message_id))
            except ValueError:
                continue
    own = await receipts.find_own(connection, {(key[0], key[1], message_id) for key, message_id in claimed.items()})
    return {key: message_id for key, message_id in claimed.items() if (key[0], key[1], message_id) in own}


def _seen(item: _Item) -> provider_ids.Seen | None:
    """What makes an event a repeat. A receipt is one by its own table."""
    match item.event:
        case events.Receipt():
            return None
        case events.Received(provider_id=provider_id):
            return (*item.place, "message", provider_id)
        case events.Reacted(key=key):
            return (*item.place, "reaction", key)
        case other:
            return (*item.place, "event", other.key)


def _new_message_id(event: ProviderEvent) -> MessageId | None:
    return MessageId(ids.new()) if isinstance(event, events.Received) else None


# --- messages -----------------------------------------------------------------------------------------


async def _resolve(connection: db.Connection, items: Sequence[_Item]) -> None:
    """The contact and conversation of every chat; who writes in a group becomes a contact too."""
    talking = [
        (item, item.event)
        for item in items
        if isinstance(item.event, events.Received | events.Edited | events.Deleted | events.Reacted)
    ]
    if not talking:
        return
    resolved = await contacts.resolve(
        connection,
        [
            contacts.Wanted(company_id=item.route.company_id, instance_id=item.route.instance_id, party=event.chat)
            for item, event in talking
        ],
    )
    for (item, _), chat in zip(talking, resolved, strict=True):
        item.chat = chat
    members = [
        (item.route.company_id, event.sender)
        for item, event in talking
        if event.chat.group and event.sender.identities() and event.sender.group != event.chat.group
    ]
    if members:
        await contacts.identify(connection, members)


async def _store_messages(
    connection: db.Connection, items: Sequence[_Item], known: dict[provider_ids.Key, MessageId], done: Done
) -> None:
    rows: list[received.NewMessage] = []
    files: list[media.Pending] = []
    noted: dict[tuple[CompanyId, ConversationId], conversations.Noted] = {}
    now = datetime.now(UTC)
    for item in items:
        event = item.event
        if not isinstance(event, events.Received) or item.chat is None or item.message_id is None:
            continue
        content = event.content
        if event.media is not None and isinstance(content, dict):
            media_id = MediaId(ids.new())
            content = {**content, "media_id": str(media_id)}
            files.append(
                media.Pending(
                    company_id=item.route.company_id,
                    id=media_id,
                    message_id=item.message_id,
                    connection_id=item.route.id,
                    ref=event.media.ref,
                    mime_type=event.media.mime_type,
                    filename=event.media.filename,
                    size=event.media.size,
                )
            )
        quoted = known.get((*item.place, event.reply_to)) if event.reply_to else None
        reply_to = str(quoted) if quoted else event.reply_to
        metadata = _metadata(event)
        rows.append(
            received.NewMessage(
                company_id=item.route.company_id,
                id=item.message_id,
                instance_id=item.route.instance_id,
                conversation_id=item.chat.conversation_id,
                contact_id=item.chat.contact_id,
                direction="outbound" if event.from_me else "inbound",
                status=MessageStatus.SENT.value if event.from_me else MessageStatus.RECEIVED.value,
                type=event.kind,
                address=event.chat.identities()[0][1],
                content=content,
                reply_to=reply_to,
                provider_id=event.provider_id,
                metadata=metadata or None,
                provider_at=event.at,
            )
        )
        _note(noted, item, event, min(event.at, now))
        item.told = _message_event(item, event, content, reply_to, metadata)
    await received.insert(connection, rows)
    await media.insert_pending(connection, files)
    await conversations.note(connection, list(noted.values()))
    done.media = len(files)


def _metadata(event: events.Received) -> dict[str, Any]:
    """What is kept of a message beside its content."""
    metadata: dict[str, Any] = {}
    if event.forwarded:
        metadata["forwarded"] = True
    if event.from_me:
        metadata["source"] = "device"
    if event.chat.group:
        metadata["sender"] = msgspec.to_builtins(event.sender)
    if event.extra:
        metadata["extra"] = event.extra
    return metadata


def _note(
    noted: dict[tuple[CompanyId, ConversationId], conversations.Noted],
    item: _Item,
    event: events.Received,
    at: datetime,
) -> None:
    """Add a message to what changes in its conversation."""
    assert item.chat is not None
    key = (item.route.company_id, item.chat.conversation_id)
    old = noted.get(key)
    last_message_at = at if old is None else max(old.last_message_at, at)
    last_received_at = old.last_received_at if old else None
    last_received_id = old.last_received_id if old else None
    unread = old.unread if old else 0
    if not event.from_me:
        unread += 1
        if last_received_at is None or at >= last_received_at:
            last_received_at, last_received_id = at, event.provider_id
    noted[key] = conversations.Noted(
        company_id=key[0],
        id=key[1],
        last_message_at=last_message_at,
        last_received_at=last_received_at,
        last_received_id=last_received_id,
        unread=unread,
    )


def _message_event(
    item: _Item, event: events.Received, content: Any, reply_to: str | None, metadata: dict[str, Any]
) -> NewEvent:
    assert item.chat is not None
    message: dict[str, Any] = {
        "id": item.message_id,
        "conversation_id": item.chat.conversation_id,
        "contact": _contact(item.chat, event.chat),
        "direction": "outbound" if event.from_me else "inbound",
        "status": "sent" if event.from_me else "received",
        "type": event.kind,
        "content": content,
        "provider_id": event.provider_id,
        "reply_to": reply_to,
        "at": event.at,
        **metadata,
    }
    if event.from_me:
        message["to"] = event.chat.identities()[0][1]
    data: dict[str, Any] = {"message": message}
    if event.from_me:
        data["source"] = "device"
    return NewEvent(
        company_id=item.route.company_id,
        type=event.type,
        data=data,
        instance_id=item.route.instance_id,
        conversation_id=item.chat.conversation_id,
        message_id=item.message_id,
        at=event.at,
    )


def _contact(chat: contacts.Resolved, party: Party) -> dict[str, Any]:
    """A contact in an event: our id, what the provider calls it, the name it gave or else the one in our books."""
    return {"id": chat.contact_id, "phone": None, **dict(party.identities()), "name": party.name or chat.name}


# --- what is about earlier messages -------------------------------------------------------------------


async def _store_receipts(
    connection: db.Connection, items: Sequence[_Item], known: dict[provider_ids.Key, MessageId], done: Done
) -> None:
    about: list[tuple[_Item, receipts.Receipt]] = []
    for item in items:
        event = item.event
        if not isinstance(event, events.Receipt):
            continue
        error = None
        if event.code is not None or event.why is not None:
            error = {"code": event.code or "unknown", "why": event.why or ""}
        about.append(
            (
                item,
                receipts.Receipt(
                    company_id=item.route.company_id,
                    instance_id=item.route.instance_id,
                    provider_id=event.provider_id,
                    state=event.state,
                    at=event.at,
                    recipient=event.recipient or "",
                    message_id=known.get((*item.place, event.provider_id)),
                    error=error,
                    raw_webhook_id=item.raw.id,
                ),
            )
        )
    recorded = await receipts.record(connection, [receipt for _, receipt in about])
    for (item, _), told in zip(about, recorded.events, strict=True):
        item.told = told
    done.deferred |= recorded.deferred
    done.released |= recorded.released


async def _amend(connection: db.Connection, items: Sequence[_Item]) -> None:
    """Edits and deletions of messages that we have; each also becomes an event."""
    # The messages of this batch are rows by now, so one look finds all targets.
    about = [
        (item, item.event) for item in items if isinstance(item.event, events.Edited | events.Deleted | events.Reacted)
    ]
    if not about:
        return
    found = await provider_ids.find(connection, {(*item.place, event.target) for item, event in about})
    changes: dict[tuple[CompanyId, MessageId], received.Amendment] = {}
    for item, event in about:
        item.message_id = found.get((*item.place, event.target))
        item.told = _about_event(item, event)
        if item.message_id is None or isinstance(event, events.Reacted):
            continue
        key = (item.route.company_id, item.message_id)
        before = changes.get(key)
        edited = isinstance(event, events.Edited)
        changes[key] = received.Amendment(
            company_id=key[0],
            id=key[1],
            content=event.content if isinstance(event, events.Edited) else before.content if before else None,
            metadata={
                **(before.metadata if before else {}),
                "edited_at" if edited else "deleted_at": event.at.isoformat(),
            },
        )
    await received.amend(connection, list(changes.values()))


def _about_event(item: _Item, event: events.Edited | events.Deleted | events.Reacted) -> NewEvent:
    assert item.chat is not None
    told: dict[str, Any] = {
        "conversation_id": item.chat.conversation_id,
        "contact": _contact(item.chat, event.chat),
        "sender": msgspec.to_builtins(event.sender),
        "provider_id": event.target,
        "at": event.at,
    }
    match event:
        case events.Edited():
            data = {"message": {"id": item.message_id, "type": event.kind, "content": event.content, **told}}
        case events.Deleted():
            data = {"message": {"id": item.message_id, **told}}
        case events.Reacted():
            data = {"reaction": {"emoji": event.emoji, "message_id": item.message_id, "from_me": event.from_me, **told}}
    return NewEvent(
        company_id=item.route.company_id,
        type=event.type,
        data=data,
        instance_id=item.route.instance_id,
        conversation_id=item.chat.conversation_id,
        message_id=item.message_id,
        at=event.at,
    )


# --- everything else ----------------------------------------------------------------------------------


def _tell_others(items: Sequence[_Item]) -> None:
    for item in items:
        event = item.event
        if not isinstance(event, events.Noticed):
            continue
        data = dict(event.data)
        if event.party is not None:
            data["party"] = msgspec.to_builtins(event.party)
        if event.type == "unknown":
            data["raw_webhook_id"] = item.raw.id
        item.told = NewEvent(
            company_id=item.route.company_id,
            type=event.type,
            data=data,
            instance_id=item.route.instance_id,
            at=event.at,
        )


async def _change_connection(
    runtime: Runtime, connection: db.Connection, item: _Item, event: events.ConnectionChanged
) -> bool:
    state = ConnectionState(status=event.status, reason=event.reason, phone=event.phone, qr=event.qr)
    return await connections.change_status(connection, runtime, item.route.company_id, item.route.id, state)


def _finished(raw: inbox.Waiting, result: _Result) -> raw_webhooks.Finished:
    return raw_webhooks.Finished(
        sequence=raw.sequence,
        company_id=raw.company_id,
        id=raw.id,
        events=result.events,
        error=" ".join(result.errors)[:_LONGEST_ERROR] or None,
    )


def _count(raws: Sequence[inbox.Waiting], results: Sequence[_Result], items: Sequence[_Item]) -> None:
    now = datetime.now(UTC)
    outcomes = collections.Counter(
        (raw.kind, "unreadable" if result.errors and not result.events else "processed")
        for raw, result in zip(raws, results, strict=True)
    )
    for (kind, outcome), count in outcomes.items():
        metrics.provider_webhooks.labels(kind=kind, result=outcome).inc(count)
    for raw in raws:
        metrics.inbound_latency.observe(max(0.0, (now - raw.received_at).total_seconds()))
    for (kind, type_), count in collections.Counter((item.raw.kind, item.event.type) for item in items).items():
        metrics.inbound_events.labels(kind=kind, type=type_).inc(count)
