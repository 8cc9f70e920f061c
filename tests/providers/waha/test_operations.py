"""The optional areas: what is asked, and what is made of the answers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain import content as contents
from recado.domain.operations import (
    OPERATIONS,
    Channel,
    Chat,
    Checked,
    Group,
    Label,
    Participant,
    ParticipantResult,
    Person,
    Picture,
    operations,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers.waha.adapter import Waha
from recado.providers.waha.groups import read_group
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.waha.rows import GROUP, LID, SESSION, connect, nest

CHANNEL = "120363000000000009@newsletter"
ROOT = f"/api/{SESSION}"
PHONE = "5511999990002"
ANA = "5511999990002@c.us"
PICTURE = Picture(data=b"\xff\xd8 tests")
PICTURE_FILE = {"mimetype": "image/jpeg", "filename": "picture.jpeg", "data": "/9ggdGVzdHM="}
OK = upstream.json({"success": True})

Call = Callable[[Waha, Connection], Awaitable[Any]]
Asked = tuple[str, str, Any]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A call, what it asks, and what it gives for the replies."""

    call: Call
    asks: tuple[Asked, ...]
    replies: tuple[Reply, ...] = (OK,)
    gives: Any = None
    engine: str = "GOWS"


GROUP_JSON = {"id": GROUP, "subject": "Obra", "description": "d", "membersCanSendMessages": False, "participants": []}
PEOPLE = [
    {"id": LID, "pn": ANA, "role": "superadmin"},
    {"id": "5511999990003@c.us", "role": "admin"},
    {"id": "5511999990004@c.us", "role": "left"},
]
CHANNEL_JSON = {
    "id": CHANNEL,
    "name": "Novidades",
    "invite": "https://www.whatsapp.com/channel/abc",
    "role": "OWNER",
    "verified": False,
    "subscribersCount": 7,
}
A_CHANNEL = Channel(
    channel=CHANNEL,
    name="Novidades",
    invite_link="https://www.whatsapp.com/channel/abc",
    role="owner",
    followers=7,
    verified=False,
)
LABEL_JSON = {"id": "3", "name": "Novo", "color": 1, "colorHex": "#64c4ff"}
A_LABEL = Label(label="3", name="Novo", color="#64c4ff", extra={"number": 1})
CONTACT_JSON = {
    "id": ANA,
    "number": PHONE,
    "name": "Ana",
    "pushname": "Aninha",
    "isBlocked": False,
    "isMyContact": True,
}
A_PERSON = Person(phone=PHONE, name="Ana", push_name="Aninha", blocked=False, extra={"my_contact": True})
CHAT_JSON = {
    "id": ANA,
    "name": "Ana",
    "picture": None,
    "lastMessage": {"timestamp": 1_795_300_000},
    "_chat": {"unreadCount": 2, "archived": False, "pinned": 0, "muteExpiration": -1},
}
A_CHAT = Chat(
    chat=PHONE,
    name="Ana",
    unread=2,
    archived=False,
    pinned=False,
    muted=True,
    last_message_at=datetime.fromtimestamp(1_795_300_000, UTC),
)

