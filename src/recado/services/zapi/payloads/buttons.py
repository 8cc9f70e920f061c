"""Templates, buttons and carousels, and the answers to them, in Z-API's shape."""

from collections.abc import Callable, Mapping
from typing import Any

from recado.services.zapi.payloads.facts import Json, inner
from recado.services.zapi.payloads.said import Said

_OTP_LINK = "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code="


def template(said: Said, told: Json) -> Json:
    """A template as Z-API told it; the file of its header is the one we keep."""
    header = dict(inner(told, "header"))
    keep = inner(header, "image") or inner(header, "video") or inner(header, "document")
    url = said.file.url or None
    if "image" in header:
        header["image"] = {**keep, "imageUrl": url, "thumbnailUrl": keep.get("thumbnailUrl") or url}
    elif "video" in header:
        header["video"] = {**keep, "videoUrl": url}
    elif "document" in header:
        empty = {"caption": None, "title": "", "pageCount": 0, "fileName": ""}
        header["document"] = {**empty, **keep, "documentUrl": url}
    elif "location" in header:
        header["location"] = {"url": "", **inner(header, "location")}
    return {**told, "header": header}


def _hydrated(message: str | None, buttons: list[Json], *, header: Json | None = None, footer: Any = None) -> Json:
    return {
        "hydratedTemplate": {
            "header": header or {},
            "message": message or "",
            "footer": footer or "",
            "title": "",
            "templateId": "",
            "hydratedButtons": buttons,
        }
    }


def _button(index: int, button: Json) -> Json:
    title = button.get("title") or ""
    if button.get("url"):
        return {"index": index, "urlButton": {"displayText": title, "url": button["url"]}}
    if button.get("phone"):
        return {"index": index, "callButton": {"displayText": title, "phoneNumber": button["phone"]}}
    return {"index": index, "quickReplyButton": {"displayText": title, "id": button.get("id") or title}}


def _buttons_of(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _buttons(said: Said) -> Json:
    """Plain replies are `buttonsMessage`; links and calls are a template's buttons."""
    buttons, told = _buttons_of(said.get("buttons")), inner(said.extra, "buttonsMessage")
    if any(one.get("url") or one.get("phone") for one in buttons):
        shown = [_button(index, one) for index, one in enumerate(buttons)]
        return _hydrated(said.get("body"), shown, footer=said.get("footer"))
    return {
        "buttonsMessage": {
            "imageUrl": told.get("imageUrl") or _public(said.get("image")),
            "videoUrl": told.get("videoUrl") or _public(said.get("video")),
            "message": said.get("body") or "",
            "buttons": [
                {
                    "buttonId": one.get("id") or one.get("title") or "",
                    "type": 1,
                    "buttonText": {"displayText": one.get("title") or ""},
                }
                for one in buttons
            ],
        }
    }


def _public(link: Any) -> str | None:
    """A link; what was given as data has none."""
    return link if isinstance(link, str) and not link.startswith("data:") else None


def _otp(said: Said) -> Json:
    shown = {"displayText": said.get("button") or "Copiar código", "url": f"{_OTP_LINK}{said.get('code') or ''}"}
    return _hydrated(said.get("body"), [{"urlButton": shown, "index": 0}], footer=said.get("footer"))


def _carousel(said: Said) -> Json:
    cards = [
        {
            "header": {"image": _card_picture(card)},
            "message": card.get("body") or "",
            "footer": "",
            "title": "",
            "hydratedButtons": [_button(index, one) for index, one in enumerate(_buttons_of(card.get("buttons")))],
        }
        for card in _buttons_of(said.get("cards"))
    ]
    return {"carouselMessage": {"text": said.get("body") or "", "cards": cards}}


def _card_picture(card: Json) -> Json:
    url = _public(card.get("image"))
    shown = {"imageUrl": url, "thumbnailUrl": url, "caption": "", "mimeType": "image/jpeg"}
    return {**shown, "viewOnce": False, "width": 0, "height": 0}


def _button_reply(said: Said) -> Json:
    title = said.get("title") or said.get("id")
    return {"buttonsResponseMessage": {"buttonId": said.get("id"), "message": title}}


def _list_reply(said: Said) -> Json:
    message = said.get("description") or said.get("title")
    return {"listResponseMessage": {"message": message, "title": said.get("title"), "selectedRowId": said.get("id")}}


RENDERERS: Mapping[str, Callable[[Said], Json | None]] = {
    "buttons": _buttons,
    "otp": _otp,
    "carousel": _carousel,
    "button_reply": _button_reply,
    "list_reply": _list_reply,
}
