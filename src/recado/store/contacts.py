"""Contacts, what providers call them (identities), and their conversations with instances."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from recado.domain import ids
from recado.domain.events import Party
from recado.domain.ids import CompanyId, ContactId, ConversationId, InstanceId, MessageId
from recado.store import db, queries

Q = queries.load("contacts")

_Identity = tuple[CompanyId, str, str]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A party that an instance talks with."""

    company_id: CompanyId
    instance_id: InstanceId
    party: Party


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody told that these identities, (kind, value) each, are of one person."""

    company_id: CompanyId
    identities: tuple[tuple[str, str], ...]
    name: str | None = None


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


class Divided(Exception):
    """Identities were told to be of one person, and lead to several contacts, or to somebody else's.

    Nothing was written. The caller ends its transaction, has them united (`services/merging.py`), and begins again.
    """

    def __init__(self, proofs: Sequence[Proof]) -> None:
        super().__init__(f"{len(proofs)} people have several contacts each")
        self.proofs = list(proofs)


async def resolve(
    connection: db.Connection,
    wanted: Sequence[Wanted],
    members: Sequence[tuple[CompanyId, Party]] = (),
    *,
    lenient: bool = False,
) -> list[Resolved]:
    """The contact and conversation of each, in the order given; made where they do not exist yet.

    `members` become contacts without a conversation: who writes in a group. A party with several identities attaches
    the unknown ones to the contact of its known ones. One statement when everything is known, at most seven.
    Safe in any number of transactions at once, if each calls it once: what makes contacts excludes what merges them,
    rows are locked in one order, identities first, then conversations, then names, and whoever comes second takes what
    the first made. Raises `Divided`, unless `lenient`: then a party's strongest identity decides. Raises `ValueError`
    for a party without any identity.
    """
    asked: list[tuple[CompanyId, InstanceId | None, Party]] = [(w.company_id, w.instance_id, w.party) for w in wanted]
    asked += [(company_id, None, party) for company_id, party in members]
    parties = [(company_id, party) for company_id, _, party in asked]
    found = await _find(connection, asked)
    if not lenient:
        found.check(parties)
    if not found.has_all(wanted, parties):
        await connection.execute(Q.share, sorted({_lock_key(company_id) for company_id, _ in parties}))
        found = await _find(connection, asked)
        if not lenient:
            found.check(parties)
            await _check_lids(connection, found, parties)
        await _attach(connection, found, parties)
        if not lenient:
            # Others may have made two contacts of one party meanwhile, each knowing one half of it.
            found.check(parties)
        await _converse(connection, found, wanted)
        await _name(connection, found, parties)
    return [found.resolved(w) for w in wanted]


async def places(
    connection: db.Connection, messages: Collection[tuple[CompanyId, MessageId]]
) -> dict[tuple[CompanyId, MessageId], tuple[Resolved, Party]]:
    """The conversation and contact of each of these messages that exists, and what the contact is called."""
    if not messages:
        return {}
    columns = [list(column) for column in zip(*messages, strict=True)]
    return {
        (row["company_id"], row["id"]): (
            Resolved(contact_id=row["contact_id"], conversation_id=row["conversation_id"], name=row["name"]),
            Party(**(row["identities"] or {}), name=row["name"]),
        )
        for row in await connection.fetch(Q.find_places, *columns)
    }


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
    """One contact, by its id or that of one merged into it; with `instance_id`, only if that instance has a
    conversation with it."""
    row = await connection.fetchrow(Q.get_contact, company_id, contact_id, instance_id)
    return None if row is None else _contact(row)


async def identities(connection: db.Connection, company_id: CompanyId, contact_id: UUID) -> dict[str, str]:
    """Kind -> value of one contact, by its id or that of one merged into it; empty when there is no such contact.

    Of several of a kind the newest, and of several phones the one that WhatsApp writes.
    """
    rows = await connection.fetch(Q.list_identities, company_id, contact_id)
    return {row["kind"]: row["value"] for row in rows}


# --- uniting --------------------------------------------------------------------------------------------------


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A contact that has one of the identities asked for, and all that it is called."""

    id: ContactId
    kind: str
    name: str | None
    created_at: datetime
    identities: frozenset[tuple[str, str]]

    def known_as(self, kind: str) -> set[str]:
        """Its identities of a kind."""
        return {value for given, value in self.identities if given == kind}


async def hold(connection: db.Connection, company_id: CompanyId) -> None:
    """Keep every other transaction from making or merging contacts of a company until this one ends.

    Call it before anything else in a transaction.
    """
    await connection.execute(Q.hold, _lock_key(company_id))


async def holders(
    connection: db.Connection, company_id: CompanyId, identities: Sequence[tuple[str, str]]
) -> list[Holder]:
    """The contacts that have any of these identities, the oldest first."""
    rows = await connection.fetch(
        Q.find_holders, company_id, [kind for kind, _ in identities], [value for _, value in identities]
    )
    named: dict[ContactId, set[tuple[str, str]]] = {}
    for row in rows:
        named.setdefault(ContactId(row["contact_id"]), set()).add((row["kind"], row["value"]))
    made = {
        row["contact_id"]: Holder(
            id=ContactId(row["contact_id"]),
            kind=row["contact_kind"],
            name=row["name"],
            created_at=row["created_at"],
            identities=frozenset(named[ContactId(row["contact_id"])]),
        )
        for row in rows
    }
    return sorted(made.values(), key=lambda holder: (holder.created_at, holder.id))


