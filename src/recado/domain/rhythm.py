"""When a number usually has traffic, learnt hour by hour, and how unlikely its silence is.

A rhythm is the share of ten-minute windows with traffic in each hour (UTC) of a workday, then of a day of the weekend.
It starts at nothing and comes a quarter closer to what each new hour shows, so a new number is not expected to talk.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
WINDOW = timedelta(minutes=10)
WINDOWS = 6
SLOTS = 48

_QUARTER = 0.25
#: However steady the traffic was, a window without any proves little by itself.
_MOST = 0.9
#: Further back nothing is added up; a silence of this length is as unlikely as it can get.
_LONGEST = timedelta(days=3)


def hour_of(at: datetime) -> datetime:
    """The full hour that a time is in."""
    return at.replace(minute=0, second=0, microsecond=0)


def learn(rhythm: Sequence[float], hour: datetime, windows: int) -> list[float]:
    """The rhythm after an hour in which so many of its windows had traffic."""
    learnt = list(rhythm) if len(rhythm) == SLOTS else [0.0] * SLOTS
    slot = _slot(hour)
    learnt[slot] += _QUARTER * (min(windows, WINDOWS) / WINDOWS - learnt[slot])
    return learnt


def surprise(rhythm: Sequence[float], since: datetime, until: datetime) -> float:
    """How unlikely it is that a number with this rhythm was silent so long: 2 is one in a hundred, 4 one in ten thousand.

    Only whole windows count. To three digits, since a rhythm is stored with seven.
    """
    if len(rhythm) != SLOTS:
        return 0.0
    unlikely = sum(math.log10(1.0 - min(rhythm[_slot(window)], _MOST)) for window in _windows(since, until))
    return round(abs(unlikely), 3)


def _windows(since: datetime, until: datetime) -> Iterator[datetime]:
    window = max(since, until - _LONGEST)
    while window + WINDOW <= until:
        yield window
        window += WINDOW


def _slot(hour: datetime) -> int:
    return hour.hour + (24 if hour.weekday() >= 5 else 0)
