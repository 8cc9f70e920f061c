import pytest

from recado.kit.breaker import Breaker

KEY = "server"


def failing(times: int, *, now: float = 0) -> Breaker:
    breaker = Breaker(threshold=3, open_seconds=10)
    for _ in range(times):
        breaker.failed(KEY, now)
    return breaker


def test_below_the_threshold_calls_pass() -> None:
    breaker = failing(2)
    assert breaker.allows(KEY, 0)
    assert breaker.opens_at(KEY) is None


def test_at_the_threshold_calls_are_refused_for_a_while() -> None:
    breaker = failing(3)
    assert not breaker.allows(KEY, 0)
    assert not breaker.allows(KEY, 9.9)
    assert breaker.opens_at(KEY) == 10


def test_after_the_while_one_trial_passes() -> None:
    breaker = failing(3)
    assert breaker.allows(KEY, 10)
    assert not breaker.allows(KEY, 10)
    assert breaker.opens_at(KEY) == 20


def test_a_trial_that_works_lets_all_pass() -> None:
    breaker = failing(3)
    assert breaker.allows(KEY, 10)
    breaker.succeeded(KEY)
    assert breaker.allows(KEY, 10)
    assert breaker.allows(KEY, 10)
    assert breaker.opens_at(KEY) is None


def test_a_trial_that_fails_starts_the_wait_anew() -> None:
    breaker = failing(3)
    assert breaker.allows(KEY, 10)
    breaker.failed(KEY, 12)
    assert not breaker.allows(KEY, 21.9)
    assert breaker.allows(KEY, 22)


def test_a_trial_that_never_reports_back_is_followed_by_another() -> None:
    breaker = failing(3)
    assert breaker.allows(KEY, 10)
    assert breaker.allows(KEY, 20)


def test_only_failures_in_a_row_count() -> None:
    breaker = failing(2)
    breaker.succeeded(KEY)
    breaker.failed(KEY, 0)
    breaker.failed(KEY, 0)
    assert breaker.allows(KEY, 0)


def test_keys_are_independent() -> None:
    assert failing(3).allows("another", 0)


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        Breaker(threshold=0, open_seconds=1)
