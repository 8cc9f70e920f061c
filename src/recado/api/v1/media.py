"""`/v1/media`: hand files in, have files out. The file itself is served under a signed link that expires."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from email.message import Message
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from multipart import MultipartError, MultipartSegment, PushMultipartParser  # type: ignore[import-untyped]

from recado.api import dependencies
from recado.api.dependencies import Principal, Runtime
from recado.domain.errors import BadRequest, TooLarge, invalid
from recado.domain.ids import CompanyId
from recado.services import media as service
from recado.store import media

Filename = Annotated[str | None, QueryParameter(description="The name of a raw upload.")]

#: A form's own lines around its one file.
_FORM_BYTES = 65_536
#: What a browser may show by itself, because it cannot run anything in it.
_SHOWN = re.compile(r"^(image/(png|jpe?g|gif|webp)|audio/[\w.+-]+|video/[\w.+-]+)$")
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")


class MediaView(msgspec.Struct, frozen=True, kw_only=True):
    """A stored file. Send it by naming its id as `media_id`."""

    id: UUID
    status: str
    mime_type: str | None
    filename: str | None
    size: int | None
    sha256: str | None
    created_at: datetime


@post("/", request_max_body_size=None)
async def upload_media(
    request: Request[Any, Any, Any], runtime: Runtime, principal: Principal, filename: Filename = None
) -> MediaView:
    """Keep a file: raw, its type in Content-Type, or as the first file of a `multipart/form-data` form.

    The type is found from the bytes; the declared one counts where they say nothing.
    """
    most = runtime.settings.max_media_bytes
    content_type = request.headers.get("content-type", "")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most + _FORM_BYTES:
        raise TooLarge(f"A file may have at most {most} bytes.")
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() == "multipart/form-data":
        form = _Form(request, message.get_boundary())
        await form.open()
        declared, name, data = form.content_type, form.filename, form.chunks()
    else:
        declared, name, data = content_type or None, filename, _body(request)
    if declared == "application/octet-stream":
        declared = None
    row = await service.store_bytes(runtime, principal.company, data, filename=name, declared_type=declared)
    return _view(row)


@get("/{media_id:uuid}", status_code=302)
async def get_media(runtime: Runtime, principal: Principal, media_id: FromPath[UUID]) -> Response[None]:
    """Redirects to the file, under a link that expires. 409 while it is still being fetched from the provider."""
    location = await service.link(runtime, principal.company, media_id, principal.instance_id)
    return Response(None, status_code=302, headers={"location": location, "cache-control": "no-store"})


@get("/media/{company_id:uuid}/{media_id:uuid}", opt={"public": True}, security=[{}], tags=["Media"])
async def download_media(
    runtime: Runtime,
    company_id: FromPath[UUID],
    media_id: FromPath[UUID],
    expires: FromQuery[int],
    signature: FromQuery[str],
) -> Stream:
    """The file behind a signed link."""
    return await _download(runtime, company_id, media_id, expires, signature)


@get(
    "/media/{company_id:uuid}/{media_id:uuid}/{expires:int}/{name:str}",
    opt={"public": True},
    security=[{}],
    tags=["Media"],
)
async def download_named_media(
    runtime: Runtime, company_id: FromPath[UUID], media_id: FromPath[UUID], expires: FromPath[int], name: FromPath[str]
) -> Stream:
    """The same file by an address without a query, as webhooks in Z-API's shape tell it: the signature is the name, before
    an ending that says what the file is."""
    return await _download(runtime, company_id, media_id, expires, name.partition(".")[0])


async def _download(runtime: Runtime, company_id: UUID, media_id: UUID, expires: int, signature: str) -> Stream:
    row, chunks = await service.open_link(
        runtime, CompanyId(company_id), media_id, expires=expires, signature=signature
    )
    mime_type = row.mime_type or "application/octet-stream"
    return Stream(
        chunks,
        media_type=mime_type,
        headers={
            "content-length": str(row.size or 0),
            "content-disposition": _disposition(row, mime_type),
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "cache-control": f"private, max-age={service.LINK_SECONDS}",
        },
    )


class _Form:
    """The first file of a form, read as it arrives."""

    def __init__(self, request: Request[Any, Any, Any], boundary: str | None) -> None:
        if not boundary:
            raise BadRequest("A multipart form needs a boundary in its Content-Type.")
        self._parser = PushMultipartParser(boundary, max_segment_count=100)
        self._source = request.stream()
        self._parsed = self._parse()
        self.content_type: str | None = None
        self.filename: str | None = None

    async def open(self) -> None:
        """Go to the file. Raises `Invalid` when the form has none."""
        async for part in self._parsed:
            if isinstance(part, MultipartSegment) and part.filename is not None:
                self.content_type, self.filename = part.content_type, part.filename
                return
        raise invalid("file", "the form has no file")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes; what follows it in the form is read and dropped, so that a broken form is noticed."""
        ended = False
        async for part in self._parsed:
            if part is None:
                ended = True
            elif not ended and not isinstance(part, MultipartSegment):
                yield bytes(part)

    async def _parse(self) -> AsyncIterator[Any]:
        try:
            async for chunk in self._source:
                for part in self._parser.parse(chunk):
                    yield part
            self._parser.close(check_complete=True)
        except MultipartError as error:
            raise BadRequest(f"The form is broken: {error}") from error


async def _body(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _disposition(row: media.Media, mime_type: str) -> str:
    """Shown where that is safe, else saved; the name in both of its spellings (RFC 6266)."""
    name = row.filename or str(row.id)
    how = "inline" if _SHOWN.match(mime_type.partition(";")[0].strip()) else "attachment"
    return f"{how}; filename=\"{_PLAIN.sub('_', name)}\"; filename*=UTF-8''{quote(name, safe='')}"


def _view(row: media.Media) -> MediaView:
    return MediaView(
        id=row.id,
        status=row.status,
        mime_type=row.mime_type,
        filename=row.filename,
        size=row.size,
        sha256=row.sha256,
        created_at=row.created_at,
    )


router = Router(
    "/",
    route_handlers=[
        Router(
            "/v1/media",
            route_handlers=[upload_media, get_media],
            guards=[dependencies.company_or_instance],
            tags=["Media"],
        ),
        download_media,
        download_named_media,
    ],
)
