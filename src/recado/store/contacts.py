"""Contacts, what providers call them (identities), and their conversations with instances."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from recado.domain import ids
from recado.domain.events import Party
from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId
from recado.store import db, queries

Q = queries.load("contacts")

_Identity = tuple[CompanyId, str, str]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A party that an instance talks with."""

    company_id: CompanyId
    instance_id: InstanceId
    party: Party


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the contact's own in our books: the first that was given for it."""

    contact_id: ContactId
    conversation_id: ConversationId
    name: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    value: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    id: ContactId
    kind: str
    name: str | None
    identities: list[Identity]
    created_at: datetime


async def resolve(connection: db.Connection, wanted: Sequence[Wanted]) -> list[Resolved]:
    """The contact and conversation of each, in the order given; made where they do not exist yet.

    A party with several identities attaches the unknown ones to the contact of its strongest known one. Safe in
    any number of transactions at once: rows are locked in one order, identities first, then conversations, then
    names, and whoever comes second takes what the first made. One statement when everything is known, at most four, and
    two more for the loser of a race.
    Raises `ValueError` for a party without any identity.
    """
    found = await _find(connection, [(w.company_id, w.instance_id, w.party) for w in wanted])
    await _attach(connection, found, [(w.company_id, w.party) for w in wanted])
    pairs = [(w.company_id, w.instance_id, found.contact_of(w.company_id, w.party)) for w in wanted]
    missing = sorted({pair for pair in pairs if pair not in found.conversations})
    if missing:
        rows = await connection.fetch(
            Q.upsert_conversations,
            [company_id for company_id, _, _ in missing],
            [ids.new() for _ in missing],
            [instance_id for _, instance_id, _ in missing],
            [contact_id for _, _, contact_id in missing],
        )
        for row in rows:
            key = (row["company_id"], row["instance_id"], row["contact_id"])
            found.conversations[key] = ConversationId(row["id"])
    await _name(connection, found, [(w.company_id, w.party) for w in wanted])
    return [
        Resolved(
            contact_id=pair[2], conversation_id=found.conversations[pair], name=found.names.get((pair[0], pair[2]))
        )
        for pair in pairs
    ]


async def identify(connection: db.Connection, parties: Sequence[tuple[CompanyId, Party]]) -> list[ContactId]:
    """The contact of each, made where it does not exist yet, without a conversation: who writes in a group.

    As safe as `resolve`, but the two must not follow one another in a transaction in the order identify, resolve.
    """
    found = await _find(connection, [(company_id, None, party) for company_id, party in parties])
    await _attach(connection, found, parties)
    await _name(connection, found, parties)
    return [found.contact_of(company_id, party) for company_id, party in parties]


async def page(
    connection: db.Connection,
    company_id: CompanyId,
    *,
    before: UUID | None,
    phone: str | None,
    name: str | None,
    instance_id: InstanceId | None,
    limit: int,
) -> list[Contact]:
    """Contacts made before `before`, the newest first."""
    rows = await connection.fetch(Q.list_contacts, company_id, before, phone, name, instance_id, limit)
    return [_contact(row) for row in rows]


async def get(
    connection: db.Connection, company_id: CompanyId, contact_id: ContactId, *, instance_id: InstanceId | None = None
) -> Contact | None:
    """One contact; with `instance_id`, only if that instance has a conversation with it."""
    row = await connection.fetchrow(Q.get_contact, company_id, contact_id, instance_id)
    return None if row is None else _contact(row)


async def identities(connection: db.Connection, company_id: CompanyId, contact_id: UUID) -> dict[str, str]:
    """Kind -> value of one contact, the newest of each kind; empty when there is no such contact."""
    rows = await connection.fetch(Q.list_identities, company_id, contact_id)
    return {row["kind"]: row["value"] for row in rows}


class _Found:
    """What is known of the parties of one call, filled step by step."""

    def __init__(self) -> None:
        self.identities: dict[_Identity, ContactId] = {}
        self.names: dict[tuple[CompanyId, ContactId], str | None] = {}
        self.conversations: dict[tuple[CompanyId, InstanceId, ContactId], ConversationId] = {}

    def contact_of(self, company_id: CompanyId, party: Party) -> ContactId:
        kind, value = party.identities()[0]
        return self.identities[company_id, kind, value]


