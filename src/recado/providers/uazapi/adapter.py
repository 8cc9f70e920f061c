"""UAZAPI (uazapiGO) as a provider: the calls, and what each answer means."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

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
    Session,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.kit.http import BadResponse, HttpError
from recado.providers import whatsapp, wire
from recado.providers.uazapi import calls, errors, payloads, webhooks
from recado.providers.uazapi.calls import Caller, Json, bare, given, maybe, objects, text
from recado.providers.uazapi.people import People
from recado.providers.uazapi.rooms import Rooms

_MEGABYTE = 1024 * 1024
#: The document names a limit (413) without its number: these are WhatsApp's own for what it shows as media.
_VIDEO = MediaLimit(max_bytes=100 * _MEGABYTE, mime_types=frozenset({"video/mp4"}))
_MEDIA: Mapping[str, MediaLimit] = {
    "image": MediaLimit(max_bytes=16 * _MEGABYTE),
    "video": _VIDEO,
    "gif": _VIDEO,
    "ptv": _VIDEO,
    "audio": MediaLimit(max_bytes=100 * _MEGABYTE, mime_types=frozenset({"audio/mpeg", "audio/mp3", "audio/ogg"})),
    "voice": MediaLimit(max_bytes=100 * _MEGABYTE),
    "document": MediaLimit(max_bytes=100 * _MEGABYTE),
    "sticker": MediaLimit(max_bytes=_MEGABYTE),
}

#: What an instance tells. Not `history` (the phone's past, in large bodies), `chats` (repeats every message as the chat
#: it changed) and `sender` (UAZAPI's own campaigns).
_EVENTS = (
    "connection",
    "messages",
    "messages_update",
    "newsletter_messages",
    "call",
    "contacts",
    "presence",
    "groups",
    "labels",
    "chat_labels",
    "blocks",
)
_NEVER_SENT = frozenset({"failed", "canceled"})
_TYPING_MS = 25_000
_LARGEST_DOWNLOAD = 110 * _MEGABYTE
_DOWNLOAD_SECONDS = 120.0


class Uazapi(People, Rooms, Caller):
    """Provider of kind `uazapi`."""

    kind: ClassVar[str] = "uazapi"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=payloads.KINDS,
        media=_MEDIA,
        replies=True,
        deduplicates=False,
        human_pacing=True,
        receipts=frozenset({"delivered", "read", "played"}),
        echoes_message_id=False,
        notes=(
            "UAZAPI replaces placeholders like {{name}} in every text by what it knows of the chat.",
            "Disconnecting always ends the pairing: there is no way to stop and keep it.",
            "The QR code comes as a picture (details.qr_image), not as text.",
            "One contact card per message; forwarding media works for media sent by link.",
            "An order is a payment request in BRL; it needs a Pix key, a payment link or a boleto.",
        ),
    )
    default_base_url: ClassVar[str | None] = None
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="admin_token",
            required=False,
            help="Makes and finds instances. Without it, each connection needs a token.",
        ),
    )
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="token", required=False, help="Of an instance that exists already. Without it, a new one is made."
        ),
    )

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """None: a token names no instance. `open_session` asks UAZAPI for the name, of a given instance too."""
        return None

    # --- sending -------------------------------------------------------------------------------------------

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What UAZAPI would refuse in a content or change about it, each with its path in it."""
        return payloads.check(kind, content)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """One request. Stored media goes along with it in base64."""
        if problems := self.check(message.kind, message.content):
            return Refused(code="invalid", why=payloads.described(message.kind, problems))
        file: str | None = None
        if isinstance(message.content, MediaContent) and not message.content.link:
            stored = await _stored(message)
            if not isinstance(stored, str):
                return stored
            file = stored
        try:
            post = payloads.post(message, file=file)
            answer = await self._call(connection, "POST", post.path, post.json)
        except payloads.Unsendable as error:
            return Refused(code=error.code, why=str(error))
        except calls.NoToken as error:
            return NotConnected(why=error.why, status=ConnectionStatus.LOGGED_OUT)
        except HttpError as error:
            return wire.lost(error)
        return _sent(answer) or errors.outcome(answer, calls.secrets(connection))

    async def find(self, connection: Connection, message: Outgoing, *, since: datetime) -> Accepted | None:
        """The message by its `track_id`. None only when UAZAPI says that it was cancelled, or why it failed in words
        that rule out that it was sent.

        That it is not there proves nothing: the document promises that what was sent is stored, and not that it is
        stored before it is sent, so a server that stopped in between would have sent it. Raises `CallFailed` then.
        """
        if message.kind not in payloads.TRACKED:
            raise CallFailed(f"a {message.kind} carries no id of ours to find it by", code="unproven", retryable=False)
        ours = str(message.message_id)
        asked = {"track_source": payloads.TRACK_SOURCE, "track_id": ours, "limit": 20}
        answer = await self._object(connection, "POST", "/message/find", asked)
        found = [one for one in objects(answer.get("messages")) if one.get("track_id") == ours]
        for one in found:
            identifier, state = _message_id(one), _said(one)
            if identifier and state not in _NEVER_SENT and state != "queued":
                return Accepted(provider_id=identifier, recipient=whatsapp.address(one.get("chatid")))
        if not found:
            raise CallFailed("UAZAPI knows no such message, which proves neither", code="unproven")
        if not all(_certainly_not_sent(one) for one in found):
            raise CallFailed("UAZAPI does not know yet what became of the message", code="unproven")
        return None

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks for one message. Raises `CallFailed`."""
        answer = await self._object(connection, "POST", "/message/markread", {"id": [provider_id]})
        for result in objects(answer.get("results")):
            if result.get("status") == "error":
                why = wire.told(result.get("error"), calls.secrets(connection))
                raise CallFailed(why or "UAZAPI could not mark the message", retryable=False)

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """ "typing…" for 25 seconds, or until a message is sent to the chat. Raises `CallFailed`."""
        presence = "recording" if recording else "composing"
        shown = {"number": payloads.number(chat), "presence": presence, "delay": _TYPING_MS}
        await self._ask(connection, "POST", "/message/presence", shown)

    # --- sessions ------------------------------------------------------------------------------------------

    async def open_session(self, connection: Connection) -> Session:
        """An instance with its webhook set: the one whose token the connection has, else our own, made where absent.

        Making one twice would leave a second instance behind, so the list is looked through first. A given instance is
        named by UAZAPI's id of it, our own by the name we chose. Raises `CallFailed`.
        """
        token = connection.credentials.get("token", "")
        if token:
            instance = maybe((await self._object(connection, "GET", "/instance/status")).get("instance"))
            account = text(instance, "id", "name")
        else:
            account = _name(connection)
            token = await self._listed(connection.server, account) or await self._create(connection.server, account)
        if not account:
            raise CallFailed("UAZAPI does not name the instance", code="bad_answer")
        credentials = {**connection.credentials, "token": token}
        await self.register_webhook(msgspec.structs.replace(connection, credentials=credentials))
        return Session(account=account, credentials={"token": token})

    async def close_session(self, connection: Connection) -> None:
        """Delete an instance that we made. One that was given keeps everything but our webhook. Raises `CallFailed`.

        A token without an account was given: what `open_session` tells is kept together.
        """
        token = connection.credentials.get("token")
        if connection.account != _name(connection) and token:
            await self._remove_webhook(connection)
            return
        token = token or await self._listed(connection.server, _name(connection))
        if not token:
            return
        headers = {"token": calls.usable(token, "the instance has no token")}
        try:
            answer = await self._request(connection.server, "DELETE", "/instance", headers, None)
        except HttpError as error:
            raise wire.unreachable(error) from error
        # A deleted instance's token is not accepted any more.
        if answer.status not in (401, 404):
            calls.accepted(answer, (token,))

    async def register_webhook(self, connection: Connection) -> None:
        """One webhook of ours among those that the instance has. What others registered stays. Raises `CallFailed`."""
        existing = await self._own_webhook(connection)
        hook: Json = {
            "enabled": True,
            "url": connection.webhook_url,
            "events": list(_EVENTS),
            "excludeMessages": [],
            "addUrlEvents": False,
            "addUrlTypesMessages": False,
        }
        action = {"action": "update", "id": existing} if existing else {"action": "add"}
        await self._ask(connection, "POST", "/webhook", hook | action)

    async def _remove_webhook(self, connection: Connection) -> None:
        if existing := await self._own_webhook(connection):
            removed = {"action": "delete", "id": existing, "url": connection.webhook_url}
            await self._ask(connection, "POST", "/webhook", removed)

    async def _own_webhook(self, connection: Connection) -> str | None:
        """UAZAPI's id of the webhook that leads to Recado: all of ours are alike up to their last part, the key."""
        ours = connection.webhook_url.rpartition("/")[0]
        for hook in objects(await self._ask(connection, "GET", "/webhook")):
            if (text(hook, "url") or "").rpartition("/")[0] == ours:
                return text(hook, "id")
        return None

    async def _listed(self, server: Server, name: str) -> str | None:
        """The token of the instance with the name. Raises `CallFailed`."""
        listed = await self._administer(server, "GET", "/instance/all")
        if not isinstance(listed, list):
            raise CallFailed("the list of instances is none", code="bad_answer")
        return next((one["token"] for one in listed if calls.same(one, name)), None)

    async def _create(self, server: Server, name: str) -> str:
        made = maybe(await self._administer(server, "POST", "/instance/create", {"name": name}))
        token = text(made, "token") or text(maybe(made.get("instance")), "token")
        if token is None:
            raise CallFailed("UAZAPI made an instance and told no token", code="bad_answer")
        return token

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """A QR code, as a picture, or with `phone_code` a code to type. Raises `CallFailed`."""
        asked: Json = {}
        if method == "phone_code":
            digits = whatsapp.address(phone)
            if digits is None:
                raise CallFailed("a pairing code needs the phone", code="phone_missing", retryable=False)
            asked["phone"] = digits
        return _state(await self._object(connection, "POST", "/instance/connect", asked))

    async def status(self, connection: Connection) -> ConnectionState:
        """How the instance stands. A token that is not accepted is a state: the instance is gone."""
        try:
            answer = await self._call(connection, "GET", "/instance/status")
        except HttpError as error:
            raise wire.unreachable(error) from error
        if answer.status in (401, 404) and answer.object:
            why = errors.reason(answer, calls.secrets(connection)) or f"HTTP {answer.status}"
            return ConnectionState(status=ConnectionStatus.LOGGED_OUT, reason=why)
        data = calls.accepted(answer, calls.secrets(connection))
        if not isinstance(data, dict) or not maybe(data.get("instance")):
            raise CallFailed("the answer has no instance", code="bad_answer")
        return _state(data)

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """End the session and, as UAZAPI has only this, its pairing. Raises `CallFailed`."""
        try:
            answer = await self._call(connection, "POST", "/instance/disconnect")
        except HttpError as error:
            raise wire.unreachable(error) from error
        if not answer.ok and errors.absent_session(errors.reason(answer, calls.secrets(connection))):
            return
        calls.accepted(answer, calls.secrets(connection))

    async def restart(self, connection: Connection) -> ConnectionState:
        """Reset the instance's runtime; the pairing stays. What a second reset within the cooldown does is nothing."""
        answer = await self._object(connection, "POST", "/instance/reset")
        if answer.get("resetting") is True:
            return ConnectionState(status=ConnectionStatus.CONNECTING, reason=text(answer, "response"))
        return await self.status(connection)

    async def account_info(self, connection: Connection) -> Json:
        """The instance (name, picture, platform) and under `limits` what WhatsApp lets it do with first contacts."""
        answer = await self._object(connection, "GET", "/instance/status")
        instance = calls.shown(maybe(answer.get("instance")))
        try:
            limits = await self._object(connection, "GET", "/instance/wa_messages_limits")
        except CallFailed as error:
            # They are asked of WhatsApp and known only while the number is connected.
            return {"instance": instance, "limits": None, "limits_unknown": error.why}
        return {"instance": instance, "limits": limits}

    async def health(self, server: Server) -> Health:
        """Whether a uazapiGO answers. There is no route for it: one without a token, which is refused, has to do."""
        try:
            answer = await self._request(server, "GET", "/instance/status", {}, None)
        except HttpError as error:
            return Health(healthy=False, why=wire.describe(error))
        if answer.status in (200, 401) and answer.object:
            return Health(healthy=True)
        return Health(healthy=False, why=f"HTTP {answer.status}, not the answer of a uazapiGO")

    # --- webhooks and media --------------------------------------------------------------------------------

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """The body's `token`, which is the instance's. UAZAPI signs nothing; the address is secret too."""
        return webhooks.verify(connection.credentials.get("token", ""), body)

    def redact(self, body: bytes) -> bytes:
        """The body without the instance's token."""
        return webhooks.redact(body)

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body, in its order. Raises `ValueError` when it is not UAZAPI's shape."""
        return webhooks.read(body)

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes, which UAZAPI decrypts and publishes. The address it names gets no token. Raises `CallFailed`.

        Voice notes stay the OGG they are; UAZAPI would make MP3 of them.
        """
        identifier = media.ref.get("id")
        if not isinstance(identifier, str) or not identifier:
            raise CallFailed("the media names no message", code="media_gone", retryable=False)
        asked = {"id": identifier, "return_link": True, "return_base64": False, "generate_mp3": False}
        answer = await self._download(connection, asked)
        url = text(answer, "fileURL")
        if url is None:
            yield _decoded(answer.get("base64Data"))
            return
        seconds = max(self._timeout, _DOWNLOAD_SECONDS)
        try:
            async with self._http.stream(
                "GET", url, timeout=seconds, max_bytes=_LARGEST_DOWNLOAD, follow=3
            ) as response:
                if response.status != 200:
                    gone = response.status in (404, 410)
                    code = "media_gone" if gone else "provider_failed"
                    raise CallFailed(f"HTTP {response.status} for the media", code=code, retryable=not gone)
                async for chunk in response.chunks:
                    yield chunk
        except BadResponse as error:
            raise CallFailed(wire.describe(error), code="media_unreadable", retryable=False) from error
        except HttpError as error:
            raise wire.unreachable(error) from error

    async def _download(self, connection: Connection, asked: Json) -> Json:
        try:
            return await self._object(connection, "POST", "/message/download", asked)
        except CallFailed as error:
            if error.code in ("http_400", "http_404"):
                raise CallFailed(error.why, code="media_gone", retryable=False) from error
            raise


async def _stored(message: Outgoing) -> str | Outcome:
    """Stored media in base64, or why it is not sent."""
    media, limit = message.media, _MEDIA[message.kind]
    if media is None:
        return Refused(code="media_missing", why="the message names no link and no stored media")
    if media.size > limit.max_bytes:
        return Refused(code="media_too_large", why=f"{media.size} bytes; at most {limit.max_bytes} as {message.kind}")
    try:
        return await wire.data_url(media)
    except Exception as error:  # noqa: BLE001 - our storage may fail in any way, and nothing was sent yet.
        return Retry(code="media_unreadable", why=type(error).__name__)


def _sent(answer: wire.Answer) -> Outcome | None:
    """The message in a successful answer; None when there is none, or UAZAPI says that it failed."""
    told = answer.object
    # Channels answer in an envelope, everything else the message itself, with its own `response` text in it.
    enveloped = maybe(told.get("response"))
    message = enveloped if text(enveloped, "messageid") else told
    if not answer.ok or _said(message) in _NEVER_SENT:
        return None
    if text(message, "error"):
        return None
    identifier = _message_id(message)
    if identifier is None:
        return Unknown(why=f"HTTP {answer.status} with an answer that names no message")
    recipient = whatsapp.address(message.get("chatid"))
    return Accepted(provider_id=identifier, recipient=recipient)


def _said(message: Json) -> str:
    """The state of a message in lower case; UAZAPI writes `Failed`."""
    return (text(message, "status") or "").lower()


def _certainly_not_sent(message: Json) -> bool:
    state = _said(message)
    return state == "canceled" or (state == "failed" and not errors.uncertain(message.get("error")))


def _message_id(message: Json) -> str | None:
    """The WhatsApp id. `id` is `<owner>:<id>`, the bare id where a message was taken back, or UAZAPI's own of a row."""
    whole = text(message, "id")
    row = whole is not None and ":" not in whole and "timestamp" not in message
    return bare(text(message, "messageid")) or (None if row else bare(whole))


