"""Reading WAHA's JSON loosely: its engines fill the same fields differently, or not at all."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

Json = dict[str, Any]


def text(value: Any, name: str) -> str | None:
    """A text field, or a whole number as text; None when absent, empty or something else."""
    found = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(found, str):
        return found or None
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else None


def flag(value: Any, *names: str) -> bool | None:
    """The first of these fields that is a truth value."""
    if isinstance(value, Mapping):
        for name in names:
            found = value.get(name)
            if isinstance(found, bool):
                return found
    return None


def whole(value: Any) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def inner(value: Any, name: str) -> Json:
    """An object field; empty when it is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, dict) else {}


def objects(value: Any) -> list[Json]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def identifier(value: Any) -> str | None:
    """A WhatsApp id, written as text or, by the browser engines, as an object."""
    if isinstance(value, str):
        return value or None
    return text(value, "_serialized")


def moment(value: Any) -> datetime | None:
    """A Unix time in seconds or milliseconds, whole or not, or an ISO time; None when it is no time."""
    if isinstance(value, str) and "T" in value:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
        if seconds <= 0:
            return None
        return datetime.fromtimestamp(seconds / 1000 if seconds > 100_000_000_000 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def given(**fields: Any) -> Json:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def rest(value: Mapping[str, Any], *names: str) -> Json:
    """The object without these fields."""
    return {name: found for name, found in value.items() if name not in names}


def fingerprint(value: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]
