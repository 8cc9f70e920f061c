import asyncio

import pytest

from recado.kit.signals import Signals

LONG = 30.0


async def test_a_set_between_check_and_wait_is_seen() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    signals.set("lanes")
    assert await waiter.wait(LONG)
    assert not await waiter.wait(0)


async def test_sets_before_a_wait_count_as_one() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    for _ in range(3):
        signals.set("lanes")
    assert await waiter.wait(LONG)
    assert not await waiter.wait(0)


async def test_a_sleeping_waiter_is_woken() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    async with asyncio.TaskGroup() as group:
        woken = group.create_task(waiter.wait(LONG))
        await asyncio.sleep(0)
        signals.set("lanes")
    assert woken.result()


async def test_waiters_are_independent() -> None:
    signals = Signals()
    first, second = signals.waiter("lanes"), signals.waiter("lanes")
    signals.set("lanes")
    assert await first.wait(LONG)
    assert await second.wait(LONG)
    assert not await first.wait(0)


async def test_a_set_during_the_work_is_seen_by_the_next_wait() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        while rounds < 5:
            assert await waiter.wait(LONG)
            rounds += 1
            # The work itself causes more of it, as a worker that finishes a message does.
            signals.set("lanes")

    signals.set("lanes")
    await work()
    assert rounds == 5


async def test_a_cancelled_wait_leaves_the_set_for_the_next() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    task = asyncio.create_task(waiter.wait(LONG))
    await asyncio.sleep(0)
    signals.set("lanes")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await waiter.wait(0)


async def test_a_set_just_after_the_time_is_over_is_not_lost() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    task = asyncio.create_task(waiter.wait(0))
    await asyncio.sleep(0)
    # Due right after the waiter's own alarm, and so before the waiter itself runs again.
    asyncio.get_running_loop().call_later(0, signals.set, "lanes")
    assert await task or await waiter.wait(LONG)


async def test_topics_do_not_wake_each_other() -> None:
    signals = Signals()
    waiter = signals.waiter("lanes")
    signals.set("inbox")
    assert not await waiter.wait(0)


async def test_the_shared_waiter_sees_what_was_set_before_its_first_wait() -> None:
    signals = Signals()
    signals.set("caches")
    assert await signals.wait("caches", LONG)
    assert not await signals.wait("caches", 0)


async def test_one_set_wakes_all_who_share_a_waiter() -> None:
    signals = Signals()
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(signals.wait("media", LONG)) for _ in range(3)]
        await asyncio.sleep(0)
        signals.set("media")
    assert all(wait.result() for wait in waits)
