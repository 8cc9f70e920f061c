"""Phone numbers and other addresses a message can go to.

Numbers are kept as WhatsApp writes them: digits only, country code first. They are checked, never rewritten: whether
a Brazilian mobile carries its ninth digit on WhatsApp is the provider's to say.
"""

import functools
import re
from typing import Literal
from uuid import UUID

import msgspec
import phonenumbers

AddressKind = Literal["phone", "group", "channel", "lid", "contact"]

#: The area codes of Brazil (Anatel, Plano Geral de Códigos Nacionais).
_BRAZIL = re.compile(r"^55(1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9])(9\d{8}|[2-9]\d{7})$")
_SEPARATORS = str.maketrans("", "", " -.()\u00a0\u2011")
_GROUP = re.compile(r"^[0-9-]{10,40}@g\.us$")
_CHANNEL = re.compile(r"^[0-9]{10,40}@newsletter$")
_LID = re.compile(r"^[0-9]{5,40}@lid$")
#: Longer than any address, however it is spelt. What `parse` remembers must stay small.
_LONGEST = 128


class Address(msgspec.Struct, frozen=True):
    """Whom a message goes to. `value` is digits for a phone, the whole id for the others."""

    kind: AddressKind
    value: str


@functools.lru_cache(maxsize=65_536)
def parse(text: str) -> Address:
    """The address in `text`. Raises `ValueError` saying what is wrong with it.

    Takes a phone with or without `+` and separators, a WhatsApp id (`…@s.whatsapp.net`, `…@c.us`, `…@g.us`,
    `…@newsletter`, `…@lid`) or a contact id of ours (a UUID).
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
    digits = text.removeprefix("+").translate(_SEPARATORS)
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("is not a phone number: only digits, an optional + and separators are allowed")
    if not _possible(digits):
        raise ValueError(
            "is not a possible phone number: write the country code, then the area code and number, as in 5511999990001"
        )
    return Address("phone", digits)


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
