"""The Meta Cloud API as a provider: the calls, and what each answer means."""

import hmac
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from recado.domain.content import MediaContent
from recado.domain.errors import FieldError
from recado.domain.events import MediaRef, ProviderEvent
from recado.domain.provider import (
    Accepted,
    CallFailed,
    Capabilities,
    Connection,
    ConnectionState,
    CredentialField,
    Health,
    MediaLimit,
    NotConnected,
    Outcome,
    Outgoing,
    Refused,
    Retry,
    Server,
    StoredMedia,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.kit import signing
from recado.kit.http import BadResponse, Http, HttpError, NotSent, Response
from recado.providers import wire
from recado.providers.meta import errors, payloads, webhooks

_AUDIO = MediaLimit(
    max_bytes=16 * 1024 * 1024,
    mime_types=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
)
_MEDIA: Mapping[str, MediaLimit] = {
    "image": MediaLimit(max_bytes=5 * 1024 * 1024, mime_types=frozenset({"image/jpeg", "image/png"})),
    "video": MediaLimit(max_bytes=16 * 1024 * 1024, mime_types=frozenset({"video/mp4", "video/3gpp"})),
    "audio": _AUDIO,
    "voice": _AUDIO,
    "document": MediaLimit(max_bytes=100 * 1024 * 1024),
    "sticker": MediaLimit(max_bytes=500 * 1024, mime_types=frozenset({"image/webp"})),
}

#: Where Meta keeps media. The access token goes to these hosts and to the server's own, and nowhere else.
_META_HOSTS = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net", ".facebook.com")
_LARGEST_DOWNLOAD = 110 * 1024 * 1024
_DOWNLOAD_SECONDS = 120.0

_PHONE_FIELDS = (
    "id,display_phone_number,verified_name,quality_rating,status,code_verification_status,name_status,"
    "messaging_limit_tier,account_mode,is_official_business_account"
)

#: `status` of the phone number node. What is not here is a status Meta added later: the number is used on.
_STATUSES: Mapping[str, ConnectionStatus] = {
    "CONNECTED": ConnectionStatus.CONNECTED,
    "LINKED": ConnectionStatus.CONNECTED,
    "FLAGGED": ConnectionStatus.DEGRADED,
    "RATE_LIMITED": ConnectionStatus.DEGRADED,
    "RESTRICTED": ConnectionStatus.DEGRADED,
    "PENDING": ConnectionStatus.CONNECTING,
    "UNVERIFIED": ConnectionStatus.CONNECTING,
    "DISCONNECTED": ConnectionStatus.DISCONNECTED,
    "UNLINKED": ConnectionStatus.DISCONNECTED,
    "DELETED": ConnectionStatus.DISCONNECTED,
    "MIGRATED": ConnectionStatus.DISCONNECTED,
    "BANNED": ConnectionStatus.BANNED,
}


class _NoToken(Exception):
    """A connection without what a call needs."""


class Meta:
    """Provider of kind `meta`."""

    kind: ClassVar[str] = "meta"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=payloads.KINDS,
        media=_MEDIA,
        replies=True,
        deduplicates=False,
        human_pacing=False,
        receipts=frozenset(state.value for _, state in webhooks.STATES.values() if state.value != "failed"),
        echoes_message_id=True,
        own_ids="wamid.",
    )
    default_base_url: ClassVar[str | None] = "https://graph.facebook.com"
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="app_secret", required=False, help="For connections without one of their own."),
        CredentialField(name="verify_token", required=False, help="For connections without one of their own."),
    )
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="phone_number_id", secret=False, help="The number's id in WhatsApp Manager: not the phone."
        ),
        CredentialField(name="access_token", help="Of a system user with whatsapp_business_messaging."),
        CredentialField(name="app_secret", help="Of the app whose webhooks come here: signs them."),
        CredentialField(name="verify_token", help="Any text; repeat it where you enter the webhook's address at Meta."),
        CredentialField(
            name="waba_id",
            required=False,
            secret=False,
            help="The WhatsApp Business Account: with it, connecting also subscribes the app to its webhooks.",
        ),
    )

    def __init__(self, client: Http, *, graph_version: str = "v23.0", timeout: float = 30.0) -> None:
        self._http = client
        self._version = graph_version
        self._timeout = timeout

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The `phone_number_id`, by which webhooks name the number."""
        return credentials.get("phone_number_id") or None

    # --- sending -------------------------------------------------------------------------------------------

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What Meta would refuse in a content, each with its path in it."""
        return payloads.check(kind, content)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """Upload the media where there is some, then post the message. Only the post can end in `Unknown`."""
        problems = self.check(message.kind, message.content)
        if problems:
            return Refused(code="invalid", why="; ".join(_problem(message.kind, one) for one in problems))
        uploaded: str | None = None
        if isinstance(message.content, MediaContent) and not message.content.link:
            if message.media is None:
                return Refused(code="media_missing", why="the message names no link and no stored media")
            result = await self._upload(connection, message.kind, message.media)
            if not isinstance(result, str):
                return result
            uploaded = result
        try:
            response = await self._call(connection, "POST", "messages", json=payloads.body(message, uploaded=uploaded))
        except _NoToken as error:
            return NotConnected(why=str(error), status=ConnectionStatus.LOGGED_OUT)
        except HttpError as error:
            return wire.lost(error)
        refusal = errors.find(response.body, secrets=_secrets(connection))
        if refusal is None and 200 <= response.status < 300:
            return _accepted(response) or Unknown(why=f"HTTP {response.status} with an answer that cannot be read")
        return errors.outcome(response.status, response.headers, refusal)

    async def _upload(self, connection: Connection, kind: str, media: StoredMedia) -> str | Outcome:
        """Meta's id of the media, or why there is none. Nothing was sent to anybody yet: every failure is safe."""
        limit = _MEDIA[kind]
        mime_type = media.mime_type.partition(";")[0].strip().lower()
        if media.size > limit.max_bytes:
            return Refused(code="media_too_large", why=f"{media.size} bytes; Meta takes {limit.max_bytes} for {kind}")
        if limit.mime_types and mime_type not in limit.mime_types:
            return Refused(code="media_type", why=f"Meta takes no {mime_type or 'untyped'} as {kind}")
        try:
            data, content_type = wire.form(
                {"messaging_product": "whatsapp", "type": media.mime_type},
                name="file",
                filename=media.filename,
                mime_type=media.mime_type,
                content=await media.read(),
            )
        except Exception as error:  # noqa: BLE001 - our storage may fail in any way, and nothing was sent yet.
            return Retry(code="media_unreadable", why=_name(error))
        try:
            response = await self._call(connection, "POST", "media", data=data, content_type=content_type)
        except _NoToken as error:
            return NotConnected(why=str(error), status=ConnectionStatus.LOGGED_OUT)
        except HttpError as error:
            return wire.lost(error) if isinstance(error, NotSent) else Retry(code="upload_failed", why=_name(error))
        refusal = errors.find(response.body, secrets=_secrets(connection))
        if refusal is None and 200 <= response.status < 300:
            answer = wire.decode(response.body)
            identifier = answer.get("id") if isinstance(answer, dict) else None
            if isinstance(identifier, str) and identifier:
                return identifier
            return Retry(code="upload_failed", why="Meta's answer to the upload cannot be read")
        return errors.outcome(response.status, response.headers, refusal, may_have_sent=False)

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks for a message and all before it. Raises `CallFailed`."""
        await self._ask(connection, "POST", "messages", json=_read_receipt(provider_id))

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """ "typing…" for up to 25 seconds. Meta ties it to a received message, which is marked read by it, and
        knows no recording.

        Raises `CallFailed`, also when nothing was received from the chat yet.
        """
        if not last_received:
            raise CallFailed(
                "Meta shows typing only in answer to a received message", code="nothing_received", retryable=False
            )
        request = _read_receipt(last_received) | {"typing_indicator": {"type": "text"}}
        await self._ask(connection, "POST", "messages", json=request)

    # --- the number ----------------------------------------------------------------------------------------

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Check the number and, with a `waba_id`, subscribe the app to its webhooks. There is no QR code here."""
        state = await self.status(connection)
        waba = connection.credentials.get("waba_id")
        if waba and state.status in (ConnectionStatus.CONNECTED, ConnectionStatus.DEGRADED):
            await self._ask(connection, "POST", "subscribed_apps", node=waba)
        return state

    async def status(self, connection: Connection) -> ConnectionState:
        """What the phone number node says. A refused token or a blocked account is a state, not a failure."""
        try:
            response = await self._call(connection, "GET", "", query=f"fields={_PHONE_FIELDS}")
        except _NoToken as error:
            return ConnectionState(status=ConnectionStatus.LOGGED_OUT, reason=str(error))
        except HttpError as error:
            raise CallFailed(_name(error), code="unreachable") from error
        refusal = errors.find(response.body, secrets=_secrets(connection))
        if refusal is not None:
            status = errors.connection_status(refusal)
            if status is not None:
                return ConnectionState(status=status, reason=f"{refusal.why} ({refusal.code})")
        return _state(_answer(response, refusal))

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """Nothing at Meta: the number stays registered and its account subscribed, for other users of both."""

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The phone number node: name, quality, limits, verification. Raises `CallFailed`."""
        return await self._ask(connection, "GET", "", query=f"fields={_PHONE_FIELDS}")

    async def health(self, server: Server) -> Health:
        """Whether Graph answers at all. Without a token it answers with an error, and that is enough."""
        try:
            response = await self._http.request("GET", f"{self._root(server)}/", timeout=self._timeout)
        except HttpError as error:
            return Health(healthy=False, why=_name(error))
        if response.status >= 500:
            return Health(healthy=False, why=f"HTTP {response.status}")
        return Health(healthy=True, version=self._version)

    # --- webhooks ------------------------------------------------------------------------------------------

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """`X-Hub-Signature-256` over the raw body, with the app's secret."""
        algorithm, _, signature = headers.get("x-hub-signature-256", "").partition("=")
        return algorithm == "sha256" and signing.hmac_hex_equal(
            _credential(connection, "app_secret"), body, signature, "sha256"
        )

    def challenge(self, connection: Connection, query: Mapping[str, str]) -> str | None:
        """`hub.challenge`, when the verify token is this connection's."""
        expected = _credential(connection, "verify_token")
        given = query.get("hub.verify_token", "")
        same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))
        if not expected or not same or query.get("hub.mode") != "subscribe":
            return None
        return query.get("hub.challenge")

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body, in its order. Raises `ValueError` when it is not Meta's shape."""
        return webhooks.read(body)

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes of received media. The url in a webhook lives for minutes, so a new one is asked for."""
        identifier = media.ref.get("id")
        if identifier:
            answer = await self._ask(connection, "GET", "", node=str(identifier))
            url = answer.get("url")
        else:
            url = media.ref.get("url")
        if not isinstance(url, str) or not url:
            raise CallFailed("Meta names no address for the media", code="media_gone", retryable=False)
        if not self._trusted(connection, url):
            raise CallFailed("the media's address is not one of Meta's", code="untrusted_media_host", retryable=False)
        try:
            headers = {"authorization": f"Bearer {_token(connection)}"}
            async with self._http.stream(
                "GET",
                url,
                headers=headers,
                timeout=max(self._timeout, _DOWNLOAD_SECONDS),
                max_bytes=_LARGEST_DOWNLOAD,
            ) as response:
                if response.status != 200:
                    gone = response.status in (404, 410)
                    raise CallFailed(
                        f"HTTP {response.status} for the media",
                        code="media_gone" if gone else "provider_failed",
                        retryable=not gone,
                    )
                async for chunk in response.chunks:
                    yield chunk
        except _NoToken as error:
            raise CallFailed(str(error), code="logged_out") from error
        except BadResponse as error:
            raise CallFailed(_name(error), code="media_unreadable", retryable=False) from error
        except HttpError as error:
            raise CallFailed(_name(error), code="unreachable") from error

    def _trusted(self, connection: Connection, url: str) -> bool:
        """Whether the access token may go there: https at one of Meta's hosts, or the server's own host."""
        try:
            target, own = urlsplit(url), urlsplit(self._base(connection.server))
            host = target.hostname or ""
        except ValueError:
            return False
        if host and host == own.hostname and target.scheme in ("https", own.scheme):
            return True
        return target.scheme == "https" and f".{host}".endswith(_META_HOSTS)

    # --- calls ---------------------------------------------------------------------------------------------

    async def _ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        node: str | None = None,
        json: Any = None,
        query: str = "",
    ) -> dict[str, Any]:
        """The JSON object of a successful answer. Raises `CallFailed`."""
        try:
            response = await self._call(connection, method, path, node=node, json=json, query=query)
        except _NoToken as error:
            raise CallFailed(str(error), code="logged_out") from error
        except HttpError as error:
            raise CallFailed(_name(error), code="unreachable") from error
        return _answer(response, errors.find(response.body, secrets=_secrets(connection)))

    async def _call(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        node: str | None = None,
        json: Any = None,
        data: bytes | None = None,
        content_type: str | None = None,
        query: str = "",
    ) -> Response:
        """One request about a node, by default the phone number. Raises `_NoToken` and `HttpError`."""
        node = node or connection.credentials.get("phone_number_id")
        if not node:
            raise _NoToken("the connection has no phone_number_id")
        headers = {"authorization": f"Bearer {_token(connection)}"}
        if content_type:
            headers["content-type"] = content_type
        try:
            url = "/".join(part for part in (self._root(connection.server), wire.part(node), path) if part)
        except CallFailed as error:
            raise _NoToken(error.why) from None
        return await self._http.request(
            method, f"{url}?{query}" if query else url, headers=headers, json=json, data=data, timeout=self._timeout
        )

    def _root(self, server: Server) -> str:
        return f"{self._base(server)}/{self._version}"

    def _base(self, server: Server) -> str:
        return (server.base_url or self.default_base_url or "").rstrip("/")


def _accepted(response: Response) -> Accepted | None:
    """The id that Meta gave the message; None when the answer has none, or is not Meta's."""
    answer = wire.decode(response.body)
    messages = answer.get("messages") if isinstance(answer, dict) else None
    first = messages[0] if isinstance(messages, list) and messages else None
    wamid = first.get("id") if isinstance(first, dict) else None
    if not isinstance(wamid, str) or not wamid:
        return None
    contacts = answer.get("contacts")
    contact = contacts[0] if isinstance(contacts, list) and contacts else None
    named = (contact.get("wa_id") or contact.get("user_id")) if isinstance(contact, dict) else None
    return Accepted(provider_id=wamid, recipient=named.strip() or None if isinstance(named, str) else None)


