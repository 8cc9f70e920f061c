"""The sending queue: what waits in it, taking it back, and whether it takes messages while the phone is disconnected."""

from datetime import UTC
from typing import Any, ClassVar

import msgspec

from recado.api.zapi import examples, fields
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Success, Value
from recado.services.zapi import accounts, queueing, references
from recado.services.zapi.queueing import Waiting

_DEFAULT_SIZE = 20
_LARGEST_SIZE = 30
#: Of GET: as many as Z-API lets wait.
_LARGEST_NUMBERED = 1_000
_LAST_PAGE = 1_000_000

_ENTRY = {
    "_id": examples.ZAAP,
    "DelayMessage": -1,
    "Message": "Mensagem teste",
    "InstanceId": "3E98XXXXXXXXXXXXXXXXXXXF5DDF",
    "Phone": examples.PHONE,
    "ZaapId": examples.ZAAP,
    "DelayTyping": 0,
    "MessageId": "ECFXXXXXXXXXXXXXX39",
    "Created": 1774968031776,
    "IsTrial": False,
}


class Entry(Answer, frozen=True, kw_only=True, rename="pascal"):
    """A message that waits. Delays are in seconds, -1 for the random one; `Created` is in milliseconds."""

    _id: str = msgspec.field(name="_id")
    delay_message: float
    message: str
    instance_id: str
    phone: str
    zaap_id: str
    delay_typing: float
    message_id: str
    created: int
    is_trial: bool = False


class PagedEntry(Entry, frozen=True, kw_only=True):
    """With what only the newer of the two routes has."""

    created_at: str
    beta: bool = False


class NumberedQuery(Body, frozen=True, kw_only=True):
    page: int
    page_size: int


class NumberedPage(Answer, frozen=True, kw_only=True, omit_defaults=True):
    messages: tuple[Entry, ...]
    size: int | msgspec.UnsetType = msgspec.UNSET


class ListQueue(Route):
    """List what waits, by the number of the page, in the order of sending."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/queue"
    domain: ClassVar[Domain] = "queue"
    query: ClassVar[Any] = NumberedQuery
    answers: ClassVar[Any] = NumberedPage
    note: ClassVar[str] = (
        "Pages count from 1, and have up to 1,000 messages. An account set to the older documentation is told `size` too, "
        "how many wait in all, for clients of 2021 and 2022. What is sent while pages are read moves the rest forward; "
        "POST /queue misses nothing."
    )
    example: ClassVar[Example] = Example(query={"page": 1, "pageSize": 10}, answer={"messages": [_ENTRY]})

    async def answer(self, call: Call) -> Any:
        """A page of it."""
        query: NumberedQuery = call.query
        size = min(max(query.page_size, 1), _LARGEST_NUMBERED)
        offset = size * (min(max(query.page, 1), _LAST_PAGE) - 1)
        page = await queueing.page(call.runtime, call.view, limit=size, offset=offset)
        messages = tuple(Entry(**_entry(call, message)) for message in page.messages)
        if call.view.account.documentation == "older":
            return NumberedPage(messages=messages, size=await queueing.count(call.runtime, call.view))
        return NumberedPage(messages=messages)


class PageBody(Body, frozen=True, kw_only=True):
    page_size: int | None = None
    paging_state: str | None = None


class QueuePage(Answer, frozen=True, kw_only=True):
    messages: tuple[PagedEntry, ...]
    paging_state: str | None
    has_more: bool


class PageQueue(Route):
    """List what waits, page after page, in the order of sending."""

    path: ClassVar[str] = "/queue"
    domain: ClassVar[Domain] = "queue"
    body: ClassVar[Any] = PageBody
    answers: ClassVar[Any] = QueuePage
    note: ClassVar[str] = (
        "A `pageSize` above 30 is taken as 30, since an earlier documentation allowed 500. The last page has no "
        "`pagingState`. It may name a message that was sent meanwhile: the next page begins behind its place."
    )
    example: ClassVar[Example] = Example(
        body={"pageSize": 20},
        answer={
            "messages": [{**_ENTRY, "CreatedAt": "2026-03-31T14:40:31.776+00:00", "Beta": False}],
            "pagingState": "eyJi...",
            "hasMore": True,
        },
    )

    async def answer(self, call: Call) -> Any:
        """A page of it."""
        body: PageBody = call.body
        size = min(max(body.page_size or _DEFAULT_SIZE, 1), _LARGEST_SIZE)
        page = await queueing.page(call.runtime, call.view, limit=size, state=body.paging_state)
        return QueuePage(
            messages=tuple(_paged_entry(call, message) for message in page.messages),
            paging_state=page.state,
            has_more=page.state is not None,
        )


class Count(Answer, frozen=True, kw_only=True):
    count: int


class CountQueue(Route):
    """Tell how many messages wait."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/queue/count"
    domain: ClassVar[Domain] = "queue"
    answers: ClassVar[Any] = Count
    note: ClassVar[str] = (
        "The documentation has the route and no answer; this is what another compatible server answers."
    )
    example: ClassVar[Example] = Example(answer={"count": 1})

    async def answer(self, call: Call) -> Any:
        """The number."""
        return Count(count=await queueing.count(call.runtime, call.view))


