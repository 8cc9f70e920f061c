"""What WhatsApp itself rules out in a message, whoever the provider is: refused when it is accepted, so that nothing is left
out, or taken for something else, behind it.

What only one provider rules out is its adapter's to say (`ChecksContent`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from recado.domain import content as c
from recado.domain.errors import FieldError
from recado.domain.phones import Address

#: Kinds that show a caption.
CAPTIONED = frozenset({"image", "video", "gif", "document"})
#: Kinds that speak of a message and quote none besides.
_UNQUOTING = c.ABOUT_A_MESSAGE - {"forward"}
#: The kind of the message that a kind speaks of, where it can be of one only.
_SPEAKS_OF = {"poll_vote": "poll", "event_response": "event", "event_edit": "event"}
#: Whether the number itself wrote the message that a kind speaks of, where it can be of one sort only.
_SPEAKS_OF_OWN = {"edit": True, "event_edit": True, "event_response": False, "button_reply": False}
_YEARS = range(1970, 9999)

Problem = tuple[str, str]


def check(kind: str, content: Any, to: Address, *, quotes: bool) -> list[FieldError]:
    """What is wrong with a content that goes to `to`, each with its path in the request. `quotes`: another message is."""
    errors = [FieldError(field=f"{kind}.{path}", message=why) for path, why in _problems(kind, content, to)]
    if quotes and kind in _UNQUOTING:
        errors.append(FieldError(field="reply_to", message=f"a message of type {kind} quotes none"))
    elif quotes and getattr(content, "story", None):
        errors.append(FieldError(field="reply_to", message="the answer to a story quotes no message besides"))
    return errors


def check_reference(kind: str, content: Any, about: Mapping[str, Any]) -> list[FieldError]:
    """As `check`, for a content that speaks of `about`: its `type`, `direction` and `content` as they are stored."""
    return [FieldError(field=f"{kind}.{path}", message=why) for path, why in _mismatches(kind, content, about)]


def _problems(kind: str, content: Any, to: Address) -> Iterator[Problem]:
    shared = to.kind in ("group", "channel")
    if shared and getattr(content, "story", None):
        yield "story", "a story is answered in the chat with whoever posted it"
    match content:
        case c.TextContent() if to.kind != "group":
            for name in ("mention_all", "group_mentions"):
                if getattr(content, name):
                    yield name, "is for groups"
        case c.MediaContent():
            yield from _media(kind, content, to)
        case c.ButtonsContent():
            yield from _buttons("buttons", content.buttons)
        case c.CarouselContent():
            for place, card in enumerate(content.cards):
                yield from _buttons(f"cards[{place}].buttons", card.buttons)
        case c.PollContent():
            yield from _distinct(content.options)
            if content.selectable > len(content.options):
                yield "selectable", "is more than there are options"
        case c.PollVoteContent():
            yield from _distinct(content.options)
        case c.EventContent():
            yield from _event("", content)
        case c.EventEditContent():
            yield from _event("event.", content.event)
        case _:
            pass


def _media(kind: str, content: c.MediaContent, to: Address) -> Iterator[Problem]:
    if content.view_once and kind not in c.VIEWED_ONCE:
        yield "view_once", f"WhatsApp has no {kind} to be opened once"
    elif content.view_once and to.kind == "channel":
        yield "view_once", "WhatsApp's channels show nothing to be opened once"
    if content.author and kind != "sticker":
        yield "author", "belongs to a sticker"
    if content.caption and kind not in CAPTIONED:
        yield "caption", f"WhatsApp shows no caption with {kind}"


def _buttons(path: str, buttons: list[c.Button]) -> Iterator[Problem]:
    for place, button in enumerate(buttons):
        if sum(one is not None for one in (button.id, button.url, button.phone)) > 1:
            yield f"{path}[{place}]", "takes one of `id`, `url` and `phone`"


def _distinct(options: list[str]) -> Iterator[Problem]:
    if len(set(options)) != len(options):
        yield "options", "names an option twice"


def _event(path: str, event: c.EventContent) -> Iterator[Problem]:
    right = True
    for name, at in (("start_at", event.start_at), ("end_at", event.end_at)):
        problem = _moment(at) if at is not None else None
        if problem is not None:
            right = False
            yield path + name, problem
    if right and event.end_at is not None and event.end_at < event.start_at:
        yield f"{path}end_at", "lies before `start_at`"


def _moment(at: datetime) -> str | None:
    if at.tzinfo is None:
        return "needs a time zone: 2026-12-01T09:00:00Z or …-03:00"
    return None if at.year in _YEARS else f"must lie between {_YEARS.start} and {_YEARS.stop - 1}"


def _mismatches(kind: str, content: Any, about: Mapping[str, Any]) -> Iterator[Problem]:
    wanted, found = _SPEAKS_OF.get(kind, about["type"]), about["type"]
    # What a provider's webhook told of in a way that we cannot read may be anything.
    if found != wanted and found in c.KINDS:
        yield "message_id", f"is a message of type {found}, not {wanted}"
        return
    own, told = about["direction"] == "outbound", about["content"]
    if kind in ("edit", "forward") and isinstance(told, Mapping) and told.get("view_once"):
        # A provider changes or forwards a file by sending it again, which would show it to stay.
        yield "message_id", "can be opened once: it is neither changed nor forwarded"
    if _SPEAKS_OF_OWN.get(kind, own) != own:
        yield "message_id", "is a message of your own" if own else "is a message of somebody else"
    if isinstance(content, c.PollVoteContent) and isinstance(told, Mapping):
        yield from _vote(content, told, own)


def _vote(vote: c.PollVoteContent, poll: Mapping[str, Any], own: bool) -> Iterator[Problem]:
    options = poll.get("options")
    unknown = [one for one in vote.options if options and one not in options]
    if unknown:
        yield "options", f"the poll has no option {unknown[0][:64]!r}"
    # A poll of ours is stored without what is the default.
    most = poll.get("selectable", 1 if own else 0)
    if most and len(vote.options) > most:
        yield "options", f"the poll takes {most} at most"
