"""The address book, who is on WhatsApp, and whom the number has blocked."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Route, Success, Value
from recado.domain import phones
from recado.domain.errors import ProviderFailed
from recado.domain.operations import Blocklist, Checked, Contacts, Person, Profile
from recado.providers.zapi import addresses
from recado.services.zapi import chats

#: What Z-API checks in one request, and what one call to a provider is given of them.
_MOST_CHECKED = 50_000
_CHECKED_AT_ONCE = 250
_PICTURE = "https://pps.whatsapp.net/v/t61.24694-24/170931400_212202650511993_3423338295209291992_n.jpg"


class _Contacts(Route, abc.ABC):
    domain: ClassVar[Domain] = "contacts"


# --- the address book -----------------------------------------------------------------------------------


class Listed(Answer, frozen=True, kw_only=True):
    """`short` and `vname` are told by Z-API alone; `phone` is a LID where no number is known."""

    name: str | None
    short: str | None
    notify: str | None
    vname: str | None
    phone: str


class ListContacts(_Contacts):
    """List the contacts of the phone."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/contacts"
    query: ClassVar[Any] = asking.Pages
    answers: ClassVar[Any] = tuple[Listed, ...]
    note: ClassVar[str] = (
        f"With a provider that has no address book: whom Recado itself knows to have talked with the number. {asking.NOTE}"
    )
    example: ClassVar[Example] = Example(
        query={"page": 1, "pageSize": 20},
        answer=[
            {"name": "Ana Souza", "short": "Ana", "notify": "ana", "vname": "Ana Souza", "phone": examples.PHONE},
            {"name": None, "short": None, "notify": "Beto", "vname": None, "phone": examples.OTHER_PHONE},
        ],
    )

    async def answer(self, call: Call) -> Any:
        """Whoever has a number or a LID."""
        pages: asking.Pages = call.query
        if not await asking.able(call, Contacts.list_contacts):
            own = await chats.page(call.runtime, call.view, limit=pages.limit, offset=pages.offset, kind="person")
            return [
                Listed(name=chat.name, short=None, notify=None, vname=None, phone=chat.address)
                for chat in own
                if chat.address is not None
            ]
        found = await asking.recall(call, Contacts.list_contacts, limit=pages.limit, offset=pages.offset)
        return asking.dated([_listed(person) for person in found.value if person.phone or person.lid], found)


class Contact(Answer, frozen=True, kw_only=True):
    """`img_url` ends after 48 hours."""

    name: str | None
    phone: str
    notify: str | None
    short: str | None
    img_url: str | None
    about: str | None


class GetContact(_Contacts):
    """Tell what is known of a contact."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/contacts/{phone}"
    answers: ClassVar[Any] = Contact
    note: ClassVar[str] = (
        "With a provider that knows no contacts: what Recado itself knows, or 404 for somebody it never talked with."
        f" {asking.NOTE}"
    )
    example: ClassVar[Example] = Example(
        path={"phone": examples.PHONE},
        answer={
            "name": "Ana Souza",
            "phone": examples.PHONE,
            "notify": "ana",
            "short": "Ana",
            "imgUrl": _PICTURE,
            "about": "Disponível",
        },
    )

    async def answer(self, call: Call) -> Any:
        """With the picture, which most providers tell apart."""
        wanted = fields.recipient(call.path["phone"])
        if not await asking.able(call, Contacts.get_contact):
            own = await chats.find(call.runtime, call.view, wanted)
            if own is None:
                raise ZapiError(f"There is no contact {call.path['phone'][:64]}", status=404)
            person = Person(phone=own.identities.get("phone"), lid=own.identities.get("lid"), name=own.name)
            return _contact(wanted, person, None)
        found = await asking.recall(call, Contacts.get_contact, contact=wanted)
        if found.value.picture:
            return asking.dated(_contact(wanted, found.value, found.value.picture), found)
        picture = await asking.known(call, Contacts.get_picture, contact=wanted)
        return asking.dated(_contact(wanted, found.value, picture.value), found, picture)


def _listed(person: Person) -> Listed:
    return Listed(
        name=person.name,
        short=_text(person, "short"),
        notify=person.push_name,
        vname=_text(person, "vname"),
        phone=person.phone or person.lid or "",
    )


def _contact(asked: str, person: Person, picture: str | None) -> Contact:
    return Contact(
        name=person.name,
        phone=person.phone or person.lid or addresses.phone(asked),
        notify=person.push_name,
        short=_text(person, "short"),
        img_url=picture,
        about=person.about,
    )


def _text(person: Person, name: str) -> str | None:
    found = person.extra.get(name)
    return found if isinstance(found, str) else None


# --- changing it ----------------------------------------------------------------------------------------


class NewContact(Body, frozen=True, kw_only=True):
    first_name: fields.Words
    phone: fields.Phone
    last_name: fields.Text | None = None


class Changed(Answer, frozen=True, kw_only=True):
    """`errors` says of each that was not done why; `success` is whether all were."""

    success: bool
    errors: tuple[str, ...] = ()


class AddContacts(_Contacts):
    """Put contacts into the phone's address book, or rename them."""

    path: ClassVar[str] = "/contacts/add"
    body: ClassVar[Any] = tuple[NewContact, ...]
    answers: ClassVar[Any] = Changed
    needs: ClassVar[tuple[str, ...]] = ("save_contact",)
    example: ClassVar[Example] = Example(
        body=[{"firstName": "Ana", "lastName": "Souza", "phone": examples.PHONE}],
        answer={"success": True, "errors": []},
    )

    async def answer(self, call: Call) -> Any:
        """One after the other; one that fails stops no other."""
        errors: list[str] = []
        for one in _some(call.body):
            name = f"{one.first_name} {one.last_name or ''}".strip()
            try:
                await call.ask(Contacts.save_contact, phone=fields.recipient(one.phone), name=name)
            except (ZapiError, ProviderFailed) as error:
                errors.append(f"{str(one.phone)[:64]}: {error}")
        return Changed(success=not errors, errors=tuple(errors))


