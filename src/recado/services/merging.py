"""Uniting: what was told to be one person becomes one contact.

A webhook that names a phone and a LID, or a provider that answers with the number as WhatsApp writes it, proves that
identities belong together. Where each had a contact, the older one survives and takes over identities, conversations and
messages; the other's id goes on leading to it, and the event `contact.merged` tells of it.

A LID is for life, a phone number is not: one that comes with another LID than before was given to somebody else, and
moves to that person without anything being merged. A username, which people change at will, merges nobody who has
another identity.
"""

import functools
from collections.abc import Sequence
from typing import Any

import structlog

from recado.domain import ids
from recado.domain.ids import CompanyId, ContactId
from recado.services.runtime import Runtime
from recado.store import cold, contacts, conversations, db, events
from recado.store.contacts import Holder, Proof
from recado.store.events import NewEvent

log = structlog.get_logger(__name__)

#: The surest first: whose contact decides when identities contradict one another.
_SUREST = ("group", "lid", "bsuid", "phone", "username")


async def unite(runtime: Runtime, proofs: Sequence[Proof], *, make: bool = False) -> None:
    """Make each proof's identities lead to one contact, in a transaction of its own each.

    A proof of which nothing is known changes nothing unless `make`, and one that is known whole costs a single look.
    """
    released = False
    for proof in proofs:
        async with runtime.db.worker.acquire() as connection:
            found = await contacts.holders(connection, proof.company_id, proof.identities)
        if (not found and not make) or (len(found) == 1 and found[0].identities.issuperset(proof.identities)):
            continue
        changed = await db.retrying(functools.partial(_alone, runtime, proof))
        # The conversations are one by now; their waiting messages need a look at the lanes, which are locked before
        # messages everywhere else.
        if changed:
            async with runtime.db.work() as connection:
                released |= await cold.warm(connection, [(proof.company_id, one) for one in changed])
    if released:
        runtime.signals.set("lanes")
    runtime.signals.set("deliveries")


async def _alone(runtime: Runtime, proof: Proof) -> list[ids.ConversationId]:
    async with runtime.db.work() as connection:
        await contacts.hold(connection, proof.company_id)
        return await _unite(connection, proof)


async def _unite(connection: db.Connection, proof: Proof) -> list[ids.ConversationId]:
    """Unite in this transaction; the conversations that became one."""
    found = await contacts.holders(connection, proof.company_id, proof.identities)
    joining = _joining(found, proof)
    if not joining:
        # All that was known of them is somebody else's by now, or nothing was.
        made = ContactId(ids.new())
        await contacts.give(connection, proof.company_id, made, proof.identities, make=True, name=proof.name)
        return []
    survivor, *merged = joining
    changed = await conversations.merge(connection, proof.company_id, survivor.id, [gone.id for gone in merged])
    if merged:
        await contacts.inherit(connection, proof.company_id, survivor.id, merged)
    await contacts.give(connection, proof.company_id, survivor.id, proof.identities)
    await _tell(connection, proof.company_id, survivor.id, merged)
    return [kept for kept, folded in changed if folded]


def _joining(found: Sequence[Holder], proof: Proof) -> list[Holder]:
    """Those of the contacts that are the person, the oldest first. The others lose the identities told here."""
    lids = {value for kind, value in proof.identities if kind == "lid"}
    mine = [holder for holder in found if not _contradicts(holder.known_as("lid"), lids)]
    if not mine:
        return []
    anchor = min(mine, key=lambda holder: _rank(holder, proof))
    lids = lids or anchor.known_as("lid")
    return [
        holder
        for holder in mine
        if holder is anchor
        or (not _contradicts(holder.known_as("lid"), lids) and not _is_only_a_username(holder, proof))
    ]


def _rank(holder: Holder, proof: Proof) -> int:
    """How sure the surest identity is by which the proof leads to a contact."""
    return min(_SUREST.index(kind) for kind, value in proof.identities if (kind, value) in holder.identities)


def _contradicts(one: set[str], other: set[str]) -> bool:
    return bool(one) and bool(other) and not one & other


def _is_only_a_username(holder: Holder, proof: Proof) -> bool:
    """Whether the proof leads to a contact by a username alone, while that contact has more to be known by."""
    return _SUREST[_rank(holder, proof)] == "username" and any(kind != "username" for kind, _ in holder.identities)


async def _tell(
    connection: db.Connection, company_id: CompanyId, survivor: ContactId, merged: Sequence[Holder]
) -> None:
    """One event for each contact that ended. Last in the transaction: it locks delivery lanes."""
    if not merged:
        return
    shown = await contacts.get(connection, company_id, survivor)
    assert shown is not None, "it was just merged into"
    contact: dict[str, Any] = {
        "id": shown.id,
        "kind": shown.kind,
        "name": shown.name,
        "identities": [{"kind": one.kind, "value": one.value} for one in shown.identities],
    }
    await events.insert(
        connection,
        [
            NewEvent(company_id=company_id, type="contact.merged", data={"contact": contact, "merged": gone.id})
            for gone in merged
        ],
    )
    log.info("contacts_merged", company_id=company_id, contact_id=survivor, merged=[gone.id for gone in merged])
