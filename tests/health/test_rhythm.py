"""The rhythm of a number: learnt from hours, and what its silence is worth."""

from datetime import UTC, datetime, timedelta

import pytest

from recado.domain import rhythm

#: A Monday.
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STEADY = [0.9] * rhythm.SLOTS


def test_a_rhythm_comes_closer_to_what_hours_show() -> None:
    learnt: list[float] = []
    seen = []
    for day in range(5):
        learnt = rhythm.learn(learnt, NOON + timedelta(days=day), rhythm.WINDOWS)
        seen.append(round(learnt[12], 2))
    assert seen == [0.25, 0.44, 0.58, 0.68, 0.76]
    assert learnt.count(0.0) == rhythm.SLOTS - 1
    assert rhythm.learn(learnt, NOON, 0)[12] < learnt[12]


def test_the_weekend_has_its_own_hours() -> None:
    learnt = rhythm.learn([], NOON + timedelta(days=5), 3)
    assert (learnt[12], learnt[36]) == (0.0, 0.125)


@pytest.mark.parametrize(
    ("share", "minutes", "least", "most"),
    [
        (0.9, 9, 0, 0),
        (0.9, 20, 1.9, 2.1),
        (0.9, 40, 3.9, 4.1),
        (1.0, 40, 3.9, 4.1),
        (0.5, 40, 1.1, 1.3),
        (0.5, 140, 4.1, 4.3),
        (0.05, 24 * 60, 3.1, 3.3),
        (0.0, 3 * 24 * 60, 0, 0),
        (0.9, 30 * 24 * 60, 430, 433),
    ],
)
def test_how_unlikely_silence_is(share: float, minutes: int, least: float, most: float) -> None:
    unlikely = rhythm.surprise([share] * rhythm.SLOTS, NOON - timedelta(minutes=minutes), NOON)
    assert least <= unlikely <= most


def test_silence_is_judged_by_the_hours_it_fell_in() -> None:
    office = [0.9 if 9 <= slot < 18 else 0.0 for slot in range(rhythm.SLOTS)]
    night = rhythm.surprise(office, NOON.replace(hour=18), NOON.replace(hour=18) + timedelta(hours=15))
    assert night == 0
    assert rhythm.surprise(office, NOON.replace(hour=18), NOON.replace(hour=10) + timedelta(days=1)) > 5


def test_a_number_without_a_rhythm_surprises_nobody() -> None:
    assert rhythm.surprise([], NOON - timedelta(days=9), NOON) == 0