def _decoded(data: object) -> bytes:
    try:
        found = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise CallFailed("UAZAPI gives no file for the message", code="media_unreadable", retryable=False)
    return found


def _name(connection: Connection) -> str:
    """The name of the instance that is ours."""
    return f"rcd-{connection.id.hex}"


def _state(answer: Json) -> ConnectionState:
    """An instance as answers tell it: `instance` with its status, and `status` with what is connected right now."""
    instance, now = maybe(answer.get("instance")), maybe(answer.get("status"))
    status = webhooks.connection_status(instance)
    reason = text(instance, "lastDisconnectReason")
    if now.get("resetting") is True:
        status, reason = ConnectionStatus.CONNECTING, "the instance is being reset"
    elif status is ConnectionStatus.CONNECTED and now.get("connected") is False:
        status, reason = ConnectionStatus.DISCONNECTED, reason or "not connected to WhatsApp"
    elif status is ConnectionStatus.DISCONNECTED and text(instance, "status") != "disconnected":
        reason = reason or text(instance, "status")
    shown = status is ConnectionStatus.QR
    return ConnectionState(
        status=status,
        reason=None if status is ConnectionStatus.CONNECTED or shown else reason,
        phone=calls.jid_text(now.get("jid") or answer.get("jid")) or whatsapp.address(instance.get("owner")),
        pairing_code=text(instance, "paircode") if shown else None,
        details=given(
            name=text(instance, "profileName"),
            business=instance.get("isBusiness"),
            platform=text(instance, "plataform"),
            **(webhooks.qr_details(instance) if shown else {}),
        ),
    )