CASES: dict[str, Case] = {
    "list_contacts": Case(
        call=lambda waha, to: waha.list_contacts(to, limit=2, offset=4),
        asks=(("GET", f"/api/contacts/all?session={SESSION}&limit=2&offset=4&sortBy=id&sortOrder=asc", None),),
        replies=(upstream.json([CONTACT_JSON, {"id": GROUP, "name": "Obra"}, {"id": {"_serialized": LID}}, {}]),),
        gives=[A_PERSON, Person(lid=LID)],
    ),
    "get_contact": Case(
        call=lambda waha, to: waha.get_contact(to, contact=PHONE),
        asks=(("GET", f"/api/contacts?session={SESSION}&contactId={PHONE}@c.us", None),),
        replies=(upstream.json(CONTACT_JSON),),
        gives=A_PERSON,
    ),
    "get_contact of nobody": Case(
        call=lambda waha, to: waha.get_contact(to, contact=LID),
        asks=(("GET", f"/api/contacts?session={SESSION}&contactId={LID}", None),),
        replies=(upstream.json(None),),
        gives=Person(lid=LID),
    ),
    "check_numbers": Case(
        call=lambda waha, to: waha.check_numbers(to, phones=["5551999990002", "5500"]),
        asks=(
            ("GET", f"/api/contacts/check-exists?session={SESSION}&phone=5551999990002", None),
            ("GET", f"/api/contacts/check-exists?session={SESSION}&phone=5500", None),
        ),
        replies=(
            upstream.json({"numberExists": True, "chatId": "555199990002@c.us"}),
            upstream.json({"numberExists": False}),
        ),
        gives=[
            Checked(phone="5551999990002", exists=True, canonical="555199990002"),
            Checked(phone="5500", exists=False),
        ],
    ),
    "get_picture": Case(
        call=lambda waha, to: waha.get_picture(to, contact=PHONE),
        asks=(("GET", f"/api/contacts/profile-picture?session={SESSION}&contactId={PHONE}@c.us", None),),
        replies=(upstream.json({"profilePictureURL": "https://pps.test/a.jpg"}),),
        gives="https://pps.test/a.jpg",
    ),
    "get_picture of a group": Case(
        call=lambda waha, to: waha.get_picture(to, contact=GROUP),
        asks=(("GET", f"{ROOT}/groups/{GROUP}/picture", None),),
        replies=(upstream.json({"url": None}),),
        gives=None,
    ),
    "save_contact": Case(
        call=lambda waha, to: waha.save_contact(to, phone=PHONE, name="Ana de Souza"),
        asks=(("PUT", f"{ROOT}/contacts/{ANA}", {"firstName": "Ana", "lastName": "de Souza"}),),
    ),
    "block_contact": Case(
        call=lambda waha, to: waha.block_contact(to, contact=PHONE),
        asks=(("POST", "/api/contacts/block", {"session": SESSION, "contactId": ANA}),),
    ),
    "unblock_contact": Case(
        call=lambda waha, to: waha.unblock_contact(to, contact=LID),
        asks=(("POST", "/api/contacts/unblock", {"session": SESSION, "contactId": LID}),),
    ),
    "list_chats": Case(
        call=lambda waha, to: waha.list_chats(to, limit=10, offset=0),
        asks=(("GET", f"{ROOT}/chats/overview?limit=10&offset=0", None),),
        replies=(upstream.json([CHAT_JSON, {"id": GROUP, "name": None, "lastMessage": None, "_chat": None}, {}]),),
        gives=[A_CHAT, Chat(chat=GROUP)],
    ),
    "get_chat": Case(
        call=lambda waha, to: waha.get_chat(to, chat=PHONE),
        asks=(("GET", f"{ROOT}/chats/overview?limit=1&ids={ANA}", None),),
        replies=(upstream.json([CHAT_JSON]),),
        gives=A_CHAT,
    ),
    "archive_chat": Case(
        call=lambda waha, to: waha.archive_chat(to, chat=PHONE, archived=True),
        asks=(("POST", f"{ROOT}/chats/{ANA}/archive", None),),
    ),
    "archive_chat not": Case(
        call=lambda waha, to: waha.archive_chat(to, chat=GROUP, archived=False),
        asks=(("POST", f"{ROOT}/chats/{GROUP}/unarchive", None),),
    ),
    "mark_chat": Case(
        call=lambda waha, to: waha.mark_chat(to, chat=PHONE, read=True),
        asks=(("POST", f"{ROOT}/chats/{ANA}/messages/read", None),),
    ),
    "mark_chat unread": Case(
        call=lambda waha, to: waha.mark_chat(to, chat=PHONE, read=False),
        asks=(("POST", f"{ROOT}/chats/{ANA}/unread", None),),
    ),
    "clear_chat": Case(
        call=lambda waha, to: waha.clear_chat(to, chat=PHONE),
        asks=(("DELETE", f"{ROOT}/chats/{ANA}/messages", None),),
    ),
    "delete_chat": Case(
        call=lambda waha, to: waha.delete_chat(to, chat=PHONE),
        asks=(("DELETE", f"{ROOT}/chats/{ANA}", None),),
    ),
    "set_presence": Case(
        call=lambda waha, to: waha.set_presence(to, available=False),
        asks=(("POST", f"{ROOT}/presence", {"presence": "offline"}),),
    ),
    "watch_presence": Case(
        call=lambda waha, to: waha.watch_presence(to, contact=PHONE),
        asks=(("POST", f"{ROOT}/presence/{ANA}/subscribe", None),),
    ),
    "reject_call": Case(
        call=lambda waha, to: waha.reject_call(to, call="C1", caller=PHONE),
        asks=(("POST", f"{ROOT}/calls/reject", {"from": ANA, "id": "C1"}),),
    ),
    "list_groups": Case(
        call=lambda waha, to: waha.list_groups(to, limit=10, offset=5),
        asks=(("GET", f"{ROOT}/groups?limit=10&offset=5&sortBy=id&sortOrder=asc", None),),
        replies=(upstream.json({GROUP: GROUP_JSON, "x": {}}),),
        gives=[Group(group=GROUP, subject="Obra", description="d", announce=True, participants=[])],
    ),
    "get_group": Case(
        call=lambda waha, to: waha.get_group(to, group=GROUP),
        asks=(("GET", f"{ROOT}/groups/{GROUP}", None), ("GET", f"{ROOT}/groups/{GROUP}/participants/v2", None)),
        replies=(upstream.json({"subject": "Obra"}), upstream.json(PEOPLE)),
        gives=Group(
            group=GROUP,
            subject="Obra",
            participants=[
                Participant(phone=PHONE, lid=LID, role="owner"),
                Participant(phone="5511999990003", role="admin"),
            ],
        ),
    ),
    "create_group": Case(
        call=lambda waha, to: waha.create_group(to, subject="Obra", participants=[PHONE, LID]),
        asks=(("POST", f"{ROOT}/groups", {"name": "Obra", "participants": [{"id": ANA}, {"id": LID}]}),),
        replies=(upstream.json({"id": GROUP}, status=201),),
        gives=Group(group=GROUP, subject="Obra", participants=[]),
    ),
    "rename_group": Case(
        call=lambda waha, to: waha.rename_group(to, group=GROUP, subject="Novo"),
        asks=(("PUT", f"{ROOT}/groups/{GROUP}/subject", {"subject": "Novo"}),),
        replies=(upstream.json(True),),
    ),
    "describe_group": Case(
        call=lambda waha, to: waha.describe_group(to, group=GROUP, description="d"),
        asks=(("PUT", f"{ROOT}/groups/{GROUP}/description", {"description": "d"}),),
    ),
    "set_group_picture": Case(
        call=lambda waha, to: waha.set_group_picture(to, group=GROUP, picture=PICTURE),
        asks=(("PUT", f"{ROOT}/groups/{GROUP}/picture", {"file": PICTURE_FILE}),),
    ),
    "set_group_picture to none": Case(
        call=lambda waha, to: waha.set_group_picture(to, group=GROUP, picture=None),
        asks=(("DELETE", f"{ROOT}/groups/{GROUP}/picture", None),),
    ),
    "set_group_settings": Case(
        call=lambda waha, to: waha.set_group_settings(to, group=GROUP, announce=True, locked=False),
        asks=(
            ("PUT", f"{ROOT}/groups/{GROUP}/settings/security/messages-admin-only", {"adminsOnly": True}),
            ("PUT", f"{ROOT}/groups/{GROUP}/settings/security/info-admin-only", {"adminsOnly": False}),
        ),
    ),
    "change_participants": Case(
        call=lambda waha, to: waha.change_participants(to, group=GROUP, action="add", participants=[PHONE]),
        asks=(("POST", f"{ROOT}/groups/{GROUP}/participants/add", {"participants": [{"id": ANA}]}),),
        gives=[ParticipantResult(participant=PHONE, done=True)],
    ),
    "change_participants to demote": Case(
        call=lambda waha, to: waha.change_participants(to, group=GROUP, action="demote", participants=[LID]),
        asks=(("POST", f"{ROOT}/groups/{GROUP}/admin/demote", {"participants": [{"id": LID}]}),),
        gives=[ParticipantResult(participant=LID, done=True)],
    ),
    "get_invite": Case(
        call=lambda waha, to: waha.get_invite(to, group=GROUP),
        asks=(("GET", f"{ROOT}/groups/{GROUP}/invite-code", None),),
        replies=(Reply(body=b"AbC123"),),
        gives="https://chat.whatsapp.com/AbC123",
    ),
    "reset_invite": Case(
        call=lambda waha, to: waha.reset_invite(to, group=GROUP),
        asks=(("POST", f"{ROOT}/groups/{GROUP}/invite-code/revoke", None),),
        replies=(upstream.json("https://chat.whatsapp.com/AbC124"),),
        gives="https://chat.whatsapp.com/AbC124",
    ),
    "preview_invite": Case(
        call=lambda waha, to: waha.preview_invite(to, link="AbC123"),
        asks=(("GET", f"{ROOT}/groups/join-info?code=AbC123", None),),
        replies=(upstream.json({"JID": GROUP, "Name": "Obra"}),),
        gives=Group(group=GROUP, subject="Obra", participants=[]),
    ),
    "join_group": Case(
        call=lambda waha, to: waha.join_group(to, link="AbC123"),
        asks=(("POST", f"{ROOT}/groups/join", {"code": "AbC123"}),),
        replies=(upstream.json({"id": GROUP}),),
        gives=GROUP,
    ),
    "leave_group": Case(
        call=lambda waha, to: waha.leave_group(to, group=GROUP),
        asks=(("POST", f"{ROOT}/groups/{GROUP}/leave", None),),
        replies=(Reply(),),
    ),
    "list_channels": Case(
        call=lambda waha, to: waha.list_channels(to),
        asks=(("GET", f"{ROOT}/channels", None),),
        replies=(upstream.json([CHANNEL_JSON, {}]),),
        gives=[A_CHANNEL],
    ),
    "get_channel": Case(
        call=lambda waha, to: waha.get_channel(to, channel=CHANNEL),
        asks=(("GET", f"{ROOT}/channels/{CHANNEL}", None),),
        replies=(upstream.json(CHANNEL_JSON),),
        gives=A_CHANNEL,
    ),
    "get_channel by its link": Case(
        call=lambda waha, to: waha.get_channel(to, channel="https://www.whatsapp.com/channel/abc"),
        asks=(("GET", f"{ROOT}/channels/abc", None),),
        replies=(upstream.json(CHANNEL_JSON),),
        gives=A_CHANNEL,
    ),
    "create_channel": Case(
        call=lambda waha, to: waha.create_channel(to, name="Novidades", description=None, picture=PICTURE),
        asks=(("POST", f"{ROOT}/channels", {"name": "Novidades", "picture": PICTURE_FILE}),),
        replies=(upstream.json(CHANNEL_JSON, status=201),),
        gives=A_CHANNEL,
    ),
    "delete_channel": Case(
        call=lambda waha, to: waha.delete_channel(to, channel=CHANNEL),
        asks=(("DELETE", f"{ROOT}/channels/{CHANNEL}", None),),
    ),
    "follow_channel": Case(
        call=lambda waha, to: waha.follow_channel(to, channel=CHANNEL, following=True),
        asks=(("POST", f"{ROOT}/channels/{CHANNEL}/follow", None),),
    ),
    "follow_channel no longer": Case(
        call=lambda waha, to: waha.follow_channel(to, channel=CHANNEL, following=False),
        asks=(("POST", f"{ROOT}/channels/{CHANNEL}/unfollow", None),),
    ),
    "mute_channel": Case(
        call=lambda waha, to: waha.mute_channel(to, channel=CHANNEL, muted=True),
        asks=(("POST", f"{ROOT}/channels/{CHANNEL}/mute", None),),
    ),
    "mute_channel no longer": Case(
        call=lambda waha, to: waha.mute_channel(to, channel=CHANNEL, muted=False),
        asks=(("POST", f"{ROOT}/channels/{CHANNEL}/unmute", None),),
    ),
    "search_channels": Case(
        call=lambda waha, to: waha.search_channels(to, text="novidades", limit=5),
        asks=(
            (
                "POST",
                f"{ROOT}/channels/search/by-text",
                {"text": "novidades", "categories": [], "limit": 5, "startCursor": ""},
            ),
        ),
        replies=(upstream.json({"page": {}, "channels": [CHANNEL_JSON]}),),
        gives=[A_CHANNEL],
    ),
    "list_labels": Case(
        call=lambda waha, to: waha.list_labels(to),
        asks=(("GET", f"{ROOT}/labels", None),),
        replies=(upstream.json([LABEL_JSON, {}]),),
        gives=[A_LABEL],
    ),
    "create_label": Case(
        call=lambda waha, to: waha.create_label(to, name="Novo", color="1"),
        asks=(("POST", f"{ROOT}/labels", {"name": "Novo", "color": 1}),),
        replies=(upstream.json(LABEL_JSON, status=201),),
        gives=A_LABEL,
    ),
    "update_label": Case(
        call=lambda waha, to: waha.update_label(to, label="3", name="Novo", color="#64c4ff"),
        asks=(("PUT", f"{ROOT}/labels/3", {"name": "Novo", "colorHex": "#64c4ff"}),),
    ),
    "delete_label": Case(
        call=lambda waha, to: waha.delete_label(to, label="3"), asks=(("DELETE", f"{ROOT}/labels/3", None),)
    ),
    "label_chat": Case(
        call=lambda waha, to: waha.label_chat(to, chat=PHONE, label="3", labelled=True),
        asks=(
            ("GET", f"{ROOT}/labels/chats/{ANA}", None),
            ("PUT", f"{ROOT}/labels/chats/{ANA}", {"labels": [{"id": "1"}, {"id": "3"}]}),
        ),
        replies=(upstream.json([{"id": "1"}]), OK),
    ),
    "label_chat no longer": Case(
        call=lambda waha, to: waha.label_chat(to, chat=PHONE, label="1", labelled=False),
        asks=(
            ("GET", f"{ROOT}/labels/chats/{ANA}", None),
            ("PUT", f"{ROOT}/labels/chats/{ANA}", {"labels": []}),
        ),
        replies=(upstream.json([{"id": "1"}]), OK),
    ),
    "label_chat as it is": Case(
        call=lambda waha, to: waha.label_chat(to, chat=PHONE, label="1", labelled=True),
        asks=(("GET", f"{ROOT}/labels/chats/{ANA}", None),),
        replies=(upstream.json([{"id": "1"}]),),
    ),
    "post_story": Case(
        call=lambda waha, to: waha.post_story(to, kind="text", content=contents.TextContent(body="oi")),
        asks=(
            (
                "POST",
                f"{ROOT}/status/text",
                {"text": "oi", "backgroundColor": "#38b42f", "font": 0, "linkPreview": False},
            ),
        ),
        replies=(upstream.json({"id": "true_status@broadcast_3EB0A1"}, status=201),),
        gives="3EB0A1",
        engine="WEBJS",
    ),
    "post_story with a picture, to some": Case(
        call=lambda waha, to: waha.post_story(
            to,
            kind="image",
            content=contents.MediaContent(data="data:image/png;base64,eA==", caption="veja"),
            contacts=[PHONE],
        ),
        asks=(
            (
                "POST",
                f"{ROOT}/status/image",
                {
                    "file": {"mimetype": "image/png", "filename": "image", "data": "eA=="},
                    "caption": "veja",
                    "contacts": [ANA],
                },
            ),
        ),
        replies=(upstream.json({"key": {"id": "3EB0A1"}}, status=201),),
        gives="3EB0A1",
        engine="WPP",
    ),
    "post_story with a voice": Case(
        call=lambda waha, to: waha.post_story(
            to, kind="voice", content=contents.MediaContent(link="https://example.com/a.ogg")
        ),
        asks=(
            (
                "POST",
                f"{ROOT}/status/voice",
                {
                    "file": {"mimetype": "audio/ogg", "url": "https://example.com/a.ogg"},
                    "convert": False,
                    "backgroundColor": "#38b42f",
                },
            ),
        ),
        replies=(upstream.json({"id": "3EB0A1"}, status=201),),
        gives="3EB0A1",
        engine="WEBJS",
    ),
    "delete_story": Case(
        call=lambda waha, to: waha.delete_story(to, story="3EB0A1"),
        asks=(("POST", f"{ROOT}/status/delete", {"id": "3EB0A1"}),),
    ),
    "get_profile": Case(
        call=lambda waha, to: waha.get_profile(to),
        asks=(("GET", f"{ROOT}/profile", None),),
        replies=(upstream.json({"id": "5511999990001@c.us", "name": "Bruno", "picture": None}),),
        gives=Person(phone="5511999990001", name="Bruno"),
    ),
    "set_profile_name": Case(
        call=lambda waha, to: waha.set_profile_name(to, name="Bruno"),
        asks=(("PUT", f"{ROOT}/profile/name", {"name": "Bruno"}),),
    ),
    "set_profile_about": Case(
        call=lambda waha, to: waha.set_profile_about(to, about="oi"),
        asks=(("PUT", f"{ROOT}/profile/status", {"status": "oi"}),),
    ),
    "set_profile_picture": Case(
        call=lambda waha, to: waha.set_profile_picture(to, picture=PICTURE),
        asks=(("PUT", f"{ROOT}/profile/picture", {"file": PICTURE_FILE}),),
    ),
    "set_profile_picture to none": Case(
        call=lambda waha, to: waha.set_profile_picture(to, picture=None),
        asks=(("DELETE", f"{ROOT}/profile/picture", None),),
    ),
}


