"""Routes for polls and events: sending them, and voting and answering on the number's own behalf."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Body, Call, Example, Route
from recado.api.zapi.sends import Addressed, Send, SendBody, about

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_TIME = (
    "`dateTime` is the time on the clocks of `timeZone` (`UTC-3`), even where it ends in `Z` as in the documented examples; "
    "without a `timeZone` it is UTC, and one with an offset of its own (`-03:00`) is that instant."
)
#: Hours that clocks are ahead of UTC at most.
_FURTHEST_ZONE = 14


# --- polls ----------------------------------------------------------------------------------------------


class PollOption(Body, frozen=True, kw_only=True):
    name: fields.Words


class PollBody(SendBody, frozen=True, kw_only=True):
    message: fields.Words
    poll: tuple[PollOption, ...]
    poll_max_options: int | None = None


class SendPoll(Send):
    """Send a poll."""

    path: ClassVar[str] = "/send-poll"
    body: ClassVar[Any] = PollBody
    needs: ClassVar[tuple[str, ...]] = ("poll",)
    note: ClassVar[str] = (
        "Without `pollMaxOptions` people may choose as many options as they like. Not for groups only."
    )
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.GROUP,
            "message": "Qual a melhor API de WhatsApp?",
            "poll": [{"name": "Z-API"}, {"name": "Outras"}],
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: PollBody) -> tuple[str, Any]:
        """A poll."""
        options = [str(one.name) for one in body.poll]
        selectable = min(max(body.poll_max_options or 0, 0), len(options))
        return "poll", {"name": str(body.message), "options": options, "selectable": selectable}


class PollVoteBody(Addressed, frozen=True, kw_only=True):
    poll_message_id: str
    poll_vote: tuple[PollOption, ...]


class SendPollVote(Send):
    """Vote in a poll."""

    path: ClassVar[str] = "/send-poll-vote"
    body: ClassVar[Any] = PollVoteBody
    needs: ClassVar[tuple[str, ...]] = ("poll_vote",)
    note: ClassVar[str] = "An empty `pollVote` takes the vote back."
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "pollMessageId": examples.POLL, "pollVote": [{"name": "Uva"}]},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: PollVoteBody) -> tuple[str, Any]:
        """The vote."""
        poll = await about(call, body.poll_message_id, field="pollMessageId")
        return "poll_vote", {"message_id": poll, "options": [str(one.name) for one in body.poll_vote]}


# --- events ---------------------------------------------------------------------------------------------


class Place(Body, frozen=True, kw_only=True):
    name: fields.Words


class Event(Body, frozen=True, kw_only=True):
    name: fields.Words
    date_time: datetime
    description: fields.Text | None = None
    time_zone: str | None = None
    location: Place | None = None
    call_link_type: Literal["voice", "video"] | None = None
    canceled: bool | None = None


class EventBody(SendBody, frozen=True, kw_only=True):
    event: Event


class SendEvent(Send):
    """Send an event that people can accept."""

    path: ClassVar[str] = "/send-event"
    body: ClassVar[Any] = EventBody
    needs: ClassVar[tuple[str, ...]] = ("event",)
    note: ClassVar[str] = f"{_TIME} Events are called off by `/send-edit-event`: a new one cannot be `canceled`."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.GROUP,
            "event": {
                "name": "Nome do evento",
                "description": "Descrição do evento",
                "dateTime": "2027-04-29T09:30:53.309Z",
                "timeZone": "UTC-3",
                "location": {"name": "Nome do lugar"},
                "callLinkType": "voice",
                "canceled": False,
            },
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: EventBody) -> tuple[str, Any]:
        """An event."""
        if body.event.canceled:
            raise ZapiError("event.canceled: a new event cannot be canceled; use /send-edit-event")
        return "event", _event(body.event)


class EditEventBody(Addressed, frozen=True, kw_only=True):
    event_message_id: str
    event: Event


class SendEditEvent(Send):
    """Change an event, or call it off."""

    path: ClassVar[str] = "/send-edit-event"
    body: ClassVar[Any] = EditEventBody
    needs: ClassVar[tuple[str, ...]] = ("event_edit",)
    note: ClassVar[str] = f"The whole event is given, also what stays. {_TIME}"
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.PHONE,
            "eventMessageId": examples.EVENT,
            "event": {
                "name": "Novo nome do evento",
                "description": "Descrição do evento",
                "dateTime": "2027-04-29T09:30:53.309Z",
                "location": {"name": "Nome do lugar"},
                "callLinkType": "voice",
                "canceled": False,
            },
        },
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: EditEventBody) -> tuple[str, Any]:
        """The event as it is from now on."""
        return "event_edit", {
            "message_id": await about(call, body.event_message_id, field="eventMessageId"),
            "event": _event(body.event),
            "cancelled": bool(body.event.canceled),
        }


class EventResponseBody(Addressed, frozen=True, kw_only=True):
    event_message_id: str
    event_response: Literal["GOING", "NOT_GOING", "MAYBE"]


class SendEventResponse(Send):
    """Tell whether the number comes to an event."""

    path: ClassVar[str] = "/send-event-response"
    body: ClassVar[Any] = EventResponseBody
    needs: ClassVar[tuple[str, ...]] = ("event_response",)
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "eventMessageId": examples.EVENT, "eventResponse": "GOING"},
        answer=examples.SENT,
    )

    async def content(self, call: Call, body: EventResponseBody) -> tuple[str, Any]:
        """The answer."""
        event = await about(call, body.event_message_id, field="eventMessageId")
        return "event_response", {"message_id": event, "response": body.event_response.lower()}


def _event(event: Event) -> dict[str, Any]:
    return {
        "name": str(event.name),
        "start_at": _start(event.date_time, event.time_zone),
        "description": fields.optional(event.description),
        "location": str(event.location.name) if event.location else None,
        "call": event.call_link_type,
    }


def _start(at: datetime, zone: str | None) -> datetime:
    """When an event begins. Raises `ZapiError` for a time zone that is none."""
    if at.utcoffset():
        return at
    if not zone or zone.upper() in ("UTC", "GMT"):
        return at.replace(tzinfo=UTC)
    found = _OFFSET.fullmatch(zone.strip())
    if found is None or int(found[2]) > _FURTHEST_ZONE:
        raise ZapiError("event.timeZone: write it as in UTC-3")
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return at.replace(tzinfo=timezone(ahead if found[1] == "+" else -ahead))


ROUTES: tuple[Route, ...] = (SendPoll(), SendPollVote(), SendEvent(), SendEditEvent(), SendEventResponse())
