"""Edits, deletions and reactions find the conversation of their message; what names nobody is kept; and what two
connections of one phone tell is told once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.app import Recado
from recado.domain import ids
from recado.domain.events import Deleted, Edited, MediaRef, Party, ProviderEvent, Reacted, Receipt
from recado.domain.provider import Outcome, Outgoing, Unknown
from recado.domain.states import MessageStatus
from recado.services import accepting
from tests.identity.scripted import Phone
from tests.identity.test_webhooks import ANA, LID, echo, message, messages, reaches, received, send

OURS = Party(phone="5511988880000")
GROUP = Party(group="120363000000000000@g.us")
AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def edited(target: str, body: str, **changes: Any) -> Edited:
    given = {"key": f"edited:{target}:{body}", "at": AT, "chat": Party(phone=ANA), "sender": Party(phone=ANA)}
    content = {"kind": "text", "content": {"body": body}}
    return Edited(type="message.edited", target=target, **{**given, **content, **changes})


def deleted(target: str, **changes: Any) -> Deleted:
    given = {"key": f"deleted:{target}", "at": AT, "chat": Party(phone=ANA), "sender": Party(phone=ANA)}
    return Deleted(type="message.deleted", target=target, **{**given, **changes})


def reacted(target: str, emoji: str, **changes: Any) -> Reacted:
    given = {"key": f"reaction:{target}:{emoji}", "at": AT, "chat": Party(phone=ANA), "sender": Party(phone=ANA)}
    return Reacted(type="reaction.received", target=target, emoji=emoji, **{**given, **changes})


async def settled(phone: Phone, *told: ProviderEvent) -> None:
    """These are processed, and what follows them."""
    await phone.tell(*told)
    marker = message(Party(phone="5511999990999"), "marker")
    await phone.tell(marker)
    path = "/v1/events?type=message.received&limit=200"
    await phone.company.until(
        path, lambda page: any(e["data"]["message"]["provider_id"] == marker.provider_id for e in page["data"])
    )


async def told(phone: Phone, type: str) -> list[dict[str, Any]]:
    page = await phone.company.get(f"/v1/events?type={type}&limit=200")
    return sorted(page["data"], key=lambda event: event["sequence"])


# --- where they belong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", [OURS, Party()], ids=["our own number", "nobody"])
@pytest.mark.parametrize("together", [True, False], ids=["in one webhook", "later"])
async def test_what_is_about_a_known_message_belongs_to_its_conversation(
    phone: Phone, chat: Party, together: bool
) -> None:
    first = message(Party(phone=ANA, lid=LID, name="Ana"), provider_id="M1")
    about = [
        edited("M1", "new", chat=chat, sender=OURS),
        reacted("M1", "👍", chat=chat, sender=OURS),
        deleted("M1", chat=chat, sender=OURS),
    ]
    if together:
        await settled(phone, first, *about)
    else:
        await settled(phone, first)
        await settled(phone, *about)
    (stored,) = [m for m in await received(phone, 1 + (1 if together else 2)) if m["provider_id"] == "M1"]
    for type, name in (
        ("message.edited", "message"), ("reaction.received", "reaction"), ("message.deleted", "message"),
    ):  # fmt: skip
        (event,) = await told(phone, type)
        shown = event["data"][name]
        assert event["conversation_id"] == shown["conversation_id"] == stored["conversation_id"]
        assert shown["contact"] == {"id": stored["contact"]["id"], "phone": ANA, "lid": LID, "name": "Ana"}
        assert shown.get("message_id", shown.get("id")) == stored["id"]
    people = {contact["phone"] for contact in (await phone.company.get("/v1/contacts"))["data"]}
    assert OURS.phone not in people


async def test_what_is_about_a_message_of_a_merged_conversation_belongs_to_what_is_left(
    phone: Phone, served: Recado
) -> None:
    await settled(phone, message(Party(phone=ANA)), message(Party(lid=LID), provider_id="M1"))
    before = [m["conversation_id"] for m in await received(phone, 3) if m["content"]["body"] == "oi"]
    await settled(phone, message(Party(phone=ANA, lid=LID)))
    async with served.runtime.db.work() as connection:
        # Its history was not moved yet.
        await connection.execute("UPDATE messages SET conversation_id = $1 WHERE provider_id = 'M1'", UUID(before[1]))
    await settled(phone, reacted("M1", "👍", chat=OURS))
    (event,) = await told(phone, "reaction.received")
    assert event["conversation_id"] == before[0]


# --- what names nobody ------------------------------------------------------------------------------------


async def test_what_names_nobody_is_kept_as_unknown_and_the_rest_of_its_webhook_is_stored(phone: Phone) -> None:
    nobody = Party(name="Ana")
    await settled(
        phone,
        message(Party(phone=ANA), "before"),
        message(nobody, "lost?", provider_id="NOBODY"),
        reacted("ELSEWHERE", "👍", chat=nobody),
        echo(nobody, "foreign", provider_id="FOREIGN"),
        edited("NOBODY", "new", chat=nobody),
        message(Party(phone=ANA), "after"),
    )
    bodies = [m["content"]["body"] for m in await messages(phone)]
    assert sorted(bodies) == ["after", "before", "marker"]
    unknown = await told(phone, "unknown")
    assert [event["data"]["type"] for event in unknown] == [
        "message.received", "reaction.received", "message.sent", "message.edited",
    ]  # fmt: skip
    (raw,) = (await phone.company.get("/v1/raw-webhooks?error=true"))["data"]
    assert {event["data"]["raw_webhook_id"] for event in unknown} == {raw["id"]}
    assert "names nobody" in raw["error"]

    # The adapter is mended: a replay stores what is new and repeats nothing.
    (at,) = [place for place, batch in enumerate(phone.provider.told) if len(batch) == 6]
    mended = [message(Party(phone=ANA), "found", provider_id="NOBODY"), *phone.provider.told[at][2:5]]
    mended.append(edited("NOBODY", "mended"))
    phone.provider.told[at] = mended
    await phone.company.post(f"/v1/raw-webhooks/{raw['id']}/replay", status=202)
    await settled(phone)
    assert [m["content"]["body"] for m in await messages(phone)].count("mended") == 1
    assert len(await told(phone, "unknown")) == 4


async def test_what_is_about_a_message_that_is_not_kept_any_more_and_names_nobody_is_unknown(
    phone: Phone, served: Recado
) -> None:
    await settled(phone, message(Party(phone=ANA), provider_id="M1"))
    async with served.runtime.db.work() as connection:
        await connection.execute("DELETE FROM messages")
    await settled(phone, reacted("M1", "👍", chat=Party()), reacted("M1", "👎"))
    (event,) = await told(phone, "unknown")
    assert event["data"]["type"] == "reaction.received"
    (kept,) = await told(phone, "reaction.received")
    assert kept["data"]["reaction"]["contact"]["phone"] == ANA


async def test_an_echo_without_a_chat_proves_by_our_id(phone: Phone) -> None:
    async def lost(outgoing: Outgoing) -> Outcome:
        return Unknown(why="cut")

    phone.provider.answer = lost
    sent = await send(phone)
    await reaches(phone, sent, "unproven")
    await phone.tell(echo(Party(), provider_id="E1", message_id=sent))
    assert (await reaches(phone, sent, "sent"))["provider_id"] == "E1"


# --- echoes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [str(UUID(int=9)), "another-system-7"])
async def test_an_echo_that_names_another_id_is_not_ours_whatever_it_says(phone: Phone, names: str) -> None:
    async def lost(outgoing: Outgoing) -> Outcome:
        return Unknown(why="cut")

    phone.provider.answer = lost
    sent = await send(phone, body="the same words")
    await reaches(phone, sent, "unproven")
    await settled(phone, echo(Party(phone=ANA), "the same words", provider_id="E1", message_id=names))
    assert (await phone.company.get(f"/v1/messages/{sent}"))["status"] == "unproven"
    (foreign,) = [m for m in await messages(phone) if m.get("provider_id") == "E1"]
    assert (foreign["id"] != sent, foreign["metadata"]["source"]) == (True, "api")


async def test_an_echo_with_another_caption_is_not_ours(phone: Phone) -> None:
    async def lost(outgoing: Outgoing) -> Outcome:
        return Unknown(why="cut")

    phone.provider.answer = lost
    image = {"link": "https://example.com/a.png", "caption": "ours"}
    body = {"instance_id": phone.instance_id, "to": ANA, "type": "image", "image": image}
    sent = str((await phone.company.post("/v1/messages", body))["id"])
    await reaches(phone, sent, "unproven")
    told = [echo(Party(phone=ANA), kind="image", content={"caption": c}, provider_id=f"E-{c}") for c in ("x", "ours")]
    await settled(phone, told[0])
    assert (await phone.company.get(f"/v1/messages/{sent}"))["status"] == "unproven"
    await settled(phone, told[1])
    assert (await reaches(phone, sent, "sent"))["provider_id"] == "E-ours"


# --- two connections of one phone -----------------------------------------------------------------------


async def test_what_two_connections_tell_with_other_keys_is_told_once(phone: Phone) -> None:
    chat = Party(phone=ANA, lid=LID)
    await settled(phone, message(Party(phone=ANA), provider_id="M1"), message(Party(phone=ANA), provider_id="M2"))
    late = AT + timedelta(seconds=40)
    twice = [
        (reacted("M1", "👍"), {"key": "b1", "chat": chat, "sender": chat, "at": AT + timedelta(milliseconds=300)}),
        (reacted("M1", "", key="a2", at=late), {"key": "b2", "chat": chat, "sender": chat}),
        # Another clock: what it says is known.
        (edited("M1", "new"), {"key": "b3", "at": late}),
        (deleted("M2"), {"key": "b4", "at": late, "chat": chat}),
    ]

    for one, other in twice:
        await settled(phone, one)
        await settled(phone, msgspec.structs.replace(one, **other))
    assert [event["data"]["reaction"]["emoji"] for event in await told(phone, "reaction.received")] == ["👍", ""]
    assert len(await told(phone, "message.edited")) == 1
    assert len(await told(phone, "message.deleted")) == 1


async def test_a_real_second_change_is_told(phone: Phone) -> None:
    members = [Party(phone=ANA), Party(phone="5511999990002")]
    await settled(phone, message(Party(phone=ANA), "one", provider_id="M1"), message(GROUP, provider_id="M2"))
    changes: list[ProviderEvent] = []
    for n, (body, emoji) in enumerate([("two", "👍"), ("one", ""), ("two", "👍")]):
        at = AT + timedelta(seconds=n)
        changes += [edited("M1", body, key=f"e{n}", at=at), reacted("M1", emoji, key=f"r{n}", at=at)]
    changes += [reacted("M2", "👍", key=f"g{n}", chat=GROUP, sender=member) for n, member in enumerate(members)]
    await settled(phone, *changes[:4])
    await settled(phone, *changes[4:])
    said = [event["data"]["message"]["content"]["body"] for event in await told(phone, "message.edited")]
    assert said == ["two", "one", "two"]
    emojis = [event["data"]["reaction"]["emoji"] for event in await told(phone, "reaction.received")]
    assert emojis == ["👍", "", "👍", "👍", "👍"]


# --- edits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"), [("image", {"caption": "new"}), ("text", {"body": "new"})], ids=["a caption", "a text"]
)
async def test_an_edited_caption_keeps_its_file(phone: Phone, kind: str, content: dict[str, Any]) -> None:
    file = MediaRef(ref={"url": "https://example.invalid/a.png"}, mime_type="image/png")
    picture = {"caption": "old", "mime_type": "image/png"}
    await settled(phone, message(Party(phone=ANA), provider_id="M1", kind="image", content=picture, media=file))
    (before,) = [m for m in await messages(phone) if m["provider_id"] == "M1"]
    await settled(phone, edited("M1", "", kind=kind, content=content))
    after = await phone.company.get(f"/v1/messages/{before['id']}")
    assert after["content"] == {**before["content"], "caption": "new"}
    assert after["metadata"]["edited_at"]
    (event,) = await told(phone, "message.edited")
    assert (event["data"]["message"]["type"], event["data"]["message"]["content"]) == ("image", after["content"])
    await settled(phone, deleted("M1"))
    gone = await phone.company.get(f"/v1/messages/{before['id']}")
    assert gone["content"] == after["content"]
    assert {"edited_at", "deleted_at"} <= gone["metadata"].keys()


async def test_an_edited_text_is_replaced(phone: Phone) -> None:
    await settled(phone, message(Party(phone=ANA), provider_id="M1"))
    await settled(phone, edited("M1", "new", content={"body": "new", "preview": True}))
    (shown,) = [m for m in await messages(phone) if m["provider_id"] == "M1"]
    assert shown["content"] == {"body": "new", "preview": True}


# --- people -------------------------------------------------------------------------------------------------


async def test_somebody_with_only_a_username_is_stored_and_shown_but_cannot_be_written_to(phone: Phone) -> None:
    await settled(phone, message(Party(username="ana", name="Ana"), "one"), message(Party(username="ana"), "two"))
    (one, two) = [m for m in await received(phone, 3) if m["content"]["body"] in ("one", "two")]
    assert one["contact"] == {"id": two["contact"]["id"], "phone": None, "username": "ana", "name": "Ana"}
    shown = await phone.company.get(f"/v1/contacts/{one['contact']['id']}")
    assert (shown["phone"], shown["identities"]) == (None, [{"kind": "username", "value": "ana"}])
    text = {"instance_id": phone.instance_id, "to": shown["id"], "type": "text", "text": {"body": "oi"}}
    refused = await phone.company.call("POST", "/v1/messages", json=text)
    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "to")
    # Once more is known of them, the same contact can be.
    await settled(phone, message(Party(username="ana", lid=LID), "three"))
    sent = await phone.company.post("/v1/messages", text)
    assert (await reaches(phone, sent["id"], "sent"))["to"] == LID


async def test_what_is_sent_to_a_phone_that_moved_goes_to_who_has_it_now(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acceptance has the conversation of a phone in memory, and a phone that was given away merges nobody."""
    monkeypatch.setattr(accepting, "_MOVED_EVERY", timedelta(0))
    await settled(phone, message(Party(phone=ANA, lid=LID)))
    first = await reaches(phone, await send(phone, ANA), "sent")
    await settled(phone, message(Party(phone=ANA, lid="88000@lid"), "new owner"))
    (now,) = [m for m in await received(phone, 4) if m["content"]["body"] == "new owner"]
    shown = await reaches(phone, await send(phone, ANA), "sent")
    assert shown["contact_id"] == now["contact"]["id"] != first["contact_id"]
    assert shown["conversation_id"] == now["conversation_id"]


