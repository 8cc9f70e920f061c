"""Routes that send files, given by URL or as data URI.

A data URI is kept before the answer. A URL is fetched when the message is sent, so what is wrong with it is told in
DeliveryCallback.error.
"""

import mimetypes
import re
from typing import Any, ClassVar

import msgspec

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Call, Example, Route
from recado.api.zapi.sends import Send, SendBody, able, about

_QUERY = re.compile(r"[?#]")
_EXTENSION = re.compile(r"\.?([A-Za-z0-9]{1,10})")
_ASYNC = "With and without `async` the answer comes at once, and the file is fetched when the message is sent."
_EDIT = "The change replaces the caption, and keeps the file, as WhatsApp does."


class ImageBody(SendBody, frozen=True, kw_only=True):
    image: str
    caption: fields.Text | None = None
    view_once: bool | None = None
    edit_image_message_id: str | None = None


class SendImage(Send):
    """Send an image, or change the caption of one that was sent."""

    path: ClassVar[str] = "/send-image"
    body: ClassVar[Any] = ImageBody
    needs: ClassVar[tuple[str, ...]] = ("image",)
    note: ClassVar[str] = _EDIT
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "image": examples.IMAGE, "caption": "Logo", "viewOnce": False},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: ImageBody) -> tuple[str, Any]:
        """An image, or another caption."""
        if body.edit_image_message_id:
            return await _new_caption(call, "editImageMessageId", body.edit_image_message_id, body.caption)
        return "image", fields.media(body.image, caption=_caption(body.caption), view_once=bool(body.view_once))


class VideoBody(SendBody, frozen=True, kw_only=True):
    video: str
    caption: fields.Text | None = None
    view_once: bool | None = None
    async_: bool | None = msgspec.field(default=None, name="async")
    edit_video_message_id: str | None = None


class SendVideo(Send):
    """Send a video, or change the caption of one that was sent."""

    path: ClassVar[str] = "/send-video"
    body: ClassVar[Any] = VideoBody
    needs: ClassVar[tuple[str, ...]] = ("video",)
    note: ClassVar[str] = f"{_ASYNC} {_EDIT}"
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "video": examples.VIDEO, "caption": "Teste", "viewOnce": False},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: VideoBody) -> tuple[str, Any]:
        """A video, or another caption."""
        if body.edit_video_message_id:
            return await _new_caption(call, "editVideoMessageId", body.edit_video_message_id, body.caption)
        return "video", fields.media(body.video, caption=_caption(body.caption), view_once=bool(body.view_once))


class DocumentBody(SendBody, frozen=True, kw_only=True):
    document: str
    file_name: fields.Text | None = None
    caption: fields.Text | None = None
    edit_document_message_id: str | None = None


class SendDocument(Send):
    """Send a document with the ending given, or change the caption of one that was sent."""

    path: ClassVar[str] = "/send-document/{extension}"
    body: ClassVar[Any] = DocumentBody
    needs: ClassVar[tuple[str, ...]] = ("document",)
    note: ClassVar[str] = _EDIT
    example: ClassVar[Example] = Example(
        path={"extension": "pdf"},
        body={"phone": examples.PHONE, "document": examples.DOCUMENT, "fileName": "Meu PDF"},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: DocumentBody) -> tuple[str, Any]:
        """A document, or another caption."""
        if body.edit_document_message_id:
            return await _new_caption(call, "editDocumentMessageId", body.edit_document_message_id, body.caption)
        more = {"caption": _caption(body.caption)} | _named(str(body.file_name or ""), call.path.get("extension"))
        return "document", fields.media(body.document, **more)


class SendNamedDocument(SendDocument):
    """Send a document whose ending is that of its name or URL, or change the caption of one that was sent."""

    path: ClassVar[str] = "/send-document"
    note: ClassVar[str] = f"In no documentation, and called by clients all the same. {_EDIT}"
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "document": examples.DOCUMENT, "fileName": "Meu PDF.pdf"}, answer=examples.SENT
    )


class AudioBody(SendBody, frozen=True, kw_only=True):
    audio: str
    view_once: bool | None = None
    async_: bool | None = msgspec.field(default=None, name="async")
    waveform: bool | None = None


