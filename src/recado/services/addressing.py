"""Whom a message goes to, as WhatsApp writes it: asked when it is sent, never guessed.

A Brazilian mobile is on WhatsApp with or without its ninth digit, as it was registered. The provider is asked once
and the answer kept: a month if the number is there, an hour if not. Where no provider can answer, the number goes as
it was given. What a provider says also proves whose numbers these are: both forms then lead to one contact.
"""

from asyncio import timeout
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from recado.domain import operations, phones
from recado.domain.ids import CompanyId
from recado.domain.provider import CallFailed, Connection, Refused
from recado.services import merging
from recado.services.runtime import Runtime
from recado.store import canonical_phones, db, refusals
from recado.store.contacts import Proof

log = structlog.get_logger(__name__)

_KEPT = timedelta(days=30)
_ABSENCE_KEPT = timedelta(hours=1)
#: Nobody waits for an answer longer than this; the number then goes as it was given.
_LONGEST = 5.0


async def resolve(runtime: Runtime, connection: Connection, address: str) -> str | Refused:
    """The address to send to: as it was given, or as WhatsApp writes it. `Refused` when it is not on WhatsApp."""
    other = phones.other_form(address)
    # Where nobody can be asked there is nothing to look up either: Meta finds the form by itself.
    if other is None or not _can_ask(runtime, connection):
        return address
    company_id, now = connection.company_id, datetime.now(UTC)
    async with runtime.db.worker.acquire() as database:
        known = await canonical_phones.get(database, company_id, address)
    if known is not None and now - known.checked_at < (_KEPT if known.canonical else _ABSENCE_KEPT):
        return known.canonical or _absent(address)
    found = await _ask(runtime, connection, [address, other])
    if found is None:
        return address
    canonical = _canonical(found, address, other)
    async with runtime.db.work() as database:
        await canonical_phones.put(database, company_id, {address: canonical, other: canonical}, at=now)
    if canonical is None:
        return _absent(address)
    lid = next((one.lid for one in found if one.exists and one.lid), None)
    named = [("phone", address), ("phone", other)] + ([("lid", lid)] if lid else [])
    await merging.unite(runtime, [Proof(company_id=company_id, identities=tuple(named))])
    return canonical


async def learn(runtime: Runtime, company_id: CompanyId, address: str, recipient: str | None) -> None:
    """A provider took a message to `address` and said that it goes to `recipient`: they are one person's.

    Never raises for the database: the message was sent, and the next one teaches the same.
    """
    told, asked = phones.identity(recipient or ""), phones.identity(address)
    if told is None or asked is None or told == asked:
        return
    try:
        await merging.unite(runtime, [Proof(company_id=company_id, identities=(asked, told))])
    except (*db.AWAY, refusals.Undone) as error:
        log.warning("recipient_not_learnt", why=type(error).__name__)


def _can_ask(runtime: Runtime, connection: Connection) -> bool:
    return "check_numbers" in operations.operations(runtime.providers[connection.server.kind])


async def _ask(runtime: Runtime, connection: Connection, numbers: list[str]) -> list[operations.Checked] | None:
    """What the provider says of both forms; None when it cannot tell."""
    adapter: Any = runtime.providers[connection.server.kind]
    try:
        async with timeout(_LONGEST):
            found: list[operations.Checked] = await adapter.check_numbers(connection, phones=numbers)
    except (CallFailed, TimeoutError) as error:
        log.info("number_not_checked", kind=connection.server.kind, why=str(error) or type(error).__name__)
        return None
    return found


def _canonical(found: list[operations.Checked], *forms: str) -> str | None:
    """The form that exists, the one asked for first; as the provider writes it, if that is one of the two."""
    answers = {one.phone: one for one in found if one.exists}
    for form in forms:
        if form in answers:
            canonical = answers[form].canonical
            return canonical if canonical in forms else form
    return None


def _absent(address: str) -> Refused:
    return Refused(code="not_on_whatsapp", why=f"{address} is not on WhatsApp, with or without its ninth digit.")
