"""The settings a company can change: per company and per instance, stored as JSON, typed here."""

from typing import Annotated, Literal

import msgspec


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `messages` accepted every `seconds`; what comes above is a 429 with Retry-After."""

    messages: Annotated[int, msgspec.Meta(ge=1)]
    seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60


class CompanySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rate_limit` holds for all messages of the company together; None is the platform's default."""

    rate_limit: RateLimit | None = None


class Pacing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a person would send: a random pause of `min_ms` to `max_ms` after each message, `per_minute` at most.

    All zero is no pacing.
    """

    min_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 1_000
    max_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 3_000
    per_minute: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 30

    @property
    def off(self) -> bool:
        """Whether nothing is held back."""
        return self.max_ms == 0 and self.per_minute == 0


NO_PACING = Pacing(min_ms=0, max_ms=0, per_minute=0)

Ordering = Literal["instance", "recipient"]
UnknownOutcome = Literal["at_least_once", "at_most_once"]


class InstanceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None takes the provider's default: paced like a person and ordered per instance for phones; unpaced and
    ordered per recipient for Meta; `at_least_once` where the provider recognises our ids, else `at_most_once`.

    max_attempts      tries of one message before it is a dead letter
    unknown_outcome   what becomes of a message that may have been sent, once asking did not settle it
    settle_seconds    how long a receipt may take to settle it, before that policy applies
    """

    pacing: Pacing | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    ordering: Ordering | None = None
    unknown_outcome: UnknownOutcome | None = None
    settle_seconds: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 15
    rate_limit: RateLimit | None = None