async def give(
    connection: db.Connection,
    company_id: CompanyId,
    contact_id: ContactId,
    identities: Sequence[tuple[str, str]],
    *,
    make: bool = False,
    name: str | None = None,
) -> None:
    """Let identities lead to a contact, whoever had them; with `make` it is a new one. Under `hold`."""
    if make:
        await connection.execute(Q.insert_contact, company_id, contact_id, name)
    await connection.execute(
        Q.give_identities, company_id, contact_id, [kind for kind, _ in identities], [value for _, value in identities]
    )


async def inherit(
    connection: db.Connection, company_id: CompanyId, survivor: ContactId, merged: Sequence[Holder]
) -> None:
    """Give a contact the identities and, where it has none, the name of others, and end them: their ids stay valid.

    Under `hold`, and after their conversations were merged.
    """
    gone = [holder.id for holder in merged]
    await connection.execute(Q.inherit_identities, company_id, survivor, gone)
    name = next((holder.name for holder in merged if holder.name), None)
    await connection.execute(Q.inherit_name, company_id, survivor, name)
    await connection.execute(Q.alias_contacts, company_id, survivor, gone)
    await connection.execute(Q.delete_contacts, company_id, gone)


async def survivor(connection: db.Connection, company_id: CompanyId, contact_id: ContactId) -> ContactId:
    """What a contact's id leads to: itself, unless it was merged into another."""
    return ContactId(await connection.fetchval(Q.get_survivor, company_id, contact_id))


async def moved_since(connection: db.Connection, at: datetime) -> set[tuple[CompanyId, str]]:
    """The identities, by their values, that lead to another contact since a time: merged, or given to somebody else."""
    return {(row["company_id"], row["value"]) for row in await connection.fetch(Q.list_moved, at)}


# --- resolving ------------------------------------------------------------------------------------------------


class _Found:
    """What is known of the parties of one call, filled step by step."""

    def __init__(self) -> None:
        self.identities: dict[_Identity, ContactId] = {}
        self.names: dict[tuple[CompanyId, ContactId], str | None] = {}
        self.conversations: dict[tuple[CompanyId, InstanceId, ContactId], ConversationId] = {}

    def contact_of(self, company_id: CompanyId, party: Party) -> ContactId:
        kind, value = party.identities()[0]
        return self.identities[company_id, kind, value]

    def check(self, parties: Sequence[tuple[CompanyId, Party]]) -> None:
        """Raise `Divided` for the parties whose identities lead to more than one contact."""
        divided = []
        for company_id, party in parties:
            identities = party.identities()
            leads = {self.identities.get((company_id, kind, value)) for kind, value in identities} - {None}
            if len(leads) > 1:
                divided.append(Proof(company_id=company_id, identities=tuple(identities), name=party.name))
        if divided:
            raise Divided(divided)

    def has_all(self, wanted: Sequence[Wanted], parties: Sequence[tuple[CompanyId, Party]]) -> bool:
        """Whether nothing has to be made."""
        for company_id, party in parties:
            if any((company_id, kind, value) not in self.identities for kind, value in party.identities()):
                return False
            if party.name and self.names[company_id, self.contact_of(company_id, party)] is None:
                return False
        return all(
            (w.company_id, w.instance_id, self.contact_of(w.company_id, w.party)) in self.conversations for w in wanted
        )

    def resolved(self, wanted: Wanted) -> Resolved:
        contact_id = self.contact_of(wanted.company_id, wanted.party)
        return Resolved(
            contact_id=contact_id,
            conversation_id=self.conversations[wanted.company_id, wanted.instance_id, contact_id],
            name=self.names.get((wanted.company_id, contact_id)),
        )


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


async def _check_lids(connection: db.Connection, found: _Found, parties: Sequence[tuple[CompanyId, Party]]) -> None:
    """Raise `Divided` for parties with a new LID whose phone leads to somebody who has another one.

    A person has one LID for life, and a phone number is given to somebody else some day.
    """
    suspects: dict[tuple[CompanyId, ContactId], Proof] = {}
    for company_id, party in parties:
        identities = party.identities()
        known = next(
            (found.identities[company_id, k, v] for k, v in identities if (company_id, k, v) in found.identities), None
        )
        if party.lid and known is not None and (company_id, "lid", party.lid) not in found.identities:
            suspects[company_id, known] = Proof(company_id=company_id, identities=tuple(identities), name=party.name)
    if not suspects:
        return
    rows = await connection.fetch(
        Q.find_lids, [company_id for company_id, _ in suspects], [contact_id for _, contact_id in suspects]
    )
    divided = {(row["company_id"], row["contact_id"]) for row in rows}
    if divided:
        raise Divided([proof for key, proof in suspects.items() if key in divided])


async def _converse(connection: db.Connection, found: _Found, wanted: Sequence[Wanted]) -> None:
    """Make the conversations that are missing in `found`."""
    pairs = {(w.company_id, w.instance_id, found.contact_of(w.company_id, w.party)) for w in wanted}
    missing = sorted(pairs - found.conversations.keys())
    if not missing:
        return
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


async def _attach(connection: db.Connection, found: _Found, parties: Sequence[tuple[CompanyId, Party]]) -> None:
    """Make the contacts and identities that are missing in `found`."""
    made: dict[ContactId, tuple[CompanyId, str, str | None]] = {}
    added: list[_Identity] = []
    # Who is known by most comes first, so that the others of the call find a contact that knows all of it.
    for company_id, party in sorted(parties, key=lambda one: -len(one[1].identities())):
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


def _lock_key(company_id: CompanyId) -> int:
    """The advisory lock of a company's contacts: 31 bits of its id. Two that share one wait for each other, no more."""
    return company_id.int & 0x7FFFFFFF