async def test_what_is_sent_to_a_merged_contact_names_the_one_that_is_left(
    phone: Phone, served: Recado, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The survivor had no conversation with the instance: it keeps the other's, with the contact changed."""
    monkeypatch.setattr(accepting, "_MOVED_EVERY", timedelta(0))
    async with served.runtime.db.work() as connection:
        company = await connection.fetchval("SELECT company_id FROM instances")
        older = ids.new()
        await connection.execute("INSERT INTO contacts (company_id, id) VALUES ($1, $2)", company, older)
        await connection.execute("INSERT INTO identities VALUES ($1, 'lid', $2, $3)", company, LID, older)
    first = await reaches(phone, await send(phone, ANA), "sent")
    await settled(phone, message(Party(phone=ANA, lid=LID)))
    shown = await reaches(phone, await send(phone, ANA), "sent")
    assert (shown["contact_id"], shown["conversation_id"]) == (str(older), first["conversation_id"])


async def test_a_receipt_that_names_another_id_is_kept_for_its_own(phone: Phone) -> None:
    sent = await reaches(phone, await send(phone), "sent")
    receipt = Receipt(
        type="message.read", key="r", at=AT, provider_id=sent["provider_id"], state=MessageStatus.READ,
        message_id=str(UUID(int=9)),
    )  # fmt: skip
    await phone.tell(receipt)
    await reaches(phone, sent["id"], "read")
