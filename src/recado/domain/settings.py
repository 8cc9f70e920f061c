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

    All zero is no pacing. `first_contacts_per_hour` is a budget of its own for messages to people who never wrote to us
    and to whom nothing was sent; 0 is no limit, None the default: `FIRST_CONTACTS` for a phone that is paced.
    """

    min_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 1_000
    max_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 3_000
    per_minute: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 30
    first_contacts_per_hour: Annotated[int, msgspec.Meta(ge=0, le=60_000)] | None = None

    @property
    def off(self) -> bool:
        """Whether nothing is held back."""
        return self.max_ms == 0 and self.per_minute == 0


#: A careful guess, not a measurement: WhatsApp locks numbers that write to many strangers and does not say how many are
#: many. Twenty an hour lets a shop answer for its day's work and keeps a campaign from burning a number in an afternoon.
#: A new number should begin lower.
FIRST_CONTACTS = 20

NO_PACING = Pacing(min_ms=0, max_ms=0, per_minute=0)

Ordering = Literal["instance", "recipient"]
UnknownOutcome = Literal["at_least_once", "at_most_once"]


class Failover(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an instance with several connections changes the one it sends through.

    mode            `automatic`: the best-ranked connection that sends takes over; `manual`: by call only
    after_seconds   how long the active one must have been away, and a better one be back, before that
    back            `automatic`: a better-ranked connection that is back becomes the active one again, unless the
                    present one was chosen by call
    """

    mode: Literal["automatic", "manual"] = "automatic"
    after_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 30
    back: Literal["automatic", "manual"] = "automatic"


class Canary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message that a number sends regularly, to its own phone or to another one of its company, to see that messages
    go: it must be acknowledged `within_minutes` after it left. It is queued and paced as any other, behind all others."""

    to: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9]{8,15}$")]
    every_minutes: Annotated[int, msgspec.Meta(ge=5, le=10_080)] = 60
    within_minutes: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = 5
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "Recado: still here."


class Liveness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a number is watched.

    evidence   let it be degraded by what it does, whatever its provider says
    recover    bring its connections back when they are down or look dead, without being asked
    canary     the message that proves that it sends; none by default
    """

    evidence: bool = True
    recover: bool = True
    canary: Canary | None = None


class InstanceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None takes the provider's default: paced like a person and ordered per instance for phones; unpaced and
    ordered per recipient for Meta; `at_least_once` where the provider recognises our ids, else `at_most_once`.

    max_attempts      tries of one message before it is a dead letter
    unknown_outcome   what becomes of a message that may have been sent, once asking did not settle it
    settle_seconds    how long a receipt may take to settle it, before that policy applies
    failover          when another connection of the instance takes over
    liveness          how its connections are watched and brought back
    """

    pacing: Pacing | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    ordering: Ordering | None = None
    unknown_outcome: UnknownOutcome | None = None
    settle_seconds: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 15
    rate_limit: RateLimit | None = None
    failover: Failover = Failover()
    liveness: Liveness = Liveness()
