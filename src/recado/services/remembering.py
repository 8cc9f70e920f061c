"""What providers answered to questions, kept in memory for a while: lists are polled, and cost the phone behind them much.

A process has one `Memory` (`Runtime.answers`). What it keeps is forgotten for an instance when an operation changes
something there (`operating.call`), the provider tells of a change (`receiving`), or another phone takes its place
(`connections`), all in the same process; what another process did is seen when the answer is no longer fresh.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec

from recado.domain.errors import ProviderFailed

#: How long an answer is given again without asking.
FRESH_SECONDS = 60.0
#: How old an answer may be that is given because the provider fails.
LONGEST_SECONDS = 3_600.0
#: How long all answers together may be, written out as Python does; they take about as many bytes in memory.
_MOST = 50_000_000

#: Events after which what was answered about the instance may be wrong.
CHANGES = frozenset({"group.updated", "contact.updated", "chat.updated", "label.updated"})

#: What a provider answers, as opposed to failing to: an older answer would be wrong. There is no such thing; or it will not.
ABSENT = frozenset({"not_found", "chat_not_found", "not_on_whatsapp", "http_404"})
ANSWERED = ABSENT | {"not_admin", "refused", "invalid", "http_400"}

T = TypeVar("T")
_Key = tuple[UUID, Hashable]


class Remembered(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """An answer, and how many seconds ago it was given."""

    value: T
    age: float = 0.0

    @property
    def as_of(self) -> datetime:
        """When it was given."""
        return datetime.now(UTC) - timedelta(seconds=self.age)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    value: Any
    at: float
    weight: int


class Memory:
    """The answers of one process. Everything here belongs to one event loop. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: The one that was asked for longest ago comes first.
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._of_instance: dict[UUID, set[_Key]] = {}
        self._loading: dict[_Key, asyncio.Task[Any]] = {}
        self._weight = 0

    async def recall(self, instance_id: UUID, question: Hashable, ask: Callable[[], Awaitable[T]]) -> Remembered[T]:
        """The answer to a question about an instance: the one that is here, if it is fresh, else what `ask` brings.
        Concurrent questions share one `ask`.

        Where the provider fails (`ProviderFailed`), the older answer is given if there is one; else what `ask` raises goes to
        all who wait.
        """
        key = (instance_id, question)
        kept = self._find(key)
        if kept is not None and self._clock() - kept.at < FRESH_SECONDS:
            return self._shown(kept)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.ensure_future(self._load(key, ask))
            task.add_done_callback(lambda done: self._loaded(key, done))
        try:
            # Somebody who gives up does not take the answer from the others.
            return cast(Remembered[T], await asyncio.shield(task))
        except ProviderFailed as error:
            if error.code in ANSWERED:
                self._drop(key)
            older = self._find(key)
            if older is None:
                raise
            return self._shown(older)

    def forget(self, instance_id: UUID) -> None:
        """Something of the instance changed. What is being asked now serves those who wait for it, and is not kept."""
        for key in list(self._of_instance.get(instance_id, ())):
            self._drop(key)
        for key in [key for key in self._loading if key[0] == instance_id]:
            del self._loading[key]

    async def _load(self, key: _Key, ask: Callable[[], Awaitable[T]]) -> Remembered[T]:
        at = self._clock()
        value = await ask()
        if self._loading.get(key) is asyncio.current_task():
            self._keep(key, _Kept(value=value, at=at, weight=len(repr(key)) + len(repr(value))))
        return Remembered(value=value)

    def _loaded(self, key: _Key, task: "asyncio.Task[Any]") -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        if not task.cancelled():
            # Nobody may have waited until it failed.
            task.exception()

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._drop(key)
        self._kept[key] = kept
        self._of_instance.setdefault(key[0], set()).add(key)
        self._weight += kept.weight
        while self._weight > _MOST:
            self._drop(next(iter(self._kept)))

    def _find(self, key: _Key) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._clock() - kept.at >= LONGEST_SECONDS:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def _drop(self, key: _Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._weight -= kept.weight
        questions = self._of_instance[key[0]]
        questions.discard(key)
        if not questions:
            del self._of_instance[key[0]]

    def _shown(self, kept: _Kept) -> Remembered[Any]:
        return Remembered(value=kept.value, age=self._clock() - kept.at)
