"""Every operation through the adapter and neonize's client, with the library's answers as it gives them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from recado.domain import content as contents
from recado.domain.events import MediaRef
from recado.domain.operations import (
    Channel,
    Checked,
    Community,
    Group,
    Participant,
    ParticipantResult,
    Person,
    Picture,
    operations,
)
from recado.domain.provider import CallFailed
from recado.providers.native.adapter import Native
from tests.native.conftest import PHONE

if TYPE_CHECKING:
    from tests.native.direct import Direct
    from tests.native.go import Go

GROUP, CHANNEL, COMMUNITY = "1203@g.us", "555@newsletter", "1204@g.us"
JPEG = Picture(data=b"\xff\xd8\xff\xe0jpeg")


@pytest.fixture
def number(go: "Go") -> Iterator["Direct"]:
    from tests.native.direct import Direct, started

    device = started([])
    yield Direct(device)
    device.close()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`function` of the library is called; among what it is given is `given`, and it answers with `answer`."""

    operation: str
    asked: dict[str, Any] = {}
    function: str
    answer: Callable[[], Any] | None = None
    given: tuple[Any, ...] = ()
    result: Any = None

    def __str__(self) -> str:
        return self.operation


def _group_info(jid_: str = "1203", subject: str = "Equipe", parent: bool = False) -> Any:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.go import jid

    person = proto.GroupParticipant(
        JID=jid(PHONE), LID=jid("77", "lid"), IsAdmin=True, IsSuperAdmin=True, DisplayName="Ana"
    )
    return proto.GroupInfo(
        JID=jid(jid_, "g.us"),
        OwnerJID=jid("77", "lid"),
        OwnerPN=jid(PHONE),
        GroupName=proto.GroupName(Name=subject),
        GroupTopic=proto.GroupTopic(Topic="Avisos"),
        GroupCreated=0,
        GroupAnnounce=proto.GroupAnnounce(IsAnnounce=True),
        GroupParent=proto.GroupParent(IsParent=parent),
        Participants=[person],
    )


def _group_answer() -> Any:
    from neonize.proto import Neonize_pb2 as proto

    return proto.GetGroupInfoReturnFunction(GroupInfo=_group_info())


def _community_answer() -> Any:
    from neonize.proto import Neonize_pb2 as proto

    return proto.GetGroupInfoReturnFunction(GroupInfo=_group_info("1204", "Bairro", parent=True))


def _groups_answer() -> Any:
    from neonize.proto import Neonize_pb2 as proto

    return proto.GetJoinedGroupsReturnFunction(Group=[_group_info(), _group_info("1204", "Bairro", parent=True)])


def _channel_info() -> Any:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.go import jid

    thread = proto.NewsletterThreadMetadata(
        InviteCode="CODE",
        Name=proto.NewsletterText(Text="Ofertas"),
        Description=proto.NewsletterText(Text="Todo dia"),
        SubscriberCount=7,
        VerificationState=proto.NewsletterThreadMetadata.UNVERIFIED,
        CreationTime=1_695_643_504,
    )
    state = proto.WrappedNewsletterState(Type=proto.WrappedNewsletterState.SUSPENDED)
    return proto.NewsletterMetadata(ID=jid("555", "newsletter"), ThreadMeta=thread, State=state)


def _channel_answer() -> Any:
    from neonize.proto import Neonize_pb2 as proto

    return proto.CreateNewsLetterReturnFunction(NewsletterMetadata=_channel_info())


def _proto(name: str, **fields: Any) -> Callable[[], Any]:
    def make() -> Any:
        from neonize.proto import Neonize_pb2 as proto

        return getattr(proto, name)(**{field: value() if callable(value) else value for field, value in fields.items()})

    return make


def _jid(user: str, server: str = "s.whatsapp.net") -> Callable[[], Any]:
    def make() -> Any:
        from tests.native.go import jid

        return jid(user, server)

    return make


def _several(*make: Callable[[], Any]) -> Callable[[], list[Any]]:
    return lambda: [one() for one in make]


