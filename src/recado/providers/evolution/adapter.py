"""Evolution API v2 as a provider: sending, sessions and webhooks."""

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from recado.domain.content import MediaContent
from recado.domain.errors import FieldError
from recado.domain.events import ProviderEvent
from recado.domain.provider import (
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
)
from recado.domain.states import ConnectionStatus
from recado.kit.http import HttpError
from recado.providers import waproto, whatsapp, wire
from recado.providers.evolution import answers, calls, notices, payloads, webhooks
from recado.providers.evolution.groups import EvolutionGroups
from recado.providers.evolution.media import EvolutionMedia
from recado.providers.evolution.operations import EvolutionAreas

SECRET_HEADER = "x-recado-secret"  # noqa: S105 - a header's name

_MIB = 1024 * 1024
#: The server takes 136 MB of JSON, in which base64 takes four bytes for three.
_ANY = MediaLimit(max_bytes=95 * _MIB)
_QR_SECONDS = 45
_TYPING_MS = 5_000

#: What is told to us. History and what has no content is left out: messages.set would be taken for new messages.
_EVENTS = (
    "QRCODE_UPDATED",
    "CONNECTION_UPDATE",
    "MESSAGES_UPSERT",
    "MESSAGES_UPDATE",
    "MESSAGES_DELETE",
    "SEND_MESSAGE",
    "CONTACTS_UPSERT",
    "CONTACTS_UPDATE",
    "PRESENCE_UPDATE",
    "CHATS_DELETE",
    "GROUPS_UPSERT",
    "GROUP_UPDATE",
    "GROUP_PARTICIPANTS_UPDATE",
    "CALL",
)
#: Events that came with later versions, which earlier ones refuse to be asked for.
_LATER_EVENTS = (
    "MESSAGES_EDITED",
    "SEND_MESSAGE_UPDATE",
    "LABELS_EDIT",
    "LABELS_ASSOCIATION",
    "STATUS_INSTANCE",
    "LOGOUT_INSTANCE",
    "REMOVE_INSTANCE",
)
_INTEGRATIONS = {False: "WHATSAPP-BAILEYS", True: "WHATSAPP-BUSINESS"}

_PHONE = Capabilities(
    kinds=payloads.BAILEYS_KINDS,
    media=dict.fromkeys(sorted(payloads.MEDIA_KINDS), _ANY),
    replies=True,
    unquotable=payloads.UNQUOTABLE,
    deduplicates=False,
    human_pacing=True,
    receipts=frozenset({"server_ack", "delivered", "read", "played"}),
    notes=(
        "The server makes the ids: a message whose answer is lost is not settled by asking.",
        "Voice notes and contact cards cannot quote a message.",
        "Edits only of texts, and of the captions of images and videos, that the server has stored.",
        "Buttons, lists and Pix buttons are shown by some versions of WhatsApp and not by others.",
    ),
)
_CLOUD = Capabilities(
    kinds=payloads.CLOUD_KINDS,
    media=dict.fromkeys(sorted(payloads.MEDIA_KINDS & payloads.CLOUD_KINDS), _ANY),
    replies=True,
    unquotable=payloads.UNQUOTABLE_ON_CLOUD,
    own_ids="wamid.",
    deduplicates=False,
    human_pacing=False,
    receipts=frozenset({"server_ack", "delivered", "read"}),
    notes=("Buttons are reply buttons only, and a list needs a header, a footer and a description in every row.",),
)