class RemoveContacts(_Contacts):
    """Take contacts out of the phone's address book."""

    method: ClassVar[Any] = "DELETE"
    path: ClassVar[str] = "/contacts/remove"
    body: ClassVar[Any] = tuple[fields.Phone, ...]
    answers: ClassVar[Any] = Changed
    needs: ClassVar[tuple[str, ...]] = ("remove_contact",)
    note: ClassVar[str] = "The numbers are the body, also of a DELETE."
    example: ClassVar[Example] = Example(body=[examples.PHONE], answer={"success": True, "errors": []})

    async def answer(self, call: Call) -> Any:
        """As `AddContacts`."""
        errors: list[str] = []
        for phone in _some(call.body):
            try:
                await call.ask(Contacts.remove_contact, phone=fields.recipient(phone))
            except (ZapiError, ProviderFailed) as error:
                errors.append(f"{str(phone)[:64]}: {error}")
        return Changed(success=not errors, errors=tuple(errors))


class PostRemoveContacts(RemoveContacts):
    """Take contacts out of the phone's address book, as one client asks for it."""

    method: ClassVar[Any] = "POST"
    note: ClassVar[str] = "In no documentation; a client for .NET sends POST."


def _some(given: Sequence[Any]) -> Sequence[Any]:
    if not given:
        raise ZapiError("The body is a list of at least one contact")
    return given


class BlockBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    action: Literal["block", "unblock"]


