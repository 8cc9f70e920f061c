"""How long to wait before the next attempt."""

import random


def full_jitter(attempt: int, base: float, cap: float, rng: random.Random) -> float:
    """Seconds to wait after the failed `attempt` (the first is 1): anywhere from 0 to `base` doubled each time.

    Spreading over the whole interval keeps clients that failed together from coming back together. Never above `cap`.
    """
    # Beyond 2 ** 64 every cap has long been reached, while a float would overflow at 2 ** 1024.
    doubled = base * 2.0 ** min(max(attempt - 1, 0), 64)
    return rng.uniform(0, min(cap, doubled))
