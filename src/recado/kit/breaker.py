"""A circuit breaker per key: what keeps failing is left alone for a while, then tried with one call at a time."""

from collections.abc import Hashable

import msgspec


class _Circuit(msgspec.Struct):
    failures: int = 0
    #: While refusing: when the next call may pass. None while calls pass freely.
    opens_at: float | None = None


class Breaker:
    """Refuses calls for `open_seconds` after `threshold` failures in a row.

    When that time is over one call may pass as a trial; its success lets all pass again, its failure starts the
    wait anew. A trial that never reports back only delays the next one by `open_seconds`. Any clock will do for
    `now`, as long as it is always the same. Only keys that have failed take memory.
    """

    def __init__(self, threshold: int, open_seconds: float) -> None:
        if threshold < 1:
            raise ValueError("threshold must be at least 1")
        self._threshold = threshold
        self._open_seconds = open_seconds
        self._circuits: dict[Hashable, _Circuit] = {}

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether a call may be made now. A yes while the key is failing counts as its trial."""
        circuit = self._circuits.get(key)
        if circuit is None or circuit.opens_at is None:
            return True
        if now < circuit.opens_at:
            return False
        circuit.opens_at = now + self._open_seconds
        return True

    def succeeded(self, key: Hashable) -> None:
        """A call worked: forget all failures of `key`."""
        self._circuits.pop(key, None)

    def failed(self, key: Hashable, now: float) -> None:
        """A call did not work."""
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        if circuit.failures >= self._threshold:
            circuit.opens_at = now + self._open_seconds

    def opens_at(self, key: Hashable) -> float | None:
        """When `allows` says yes again, or None if it does not refuse."""
        circuit = self._circuits.get(key)
        return circuit.opens_at if circuit is not None else None