#: What comes back is not empty even where nothing went wrong.
_PRIVACY_CHANGED = _proto(
    "SetPrivacySettingReturnFunction", settings=_proto("PrivacySettings", Status=4, LastSeen=2, Online=1)
)
_ANA = Participant(phone=PHONE, lid="77@lid", name="Ana", role="owner")
_GROUP = Group(
    group=GROUP,
    subject="Equipe",
    description="Avisos",
    owner=PHONE,
    announce=True,
    locked=False,
    participants=[_ANA],
)
_COMMUNITY = Community(community=COMMUNITY, name="Bairro", description="Avisos")
_WITH_GROUPS = msgspec.structs.replace(_COMMUNITY, groups=[])
_CHANNEL = Channel(
    channel=CHANNEL,
    name="Ofertas",
    description="Todo dia",
    followers=7,
    verified=False,
    invite_link="https://whatsapp.com/channel/CODE",
    extra={"creation_time": 1_695_643_504, "state": "suspended"},
)
_INFO = _proto("GetUserInfoSingleReturnFunction", JID=_jid(PHONE), UserInfo=_proto("UserInfo", Status="Aberto"))
_PICTURE = _proto("SetGroupPhotoReturnFunction", PictureID="1")
_CHAT = {"chat": PHONE}
_OF_GROUP = {"group": GROUP}

