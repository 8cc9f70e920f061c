"""Routes that post a status, and that answer the status of somebody."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import examples, fields
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Route
from recado.api.zapi.sends import Addressed, Send
from recado.domain.content import TextContent
from recado.domain.operations import Stories
from recado.services.zapi import files

_AT_ONCE = (
    "It is posted at once, past the queue, and fails in the answer. Both ids are the status's own at WhatsApp: nothing of it "
    "waits, so there is nothing that `DELETE /queue` could name."
)


class Posted(Answer, frozen=True, kw_only=True):
    """There is no `id` in this answer."""

    zaap_id: str
    message_id: str


class Post(Route, abc.ABC):
    """A route that posts a status, seen for a day."""

    domain: ClassVar[Domain] = "status"
    answers: ClassVar[Any] = Posted
    needs: ClassVar[tuple[str, ...]] = ("post_story",)
    note: ClassVar[str] = _AT_ONCE
    kind: ClassVar[str]

    async def answer(self, call: Call) -> Any:
        """Post it. Raises as `Call.ask`."""
        story = await call.ask(Stories.post_story, kind=self.kind, content=await self.content(call, call.body))
        return Posted(zaap_id=story, message_id=story)

    @abc.abstractmethod
    async def content(self, call: Call, body: Any) -> Any:
        """What to post. Raises `RecadoError`."""


_POSTED = {"zaapId": examples.SENT["messageId"], "messageId": examples.SENT["messageId"]}


class TextStatusBody(Body, frozen=True, kw_only=True):
    message: fields.Words


class SendTextStatus(Post):
    """Post a text as status."""

    path: ClassVar[str] = "/send-text-status"
    body: ClassVar[Any] = TextStatusBody
    kind: ClassVar[str] = "text"
    example: ClassVar[Example] = Example(body={"message": "Sua mensagem para status"}, answer=_POSTED)

    async def content(self, call: Call, body: TextStatusBody) -> Any:
        """A text."""
        return TextContent(body=fields.lines(body.message))


class ImageStatusBody(Body, frozen=True, kw_only=True):
    image: str
    caption: fields.Text | None = None


class SendImageStatus(Post):
    """Post an image as status."""

    path: ClassVar[str] = "/send-image-status"
    body: ClassVar[Any] = ImageStatusBody
    kind: ClassVar[str] = "image"
    example: ClassVar[Example] = Example(body={"image": examples.IMAGE, "caption": "Texto"}, answer=_POSTED)

    async def content(self, call: Call, body: ImageStatusBody) -> Any:
        """An image, the file in it."""
        return await files.content(call.runtime, body.image, family="image", caption=fields.optional(body.caption))


class VideoStatusBody(Body, frozen=True, kw_only=True):
    video: str
    caption: fields.Text | None = None


class SendVideoStatus(Post):
    """Post a video of up to 10 MB as status."""

    path: ClassVar[str] = "/send-video-status"
    body: ClassVar[Any] = VideoStatusBody
    kind: ClassVar[str] = "video"
    example: ClassVar[Example] = Example(body={"video": examples.VIDEO, "caption": "Texto"}, answer=_POSTED)

    async def content(self, call: Call, body: VideoStatusBody) -> Any:
        """A video, the file in it."""
        return await files.content(call.runtime, body.video, family="video", caption=fields.optional(body.caption))


class ReplyBody(Addressed, frozen=True, kw_only=True):
    """`phone` is whoever posted the status, `statusMessageId` its id in the webhook that told of it."""

    status_message_id: fields.Words


class TextReplyBody(ReplyBody, frozen=True, kw_only=True):
    message: fields.Words


class ReplyStatusText(Send):
    """Answer somebody's status with a text."""

    path: ClassVar[str] = "/reply-status-text"
    domain: ClassVar[Domain] = "status"
    body: ClassVar[Any] = TextReplyBody
    needs: ClassVar[tuple[str, ...]] = ("text",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "message": "texto da mensagem", "statusMessageId": examples.STATUS},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: TextReplyBody) -> tuple[str, Any]:
        """A text that answers."""
        return "text", {"body": fields.lines(body.message), "story": str(body.status_message_id)}


class GifReplyBody(ReplyBody, frozen=True, kw_only=True):
    gif: str


class ReplyStatusGif(Send):
    """Answer somebody's status with a GIF."""

    path: ClassVar[str] = "/reply-status-gif"
    domain: ClassVar[Domain] = "status"
    body: ClassVar[Any] = GifReplyBody
    needs: ClassVar[tuple[str, ...]] = ("gif",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "gif": examples.VIDEO, "statusMessageId": examples.STATUS},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: GifReplyBody) -> tuple[str, Any]:
        """A GIF that answers."""
        return "gif", fields.media(body.gif, story=str(body.status_message_id))


class StickerReplyBody(ReplyBody, frozen=True, kw_only=True):
    sticker: str


class ReplyStatusSticker(Send):
    """Answer somebody's status with a sticker."""

    path: ClassVar[str] = "/reply-status-sticker"
    domain: ClassVar[Domain] = "status"
    body: ClassVar[Any] = StickerReplyBody
    needs: ClassVar[tuple[str, ...]] = ("sticker",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "sticker": examples.STICKER, "statusMessageId": examples.STATUS},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: StickerReplyBody) -> tuple[str, Any]:
        """A sticker that answers."""
        return "sticker", fields.media(body.sticker, story=str(body.status_message_id))


ROUTES: tuple[Route, ...] = (
    SendTextStatus(),
    SendImageStatus(),
    SendVideoStatus(),
    ReplyStatusText(),
    ReplyStatusGif(),
    ReplyStatusSticker(),
)