class Evolution(EvolutionMedia, EvolutionAreas, EvolutionGroups):
    """Provider of kind `evolution`."""

    kind: ClassVar[str] = "evolution"
    capabilities: ClassVar[Capabilities] = _PHONE
    variants: ClassVar[Mapping[str, Capabilities]] = {calls.BAILEYS: _PHONE, calls.CLOUD: _CLOUD}
    default_base_url: ClassVar[str | None] = None
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="api_key", help="The server's global key (AUTHENTICATION_API_KEY)."),
        CredentialField(
            name="graph_url",
            required=False,
            secret=False,
            help="Meta's API with its version, as the server has it in WA_BUSINESS_URL and WA_BUSINESS_VERSION.",
        ),
    )
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="instance",
            required=False,
            secret=False,
            own_server=True,
            help="An instance that exists already. Without it one is made.",
        ),
        CredentialField(name="token", required=False, help="The instance's own key; else the server's is used."),
        CredentialField(
            name="channel",
            required=False,
            secret=False,
            help="`baileys` (a phone, the default) or `cloud` (Meta's Cloud API behind the server).",
        ),
        CredentialField(
            name="phone_number_id", required=False, secret=False, help="Cloud channel: the number's id at Meta."
        ),
        CredentialField(
            name="business_id", required=False, secret=False, help="Cloud channel: the WhatsApp Business Account."
        ),
        CredentialField(name="access_token", required=False, help="Cloud channel: Meta's token, also to fetch media."),
        CredentialField(
            name="webhook_secret",
            required=False,
            help=f"With an existing instance: what comes back in the webhook's {SECRET_HEADER} header, if you want to "
            "choose it. Without it one is derived from the key.",
        ),
    )

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The name of an instance that exists already."""
        return credentials.get("instance", "").strip() or None

    def variant(self, connection: Connection) -> str:
        """`cloud` where Meta's Cloud API is behind the instance, else `baileys`."""
        return calls.CLOUD if calls.is_cloud(connection) else calls.BAILEYS

    # --- sending -----------------------------------------------------------------------------------------------

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What the server would refuse on any channel."""
        return payloads.check(kind, content)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """Post the message: one request, media by link or as base64 in it."""
        cloud = calls.is_cloud(connection)
        refused = _refused(message, cloud=cloud)
        if refused is not None:
            return refused
        media: str | None = None
        if isinstance(message.content, MediaContent):
            media = message.content.link
            if media is None:
                if message.media is None:
                    return Refused(code="media_missing", why="the message names no link and no stored media")
                try:
                    media = base64.b64encode(await message.media.read()).decode()
                except Exception as error:  # noqa: BLE001 - our storage may fail in any way, and nothing was sent yet.
                    return Retry(code="media_unreadable", why=type(error).__name__)
        request = payloads.request(message, media=media, cloud=cloud)
        try:
            answer = await self._call(connection, request.method, request.route, json=request.json)
        except calls.NoInstance as error:
            return NotConnected(why=str(error), status=ConnectionStatus.LOGGED_OUT)
        except HttpError as error:
            return wire.lost(error)
        return answers.outcome(
            answer,
            secrets=calls.secrets(connection),
            names_recipient=not cloud,
            sends=message.kind not in payloads.CHANGES,
        )

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks for a message. The server does nothing, and says it did, in a chat that only has an `@lid`."""
        key = {"remoteJid": whatsapp.jid(chat), "fromMe": False, "id": provider_id}
        await self._ask(connection, "POST", "chat/markMessageAsRead", json={"readMessages": [key]})

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """ "typing…" or "recording…" for five seconds, which the call lasts."""
        presence = "recording" if recording else "composing"
        json = {"number": chat, "presence": presence, "delay": _TYPING_MS}
        await self._ask(connection, "POST", "chat/sendPresence", json=json)

    # --- the session -------------------------------------------------------------------------------------------

    async def open_session(self, connection: Connection) -> Session:
        """Make the instance `rcd-<connection id>` with its webhook; one that an earlier try made is taken over."""
        name = f"rcd-{connection.id.hex}"
        secret = random.token_urlsafe(32)
        credentials = {"webhook_secret": secret}
        json: dict[str, Any] = {
            "instanceName": name,
            "integration": _INTEGRATIONS[calls.is_cloud(connection)],
            "qrcode": False,
            "webhook": {name: value for name, value in _webhook(connection, secret).items() if name != "enabled"},
        }
        if calls.is_cloud(connection):
            json |= _cloud_session(connection)
        else:
            given = connection.credentials.get("token", "").strip()
            json["token"] = credentials["token"] = given or random.token_hex(24).upper()
        answer = await self._answer(connection, "POST", "instance/create", json=json, named=False)
        if answer.ok:
            return Session(account=name, credentials=credentials)
        told = answers.statement(answer, calls.secrets(connection)) or ""
        if answer.status != 403 or "already in use" not in told:
            raise answers.failure(answer, secrets=calls.secrets(connection))
        # A token of ours was lost with that try's answer; the server's key opens the instance too.
        await self._set_webhook(msgspec.structs.replace(connection, account=name), secret)
        return Session(account=name, credentials={"webhook_secret": secret})

    async def close_session(self, connection: Connection) -> None:
        """Delete the instance, logged out or not. One that is gone already is fine."""
        answer = await self._answer(connection, "DELETE", "instance/delete")
        if not answer.ok and answer.status != 404:
            raise answers.failure(answer, secrets=calls.secrets(connection))

    async def register_webhook(self, connection: Connection) -> None:
        """Make the instance post to the connection's address, with its secret in a header."""
        await self._set_webhook(connection, next(_secrets(connection), ""))

    async def _set_webhook(self, connection: Connection, secret: str) -> None:
        wanted = _webhook(connection, secret)
        answer = await self._answer(connection, "POST", "webhook/set", json={"webhook": wanted})
        if answer.status == 400:
            wanted |= {"events": list(_EVENTS)}
            answer = await self._answer(connection, "POST", "webhook/set", json={"webhook": wanted})
        if not answer.ok:
            raise answers.failure(answer, secrets=(*calls.secrets(connection), secret))

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Start the instance: its QR code, or the code to type on the phone of that number."""
        query = {"number": payloads.digits(phone)} if method == "phone_code" and phone else None
        return _shown(await self._ask(connection, "GET", "instance/connect", query=query))

    async def status(self, connection: Connection) -> ConnectionState:
        """What the server says of the instance. One that it does not know is a state, not a failure."""
        answer = await self._answer(connection, "GET", "instance/connectionState")
        if answer.status == 404:
            why = answers.statement(answer, calls.secrets(connection))
            return ConnectionState(status=ConnectionStatus.LOGGED_OUT, reason=why or "the server has no such instance")
        if not answer.ok or answers.reported(answer):
            raise answers.failure(answer, secrets=calls.secrets(connection))
        return _state(answer.data)

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """Log out: the server has no way to stop an instance and keep its pairing. On the Cloud channel there is none, and
        what is stopped there starts again with the whole server only, so nothing is done."""
        if calls.is_cloud(connection):
            return
        answer = await self._answer(connection, "DELETE", "instance/logout")
        told = answers.statement(answer, calls.secrets(connection)) or ""
        if not answer.ok and answer.status != 404 and "is not connected" not in told:
            raise answers.failure(answer, secrets=calls.secrets(connection))

    async def restart(self, connection: Connection) -> ConnectionState:
        """Restart the instance; one that is closed is connected with the pairing it has."""
        answer = await self._answer(connection, "POST", "instance/restart")
        if answer.status in (404, 405) and "Cannot POST" in (answers.statement(answer) or ""):
            # The route was a PUT until v2.2, and still is in the document.
            answer = await self._answer(connection, "PUT", "instance/restart")
        if answers.reported(answer):
            return _shown(await self._ask(connection, "GET", "instance/connect"))
        if not answer.ok:
            raise answers.failure(answer, secrets=calls.secrets(connection))
        return _shown(answer.data)

    async def health(self, server: Server) -> Health:
        """The greeting at the server's root, which tells its version and takes no key."""
        try:
            answer = await wire.call(self._http, "GET", f"{calls.root(server)}/", headers={}, timeout=self._timeout)
        except HttpError as error:
            return Health(healthy=False, why=wire.describe(error))
        version = answer.object.get("version")
        if not answer.ok or not isinstance(version, str):
            return Health(healthy=False, why=f"HTTP {answer.status} that is not Evolution's greeting")
        return Health(healthy=True, version=version)

    # --- webhooks ------------------------------------------------------------------------------------

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the header we registered came with it. The server signs nothing, so the body is not covered."""
        given = headers.get(SECRET_HEADER, "").encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(secret.encode(), given) for secret in _secrets(connection))

    def redact(self, body: bytes) -> bytes:
        """The body without the instance's key, which on the Cloud channel is Meta's access token."""
        return webhooks.redact(body)

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body, in its order. Raises `ValueError` when it is not Evolution's shape."""
        return webhooks.read(body)