def asked(server: Upstream) -> tuple[Asked, ...]:
    return tuple((one.method, one.path, msgspec.json.decode(one.body) if one.body else None) for one in server.requests)


@pytest.mark.parametrize("name", CASES)
async def test_operation(name: str, waha: Waha) -> None:
    case = CASES[name]
    async with Upstream(case.replies) as server:
        given = await case.call(waha, connect(server.url, case.engine))
        assert asked(server) == case.asks
    assert given == case.gives


def test_every_operation_is_tested(waha: Waha) -> None:
    assert {name.split()[0] for name in CASES} == operations(waha)
    assert operations(waha) <= set(OPERATIONS)


@pytest.mark.parametrize("name", CASES)
async def test_a_failing_server_is_a_failed_call(name: str, waha: Waha) -> None:
    async with Upstream([nest(500, "no")]) as server:
        with pytest.raises(CallFailed, match="no"):
            await CASES[name].call(waha, connect(server.url, CASES[name].engine))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.gives is not None
        and name.split()[0]
        not in (
            "get_contact",
            "change_participants",
            "get_picture",
            "search_channels",
            "post_story",
            "get_group",
        )
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_failed_call(name: str, waha: Waha) -> None:
    async with Upstream(
        [Reply(body=b'{"odd": [1]}') if not name.startswith("list_groups") else Reply(body=b"7")]
    ) as server:
        with pytest.raises(CallFailed):
            await CASES[name].call(waha, connect(server.url))