class SendAudio(Send):
    """Send an audio as a voice message."""

    path: ClassVar[str] = "/send-audio"
    body: ClassVar[Any] = AudioBody
    needs: ClassVar[tuple[str, ...]] = ("voice", "audio")
    note: ClassVar[str] = (
        f"{_ASYNC} It goes as a plain audio with `waveform` false, and where the provider takes as voice message only a "
        "type that this is not by its name: Recado's own engine takes Ogg Opus."
    )
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "audio": examples.AUDIO, "viewOnce": False, "waveform": True},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: AudioBody) -> tuple[str, Any]:
        """A voice message where it can be one."""
        spoken = body.waveform is not False and await _can_be_spoken(call, body.audio)
        return "voice" if spoken else "audio", fields.media(body.audio, view_once=bool(body.view_once))


class GifBody(SendBody, frozen=True, kw_only=True):
    gif: str
    caption: fields.Text | None = None


class SendGif(Send):
    """Send an MP4 that plays like a GIF."""

    path: ClassVar[str] = "/send-gif"
    body: ClassVar[Any] = GifBody
    needs: ClassVar[tuple[str, ...]] = ("gif",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "gif": examples.VIDEO, "caption": "Teste"}, answer=examples.SENT
    )

    async def content(self, call: Call, body: GifBody) -> tuple[str, Any]:
        """A GIF."""
        return "gif", fields.media(body.gif, caption=_caption(body.caption))


class PtvBody(SendBody, frozen=True, kw_only=True):
    ptv: str


class SendPtv(Send):
    """Send a round video."""

    path: ClassVar[str] = "/send-ptv"
    body: ClassVar[Any] = PtvBody
    needs: ClassVar[tuple[str, ...]] = ("ptv",)
    example: ClassVar[Example] = Example(body={"phone": examples.PHONE, "ptv": examples.VIDEO}, answer=examples.SENT)

    async def content(self, call: Call, body: PtvBody) -> tuple[str, Any]:
        """A round video."""
        return "ptv", fields.media(body.ptv)


class StickerBody(SendBody, frozen=True, kw_only=True):
    sticker: str
    sticker_author: str | None = None


class SendSticker(Send):
    """Send a sticker."""

    path: ClassVar[str] = "/send-sticker"
    body: ClassVar[Any] = StickerBody
    needs: ClassVar[tuple[str, ...]] = ("sticker",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "sticker": examples.STICKER, "stickerAuthor": "Z-API"}, answer=examples.SENT
    )

    async def content(self, call: Call, body: StickerBody) -> tuple[str, Any]:
        """A sticker."""
        return "sticker", fields.media(body.sticker, author=body.sticker_author or None)


async def _new_caption(call: Call, field: str, message_id: str, caption: fields.Text | None) -> tuple[str, Any]:
    text = _caption(caption)
    if text is None:
        raise ZapiError("caption: is required to change one")
    return "edit", {"message_id": await about(call, message_id, field=field), "body": text}


def _caption(caption: fields.Text | None) -> str | None:
    return None if caption is None else fields.lines(caption) or None


def _named(name: str, extension: str | None) -> dict[str, Any]:
    """Name and type of a document: the name ends as the path says. Raises `ZapiError` for what is no ending."""
    if extension is None:
        return {"filename": name or None}
    found = _EXTENSION.fullmatch(extension)
    if found is None:
        raise ZapiError(f"extension: {extension[:32]!r} is none; write it as in pdf")
    ending = f".{found[1].lower()}"
    if name and not name.lower().endswith(ending):
        name += ending
    return {"filename": name or None, "mime_type": mimetypes.guess_type(f"x{ending}")[0]}


async def _can_be_spoken(call: Call, audio: str) -> bool:
    """Whether the instance's provider takes this as a voice message, as far as its name tells."""
    capabilities = await able(call)
    if "voice" not in capabilities.kinds:
        return False
    limit = capabilities.media.get("voice")
    if limit is None or not limit.mime_types:
        return True
    if audio[:5].lower() == "data:":
        mime_type = audio[5:128].partition(",")[0].partition(";")[0].strip().lower()
    else:
        mime_type = mimetypes.guess_type(_QUERY.split(audio.lower(), 1)[0])[0] or ""
    return _OGG.get(mime_type, mime_type) in limit.mime_types


#: What else Ogg Opus is called by those who send it.
_OGG = {"audio/opus": "audio/ogg", "application/ogg": "audio/ogg"}

ROUTES: tuple[Route, ...] = (
    SendImage(),
    SendVideo(),
    SendGif(),
    SendPtv(),
    SendAudio(),
    SendSticker(),
    SendDocument(),
    SendNamedDocument(),
)
