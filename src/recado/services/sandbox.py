"""The sandbox as its adapter needs it (`Phones`), and instances' sessions on it: pairing, cut lines, bans.

Whatever the sandbox tells an instance becomes a scheduled webhook (`workers/sandbox.py`), never a direct call. How
phones are driven is in `services/sandbox_phones.py`.
"""

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.errors import Conflict, NotFound, invalid
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId
from recado.domain.provider import Connection, ConnectionState
from recado.domain.states import ConnectionStatus
from recado.kit.signals import Signals
from recado.providers.sandbox import adapter, things, webhooks, world
from recado.services import connections, sandbox_world
from recado.services.runtime import Runtime
from recado.store import db, sandbox, sandbox_things

PAIRING_SECONDS = 60
#: The signal that something was scheduled. Without it, as between processes, it is found within half a second.
TOPIC = "sandbox"

#: Without I and O, which people take for digits.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


# --- what the adapter works with ------------------------------------------------------------------------


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except db.AWAY as error:
        raise world.Unreachable(f"The sandbox's database is away ({type(error).__name__}).") from error


class Phones:
    """`adapter.SandboxPhones` on the database. What it schedules is signalled as `sandbox`. `clock` is for tests."""

    def __init__(self, database: db.Database, signals: Signals, *, clock: Callable[[], datetime] = now) -> None:
        self._db = database
        self._signals = signals
        self._now = clock

    async def take(self, connection: Connection, handed: adapter.Handed) -> adapter.Taken:
        """Hand a message to its phone in one statement."""
        parcel = sandbox.Parcel(
            company_id=connection.company_id,
            connection_id=connection.id,
            instance_id=connection.instance_id,
            message_id=handed.message_id,
            number=handed.number,
            type=handed.type,
            content=handed.content,
            reply_to=handed.reply_to,
            media=handed.media,
            at=self._now(),
            fail_roll=handed.fail_roll,
            lost_roll=handed.lost_roll,
            reply_id=ids.new(),
        )
        with _reaching():
            arrival = await sandbox.receive(self._db.worker, parcel)
        self._signals.set(TOPIC)
        return adapter.Taken(
            verdict=arrival.verdict,
            status=arrival.status,
            reason=arrival.reason,
            code=arrival.code,
            after=arrival.after,
            answer_lost=arrival.answer_lost,
        )

    async def has(self, connection: Connection, message_id: MessageId) -> bool:
        """Whether a phone was handed this message."""
        with _reaching():
            return await sandbox.has_message(self._db.worker, connection.company_id, message_id)

    async def begin(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Resume a paired session, or show a new code. The caller is told; no webhook repeats it."""
        at = self._now()
        with _reaching():
            async with self._db.work() as transaction:
                await sandbox.lock(transaction, connection.company_id)
                session = await sandbox.session(transaction, connection.company_id, connection.id) or _blank(connection)
                if session.status not in (ConnectionStatus.CONNECTED, ConnectionStatus.BANNED):
                    await sandbox.forget_changes(transaction, session.company_id, session.connection_id)
                    if session.paired:
                        session = await _open(transaction, session, at)
                    else:
                        session = await _show_code(transaction, session, method=method, phone=phone, at=at)
        return state_of(session, at)

    async def state(self, connection: Connection) -> ConnectionState:
        """How the session stands."""
        with _reaching():
            session = await sandbox.session(self._db.worker, connection.company_id, connection.id)
        return state_of(session or _blank(connection), self._now())

    async def end(self, connection: Connection) -> None:
        """Log out. What phones still send waits for a new pairing."""
        with _reaching():
            async with self._db.work() as transaction:
                await sandbox.lock(transaction, connection.company_id)
                session = await sandbox.session(transaction, connection.company_id, connection.id)
                if session is None:
                    return
                await sandbox.forget_changes(transaction, session.company_id, session.connection_id)
                if session.status != ConnectionStatus.BANNED:
                    await _close(transaction, session, ConnectionStatus.DISCONNECTED, "logged_out", self._now())

    async def mark_read(self, connection: Connection, *, number: str, up_to: UUID) -> None:
        """Show a phone that what it wrote was read."""
        with _reaching():
            await sandbox.mark_read(
                self._db.worker, connection.company_id, connection.id, number=number, up_to=up_to, at=self._now()
            )

    async def show_typing(self, connection: Connection, *, number: str) -> bool:
        """Show "typing…" on a phone; False when not connected."""
        with _reaching():
            return await sandbox.show_typing(
                self._db.worker, connection.company_id, connection.id, number=number, at=self._now()
            )

    async def media(self, connection: Connection, id: UUID) -> bytes | None:
        """The bytes that came with a phone's message."""
        with _reaching():
            return await sandbox.media(self._db.worker, connection.company_id, id)

    async def chats(self, connection: Connection) -> tuple[int, int]:
        """How many messages phones got from the connection, and wrote to it."""
        with _reaching():
            return await sandbox.chats(self._db.worker, connection.company_id, connection.id)

    async def name(self, connection: Connection) -> str:
        """What the account calls itself."""
        with _reaching():
            async with self._db.work() as transaction:
                session = await sandbox.session(transaction, connection.company_id, connection.id)
                number, kind = (session and session.phone) or "", things.Account.kind
                kept = await sandbox_things.get(transaction, connection.company_id, number, kind, "")
        return (msgspec.convert(kept, things.Account) if kept else things.Account()).name

    @contextlib.asynccontextmanager
    async def visit(self, connection: Connection, *, changing: bool) -> AsyncIterator[world.World]:
        """A visit of the connection's account to the world of `services.sandbox_world`."""
        with _reaching():
            async with sandbox_world.visit(self._db, connection, changing=changing, at=self._now()) as visit:
                yield visit
        if visit.told:
            self._signals.set(TOPIC)

    async def ping(self) -> None:
        """Nothing, when all is well."""
        with _reaching():
            await sandbox.ping(self._db.worker)


# --- sessions -------------------------------------------------------------------------------------------


async def scan(
    database: db.Database, company_id: CompanyId, code: str, *, phone: str | None = None, at: datetime | None = None
) -> tuple[InstanceId, ConnectionState]:
    """A phone scans a QR code, or is given a pairing code: the instance is connected, and its webhook says so.

    Raises `NotFound` for a code that is not shown, `Conflict` for one that has expired.
    """
    at = at or now()
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        session = await sandbox.session_of_code(transaction, company_id, _spellings(code))
        if session is None or session.status != ConnectionStatus.QR:
            raise NotFound("No instance shows this code.", code="pairing_code_unknown")
        if state_of(session, at).status != ConnectionStatus.QR:
            raise Conflict("The code has expired. Connect again for a new one.", code="pairing_expired")
        await sandbox.forget_changes(transaction, company_id, session.connection_id)
        if phone:
            session = msgspec.structs.replace(session, phone=number(phone, field="phone"))
        session = await _open(transaction, session, at)
        await _tell(transaction, session, at)
    return session.instance_id, state_of(session, at)


async def connect(
    database: db.Database,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    connection_id: UUID | None = None,
    at: datetime | None = None,
) -> ConnectionState:
    """Mend an instance's lines, or that of one connection, whatever it was: cut, banned, logged out, never paired. Its
    webhook says so."""
    at = at or now()
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        sessions = []
        for session in await of_instance(transaction, company_id, instance_id, connection_id):
            if session.status != ConnectionStatus.CONNECTED:
                await sandbox.forget_changes(transaction, company_id, session.connection_id)
                session = await _open(transaction, session, at)
                await _tell(transaction, session, at)
            sessions.append(session)
    return state_of(sessions[0], at)


async def disconnect(
    database: db.Database,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    connection_id: UUID | None = None,
    at: datetime | None = None,
) -> ConnectionState:
    """Cut an instance's lines, or that of one connection. Its webhook says so; everything else for it waits until it is
    connected."""
    status, reason = ConnectionStatus.DISCONNECTED, "The sandbox cut the line."
    return await _cut(database, company_id, instance_id, connection_id, status, reason, at or now())


async def ban(
    database: db.Database,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    connection_id: UUID | None = None,
    at: datetime | None = None,
) -> ConnectionState:
    """Ban an instance's number, or one connection of it. Only `connect` here lifts it."""
    status, reason = ConnectionStatus.BANNED, "The sandbox banned the number."
    return await _cut(database, company_id, instance_id, connection_id, status, reason, at or now())


async def pair(runtime: Runtime, company_id: CompanyId, instance_id: InstanceId) -> ConnectionState:
    """Connect and scan in one go: the instance is connected in Recado, too, when this returns."""
    await connect(runtime.db, company_id, instance_id)
    at = now()
    async with runtime.db.tenant(company_id) as transaction:
        sessions = await of_instance(transaction, company_id, instance_id)
        for session in sessions:
            state = state_of(session, at)
            await connections.change_status(transaction, runtime, company_id, session.connection_id, state)
    runtime.directory.invalidate()
    runtime.signals.set(TOPIC)
    return state_of(sessions[0], at)


def state_of(session: sandbox.Session, at: datetime) -> ConnectionState:
    """How a session stands at a time: a code is only shown until it expires."""
    if session.status != ConnectionStatus.QR:
        return ConnectionState(status=session.status, reason=session.reason, phone=session.phone)
    if session.expires_at is not None and session.expires_at <= at:
        return ConnectionState(status=ConnectionStatus.DISCONNECTED, reason="pairing_expired")
    by_code = session.method == "phone_code"
    return ConnectionState(
        status=ConnectionStatus.QR,
        qr=None if by_code else session.code,
        pairing_code=session.code if by_code else None,
        expires_at=session.expires_at,
    )


async def _cut(
    database: db.Database,
    company_id: CompanyId,
    instance_id: InstanceId,
    connection_id: UUID | None,
    status: ConnectionStatus,
    reason: str,
    at: datetime,
) -> ConnectionState:
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        paired = [s for s in await of_instance(transaction, company_id, instance_id, connection_id) if s.paired]
        if not paired:
            raise not_paired(instance_id)
        sessions = []
        for session in paired:
            if session.status != status:
                session = await _close(transaction, session, status, reason, at)
                await _tell(transaction, session, at)
            sessions.append(session)
    return state_of(sessions[0], at)


async def of_instance(
    transaction: db.Connection, company_id: CompanyId, instance_id: InstanceId, connection_id: UUID | None = None
) -> list[sandbox.Session]:
    """An instance's sessions, the best connection first, or that of one connection, kept as they are. Raises `NotFound`
    or `Conflict`."""
    sessions = await sandbox.sessions_of_instance(transaction, company_id, instance_id)
    if connection_id is not None and sessions:
        sessions = [session for session in sessions if session.connection_id == connection_id]
        if not sessions:
            raise NotFound(f"There is no connection {connection_id} on the sandbox.", code="connection_not_found")
    if sessions:
        return sessions
    if await sandbox.has_instance(transaction, company_id, instance_id):
        raise Conflict(f"The instance {instance_id} has no connection on the sandbox.", code="not_sandbox")
    raise NotFound(f"There is no instance {instance_id}.", code="instance_not_found")


async def _open(transaction: db.Connection, session: sandbox.Session, at: datetime) -> sandbox.Session:
    opened = msgspec.structs.replace(
        session,
        status=ConnectionStatus.CONNECTED,
        paired=True,
        reason=None,
        phone=session.phone or _own_number(session.connection_id),
        method=None,
        code=None,
        expires_at=None,
    )
    await sandbox.save_session(transaction, opened)
    await sandbox.release(transaction, session.company_id, connection_id=session.connection_id, at=at)
    return opened


async def _close(
    transaction: db.Connection, session: sandbox.Session, status: ConnectionStatus, reason: str, at: datetime
) -> sandbox.Session:
    closed = msgspec.structs.replace(
        session,
        status=status,
        paired=session.paired and reason != "logged_out",
        reason=reason,
        method=None,
        code=None,
        expires_at=None,
    )
    await sandbox.save_session(transaction, closed)
    await sandbox.hold(transaction, session.company_id, session.connection_id, at)
    return closed


async def _show_code(
    transaction: db.Connection, session: sandbox.Session, *, method: str, phone: str | None, at: datetime
) -> sandbox.Session:
    shown = msgspec.structs.replace(
        session,
        status=ConnectionStatus.QR,
        reason=None,
        phone=phone or session.phone,
        method=method,
        code=_new_code(method),
        expires_at=at + timedelta(seconds=PAIRING_SECONDS),
    )
    await sandbox.save_session(transaction, shown)
    expiry = sandbox.NewJob(
        company_id=shown.company_id,
        connection_id=shown.connection_id,
        event="expiry",
        payload={},
        due_at=shown.expires_at,
    )
    await sandbox.schedule(transaction, expiry)
    return shown


async def _tell(transaction: db.Connection, session: sandbox.Session, at: datetime) -> None:
    """Schedule the webhook that tells the instance's own state."""
    changed = webhooks.ConnectionPayload(status=session.status, reason=session.reason, phone=session.phone)
    job = sandbox.NewJob(
        company_id=session.company_id,
        connection_id=session.connection_id,
        event="connection",
        payload=msgspec.to_builtins(changed),
        due_at=at,
    )
    await sandbox.schedule(transaction, job)


def _blank(connection: Connection) -> sandbox.Session:
    return sandbox.Session(
        company_id=connection.company_id, connection_id=connection.id, instance_id=connection.instance_id
    )


def not_paired(instance_id: InstanceId) -> Conflict:
    """The answer while there is no line that could be used or cut."""
    return Conflict(f"The instance {instance_id} is not paired with a sandbox phone yet.", code="not_paired")


def _new_code(method: str) -> str:
    if method == "phone_code":
        letters = "".join(secrets.choice(_LETTERS) for _ in range(4))
        return f"{letters}-{secrets.randbelow(10_000):04d}"
    return f"recado-sandbox:{secrets.token_urlsafe(24)}"


def _spellings(code: str) -> list[str]:
    """A code as shown, and as people type it: in lower case, without the dash."""
    typed = code.strip().upper().replace("-", "").replace(" ", "")
    return [code.strip(), f"{typed[:4]}-{typed[4:]}"]


def _own_number(connection_id: ConnectionId) -> str:
    """A Brazilian mobile number, the same for a connection every time."""
    digest = hashlib.sha256(connection_id.bytes).digest()
    return f"55119{int.from_bytes(digest[:6], 'big') % 10**8:08d}"


def number(text: str, field: str = "number") -> str:
    """How the sandbox names a phone: its digits. Raises `Invalid`."""
    found = adapter.number_of(text.strip())
    if not 3 <= len(found) <= 64:
        raise invalid(field, "is not a phone number")
    return found
