"""The sandbox's WhatsApp on the database: the visit of an account (`providers.sandbox.world.World`)."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from recado.domain import phones
from recado.domain.ids import CompanyId, ConnectionId
from recado.domain.provider import Connection
from recado.domain.states import ConnectionStatus
from recado.providers.sandbox import people, things, world
from recado.providers.sandbox.things import Thing
from recado.store import db, sandbox, sandbox_things

T = TypeVar("T", bound=Thing)


class Visit:
    """`World` within a transaction. `told` says whether webhooks were scheduled."""

    def __init__(
        self, transaction: db.Connection, company_id: CompanyId, connection_id: ConnectionId, number: str, at: datetime
    ) -> None:
        self.number = number
        self.at = at
        self.told = False
        self._transaction = transaction
        self._company_id = company_id
        self._connection_id = connection_id

    async def get(self, shape: type[T], id: str, *, of: str | None = None) -> T | None:
        """A thing."""
        found = await sandbox_things.get(self._transaction, self._company_id, self._owner(shape, of), shape.kind, id)
        return None if found is None else msgspec.convert(found, shape)

    async def find(
        self, shape: type[T], contains: Mapping[str, Any] | None = None, *, of: str | None = None
    ) -> dict[str, T]:
        """Things."""
        owner, wanted = self._owner(shape, of), dict(contains or {})
        found = await sandbox_things.find(self._transaction, self._company_id, owner, shape.kind, wanted)
        return {id: msgspec.convert(data, shape) for id, data in found.items()}

    async def put(self, id: str, thing: Thing) -> None:
        """Keep a thing."""
        data, owner = msgspec.to_builtins(thing), self._owner(type(thing))
        await sandbox_things.put(self._transaction, self._company_id, owner, thing.kind, id, data)

    async def drop(self, shape: type[Thing], id: str) -> None:
        """Forget a thing."""
        await sandbox_things.drop(self._transaction, self._company_id, self._owner(shape), shape.kind, id)

    async def known(self, numbers: Sequence[str]) -> Mapping[str, bool]:
        """Described phones, accounts, and who wrote."""
        return await sandbox_things.numbers(self._transaction, self._company_id, self._connection_id, numbers)

    async def talks(self, chat: str | None = None) -> list[world.Talk]:
        """What was exchanged."""
        found = await sandbox_things.talks(self._transaction, self._company_id, self.number, chat)
        return [msgspec.convert(msgspec.structs.asdict(talk), world.Talk) for talk in found]

    async def read(self, chat: str) -> None:
        """Every message of a chat."""
        await sandbox_things.read(self._transaction, self._company_id, self.number, chat, at=self.at)

    async def is_on(self, number: str) -> bool:
        """A phone says so itself, an account by its presence."""
        if (await self.known([number])).get(number):
            return (await world.account(self, number)).available
        return (await sandbox.phone(self._transaction, self._company_id, number)).connected

    async def watchers(self) -> list[str]:
        """Who asked."""
        return await sandbox_things.owners(self._transaction, self._company_id, things.Watched.kind, self.number)

    async def tell(self, numbers: Sequence[str], notice: world.Notice, *, wait: bool = True) -> None:
        """Schedule a webhook for each connection of the accounts among the numbers."""
        for line in await sandbox_things.lines(self._transaction, self._company_id, numbers):
            if line.connected or wait:
                job = sandbox.NewJob(
                    company_id=self._company_id,
                    connection_id=line.connection_id,
                    event="notice",
                    payload=msgspec.to_builtins(notice),
                    due_at=self.at if line.connected else None,
                )
                await sandbox.schedule(self._transaction, job)
                self.told = True

    def _owner(self, shape: type[Thing], of: str | None = None) -> str:
        return "" if shape.shared else of or self.number


@contextlib.asynccontextmanager
async def visit(database: db.Database, connection: Connection, *, changing: bool, at: datetime) -> AsyncIterator[Visit]:
    """A visit of a connection's account, by the adapter. Raises `world.Offline`."""
    async with database.work() as transaction:
        if changing:
            await sandbox.lock(transaction, connection.company_id)
        session = await sandbox.session(transaction, connection.company_id, connection.id)
        if session is None or session.status != ConnectionStatus.CONNECTED or session.phone is None:
            raise world.Offline("The instance is not connected to the sandbox.")
        yield Visit(transaction, connection.company_id, connection.id, session.phone, at)


async def has_blocked(visit: Visit, number: str) -> bool:
    """Whether the account blocked a phone, with or without its ninth digit."""
    forms = [form for form in (number, phones.other_form(number)) if form is not None]
    return any([await visit.get(things.Blocked, form) is not None for form in forms])


async def tell_watchers(
    transaction: db.Connection, company_id: CompanyId, number: str, available: bool, *, at: datetime
) -> None:
    """A phone went on or off: the instances that watch it are told."""
    watchers = await sandbox_things.owners(transaction, company_id, things.Watched.kind, number)
    visit = Visit(transaction, company_id, ConnectionId(UUID(int=0)), number, at)
    await visit.tell(watchers, people.presence(number, available), wait=False)