@pytest.mark.parametrize("reply", [upstream.json(False), upstream.json({"success": False})], ids=["false", "object"])
async def test_a_change_that_waha_denies(reply: Reply, waha: Waha) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as failed:
            await waha.rename_group(connect(server.url), group=GROUP, subject="x")
    assert (failed.value.code, failed.value.retryable) == ("refused", False)


async def test_settings_that_waha_does_not_have(waha: Waha) -> None:
    with pytest.raises(CallFailed) as failed:
        await waha.set_group_settings(connect("http://127.0.0.1:9"), group=GROUP, approval=True)
    assert failed.value.code == "unsupported_by_provider"


async def test_a_story_without_an_id_cannot_be_told_of(waha: Waha) -> None:
    async with Upstream([Reply(status=201)]) as server:
        with pytest.raises(CallFailed, match="names no id"):
            await waha.post_story(connect(server.url), kind="text", content=contents.TextContent(body="oi"))
    assert "id" not in msgspec.json.decode(server.requests[0].body)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("sticker", contents.MediaContent(link="https://example.com/a.webp")),
        ("image", contents.MediaContent()),
        ("image", contents.MediaContent(data="data:image/png;base64,???")),
    ],
)
async def test_stories_that_cannot_be_posted(kind: str, content: Any, waha: Waha) -> None:
    with pytest.raises(CallFailed) as failed:
        await waha.post_story(connect("http://127.0.0.1:9"), kind=kind, content=content)
    assert not failed.value.retryable


