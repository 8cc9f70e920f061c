"""What was seen before, and what is an echo: our own message, told back by the provider that we sent it through.

An echo may come before the sender has stored the id that the provider gave the message. Told apart by that id alone it
would become a second message. It is ours if it carries our own id, or if a message of that text to that contact is being
sent right now or waits for proof that it was; then it is that proof. Any other is somebody else's, who writes through
the same provider; so is one that carries an id which is not ours, whatever it says.

Where two connections serve one phone, both tell of everything. A message has one id for both; a change of one (an edit, a
deletion, a reaction) has often one of each provider's own, and is recognised by what it says.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from recado.domain import events, ids
from recado.domain.events import ProviderEvent
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.domain.states import MessageStatus
from recado.services import routing
from recado.services.routing import Item
from recado.store import db, provider_ids, receipts

#: How long after a message was accepted its echo is still looked for among those that nobody could prove.
_ECHO_WITHIN = timedelta(days=1)


async def find_known(connection: db.Connection, items: Sequence[Item]) -> dict[provider_ids.Key, MessageId]:
    """The messages that receipts, echoes, replies, edits and reactions speak of."""
    asked: set[provider_ids.Key] = set()
    for item in items:
        match item.event:
            case events.Receipt(provider_id=reference):
                asked.add((*item.place, reference))
            case events.Edited(target=reference) | events.Deleted(target=reference) | events.Reacted(target=reference):
                asked.add((*item.place, reference))
            case events.Received() as event:
                if event.reply_to:
                    asked.add((*item.place, event.reply_to))
                if event.from_me and event.by_api:
                    asked.add((*item.place, event.provider_id))
            case _:
                pass
    return await provider_ids.find(connection, asked)


async def drop(
    connection: db.Connection,
    items: Sequence[Item],
    known: dict[provider_ids.Key, MessageId],
    found: list[tuple[CompanyId, InstanceId, str, MessageId]],
) -> list[Item]:
    """The items seen for the first time; echoes of ours among them as receipts. New messages get their id.

    `known` learns the ids of new messages and of echoes, and `found` those whose receipts may have come before.
    """
    echoed = await _find_echoed(connection, items, known)
    echoed |= await _find_in_flight(connection, items, known, echoed)
    for item in items:
        _take_as_proof(item, echoed)
    _set_aside(items, known, echoed)
    seen: dict[provider_ids.Seen, MessageId | None] = {}
    first: dict[provider_ids.Seen, Item] = {}
    for item in items:
        keys = _seen(item)
        if not any(key in seen for key in keys):
            item.message_id = _new_message_id(item.event)
        for key in keys:
            seen.setdefault(key, item.message_id)
            first.setdefault(key, item)
    for (company_id, instance_id, provider_id), message_id in echoed.items():
        seen.setdefault((company_id, instance_id, "message", provider_id), message_id)
    new = await provider_ids.insert(connection, seen)
    kept = []
    for item in items:
        if all(key in new and first[key] is item for key in _seen(item)):
            kept.append(item)
            if item.message_id is not None and isinstance(item.event, events.Received):
                known[(*item.place, item.event.provider_id)] = item.message_id
                if item.event.from_me:
                    found.append((*item.place, item.event.provider_id, item.message_id))
    for key_, message_id in echoed.items():
        known[key_] = message_id
        found.append((*key_, message_id))
    return kept


def _seen(item: Item) -> tuple[provider_ids.Seen, ...]:
    """What makes an event a repeat, each by itself. A receipt is one by its own table."""
    match item.event:
        case events.Receipt():
            return ()
        case events.Received(provider_id=provider_id):
            return ((*item.place, "message", provider_id),)
        case events.Reacted(key=key) as event:
            return ((*item.place, "reaction", key), (*item.place, "change", _change(event)))
        case (events.Edited(key=key) | events.Deleted(key=key)) as event:
            return ((*item.place, "event", key), (*item.place, "change", _change(event)))
        case other:
            return ((*item.place, "event", other.key),)


def _change(event: events.Edited | events.Deleted | events.Reacted) -> str:
    """A change of a message by what it says. A message is deleted once; the same edit or reaction may come again later,
    after another one, so the second in which it was made is part of it."""
    said: list[Any] = [event.type]
    match event:
        case events.Edited():
            said += [int(event.at.timestamp()), event.content]
        case events.Reacted():
            # In a chat of two, ours or theirs says who; providers may call them otherwise.
            who = event.sender.identities()[:1] if event.chat.group else []
            said += [int(event.at.timestamp()), event.emoji, event.from_me, who]
        case events.Deleted():
            pass
    return f"{event.target}:{hashlib.sha256(msgspec.json.encode(said, order='deterministic')).hexdigest()}"


def _new_message_id(event: ProviderEvent) -> MessageId | None:
    return MessageId(ids.new()) if isinstance(event, events.Received) else None


def _set_aside(
    items: Sequence[Item], known: dict[provider_ids.Key, MessageId], echoed: dict[provider_ids.Key, MessageId]
) -> None:
    """Make what belongs to no chat `unknown`, before it counts as seen: a replay of its webhook then finds it new."""
    placed = {
        (*item.place, item.event.provider_id)
        for item in items
        if isinstance(item.event, events.Received) and item.event.chat.identities()
    }
    for item in items:
        event = item.event
        if not isinstance(event, routing.Talk) or event.chat.identities():
            continue
        if (
            isinstance(event, events.Received)
            or (*item.place, event.target) not in known.keys() | echoed.keys() | placed
        ):
            routing.set_aside(item, event)


# --- echoes -------------------------------------------------------------------------------------------


async def _find_echoed(
    connection: db.Connection, items: Sequence[Item], known: dict[provider_ids.Key, MessageId]
) -> dict[provider_ids.Key, MessageId]:
    """Messages of ours that receipts and echoes name by our own id, before their provider's id is known."""
    claimed: dict[provider_ids.Key, MessageId] = {}
    for item in items:
        event = item.event
        if not isinstance(event, events.Receipt) and not _is_echo(event):
            continue
        assert isinstance(event, events.Receipt | events.Received)
        if event.message_id and (*item.place, event.provider_id) not in known:
            try:
                claimed[(*item.place, event.provider_id)] = MessageId(UUID(event.message_id))
            except ValueError:
                continue
    own = await receipts.find_own(connection, {(key[0], key[1], message_id) for key, message_id in claimed.items()})
    return {key: message_id for key, message_id in claimed.items() if (key[0], key[1], message_id) in own}