def _refused(message: Outgoing, *, cloud: bool) -> Refused | None:
    """What is known to fail before asking."""
    able, channel = (_CLOUD, "Cloud") if cloud else (_PHONE, "phone")
    if message.kind not in able.kinds:
        return Refused(code="unsupported_by_provider", why=f"Evolution's {channel} channel has no such kind")
    if "@" in message.to and (cloud or message.to.endswith("@newsletter")):
        # The server would take the digits for a phone's, or for a group's.
        return Refused(code="unsupported_by_provider", why=f"Evolution's {channel} channel does not reach such a chat")
    if message.reply_to is not None and message.kind in able.unquotable:
        return Refused(code="unsupported_by_provider", why=f"Evolution's {channel} channel cannot quote with this kind")
    found = [f"{one.field}: {one.message}" for one in payloads.check(message.kind, message.content)]
    of_cloud = payloads.check_cloud(message.kind, message.content) if cloud else None
    why = "; ".join([*found, *([of_cloud] if of_cloud else [])])
    if not why and message.kind in ("reaction", "edit", "delete") and message.about is None:
        why = "the message that it speaks of is not known"
    return Refused(code="invalid", why=why) if why else None


def _secrets(connection: Connection) -> Iterator[str]:
    """What a webhook of the connection may come with; we register the first.

    An instance that was there before needs no secret made up for it: one follows from its key, which the webhook does not
    give away. Both keys count, so that a token given later does not turn the webhooks away.
    """
    chosen = connection.credentials.get("webhook_secret", "")
    if chosen:
        yield chosen
        return
    for key in calls.keys(connection):
        yield hmac.new(key.encode(), f"recado webhook {connection.id}".encode(), hashlib.sha256).hexdigest()