class ClearQueue(Route):
    """Remove all messages that wait."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/queue"
    domain: ClassVar[Domain] = "queue"
    answers: ClassVar[Any] = Value
    note: ClassVar[str] = (
        "What is being sent right now, or may have been sent, stays. The documentation has no answer; this one lets "
        "clients parse it."
    )
    example: ClassVar[Example] = Example(answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Take them back."""
        await queueing.clear(call.runtime, call.view)
        return Value()


class RemoveFromQueue(Route):
    """Remove one message that waits."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/queue/{zaapId}"
    domain: ClassVar[Domain] = "queue"
    answers: ClassVar[Any] = Value
    note: ClassVar[str] = (
        "400 with the reason for a message that was sent, is being sent, or may have been; 404 for one that never was "
        "here. The `messageId` is taken as well. The documentation has no answer; this one lets clients parse it."
    )
    example: ClassVar[Example] = Example(path={"zaapId": examples.ZAAP}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Take it back."""
        await queueing.remove(call.runtime, call.view, call.path["zaapId"])
        return Value()


class QueueSettings(Body, frozen=True, kw_only=True):
    disable_enqueue_when_disconnected: bool


class UpdateQueueSettings(Route):
    """Choose whether messages may wait while the phone is disconnected."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-queue-settings"
    domain: ClassVar[Domain] = "queue"
    body: ClassVar[Any] = QueueSettings
    answers: ClassVar[Any] = Success
    note: ClassVar[str] = "Where they may not, a send is answered with 400 and the reason. What waits already stays."
    example: ClassVar[Example] = Example(body={"disableEnqueueWhenDisconnected": True}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """Keep the choice."""
        disabled: bool = call.body.disable_enqueue_when_disconnected
        await accounts.change_settings(call.runtime, call.view, {"enqueue_disconnected": not disabled})
        return Success()


def _entry(call: Call, message: Waiting) -> dict[str, Any]:
    zaap_id = accounts.public_id(message.id)
    return {
        "_id": zaap_id,
        "delay_message": -1 if message.pause_ms is None else _seconds(message.pause_ms),
        "message": message.words,
        "instance_id": call.view.public_id,
        "phone": fields.shown(message.to),
        "zaap_id": zaap_id,
        "delay_typing": _seconds(message.typing_ms),
        "message_id": references.shown(message.id, message.client_id),
        "created": fields.moment(message.created_at),
    }


def _paged_entry(call: Call, message: Waiting) -> PagedEntry:
    at = message.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return PagedEntry(**_entry(call, message), created_at=at)


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1_000 if milliseconds % 1_000 else milliseconds // 1_000


ROUTES: tuple[Route, ...] = (
    PageQueue(),
    ListQueue(),
    CountQueue(),
    ClearQueue(),
    RemoveFromQueue(),
    UpdateQueueSettings(),
)
