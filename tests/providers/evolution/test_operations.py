"""The optional areas: one table of calls, their requests, and what the answers become."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain import operations as areas
from recado.domain.content import LocationContent, MediaContent, TextContent
from recado.domain.operations import Checked, Group, Label, Participant, ParticipantResult, Person, Picture, Unsupported
from recado.domain.provider import CallFailed, Connection
from recado.providers.evolution.adapter import Evolution
from recado.testing import upstream
from recado.testing.upstream import Upstream
from tests.providers.evolution.rows import API_KEY, INSTANCE, cloud, connect

ANA = "5511999990002"
JID = f"{ANA}@s.whatsapp.net"
LID = "900000000000002@lid"
GROUP = "120363000000000001@g.us"
INVITE = "F1EX5QZxO181L3TMVP31gY"
DONE = {"update": "success"}
OWN = [
    {
        "id": "188c",
        "name": INSTANCE,
        "connectionStatus": "open",
        "ownerJid": "5511999990001@s.whatsapp.net",
        "profileName": "Padaria",
        "token": "never-shown",
    }
]
PROFILE = {
    "wuid": JID,
    "name": "Ana",
    "picture": "https://p.test/a.jpg",
    "status": {"status": "oi"},
    "isBusiness": True,
}
METADATA = {
    "id": GROUP,
    "subject": "Pães",
    "desc": "todo dia",
    "owner": LID,
    "ownerJid": JID,
    "creation": 1_749_766_101,
    "pictureUrl": None,
    "announce": True,
    "restrict": False,
    "size": 2,
    "participants": [
        {"id": LID, "phoneNumber": JID, "admin": "superadmin"},
        {"id": "900000000000003@lid", "admin": None},
    ],
}
READ_GROUP = Group(
    group=GROUP,
    subject="Pães",
    description="todo dia",
    owner=ANA,
    created_at=datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC),
    announce=True,
    locked=False,
    participants=[Participant(phone=ANA, lid=LID, role="owner"), Participant(lid="900000000000003@lid")],
    extra={"size": 2},
)
PRIVACY = {
    "readreceipts": "all",
    "profile": "contacts",
    "status": "contact_blacklist",
    "online": "all",
    "last": "none",
    "groupadd": "contacts",
}
LAST = {"messages": {"total": 1, "records": [{"key": {"id": "3A01", "remoteJid": JID, "fromMe": False}}]}}
PRODUCT = {"id": "77", "name": "Pão", "price": 1500, "currency": "BRL", "imageUrls": {"original": "https://i.test/a"}}
READ_PRODUCT = areas.Product(product="77", name="Pão", price=1500, currency="BRL", images=["https://i.test/a"])

Asked = tuple[str, str, Any]
Doing = Callable[[Evolution, Connection], Awaitable[Any]]


class Case(msgspec.Struct, frozen=True):
    """An operation, the answers it gets, the requests it makes (method, path after the host, JSON), what it returns."""

    name: str
    do: Doing
    answers: Sequence[Any]
    asked: Sequence[Asked]
    returned: Any = None

    def __str__(self) -> str:
        return self.name


def at(route: str, query: str = "") -> str:
    return f"/{route}/{INSTANCE}{query}"


def of(group: str = GROUP) -> str:
    return f"?groupJid={group}"


MESSAGE_KEY = {"id": "3A01", "fromMe": False, "remoteJid": JID}

CASES: tuple[Case, ...] = (
    Case(
        "list_contacts",
        lambda e, c: e.list_contacts(c, limit=1, offset=1),
        [
            [
                {"remoteJid": GROUP},
                {"remoteJid": LID, "pushName": "x"},
                {"remoteJid": JID, "pushName": "Ana", "profilePicUrl": "u"},
            ]
        ],
        [("POST", at("chat/findContacts"), {"where": {}})],
        [Person(phone=ANA, push_name="Ana", picture="u")],
    ),
    Case(
        "get_contact",
        lambda e, c: e.get_contact(c, contact=ANA),
        [PROFILE],
        [("POST", at("chat/fetchProfile"), {"number": ANA})],
        Person(phone=ANA, name="Ana", business=True, picture="https://p.test/a.jpg", about="oi"),
    ),
    Case(
        "check_numbers",
        lambda e, c: e.check_numbers(c, phones=["+5511999990002", "551199", "5511999990002"]),
        [
            [
                {"jid": "551199990002@s.whatsapp.net", "exists": True, "number": ANA},
                {"jid": "551199@s.whatsapp.net", "exists": False, "number": "551199"},
            ]
        ],
        [("POST", at("chat/whatsappNumbers"), {"numbers": [ANA, "551199"]})],
        [
            Checked(phone="+5511999990002", exists=True, canonical="551199990002"),
            Checked(phone="551199", exists=False),
            Checked(phone=ANA, exists=True, canonical="551199990002"),
        ],
    ),
    Case(
        "get_picture",
        lambda e, c: e.get_picture(c, contact=GROUP),
        [{"wuid": GROUP, "profilePictureUrl": "https://p.test/a.jpg"}],
        [("POST", at("chat/fetchProfilePictureUrl"), {"number": GROUP})],
        "https://p.test/a.jpg",
    ),
    Case(
        "block_contact",
        lambda e, c: e.block_contact(c, contact=ANA),
        [{"block": "success"}],
        [("POST", at("chat/updateBlockStatus"), {"number": ANA, "status": "block"})],
    ),
    Case(
        "unblock_contact",
        lambda e, c: e.unblock_contact(c, contact=LID),
        [{"block": "success"}],
        [("POST", at("chat/updateBlockStatus"), {"number": LID, "status": "unblock"})],
    ),
    Case(
        "list_chats",
        lambda e, c: e.list_chats(c, limit=5, offset=10),
        [
            [
                {
                    "remoteJid": JID,
                    "pushName": "Ana",
                    "unreadCount": 2,
                    "lastMessage": {"messageTimestamp": 1_749_766_101},
                },
                {"remoteJid": GROUP, "updatedAt": "2025-06-12T22:08:21.000Z"},
                {"remoteJid": None},
            ]
        ],
        [("POST", at("chat/findChats"), {"where": {}, "take": 5, "skip": 10})],
        [
            areas.Chat(chat=ANA, name="Ana", unread=2, last_message_at=datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC)),
            areas.Chat(chat=GROUP, last_message_at=datetime(2025, 6, 12, 22, 8, 21, tzinfo=UTC)),
        ],
    ),
    Case(
        "get_chat",
        lambda e, c: e.get_chat(c, chat=ANA),
        [[{"remoteJid": JID}]],
        [("POST", at("chat/findChats"), {"where": {"remoteJid": JID}})],
        areas.Chat(chat=ANA),
    ),
    Case(
        "archive_chat",
        lambda e, c: e.archive_chat(c, chat=ANA, archived=True),
        [{"chatId": JID, "archived": True}],
        [("POST", at("chat/archiveChat"), {"chat": JID, "archive": True})],
    ),
    Case(
        "mark_chat",
        lambda e, c: e.mark_chat(c, chat=ANA, read=False),
        [LAST, {"markedChatUnread": True}],
        [
            ("POST", at("chat/findMessages"), {"where": {"key": {"remoteJid": JID}}, "page": 1, "offset": 1}),
            ("POST", at("chat/markChatUnread"), {"chat": JID, "lastMessage": {"key": MESSAGE_KEY}}),
        ],
    ),
    Case(
        "mark_chat",
        lambda e, c: e.mark_chat(c, chat=ANA, read=True),
        [LAST, {"read": "success"}],
        [
            ("POST", at("chat/findMessages"), {"where": {"key": {"remoteJid": JID}}, "page": 1, "offset": 1}),
            ("POST", at("chat/markMessageAsRead"), {"readMessages": [MESSAGE_KEY]}),
        ],
    ),
    Case(
        "expire_chat",
        lambda e, c: e.expire_chat(c, chat=GROUP, seconds=86_400),
        [{"success": True}],
        [("POST", at("group/toggleEphemeral", of()), {"expiration": 86_400})],
    ),
    Case(
        "set_presence",
        lambda e, c: e.set_presence(c, available=False),
        [{"presence": "unavailable"}],
        [("POST", at("instance/setPresence"), {"presence": "unavailable"})],
    ),
    Case(
        "list_labels",
        lambda e, c: e.list_labels(c),
        [[{"id": "3", "name": "VIP", "color": "5", "predefinedId": None}]],
        [("GET", at("label/findLabels"), None)],
        [Label(label="3", name="VIP", color="5")],
    ),
    Case(
        "label_chat",
        lambda e, c: e.label_chat(c, chat=ANA, label="3", labelled=False),
        [{"remove": True}],
        [("POST", at("label/handleLabel"), {"number": ANA, "labelId": "3", "action": "remove"})],
    ),
    Case(
        "list_products",
        lambda e, c: e.list_products(c, contact=ANA, limit=20),
        [{"catalog": [PRODUCT]}],
        [("POST", at("business/getCatalog"), {"limit": 20, "number": ANA})],
        [READ_PRODUCT],
    ),
    Case(
        "list_collections",
        lambda e, c: e.list_collections(c, contact=None),
        [{"collections": [{"id": "9", "name": "Doces", "products": [PRODUCT]}]}],
        [("POST", at("business/getCollections"), {"limit": 20})],
        [areas.Collection(collection="9", name="Doces", products=[READ_PRODUCT])],
    ),
    Case(
        "get_privacy",
        lambda e, c: e.get_privacy(c),
        [PRIVACY],
        [("GET", at("chat/fetchPrivacySettings"), None)],
        {
            "last_seen": "none",
            "online": "all",
            "picture": "contacts",
            "about": "contacts_except",
            "read_receipts": "all",
            "groups": "contacts",
        },
    ),
    Case(
        "set_privacy",
        lambda e, c: e.set_privacy(c, settings={"groups": "contacts_except"}),
        [PRIVACY, DONE],
        [
            ("GET", at("chat/fetchPrivacySettings"), None),
            ("POST", at("chat/updatePrivacySettings"), PRIVACY | {"groupadd": "contact_blacklist"}),
        ],
    ),
    Case(
        "post_story",
        lambda e, c: e.post_story(c, kind="text", content=TextContent(body="bom dia")),
        [{"key": {"id": "3EB0"}}],
        [
            (
                "POST",
                at("message/sendStatus"),
                {"type": "text", "content": "bom dia", "backgroundColor": "#008069", "font": 1, "allContacts": True},
            )
        ],
        "3EB0",
    ),
    Case(
        "post_story",
        lambda e, c: e.post_story(
            c, kind="image", content=MediaContent(link="https://x.test/a.png", caption="hoje"), contacts=[ANA]
        ),
        [{"key": {"id": "3EB0"}}],
        [
            (
                "POST",
                at("message/sendStatus"),
                {
                    "type": "image",
                    "content": "https://x.test/a.png",
                    "caption": "hoje",
                    "allContacts": False,
                    "statusJidList": [JID],
                },
            )
        ],
        "3EB0",
    ),
    Case(
        "post_story",
        lambda e, c: e.post_story(
            c, kind="voice", content=MediaContent(data="data:audio/ogg;base64,T2dn"), contacts=[ANA]
        ),
        [{"key": {"id": "3EB0"}}],
        [
            (
                "POST",
                at("message/sendStatus"),
                {"type": "audio", "content": "T2dn", "allContacts": False, "statusJidList": [JID]},
            )
        ],
        "3EB0",
    ),
    Case(
        "get_profile",
        lambda e, c: e.get_profile(c),
        [OWN, PROFILE | {"wuid": "5511999990001@s.whatsapp.net", "name": "Padaria"}],
        [
            ("GET", f"/instance/fetchInstances?instanceName={INSTANCE}", None),
            ("POST", at("chat/fetchProfile"), {"number": "5511999990001"}),
        ],
        Person(phone="5511999990001", name="Padaria", business=True, picture="https://p.test/a.jpg", about="oi"),
    ),
    Case(
        "set_profile_name",
        lambda e, c: e.set_profile_name(c, name="Padaria"),
        [DONE],
        [("POST", at("chat/updateProfileName"), {"name": "Padaria"})],
    ),
    Case(
        "set_profile_about",
        lambda e, c: e.set_profile_about(c, about="aberta"),
        [DONE],
        [("POST", at("chat/updateProfileStatus"), {"status": "aberta"})],
    ),
    Case(
        "set_profile_picture",
        lambda e, c: e.set_profile_picture(c, picture=Picture(data=b"Ogg")),
        [DONE],
        [("POST", at("chat/updateProfilePicture"), {"picture": "T2dn"})],
    ),
    Case(
        "set_profile_picture",
        lambda e, c: e.set_profile_picture(c, picture=None),
        [DONE],
        [("DELETE", at("chat/removeProfilePicture"), None)],
    ),
    Case(
        "get_business_profile",
        lambda e, c: e.get_business_profile(c, contact=ANA),
        [{"isBusiness": True, "description": "pães"}],
        [("POST", at("chat/fetchBusinessProfile"), {"number": ANA})],
        {"isBusiness": True, "description": "pães"},
    ),
    Case(
        "list_groups",
        lambda e, c: e.list_groups(c, limit=5, offset=1),
        [[{"id": "1@g.us"}, METADATA | {"participants": None}]],
        [("GET", at("group/fetchAllGroups", "?getParticipants=false"), None)],
        [msgspec.structs.replace(READ_GROUP, participants=[])],
    ),
    Case(
        "get_group",
        lambda e, c: e.get_group(c, group=GROUP),
        [METADATA],
        [("GET", at("group/findGroupInfos", of()), None)],
        READ_GROUP,
    ),
    Case(
        "create_group",
        lambda e, c: e.create_group(c, subject="Pães", participants=[ANA, LID]),
        [METADATA],
        [("POST", at("group/create"), {"subject": "Pães", "participants": [ANA, LID]})],
        READ_GROUP,
    ),
    Case(
        "rename_group",
        lambda e, c: e.rename_group(c, group=GROUP, subject="Novo"),
        [DONE],
        [("POST", at("group/updateGroupSubject", of()), {"subject": "Novo"})],
    ),
    Case(
        "describe_group",
        lambda e, c: e.describe_group(c, group=GROUP, description="d"),
        [DONE],
        [("POST", at("group/updateGroupDescription", of()), {"description": "d"})],
    ),
    Case(
        "set_group_picture",
        lambda e, c: e.set_group_picture(c, group=GROUP, picture=Picture(data=b"Ogg")),
        [DONE],
        [("POST", at("group/updateGroupPicture", of()), {"image": "T2dn"})],
    ),
    Case(
        "set_group_settings",
        lambda e, c: e.set_group_settings(c, group=GROUP, announce=True, locked=False),
        [{}, {}],
        [
            ("POST", at("group/updateSetting", of()), {"action": "announcement"}),
            ("POST", at("group/updateSetting", of()), {"action": "unlocked"}),
        ],
    ),
    Case(
        "change_participants",
        lambda e, c: e.change_participants(c, group=GROUP, action="add", participants=[ANA, LID]),
        [{"updateParticipants": [{"status": "200", "jid": JID}, {"status": "403", "jid": LID}]}],
        [("POST", at("group/updateParticipant", of()), {"action": "add", "participants": [ANA, LID]})],
        [ParticipantResult(participant=ANA, done=True), ParticipantResult(participant=LID, done=False, code="403")],
    ),
    Case(
        "change_participants",
        lambda e, c: e.change_participants(c, group=GROUP, action="promote", participants=[ANA]),
        [{"updateParticipants": [{"status": "404", "jid": LID}]}],
        [("POST", at("group/updateParticipant", of()), {"action": "promote", "participants": [ANA]})],
        [ParticipantResult(participant=ANA, done=False, code="404")],
    ),
    Case(
        "get_invite",
        lambda e, c: e.get_invite(c, group=GROUP),
        [{"inviteUrl": f"https://chat.whatsapp.com/{INVITE}", "inviteCode": INVITE}],
        [("GET", at("group/inviteCode", of()), None)],
        f"https://chat.whatsapp.com/{INVITE}",
    ),
    Case(
        "reset_invite",
        lambda e, c: e.reset_invite(c, group=GROUP),
        [{"revoked": True, "inviteCode": INVITE}],
        [("POST", at("group/revokeInviteCode", of()), None)],
        f"https://chat.whatsapp.com/{INVITE}",
    ),
    Case(
        "preview_invite",
        lambda e, c: e.preview_invite(c, link=f"https://chat.whatsapp.com/{INVITE}?mode=x"),
        [METADATA],
        [("GET", at("group/inviteInfo", f"?inviteCode={INVITE}"), None)],
        READ_GROUP,
    ),
    Case(
        "join_group",
        lambda e, c: e.join_group(c, link=INVITE),
        [{"accepted": True, "groupJid": GROUP}],
        [("GET", at("group/acceptInviteCode", f"?inviteCode={INVITE}"), None)],
        GROUP,
    ),
    Case(
        "leave_group",
        lambda e, c: e.leave_group(c, group=GROUP),
        [{"leave": True}],
        [("DELETE", at("group/leaveGroup", of()), None)],
    ),
)


IDS = [f"{case.name}-{place}" for place, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_table(case: Case, evolution: Evolution) -> None:
    async with Upstream([upstream.json(answer) for answer in case.answers]) as server:
        assert await case.do(evolution, connect(server.url)) == case.returned
    seen = [
        (request.method, request.path, msgspec.json.decode(request.body) if request.body else None)
        for request in server.requests
    ]
    assert seen == list(case.asked)


def test_the_table_has_every_operation(evolution: Evolution) -> None:
    assert {case.name for case in CASES} == areas.operations(evolution)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_a_failure_is_one_of_the_call(case: Case, evolution: Evolution) -> None:
    not_there = {"status": 400, "error": "Bad Request", "response": {"message": ["Method not available on X"]}}
    async with Upstream([upstream.json(not_there, status=400)]) as server:
        with pytest.raises(CallFailed) as caught:
            await case.do(evolution, cloud(server.url))
    assert (caught.value.code, caught.value.retryable) == ("unsupported_by_provider", False)


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_an_answer_of_another_shape_is_a_failure_or_nothing(case: Case, evolution: Evolution) -> None:
    async with Upstream([upstream.json([17])]) as server:
        try:
            returned = await case.do(evolution, connect(server.url))
        except CallFailed:
            return
    assert returned != case.returned or returned is None


ABSENT: tuple[Doing, ...] = (
    lambda e, c: e.expire_chat(c, chat=ANA, seconds=0),
    lambda e, c: e.set_privacy(c, settings={"calls": "all"}),
    lambda e, c: e.set_group_picture(c, group=GROUP, picture=None),
    lambda e, c: e.set_group_settings(c, group=GROUP, approval=True),
    lambda e, c: e.post_story(c, kind="location", content=LocationContent(latitude=0, longitude=0)),
    lambda e, c: e.reject_call(c, call="C1", caller=ANA),
)


@pytest.mark.parametrize("do", ABSENT, ids=[str(place) for place in range(len(ABSENT))])
async def test_what_the_server_does_not_have(do: Doing, evolution: Evolution) -> None:
    with pytest.raises(Unsupported):
        await do(evolution, connect("http://127.0.0.1:9"))


async def test_what_makes_no_sense_is_not_asked(evolution: Evolution) -> None:
    connection = connect("http://127.0.0.1:9")
    with pytest.raises(CallFailed, match="no invitation link"):
        await evolution.join_group(connection, link="https://example.com/x")
    with pytest.raises(CallFailed, match="somebody to see"):
        await evolution.post_story(connection, kind="text", content=TextContent(body="a"), contacts=[])


async def test_account_info_keeps_the_key(evolution: Evolution) -> None:
    integrated = [OWN[0] | {"Chatwoot": {"token": "t0p"}, "Proxy": {"password": "t0p"}, "_count": {"Chat": 2}}]
    async with Upstream([upstream.json(integrated)]) as server:
        info = await evolution.account_info(connect(server.url))
    assert info["profileName"] == "Padaria"
    assert info["_count"] == {"Chat": 2}
    assert "token" not in info
    assert "t0p" not in repr(info)
    assert server.requests[0].headers["apikey"] == API_KEY
    before = [{"instance": {"instanceName": INSTANCE, "owner": "5511999990001@s.whatsapp.net", "apikey": "x"}}]
    async with Upstream([upstream.json(before)]) as server:
        assert await evolution.account_info(connect(server.url)) == {
            "instanceName": INSTANCE,
            "owner": "5511999990001@s.whatsapp.net",
        }
    answers: tuple[Any, ...] = ([], {}, [{"name": "another"}])
    for answer in answers:
        async with Upstream([upstream.json(answer)]) as server:
            with pytest.raises(CallFailed, match="lists no such instance"):
                await evolution.account_info(connect(server.url))
