"""The provider contract: what an adapter must do, what it may do, and how it says what happened.

An adapter is one class per kind, without state of its own, made once per process with the `Tools` it may
use. Every call gets the connection (an instance on a server) it is about. Ids that come out of an adapter are
opaque to everybody else. An adapter never retries, sleeps or logs a body: it says what happened, and the
worker decides. It must not raise for anything a server answers; a call that cannot be made is an outcome.

`Provider` is mandatory. The protocols after it are optional and found by `isinstance`; an operation whose
protocol is absent answers `unsupported_by_provider`.
"""

import functools
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

import msgspec

from recado.domain.errors import FieldError
from recado.domain.events import MediaRef, ProviderEvent
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.states import ConnectionStatus


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's installation. `credentials` are decrypted and must not be logged."""

    id: ServerId
    kind: str
    base_url: str
    credentials: Mapping[str, str] = {}


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """An instance on a server, with what is needed to call it.

    `account` is the provider's name for the number (Meta's `phone_number_id`, a session name elsewhere) and
    `webhook_url` the address the provider must post to.
    """

    id: ConnectionId
    company_id: CompanyId
    instance_id: InstanceId
    server: Server
    credentials: Mapping[str, str] = {}
    account: str | None = None
    webhook_url: str = ""


# --- sending ------------------------------------------------------------------------------------------


class StoredMedia(Protocol):
    """Media that Recado keeps, for an adapter that must upload it."""

    mime_type: str
    filename: str
    size: int
    sha256: str

    async def read(self) -> bytes:
        """The whole file."""
        ...


class Referenced(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier message of the instance that another one quotes, reacts to, changes, takes back or forwards.

    `chat` is the address of its chat. `from_me` tells whether our own number wrote it; `sender` who did, where that
    was somebody in a group. `content` is plain data in the shape of `domain.content` for `kind`. `media` is its stored
    file, for an edit of a caption, which some providers change by sending the file again.
    """

    provider_id: str
    chat: str
    from_me: bool
    kind: str
    content: Any = None
    sender: str | None = None
    at: datetime | None = None
    media: StoredMedia | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message to send. Every id of another message in it is the provider's id already.

    `content` is the Struct of `domain.content` for `kind`; where it speaks of an earlier message (a reaction, an
    edit), that one is `about`. `reply_to` is the message to quote. `media` is set when its content names a
    `media_id`. `attempt` counts from 1.
    """

    message_id: MessageId
    to: str
    kind: str
    content: Any
    reply_to: Referenced | None = None
    about: Referenced | None = None
    media: StoredMedia | None = None
    attempt: int = 1


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The provider has the message. `recipient` is its canonical name for whom it goes to, where it says so."""

    provider_id: str
    recipient: str | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It will not be sent, however often we ask. `code` is the provider's, or ours for what we found ourselves."""

    code: str
    why: str


#: The code of a `Retry` for which nobody was there to take the message: it waits for its server without an attempt.
SERVER_UNREACHABLE = "server_unreachable"


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag="retry"):
    """It was certainly not sent and may be next time. `after` in seconds, where the provider says when."""

    code: str
    why: str
    after: float | None = None


class NotConnected(msgspec.Struct, frozen=True, kw_only=True, tag="not_connected"):
    """It was certainly not sent because the number is not connected. The lane waits; no attempt is spent."""

    why: str
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED


LimitScope = Literal["instance", "recipient", "cold"]


class Limited(msgspec.Struct, frozen=True, kw_only=True, tag="limited"):
    """It was certainly not sent because of a rate limit. `after` in seconds.

    `scope` is what it holds for: everything of the instance, this recipient only, or first contacts (`cold`: chats in
    which nobody has written to us yet, WhatsApp's error 463). No attempt is spent.
    """

    code: str
    why: str
    after: float
    scope: LimitScope = "instance"


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """The request left, and no answer tells what became of it."""

    why: str


Outcome = Accepted | Refused | Retry | NotConnected | Limited | Unknown


# --- capabilities --------------------------------------------------------------------------------------


class MediaLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider takes for one media kind. Empty `mime_types` means any."""

    max_bytes: int
    mime_types: frozenset[str] = frozenset()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do, as data. The table in the docs is made from it.

    kinds               content kinds it can send
    media               limits per media kind
    replies             it can quote an earlier message
    unquotable          kinds that cannot carry a quote nevertheless
    deduplicates        a second send with the same message id is recognised, so resending is safe
    human_pacing        its numbers are people's phones and must be paced like one
    receipts            the states it reports
    echoes_message_id   its receipts carry our own message id
    own_ids             what its message ids begin with, where they are not WhatsApp's own, which mean the same to all
    reads_stories       it marks stories as read too, in the chat `status@broadcast`
    notes               what a person should know beyond the table, a sentence each
    """

    kinds: frozenset[str]
    media: Mapping[str, MediaLimit] = {}
    replies: bool = True
    unquotable: frozenset[str] = frozenset()
    deduplicates: bool = False
    human_pacing: bool = True
    receipts: frozenset[str] = frozenset({"server_ack", "delivered", "read"})
    echoes_message_id: bool = False
    own_ids: str = ""
    reads_stories: bool = False
    notes: tuple[str, ...] = ()


# --- connecting ----------------------------------------------------------------------------------------


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider says of a connection, or what connecting needs next.

    While `status` is `qr`, `qr` holds the text of the QR code or `pairing_code` the code to type on the phone,
    valid until `expires_at`. Where a passkey is asked for, `status` is `connecting` and `details["passkey"]` holds
    the step (`challenge` or `confirmation`) and what the provider says of it.
    """

    status: ConnectionStatus
    reason: str | None = None
    phone: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    expires_at: datetime | None = None
    details: dict[str, Any] = {}


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a server to `health`; `latency_ms` is measured by the caller."""

    healthy: bool
    why: str | None = None
    version: str | None = None


