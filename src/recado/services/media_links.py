"""Media that a message names by a link for Recado to fetch (`MediaContent.fetch`): fetched before it is sent, and kept.

What the link answers decides about the message. Nothing of it was sent yet, so it is never in doubt:

media_not_found    404 or 410
media_is_html      a page, where a file was to be
media_too_large    over the limit of the provider for the kind, or ours
media_invalid      an address that is none, or may not be reached; an answer that is no file, or not one of the kind
sticker_format     a file that is no sticker at the provider
media_unreachable  no answer in time, or not all of it; 408, 429 and 5xx: tried again
media_storage      our own storage is away: tried again
"""

import asyncio
import mimetypes
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec
import structlog

from recado.domain import ids
from recado.domain.content import MediaContent
from recado.domain.errors import TooLarge
from recado.domain.ids import MediaId
from recado.domain.provider import MediaLimit, Refused, Retry
from recado.kit.http import Forbidden, HttpError, StreamedResponse
from recado.services import media
from recado.services.runtime import Runtime
from recado.store import media as rows
from recado.store import outbox
from recado.store.media_storage import StorageFailed
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

_REDIRECTS = 5
#: How much of a call's time the link has; what is left is for our own storage.
_LINK_SHARE = 0.9
_GONE = frozenset({404, 410})
_PASSING = frozenset({408, 425, 429})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_HTML_BEGINS = (b"<!doctype html", b"<html")
_SAYS_NOTHING = frozenset({media.UNKNOWN_TYPE, "binary/octet-stream", "application/force-download"})
#: What the bytes of a kind can be; a kind that is not here, a document, can be anything.
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "image": ("image/",),
    "sticker": ("image/",),
    "video": ("video/",),
    "ptv": ("video/",),
    "gif": ("video/", "image/gif"),
    "audio": ("audio/",),
    "voice": ("audio/",),
}
#: Containers of films that also hold sound alone: the bytes do not tell which, the kind does.
_SOUND: Mapping[str, str] = {
    "video/mp4": "audio/mp4",
    "video/3gpp": "audio/3gpp",
    "video/webm": "audio/webm",
    "application/ogg": "audio/ogg",
}


class _Unfit(Exception):
    """The link is not, or not now, what the message can carry."""

    def __init__(self, outcome: Refused | Retry) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


async def fetch(
    runtime: Runtime, claimed: outbox.Claimed, content: MediaContent, limit: MediaLimit | None
) -> Refused | Retry | None:
    """Fetch the link of a claimed message, keep the file and write its id into the message, or say why not.

    `limit` is what the provider takes of the kind. It may take as long as a call to a provider. Raises only for the
    database. Where the claim is over meanwhile nothing is kept.
    """
    try:
        await _fetch(runtime, claimed, content, limit)
    except _Unfit as unfit:
        metrics.media_fetches.labels(
            kind="link", result="retry" if isinstance(unfit.outcome, Retry) else "failed"
        ).inc()
        return unfit.outcome
    metrics.media_fetches.labels(kind="link", result="ready").inc()
    return None


async def _fetch(runtime: Runtime, claimed: outbox.Claimed, content: MediaContent, limit: MediaLimit | None) -> None:
    media_id = MediaId(ids.new())
    path = media.path_of(claimed.company_id, media_id)
    most = runtime.settings.max_media_bytes if limit is None else min(limit.max_bytes, runtime.settings.max_media_bytes)
    kept = False
    try:
        # The link has a part of this; a storage that hangs must not hold the claim either.
        async with asyncio.timeout(runtime.settings.send_timeout_seconds):
            file, headers = await _stored(runtime, path, content, most)
    except TimeoutError:
        raise _Unfit(Retry(code="media_storage", why="The media storage did not take the file in time.")) from None
    try:
        mime_type = _checked_type(claimed.type, content, file, headers, limit)
        filename = media.filename_of(content.filename or _name_in(content.link or ""), media_id, mime_type)
        sent = msgspec.structs.replace(content, link=None, fetch=False, media_id=str(media_id))
        async with runtime.db.work() as connection:
            named = await outbox.keep_content(connection, claimed, msgspec.to_builtins(sent))
            if named:
                await rows.insert_stored(
                    connection,
                    claimed.company_id,
                    media_id,
                    mime_type=mime_type,
                    filename=filename,
                    size=file.size,
                    sha256=file.sha256,
                    path=path,
                    message_id=claimed.message_id,
                )
            # Behind this only the commit can fail, of which nobody knows whether it did.
            kept = named
    finally:
        if not kept:
            await _forget(runtime, path)


