import asyncio
from collections.abc import Sequence

import pytest

from recado.kit.batching import Batcher, FlushFailed, Split, Stopped


class Store:
    """A flush that notes its batches, and waits at a gate when it has one."""

    def __init__(self, *, gated: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()

    async def flush(self, items: list[int]) -> Sequence[int | BaseException]:
        self.batches.append(items)
        self.entered.set()
        await self.gate.wait()
        return [item * 10 for item in items]


async def running(store: Store, max_items: int = 100) -> Batcher[int, int]:
    batcher = Batcher(store.flush, max_items)
    await batcher.start()
    return batcher


async def test_concurrent_submitters_share_a_flush() -> None:
    store = Store()
    batcher = await running(store)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert store.batches == [[0, 1, 2, 3, 4]]


async def test_an_idle_batcher_flushes_in_the_next_turn_of_the_loop() -> None:
    store = Store(gated=True)
    batcher = await running(store)
    task = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0)  # the submitter runs
    await asyncio.sleep(0)  # the flush runs
    assert store.batches == [[1]]
    store.gate.set()
    assert await task == 10


async def test_what_comes_in_during_a_flush_goes_together_in_the_next_in_order() -> None:
    store = Store(gated=True)
    batcher = await running(store)
    first = asyncio.create_task(batcher.submit(0))
    await store.entered.wait()
    others = [asyncio.create_task(batcher.submit(n)) for n in range(1, 50)]
    await asyncio.sleep(0)
    assert batcher.waiting == 49
    assert len(store.batches) == 1, "one flush at a time"
    store.gate.set()
    await asyncio.gather(first, *others)
    assert store.batches == [[0], list(range(1, 50))]


async def test_a_flush_holds_at_most_max_items() -> None:
    store = Store()
    batcher = await running(store, max_items=2)
    await asyncio.gather(*(batcher.submit(n) for n in range(5)))
    assert store.batches == [[0, 1], [2, 3], [4]]


async def test_a_submitter_cancelled_during_the_flush_does_not_disturb_it() -> None:
    store = Store(gated=True)
    batcher = await running(store)
    leaves, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await store.entered.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    store.gate.set()
    assert await stays == 20
    assert leaves.cancelled()
    assert store.batches == [[1, 2]]


async def test_an_item_whose_submitter_left_before_its_flush_is_left_out() -> None:
    store = Store(gated=True)
    batcher = await running(store)
    first = asyncio.create_task(batcher.submit(1))
    await store.entered.wait()
    leaves, stays = asyncio.create_task(batcher.submit(2)), asyncio.create_task(batcher.submit(3))
    await asyncio.sleep(0)
    leaves.cancel()
    store.gate.set()
    assert [await first, await stays] == [10, 30]
    assert store.batches == [[1], [3]]


async def test_a_flush_of_which_all_submitters_left_is_not_made() -> None:
    store = Store(gated=True)
    batcher = await running(store)
    first = asyncio.create_task(batcher.submit(1))
    await store.entered.wait()
    leaves = asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0)
    leaves.cancel()
    store.gate.set()
    await first
    await batcher.stop()
    assert store.batches == [[1]]


