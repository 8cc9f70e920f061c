"""Sending to people: the form that WhatsApp knows, what the answer teaches, first contacts and error 463, end to end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from recado.app import Recado
from recado.domain.events import Party
from recado.domain.operations import Checked
from recado.domain.provider import Accepted, Limited, Outcome, Outgoing
from tests.identity import scripted
from tests.identity.scripted import Phone, make_phone
from tests.identity.test_webhooks import message, reaches, received, send
from tests.support.client import Client

NINE, EIGHT = "5541999990001", "554199990001"
FAST: dict[str, Any] = {"pacing": {"min_ms": 0, "max_ms": 0, "per_minute": 0}}


def budget(first_contacts: int) -> dict[str, Any]:
    return {"pacing": {**FAST["pacing"], "first_contacts_per_hour": first_contacts}}


async def queue(phone: Phone) -> dict[str, Any]:
    shown: dict[str, Any] = await phone.company.get(f"/v1/instances/{phone.instance_id}/queue")
    return shown


async def test_a_message_goes_to_the_form_that_exists(phone: Phone) -> None:
    phone.provider.numbers = {EIGHT: Checked(phone=EIGHT, exists=True, canonical=EIGHT)}
    shown = await reaches(phone, await send(phone, NINE), "sent")
    assert shown["to"] == NINE
    assert [sent.to for sent in phone.provider.sent] == [EIGHT]
    await phone.tell(message(Party(phone=EIGHT)))
    (told,) = await received(phone, 1)
    assert told["conversation_id"] == shown["conversation_id"]


async def test_a_number_that_is_not_there_is_refused_without_being_sent(phone: Phone) -> None:
    phone.provider.numbers = {}
    shown = await reaches(phone, await send(phone, NINE), "failed")
    assert shown["error"]["code"] == "not_on_whatsapp"
    assert phone.provider.sent == []


async def test_the_answer_to_a_send_makes_two_contacts_one(phone: Phone) -> None:
    await phone.tell(message(Party(lid="77000@lid")))
    (told,) = await received(phone, 1)

    async def answer(outgoing: Outgoing) -> Outcome:
        return Accepted(provider_id=f"3EB0{outgoing.message_id.hex}", recipient="77000@lid")

    phone.provider.answer = answer
    await reaches(phone, await send(phone, NINE), "sent")
    (contact,) = (await phone.company.get("/v1/contacts"))["data"]
    assert {one["value"] for one in contact["identities"]} == {NINE, "77000@lid"}
    merged = await phone.company.get(f"/v1/messages?conversation_id={told['conversation_id']}")
    assert len(merged["data"]) == 2
    by_contact = await phone.company.get(f"/v1/messages?contact_id={told['contact']['id']}")
    assert by_contact == merged


async def test_a_spent_budget_holds_strangers_and_nobody_else(served: Recado, admin: Client) -> None:
    phone = await make_phone(served, admin, settings=budget(2))
    await phone.tell(message(Party(phone="551133330009")))
    await received(phone, 1)
    strangers = [await send(phone, f"55113333000{n}") for n in range(4)]
    reply = await send(phone, "551133330009")
    for message_id in (*strangers[:2], reply):
        await reaches(phone, message_id, "sent")
    shown = await queue(phone)
    assert (shown["first_contacts"], shown["counts"]["waiting"]) == (2, 2)
    until = datetime.fromisoformat(shown["first_contacts_held_until"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) < timedelta(minutes=61)
    await phone.tell(message(Party(phone="551133330003")))
    await reaches(phone, strangers[3], "sent")
    await phone.company.call("PATCH", f"/v1/instances/{phone.instance_id}", json={"settings": budget(3)})
    await reaches(phone, strangers[2], "sent")
    shown = await queue(phone)
    assert (shown["first_contacts"], shown["first_contacts_held_until"]) == (0, None)


async def test_error_463_holds_strangers_and_nobody_else(served: Recado, admin: Client) -> None:
    for settings in (budget(5), FAST):
        phone = await make_phone(served, admin, settings=settings)
        await phone.tell(message(Party(phone="551133330009")))
        await received(phone, 1)

        # One that is being accepted at the very moment of the refusal may be refused once more: all are there before it.
        accepted = asyncio.Event()

        async def answer(outgoing: Outgoing, accepted: asyncio.Event = accepted) -> Outcome:
            await accepted.wait()
            if outgoing.to != "551133330009":
                return Limited(code="463", why="reach-out time lock", after=600, scope="cold")
            return await scripted.accept(outgoing)

        phone.provider.answer = answer
        held = [await send(phone, f"55113333000{n}") for n in range(3)]
        known = await send(phone, "551133330009")
        accepted.set()
        await reaches(phone, known, "sent")
        assert sum(sent.to != "551133330009" for sent in phone.provider.sent) == 1, "one refusal is enough"
        shown = await phone.company.get(f"/v1/messages/{held[0]}")
        assert (shown["status"], [a["outcome"] for a in shown["attempts"]]) == ("queued", ["limited"])
        seen = await queue(phone)
        assert seen["first_contacts"] == 3
        assert seen["first_contacts_held_until"] is not None
        phone.provider.answer = scripted.accept
        await phone.tell(*(message(Party(phone=f"55113333000{n}")) for n in range(3)))
        for message_id in held:
            await reaches(phone, message_id, "sent")
