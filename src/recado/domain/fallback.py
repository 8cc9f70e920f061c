"""How content looks as plain text, for a provider that cannot render it and a caller who allowed that (`fallback`)."""

from datetime import datetime
from typing import Any

from recado.domain import content as c


def as_text(kind: str, content: Any) -> str | None:
    """The content as text that loses nothing a reader needs, or None where text cannot stand for it."""
    render = _RENDER.get(kind)
    return render(content) if render and not any(one.startswith("data:") for one in _pictures(content)) else None


def _pictures(content: Any) -> list[str]:
    """The pictures of a content, which a text can only show as links."""
    match content:
        case c.CarouselContent():
            return [card.image for card in content.cards]
        case c.ButtonsContent() | c.OtpContent() if content.image:
            return [content.image]
        case _:
            return []


def _lines(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part)


def _options(buttons: list[c.Button], first: int = 1) -> list[str]:
    def option(number: int, button: c.Button) -> str:
        target = button.url or button.phone
        return f"{number}. {button.title}" + (f": {target}" if target else "")

    return [option(number, button) for number, button in enumerate(buttons, first)]


def _buttons(content: c.ButtonsContent) -> str:
    return _lines(
        content.header, content.body, content.image or content.video, *_options(content.buttons), content.footer
    )


def _carousel(content: c.CarouselContent) -> str:
    """The cards below each other, their buttons numbered through, so that a number names one."""
    lines: list[str | None] = [content.body]
    number = 1
    for card in content.cards:
        lines += [card.body, card.image, *_options(card.buttons, number)]
        number += len(card.buttons)
    return _lines(*lines, content.footer)


def _button_reply(content: c.ButtonReplyContent) -> str:
    return content.title or content.id


def _list(content: c.ListContent) -> str:
    lines: list[str | None] = [content.header, content.body]
    number = 0
    for section in content.sections:
        lines.append(section.title)
        for row in section.rows:
            number += 1
            lines.append(f"{number}. {row.title}" + (f" - {row.description}" if row.description else ""))
    return _lines(*lines, content.footer)


def _location(content: c.LocationContent) -> str:
    link = f"https://maps.google.com/?q={content.latitude},{content.longitude}"
    return _lines(content.name, content.address, link)


def _contacts(cards: list[c.ContactCard]) -> str:
    return "\n".join(
        _lines(card.name.formatted_name, *(phone.phone for phone in card.phones), *(mail.email for mail in card.emails))
        for card in cards
    )


def _link(content: c.LinkContent) -> str:
    return _lines(content.body, content.title, content.description, content.url)


def _otp(content: c.OtpContent) -> str:
    return _lines(content.body, content.image, content.code, content.footer)


def _pix(content: c.PixContent) -> str:
    return _lines(content.merchant_name, f"Pix ({content.key_type}): {content.key}")


def _poll(content: c.PollContent) -> str:
    return _lines(content.name, *(f"{number}. {option}" for number, option in enumerate(content.options, 1)))


def _event(content: c.EventContent) -> str:
    ends = f"- {_when(content.end_at)}" if content.end_at else None
    return _lines(content.name, _when(content.start_at), ends, content.location, content.description)


def _when(at: datetime) -> str:
    """A time with its zone, since whoever reads it may be in another one."""
    return at.strftime("%d/%m/%Y %H:%M %Z").rstrip()


def _order(content: c.OrderContent) -> str:
    lines = [f"{item.quantity} x {item.name}: {_money(content, item.amount)}" for item in content.items]
    lines += [f"- {_money(content, content.discount)}"] if content.discount else []
    lines += [f"+ {_money(content, amount)}" for amount in (content.tax, content.shipping) if amount]
    return _lines(content.body, *lines)


def _money(content: c.OrderContent, cents: int) -> str:
    return f"{content.currency} {cents / 100:.2f}"


_RENDER: dict[str, Any] = {
    "buttons": _buttons,
    "list": _list,
    "location": _location,
    "contacts": _contacts,
    "link": _link,
    "otp": _otp,
    "pix": _pix,
    "poll": _poll,
    "event": _event,
    "order": _order,
    "carousel": _carousel,
    "button_reply": _button_reply,
}