class CallFailed(Exception):
    """A call other than `send` failed. `why` is for people; `retryable` tells whether another try may help."""

    def __init__(self, why: str, *, code: str = "provider_failed", retryable: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.retryable = retryable


class CredentialField(msgspec.Struct, frozen=True, kw_only=True):
    """One credential a connection or server of this kind takes. `secret` ones are never shown again.

    `own_server` marks one that names something which the server's own credentials reach, whoever's it is: it is taken
    only on a server of the company's own, so that nobody names what another company has on a shared one.
    """

    name: str
    required: bool = True
    secret: bool = True
    help: str = ""
    own_server: bool = False


class Provider(Protocol):
    """What every adapter does."""

    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    #: The server a company uses without registering one; None when it must be registered.
    default_base_url: ClassVar[str | None]
    server_credentials: ClassVar[tuple[CredentialField, ...]]
    connection_credentials: ClassVar[tuple[CredentialField, ...]]

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The provider's name of the number, out of a connection's credentials."""
        ...

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Start a session. `method` is `qr` or `phone_code`. Raises `CallFailed`."""
        ...

    async def status(self, connection: Connection) -> ConnectionState:
        """Ask the provider how the connection stands. Raises `CallFailed`."""
        ...

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """End the session; with `logout` its pairing too, so that connecting needs a new code. A provider that has
        only one of the two does that one. Raises `CallFailed`. Disconnecting twice is fine."""
        ...

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """Send one message. Never raises for what the provider does or fails to do."""
        ...

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a webhook body is the provider's own. Header names are lower case. Constant time."""
        ...

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body, in its order. Raises `ValueError` when it is not the provider's shape."""
        ...

    async def health(self, server: Server) -> Health:
        """Whether the server answers. Never raises for what the server does."""
        ...


@runtime_checkable
class AnswersChallenge(Protocol):
    """The provider checks a webhook address by a GET before it uses it (Meta)."""

    def challenge(self, connection: Connection, query: Mapping[str, str]) -> str | None:
        """The text to answer, or None when the challenge is not valid for this connection."""
        ...


@runtime_checkable
class FetchesMedia(Protocol):
    """Received media is fetched from the provider."""

    def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes, in chunks. Raises `CallFailed`, with `retryable` False when the media is gone."""
        ...


@runtime_checkable
class MarksRead(Protocol):
    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Show the blue ticks for a received message. Raises `CallFailed`."""
        ...


@runtime_checkable
class ShowsTyping(Protocol):
    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """Show "typing…" (or "recording…") in a chat until the next message or the provider's own limit.
        `last_received` is the provider's id of the chat's newest inbound message. Raises `CallFailed`."""
        ...


@runtime_checkable
class FindsMessages(Protocol):
    """The provider can be asked what became of a message whose answer was lost: it settles what is unproven."""

    async def find(self, connection: Connection, message: Outgoing, *, since: datetime) -> Accepted | None:
        """The message as the provider has it, or None when it certainly has not. `since` is when it was first tried.
        Raises `CallFailed`, also when the provider's answer proves neither."""
        ...


@runtime_checkable
class TellsAccount(Protocol):
    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """What the provider says of the number: name, quality, limits. Raises `CallFailed`."""
        ...


@runtime_checkable
class Restarts(Protocol):
    async def restart(self, connection: Connection) -> ConnectionState:
        """Restart the session without a new pairing. Raises `CallFailed`."""
        ...


@runtime_checkable
class ChecksContent(Protocol):
    """The provider limits a content beyond its kind (lengths, counts, combinations), and knows it without asking."""

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What it would refuse, each with its path in the content (`buttons[0].title`; empty for the content itself)."""
        ...


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session made at a provider. `credentials` are added to the connection's and kept encrypted."""

    account: str
    credentials: Mapping[str, str] = {}


@runtime_checkable
class ManagesSessions(Protocol):
    """A connection needs a session on its server, which the adapter makes and removes there.

    `open_session` is called before the first `connect` of a connection without an `account`.
    """

    async def open_session(self, connection: Connection) -> Session:
        """Make the session, its webhook registered, or take over the one that an earlier try made. Raises `CallFailed`."""
        ...

    async def close_session(self, connection: Connection) -> None:
        """Remove the session from the server. One that is gone already is fine. Raises `CallFailed`."""
        ...


@runtime_checkable
class RegistersWebhook(Protocol):
    async def register_webhook(self, connection: Connection) -> None:
        """Make the provider post every event to the connection's `webhook_url`, in place of what it posted to before
        on our behalf. Raises `CallFailed`."""
        ...


@runtime_checkable
class RedactsWebhooks(Protocol):
    """The provider writes secrets into its webhooks, which must not be stored."""

    def redact(self, body: bytes) -> bytes:
        """The body without them. Cheap, and never raises: it stands before the webhook is stored."""
        ...


@runtime_checkable
class AsksForPasskey(Protocol):
    """Connecting may need a passkey, whose steps are shown as data to whoever pairs."""

    async def answer_passkey(self, connection: Connection, *, step: str, answer: Mapping[str, Any]) -> ConnectionState:
        """Go on behind a step of `ConnectionState.details["passkey"]`: `challenge` or `confirmation`. Raises `CallFailed`."""
        ...


class Relayed(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream's answer to a request that was passed on. `body` is JSON, or empty."""

    status: int
    body: bytes


@runtime_checkable
class Relays(Protocol):
    """The provider speaks the contract of Z-API itself, and takes its requests as they came."""

    async def relay(
        self, connection: Connection, *, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> Relayed:
        """Pass a request on, once. `path` is below the instance, begins with a slash and is percent-encoded; `body` is
        JSON. Refusals of the upstream are answers, with the connection's secrets cut out; a server error, no answer, one
        that cannot be read and one that refuses our own credentials raise `CallFailed`."""
        ...


@runtime_checkable
class Varies(Protocol):
    """What the provider can do depends on how its server runs, or on the channel behind the number."""

    #: By the name of the variant.
    variants: ClassVar[Mapping[str, Capabilities]]

    def variant(self, connection: Connection) -> str:
        """The variant of a connection."""
        ...


def capabilities_of(adapter: Provider, connection: Connection) -> Capabilities:
    """What the adapter can do on this connection."""
    if not _varies(type(adapter)):
        return adapter.capabilities
    varying = cast(Varies, adapter)
    return varying.variants[varying.variant(connection)]


@functools.cache
def _varies(adapter: type) -> bool:
    """Remembered, since asking a protocol costs more than the rest of what a message needs here."""
    return hasattr(adapter, "variants") and hasattr(adapter, "variant")
