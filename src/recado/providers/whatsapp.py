"""WhatsApp's own ways of writing, which the providers of phones share: ids of people and chats, cards of contacts.

People are `<phone>@s.whatsapp.net` (some write `@c.us`) or `<number>@lid`, groups `…@g.us`, channels `…@newsletter`,
stories `status@broadcast`; a device of a person is `<phone>:<device>@…`. Recado writes a phone as digits and
everything else as WhatsApp does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from recado.domain.content import ContactCard
from recado.domain.events import Party

STORIES = "status@broadcast"
_PHONE_DOMAINS = frozenset({"s.whatsapp.net", "c.us"})
_GROUP_DOMAINS = frozenset({"g.us", "newsletter", "broadcast"})
_DIGITS = re.compile(r"\D")


def jid(address: str, *, domain: str = "s.whatsapp.net") -> str:
    """The WhatsApp id of an address of ours: digits become a person at `domain`, the rest is one already."""
    return address if "@" in address else f"{_DIGITS.sub('', address)}@{domain}"


def address(identifier: object) -> str | None:
    """Our address for a WhatsApp id: digits for a phone, else the id without its device. None when it is none."""
    if not isinstance(identifier, str):
        return None
    user, separator, domain = identifier.strip().partition("@")
    user = user.partition(":")[0]
    if not user:
        return None
    if not separator or domain in _PHONE_DOMAINS:
        digits = user.removeprefix("+")
        return digits if digits.isascii() and digits.isdigit() else None
    return f"{user}@{domain}"


def party(*identifiers: object, name: object = None) -> Party:
    """One person or group by all that a provider calls it; what is no WhatsApp id is left out."""
    phone = lid = group = None
    for identifier in identifiers:
        found = address(identifier)
        if found is None:
            continue
        domain = found.partition("@")[2]
        if not domain:
            phone = phone or found
        elif domain in ("lid", "hosted.lid"):
            lid = lid or f"{found.partition('@')[0]}@lid"
        elif domain in _GROUP_DOMAINS:
            group = group or found
    named = name.strip() or None if isinstance(name, str) else None
    return Party(phone=phone, lid=lid, group=group, name=named)


def same_text(text: str) -> str:
    """One line of a vCard."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace(",", "\\,").replace(";", "\\;")


def vcard(card: ContactCard) -> str:
    """A card as vCard 3.0 (RFC 2426) with WhatsApp's `waid`, by which the phone offers to write to it."""
    name = card.name
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"N:{same_text(name.last_name or '')};{same_text(name.first_name or name.formatted_name)};;;",
        f"FN:{same_text(name.formatted_name)}",
    ]
    if card.org is not None and card.org.company:
        department = f";{same_text(card.org.department)}" if card.org.department else ""
        lines.append(f"ORG:{same_text(card.org.company)}{department}")
    if card.org is not None and card.org.title:
        lines.append(f"TITLE:{same_text(card.org.title)}")
    for phone in card.phones:
        digits = _DIGITS.sub("", phone.wa_id or phone.phone)
        lines.append(f"TEL;type={phone.type or 'CELL'};waid={digits}:{phone.phone}")
    lines += [f"EMAIL;type={email.type or 'HOME'}:{same_text(email.email)}" for email in card.emails]
    if card.birthday:
        lines.append(f"BDAY:{card.birthday}")
    lines.append("END:VCARD")
    return "\n".join(lines)


def read_vcard(text: object, *, name: object = None) -> dict[str, Any] | None:
    """A vCard as plain data in the shape of `ContactCard`; None when it is no vCard."""
    if not isinstance(text, str) or "BEGIN:VCARD" not in text.upper():
        return None
    formatted: str | None = name if isinstance(name, str) and name.strip() else None
    phones: list[dict[str, Any]] = []
    emails: list[dict[str, Any]] = []
    company: str | None = None
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        head, separator, value = line.partition(":")
        if not separator:
            continue
        label, *parameters = head.split(";")
        label = label.rpartition(".")[2].upper()
        value = _unescaped(value.strip())
        given = _parameters(parameters)
        if label == "FN" and value and formatted is None:
            formatted = value
        elif label == "TEL" and value:
            phone = {"phone": value, "type": given.get("type"), "wa_id": given.get("waid")}
            phones.append({key: found for key, found in phone.items() if found})
        elif label == "EMAIL" and value:
            emails.append({"email": value})
        elif label == "ORG" and value.strip(";"):
            company = value.partition(";")[0]
    card: dict[str, Any] = {"name": {"formatted_name": formatted or (phones[0]["phone"] if phones else "?")}}
    if phones:
        card["phones"] = phones
    if emails:
        card["emails"] = emails
    if company:
        card["org"] = {"company": company}
    return card


def _parameters(parameters: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for parameter in parameters:
        name, separator, value = parameter.partition("=")
        if separator:
            found[name.lower()] = value
    return found


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], value)
