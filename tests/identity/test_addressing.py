"""A Brazilian mobile goes in the form that WhatsApp knows: as the provider says, and never by a rule of ours."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies

from recado.app import Recado
from recado.domain import operations, phones
from recado.domain.events import Party
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.operations import Checked
from recado.domain.provider import Connection, Refused
from recado.services import addressing
from recado.store import canonical_phones, retention
from recado.store.db import Database
from tests.identity.scripted import Phone
from tests.identity.test_webhooks import message, received, send
from tests.outbound import lanes

NINE, EIGHT = "5541999990001", "554199990001"


async def connection_of(served: Recado, phone: Phone) -> Connection:
    async with served.runtime.db.work() as database:
        row = await database.fetchrow("SELECT company_id, id FROM instances")
    assert row is not None
    view = await served.runtime.directory.instance(CompanyId(row["company_id"]), InstanceId(row["id"]))
    assert view.active is not None
    return view.active.connection


async def test_both_forms_go_to_the_one_that_exists_and_are_one_contact(phone: Phone, served: Recado) -> None:
    await send(phone, NINE)
    await phone.tell(message(Party(phone=EIGHT)))
    (told,) = await received(phone, 1)
    before = (await phone.company.get("/v1/contacts"))["data"]
    assert len(before) == 2, "nobody has said yet that they are one"

    connection = await connection_of(served, phone)
    phone.provider.numbers = {EIGHT: Checked(phone=EIGHT, exists=True, canonical=EIGHT, lid="77000@lid")}
    phone.provider.checked.clear()
    assert await addressing.resolve(served.runtime, connection, NINE) == EIGHT
    assert await addressing.resolve(served.runtime, connection, EIGHT) == EIGHT
    assert phone.provider.checked == [[NINE, EIGHT]], "both forms at once, and once"
    (contact,) = (await phone.company.get("/v1/contacts"))["data"]
    assert {(one["kind"], one["value"]) for one in contact["identities"]} == {
        ("phone", NINE), ("phone", EIGHT), ("lid", "77000@lid"),
    }  # fmt: skip
    await phone.tell(message(Party(lid="77000@lid")), message(Party(phone=NINE)))
    assert {one["contact"]["id"] for one in (await received(phone, 3))[1:]} == {contact["id"]}
    again = await phone.company.post(
        "/v1/messages",
        {"instance_id": phone.instance_id, "to": told["contact"]["id"], "type": "text", "text": {"body": "oi"}},
    )
    assert again["to"] == EIGHT, "of two phones the canonical one"


async def test_an_answer_is_kept_an_absence_shorter_and_a_failure_not_at_all(phone: Phone, served: Recado) -> None:
    runtime, connection = served.runtime, await connection_of(served, phone)
    scripted, company_id = phone.provider, connection.company_id

    async def age(by: timedelta) -> None:
        async with runtime.db.work() as database:
            await database.execute("UPDATE canonical_phones SET checked_at = checked_at - $1::interval", by)

    scripted.numbers = None
    assert await addressing.resolve(runtime, connection, NINE) == NINE, "nobody can tell: as it was given"
    async with runtime.db.work() as database:
        assert await canonical_phones.get(database, company_id, NINE) is None
    scripted.numbers = {}
    refused = await addressing.resolve(runtime, connection, NINE)
    assert isinstance(refused, Refused)
    assert refused.code == "not_on_whatsapp"
    asked = len(scripted.checked)
    scripted.numbers = {NINE: Checked(phone=NINE, exists=True)}
    assert isinstance(await addressing.resolve(runtime, connection, EIGHT), Refused)
    assert len(scripted.checked) == asked
    await age(timedelta(hours=1))
    assert await addressing.resolve(runtime, connection, EIGHT) == NINE
    scripted.numbers = {}
    await age(timedelta(days=29))
    assert await addressing.resolve(runtime, connection, NINE) == NINE
    await age(timedelta(days=1))
    assert isinstance(await addressing.resolve(runtime, connection, NINE), Refused)


async def test_the_janitor_removes_absences_and_keeps_what_whatsapp_writes(database: Database) -> None:
    company_id, _ = await lanes.make_instance(database)
    now = datetime.now(UTC)
    async with database.work() as connection:
        await canonical_phones.put(connection, company_id, {NINE: EIGHT, EIGHT: EIGHT}, at=now - timedelta(days=90))
        await canonical_phones.put(connection, company_id, {"5511999990001": None}, at=now - timedelta(days=2))
        await canonical_phones.put(connection, company_id, {"5511999990002": None}, at=now)
        before = now - timedelta(days=1)
        assert await retention.delete_by_date(connection, "canonical_phones", before, limit=10) == 1
        left = await connection.fetch("SELECT phone FROM canonical_phones")
    assert {row["phone"] for row in left} == {EIGHT, "5511999990002", NINE}


@pytest.mark.parametrize("address", ["77000@lid", "120363000000000000@g.us", "551140000000", "14155550100", "BR.1"])
async def test_nothing_is_asked_about_anything_else(phone: Phone, served: Recado, address: str) -> None:
    assert await addressing.resolve(served.runtime, await connection_of(served, phone), address) == address
    assert phone.provider.checked == []


async def test_a_provider_that_cannot_check_gets_the_number_as_it_was_given(
    phone: Phone, served: Recado, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(phone.provider), "check_numbers", operations.Contacts.check_numbers)
    assert await addressing.resolve(served.runtime, await connection_of(served, phone), NINE) == NINE


@pytest.mark.parametrize(
    ("recipient", "contacts"), [(EIGHT, 1), ("77000@lid", 1), (NINE, 2), (None, 2), ("120363@g.us", 2), ("nonsense", 2)]
)
async def test_the_answer_to_a_send_may_name_them_otherwise(
    phone: Phone, served: Recado, recipient: str | None, contacts: int
) -> None:
    await send(phone, NINE)
    await phone.tell(message(Party(phone=EIGHT, lid="77000@lid")))
    await received(phone, 1)
    company_id = (await connection_of(served, phone)).company_id
    await addressing.learn(served.runtime, company_id, NINE, recipient)
    assert len((await phone.company.get("/v1/contacts"))["data"]) == contacts


@given(strategies.from_regex(r"55(11|41|85)(9[6-9][0-9]{7}|[6-9][0-9]{7})", fullmatch=True))
def test_the_other_form_of_the_other_form_is_the_number_itself(number: str) -> None:
    other = phones.other_form(number)
    assert other is not None
    assert phones.parse(other).value == other != number
    assert {len(other), len(number)} == {12, 13}
    assert phones.other_form(other) == number


@pytest.mark.parametrize("number", ["551133334444", "5511912345678", "14155550100", "5500999990001", "", "abc"])
def test_other_numbers_have_one_form(number: str) -> None:
    assert phones.other_form(number) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [("BR.13491208655302741918", "bsuid"), ("77000@lid", "lid"), (" +55 11 99999-0001 ", "phone"), (NINE, "phone")],
)
def test_addresses_of_people(text: str, kind: str) -> None:
    address = phones.parse(text)
    assert address.kind == kind
    assert phones.identity(address.value) == (kind, address.value)
    assert phones.best_address({kind: address.value, "username": "x"}) == address


def test_a_username_is_no_address() -> None:
    assert phones.best_address({"username": "ana"}) is None
    assert phones.identity("ana") is None
