"""Z-API as a provider: its instances, sending, webhooks' proof, media and health."""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
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
    NotConnected,
    Outcome,
    Outgoing,
    Refused,
    Retry,
    Server,
    Session,
    StoredMedia,
)
from recado.domain.states import ConnectionStatus
from recado.kit.http import BadResponse, HttpError
from recado.providers import wire
from recado.providers.zapi import errors, limits, notices, payloads, shapes, webhooks
from recado.providers.zapi.about import CAPTIONS
from recado.providers.zapi.addresses import phone as written
from recado.providers.zapi.calls import Json, NoInstance, instance_id, number, objects, secrets, text, unreadable
from recado.providers.zapi.groups import Newsletters, Rooms, Unions
from recado.providers.zapi.operations import People, Self, Shop, Talks

_LARGEST_DOWNLOAD = 110 * 1024 * 1024
_DOWNLOAD_SECONDS = 120.0
#: WhatsApp changes the code about this often (page instance/qrcode); Z-API names no end of its own.
_QR_SECONDS = 20
#: How long a refusal waits for the connection's status.
_LOOK_SECONDS = 5.0
_INSTANCES_PER_PAGE = 100
_MOST_PAGES = 1_000

_CALLBACKS = (
    "deliveryCallbackUrl",
    "receivedCallbackUrl",
    "receivedAndDeliveryCallbackUrl",
    "presenceChatCallbackUrl",
    "disconnectedCallbackUrl",
    "connectedCallbackUrl",
    "messageStatusCallbackUrl",
)
#: What `GET me` tells without its secrets: it also holds the token and every webhook's address.
_ACCOUNT = ("name", "due", "paymentStatus", "created", "callRejectAuto", "autoReadMessage")

#: Name and password of a proxy, in the text that tells of its failure: whatever stands before the last `@` of a url.
_USER_INFO = re.compile(r"://\S*@")


