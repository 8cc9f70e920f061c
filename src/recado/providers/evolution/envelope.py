"""What the readers of webhooks share: the envelope of a body, its time, and reading loosely."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from recado.domain.events import Noticed
from recado.providers import waproto

Json = dict[str, Any]

#: A name that the server makes up where WhatsApp tells none.
NO_NAMES = frozenset({"Você", ""})
#: Seconds: no zone is further from UTC, and none is off by a fraction of this.
_LARGEST_SHIFT = 15 * 3_600
_QUARTER = 900


class Unreadable(ValueError):
    """Data without what its event must have."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one body share. `at` stands in for a time that the data does not have."""

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


def mapping(value: Any) -> Json:
    """An object. Raises `Unreadable`."""
    if not isinstance(value, dict):
        raise Unreadable("not an object")
    return value


def maybe(value: Any) -> Json:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


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
    """When the server sent the body. It writes its local time as if it were UTC, and its image is set to São Paulo: what
    is a whole number of quarters of an hour away from now is taken for such a shift."""
    now = datetime.now(UTC)
    told = written(stamp)
    if told is None:
        return now
    away = (now - told).total_seconds()
    if abs(away) > _LARGEST_SHIFT:
        return told
    return min(now, told + timedelta(seconds=round(away / _QUARTER) * _QUARTER))


def written(value: Any) -> datetime | None:
    """A time in ISO 8601; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def given(**fields: Any) -> Json:
    """Only what has a value."""
    return {name: value for name, value in fields.items() if value}


def digest(value: Any) -> str:
    """Facts as a short text that is the same for the same facts."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:24]


def without_nul(value: Any) -> Any:
    """PostgreSQL stores no NUL character in a text; a message must not be lost for one."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name.replace("\x00", ""): without_nul(item) for name, item in value.items()}
    return value