def _webhook(connection: Connection, secret: str) -> dict[str, Any]:
    """Media is fetched when it is wanted: as base64 in the webhook it would make every retry of one as large."""
    return {
        "enabled": True,
        "url": connection.webhook_url,
        "byEvents": False,
        "base64": False,
        "headers": {SECRET_HEADER: secret},
        "events": [*_EVENTS, *_LATER_EVENTS],
    }


def _cloud_session(connection: Connection) -> dict[str, str]:
    """On the Cloud channel the instance's `token` is Meta's access token, and its `number` the number's id at Meta."""
    given = {
        "number": connection.credentials.get("phone_number_id", "").strip(),
        "token": connection.credentials.get("access_token", "").strip(),
        "businessId": connection.credentials.get("business_id", "").strip(),
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise CallFailed(
            "The cloud channel needs phone_number_id, access_token and business_id.",
            code="credentials_missing",
            retryable=False,
        )
    return given


def _state(data: Any) -> ConnectionState:
    """`{instance: {state}}`. An instance that the server has stored and not loaded has no state."""
    instance = data.get("instance") if isinstance(data, dict) else None
    told = instance.get("state") or instance.get("status") if isinstance(instance, dict) else None
    status = notices.CONNECTION_STATES.get(str(told), ConnectionStatus.DISCONNECTED)
    known = status in (ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING)
    return ConnectionState(status=status, reason=None if known else f"the server says {told or 'nothing'}")


def _shown(data: Any) -> ConnectionState:
    """The answer to connecting: a code, a state, or nothing yet."""
    if not isinstance(data, dict):
        raise CallFailed("The server's answer to connecting cannot be read.", code="bad_answer")
    if isinstance(data.get("instance"), dict):
        return _state(data)
    code, pairing = waproto.text(data, "code"), waproto.text(data, "pairingCode")
    if code is None and pairing is None:
        return ConnectionState(status=ConnectionStatus.CONNECTING)
    return ConnectionState(
        status=ConnectionStatus.QR,
        qr=code,
        pairing_code=pairing,
        expires_at=datetime.now(UTC) + timedelta(seconds=_QR_SECONDS),
    )
