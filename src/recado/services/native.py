"""The built-in engine as its adapter needs it (`Commands`): sessions and commands in PostgreSQL, which engine processes
hold and carry out (`workers/native.py`). Nothing here needs neonize."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

import asyncpg
import msgspec

from recado.domain import ids
from recado.domain.ids import CompanyId, MessageId
from recado.domain.provider import Connection, ConnectionState
from recado.domain.states import ConnectionStatus
from recado.kit.signals import Signals, Waiter
from recado.providers.native import adapter
from recado.store import db, native
from recado.telemetry import metrics

#: The signals that numbers are wanted otherwise, that there are commands, and that an engine answered. All of them come
#: from the database.
TOPIC, COMMANDS, REPLIES = "native", "native_commands", "native_replies"

#: An engine that was not seen for so many seconds is dead.
SEEN_WITHIN = 30.0
#: A command that no engine begins in this time is taken back.
BEGUN_WITHIN = 8.0
#: How long `open` waits for a code or a connection.
OPENED_WITHIN = 25.0
#: Notifications can be lost with the line they come by; then answers are found at this pace.
_LOOK_EVERY = 1.0
_NO_ENGINE = "No engine process holds the number: run `recado serve`, or `recado worker --roles native`."


class Commands:
    """`adapter.Engine` on the database. The times, in seconds, are for tests."""

    def __init__(
        self,
        database: db.Database,
        signals: Signals,
        *,
        begun_within: float = BEGUN_WITHIN,
        opened_within: float = OPENED_WITHIN,
        seen_within: float = SEEN_WITHIN,
    ) -> None:
        self._db = database
        self._signals = signals
        self._begun_within = begun_within
        self._opened_within = opened_within
        self._seen_within = seen_within
        self._pending: dict[UUID, _Waiting] = {}
        self._collecting: asyncio.Task[None] | None = None

    async def open(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Ask for the number to be held, and wait until it shows a code, stands, or fails."""
        waiter = self._signals.waiter(REPLIES)
        digits = "".join(filter(str.isdigit, phone)) if phone else None
        try:
            await native.want(self._db.worker, connection.company_id, connection.id, method=method, pair_phone=digits)
            await native.wake(self._db.worker, TOPIC)
            if not await self._engine_comes(waiter):
                raise adapter.NotHeld(_NO_ENGINE, ConnectionStatus.DISCONNECTED)
            ends = time.monotonic() + self._opened_within
            while True:
                session = await native.session(self._db.worker, connection.company_id, connection.id)
                if session is not None and session.status != ConnectionStatus.CONNECTING:
                    return state_of(session)
                if session is not None and session.reason == "passkey":
                    return state_of(session)
                left = ends - time.monotonic()
                if left <= 0:
                    return ConnectionState(status=ConnectionStatus.CONNECTING)
                await waiter.wait(min(left, _LOOK_EVERY))
        except db.AWAY as error:
            _away(error)

    async def _engine_comes(self, waiter: Waiter) -> bool:
        """Whether an engine is there, or comes: a process that serves starts one once it is wanted."""
        ends = time.monotonic() + self._begun_within
        while (await native.engines(self._db.worker, seen_within=self._seen_within)).engines == 0:
            if time.monotonic() > ends:
                return False
            await waiter.wait(0.2)
        return True

    async def state(self, connection: Connection) -> ConnectionState:
        """How the number stands. One that no process holds is not connected, whatever was told last."""
        try:
            session = await native.session(self._db.worker, connection.company_id, connection.id)
        except db.AWAY as error:
            _away(error)
        return ConnectionState(status=ConnectionStatus.CREATED) if session is None else state_of(session)

    async def close(self, connection: Connection, *, logout: bool) -> None:
        """Ask for the number to be let go of, and wait until it is, or until the engine had its time for it."""
        waiter = self._signals.waiter(REPLIES)
        ends = time.monotonic() + self._begun_within
        try:
            await native.unwant(self._db.worker, connection.company_id, connection.id, logout=logout)
            await native.wake(self._db.worker, TOPIC)
            while time.monotonic() < ends:
                session = await native.session(self._db.worker, connection.company_id, connection.id)
                if session is None or not session.owned:
                    return
                await waiter.wait(0.2)
        except db.AWAY as error:
            _away(error)

    async def call(
        self,
        connection: Connection,
        operation: str,
        request: Mapping[str, Any],
        *,
        timeout: float,
        message_id: MessageId | None = None,
        payload: bytes | None = None,
    ) -> adapter.Reply:
        """Offer a command to whoever holds the number, and wait for the answer."""
        begun_within = min(self._begun_within, timeout / 2)
        command = native.NewCommand(
            company_id=connection.company_id,
            id=ids.new(),
            connection_id=connection.id,
            message_id=message_id,
            operation=operation,
            request=dict(request),
            payload=payload,
            secret=secrets.token_bytes(32) if message_id is not None else None,
            deadline=begun_within,
        )
        try:
            offered = await native.offer(self._db.worker, command)
        except db.AWAY as error:
            _away(error)
        if offered is None or not offered.owned:
            status = ConnectionStatus.DISCONNECTED if offered is None else _unheld(offered.status)
            reason = f" ({offered.reason})" if offered is not None and offered.reason else ""
            raise adapter.NotHeld(f"{_NO_ENGINE[:-1]}{reason}.", status)
        if offered.id is None:
            raise adapter.NoAnswer("The same message is being handed over by another process.")
        waiting = _Waiting(company_id=connection.company_id, keep=message_id is not None)
        return await self._answer(waiting, offered.id, timeout=timeout, begun_within=begun_within)

    async def sent(self, connection: Connection, message_id: MessageId, *, timeout: float) -> adapter.Reply | None:
        """The record of a message; where its engine died at it, whatsmeow's own record."""
        try:
            found = await native.sent(self._db.worker, connection.company_id, connection.id, message_id)
            if found is None or (
                not found.begun and await native.withdraw(self._db.worker, connection.company_id, found.id)
            ):
                return None
        except db.AWAY as error:
            _away(error)
        if found.reply is not None and found.reply.get("outcome") != "unknown":
            return msgspec.convert(found.reply, adapter.Reply)
        settled = await self.call(connection, "settle", {"message_id": str(message_id)}, timeout=timeout)
        return None if settled.outcome == "done" else settled

    async def engines(self) -> adapter.Engines:
        """The engine processes that were seen lately, noted for the metrics too."""
        try:
            found = await native.engines(self._db.worker, seen_within=self._seen_within)
        except db.AWAY as error:
            _away(error)
        for state, numbers in (("wanted", found.wanted), ("held", found.held), ("capacity", found.capacity)):
            metrics.native_numbers.labels(state).set(numbers)
        return adapter.Engines(
            engines=found.engines,
            version=found.version,
            wanted=found.wanted,
            held=found.held,
            capacity=found.capacity,
        )

    # --- answers --------------------------------------------------------------------------------------------

    async def _answer(self, waiting: "_Waiting", id: UUID, *, timeout: float, begun_within: float) -> adapter.Reply:
        company_id, future = waiting.company_id, waiting.reply
        self._pending[id] = waiting
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.create_task(self._collect(), name="native-replies")
        try:
            # The deadline is the database's; a moment later no engine begins the command any more.
            first, _ = await asyncio.wait({future}, timeout=begun_within + 0.2)
            if not first:
                try:
                    if await native.withdraw(self._db.worker, company_id, id):
                        raise adapter.NotBegun("The engine is too busy to begin.")
                except db.AWAY as error:
                    _away(error)
                await asyncio.wait({future}, timeout=max(timeout - begun_within, 0.1))
            if not future.done():
                raise adapter.NoAnswer("The engine began, and did not answer in time.")
            return future.result()
        finally:
            self._pending.pop(id, None)

    async def _collect(self) -> None:
        """Fetch the answers of all who wait, until nobody does."""
        waiter = self._signals.waiter(REPLIES)
        while self._pending:
            try:
                await self._fetch()
            except (*db.AWAY, asyncpg.PostgresError):
                # Whoever waits ends by their own time; the database may be back before.
                await asyncio.sleep(0.2)
                continue
            if self._pending:
                await waiter.wait(_LOOK_EVERY)

    async def _fetch(self) -> None:
        asked = [(waiting.company_id, id) for id, waiting in self._pending.items()]
        read = []
        for id, (reply, payload) in (await native.replies(self._db.worker, asked)).items():
            waiting = self._pending.pop(id, None)
            if waiting is None or waiting.reply.done():
                continue
            answer = msgspec.convert(reply, adapter.Reply)
            waiting.reply.set_result(msgspec.structs.replace(answer, payload=payload))
            if not waiting.keep:
                read.append((waiting.company_id, id))
        if read:
            await native.forget(self._db.worker, read)


