"""Media: what companies hand in and what arrives is kept in media storage, hashed, with its type found from its bytes.

Files are served by us under a signed address that expires. Storage paths are made of ids only.
"""

import asyncio
import base64
import binascii
import hashlib
import mimetypes
import random
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import filetype  # type: ignore[import-untyped]
import structlog

from recado.domain import ids
from recado.domain.errors import Conflict, Forbidden, NotFound, TooLarge, Unavailable, invalid
from recado.domain.events import MediaRef
from recado.domain.ids import CompanyId, InstanceId, MediaId
from recado.domain.provider import CallFailed, Connection, FetchesMedia
from recado.kit import backoff
from recado.kit.crypto import CryptoError
from recado.kit.http import HttpError
from recado.services.runtime import Runtime
from recado.store import db, events, media
from recado.store.events import NewEvent
from recado.store.media_storage import Gone, StorageFailed
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

ATTEMPTS = 5
FETCH_SECONDS = 300.0
#: Longer than a fetch may take.
LEASE = timedelta(seconds=FETCH_SECONDS + 60)
LINK_SECONDS = 300

#: The type of what neither its bytes nor anybody's word tells more of.
UNKNOWN_TYPE = "application/octet-stream"

_HEAD_BYTES = 8_192
#: What the bytes of many kinds of document look like; then the declared type tells more.
_CONTAINERS = frozenset({"application/zip", "application/x-ole-storage", "application/gzip", "text/plain"})
_TYPE = re.compile(r"^[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=[\w.+\"-]+)*$", re.ASCII)
#: How files of types end that WhatsApp has and the standard library does not know, or knows by another name.
_ENDINGS = {
    "audio/ogg": ".ogg", "audio/mp4": ".m4a", "audio/amr": ".amr", "image/webp": ".webp", "text/vcard": ".vcf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
}  # fmt: skip
#: Left out of file names: separators, control characters, and what breaks a header.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\"<>|:*?\u2028\u2029]+')
_LONGEST_NAME = 200
_RANDOM = random.Random()


class Stored:
    """A stored file as an adapter gets it (`domain.provider.StoredMedia`)."""

    def __init__(self, runtime: Runtime, row: media.Media) -> None:
        assert row.path is not None, "only ready media is opened"
        self.mime_type = row.mime_type or UNKNOWN_TYPE
        self.filename = row.filename or str(row.id)
        self.size = row.size or 0
        self.sha256 = row.sha256 or ""
        self._runtime = runtime
        self._path = row.path

    async def read(self) -> bytes:
        """The whole file. Raises `CallFailed`."""
        try:
            return await self._runtime.media.get(self._path)
        except Gone as error:
            raise CallFailed("The file is no longer stored.", code="media_gone", retryable=False) from error
        except StorageFailed as error:
            raise CallFailed(str(error), code="media_storage") from error


# --- handing in ---------------------------------------------------------------------------------------


async def store_bytes(
    runtime: Runtime,
    company_id: CompanyId,
    data: bytes | AsyncIterator[bytes],
    *,
    filename: str | None,
    declared_type: str | None,
) -> media.Media:
    """Keep a file and return its row. Raises `TooLarge`, `Invalid` for an empty file, or `Unavailable`."""
    media_id = MediaId(ids.new())
    path = path_of(company_id, media_id)
    inspected = Inspected(_once(data) if isinstance(data, bytes) else data, runtime.settings.max_media_bytes)
    try:
        await runtime.media.put(path, inspected.chunks())
    except StorageFailed as error:
        log.error("media_storage_failed", why=str(error))
        raise Unavailable("Media storage is not available.", retry_after=5) from error
    if not inspected.size:
        await runtime.media.delete(path)
        raise invalid("file", "is empty")
    mime_type = mime_type_of(inspected.head, declared_type)
    try:
        async with runtime.db.tenant(company_id) as connection:
            return await media.insert_stored(
                connection,
                company_id,
                media_id,
                mime_type=mime_type,
                filename=filename_of(filename, media_id, mime_type),
                size=inspected.size,
                sha256=inspected.sha256,
                path=path,
            )
    except BaseException:
        await runtime.media.delete(path)
        raise


async def is_ready(
    connection: db.Connection, company_id: CompanyId, media_id: str, *, seen_by: InstanceId | None = None
) -> bool:
    """Whether the company has this file, stored; with `seen_by`, as `link` lets an instance's token have it."""
    try:
        row = await media.get(connection, company_id, UUID(media_id))
    except ValueError:
        return False
    if row is None or (seen_by is not None and row.instance_id not in (None, seen_by)):
        return False
    return row.status == "ready"


async def open_stored(runtime: Runtime, company_id: CompanyId, media_id: str | UUID) -> Stored | None:
    """A stored file for sending; None when the company has none of this id, or it is not ready."""
    try:
        identifier = UUID(str(media_id))
    except ValueError:
        return None
    async with runtime.db.worker.acquire() as connection:
        row = await media.get(connection, company_id, identifier)
    return Stored(runtime, row) if row is not None and row.status == "ready" else None


