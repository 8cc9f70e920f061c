"""Wake-ups between the loops of one process. A wake-up says "look again", never what to look for.

A set is never lost: a waiter that was busy when the topic was set returns at once from its next wait. Any number
of sets before that wait count as one. Everything here belongs to one event loop; no call is safe from a thread.
"""

import asyncio


class _Topic:
    """How often the topic was set, and who is asleep on it now."""

    __slots__ = ("sets", "sleepers")

    def __init__(self) -> None:
        self.sets = 0
        self.sleepers: set[asyncio.Future[bool]] = set()


class Waiter:
    """One loop's own view of a topic: what other waiters have seen makes no difference to it."""

    __slots__ = ("_seen", "_topic")

    def __init__(self, topic: _Topic, seen: int) -> None:
        self._topic = topic
        self._seen = seen

    async def wait(self, timeout: float) -> bool:
        """True as soon as the topic was set since this waiter's last wait, False after `timeout` seconds without."""
        woken = self._topic.sets != self._seen or await self._sleep(timeout)
        # The topic may have been set between the end of the time and this line.
        woken = woken or self._topic.sets != self._seen
        # What is seen is noted only here: a wait that is cancelled leaves the set for the next one.
        self._seen = self._topic.sets
        return woken

    async def _sleep(self, timeout: float) -> bool:
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[bool] = loop.create_future()
        self._topic.sleepers.add(sleeper)
        alarm = loop.call_later(timeout, _wake, sleeper, False)
        try:
            return await sleeper
        finally:
            alarm.cancel()
            self._topic.sleepers.discard(sleeper)


class Signals:
    """The topics of one process. A topic exists as soon as it is named."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._shared: dict[str, Waiter] = {}

    def set(self, topic: str) -> None:
        """Wake every waiter of `topic`, now or at its next wait."""
        found = self._topic(topic)
        found.sets += 1
        for sleeper in found.sleepers:
            _wake(sleeper, True)

    def waiter(self, topic: str) -> Waiter:
        """A new waiter, which sees every set from now on. Make it before the first look at the work."""
        found = self._topic(topic)
        return Waiter(found, found.sets)

    async def wait(self, topic: str, timeout: float) -> bool:
        """`Waiter.wait` of the one waiter that all callers of this method share for `topic`.

        For a topic with a single loop; where several loops share a topic, each needs its own `waiter`.
        """
        shared = self._shared.get(topic)
        if shared is None:
            shared = self._shared[topic] = Waiter(self._topic(topic), 0)
        return await shared.wait(timeout)

    def _topic(self, name: str) -> _Topic:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = _Topic()
        return found


def _wake(sleeper: asyncio.Future[bool], by_set: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(by_set)
