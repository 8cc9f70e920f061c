"""The sandbox's WhatsApp beyond messages: what an operation does is seen again, also by other instances."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from recado.app import Recado
from recado.domain import content, ids, operations
from recado.domain.events import Noticed, Received
from recado.domain.ids import CompanyId
from recado.domain.operations import OPERATIONS, BusinessChange, Group, ParticipantResult, Person, Picture, ProductDraft
from recado.domain.provider import CallFailed, Connection
from recado.providers.sandbox.adapter import Sandbox
from recado.services import sandbox, sandbox_owners, sandbox_phones
from recado.services.sandbox_owners import Business, CollectionDraft, PhoneCall
from recado.services.sandbox_phones import Behaviour, PhoneMessage
from tests.sandbox.conftest import PHONE, World
from tests.support import client
from tests.support.client import Client

ANA, BIA, CAIO = PHONE, "5511999990002", "5511999990003"
NOBODY = "5511999994040"
PICTURE = Picture(data=b"\x89PNG pixel", mime_type="image/png")
DATA_URL = "data:image/png;base64,iVBORyBwaXhlbA=="
DRAFT = ProductDraft(name="Pão", price=1_500, images=["https://example.com/pao.jpg"])


@pytest.fixture
async def shop(world: World) -> Connection:
    return await paired(world)


@pytest.fixture
async def other(world: World) -> Connection:
    """Another instance of the company."""
    return await paired(world)


async def paired(world: World) -> Connection:
    connection = await world.instance()
    await sandbox.connect(world.db, world.company, connection.instance_id, at=world.clock.now)
    await world.posted()
    return connection


async def number_of(world: World, connection: Connection) -> str:
    phone = (await world.adapter.get_profile(connection)).phone
    assert phone is not None
    return phone


async def writes(world: World, connection: Connection, number: str = ANA, name: str | None = None) -> None:
    message = PhoneMessage(
        instance_id=connection.instance_id, type="text", text=content.TextContent(body="Oi"), name=name
    )
    await sandbox_phones.write(world.db, world.company, number, message, at=world.clock.now)


async def refused(call: Awaitable[Any], code: str = "not_found") -> None:
    with pytest.raises(CallFailed) as caught:
        await call
    assert (caught.value.code, caught.value.retryable) == (code, code in ("not_connected", "provider_failed"))


async def noticed(world: World) -> list[dict[str, Any]]:
    """What instances were told, with its type and whom it is about."""
    told = [event for event in await world.posted() if isinstance(event, Noticed)]
    return [
        {"type": event.type, "about": (event.party.phone or event.party.group) if event.party else None, **event.data}
        for event in told
    ]


def roles(group: Group) -> dict[str | None, str]:
    return {one.phone: one.role for one in group.participants}


def codes(results: list[ParticipantResult]) -> list[str | None]:
    return [one.code for one in results]


def test_the_sandbox_has_every_operation() -> None:
    assert operations.operations(Sandbox(None)) == set(OPERATIONS)  # type: ignore[arg-type]  # Nothing is called.


async def test_nothing_works_without_a_connected_session(world: World, shop: Connection) -> None:
    never = await world.instance()
    await refused(world.adapter.list_groups(never, limit=1, offset=0), "not_connected")
    await sandbox.disconnect(world.db, world.company, shop.instance_id, at=world.clock.now)
    await refused(world.adapter.create_group(shop, subject="a", participants=[]), "not_connected")
    await world.db.stop()
    await refused(world.adapter.list_groups(shop, limit=1, offset=0), "provider_failed")


# --- people ---------------------------------------------------------------------------------------------


async def test_the_address_book_holds_who_was_saved_and_who_wrote(world: World, shop: Connection) -> None:
    await writes(world, shop, BIA, "Bia")
    await world.adapter.save_contact(shop, phone=CAIO, name="Caio Silva")
    found = await world.adapter.list_contacts(shop, limit=10, offset=0)
    assert [(one.phone, one.name, one.push_name) for one in found] == [(CAIO, "Caio Silva", None), (BIA, None, "Bia")]
    assert await world.adapter.list_contacts(shop, limit=1, offset=1) == found[1:]

    await world.adapter.save_contact(shop, phone=CAIO, name="Caio")
    assert (await world.adapter.get_contact(shop, contact=CAIO)).name == "Caio"
    await world.adapter.remove_contact(shop, phone=CAIO)
    assert (await world.adapter.get_contact(shop, contact=CAIO)).name is None
    await refused(world.adapter.remove_contact(shop, phone=CAIO))
    assert await world.adapter.get_picture(shop, contact=BIA) is None
    await refused(world.adapter.get_contact(shop, contact=NOBODY))
    await refused(world.adapter.get_contact(shop, contact="77000@lid"))


async def test_numbers_are_there_as_the_convention_says_or_as_the_sandbox_knows_them(
    world: World, shop: Connection
) -> None:
    await sandbox_phones.put_phone(world.db, world.company, "551199994040", Behaviour())
    await writes(world, shop, "5511999998080")
    expected = {
        ANA: ANA,
        "551199990001": ANA,
        "5511999984040": None,
        "551140004041": "551140004041",
        "14155550100": "14155550100",
        "14155554040": None,
        "5511988888080": "551188888080",
        "551188888080": "551188888080",
        "5511999994040": "551199994040",
        "551199998080": "5511999998080",
    }
    found = await world.adapter.check_numbers(shop, phones=list(expected))
    assert {one.phone: one.canonical for one in found} == expected
    assert [one.exists for one in found] == [canonical is not None for canonical in expected.values()]


async def test_a_blocked_phone_is_not_heard(world: World, shop: Connection) -> None:
    await sandbox_phones.put_phone(world.db, world.company, ANA, Behaviour(auto_reply="Oi!", latency_ms=0))
    await world.adapter.block_contact(shop, contact=ANA)
    assert await world.adapter.list_blocked(shop) == [ANA]
    assert (await world.adapter.get_contact(shop, contact=ANA)).blocked
    await writes(world, shop)
    await world.send(shop)
    call = PhoneCall(instance_id=shop.instance_id)
    await sandbox_owners.call(world.db, world.company, ANA, call)
    assert [event for event in await world.posted() if isinstance(event, Received | Noticed)] == []

    await world.adapter.unblock_contact(shop, contact=ANA)
    assert await world.adapter.list_blocked(shop) == []
    await writes(world, shop)
    assert [event.type for event in await world.posted() if isinstance(event, Received)] == ["message.received"]


async def test_presence_is_told_to_who_watches(world: World, shop: Connection, other: Connection) -> None:
    await world.adapter.watch_presence(shop, contact=ANA)
    mine = await number_of(world, other)
    await world.adapter.watch_presence(shop, contact=mine)
    await world.adapter.set_presence(other, available=True)
    await sandbox_phones.put_phone(world.db, world.company, ANA, Behaviour(connected=False), at=world.clock.now)
    told = await noticed(world)
    assert [(one["type"], one["about"], one["state"]) for one in told] == [
        ("presence.updated", ANA, "available"),
        ("presence.updated", mine, "unavailable"),
        ("presence.updated", mine, "available"),
        ("presence.updated", ANA, "unavailable"),
    ]


async def test_a_ringing_call_is_rejected_once(world: World, shop: Connection) -> None:
    await refused(world.adapter.reject_call(shop, call="1", caller=ANA))
    # The phone's owner acts now, and not at the time that the test keeps.
    world.clock.now = sandbox.now()
    call = PhoneCall(instance_id=shop.instance_id, video=True)
    made = await sandbox_owners.call(world.db, world.company, ANA, call)
    await refused(world.adapter.reject_call(shop, call=made.call, caller=BIA))
    await world.adapter.reject_call(shop, call=made.call, caller=ANA)
    await refused(world.adapter.reject_call(shop, call=made.call, caller=ANA))
    world.clock.move(seconds=1)
    told = await noticed(world)
    assert sorted((one["about"], one["call_id"], one["kind"], one["state"]) for one in told) == [
        (ANA, made.call, "video", "rejected"),
        (ANA, made.call, "video", "ringing"),
    ]


async def test_a_profile_is_seen_by_whom_its_privacy_lets(world: World, shop: Connection, other: Connection) -> None:
    mine, theirs = await number_of(world, shop), await number_of(world, other)
    await world.adapter.set_profile_name(shop, name="Padaria")
    await world.adapter.set_profile_about(shop, about="Aberta")
    await world.adapter.set_profile_picture(shop, picture=PICTURE)
    assert await world.adapter.get_profile(shop) == Person(
        phone=mine, name="Padaria", about="Aberta", picture=DATA_URL, business=True, blocked=False
    )
    assert (await world.adapter.account_info(shop))["name"] == "Padaria"
    seen = await world.adapter.get_contact(other, contact=mine)
    assert (seen.push_name, seen.about, seen.picture, seen.business) == ("Padaria", "Aberta", DATA_URL, True)

    assert (await world.adapter.get_privacy(shop))["picture"] == "all"
    await world.adapter.set_privacy(shop, settings={"picture": "contacts", "about": "none"})
    assert await world.adapter.get_privacy(shop) == {
        "last_seen": "all", "online": "all", "picture": "contacts", "about": "none", "status": "contacts",
        "read_receipts": "all", "groups": "all", "calls": "all",
    }  # fmt: skip
    assert await world.adapter.get_picture(other, contact=mine) is None
    await world.adapter.save_contact(shop, phone=theirs, name="Outra")
    assert await world.adapter.get_picture(other, contact=mine) == DATA_URL
    assert (await world.adapter.get_contact(other, contact=mine)).about is None
    await refused(world.adapter.set_privacy(shop, settings={"online": "none"}), "invalid")
    await refused(world.adapter.set_privacy(shop, settings={"colour": "red"}), "invalid")

    await world.adapter.set_profile_picture(shop, picture=None)
    assert (await world.adapter.get_profile(shop)).picture is None
    text = Picture(data=b"a", mime_type="text/plain")
    await refused(world.adapter.set_profile_picture(shop, picture=text), "bad_picture")


# --- chats and labels -----------------------------------------------------------------------------------


async def test_chats_are_what_was_exchanged_and_what_was_done_to_it(world: World, shop: Connection) -> None:
    adapter = world.adapter
    await world.send(shop, to=BIA)
    world.clock.move(minutes=1)
    await writes(world, shop, ANA, "Ana")
    world.clock.move(minutes=1)
    group = await adapter.create_group(shop, subject="Equipe", participants=[ANA])
    found = await adapter.list_chats(shop, limit=10, offset=0)
    assert [(one.chat, one.name, one.unread) for one in found] == [
        (group.group, "Equipe", 0), (ANA, "Ana", 1), (BIA, None, 0),
    ]  # fmt: skip
    assert await adapter.list_chats(shop, limit=1, offset=2) == found[2:]
    await refused(adapter.get_chat(shop, chat=CAIO))
    await refused(adapter.pin_chat(shop, chat=CAIO, pinned=True))

    await adapter.archive_chat(shop, chat=ANA, archived=True)
    await adapter.pin_chat(shop, chat=ANA, pinned=True)
    await adapter.mute_chat(shop, chat=ANA, seconds=60)
    await adapter.expire_chat(shop, chat=ANA, seconds=86_400)
    chat = await adapter.get_chat(shop, chat=ANA)
    assert (chat.archived, chat.pinned, chat.muted, chat.extra) == (True, True, True, {"expire_seconds": 86_400})
    world.clock.move(minutes=2)
    assert not (await adapter.get_chat(shop, chat=ANA)).muted
    await adapter.mute_chat(shop, chat=ANA, seconds=0)
    assert (await adapter.get_chat(shop, chat=ANA)).muted
    await adapter.mute_chat(shop, chat=ANA, seconds=None)
    assert not (await adapter.get_chat(shop, chat=ANA)).muted
    await refused(adapter.expire_chat(shop, chat=ANA, seconds=1), "invalid")

    await adapter.mark_chat(shop, chat=ANA, read=True)
    assert (await adapter.get_chat(shop, chat=ANA)).unread == 0
    assert await world.db.worker.fetchval("SELECT read_at FROM sandbox_written") == world.clock.now
    world.clock.move(seconds=1)
    await adapter.mark_chat(shop, chat=ANA, read=False)
    assert (await adapter.get_chat(shop, chat=ANA)).unread == 1

    await adapter.clear_chat(shop, chat=ANA)
    cleared = await adapter.get_chat(shop, chat=ANA)
    assert (cleared.unread, cleared.last_message_at, cleared.pinned) == (0, None, True)
    assert [one.chat for one in await adapter.list_chats(shop, limit=9, offset=0)] == [group.group, BIA, ANA]
    await adapter.delete_chat(shop, chat=ANA)
    await refused(adapter.get_chat(shop, chat=ANA))
    world.clock.move(seconds=1)
    await writes(world, shop, ANA)
    back = await adapter.get_chat(shop, chat=ANA)
    assert (back.unread, back.pinned, back.last_message_at) == (1, False, world.clock.now)


async def test_labels_are_put_on_chats(world: World, shop: Connection) -> None:
    adapter = world.adapter
    await writes(world, shop)
    new, paid = [await adapter.create_label(shop, name=name, color=None) for name in ("Novo", "Pago")]
    assert (new.label, new.color, paid.label, paid.color) == ("1", "0", "2", "1")
    await adapter.update_label(shop, label="2", name="Pago!", color="7")
    assert [(one.name, one.color) for one in await adapter.list_labels(shop)] == [("Novo", "0"), ("Pago!", "7")]
    for label in ("1", "2"):
        await adapter.label_chat(shop, chat=ANA, label=label, labelled=True)
    assert (await adapter.get_chat(shop, chat=ANA)).labels == ["1", "2"]
    await adapter.label_chat(shop, chat=ANA, label="1", labelled=False)
    await adapter.delete_label(shop, label="2")
    assert (await adapter.get_chat(shop, chat=ANA)).labels == []
    assert [one.label for one in await adapter.list_labels(shop)] == ["1"]
    await refused(adapter.label_chat(shop, chat=ANA, label="2", labelled=True))
    await refused(adapter.create_label(shop, name="x", color="20"), "invalid")


# --- groups and communities -----------------------------------------------------------------------------


async def test_a_group_lives_from_its_making_to_its_end(world: World, shop: Connection, other: Connection) -> None:
    adapter, mine, theirs = world.adapter, await number_of(world, shop), await number_of(world, other)
    made = await adapter.create_group(shop, subject="Equipe", participants=[ANA, NOBODY])
    group = made.group
    assert roles(made) == {mine: "owner", ANA: "member"}
    assert made.extra["refused"] == {NOBODY: "404"}
    assert [one.group for one in await adapter.list_groups(shop, limit=5, offset=0)] == [group]
    assert await adapter.list_groups(other, limit=5, offset=0) == []
    await refused(adapter.get_group(other, group=group))
    await refused(adapter.get_group(shop, group="120363000000000001@g.us"))

    await adapter.rename_group(shop, group=group, subject="Vendas")
    await adapter.describe_group(shop, group=group, description="Só vendas")
    await adapter.set_group_picture(shop, group=group, picture=PICTURE)
    await adapter.set_group_settings(shop, group=group, announce=True, members_add=False)
    found = await adapter.get_group(shop, group=group)
    assert (found.subject, found.description, found.announce, found.locked) == ("Vendas", "Só vendas", True, False)
    assert (await adapter.get_picture(shop, contact=group), found.extra) == (DATA_URL, {"members_add": False})
    await adapter.set_group_picture(shop, group=group, picture=None)
    assert await adapter.get_picture(shop, contact=group) is None

    async def change(by: Connection, action: Any, *people: str) -> list[str | None]:
        return codes(await adapter.change_participants(by, group=group, action=action, participants=people))

    assert await change(shop, "add", BIA, ANA, NOBODY, theirs, "551199990003") == [None, "409", "404", None, None]
    assert await change(shop, "promote", BIA, CAIO) == [None, None]
    assert await change(shop, "demote", CAIO, mine) == [None, "403"]
    assert await change(shop, "remove", ANA, ANA) == [None, "404"]
    assert roles(await adapter.get_group(other, group=group)) == {
        mine: "owner", BIA: "admin", theirs: "member", CAIO: "member",
    }  # fmt: skip
    with pytest.raises(CallFailed, match="admins"):
        await change(other, "add", ANA)

    await adapter.leave_group(shop, group=group)
    await refused(adapter.get_group(shop, group=group))
    await adapter.leave_group(other, group=group)
    assert await adapter.list_groups(other, limit=5, offset=0) == []


async def test_only_admins_change_a_locked_group_and_the_oldest_member_inherits(
    world: World, shop: Connection, other: Connection
) -> None:
    adapter, theirs = world.adapter, await number_of(world, other)
    group = (await adapter.create_group(shop, subject="Equipe", participants=[theirs])).group
    await adapter.rename_group(other, group=group, subject="Nossa")
    await adapter.change_participants(other, group=group, action="add", participants=[ANA])
    await adapter.set_group_settings(shop, group=group, locked=True)
    for call in (
        adapter.rename_group(other, group=group, subject="Minha"),
        adapter.describe_group(other, group=group, description="x"),
        adapter.set_group_picture(other, group=group, picture=None),
        adapter.set_group_settings(other, group=group, locked=False),
        adapter.change_participants(other, group=group, action="promote", participants=[theirs]),
        adapter.expire_chat(other, chat=group, seconds=0),
        adapter.get_invite(other, group=group),
        adapter.reset_invite(other, group=group),
        adapter.list_join_requests(other, group=group),
    ):
        await refused(call, "not_admin")
    await adapter.expire_chat(shop, chat=group, seconds=0)
    assert (await adapter.get_group(other, group=group)).invite_link is None

    told = [(one["change"], one["by"]["phone"], one["about"]) for one in await noticed(world)]
    mine = await number_of(world, shop)
    expected = [("joined", mine), ("subject", theirs), ("added", theirs), ("settings", mine)]
    assert sorted(told) == sorted((change, by, group) for change, by in expected)
    await adapter.leave_group(shop, group=group)
    assert roles(await adapter.get_group(other, group=group)) == {theirs: "admin", ANA: "member"}
    await adapter.rename_group(other, group=group, subject="Minha")


async def test_a_group_is_joined_by_its_link(world: World, shop: Connection, other: Connection) -> None:
    adapter, theirs = world.adapter, await number_of(world, other)
    group = (await adapter.create_group(shop, subject="Equipe", participants=[ANA])).group
    old = await adapter.get_invite(shop, group=group)
    link = await adapter.reset_invite(shop, group=group)
    assert old != link
    await refused(adapter.preview_invite(other, link=old))
    await refused(adapter.join_group(other, link=old))
    seen = await adapter.preview_invite(other, link=link)
    assert (seen.group, seen.subject, list(seen.participants), seen.extra["size"]) == (group, "Equipe", [], 2)
    assert await adapter.join_group(other, link=f"{link}?mode=wwt") == group
    assert await adapter.join_group(other, link=link) == group
    assert theirs in roles(await adapter.get_group(shop, group=group))
    await adapter.leave_group(other, group=group)

    await adapter.set_group_settings(shop, group=group, approval=True)
    for approve in (False, True):
        assert await adapter.join_group(other, link=link.rpartition("/")[2]) == group
        await refused(adapter.get_group(other, group=group))
        [asking] = await adapter.list_join_requests(shop, group=group)
        assert (asking.participant, asking.requested_at) == (theirs, world.clock.now)
        answered = await adapter.answer_join_requests(shop, group=group, participants=[theirs, BIA], approve=approve)
        assert codes(answered) == [None, "404"]
        assert await adapter.list_join_requests(shop, group=group) == []
        assert (theirs in roles(await adapter.get_group(shop, group=group))) == approve

    await adapter.set_privacy(other, settings={"groups": "contacts"})
    refusing = await adapter.create_group(shop, subject="Outra", participants=[theirs])
    assert refusing.extra["refused"] == {theirs: "403"}


async def test_who_join_at_the_same_instant_are_all_in(world: World, shop: Connection) -> None:
    made = await world.adapter.create_group(shop, subject="Equipe", participants=[])
    joining = [await paired(world) for _ in range(5)]
    link = await world.adapter.get_invite(shop, group=made.group)
    await asyncio.gather(*(world.adapter.join_group(one, link=link) for one in joining))
    assert len(roles(await world.adapter.get_group(shop, group=made.group))) == 6


async def test_a_community_holds_groups(world: World, shop: Connection, other: Connection) -> None:
    adapter, theirs = world.adapter, await number_of(world, other)
    made = await adapter.create_community(shop, name="Bairro", description="Todos")
    assert (made.name, made.description, list(made.groups)) == ("Bairro", "Todos", [])
    assert made.announcement_group is not None
    announcements = await adapter.get_group(shop, group=made.announcement_group)
    assert (announcements.announce, announcements.community) == (True, made.community)
    group = (await adapter.create_group(shop, subject="Rua", participants=[theirs])).group
    await refused(adapter.get_community(other, community=made.community))

    await adapter.link_groups(shop, community=made.community, groups=[group])
    assert [one.group for one in (await adapter.get_community(other, community=made.community)).groups] == [group]
    assert [one.community for one in await adapter.list_communities(other)] == [made.community]
    second = await adapter.create_community(shop, name="Outro", description=None)
    await refused(adapter.link_groups(shop, community=second.community, groups=[group]), "refused")
    await refused(adapter.unlink_groups(other, community=made.community, groups=[group]), "not_admin")
    await refused(adapter.unlink_groups(shop, community=second.community, groups=[group]))

    await adapter.unlink_groups(shop, community=made.community, groups=[group])
    assert (await adapter.get_group(shop, group=group)).community is None
    await adapter.link_groups(shop, community=made.community, groups=[group])
    await adapter.deactivate_community(shop, community=made.community)
    await refused(adapter.get_community(shop, community=made.community))
    assert [one.community for one in await adapter.list_communities(shop)] == [second.community]
    assert (await adapter.get_group(other, group=group)).community is None


# --- channels, stories, catalogue -----------------------------------------------------------------------


async def test_a_channel_is_followed_by_others(world: World, shop: Connection, other: Connection) -> None:
    adapter = world.adapter
    made = await adapter.create_channel(shop, name="Ofertas", description=None, picture=PICTURE)
    assert (made.role, made.followers, made.picture, made.muted) == ("owner", 0, DATA_URL, False)
    channel = made.channel
    await adapter.update_channel(shop, channel=channel, name="Promoções", description="Do dia")
    assert made.invite_link is not None
    seen = await adapter.get_channel(other, channel=made.invite_link)
    assert (seen.channel, seen.name, seen.description, seen.role) == (channel, "Promoções", "Do dia", "guest")
    await refused(adapter.update_channel(other, channel=channel, name="x"), "refused")
    await refused(adapter.mute_channel(other, channel=channel, muted=True), "refused")
    await refused(adapter.follow_channel(shop, channel=channel, following=True), "refused")
    await refused(adapter.get_channel(other, channel="120363000000000002@newsletter"))

    await adapter.follow_channel(other, channel=channel, following=True)
    await adapter.mute_channel(other, channel=channel, muted=True)
    await adapter.follow_channel(other, channel=channel, following=True)
    [followed] = await adapter.list_channels(other)
    assert (followed.role, followed.muted, followed.followers) == ("subscriber", True, 1)
    await adapter.mute_channel(shop, channel=channel, muted=True)
    assert [one.muted for one in await adapter.list_channels(shop)] == [True]
    assert [one.channel for one in await adapter.search_channels(other, text="promo", limit=5)] == [channel]
    assert await adapter.search_channels(other, text="ofertas", limit=5) == []
    await adapter.follow_channel(other, channel=channel, following=False)
    assert await adapter.list_channels(other) == []
    await refused(adapter.delete_channel(other, channel=channel), "refused")
    await adapter.delete_channel(shop, channel=channel)
    assert await adapter.list_channels(shop) == []


async def test_a_story_lasts_a_day(world: World, shop: Connection, other: Connection) -> None:
    text, image = content.TextContent(body="Bom dia"), content.MediaContent(data=DATA_URL, caption="Hoje")
    await world.adapter.post_story(shop, kind="text", content=text)
    await world.adapter.save_contact(shop, phone=await number_of(world, other), name="Outra")
    first = await world.adapter.post_story(shop, kind="text", content=text)
    second = await world.adapter.post_story(shop, kind="image", content=image, contacts=[ANA])
    [told] = await noticed(world)
    assert (told["type"], told["about"], told["provider_id"]) == (
        "status.received",
        await number_of(world, shop),
        first,
    )
    await world.adapter.delete_story(shop, story=first)
    await refused(world.adapter.delete_story(shop, story=first))
    world.clock.move(hours=24)
    await refused(world.adapter.delete_story(shop, story=second))
    await refused(world.adapter.post_story(shop, kind="image", content=content.MediaContent()), "media_missing")
    await refused(world.adapter.post_story(shop, kind="poll", content=text), "invalid")
    await refused(world.adapter.post_story(shop, kind="text", content=text, contacts=[NOBODY]))


async def test_what_an_account_sets_for_itself(world: World, shop: Connection, other: Connection) -> None:
    adapter, mine = world.adapter, await number_of(world, shop)
    await adapter.expire_new_chats(shop, seconds=86_400)
    assert (await adapter.get_profile(shop)).extra == {"expire_seconds": 86_400}
    await refused(adapter.expire_new_chats(shop, seconds=60), "invalid")

    await writes(world, shop, BIA, "Bia")
    await adapter.note_chat(shop, chat=BIA, note="now")
    assert (await adapter.get_chat(shop, chat=BIA)).extra == {"note": "now"}
    await adapter.note_chat(shop, chat=BIA, note="")
    assert (await adapter.get_chat(shop, chat=BIA)).extra == {}
    await refused(adapter.note_chat(shop, chat=CAIO, note="Prefere à tarde"))

    category = (await adapter.list_business_categories(shop))[0]
    change = BusinessChange(description="Pães", websites=("https://loja.example",), categories=(category.category,))
    await adapter.set_business_profile(shop, change=change)
    await adapter.set_business_profile(shop, change=BusinessChange(description="", email="loja@example.com"))
    assert await adapter.get_business_profile(other, contact=mine) == {
        "phone": mine,
        "name": "Sandbox",
        "email": "loja@example.com",
        "websites": ["https://loja.example"],
        "categories": [category.name],
    }
    await refused(adapter.set_business_profile(shop, change=BusinessChange(categories=("1",))), "invalid")

    channel = (await adapter.create_channel(shop, name="Ofertas", description=None, picture=None)).channel
    await adapter.set_channel_reactions(shop, channel=channel, reactions="basic")
    assert (await adapter.get_channel(other, channel=channel)).extra == {"reactions": "basic"}
    await refused(adapter.set_channel_reactions(other, channel=channel, reactions="none"), "refused")
    anything: Any = "hearts"
    await refused(adapter.set_channel_reactions(shop, channel=channel, reactions=anything), "invalid")


async def test_a_catalogue_is_seen_by_others_but_for_what_is_hidden(
    world: World, shop: Connection, other: Connection
) -> None:
    adapter, mine = world.adapter, await number_of(world, shop)
    bread = await adapter.save_product(shop, product=None, draft=DRAFT)
    assert (bread.name, bread.price, bread.currency, bread.images) == ("Pão", 1_500, "BRL", DRAFT.images)
    hidden = msgspec.structs.replace(DRAFT, name="Bolo", hidden=True)
    cake = await adapter.save_product(shop, product=None, draft=hidden)
    assert await adapter.list_products(shop, contact=None, limit=5) == [bread, cake]
    assert await adapter.list_products(shop, contact=None, limit=1) == [bread]
    assert await adapter.list_products(other, contact=mine, limit=5) == [bread]
    assert await adapter.list_products(other, contact=None, limit=5) == []
    await refused(adapter.get_product(other, product=cake.product, contact=mine))
    dearer = msgspec.structs.replace(DRAFT, price=2_000)
    assert (await adapter.save_product(shop, product=bread.product, draft=dearer)).price == 2_000
    assert (await adapter.get_product(other, product=bread.product, contact=mine)).price == 2_000

    assert await adapter.list_collections(shop, contact=None) == []
    business = Business(
        email="loja@example.com", collections=[CollectionDraft(name="Tudo", products=[bread.product, cake.product])]
    )
    await sandbox_owners.put_business(world.db, world.company, shop.instance_id, business)
    [collection] = await adapter.list_collections(other, contact=mine)
    assert (collection.name, [one.product for one in collection.products]) == ("Tudo", [bread.product])
    profile = {"phone": mine, "name": "Sandbox", "email": "loja@example.com"}
    assert await adapter.get_business_profile(shop, contact=None) == profile
    assert await adapter.get_business_profile(other, contact=mine) == profile
    await refused(adapter.get_business_profile(other, contact=ANA))

    await adapter.delete_product(shop, product=bread.product)
    assert [one.product for one in (await adapter.list_collections(shop, contact=None))[0].products] == [cake.product]
    await refused(adapter.delete_product(shop, product=bread.product))
    await refused(adapter.save_product(shop, product=bread.product, draft=DRAFT))


async def test_another_companys_world_is_another(world: World, shop: Connection) -> None:
    stranger = CompanyId(ids.new())
    await world.company_exists(stranger)
    theirs = await world.instance(stranger)
    await sandbox.connect(world.db, stranger, theirs.instance_id, at=world.clock.now)
    made = await world.adapter.create_group(shop, subject="Equipe", participants=[])
    await refused(world.adapter.join_group(theirs, link=made.invite_link or ""))
    channel = await world.adapter.create_channel(shop, name="Ofertas", description=None, picture=None)
    await refused(world.adapter.get_channel(theirs, channel=channel.channel))


# --- over HTTP ------------------------------------------------------------------------------------------


async def test_the_whole_of_it_over_http(served: Recado) -> None:
    async with client.connect(served.url, served.admin_token) as admin:
        company = await client.make_company(admin)
        shop, other = [await client.make_sandbox_instance(company, client.NO_PACING) for _ in range(2)]
        one, two = f"/v1/instances/{shop['id']}", f"/v1/instances/{other['id']}"
        assert await company.get(f"{one}/operations") == list(OPERATIONS)
        made = await company.post(f"{one}/groups", {"subject": "Equipe", "participants": [ANA]})
        link = (await company.get(f"{one}/groups/{made['group']}/invite"))["link"]
        await company.post(f"{two}/groups/join", {"link": link}, status=200)
        assert len((await company.get(f"{two}/groups/{made['group']}"))["participants"]) == 3
        problem = await company.call("GET", f"{two}/groups/120363000000000001@g.us")
        assert (problem.status, problem.body["code"]) == (502, "not_found")

        call = await company.post(f"/sandbox/phones/{ANA}/calls", {"instance_id": shop["id"]})
        await company.post(f"{one}/calls/{call['call']}/reject", {"caller": ANA}, status=204)
        await _sends_to_who_is_there(company, shop)
        await _describes_a_business(company, shop)


async def _sends_to_who_is_there(company: Client, shop: dict[str, Any]) -> None:
    body = {"instance_id": shop["id"], "type": "text", "text": {"body": "Olá"}}
    sent = await company.post("/v1/messages", {**body, "to": NOBODY})
    failed = await company.until(f"/v1/messages/{sent['id']}", lambda message: message["status"] == "failed")
    assert failed["error"]["code"] == "not_on_whatsapp"
    await company.post("/v1/messages", {**body, "to": "5511988888080"})
    await company.until("/sandbox/phones/551188888080/messages", lambda page: page["distinct"] == 1)


async def _describes_a_business(company: Client, shop: dict[str, Any]) -> None:
    path = f"/sandbox/instances/{shop['id']}/business"
    assert (await company.call("PUT", path, json={"email": "loja@example.com"})).status == 200
    assert (await company.get(f"/v1/instances/{shop['id']}/business-profile"))["email"] == "loja@example.com"
    unknown = {"collections": [{"name": "Tudo", "products": ["1"]}]}
    reply = await company.call("PUT", path, json=unknown)
    assert [error["field"] for error in reply.body["errors"]] == ["collections[0].products"]
    await company.post(f"/sandbox/instances/{shop['id']}/disconnect", status=200)
    reply = await company.call("PUT", path, json={})
    assert (reply.status, reply.body["code"]) == (409, "not_connected")