# --- handing out --------------------------------------------------------------------------------------


async def link(runtime: Runtime, company_id: CompanyId, media_id: UUID, instance_id: InstanceId | None) -> str:
    """A path under which the file can be had without a token until it expires.

    With `instance_id`, only what was handed in or belongs to a message of that instance. Raises `NotFound`, or
    `Conflict` while the file is still at the provider.
    """
    async with runtime.db.tenant(company_id) as connection:
        row = await media.get(connection, company_id, media_id)
    if row is None or (instance_id is not None and row.instance_id not in (None, instance_id)):
        raise NotFound(f"There is no media {media_id}.", code="media_not_found")
    if row.status == "pending":
        raise Conflict("The file is still being fetched from the provider.", code="media_pending", retry_after=2)
    if row.status != "ready":
        raise NotFound(f"The file could not be fetched: {row.error}", code="media_failed")
    expires = int(time.time()) + LINK_SECONDS
    return f"/media/{company_id}/{media_id}?expires={expires}&signature={_sign(runtime, company_id, media_id, expires)}"


def signed_url(runtime: Runtime, company_id: UUID, media_id: UUID, mime_type: str | None, seconds: int) -> str:
    """The address of a file for whoever has no token: it works for so long, and ends as a file of its type does, because
    many programs look there for what it is."""
    expires = int(time.time()) + seconds
    ending = _ending(mime_type or "")
    signature = _sign(runtime, company_id, media_id, expires)
    return f"{runtime.settings.base_url}/media/{company_id}/{media_id}/{expires}/{signature}{ending}"


def _sign(runtime: Runtime, company_id: UUID, media_id: UUID, expires: int) -> str:
    seal = runtime.keyring.encrypt(b"", _link_context(company_id, media_id, expires))
    return base64.urlsafe_b64encode(seal).rstrip(b"=").decode()


async def open_link(
    runtime: Runtime, company_id: CompanyId, media_id: UUID, *, expires: int, signature: str
) -> tuple[media.Media, AsyncIterator[bytes]]:
    """The file behind a link of ours. Raises `Forbidden` for a link that expired or was changed, or `NotFound`."""
    refused = Forbidden("The link has expired or is not ours; ask for the media again.", code="bad_media_link")
    if expires < time.time():
        raise refused
    try:
        seal = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        runtime.keyring.decrypt(seal, _link_context(company_id, media_id, expires))
    except (CryptoError, binascii.Error, ValueError) as error:
        raise refused from error
    async with runtime.db.tenant(company_id) as connection:
        row = await media.get(connection, company_id, media_id)
    if row is None or row.status != "ready" or row.path is None:
        raise NotFound(f"There is no media {media_id}.", code="media_not_found")
    chunks = runtime.media.stream(row.path)
    try:
        first = await anext(chunks, b"")
    except Gone as error:
        raise NotFound(f"There is no media {media_id}.", code="media_not_found") from error
    except StorageFailed as error:
        raise Unavailable("Media storage is not available.", retry_after=5) from error
    return row, _continued(first, chunks)


# --- fetching from providers --------------------------------------------------------------------------


async def fetch(runtime: Runtime, claimed: media.Claimed) -> None:
    """Fetch one claimed file and write what became of it. Raises only for the database."""
    async with runtime.db.worker.acquire() as connection:
        owner = await media.owner(connection, claimed)
    source = await _connection(runtime, claimed, owner)
    kind = source.server.kind if source is not None else "other"
    path = path_of(claimed.company_id, claimed.id)
    inspected: Inspected | None = None
    why, retryable = "", True
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            inspected = Inspected(_chunks(runtime, source, claimed), runtime.settings.max_media_bytes)
            await runtime.media.put(path, inspected.chunks())
    except TooLarge as error:
        why, retryable = error.detail, False
    except CallFailed as error:
        why, retryable = error.why, error.retryable
    except (HttpError, StorageFailed, TimeoutError) as error:
        why = f"{type(error).__name__}: {error}"[:500]
    except Exception as error:
        # Whatever an adapter does, the file is tried again and then given up; the loop goes on.
        log.exception("media_fetch_broke", kind=kind, media_id=str(claimed.id))
        why = f"Fetching broke: {type(error).__name__}"
    else:
        await _finish(runtime, claimed, owner, kind, path, inspected)
        return
    if retryable and claimed.attempts < ATTEMPTS:
        again = datetime.now(UTC) + timedelta(seconds=1 + backoff.full_jitter(claimed.attempts, 4, 600, _RANDOM))
        async with runtime.db.work() as connection:
            await media.postpone(connection, claimed, error=why, next_at=again)
        metrics.media_fetches.labels(kind=kind, result="retry").inc()
        return
    async with runtime.db.work() as connection:
        if await media.fail(connection, claimed, error=why):
            await events.insert(connection, [_event(claimed, owner, "media.failed", {"error": why})])
    metrics.media_fetches.labels(kind=kind, result="failed").inc()
    runtime.signals.set("deliveries")


