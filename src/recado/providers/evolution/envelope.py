"""What the readers of webhooks share: the envelope of a body, its time, and reading loosely."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from recado.domain.events import Noticed, ProviderEvent
from recado.providers import waproto

Json = dict[str, Any]

#: A name that the server makes up where WhatsApp tells none.
NO_NAMES = frozenset({"Você", ""})
#: Seconds: no zone is further from UTC.
_LARGEST_SHIFT = 15 * 3_600
#: Nearly all zones are whole numbers of it away, and the server repeats no webhook for longer.
_HALF_HOUR = 1_800
#: How far the server's clock may be ahead of ours.
_CLOCK_SKEW = 300


class Unreadable(ValueError):
    """Data without what its event must have."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one body share. `at` stands in for a time that the data does not have; `stamp` tells what the
    server says twice from what it repeats."""

    event: str
    at: datetime
    stamp: str
    own: str | None


def unknown(envelope: Envelope, data: Any) -> Noticed:
    """Short facts of what is not understood; the whole body is kept beside."""
    facts: Json = {"event": envelope.event}
    if isinstance(data, dict):
        facts |= {name: value for name, value in data.items() if isinstance(value, str | int | bool)}
    elif isinstance(data, list):
        facts["count"] = len(data)
    return Noticed(
        type="unknown", key=f"unknown:{digest([envelope.event, envelope.stamp, data])}", at=envelope.at, data=facts
    )


def each(
    envelope: Envelope, data: Any, read: Callable[[Envelope, Json], Iterator[ProviderEvent]]
) -> Iterator[ProviderEvent]:
    """The events of one object, or of each in a list. One that cannot be read does not cost the others."""
    for one in data if isinstance(data, list) else [data]:
        try:
            yield from read(envelope, mapping(one))
        except Unreadable:
            yield unknown(envelope, one)


def mapping(value: Any) -> Json:
    """An object. Raises `Unreadable`."""
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def entries(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def required(value: Json, name: str) -> str:
    """A text that must be there. Raises `Unreadable`."""
    found = waproto.text(value, name)
    if found is None:
        raise Unreadable(f"no {name}")
    return found


def sent_at(stamp: Any) -> datetime:
    """When the server sent the body. It writes its local time as if it were UTC, and its image is set to São Paulo: the
    whole half hours that it is away from now are taken for such a shift, and the rest for the way here."""
    now = datetime.now(UTC)
    told = written(stamp)
    if told is None:
        return now
    away = (now - told).total_seconds()
    if abs(away) > _LARGEST_SHIFT:
        return told
    return min(now, told + timedelta(seconds=(away + _CLOCK_SKEW) // _HALF_HOUR * _HALF_HOUR))


def written(value: Any) -> datetime | None:
    """A time in ISO 8601, in UTC; None when it is none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def given(**fields: Any) -> Json:
    """Only what has a value."""
    return {name: value for name, value in fields.items() if value}


def digest(value: Any) -> str:
    """Facts as a short text that is the same for the same facts."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:24]