def _answer(response: Response, error: errors.GraphError | None) -> dict[str, Any]:
    if error is not None:
        gone = response.status == 404 or error.code == 100
        limited = error.code in errors.RATE_LIMITS or error.code in errors.TRANSIENT or error.transient
        retryable = limited or response.status >= 500 or errors.connection_status(error) is not None
        raise CallFailed(f"{error.why} ({error.code})", code=str(error.code), retryable=retryable and not gone)
    answer = wire.decode(response.body)
    if not 200 <= response.status < 300 or not isinstance(answer, dict):
        raise CallFailed(f"HTTP {response.status} with an answer that is not Graph's")
    return answer


def _state(node: Mapping[str, Any]) -> ConnectionState:
    told, quality = node.get("status"), node.get("quality_rating")
    status = _STATUSES.get(str(told), ConnectionStatus.CONNECTED)
    reason = None if status is ConnectionStatus.CONNECTED else f"Meta says {told}"
    if status is ConnectionStatus.CONNECTED and quality == "RED":
        status, reason = ConnectionStatus.DEGRADED, "the quality rating is RED"
    digits = "".join(character for character in str(node.get("display_phone_number") or "") if character.isdigit())
    return ConnectionState(status=status, reason=reason, phone=digits or None, details=dict(node))


def _read_receipt(provider_id: str) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "status": "read", "message_id": provider_id}


def _token(connection: Connection) -> str:
    token = connection.credentials.get("access_token", "").strip()
    if not token:
        raise _NoToken("the connection has no access_token")
    if not token.isascii() or not token.isprintable():
        raise _NoToken("the access_token has characters that no token has")
    return token


def _credential(connection: Connection, name: str) -> str:
    """A connection's own, else its server's: one app may serve many numbers."""
    return connection.credentials.get(name) or connection.server.credentials.get(name, "")


def _secrets(connection: Connection) -> tuple[str, ...]:
    names = ("access_token", "app_secret", "verify_token")
    return tuple(found for name in names if len(found := _credential(connection, name)) >= 6)


def _problem(kind: str, problem: FieldError) -> str:
    return f"{kind}.{problem.field}: {problem.message}" if problem.field else f"{kind}: {problem.message}"


def _name(error: Exception) -> str:
    """What went wrong. Only the HTTP client's own words are repeated: they hold no more of a url than its host."""
    return f"{type(error).__name__}: {error}" if isinstance(error, HttpError) else type(error).__name__
