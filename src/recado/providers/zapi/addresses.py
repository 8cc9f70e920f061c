"""WhatsApp ids as Z-API writes them.

A person is digits or `…@lid`, a channel `…@newsletter`, both as everywhere. A group is `<id>-group`, or
`<owner>-<time>` where it was made before 2021-11-04; a broadcast list `<id>-broadcast`; a community bare digits.
"""

import re
from typing import Any

from recado.domain.events import Party
from recado.providers import whatsapp

_OLD_GROUP = re.compile(r"\d{5,}-\d{5,}", re.ASCII)
_DIGITS = re.compile(r"\D")


def phone(address: str) -> str:
    """What Z-API takes as `phone` for an address of ours."""
    user, _, domain = address.partition("@")
    if domain == "g.us":
        return user if "-" in user else f"{user}-group"
    if domain in ("", "s.whatsapp.net", "c.us"):
        return _DIGITS.sub("", user)
    return address


def address(identifier: object) -> str | None:
    """Our address for what Z-API calls a person or chat; None when it is none."""
    if not isinstance(identifier, str):
        return None
    identifier = identifier.strip()
    for ending, domain in (("-group", "g.us"), ("-broadcast", "broadcast")):
        if identifier.endswith(ending) and identifier != ending:
            return f"{identifier.removesuffix(ending)}@{domain}"
    if _OLD_GROUP.fullmatch(identifier):
        return f"{identifier}@g.us"
    return whatsapp.address(identifier)


def group(identifier: object) -> str | None:
    """Our address for a group or community; Z-API leaves the ending of a community's id away."""
    found = address(identifier)
    return found if found is None or "@" in found else f"{found}@g.us"


def community(address: str) -> str:
    """What Z-API takes as a community's id."""
    return address.partition("@")[0].removesuffix("-group")


def party(*identifiers: object, name: object = None) -> Party:
    """One person or chat by all that Z-API calls it. A name that only repeats the number is left out."""
    found = whatsapp.party(*(address(identifier) for identifier in identifiers), name=name)
    if found.name is not None and found.name in (found.phone, found.lid, *identifiers):
        return Party(phone=found.phone, lid=found.lid, group=found.group)
    return found


def person(identifier: object) -> dict[str, Any]:
    """One person in the data of an event: `phone` or `lid`."""
    found = party(identifier)
    return {name: value for name, value in (("phone", found.phone), ("lid", found.lid)) if value}
