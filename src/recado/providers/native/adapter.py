"""The built-in engine as a provider. Who holds the numbers is behind `Engine`; here its answers become outcomes."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

import msgspec

from recado.domain import content
from recado.domain.errors import FieldError
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
    Referenced,
    Refused,
    Retry,
    Server,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.providers import whatsapp
from recado.providers.native import webhooks
from recado.providers.native.operations import Operations

_SCOPES: Mapping[object, LimitScope] = {"instance": "instance", "recipient": "recipient", "cold": "cold"}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's answer to a command.

    `outcome` of a send: accepted, refused, retry, not_connected, limited or unknown; of anything else: done or failed.
    """

    outcome: str
    result: Any = None
    provider_id: str | None = None
    code: str | None = None
    why: str | None = None
    after: float | None = None
    scope: str | None = None
    retryable: bool = True
    payload: bytes | None = None


class NotHeld(Exception):
    """No engine process holds the connection: certainly nothing was done."""

    def __init__(self, why: str, status: ConnectionStatus) -> None:
        super().__init__(why)
        self.status = status


class NotBegun(Exception):
    """The engine did not begin in time, and will not any more: certainly nothing was done."""


class NoAnswer(Exception):
    """The engine may have begun, and no answer tells what became of it."""


class Engines(msgspec.Struct, frozen=True, kw_only=True):
    """How many engine processes are there, the version of neonize in them, how many numbers they are to hold and do hold,
    and how many they can hold together."""

    engines: int
    version: str | None
    wanted: int
    held: int
    capacity: int