async def _find(connection: db.Connection, wanted: Iterable[tuple[CompanyId, InstanceId | None, Party]]) -> _Found:
    asked: set[tuple[CompanyId, InstanceId | None, str, str]] = set()
    for company_id, instance_id, party in wanted:
        identities = party.identities()
        if not identities:
            raise ValueError("a party without phone, lid, bsuid, username or group cannot be a contact")
        for kind, value in identities:
            asked.add((company_id, instance_id, kind, value))
    found = _Found()
    if not asked:
        return found
    columns = [list(column) for column in zip(*asked, strict=True)]
    for row in await connection.fetch(Q.find_wanted, *columns):
        company_id, contact_id = CompanyId(row["company_id"]), ContactId(row["contact_id"])
        found.identities[company_id, row["kind"], row["value"]] = contact_id
        found.names[company_id, contact_id] = row["name"]
        if row["conversation_id"] is not None:
            key = (company_id, InstanceId(row["instance_id"]), contact_id)
            found.conversations[key] = ConversationId(row["conversation_id"])
    return found


async def _attach(connection: db.Connection, found: _Found, parties: Sequence[tuple[CompanyId, Party]]) -> None:
    """Make the contacts and identities that are missing in `found`."""
    made: dict[ContactId, tuple[CompanyId, str, str | None]] = {}
    added: list[_Identity] = []
    for company_id, party in parties:
        keys = [(company_id, kind, value) for kind, value in party.identities()]
        if all(key in found.identities for key in keys):
            continue
        contact_id = next((found.identities[key] for key in keys if key in found.identities), None)
        if contact_id is None:
            contact_id = ContactId(ids.new())
            made[contact_id] = (company_id, "group" if party.group else "person", party.name or None)
            found.names[company_id, contact_id] = party.name or None
        for key in keys:
            if key not in found.identities:
                found.identities[key] = contact_id
                added.append(key)
    if not added:
        return
    added.sort()
    rows = await connection.fetch(
        Q.upsert_identities,
        [company_id for company_id, _, _ in made.values()],
        list(made),
        [kind for _, kind, _ in made.values()],
        [name for _, _, name in made.values()],
        [company_id for company_id, _, _ in added],
        [kind for _, kind, _ in added],
        [value for _, _, value in added],
        [found.identities[key] for key in added],
    )
    lost = False
    for row in rows:
        key = (CompanyId(row["company_id"]), row["kind"], row["value"])
        if found.identities[key] != row["contact_id"]:
            lost = True
            found.identities[key] = ContactId(row["contact_id"])
    if lost:
        await _join_winners(connection, found, parties, made)


async def _join_winners(
    connection: db.Connection,
    found: _Found,
    parties: Sequence[tuple[CompanyId, Party]],
    made: dict[ContactId, tuple[CompanyId, str, str | None]],
) -> None:
    """Another transaction made some of these contacts first: what we added to ours goes to its contact."""
    moved: dict[_Identity, ContactId] = {}
    for company_id, party in parties:
        winner = found.contact_of(company_id, party)
        for kind, value in party.identities():
            key = (company_id, kind, value)
            if found.identities[key] in made and found.identities[key] != winner:
                found.identities[key] = moved[key] = winner
    if moved:
        columns = [list(column) for column in zip(*moved, strict=True)]
        await connection.execute(Q.move_identities, *columns, list(moved.values()))
    await connection.execute(Q.delete_unidentified, [company_id for company_id, _, _ in made.values()], list(made))


async def _name(connection: db.Connection, found: _Found, parties: Sequence[tuple[CompanyId, Party]]) -> None:
    """Names for the contacts that were known without one."""
    given: dict[tuple[CompanyId, ContactId], str] = {}
    for company_id, party in parties:
        if party.name:
            key = (company_id, found.contact_of(company_id, party))
            if key in found.names and found.names[key] is None:
                given[key] = party.name
    if given:
        found.names.update(given)
        await connection.execute(
            Q.name_contacts, [c for c, _ in given], [contact_id for _, contact_id in given], list(given.values())
        )


def _contact(row: asyncpg.Record) -> Contact:
    return Contact(
        id=ContactId(row["id"]),
        kind=row["kind"],
        name=row["name"],
        identities=msgspec.convert(row["identities"] or [], list[Identity]),
        created_at=row["created_at"],
    )
