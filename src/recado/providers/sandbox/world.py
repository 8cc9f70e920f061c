"""The sandbox's WhatsApp as an account sees it. Who keeps it is behind `World`; what its rules are is in the operations."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from recado.domain import phones
from recado.domain.operations import Picture
from recado.domain.provider import CallFailed, Connection
from recado.providers.sandbox.things import PRIVACY, Account, Blocked, Saved, Thing

T = TypeVar("T", bound=Thing)

#: A number with this end is not on WhatsApp, and a Brazilian mobile with the other is there without its ninth digit; unless
#: the sandbox knows the number otherwise.
ABSENT, WITHOUT_NINTH = "4040", "8080"


class Unreachable(Exception):
    """What keeps the phones is away."""


class Offline(Exception):
    """The session is not connected."""


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What the account exchanged with a number, since it cleared the chat. `wrote` tells whether the number ever wrote, and
    `name` what it called itself last."""

    chat: str
    last_at: datetime | None
    unread: int
    read_at: datetime | None
    wrote: bool
    name: str | None


class World(Protocol):
    """One visit of an account: everything is read, and changed, at once. `number` is the account's own, `at` the time."""

    number: str
    at: datetime

    async def get(self, shape: type[T], id: str, *, of: str | None = None) -> T | None:
        """A thing of the account, of another one (`of`), or a shared one."""
        ...

    async def find(
        self, shape: type[T], contains: Mapping[str, Any] | None = None, *, of: str | None = None
    ) -> dict[str, T]:
        """The things of a shape that contain something, by id, the oldest first."""
        ...

    async def put(self, id: str, thing: Thing) -> None:
        """Keep a thing of the account, or a shared one, as it is now."""
        ...

    async def drop(self, shape: type[Thing], id: str) -> None:
        """A thing is no more."""
        ...

    async def known(self, numbers: Sequence[str]) -> Mapping[str, bool]:
        """Those of the numbers that the sandbox has seen, and whether each is an account."""
        ...

    async def talks(self, chat: str | None = None) -> list[Talk]:
        """With whom the account exchanged messages, or what with one."""
        ...

    async def read(self, chat: str) -> None:
        """Every message of a chat is read."""
        ...

    async def is_on(self, number: str) -> bool:
        """Whether a phone is on, or an account shown as online."""
        ...

    async def watchers(self) -> list[str]:
        """The accounts that asked to be told of this one's presence."""
        ...

    async def tell(self, numbers: Sequence[str], notice: "Notice", *, wait: bool = True) -> None:
        """Those of the numbers that are accounts hear of something; one whose line is cut afterwards, or never (`wait`)."""
        ...


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an account is told: an event's `type`, what it is about, and `data` as in `domain.events.Noticed`."""

    type: str
    phone: str | None = None
    group: str | None = None
    data: dict[str, Any]


class Worlds(Protocol):
    def visit(self, connection: Connection, *, changing: bool) -> AbstractAsyncContextManager[World]:
        """A visit of the connection's account. Those that change something come one after the other. Raises `Offline`
        while the session is not connected, `Unreachable` when the world is away."""
        ...


class Visitor:
    """How every operation comes into the world."""

    _phones: Worlds

    @asynccontextmanager
    async def _visit(self, connection: Connection, *, changing: bool) -> AsyncIterator[World]:
        try:
            async with self._phones.visit(connection, changing=changing) as world:
                yield world
        except Offline as error:
            raise CallFailed(str(error), code="not_connected") from error
        except Unreachable as error:
            raise CallFailed(str(error)) from error

    def _looking(self, connection: Connection) -> AbstractAsyncContextManager[World]:
        return self._visit(connection, changing=False)

    def _changing(self, connection: Connection) -> AbstractAsyncContextManager[World]:
        return self._visit(connection, changing=True)


# --- refusals -------------------------------------------------------------------------------------------


def missing(what: str) -> CallFailed:
    """There is no such thing, or none that the account can see."""
    return CallFailed(f"The sandbox has no such {what}.", code="not_found", retryable=False)


def refused(why: str) -> CallFailed:
    """WhatsApp does not let an account do it."""
    return CallFailed(why, code="refused", retryable=False)


def wrong(why: str) -> CallFailed:
    """A value that there is not."""
    return CallFailed(why, code="invalid", retryable=False)


# --- people ---------------------------------------------------------------------------------------------


async def on_whatsapp(world: World, numbers: Sequence[str]) -> dict[str, str | None]:
    """Each number as WhatsApp writes it, or None for one that is not there.

    What the sandbox knows (a described phone, an instance's own, one that wrote) is there as it is known. Any other number
    is there, a Brazilian mobile with its ninth digit, but for the ends `ABSENT` and `WITHOUT_NINTH`.
    """
    asked = {number: phones.other_form(number) for number in numbers}
    known = await world.known([form for pair in asked.items() for form in pair if form is not None])
    return {number: _written(number, other, known) for number, other in asked.items()}


def _written(number: str, other: str | None, known: Mapping[str, bool]) -> str | None:
    if number in known:
        return number
    if other is not None and other in known:
        return other
    if not (number.isascii() and number.isdigit()) or number.endswith(ABSENT):
        return None
    if other is None:
        return number
    return min(number, other, key=len) if number.endswith(WITHOUT_NINTH) else max(number, other, key=len)


async def person(world: World, contact: str) -> str:
    """Somebody's number as WhatsApp writes it. Raises `CallFailed` for one that is not there."""
    found = (await on_whatsapp(world, [contact]))[contact]
    if found is None:
        raise missing("number")
    return found


async def account(world: World, number: str | None = None) -> Account:
    """The profile of the visitor, or of another account."""
    return await world.get(Account, "", of=number) or Account()


async def lets(world: World, number: str, what: str) -> bool:
    """Whether an account lets the visitor see or do what one of its privacy settings guards."""
    if number == world.number:
        return True
    match (await account(world, number)).privacy.get(what, PRIVACY[what][0]):
        case "all":
            return await world.get(Blocked, world.number, of=number) is None
        case "contacts" | "contacts_except":
            return await world.get(Saved, world.number, of=number) is not None
        case _:
            return False


# --- pictures -------------------------------------------------------------------------------------------


def data_url(picture: Picture | None) -> str | None:
    """A picture as it is kept and shown. Raises `CallFailed` for what is none."""
    if picture is None:
        return None
    if not picture.mime_type.startswith("image/"):
        raise CallFailed("A picture is an image.", code="bad_picture", retryable=False)
    return f"data:{picture.mime_type};base64,{base64.b64encode(picture.data).decode()}"
