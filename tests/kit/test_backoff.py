import random

from hypothesis import given
from hypothesis import strategies as st

from recado.kit import backoff

SECONDS = st.floats(min_value=0.001, max_value=86_400)


@given(st.integers(min_value=-1, max_value=10**9), SECONDS, SECONDS, st.integers())
def test_every_wait_lies_between_nothing_and_the_cap(attempt: int, base: float, cap: float, seed: int) -> None:
    wait = backoff.full_jitter(attempt, base, cap, random.Random(seed))
    assert 0 <= wait <= cap
    assert wait <= base or attempt > 1


@given(st.integers(min_value=1, max_value=60), st.integers())
def test_the_interval_doubles(attempt: int, seed: int) -> None:
    once = backoff.full_jitter(attempt, 1.0, float("inf"), random.Random(seed))
    again = backoff.full_jitter(attempt + 1, 1.0, float("inf"), random.Random(seed))
    assert again == 2 * once


def test_the_whole_interval_is_used() -> None:
    rng = random.Random(7)
    waits = [backoff.full_jitter(3, 1.0, 60.0, rng) for _ in range(1_000)]
    assert min(waits) < 0.1
    assert max(waits) > 3.9
    assert 1.8 < sum(waits) / len(waits) < 2.2
