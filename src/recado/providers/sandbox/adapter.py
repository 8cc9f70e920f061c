"""The sandbox as a provider. What its phones are and do is behind `SandboxPhones`; here it becomes outcomes."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

import msgspec

from recado import __version__
from recado.domain import content
from recado.domain.events import MediaRef, ProviderEvent
from recado.domain.ids import MessageId
from recado.domain.provider import (
    Accepted,
    CallFailed,
    Capabilities,
    Connection,
    ConnectionState,
    CredentialField,
    Health,
    Limited,
    LimitScope,
    MediaLimit,
    NotConnected,
    Outcome,
    Outgoing,
    Refused,
    Retry,
    Server,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.providers.sandbox import webhooks
from recado.providers.sandbox.operations import Operations
from recado.providers.sandbox.world import Unreachable, Worlds

#: A phone that fails as `limited` with this code holds first contacts only, as WhatsApp does.
REACH_OUT = "463"
_PHONE = re.compile(r"^\+?[\d\s().-]+$")


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is handed to a phone. The rolls, in [0, 1), decide against the phone's rates."""

    message_id: MessageId
    number: str
    type: str
    content: Any
    reply_to: str | None
    media: dict[str, Any] | None
    fail_roll: float
    lost_roll: float


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `verdict`: received, not_connected, full (the phone's rate limit), or how the phone was
    told to fail: refused, retry, limited, lost."""

    verdict: str
    status: ConnectionStatus | None = None
    reason: str | None = None
    code: str | None = None
    after: float | None = None
    answer_lost: bool = False


class SandboxPhones(Worlds, Protocol):
    """What the adapter needs of whoever keeps the phones. Every method raises `Unreachable` when that is away."""

    async def take(self, connection: Connection, handed: Handed) -> Taken:
        """Hand a message to its phone, once per message id, and schedule the webhooks that follow."""
        ...

    async def has(self, connection: Connection, message_id: MessageId) -> bool:
        """Whether a phone was handed this message."""
        ...

    async def begin(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Resume a paired session, or show a new code."""
        ...

    async def state(self, connection: Connection) -> ConnectionState:
        """How the session stands."""
        ...

    async def end(self, connection: Connection) -> None:
        """Log out."""
        ...

    async def mark_read(self, connection: Connection, *, number: str, up_to: UUID) -> None:
        """Show a phone that what it wrote was read."""
        ...

    async def show_typing(self, connection: Connection, *, number: str) -> bool:
        """Show "typing…" on a phone; False when not connected."""
        ...

    async def media(self, connection: Connection, id: UUID) -> bytes | None:
        """The bytes that came with a phone's message."""
        ...

    async def chats(self, connection: Connection) -> tuple[int, int]:
        """How many messages phones got from the connection, and wrote to it."""
        ...

    async def name(self, connection: Connection) -> str:
        """What the account calls itself."""
        ...

    async def ping(self) -> None:
        """Nothing, when all is well."""
        ...


class Sandbox(Operations):
    """Provider of kind `sandbox`."""

    kind: ClassVar[str] = "sandbox"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(content.KINDS),
        media={kind: MediaLimit(max_bytes=100_000_000) for kind in content.MEDIA_KINDS},
        replies=True,
        deduplicates=True,
        human_pacing=True,
        receipts=frozenset({"server_ack", "delivered", "read", "played"}),
        echoes_message_id=True,
        own_ids=webhooks.PREFIX,
        reads_stories=True,
    )
    default_base_url: ClassVar[str | None] = "sandbox://local"
    server_credentials: ClassVar[tuple[CredentialField, ...]] = ()
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="secret",
            required=False,
            help="Signs webhooks that you post yourself (x-sandbox-signature). Without it, only the sandbox speaks.",
        ),
    )

    _phones: SandboxPhones

    def __init__(self, phones: SandboxPhones) -> None:
        self._phones = phones

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The connection is the account."""
        return None

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """A code for `POST /sandbox/scan`, valid for a minute; a session that was paired before comes back without."""
        try:
            return await self._phones.begin(connection, method=method, phone=phone and number_of(phone))
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    async def status(self, connection: Connection) -> ConnectionState:
        """How the session stands."""
        try:
            return await self._phones.state(connection)
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    async def restart(self, connection: Connection) -> ConnectionState:
        """The same state again: a line that was cut on purpose stays cut until it is mended on purpose."""
        return await self.status(connection)

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """Log out; the next connect shows a code. The sandbox has no other way to end a session."""
        try:
            await self._phones.end(connection)
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """Hand the message to the phone; the phone decides."""
        number = number_of(message.to)
        handed = Handed(
            message_id=message.message_id,
            number=number,
            type=message.kind,
            content=message.content,
            reply_to=message.reply_to.provider_id if message.reply_to else None,
            media=_described(message),
            fail_roll=roll(message, "fail"),
            lost_roll=roll(message, "lost"),
        )
        try:
            taken = await self._phones.take(connection, handed)
        except Unreachable as error:
            return Unknown(why=str(error))
        return _outcome(message, number, taken)

    async def find(self, connection: Connection, message: Outgoing, *, since: datetime) -> Accepted | None:
        """The truth, also about a message whose answer was lost."""
        try:
            found = await self._phones.has(connection, message.message_id)
        except Unreachable as error:
            raise CallFailed(str(error)) from error
        return Accepted(provider_id=webhooks.provider_id(message.message_id)) if found else None

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """The phone sees blue ticks up to this message."""
        up_to = webhooks.parse_id(provider_id)
        if up_to is None:
            raise CallFailed("The sandbox has no message of this id.", code="message_not_found", retryable=False)
        try:
            await self._phones.mark_read(connection, number=number_of(chat), up_to=up_to)
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """The phone sees "typing…"."""
        try:
            shown = await self._phones.show_typing(connection, number=number_of(chat))
        except Unreachable as error:
            raise CallFailed(str(error)) from error
        if not shown:
            raise CallFailed("The instance is not connected to the sandbox.", code="not_connected")

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """What came with a phone's message, in one piece."""
        try:
            data = await self._phones.media(connection, UUID(str(media.ref.get("id"))))
        except ValueError:
            data = None
        except Unreachable as error:
            raise CallFailed(str(error)) from error
        if data is None:
            raise CallFailed("The sandbox has no such media.", code="media_gone", retryable=False)
        yield data

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The number, and how much it was used."""
        state = await self.status(connection)
        try:
            name = await self._phones.name(connection)
            sent, received = await self._phones.chats(connection)
        except Unreachable as error:
            raise CallFailed(str(error)) from error
        return {
            "name": name,
            "phone": state.phone,
            "status": state.status,
            "messages": {"sent": sent, "received": received},
        }

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the body is signed with the connection's secret."""
        return webhooks.verify(connection.credentials.get("secret"), headers, body)

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events of a webhook."""
        return webhooks.read(body)

    async def health(self, server: Server) -> Health:
        """Well as long as the database answers."""
        try:
            await self._phones.ping()
        except Unreachable as error:
            return Health(healthy=False, why=str(error))
        return Health(healthy=True, version=__version__)


def number_of(address: str) -> str:
    """How the sandbox names whom a message goes to: a phone's digits, anything else as it is."""
    return "".join(filter(str.isdigit, address)) if _PHONE.match(address) else address


