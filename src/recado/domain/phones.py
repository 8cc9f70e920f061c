"""Phone numbers and other addresses a message can go to.

Numbers are kept as WhatsApp writes them: digits only, country code first. They are checked, never rewritten: whether
a Brazilian mobile carries its ninth digit on WhatsApp is the provider's to say.
"""

import functools
import re
from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import msgspec
import phonenumbers

AddressKind = Literal["phone", "group", "channel", "lid", "bsuid", "contact"]

#: The area codes of Brazil (Anatel, Plano Geral de Códigos Nacionais).
_BRAZIL = re.compile(r"^55(1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9])(9\d{8}|[2-9]\d{7})$")
_SEPARATORS = str.maketrans("", "", " -.()\u00a0\u2011")
_GROUP = re.compile(r"^[0-9-]{10,40}@g\.us$")
_CHANNEL = re.compile(r"^[0-9]{10,40}@newsletter$")
_LID = re.compile(r"^[0-9]{5,40}@lid$")
#: A business-scoped user id of Meta: a country, then letters and digits (`US.13491208655302741918`).
_BSUID = re.compile(r"^[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}$")
#: Longer than any address, however it is spelt. What `parse` remembers must stay small.
_LONGEST = 160


class Address(msgspec.Struct, frozen=True):
    """Whom a message goes to. `value` is digits for a phone, the whole id for the others."""

    kind: AddressKind
    value: str


@functools.lru_cache(maxsize=65_536)
def parse(text: str) -> Address:
    """The address in `text`. Raises `ValueError` saying what is wrong with it.

    Takes a phone with or without `+` and separators, a WhatsApp id (`…@s.whatsapp.net`, `…@c.us`, `…@g.us`,
    `…@newsletter`, `…@lid`), a business-scoped user id of Meta or a contact id of ours (a UUID).
    """
    if len(text) > _LONGEST:
        raise ValueError("is too long for a phone number or a WhatsApp id")
    text = text.strip()
    if "@" in text:
        return _whatsapp_id(text)
    if len(text) == 36 and text.count("-") == 4:
        try:
            return Address("contact", str(UUID(text)))
        except ValueError:
            pass
    if _BSUID.match(text):
        return Address("bsuid", text)
    digits = text.removeprefix("+").translate(_SEPARATORS)
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("is not a phone number: only digits, an optional + and separators are allowed")
    if not _possible(digits):
        raise ValueError(
            "is not a possible phone number: write the country code, then the area code and number, as in 5511999990001"
        )
    return Address("phone", digits)


#: What a contact is written to, in the order in which providers understand it best.
_BEST: tuple[AddressKind, ...] = ("group", "phone", "lid", "bsuid")


def best_address(identities: Mapping[str, str]) -> Address | None:
    """Where to write to somebody with these identities, kind -> value; None when none of them can be written to."""
    return next((Address(kind, identities[kind]) for kind in _BEST if kind in identities), None)


def identity(address: str) -> tuple[str, str] | None:
    """(kind, value) of what a provider calls somebody: digits, `…@lid` or a business-scoped user id; None for a group
    and for anything else."""
    if address.isascii() and address.isdigit():
        return ("phone", address)
    if _LID.match(address):
        return ("lid", address)
    return ("bsuid", address) if _BSUID.match(address) else None


def other_form(phone: str) -> str | None:
    """A Brazilian mobile number with its ninth digit where it was without, and without it where it had one; None for
    every other number.

    WhatsApp keeps the form a number had when it was registered, and nothing in it tells which that is.
    """
    if _BRAZIL.match(phone) is None:
        return None
    area, local = phone[:4], phone[4:]
    if len(local) == 9:
        return area + local[1:] if local[1] in "6789" else None
    return f"{area}9{local}" if local[0] in "6789" else None


def _whatsapp_id(text: str) -> Address:
    local, _, domain = text.partition("@")
    if domain in {"s.whatsapp.net", "c.us"}:
        return parse(local.partition(":")[0])
    for pattern, kind in ((_GROUP, "group"), (_CHANNEL, "channel"), (_LID, "lid")):
        if pattern.match(text):
            return Address(kind, text)  # type: ignore[arg-type]  # The tuple above holds AddressKind values.
    raise ValueError("is not a WhatsApp id: expected …@s.whatsapp.net, …@c.us, …@g.us, …@newsletter or …@lid")


def _possible(digits: str) -> bool:
    if digits.startswith("55"):
        return _BRAZIL.match(digits) is not None
    if not 8 <= len(digits) <= 15 or digits[0] == "0":
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse("+" + digits))
    except phonenumbers.NumberParseException:
        return False