async def test_a_flush_that_raises_fails_its_items_and_no_others() -> None:
    async def flush(items: list[int]) -> list[int]:
        if 1 in items:
            raise OSError("the database is away")
        return items

    batcher = Batcher(flush, 2)
    await batcher.start()
    results = await asyncio.gather(*(batcher.submit(n) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError, int, int]
    assert await batcher.submit(7) == 7


async def test_a_result_that_is_an_exception_is_raised_to_its_submitter_alone() -> None:
    async def flush(items: list[int]) -> list[int | BaseException]:
        return [KeyError(item) if item == 1 else item for item in items]

    batcher = Batcher(flush, 10)
    await batcher.start()
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [int, KeyError, int]


async def test_split_flushes_each_item_alone_and_fails_only_the_culprit_with_its_reason() -> None:
    batches = []

    async def flush(items: list[int]) -> list[int]:
        batches.append(items)
        if 2 in items:
            raise Split from ValueError("2 is refused")
        return items

    batcher = Batcher(flush, 10)
    await batcher.start()
    results = await asyncio.gather(*(batcher.submit(n) for n in range(4)), return_exceptions=True)
    assert batches == [[0, 1, 2, 3], [0], [1], [2], [3]]
    assert [str(result) for result in results] == ["0", "1", "2 is refused", "3"]


async def test_many_items_of_one_submitter_are_flushed_together_and_answered_in_order() -> None:
    store = Store()
    batcher = await running(store, max_items=3)
    assert await batcher.submit_many([1, 2, 3, 4]) == [10, 20, 30, 40]
    assert await batcher.submit_many([]) == []
    assert store.batches == [[1, 2, 3], [4]]


async def test_of_many_items_each_gets_its_own_result_or_error() -> None:
    flushed = []

    async def flush(items: list[int]) -> list[int | BaseException]:
        flushed.extend(items)
        return [KeyError(item) if item in (1, 2) else item for item in items]

    batcher = Batcher(flush, 1)
    await batcher.start()
    results = await batcher.submit_many([0, 1, 2, 3])
    assert [repr(result) for result in results] == ["0", "KeyError(1)", "KeyError(2)", "3"]
    assert flushed == [0, 1, 2, 3]


async def test_many_items_whose_submitter_left_before_their_flush_are_left_out() -> None:
    store = Store(gated=True)
    batcher = await running(store, max_items=1)
    leaves = asyncio.create_task(batcher.submit_many([1, 2, 3]))
    await store.entered.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    store.gate.set()
    await batcher.stop()
    assert leaves.cancelled()
    assert store.batches == [[1]]


@pytest.mark.parametrize("returned", [[], [1, 2, 3]])
async def test_a_wrong_number_of_results_fails_the_batch(returned: list[int]) -> None:
    async def flush(_: list[int]) -> list[int]:
        return returned

    batcher = Batcher(flush, 10)
    await batcher.start()
    with pytest.raises(FlushFailed, match="results for 1 items"):
        await batcher.submit(1)


async def test_a_flush_cancelled_from_within_fails_its_items_without_cancelling_their_submitters() -> None:
    async def flush(items: list[int]) -> list[int]:
        if items == [1]:
            raise asyncio.CancelledError
        return items

    batcher = Batcher(flush, 10)
    await batcher.start()
    with pytest.raises(FlushFailed):
        await batcher.submit(1)
    assert await batcher.submit(2) == 2


async def test_stop_flushes_what_was_taken_and_refuses_the_rest() -> None:
    store = Store(gated=True)
    batcher = await running(store, max_items=1)
    taken = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
    await store.entered.wait()
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    with pytest.raises(Stopped):
        await batcher.submit(9)
    assert not stopping.done()
    store.gate.set()
    await stopping
    assert await asyncio.gather(*taken) == [0, 10, 20]
    assert store.batches == [[0], [1], [2]]
    await batcher.stop()


async def test_a_batcher_that_was_not_started_takes_nothing() -> None:
    with pytest.raises(Stopped):
        await Batcher(Store().flush, 1).submit(1)


async def test_every_submission_under_load_is_flushed_once_in_order_and_answered_with_its_own_result() -> None:
    store = Store()
    batcher = await running(store, max_items=7)

    async def client(first: int) -> list[int]:
        return [await batcher.submit(first + n) for n in range(20)]

    answers = await asyncio.gather(*(client(100 * n) for n in range(30)))
    assert answers == [[(100 * n + m) * 10 for m in range(20)] for n in range(30)]
    flushed = [item for batch in store.batches for item in batch]
    assert len(flushed) == len(set(flushed)) == 600
    for n in range(30):
        own = [item for item in flushed if item // 100 == n]
        assert own == sorted(own)
    assert max(map(len, store.batches)) == 7
