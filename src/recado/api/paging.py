"""Lists: `{"data": […], "next_cursor": …}`, with `limit` (50, at most 200) and `cursor`, which is opaque."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from recado.domain.errors import invalid

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

#: The query parameters of a list.
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many to answer at most.")]
Cursor = Annotated[str | None, QueryParameter(description="The next_cursor of the page before.")]


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page. `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None = None


def after(cursor: str | None) -> UUID | None:
    """The id that a cursor stands for. Raises `Invalid` for what is no cursor of ours."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise invalid("cursor", "This is not a next_cursor of an earlier answer.") from None


def cursor_of(last: UUID) -> str:
    """The cursor of what comes after an id."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode("ascii")


def page(rows: Sequence[R], limit: int, show: Callable[[R], T], identify: Callable[[R], UUID]) -> Page[T]:
    """The page of `limit` out of rows that were asked for with one more, which tells whether there is another page."""
    shown = rows[:limit]
    more = cursor_of(identify(shown[-1])) if len(rows) > limit else None
    return Page(data=[show(row) for row in shown], next_cursor=more)


def offset(cursor: str | None) -> int:
    """The position that a cursor of `offset_page` stands for. Raises `Invalid` for what is none."""
    if cursor is None:
        return 0
    try:
        position = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        position = -1
    if position < 0:
        raise invalid("cursor", "This is not a next_cursor of an earlier answer.")
    return position


def offset_page(rows: Sequence[T], limit: int, position: int) -> Page[T]:
    """A page of a list that a provider counts by position. A full page may be followed by an empty one."""
    more = base64.urlsafe_b64encode(str(position + len(rows)).encode()).rstrip(b"=").decode("ascii")
    return Page(data=list(rows), next_cursor=more if len(rows) >= limit else None)