class _Waiting:
    """Who waits for an answer; `keep` where the command is the record of a message."""

    def __init__(self, *, company_id: CompanyId, keep: bool) -> None:
        self.company_id = company_id
        self.keep = keep
        self.reply: asyncio.Future[adapter.Reply] = asyncio.get_running_loop().create_future()


def state_of(session: native.Session) -> ConnectionState:
    """A session as the provider contract has it."""
    status = session.status
    if not session.owned and status in (ConnectionStatus.CONNECTED, ConnectionStatus.DEGRADED, ConnectionStatus.QR):
        status = ConnectionStatus.CONNECTING if session.wanted else ConnectionStatus.DISCONNECTED
    showing = status == ConnectionStatus.QR
    return ConnectionState(
        status=status,
        reason=session.reason,
        phone=session.phone,
        qr=session.qr if showing else None,
        pairing_code=session.pairing_code if showing else None,
        expires_at=session.expires_at if showing else None,
        details=session.details,
    )


def _unheld(status: ConnectionStatus) -> ConnectionStatus:
    """What the number is while nobody holds it: as told last, but not connected."""
    telling = (ConnectionStatus.BANNED, ConnectionStatus.LOGGED_OUT, ConnectionStatus.CREATED)
    return status if status in telling else ConnectionStatus.DISCONNECTED


def _away(error: BaseException) -> NoReturn:
    raise adapter.NoAnswer(f"The engine's database is away ({type(error).__name__}).") from error
