"""Group commit: concurrent callers share one flush.

There is no timer. A flush begins as soon as the one before it is over, with all that has come in meanwhile: alone
a caller waits one turn of the event loop, under load the batches grow by themselves.
"""

import asyncio
import collections
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Split(Exception):
    """Raised by a flush that wrote nothing because of one of its items: each is then flushed alone.

    Raise it `from` the reason. An item that raises it alone fails with that reason.
    """


class Stopped(Exception):
    """The batcher is not running, so nothing was taken."""


class FlushFailed(Exception):
    """The flush broke its own promise (cancelled, or a wrong number of results). The items may have been written."""


class _Entry(Generic[T, R]):
    __slots__ = ("future", "item")

    def __init__(self, item: T, future: asyncio.Future[R]) -> None:
        self.item = item
        self.future = future

    def settle(self, result: R | BaseException) -> None:
        # The future is done already when its submitter was cancelled.
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Batcher(Generic[T, R]):
    """Hands items to `flush` in the order of their submission, at most `max_items` at a time, one flush at a time.

    `flush` returns one result per item, in order; a result that is an exception is raised to that item's submitter
    alone. A flush that raises fails all its items with what it raised, unless it raises `Split`.
    """

    def __init__(self, flush: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]], max_items: int) -> None:
        if max_items < 1:
            raise ValueError("max_items must be at least 1")
        self._flush = flush
        self._max_items = max_items
        self._pending: collections.deque[_Entry[T, R]] = collections.deque()
        self._drain: asyncio.Task[None] | None = None
        self._running = False

    @property
    def waiting(self) -> int:
        """How many items wait for the flush after the present one."""
        return len(self._pending)

    async def start(self) -> None:
        """Take items from now on."""
        self._running = True

    async def stop(self) -> None:
        """Refuse new items, flush those that were taken, return when all are settled. Stopping twice is fine."""
        self._running = False
        if self._drain is not None:
            # Shielded, because what was taken is flushed even if nobody waits for the stop any more.
            await asyncio.shield(self._drain)

    async def submit(self, item: T) -> R:
        """The result of `item` once its flush is over. Raises `Stopped` when the batcher does not run.

        Cancelling a submitter never disturbs a flush: before its flush the item is left out, later its result is
        dropped.
        """
        return await self._add(item)

    async def submit_many(self, items: Sequence[T]) -> list[R | BaseException]:
        """The results of `items`, in order, once all of them are settled: what a failed one raised is its result.

        They are flushed together as far as `max_items` allows. Raises `Stopped` when the batcher does not run.
        """
        futures = [self._add(item) for item in items]
        try:
            if futures:
                await asyncio.wait(futures)
        except asyncio.CancelledError:
            # Unlike `submit`, waiting for several does not pass the cancellation on by itself.
            for future in futures:
                future.cancel()
            raise
        return [future.exception() or future.result() for future in futures]

    def _add(self, item: T) -> asyncio.Future[R]:
        if not self._running:
            raise Stopped("the batcher is stopped")
        loop = asyncio.get_running_loop()
        entry: _Entry[T, R] = _Entry(item, loop.create_future())
        self._pending.append(entry)
        if self._drain is None:
            self._drain = loop.create_task(self._drain_pending())
        return entry.future

    async def _drain_pending(self) -> None:
        try:
            while self._pending:
                batch = self._next_batch()
                if batch:
                    await self._settle(batch)
        finally:
            # No await lies between the last look at `_pending` and this line, so no item can fall between two drains.
            self._drain = None
            for entry in self._pending:
                entry.future.cancel()
            self._pending.clear()

    def _next_batch(self) -> list[_Entry[T, R]]:
        batch: list[_Entry[T, R]] = []
        while self._pending and len(batch) < self._max_items:
            entry = self._pending.popleft()
            if not entry.future.done():
                batch.append(entry)
        return batch

    async def _settle(self, batch: list[_Entry[T, R]]) -> None:
        """Flush `batch` and settle each of its entries. Raises only when this task itself is to end."""
        try:
            results = await self._flush([entry.item for entry in batch])
        except Split as split:
            if len(batch) == 1:
                batch[0].settle(split.__cause__ or split)
                return
        except Exception as error:  # noqa: BLE001 - whatever the flush raises is its submitters' to see.
            _fail(batch, error)
            return
        except BaseException as error:
            _fail(batch, FlushFailed("the flush was cancelled"))
            if isinstance(error, asyncio.CancelledError) and not _ending():
                return
            raise
        else:
            if len(results) != len(batch):
                _fail(batch, FlushFailed(f"the flush returned {len(results)} results for {len(batch)} items"))
                return
            for entry, result in zip(batch, results, strict=True):
                entry.settle(result)
            return
        for entry in batch:
            if not entry.future.done():
                await self._settle([entry])


def _ending() -> bool:
    """Whether this task was cancelled, as opposed to something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _fail(batch: Sequence[_Entry[T, R]], error: BaseException) -> None:
    for entry in batch:
        entry.settle(error)