class Zapi(People, Talks, Shop, Self, Rooms, Unions, Newsletters):
    """Provider of kind `zapi`."""

    kind: ClassVar[str] = "zapi"
    capabilities: ClassVar[Capabilities] = Capabilities(
        kinds=payloads.KINDS,
        media=payloads.MEDIA,
        replies=True,
        unquotable=payloads.UNQUOTABLE,
        receipts=frozenset(state.value for state in notices.STATES.values()),
        notes=(
            "Z-API queues messages itself and waits 1 s behind each, on top of Recado's own pace.",
            "Whether a phone exists and whether media can be read shows only behind that queue, as message.failed.",
            "Z-API does not tell the WhatsApp id of a forwarded message: it gets no receipts but a failure.",
            "Events go to groups only and are answered with going or not_going, lists to single chats only; newer pages of Z-API say that polls are for groups.",
            "Z-API has one route for audio: `voice` goes with a sound wave, `audio` without one.",
            "An instance that Recado makes is Z-API's two-day trial until you subscribe it at Z-API.",
        ),
    )
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="partner_token", required=False, help="Of a partner: makes instances for connections."),
        CredentialField(name="client_token", required=False, help="The account's security token, for all instances."),
    )
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="instance_id",
            required=False,
            secret=False,
            help="Of an instance that you have; without one, the server's partner_token makes it.",
        ),
        CredentialField(name="token", required=False, help="The instance's token."),
        CredentialField(name="client_token", required=False, help="The account's security token, once activated."),
    )

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The instance's id, which every webhook names."""
        return credentials.get("instance_id") or None

    # --- sessions ------------------------------------------------------------------------------------------

    async def open_session(self, connection: Connection) -> Session:
        """Make an instance with its webhooks, or take over the one of our name that an earlier try made.

        Instances are asked for first: making one is not idempotent, and one whose answer was lost would be paid for.
        Raises `CallFailed`.
        """
        url = _https(connection)
        name = f"rcd-{connection.id.hex}"
        made = await self._named(connection.server, name)
        if made is None:
            body: Json = {"name": name, "sessionName": "Recado", "disableEnqueueWhenDisconnected": True}
            body |= dict.fromkeys(_CALLBACKS, url)
            made = await self._partner(connection.server, "POST", "instances/integrator/on-demand", json=body)
        account, token = text(made, "id"), text(made, "token")
        if account is None or token is None:
            raise unreadable()
        credentials = {"instance_id": account, "token": token, "made_by_recado": "true"}
        opened = _with(connection, account, credentials)
        await self.register_webhook(opened)
        return Session(account=account, credentials=credentials)

    async def close_session(self, connection: Connection) -> None:
        """Disconnect the number, and cancel the instance where Recado made it. It stays until it is due.

        Raises `CallFailed`.
        """
        made = connection.credentials.get("made_by_recado") == "true"
        try:
            await self.disconnect(connection, logout=True)
        except CallFailed as error:
            # An instance whose trial is over refuses everything, and is to be cancelled all the same.
            if error.retryable or not made:
                raise
        if not made:
            return
        headers = _partner_headers(connection.server)
        try:
            await self.ask(connection, "POST", "integrator/on-demand/cancel", headers=headers)
        except CallFailed as error:
            if error.code not in ("no_session", "http_404"):
                raise

    async def register_webhook(self, connection: Connection) -> None:
        """Point every webhook at us, our own messages included. Raises `CallFailed`."""
        body = {"value": _https(connection), "notifySentByMe": True}
        await self.do(connection, "PUT", "update-every-webhooks", json=body)

    async def _named(self, server: Server, name: str) -> Json | None:
        """The instance of a name, if the partner has one."""
        for page in range(1, _MOST_PAGES + 1):
            route = f"instances?page={page}&pageSize={_INSTANCES_PER_PAGE}&query={name}"
            answer = await self._partner(server, "GET", route)
            if not isinstance(answer.get("content"), list):
                raise unreadable()
            for one in objects(answer["content"]):
                if one.get("name") == name:
                    return one
            pages = number(answer.get("totalPage"))
            if len(answer["content"]) < _INSTANCES_PER_PAGE if pages is None else page >= pages:
                return None
        raise unreadable()

    async def _partner(self, server: Server, method: str, route: str, *, json: Any = None) -> Json:
        """A partner's request. Raises `CallFailed`."""
        url = f"{self.root(server)}/{route}"
        try:
            answer = await wire.call(
                self._http, method, url, headers=_partner_headers(server), json=json, timeout=self._timeout
            )
        except HttpError as error:
            raise wire.unreachable(error) from None
        hidden = secrets(server, {})
        if not answer.ok or errors.said(answer, hidden) is not None:
            raise errors.failed(answer, hidden)
        if not isinstance(answer.data, dict):
            raise unreadable()
        return answer.data

    # --- connecting ----------------------------------------------------------------------------------------

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """A QR or pairing code; a connected number gets none. Raises `CallFailed`.

        Z-API's pages call the QR code a text and show a picture: the latter is under `details["qr_image"]`. WhatsApp
        may ask for a passkey instead (`details["passkey"]`, answered by `answer_passkey`).
        """
        state = await self.status(connection)
        if state.status in (ConnectionStatus.CONNECTED, ConnectionStatus.LOGGED_OUT):
            return state
        if method == "phone_code":
            return await self._pairing_code(connection, phone)
        answer = await self.ask_object(connection, "GET", "qr-code")
        if answer.get("challenge"):
            passkey = {"step": "challenge", "challenge": answer["challenge"]}
            return ConnectionState(status=ConnectionStatus.CONNECTING, details={"passkey": passkey})
        code = text(answer, "value")
        if code is None:
            raise unreadable()
        until = datetime.now(UTC) + timedelta(seconds=_QR_SECONDS)
        if code.startswith("data:"):
            return ConnectionState(status=ConnectionStatus.QR, expires_at=until, details={"qr_image": code})
        return ConnectionState(status=ConnectionStatus.QR, qr=code, expires_at=until)

    async def _pairing_code(self, connection: Connection, phone: str | None) -> ConnectionState:
        digits = "".join(character for character in phone or "" if character in "0123456789")
        if not digits:
            raise CallFailed("a pairing code needs the number's phone", code="phone_missing", retryable=False)
        code = text(await self.ask_object(connection, "GET", f"phone-code/{digits}"), "value")
        if code is None:
            raise unreadable()
        return ConnectionState(status=ConnectionStatus.QR, pairing_code=code, phone=digits)

    async def answer_passkey(self, connection: Connection, *, step: str, answer: Mapping[str, Any]) -> ConnectionState:
        """Hand the assertion that a browser made for the challenge to WhatsApp. Raises `CallFailed`."""
        if step != "challenge":
            raise CallFailed("Z-API has one passkey step, the challenge", code="invalid_step", retryable=False)
        await self.do(connection, "POST", "passkey-prologue", json=dict(answer))
        return ConnectionState(status=ConnectionStatus.CONNECTING)

    async def status(self, connection: Connection) -> ConnectionState:
        """How the instance stands. A phone that is offline is told in `details` and changes nothing: a linked device
        sends without it."""
        hidden = secrets(connection.server, connection.credentials)
        try:
            answer = await self.call(connection, "GET", "status")
        except NoInstance as error:
            return ConnectionState(status=ConnectionStatus.LOGGED_OUT, reason=str(error))
        except HttpError as error:
            raise wire.unreachable(error) from None
        connected = answer.object.get("connected")
        reason = errors.said(answer, hidden)
        found = errors.meaning(reason)
        if found == "no_session" or found == "subscription_ended" or not isinstance(connected, bool):
            status = errors.away(found)
            if status is None or found == "credentials":
                raise errors.failed(answer, hidden)
            return ConnectionState(status=status, reason=reason)
        details = {name: answer.object[name] for name in ("smartphoneConnected",) if name in answer.object}
        if connected:
            return ConnectionState(status=ConnectionStatus.CONNECTED, details=details)
        return ConnectionState(status=ConnectionStatus.DISCONNECTED, reason=reason, details=details)

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """End the session. Z-API has one way to, behind which the number must be paired again."""
        try:
            await self.do(connection, "GET", "disconnect")
        except CallFailed as error:
            if error.code not in ("not_connected", "no_session"):
                raise

    async def restart(self, connection: Connection) -> ConnectionState:
        """Restart the session without a new pairing. Raises `CallFailed`."""
        await self.do(connection, "GET", "restart")
        return ConnectionState(status=ConnectionStatus.CONNECTING)

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The instance's own facts and, once it is connected, the phone's. Raises `CallFailed`."""
        instance = await self.ask_object(connection, "GET", "me")
        told = {name: instance[name] for name in _ACCOUNT if instance.get(name) is not None}
        if instance.get("connected") is True:
            told["device"] = await self.ask_object(connection, "GET", "device")
        return told

    async def health(self, server: Server) -> Health:
        """Whether Z-API answers at all: it has no route for that, and any answer of its own will do."""
        try:
            response = await self._http.request("GET", f"{self.root(server)}/", timeout=self._timeout)
        except HttpError as error:
            return Health(healthy=False, why=wire.describe(error))
        if response.status >= 500:
            return Health(healthy=False, why=f"HTTP {response.status}")
        return Health(healthy=True)

    # --- sending -------------------------------------------------------------------------------------------

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What Z-API has no place for in a content, each with its path in it."""
        return limits.check(kind, content)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """One request, which puts the message into Z-API's queue."""
        problems = self.check(message.kind, message.content)
        if problems:
            return Refused(code="invalid", why="; ".join(_problem(message.kind, one) for one in problems))
        media: str | None = None
        named = _file(message)
        if named is not None:
            found = await _media(*named)
            if not isinstance(found, str):
                return found
            media = found
        try:
            request = payloads.request(message, media=media)
        except shapes.Unsendable as error:
            return Refused(code=error.code, why=f"{message.kind}: {error}")
        try:
            answer = await self.call(connection, request.method, request.route, json=request.json, query=request.query)
        except NoInstance as error:
            return NotConnected(why=str(error), status=ConnectionStatus.LOGGED_OUT)
        except HttpError as error:
            return wire.lost(error)
        accepted = _accepted(answer, request, message)
        if accepted is not None:
            return accepted
        outcome = errors.outcome(answer, secrets(connection.server, connection.credentials))
        if isinstance(outcome, Refused) and outcome.code != "not_on_whatsapp":
            return await self._unless_away(connection, outcome)
        return outcome

    async def _unless_away(self, connection: Connection, refused: Refused) -> Outcome:
        """What a refusal in words that we do not know means: no page tells what Z-API answers while the number is not
        connected, and messages that only have to wait for it must not fail."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                state = await self.status(connection)
        except (CallFailed, TimeoutError):
            return Retry(code=refused.code, why=refused.why)
        if state.status is ConnectionStatus.CONNECTED:
            return refused
        return NotConnected(why=refused.why, status=state.status)

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks for a message. Raises `CallFailed`."""
        body = {"phone": written(chat), "messageId": provider_id}
        await self.do(connection, "POST", "read-message", json=body)

    # --- webhooks ------------------------------------------------------------------------------------------

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """Z-API signs nothing: the body must name our instance, and the secret is the address it came to."""
        expected = instance_id(connection)
        try:
            given = webhooks.decode(body).get("instanceId")
        except ValueError:
            return False
        if not expected or not isinstance(given, str):
            return False
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))

    def redact(self, body: bytes) -> bytes:
        """The body without the password of a proxy, which Z-API writes into the text that tells of its failure."""
        if b"ProxyCallback" not in webhooks.plain(body):
            return body
        try:
            found = webhooks.decode(body)
            if found["type"] != "ProxyCallback":
                return body
            told = found.get("error")
            shown = _USER_INFO.sub("://[hidden]@", told) if isinstance(told, str) else None
            return msgspec.json.encode({**found, "error": shown})
        except (ValueError, RecursionError):
            return body

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body. Raises `ValueError` when it is not Z-API's shape."""
        return notices.read(body)

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes of received media: a plain link without credentials, kept by Z-API for 30 days."""
        url = media.ref.get("url")
        if not isinstance(url, str) or not url:
            raise CallFailed("Z-API names no address for the media", code="media_gone", retryable=False)
        seconds = max(self._timeout, _DOWNLOAD_SECONDS)
        try:
            async with self._http.stream(
                "GET", url, timeout=seconds, max_bytes=_LARGEST_DOWNLOAD, follow=3
            ) as response:
                if response.status != 200:
                    gone = response.status in (403, 404, 410)
                    raise CallFailed(
                        f"HTTP {response.status} for the media",
                        code="media_gone" if gone else f"http_{response.status}",
                        retryable=not gone,
                    )
                async for chunk in response.chunks:
                    yield chunk
        except BadResponse as error:
            raise CallFailed(wire.describe(error), code="media_unreadable", retryable=False) from None
        except HttpError as error:
            raise wire.unreachable(error) from None


def _file(message: Outgoing) -> tuple[str, str | None, StoredMedia | None] | None:
    """Kind, link and stored media of the file that a message carries, or whose caption it changes; None for none."""
    about = message.about
    if isinstance(message.content, MediaContent):
        return message.kind, message.content.link, message.media
    if message.kind != "edit" or about is None or about.kind not in CAPTIONS or not isinstance(about.content, Mapping):
        return None
    link = about.content.get("link")
    return (about.kind, link, about.media) if link or about.media else None


async def _media(kind: str, link: str | None, media: StoredMedia | None) -> str | Outcome:
    """The link or data url of a file, or why there is none."""
    if link:
        return link
    if media is None:
        return Refused(code="media_missing", why="the message names no link and no stored media")
    limit = payloads.MEDIA[kind]
    mime_type = media.mime_type.partition(";")[0].strip().lower()
    if media.size > limit.max_bytes:
        return Refused(code="media_too_large", why=f"{media.size} bytes; Z-API takes {limit.max_bytes} for {kind}")
    if limit.mime_types and mime_type not in limit.mime_types:
        return Refused(code="media_type", why=f"Z-API takes no {mime_type or 'untyped'} as {kind}")
    try:
        return await wire.data_url(media)
    except Exception as error:  # noqa: BLE001 - our storage may fail in any way, and nothing was sent yet.
        return Retry(code="media_unreadable", why=type(error).__name__)


def _accepted(answer: wire.Answer, request: shapes.Request, message: Outgoing) -> Accepted | None:
    """The id that the message has; None when the answer tells none."""
    if not answer.ok:
        return None
    if request.names is None:
        # Taking back is answered with nothing, and has no id of its own that anybody tells.
        empty = not answer.body.strip() or answer.data == {}
        return Accepted(provider_id=f"delete:{message.message_id}") if empty else None
    identifier = answer.object.get(request.names)
    if request.names == "messageId" and identifier is None:
        identifier = answer.object.get("id")
    return Accepted(provider_id=identifier) if isinstance(identifier, str) and identifier else None


def _https(connection: Connection) -> str:
    """The webhook's address. Raises `CallFailed` when Z-API would not take it."""
    if not connection.webhook_url.startswith("https://"):
        why = "Z-API posts webhooks to https addresses only: give Recado a public https address (RECADO_PUBLIC_URL)"
        raise CallFailed(why, code="webhook_not_https", retryable=False)
    return connection.webhook_url


def _partner_headers(server: Server) -> dict[str, str]:
    token = server.credentials.get("partner_token", "").strip()
    if not token:
        why = "give the connection an instance_id and token, or its server a partner_token that makes instances"
        raise CallFailed(why, code="credentials_missing", retryable=False)
    return {"authorization": f"Bearer {token}"}


def _with(connection: Connection, account: str, credentials: Mapping[str, str]) -> Connection:
    return msgspec.structs.replace(connection, account=account, credentials={**connection.credentials, **credentials})


def _problem(kind: str, problem: FieldError) -> str:
    return f"{kind}.{problem.field}: {problem.message}" if problem.field else f"{kind}: {problem.message}"