class ModifyBlocked(_Contacts):
    """Block a contact, or take a block back."""

    path: ClassVar[str] = "/contacts/modify-blocked"
    body: ClassVar[Any] = BlockBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("block_contact", "unblock_contact")
    example: ClassVar[Example] = Example(body={"phone": examples.PHONE, "action": "block"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """At once."""
        contact = fields.recipient(call.body.phone)
        if call.body.action == "block":
            await call.ask(Blocklist.block_contact, contact=contact)
        else:
            await call.ask(Blocklist.unblock_contact, contact=contact)
        return Value()


class ReportContact(Relayed):
    """Report a contact to WhatsApp as spam."""

    path: ClassVar[str] = "/contacts/{phone}/report"
    domain: ClassVar[Domain] = "contacts"
    answers: ClassVar[Any] = Success
    reason: ClassVar[str] = "No provider but Z-API itself reports contacts to WhatsApp; report it on the phone."
    example: ClassVar[Example] = Example(path={"phone": examples.PHONE}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """A malformed phone is told first, whatever the provider."""
        fields.recipient(call.path["phone"])
        return await super().answer(call)


# --- who is on WhatsApp ---------------------------------------------------------------------------------


class Exists(Answer, frozen=True, kw_only=True):
    """`phone` is the number as WhatsApp writes it, which may lack the ninth digit; `lid` is null where none is known."""

    exists: bool
    phone: str
    lid: str | None


class PhoneExists(_Contacts):
    """Tell whether a number is on WhatsApp."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/phone-exists/{phone}"
    answers: ClassVar[Any] = Exists | tuple[Exists, ...]
    needs: ClassVar[tuple[str, ...]] = ("check_numbers",)
    note: ClassVar[str] = (
        "An object, which about ten clients read (`response.exists`); with the account's `phone_exists: array` a list of"
        " one, which the documentation shows (`response[0].exists`). A number that nobody can have does not exist."
    )
    example: ClassVar[Example] = Example(
        path={"phone": examples.PHONE},
        answer={"exists": True, "phone": examples.PHONE, "lid": "999999999999999@lid"},
    )

    async def answer(self, call: Call) -> Any:
        """Asked of WhatsApp each time."""
        (given, checked), *_ = await _check(call, [call.path["phone"]])
        answer = Exists(exists=checked.exists, phone=checked.canonical or given, lid=checked.lid)
        return answer if call.view.account.phone_exists == "object" else (answer,)


class BatchBody(Body, frozen=True, kw_only=True):
    phones: tuple[fields.Phone, ...]


class ExistsOfBatch(Answer, frozen=True, kw_only=True):
    """`output_phone` is the number as WhatsApp writes it."""

    exists: bool
    input_phone: str
    output_phone: str
    lid: str | None


class PhoneExistsBatch(_Contacts):
    """Tell which of many numbers are on WhatsApp."""

    path: ClassVar[str] = "/phone-exists-batch"
    body: ClassVar[Any] = BatchBody
    answers: ClassVar[Any] = tuple[ExistsOfBatch, ...]
    needs: ClassVar[tuple[str, ...]] = ("check_numbers",)
    example: ClassVar[Example] = Example(
        body={"phones": [examples.PHONE, examples.OTHER_PHONE]},
        answer=[
            {"exists": True, "inputPhone": phone, "outputPhone": phone, "lid": lid}
            for phone, lid in ((examples.PHONE, "999999999999999@lid"), (examples.OTHER_PHONE, None))
        ],
    )

    async def answer(self, call: Call) -> Any:
        """In the order given."""
        if len(call.body.phones) > _MOST_CHECKED:
            raise ZapiError(f"phones: at most {_MOST_CHECKED} numbers are checked at once")
        return [
            ExistsOfBatch(
                exists=checked.exists, input_phone=given, output_phone=checked.canonical or given, lid=checked.lid
            )
            for given, checked in await _check(call, [str(phone) for phone in call.body.phones])
        ]


async def _check(call: Call, given: Sequence[str]) -> list[tuple[str, Checked]]:
    """Each number as it was given, and what WhatsApp says of it. Raises `ZapiError` for what is no number at all."""
    numbers = {one: _number(one) for one in given}
    asked = sorted({number for number in numbers.values() if number is not None})
    told: dict[str, Checked] = {}
    for start in range(0, len(asked), _CHECKED_AT_ONCE):
        some = asked[start : start + _CHECKED_AT_ONCE]
        told |= zip(some, await call.ask(Contacts.check_numbers, phones=some), strict=True)
    return [
        (one, told[number] if (number := numbers[one]) is not None else Checked(phone=one, exists=False))
        for one in given
    ]


def _number(phone: str) -> str | None:
    """The digits of a number; None for one that nobody can have."""
    try:
        found = phones.parse(addresses.address(phone) or phone)
    except ValueError:
        if any(character.isalpha() for character in phone):
            raise ZapiError("Invalid phone") from None
        return None
    if found.kind != "phone":
        raise ZapiError("Invalid phone")
    return found.value


# --- pictures -------------------------------------------------------------------------------------------


class PictureQuery(Body, frozen=True, kw_only=True):
    phone: str | None = None


class Picture(Answer, frozen=True, kw_only=True):
    """`link` is null where there is no picture, or none that the number may see."""

    link: str | None


class ProfilePicture(_Contacts):
    """Give the link of a contact's or group's picture; without a phone, of the number's own."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/profile-picture"
    query: ClassVar[Any] = PictureQuery
    answers: ClassVar[Any] = Picture | tuple[Picture, ...]
    needs: ClassVar[tuple[str, ...]] = ("get_picture",)
    note: ClassVar[str] = (
        "An object, as the present documentation has it; with the account's `documentation: older` a list of one. The link"
        f" ends after some days. {asking.NOTE}"
    )
    example: ClassVar[Example] = Example(query={"phone": examples.PHONE}, answer={"link": _PICTURE})

    async def answer(self, call: Call) -> Any:
        """From the provider."""
        if call.query.phone:
            found = await asking.recall(call, Contacts.get_picture, contact=fields.recipient(call.query.phone))
            return asking.dated(_picture(call, found.value), found)
        own = await asking.recall(call, Profile.get_profile)
        return asking.dated(_picture(call, own.value.picture), own)


def _picture(call: Call, link: str | None) -> Picture | tuple[Picture]:
    answer = Picture(link=link)
    return answer if call.view.account.documentation == "current" else (answer,)


ROUTES: tuple[Route, ...] = (
    ListContacts(),
    AddContacts(),
    ModifyBlocked(),
    RemoveContacts(),
    PostRemoveContacts(),
    GetContact(),
    ReportContact(),
    PhoneExistsBatch(),
    PhoneExists(),
    ProfilePicture(),
)