#: The same group as the engines write it.
ENGINES: dict[str, Any] = {
    "GOWS": {
        "JID": GROUP,
        "OwnerJID": "5511999990002@s.whatsapp.net",
        "Name": "Obra",
        "Topic": "d",
        "GroupCreated": "2026-01-16T16:23:11Z",
        "IsLocked": True,
        "IsAnnounce": False,
        "Participants": [
            {"JID": LID, "PhoneNumber": "5511999990002@s.whatsapp.net", "IsAdmin": True, "IsSuperAdmin": True}
        ],
    },
    "NOWEB": {
        "id": GROUP,
        "subject": "Obra",
        "desc": "d",
        "owner": "5511999990002@s.whatsapp.net",
        "creation": 1_768_580_591,
        "restrict": True,
        "announce": False,
        "participants": [{"id": LID, "phoneNumber": "5511999990002@s.whatsapp.net", "admin": "superadmin"}],
    },
    "WEBJS": {
        "id": {"server": "g.us", "_serialized": GROUP},
        "name": "Obra",
        "groupMetadata": {
            "id": {"_serialized": GROUP},
            "subject": "Obra",
            "desc": "d",
            "owner": {"_serialized": ANA},
            "creation": 1_768_580_591,
            "restrict": True,
            "announce": False,
            "participants": [
                {"id": {"_serialized": LID}, "lid": LID, "pn": ANA, "isAdmin": True, "isSuperAdmin": True}
            ],
        },
    },
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_group_of_any_engine(engine: str) -> None:
    assert read_group(ENGINES[engine]) == Group(
        group=GROUP,
        subject="Obra",
        description="d",
        owner=PHONE,
        created_at=datetime(2026, 1, 16, 16, 23, 11, tzinfo=UTC),
        announce=False,
        locked=True,
        participants=[Participant(phone=PHONE, lid=LID, role="owner")],
    )