def roll(message: Outgoing, what: str) -> float:
    """Chance that repeats itself: the same message and attempt always roll the same number in [0, 1)."""
    digest = hashlib.sha256(f"{message.message_id}:{message.attempt}:{what}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _described(message: Outgoing) -> dict[str, Any] | None:
    media = message.media
    if media is None:
        return None
    return {"mime_type": media.mime_type, "filename": media.filename, "size": media.size, "sha256": media.sha256}


def _outcome(message: Outgoing, number: str, taken: Taken) -> Outcome:
    code = taken.code or "sandbox"
    match taken.verdict:
        case "received" if taken.answer_lost:
            return Unknown(why="The phone received the message and the answer was lost, as it was told.")
        case "received":
            return Accepted(provider_id=webhooks.provider_id(message.message_id), recipient=number)
        case "not_connected":
            status = taken.status or ConnectionStatus.CREATED
            return NotConnected(why=taken.reason or f"The session is {status}.", status=status)
        case "full":
            why = "The phone takes no more messages this minute."
            return Limited(code="rate_limited", why=why, after=max(taken.after or 0, 0.001), scope="recipient")
        case "refused":
            return Refused(code=code, why="The phone refuses, as it was told.")
        case "limited":
            why = "The phone asks to slow down, as it was told."
            # WhatsApp's own code for too many first contacts.
            scope: LimitScope = "cold" if code == REACH_OUT else "instance"
            return Limited(code=code, why=why, after=taken.after or 1.0, scope=scope)
        case "lost":
            return Unknown(why="The message was lost before the phone received it, as it was told.")
        case _:
            return Retry(code=code, why="The phone fails for now, as it was told.", after=taken.after)