ROWS = (
    Row(operation="mark_read", asked={**_CHAT, "provider_id": "ABC"}, function="MarkRead"),
    Row(operation="show_typing", asked={**_CHAT, "last_received": None}, function="SendChatPresence"),
    Row(operation="expire_chat", asked={**_CHAT, "seconds": 86_400}, function="SetDisappearingTimer",
        given=(86_400_000_000_000,)),
    Row(operation="expire_new_chats", asked={"seconds": 604_800}, function="SetDefaultDisappearingTimer",
        given=(604_800_000_000_000,)),
    Row(operation="set_presence", asked={"available": False}, function="SendPresence"),
    Row(operation="watch_presence", asked={"contact": PHONE}, function="SubscribePresence"),
    Row(operation="reject_call", asked={"call": "C1", "caller": PHONE}, function="RejectCall", given=(b"C1",)),
    Row(
        operation="list_contacts", asked={"limit": 10, "offset": 0}, function="GetAllContacts",
        answer=_proto("ContactsGetAllContactsReturnFunction", Contact=_several(_proto(
            "Contact", JID=_jid(PHONE), Info=_proto("ContactInfo", FullName="Ana Lima", PushName="Ana"),
        ))),
        result=[Person(phone=PHONE, name="Ana Lima", push_name="Ana")],
    ),
    Row(
        operation="get_contact", asked={"contact": PHONE}, function="GetContact",
        answer=_proto("ContactsGetContactReturnFunction", ContactInfo=_proto("ContactInfo", PushName="Ana")),
        result=Person(phone=PHONE, push_name="Ana"),
    ),
    Row(
        operation="check_numbers", asked={"phones": [f"+{PHONE}", "5511000000000"]}, function="IsOnWhatsApp",
        answer=_proto("IsOnWhatsAppReturnFunction", IsOnWhatsAppResponse=_several(
            _proto("IsOnWhatsAppResponse", Query=f"+{PHONE}", JID=_jid("551188887777"), IsIn=True),
        )),
        result=[
            Checked(phone=PHONE, exists=True, canonical="551188887777"), Checked(phone="5511000000000", exists=False),
        ],
    ),
    Row(
        operation="get_picture", asked={"contact": PHONE}, function="GetProfilePicture",
        answer=_proto("GetProfilePictureReturnFunction", Picture=_proto("ProfilePictureInfo", URL="https://pps.test/a")),
        result="https://pps.test/a",
    ),
    Row(
        operation="list_blocked", function="GetBlocklist",
        answer=_proto("GetBlocklistReturnFunction", Blocklist=_proto(
            "Blocklist", JIDs=_several(_jid(PHONE), _jid("77", "lid")),
        )),
        result=[PHONE, "77@lid"],
    ),
    Row(operation="block_contact", asked={"contact": PHONE}, function="UpdateBlocklist",
        answer=_proto("GetBlocklistReturnFunction"), given=(b"block",)),
    Row(operation="unblock_contact", asked={"contact": PHONE}, function="UpdateBlocklist",
        answer=_proto("GetBlocklistReturnFunction"), given=(b"unblock",)),
    Row(
        operation="get_profile", function="GetUserInfo",
        answer=_proto("GetUserInfoReturnFunction", UsersInfo=_several(_INFO)),
        result=Person(phone="5511900000001", lid="77001@lid", push_name="Padaria", about="Aberto"),
    ),
    Row(operation="set_profile_name", asked={"name": "Padaria"}, function="SetPushName", given=(b"Padaria",)),
    Row(operation="set_profile_about", asked={"about": "Aberto"}, function="SetStatusMessage", given=(b"Aberto",)),
    Row(operation="set_profile_picture", asked={"picture": JPEG}, function="SetProfilePhoto", answer=_PICTURE,
        given=(JPEG.data,)),
    Row(
        operation="get_privacy", function="GetPrivacySettings",
        answer=_proto("PrivacySettings", GroupAdd=2, LastSeen=4, Status=3, Profile=2, ReadReceipts=7, CallAdd=6,
                      Online=1),
        result={
            "last_seen": "contacts_except", "picture": "all", "about": "contacts", "read_receipts": "none", "groups": "all",
            "calls": "known",
        },
    ),
    Row(operation="set_privacy", asked={"settings": {"about": "contacts_except"}}, function="SetPrivacySetting",
        given=(b"status", b"contact_blacklist"), answer=_PRIVACY_CHANGED),
    Row(operation="list_groups", asked={"limit": 10, "offset": 0}, function="GetJoinedGroups", answer=_groups_answer,
        result=[_GROUP]),
    Row(operation="get_group", asked=_OF_GROUP, function="GetGroupInfo", answer=_group_answer, result=_GROUP),
    Row(operation="create_group", asked={"subject": "Equipe", "participants": [PHONE]}, function="CreateGroup",
        answer=_group_answer, result=_GROUP),
    Row(operation="rename_group", asked={**_OF_GROUP, "subject": "Nova"}, function="SetGroupName", given=(b"Nova",)),
    Row(operation="describe_group", asked={**_OF_GROUP, "description": "Regras"}, function="SetGroupTopic",
        given=(b"Regras",)),
    Row(operation="set_group_picture", asked={**_OF_GROUP, "picture": JPEG}, function="SetGroupPhoto", answer=_PICTURE,
        given=(JPEG.data,)),
    Row(operation="set_group_settings", asked={**_OF_GROUP, "locked": True}, function="SetGroupLocked", given=(True,)),
    Row(
        operation="change_participants", asked={**_OF_GROUP, "action": "add", "participants": [PHONE]},
        function="UpdateGroupParticipants", given=(b"add",),
        answer=_proto("UpdateGroupParticipantsReturnFunction", participants=_several(
            _proto("GroupParticipant", JID=_jid(PHONE), Error=403),
        )),
        result=[ParticipantResult(participant=PHONE, done=False, code="403")],
    ),
    Row(
        operation="list_join_requests", asked=_OF_GROUP, function="GetGroupRequestParticipants",
        answer=_proto("GetGroupRequestParticipantsReturnFunction"), result=[],
    ),
    Row(operation="get_invite", asked=_OF_GROUP, function="GetGroupInviteLink", given=(False,),
        answer=_proto("GetGroupInviteLinkReturnFunction", InviteLink="https://chat.whatsapp.com/X"),
        result="https://chat.whatsapp.com/X"),
    Row(operation="reset_invite", asked=_OF_GROUP, function="GetGroupInviteLink", given=(True,),
        answer=_proto("GetGroupInviteLinkReturnFunction", InviteLink="https://chat.whatsapp.com/Y"),
        result="https://chat.whatsapp.com/Y"),
    Row(operation="preview_invite", asked={"link": "https://chat.whatsapp.com/X?mode=q"}, function="GetGroupInfoFromLink",
        given=(b"X",), answer=_group_answer, result=_GROUP),
    Row(operation="join_group", asked={"link": "https://chat.whatsapp.com/X"}, function="JoinGroupWithLink",
        given=(b"X",), answer=_proto("JoinGroupWithLinkReturnFunction", Jid=_jid("1203", "g.us")), result=GROUP),
    Row(operation="leave_group", asked=_OF_GROUP, function="LeaveGroup"),
    Row(operation="list_communities", function="GetJoinedGroups", answer=_groups_answer, result=[_COMMUNITY]),
    Row(operation="get_community", asked={"community": COMMUNITY}, function="GetGroupInfo", answer=_community_answer,
        result=_WITH_GROUPS),
    Row(operation="create_community", asked={"name": "Bairro", "description": "Avisos"}, function="CreateGroup",
        answer=_community_answer, result=_COMMUNITY),
    Row(operation="link_groups", asked={"community": COMMUNITY, "groups": [GROUP]}, function="LinkGroup"),
    Row(operation="unlink_groups", asked={"community": COMMUNITY, "groups": [GROUP]}, function="UnlinkGroup"),
    Row(
        operation="list_channels", function="GetSubscribedNewsletters", result=[_CHANNEL],
        answer=_proto("GetSubscribedNewslettersReturnFunction", Newsletter=_several(_channel_info)),
    ),
    Row(operation="get_channel", asked={"channel": CHANNEL}, function="GetNewsletterInfo", answer=_channel_answer,
        result=_CHANNEL),
    Row(operation="create_channel", asked={"name": "Ofertas", "description": "Todo dia", "picture": None},
        function="CreateNewsletter", answer=_channel_answer, result=_CHANNEL),
    Row(operation="follow_channel", asked={"channel": CHANNEL, "following": True}, function="FollowNewsletter"),
    Row(operation="follow_channel", asked={"channel": CHANNEL, "following": False}, function="UnfollowNewsletter"),
    Row(operation="mute_channel", asked={"channel": CHANNEL, "muted": True}, function="NewsletterToggleMute", given=(True,)),
)  # fmt: skip