async def _stored(
    runtime: Runtime, path: str, content: MediaContent, most: int
) -> tuple[media.Inspected, Mapping[str, str]]:
    """The file behind the link, in media storage, and the headers that it came with. Raises `_Unfit`."""
    seconds = runtime.settings.send_timeout_seconds * _LINK_SHARE
    too_large = _Unfit(Refused(code="media_too_large", why=f"The file behind the link has more than {most} bytes."))
    try:
        async with runtime.http.stream(
            # The bytes are counted on their way into the storage.
            "GET", content.link or "", timeout=seconds, max_bytes=sys.maxsize, follow=_REDIRECTS
        ) as answer:  # fmt: skip
            _check_answer(answer)
            if int(answer.headers.get("content-length", 0)) > most:
                raise too_large
            file = media.Inspected(answer.chunks, most)
            await runtime.media.put(path, file.chunks())
            return file, answer.headers
    except TooLarge as error:
        raise too_large from error
    except Forbidden as error:
        raise _Unfit(Refused(code="media_invalid", why=f"The link cannot be fetched: {error}.")) from error
    except HttpError as error:
        raise _Unfit(Retry(code="media_unreachable", why=f"The link could not be fetched: {error}.")) from error
    except StorageFailed as error:
        raise _Unfit(Retry(code="media_storage", why=str(error))) from error


def _check_answer(answer: StreamedResponse) -> None:
    """Raise `_Unfit` for an answer that brings no file."""
    why = f"The link answered HTTP {answer.status}."
    if answer.status == 200:
        return
    if answer.status in _GONE:
        raise _Unfit(Refused(code="media_not_found", why=why))
    if answer.status in _PASSING or answer.status >= 500:
        raise _Unfit(Retry(code="media_unreachable", why=why))
    raise _Unfit(Refused(code="media_invalid", why=why))


def _checked_type(
    kind: str, content: MediaContent, file: media.Inspected, headers: Mapping[str, str], limit: MediaLimit | None
) -> str:
    """What the file is. Raises `_Unfit` where the message cannot carry that."""
    if not file.size:
        raise _Unfit(Refused(code="media_invalid", why="The link answered with an empty file."))
    answered = headers.get("content-type", "").strip()
    if _base(answered) in _SAYS_NOTHING:
        answered = ""
    named = mimetypes.guess_type(content.filename or _name_in(content.link or "") or "")[0]
    mime_type = media.mime_type_of(file.head, content.mime_type or answered or named)
    unknown = media.mime_type_of(file.head, None) == media.UNKNOWN_TYPE
    page = unknown and (_base(answered) in _HTML or file.head.lstrip().lower().startswith(_HTML_BEGINS))
    if page and not (kind == "document" and _HTML & {_base(content.mime_type or ""), named}):
        raise _Unfit(Refused(code="media_is_html", why="The link answered with a page (HTML), not with a file."))
    family = _FAMILIES.get(kind, ("",))
    if family == ("audio/",):
        mime_type = _SOUND.get(_base(mime_type), mime_type)
    if unknown and family == ("image/",):
        # Every picture that a phone can show is known by its first bytes, whatever the link says of it.
        raise _Unfit(Refused(code="media_invalid", why=f"It is no picture, though it is called {_base(mime_type)}."))
    taken = limit.mime_types if limit is not None else frozenset()
    if not mime_type.startswith(family) or (taken and _base(mime_type) not in taken):
        what = f"It is {_base(mime_type)}; the provider takes {', '.join(sorted(taken)) or family[0] + '*'} as {kind}."
        raise _Unfit(Refused(code="sticker_format" if kind == "sticker" else "media_invalid", why=what))
    return mime_type


async def _forget(runtime: Runtime, path: str) -> None:
    try:
        await runtime.media.delete(path)
    except StorageFailed as error:
        log.warning("media_not_deleted", path=path, why=str(error))


def _base(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()


def _name_in(link: str) -> str | None:
    """The file's name in a link; None where the last part of its path is none."""
    try:
        name = PurePosixPath(unquote(urlsplit(link).path)).name
    except ValueError:
        return None
    return name if PurePosixPath(name).suffix else None