class Engine(Protocol):
    """What the adapter needs of whoever holds the numbers."""

    async def open(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Have the connection held, and wait for its code or its connection. Raises `NotHeld` without an engine."""
        ...

    async def state(self, connection: Connection) -> ConnectionState:
        """How the connection stands. Raises `NoAnswer` while the database is away."""
        ...

    async def close(self, connection: Connection, *, logout: bool) -> None:
        """Have the connection let go of, its pairing ended with `logout`. Raises `NoAnswer`."""
        ...

    async def call(
        self,
        connection: Connection,
        operation: str,
        request: Mapping[str, Any],
        *,
        timeout: float,
        message_id: MessageId | None = None,
        payload: bytes | None = None,
    ) -> Reply:
        """Have something done. A message that was handed over before is not sent twice. Raises `NotHeld`, `NotBegun`
        and `NoAnswer`."""
        ...

    async def sent(self, connection: Connection, message_id: MessageId, *, timeout: float) -> Reply | None:
        """What became of a message; None when the engine certainly did not send it. Raises as `call`, and `NoAnswer`
        where nothing proves either."""
        ...

    async def engines(self) -> Engines:
        """The engine processes. Raises `NoAnswer` while the database is away."""
        ...


class Native(Operations):
    """Provider of kind `native`."""

    kind: ClassVar[str] = "native"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=frozenset(content.KINDS)
        - {"product", "catalog", "order", "template"}
        - {"event_response", "event_edit", "carousel", "channel_invite", "order_update"},
        media={
            "image": MediaLimit(max_bytes=16_000_000, mime_types=frozenset({"image/jpeg", "image/png", "image/webp"})),
            "video": MediaLimit(max_bytes=64_000_000, mime_types=frozenset({"video/mp4", "video/3gpp"})),
            "gif": MediaLimit(max_bytes=16_000_000, mime_types=frozenset({"video/mp4"})),
            "ptv": MediaLimit(max_bytes=16_000_000, mime_types=frozenset({"video/mp4"})),
            "audio": MediaLimit(max_bytes=16_000_000),
            "voice": MediaLimit(max_bytes=16_000_000, mime_types=frozenset({"audio/ogg"})),
            "document": MediaLimit(max_bytes=100_000_000),
            "sticker": MediaLimit(max_bytes=1_000_000, mime_types=frozenset({"image/webp"})),
        },
        replies=True,
        deduplicates=True,
        human_pacing=True,
        receipts=frozenset({"delivered", "read", "played"}),
        reads_stories=True,
        notes=(
            "neonize 0.5.2 takes no id for a message: a second send is recognised by the engine's record of the first.",
            "Passkey steps are shown, and cannot be answered: neonize passes on their names only.",
            "Buttons, lists, codes and Pix keys are sent as WhatsApp's interactive messages, which not every phone shows.",
            "A text has no preview of its links; `link` carries its own title and description.",
            "Forwarding works for what has no file.",
            "Votes need the poll's secret, which whatsmeow has of the polls that it sent or received itself.",
            "Channels take texts only.",
        ),
    )
    default_base_url: ClassVar[str | None] = "native://local"
    server_credentials: ClassVar[tuple[CredentialField, ...]] = ()
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = ()

    def __init__(self, engine: Engine, *, timeout: float = 30.0) -> None:
        self._engine = engine
        self._timeout = timeout

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The connection is the account."""
        return None

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Have an engine process take the number, and wait for its code, or for the connection of one paired before."""
        try:
            return await self._engine.open(connection, method=method, phone=phone)
        except NotHeld as error:
            raise CallFailed(str(error), code="engine_away") from error
        except NoAnswer as error:
            raise CallFailed(str(error)) from error

    async def status(self, connection: Connection) -> ConnectionState:
        """How the number stands, as the engine told last."""
        try:
            return await self._engine.state(connection)
        except NoAnswer as error:
            raise CallFailed(str(error)) from error

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """Let go of the number. Its pairing stays, unless it is logged out."""
        try:
            await self._engine.close(connection, logout=logout)
        except NoAnswer as error:
            raise CallFailed(str(error)) from error

    async def restart(self, connection: Connection) -> ConnectionState:
        """Let go of the number, and take it again."""
        await self.disconnect(connection, logout=False)
        return await self.connect(connection, method="qr", phone=None)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """Hand the message to the engine process that holds the number."""
        problems = self.check(message.kind, message.content)
        if problems:
            why = "; ".join(f"{message.kind}.{one.field}: {one.message}" for one in problems)
            return Refused(code="invalid", why=why)
        request = {
            "to": whatsapp.jid(message.to),
            "kind": message.kind,
            "content": msgspec.to_builtins(message.content),
            "reply_to": _referenced(message.reply_to),
            "about": _referenced(message.about),
        }
        payload = None
        if message.media is not None:
            try:
                payload = await message.media.read()
            except Exception as error:  # noqa: BLE001  # whatever keeps it: nothing was sent
                return Retry(code="media_unreadable", why=f"The stored media cannot be read ({type(error).__name__}).")
            request["media"] = {"mime_type": message.media.mime_type, "filename": message.media.filename}
        try:
            reply = await self._engine.call(
                connection, "send", request, timeout=self._timeout, message_id=message.message_id, payload=payload
            )
        except NotHeld as error:
            return NotConnected(why=str(error), status=error.status)
        except NotBegun as error:
            return Retry(code="engine_busy", why=str(error))
        except NoAnswer as error:
            return Unknown(why=str(error))
        return outcome(reply)

    async def find(self, connection: Connection, message: Outgoing, *, since: datetime) -> Accepted | None:
        """What the engine's record, and whatsmeow's own, tell of a message."""
        try:
            reply = await self._engine.sent(connection, message.message_id, timeout=self._timeout)
        except (NotHeld, NotBegun, NoAnswer) as error:
            raise CallFailed(str(error)) from error
        if reply is None:
            return None
        found = outcome(reply)
        if isinstance(found, Accepted):
            return found
        if isinstance(found, Unknown):
            raise CallFailed(found.why, code="not_proven")
        return None

    def check(self, kind: str, typed: Any) -> list[FieldError]:
        """What the engine knows it cannot make."""
        match typed:
            case content.EventContent() if typed.call is not None:
                return [FieldError(field="call", message="the built-in engine cannot make the link of a call")]
            case content.MediaContent() if typed.view_once and kind not in content.VIEWED_ONCE:
                return [FieldError(field="view_once", message=f"WhatsApp has no {kind} to be opened once")]
            case content.ButtonsContent() if typed.image or typed.video:
                named = "image" if typed.image else "video"
                return [FieldError(field=named, message="the built-in engine shows no media over buttons")]
            case content.OtpContent() if typed.image:
                return [FieldError(field="image", message="the built-in engine shows no picture with a code")]
            case _:
                return []

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks. In a group, or for a story, only for messages that this engine process has seen lately."""
        await self.ask(connection, "mark_read", {"chat": whatsapp.jid(chat), "provider_id": provider_id})

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """Show "typing…" or "recording…"."""
        await self.ask(connection, "show_typing", {"chat": whatsapp.jid(chat), "recording": recording})

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The decrypted file, in one piece."""
        reply = await self.command(connection, "download", media.ref)
        if reply.payload is None:
            raise CallFailed("The engine sent no bytes.", code="bad_answer")
        yield reply.payload

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The number's own name and ids."""
        state = await self.status(connection)
        profile = msgspec.to_builtins(await self.get_profile(connection))
        return {"status": state.status, **profile}

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """Never: the engine writes into the inbox itself, and nobody else speaks for it."""
        return False

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events of a body."""
        return webhooks.read(body)

    async def health(self, server: Server) -> Health:
        """Well as long as an engine process was seen lately; without numbers to hold there need be none. Numbers beyond its
        room are no trouble of those that it holds: `why` tells of them."""
        try:
            found = await self._engine.engines()
        except NoAnswer as error:
            return Health(healthy=False, why=str(error))
        if found.engines == 0 and found.wanted > 0:
            return Health(healthy=False, why="No engine process runs: `recado worker --roles native`.")
        why = None
        if found.wanted > found.capacity > 0:
            why = f"{found.wanted} numbers are to be held, and the engine processes have room for {found.capacity}."
        return Health(healthy=True, version=found.version, why=why)

    async def command(
        self, connection: Connection, operation: str, request: Mapping[str, Any], payload: bytes | None = None
    ) -> Reply:
        """Have something other than a send done. Raises `CallFailed`."""
        try:
            reply = await self._engine.call(connection, operation, request, timeout=self._timeout, payload=payload)
        except NotHeld as error:
            raise CallFailed(str(error), code="not_connected") from error
        except (NotBegun, NoAnswer) as error:
            raise CallFailed(str(error), code="engine_busy") from error
        if reply.outcome == "done":
            return reply
        why = reply.why or "The engine did not say why."
        if reply.outcome == "not_connected":
            raise CallFailed(why, code="not_connected")
        raise CallFailed(why, code=reply.code or "provider_failed", retryable=reply.retryable)


def outcome(reply: Reply) -> Outcome:
    """What a reply means for the message."""
    why, code = reply.why or "The engine did not say why.", reply.code or "native"
    match reply.outcome:
        case "accepted" if reply.provider_id:
            return Accepted(provider_id=reply.provider_id)
        case "refused":
            return Refused(code=code, why=why)
        case "retry":
            return Retry(code=code, why=why, after=reply.after)
        case "not_connected":
            return NotConnected(why=why)
        case "limited":
            return Limited(code=code, why=why, after=reply.after or 60.0, scope=_SCOPES.get(reply.scope, "instance"))
        case _:
            return Unknown(why=why)


def _referenced(message: Referenced | None) -> dict[str, Any] | None:
    if message is None:
        return None
    found: dict[str, Any] = {
        "provider_id": message.provider_id,
        "chat": whatsapp.jid(message.chat),
        "from_me": message.from_me,
        "kind": message.kind,
        "content": msgspec.to_builtins(message.content),
    }
    if message.sender:
        found["sender"] = whatsapp.jid(message.sender)
    return found