async def _find_in_flight(
    connection: db.Connection,
    items: Sequence[Item],
    known: dict[provider_ids.Key, MessageId],
    echoed: dict[provider_ids.Key, MessageId],
) -> dict[provider_ids.Key, MessageId]:
    """Messages of ours that are being sent, or wait for proof, which echoes repeat word for word. To the other connections of
    an instance what one of them sends was typed on some device."""
    asked = {
        place: (item, item.event)
        for place, item in enumerate(items)
        if isinstance(item.event, events.Received)
        and item.event.from_me
        and not item.event.message_id
        and (*item.place, item.event.provider_id) not in known.keys() | echoed.keys()
    }
    candidates = await receipts.find_in_flight(
        connection,
        [
            receipts.Echo(
                place=place,
                company_id=item.route.company_id,
                instance_id=item.route.instance_id,
                kind=kind,
                value=value,
            )
            for place, (item, event) in asked.items()
            for kind, value in event.chat.identities()
        ],
        since=ids.lowest(datetime.now(UTC) - _ECHO_WITHIN),
    )
    matched: dict[provider_ids.Key, MessageId] = {}
    for place, (item, event) in asked.items():
        key = (*item.place, event.provider_id)
        for sending in candidates.get(place, ()):
            if key in matched or sending.id in matched.values():
                continue
            if (event.by_api or sending.elsewhere) and _repeats(event, sending):
                matched[key] = sending.id
    return matched


def _is_echo(event: ProviderEvent) -> bool:
    """Whether it is a message that was sent through the provider's API."""
    return isinstance(event, events.Received) and event.from_me and event.by_api


def _repeats(event: events.Received, sending: receipts.InFlight) -> bool:
    """Whether they are of one kind and, where there is one, of one text. What a provider sends as text is echoed as
    text, whatever kind it was."""
    told, ours = _body(event.content), _body(sending.content)
    if event.kind == sending.type and event.kind != "text":
        return told is None or ours is None or told == ours
    return told is not None and told == ours


def _body(content: Any) -> str | None:
    body = (content.get("body") or content.get("caption")) if isinstance(content, dict) else None
    return body.strip() if isinstance(body, str) else None


def _take_as_proof(item: Item, echoed: dict[provider_ids.Key, MessageId]) -> None:
    """Make the echo of one of our messages what it is: the news that it was sent."""
    event = item.event
    if isinstance(event, events.Received) and event.from_me and (*item.place, event.provider_id) in echoed:
        item.event = events.Receipt(
            type="message.sent",
            key=event.key,
            at=event.at,
            account=event.account,
            provider_id=event.provider_id,
            state=MessageStatus.SENT,
        )