async def _finish(
    runtime: Runtime, claimed: media.Claimed, owner: media.Owner | None, kind: str, path: str, stored: "Inspected"
) -> None:
    mime_type = mime_type_of(stored.head, claimed.mime_type)
    filename = filename_of(claimed.filename, claimed.id, mime_type)
    facts = {"mime_type": mime_type, "filename": filename, "size": stored.size, "sha256": stored.sha256}
    async with runtime.db.work() as connection:
        ready = await media.make_ready(
            connection,
            claimed,
            mime_type=mime_type,
            filename=filename,
            size=stored.size,
            sha256=stored.sha256,
            path=path,
        )
        if ready:
            await events.insert(connection, [_event(claimed, owner, "media.ready", facts)])
    metrics.media_fetches.labels(kind=kind, result="ready").inc()
    runtime.signals.set("deliveries")


def _event(claimed: media.Claimed, owner: media.Owner | None, type_: str, facts: dict[str, Any]) -> NewEvent:
    return NewEvent(
        company_id=claimed.company_id,
        type=type_,
        data={"media": {"id": claimed.id, "message_id": claimed.message_id, **facts}},
        instance_id=owner.instance_id if owner else None,
        conversation_id=owner.conversation_id if owner else None,
        message_id=claimed.message_id,
    )


async def _connection(runtime: Runtime, claimed: media.Claimed, owner: media.Owner | None) -> Connection | None:
    """The connection that the media came by; None when it, or the message, is gone."""
    if owner is None:
        return None
    try:
        view = await runtime.directory.instance(claimed.company_id, owner.instance_id)
    except NotFound:
        return None
    return next((found.connection for found in view.connections if found.id == claimed.connection_id), None)


def _chunks(runtime: Runtime, source: Connection | None, claimed: media.Claimed) -> AsyncIterator[bytes]:
    """The file from its provider. Raises `CallFailed`."""
    if source is None:
        raise CallFailed("The connection that it came by is gone.", retryable=False)
    provider: object = runtime.providers.get(source.server.kind)
    if not isinstance(provider, FetchesMedia):
        raise CallFailed(f"The provider {source.server.kind} has no media to fetch.", retryable=False)
    wanted = MediaRef(ref=claimed.ref or {}, mime_type=claimed.mime_type, filename=claimed.filename, size=claimed.size)
    return provider.fetch_media(source, wanted)


# --- files --------------------------------------------------------------------------------------------


class Inspected:
    """Bytes on their way: counted, limited and hashed, the first of them kept to find the type by."""

    def __init__(self, source: AsyncIterator[bytes], most: int) -> None:
        self._source = source
        self._most = most
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

    @property
    def sha256(self) -> str:
        """The digest of what passed so far, in hex."""
        return self._hash.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes. Raises `TooLarge` as soon as there are too many."""
        async for chunk in self._source:
            self.size += len(chunk)
            if self.size > self._most:
                raise TooLarge(f"A file may have at most {self._most} bytes.")
            if len(self.head) < _HEAD_BYTES:
                self.head += chunk[: _HEAD_BYTES - len(self.head)]
            self._hash.update(chunk)
            yield chunk


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _continued(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def path_of(company_id: CompanyId, media_id: MediaId) -> str:
    """Where a file is in media storage."""
    return f"{company_id}/{media_id}"


def _link_context(company_id: UUID, media_id: UUID, expires: int) -> bytes:
    return f"media-link:{company_id}:{media_id}:{expires}".encode()


def mime_type_of(head: bytes, declared: str | None) -> str:
    """What the bytes are. The declared type counts where the bytes say nothing, or only name a container."""
    declared = declared.strip().lower() if declared else None
    if declared is not None and not _TYPE.match(declared):
        declared = None
    sniffed = filetype.guess_mime(head) if head else None
    if sniffed is None or sniffed in _CONTAINERS:
        return declared or sniffed or UNKNOWN_TYPE
    # "audio/ogg; codecs=opus" says more than "audio/ogg".
    return declared if declared is not None and declared.partition(";")[0].strip() == sniffed else str(sniffed)


def filename_of(given: str | None, media_id: MediaId, mime_type: str) -> str:
    """A name that is safe to offer: no folders, no control characters, and some name in any case."""
    name = _UNSAFE.sub("_", given or "").strip(" .")
    if name:
        return name if len(name) <= _LONGEST_NAME else name[-_LONGEST_NAME:]
    return f"{media_id}{_ending(mime_type)}"


def _ending(mime_type: str) -> str:
    """How the name of a file of a type ends, whatever this machine's own lists say; nothing where nobody knows."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _ENDINGS.get(plain) or mimetypes.guess_extension(plain) or ""