_SENT = {"post_story", "delete_story"}


def test_every_operation_of_the_adapter_is_the_engines_and_in_the_table(number: "Direct") -> None:
    from recado.native import operations as engine

    assert operations(Native(number)) | {"mark_read", "show_typing"} == frozenset(engine._OPERATIONS)
    assert {row.operation for row in ROWS} | _SENT == frozenset(engine._OPERATIONS)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.operation}-{row.function}" for row in ROWS])
async def test_an_operation(row: Row, number: "Direct", go: "Go") -> None:
    from tests.native.direct import connection
    from tests.native.go import filled

    for other in ("GetUserInfo", "GetSubGroups"):
        go.answers[other] = b""
    if row.answer is not None:
        go.answers[row.function] = filled(row.answer())
    found = await getattr(Native(number), row.operation)(connection(), **row.asked)
    called = [arguments for name, arguments in go.calls if name == row.function]
    assert len(called) == 1, go.calls
    plain = [getattr(argument, "value", argument) for argument in called[0]]
    for argument in row.given:
        assert argument in plain
    assert found == row.result


async def test_a_story_is_posted_and_taken_back(number: "Direct", go: "Go") -> None:
    from tests.native.direct import connection

    provider = Native(number)
    text = msgspec.convert({"body": "Pão quente"}, contents.KINDS["text"])
    story = await provider.post_story(connection(), kind="text", content=text)
    await provider.delete_story(connection(), story=story)
    assert [str(to.User) for _, to, _ in go.sent] == ["status", "status"]
    assert go.sent[1][2].protocolMessage.key.ID == story
    with pytest.raises(CallFailed) as failed:
        await provider.post_story(connection(), kind="text", content=text, contacts=[PHONE])
    assert failed.value.code == "unsupported_by_provider"


async def test_media_is_fetched_in_one_piece(number: "Direct", go: "Go") -> None:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.direct import connection

    node = {"URL": "https://mmg.test/x", "directPath": "/x", "mediaKey": "aw==", "mimetype": "image/jpeg"}
    media = MediaRef(ref={"kind": "image", "node": node}, mime_type="image/jpeg")
    go.answers["DownloadAny"] = proto.DownloadReturnFunction(Binary=b"bytes")
    assert [piece async for piece in Native(number).fetch_media(connection(), media)] == [b"bytes"]
    go.answers["DownloadAny"] = proto.DownloadReturnFunction(Error="download failed with status code 410")
    with pytest.raises(CallFailed) as failed:
        [piece async for piece in Native(number).fetch_media(connection(), media)]
    assert (failed.value.code, failed.value.retryable) == ("media_gone", False)


@pytest.mark.parametrize(
    ("operation", "asked", "code"),
    [
        ("mark_read", {"chat": GROUP, "provider_id": "UNSEEN"}, "sender_unknown"),
        ("mark_read", {"chat": "status@broadcast", "provider_id": "UNSEEN"}, "sender_unknown"),
        ("set_group_settings", {**_OF_GROUP, "approval": True}, "unsupported_by_provider"),
        ("set_group_picture", {**_OF_GROUP, "picture": None}, "unsupported_by_provider"),
        ("set_profile_picture", {"picture": None}, "unsupported_by_provider"),
        ("set_profile_picture", {"picture": Picture(data=b"x", mime_type="image/png")}, "bad_picture"),
        ("set_privacy", {"settings": {"online": "all", "status": "all"}}, "unsupported_by_provider"),
        ("set_privacy", {"settings": {"online": "hidden"}}, "unsupported_by_provider"),
        ("set_privacy", {"settings": {"online": "all"}}, "engine_refused"),
        ("leave_group", _OF_GROUP, "engine_refused"),
    ],
)
async def test_what_cannot_be_done_says_so(
    operation: str, asked: dict[str, Any], code: str, number: "Direct", go: "Go"
) -> None:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.direct import connection
    from tests.native.go import filled

    go.answers["LeaveGroup"] = b"you're not participating in that group"
    go.answers["SetPrivacySetting"] = filled(
        proto.SetPrivacySettingReturnFunction(Error="info query returned 405: not-allowed")
    )
    with pytest.raises(CallFailed) as failed:
        await getattr(Native(number), operation)(connection(), **asked)
    assert (failed.value.code, failed.value.retryable) == (code, False)
