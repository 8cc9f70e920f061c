"""What came in and whose it is: a raw webhook is read by its adapter, and each event finds its connection."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from recado.domain import events, ids
from recado.domain.events import ProviderEvent
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.services.runtime import Runtime
from recado.store import contacts, db, inbox
from recado.store.events import NewEvent

#: Events that are about an earlier message, and all that belong to a chat.
About = events.Edited | events.Deleted | events.Reacted
Talk = events.Received | About

#: The longest error that is kept with a raw webhook.
LONGEST_ERROR = 1_000

#: A NUL in a JSON string, which PostgreSQL cannot store: an escape that is not itself escaped.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class Result(msgspec.Struct):
    """What reading and routing made of one raw webhook."""

    events: int = 0
    errors: list[str] = []
    told: list[NewEvent] = []

    def fail(self, reason: str) -> None:
        """Keep a reason with the raw webhook, each once."""
        if reason not in self.errors:
            self.errors.append(reason)


class Item(msgspec.Struct):
    """One event on its way to rows."""

    raw: inbox.Waiting
    route: inbox.Route
    event: ProviderEvent
    #: What becomes of the raw webhook that it came in.
    result: Result
    #: The message that a `Received` becomes, or that another event is about.
    message_id: MessageId | None = None
    chat: contacts.Resolved | None = None
    told: NewEvent | None = None

    @property
    def place(self) -> tuple[CompanyId, InstanceId]:
        return (self.route.company_id, self.route.instance_id)


def read(runtime: Runtime, raw: inbox.Waiting, result: Result) -> list[ProviderEvent]:
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
        result.errors = [f"It cannot be read: {type(error).__name__}: {error}"[:LONGEST_ERROR].replace("\x00", "�")]
        return []
    result.events = len(found)
    return found


async def route(
    connection: db.Connection,
    raws: Sequence[inbox.Waiting],
    read: Sequence[list[ProviderEvent]],
    results: Sequence[Result],
) -> list[Item]:
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
            result.told += unknown(raw, own, reason, None)
        for event in found:
            target = _target(raw, own, event, by_account)
            if isinstance(target, inbox.Route):
                items.append(Item(raw=raw, route=target, event=event, result=result))
                continue
            result.fail(target)
            result.told += unknown(raw, own, target, event)
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


def unknown(raw: inbox.Waiting, own: inbox.Route | None, reason: str, event: ProviderEvent | None) -> list[NewEvent]:
    """The event that tells a company of what could not be understood. A shared server's has nobody to be told."""
    if raw.company_id == ids.PLATFORM:
        return []
    data: dict[str, Any] = {"reason": reason, "raw_webhook_id": raw.id, "kind": raw.kind}
    if event is not None:
        data |= {"type": event.type, "account": event.account}
    return [
        NewEvent(company_id=raw.company_id, type="unknown", data=data, instance_id=own.instance_id if own else None)
    ]


_NOBODY = "It names nobody: no phone, id or group of the chat, and no message that is known."


def set_aside(item: Item, event: Talk) -> None:
    """Make an event that belongs to no chat `unknown`; its raw webhook stays with the error."""
    item.result.fail(_NOBODY)
    item.event = events.Noticed(
        type="unknown",
        key=f"unknown:{event.key}",
        at=event.at,
        data={"reason": _NOBODY, "kind": item.raw.kind, "type": event.type, "account": event.account},
    )
