"""WAHA as a provider: sending, reading webhooks, media, health."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from recado.domain.content import MediaContent
from recado.domain.errors import FieldError
from recado.domain.events import MediaRef, ProviderEvent
from recado.domain.provider import (
    Accepted,
    CallFailed,
    Capabilities,
    Connection,
    CredentialField,
    Health,
    NotConnected,
    Outcome,
    Outgoing,
    Refused,
    Retry,
    Server,
    Unknown,
)
from recado.kit import signing
from recado.kit.http import BadResponse, Http, HttpError
from recado.providers import whatsapp, wire
from recado.providers.waha import errors, ids, payloads, webhooks
from recado.providers.waha.calls import at, base, engine_of, headers, secrets, session
from recado.providers.waha.capabilities import DEFAULT_ENGINE, ENGINES, GOWS
from recado.providers.waha.groups import Groups
from recado.providers.waha.operations import (
    Blocklist,
    Channels,
    Chats,
    Contacts,
    Labels,
    Presence,
    Profile,
    Stories,
)
from recado.providers.waha.reading import inner, text
from recado.providers.waha.sessions import Sessions

_LARGEST_DOWNLOAD = 110 * 1024 * 1024
_DOWNLOAD_SECONDS = 120.0
#: Below these WAHA serves files, those of S3 too where it hands them on.
_FILES = re.compile(r"/api/(?:files|s3)/")
#: Fields of a request that name something, and say nothing.
_NAMES = frozenset({"session", "chatId", "id", "reply_to", "messageId", "mimetype", "mentions"})


class Waha(Sessions, Contacts, Blocklist, Chats, Presence, Groups, Channels, Labels, Stories, Profile):
    """Provider of kind `waha`."""

    kind: ClassVar[str] = "waha"
    capabilities: ClassVar[Capabilities] = ENGINES[DEFAULT_ENGINE]
    variants: ClassVar[Mapping[str, Capabilities]] = ENGINES
    default_base_url: ClassVar[str | None] = None
    server_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(name="api_key", help="WAHA's WAHA_API_KEY, or a key made with POST /api/keys."),
        CredentialField(
            name="engine",
            required=False,
            secret=False,
            help="The engine that the server runs: GOWS (assumed), NOWEB, WEBJS or WPP.",
        ),
    )
    connection_credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField(
            name="session",
            required=False,
            secret=False,
            own_server=True,
            help="A session that exists already, on a server of your own; else one is made.",
        ),
        CredentialField(
            name="webhook_secret",
            required=False,
            help="Signs the webhooks of an existing session. Made by Recado for the sessions that it makes.",
        ),
    )

    def __init__(self, client: Http, *, timeout: float = 30.0) -> None:
        self._http = client
        self._timeout = timeout

    def account(self, credentials: Mapping[str, str]) -> str | None:
        """The session that the company names; None lets one be made."""
        return credentials.get("session") or None

    def variant(self, connection: Connection) -> str:
        """The engine of the connection's server."""
        return engine_of(connection.server)

    # --- sending -------------------------------------------------------------------------------------------

    def check(self, kind: str, content: Any) -> list[FieldError]:
        """What WAHA has no way to send, each with its path in the content."""
        return payloads.check(kind, content)

    async def send(self, connection: Connection, message: Outgoing) -> Outcome:
        """One request. Never raises for what WAHA does."""
        engine = engine_of(connection.server)
        refused = self._refusal(engine, message)
        if refused is not None:
            return refused
        file: payloads.File | None = None
        if isinstance(message.content, MediaContent) and not message.content.link:
            found = await _read(message)
            if not isinstance(found, payloads.File):
                return found
            file = found
        try:
            request = payloads.request(message, session=session(connection), engine=engine, file=file)
            answer = await self._call(connection, request.method, request.path, json=request.json)
        except CallFailed as error:
            return _unasked(error)
        except HttpError as error:
            return wire.lost(error)
        if not answer.ok:
            return errors.outcome(answer, (*secrets(connection), *_texts(request.json)))
        return _accepted(request, answer)

    def _refusal(self, engine: str, message: Outgoing) -> Refused | None:
        """What is known before asking."""
        if message.kind not in ENGINES[engine].kinds:
            return Refused(code="unsupported_by_provider", why=f"the engine {engine} sends no {message.kind}")
        problems = self.check(message.kind, message.content)
        if problems:
            return Refused(
                code="invalid", why="; ".join(f"{message.kind}.{one.field}: {one.message}" for one in problems)
            )
        if message.kind == "list" and message.to.endswith(("@g.us", "@newsletter")):
            return Refused(code="invalid", why="list: WAHA sends lists to people only")
        about_another = message.kind in ("reaction", "edit", "delete", "forward", "pin")
        if about_another and message.about is None:
            return Refused(code="target_missing", why="the message it is about is not known")
        return None

    async def mark_read(self, connection: Connection, *, chat: str, provider_id: str) -> None:
        """Blue ticks: for the message, or in a group for everything unread, because a message of a group is named by its
        sender too. Raises `CallFailed`."""
        if chat.endswith("@g.us"):
            await self.mark_chat(connection, chat=chat, read=True)
            return
        request = {
            "session": session(connection),
            "chatId": ids.chat_id(chat),
            "messageIds": [f"false_{ids.chat_id(chat)}_{provider_id}"],
        }
        await self._ask(connection, "POST", "/api/sendSeen", json=request)

    async def show_typing(
        self, connection: Connection, *, chat: str, last_received: str | None, recording: bool = False
    ) -> None:
        """ "typing…" or "recording…", until WhatsApp ends it. Raises `CallFailed`."""
        if recording:
            presence = {"chatId": ids.chat_id(chat), "presence": "recording"}
            await self._ask(connection, "POST", at(connection, "presence"), json=presence)
        else:
            request = {"session": session(connection), "chatId": ids.chat_id(chat)}
            await self._ask(connection, "POST", "/api/startTyping", json=request)

    # --- the server ----------------------------------------------------------------------------------------

    async def health(self, server: Server) -> Health:
        """Whether the server answers and takes the key. Its version is told where the key may read it."""
        try:
            alive = await self._get(server, "/ping")
            described = await self._get(server, "/api/server/version") if alive.ok else alive
        except HttpError as error:
            return Health(healthy=False, why=wire.describe(error))
        if not alive.ok or "message" not in alive.object:
            return Health(healthy=False, why=f"HTTP {alive.status}, and it is no WAHA that answers")
        if described.status == 401 or described.status >= 500:
            why = "the server does not accept the api_key" if described.status == 401 else f"HTTP {described.status}"
            return Health(healthy=False, why=why)
        engine = text(described.object, "engine")
        wanted = engine_of(server)
        other = f"the server runs the engine {engine}, registered is {wanted}" if engine not in (None, wanted) else None
        return Health(healthy=True, why=other, version=text(described.object, "version"))

    async def _get(self, server: Server, path: str) -> wire.Answer:
        return await wire.call(self._http, "GET", base(server) + path, headers=headers(server), timeout=self._timeout)

    # --- webhooks ------------------------------------------------------------------------------------------

    def verify(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> bool:
        """`X-Webhook-Hmac`: HMAC-SHA512 over the raw body with the connection's secret."""
        if headers.get("x-webhook-hmac-algorithm", "sha512") != "sha512":
            return False
        secret = connection.credentials.get("webhook_secret", "")
        return signing.hmac_hex_equal(secret, body, headers.get("x-webhook-hmac"), "sha512")

    def read(self, body: bytes) -> list[ProviderEvent]:
        """The events in a webhook body. Raises `ValueError` when it is not WAHA's shape."""
        return webhooks.read(body)

    # --- media ---------------------------------------------------------------------------------------------

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes of received media. WAHA keeps a file for minutes; one that is gone is asked for again through its
        message, which makes WAHA fetch it from WhatsApp anew. Raises `CallFailed`."""
        url = media.ref.get("url")
        if isinstance(url, str) and url:
            try:
                async for chunk in self._download(connection, url):
                    yield chunk
                return
            except CallFailed as error:
                if error.code != "media_gone":
                    raise
        async for chunk in self._download(connection, await self._media_again(connection, media)):
            yield chunk

    async def _media_again(self, connection: Connection, media: MediaRef) -> str:
        chat, message = media.ref.get("chat"), media.ref.get("message")
        if not isinstance(chat, str) or not isinstance(message, str):
            raise CallFailed("WAHA names no address for the media", code="media_gone", retryable=False)
        path = at(connection, "chats", _chat(chat), "messages", message)
        answer = await self._answer(connection, "GET", path, query={"downloadMedia": "true"})
        if not answer.ok:
            failed = errors.failed(answer, secrets(connection))
            raise CallFailed(
                failed.why, code="media_gone" if answer.status == 404 else failed.code, retryable=failed.retryable
            )
        url = text(inner(answer.object, "media"), "url")
        if url is None:
            raise CallFailed("WAHA could not download the media", code="media_gone", retryable=False)
        return url

    async def _download(self, connection: Connection, url: str) -> AsyncIterator[bytes]:
        where, carried = _where(connection, url)
        try:
            async with self._http.stream(
                "GET",
                where,
                headers=carried,
                timeout=max(self._timeout, _DOWNLOAD_SECONDS),
                max_bytes=_LARGEST_DOWNLOAD,
            ) as response:
                if response.status != 200:
                    gone = response.status in (403, 404, 410) if not carried else response.status in (404, 410)
                    raise CallFailed(
                        f"HTTP {response.status} for the media",
                        code="media_gone" if gone else "provider_failed",
                        retryable=not gone,
                    )
                async for chunk in response.chunks:
                    yield chunk
        except BadResponse as error:
            raise CallFailed(wire.describe(error), code="media_unreadable", retryable=False) from error
        except HttpError as error:
            raise CallFailed(wire.describe(error), code="unreachable") from error


def _unasked(error: CallFailed) -> Outcome:
    """What comes of a message for which there is no request: its session is missing, or its own ids are none."""
    if error.code == "no_session":
        return NotConnected(why=error.why)
    return Refused(code=error.code, why=error.why)


def _chat(chat: str) -> str:
    """A chat as WAHA wants it in a path, from whatever spelling a payload had."""
    found = whatsapp.address(chat)
    return ids.chat_id(found) if found else chat


def _where(connection: Connection, url: str) -> tuple[str, dict[str, str]]:
    """Where to fetch a file, and what to say there.

    WAHA writes its own host into the addresses of its files as it was configured (`WAHA_BASE_URL`), so only the path is
    believed and the key goes to the registered server alone, for files and nothing else: who knows a webhook's secret
    may write any address into one, and the key opens every session of the server. Anything else is a signed address of
    an object store (S3), which gets no header. Raises `CallFailed` for what is neither.
    """
    server = connection.server
    try:
        found, own = urlsplit(url), urlsplit(server.base_url)
        host, own_host = found.hostname, own.hostname
    except ValueError:
        raise CallFailed("the media's address is none", code="untrusted_media_host", retryable=False) from None
    if not host or found.scheme not in ("http", "https"):
        raise CallFailed("the media's address is none", code="untrusted_media_host", retryable=False)
    mark = _FILES.search(found.path)
    if mark is None or "x-amz-signature=" in found.query.lower():
        if host == own_host:
            raise CallFailed("the media's address is no file of WAHA's", code="untrusted_media_host", retryable=False)
        return url, {}
    path = found.path[mark.start() :]
    *folders, name = unquote(found.path[mark.end() :]).split("/")
    # Versions of 2024 keep the files of all sessions in one folder.
    if {".", ".."} & {*folders, name} or (folders and session(connection) not in folders):
        raise CallFailed("the media's address leads elsewhere", code="untrusted_media_host", retryable=False)
    return f"{base(server)}{path}", {**headers(server), "accept": "*/*"}


async def _read(message: Outgoing) -> payloads.File | Outcome:
    """Stored media, or why there is none. Nothing was sent yet: every failure is safe."""
    if message.media is None:
        return Refused(code="media_missing", why="the message names no link and no stored media")
    limit = GOWS.media[message.kind].max_bytes
    if message.media.size > limit:
        return Refused(code="media_too_large", why=f"{message.media.size} bytes; WAHA takes {limit} in a request")
    try:
        data = await message.media.read()
    except Exception as error:  # noqa: BLE001 - our storage may fail in any way, and nothing was sent yet.
        return Retry(code="media_unreadable", why=type(error).__name__)
    return payloads.File(data=data, mime_type=message.media.mime_type, filename=message.media.filename)


def _accepted(request: payloads.Request, answer: wire.Answer) -> Outcome:
    """What a 2xx says. A reaction, edit, deletion or pin has no documented answer; its target's id stands in for its
    own."""
    key = ids.answered(answer.data)
    if answer.data is None and answer.body.strip():
        return Unknown(why=f"HTTP {answer.status} with an answer that is not WAHA's")
    if request.target is not None:
        nothing = request.told and not answer.body.strip()
        if nothing or answer.data is False or answer.object.get("success") is False:
            return Refused(code="refused", why="WAHA did not do it")
        return Accepted(provider_id=key.id if key else request.target)
    if key is None:
        return Unknown(why=f"HTTP {answer.status} with an answer that names no message")
    recipient = whatsapp.address(key.chat)
    return Accepted(provider_id=key.id, recipient=recipient)


def _texts(value: Any) -> list[str]:
    """Every text in a request that is of the message itself: WAHA's errors may repeat it."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [part for name, item in value.items() if name not in _NAMES for part in _texts(item)]
    return [part for item in value for part in _texts(item)] if isinstance(value, list) else []
