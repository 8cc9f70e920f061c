"""What the library answers of a number that has people, a group, a community with a group, and a channel: those of the
documented examples of Z-API, so that they can be called as they stand."""

from typing import Any

from neonize.proto import Neonize_pb2 as proto

from tests.native.go import filled, jid

PHONE, OTHER = "5511999999999", "5511988888888"
GROUP, COMMUNITY, SUB_GROUP, CHANNEL = (
    "120363019502650977", "98372465382764532938", "120363021234567890", "999999999999999999",
)  # fmt: skip
INVITE = "https://chat.whatsapp.com/C1adgkdEGki7554BWDdMkd"
PICTURE = "https://pps.whatsapp.test/v/1.jpg"


def answers() -> dict[str, Any]:
    """By the names of the library's functions."""
    people = [_contact(PHONE, "Ana Souza", "ana"), _contact(OTHER, "Bia Lima", "bia")]
    group, community, sub_group = _group(GROUP), _group(COMMUNITY, parent=True), _group(SUB_GROUP, default=True)
    given: dict[str, Any] = {
        "GetAllContacts": proto.ContactsGetAllContactsReturnFunction(Contact=people),
        "GetContact": proto.ContactsGetContactReturnFunction(ContactInfo=people[0].Info),
        "GetUserInfo": _user_info,
        "IsOnWhatsApp": _on_whatsapp,
        "GetProfilePicture": proto.GetProfilePictureReturnFunction(Picture=proto.ProfilePictureInfo(URL=PICTURE)),
        "UpdateBlocklist": proto.GetBlocklistReturnFunction(),
        "GetBlocklist": proto.GetBlocklistReturnFunction(Blocklist=proto.Blocklist()),
        "SetProfilePhoto": proto.SetGroupPhotoReturnFunction(PictureID="1"),
        "SetGroupPhoto": proto.SetGroupPhotoReturnFunction(PictureID="1"),
        "SetPrivacySetting": proto.SetPrivacySettingReturnFunction(settings=proto.PrivacySettings()),
        "GetPrivacySettings": proto.PrivacySettings(),
        "GetJoinedGroups": proto.GetJoinedGroupsReturnFunction(Group=[group, community, sub_group]),
        "GetGroupInfo": _group_info,
        "GetGroupInfoFromLink": proto.GetGroupInfoReturnFunction(GroupInfo=group),
        "CreateGroup": _created,
        "UpdateGroupParticipants": proto.UpdateGroupParticipantsReturnFunction(participants=[_participant(PHONE)]),
        "GetGroupRequestParticipants": proto.GetGroupRequestParticipantsReturnFunction(),
        "GetGroupInviteLink": proto.GetGroupInviteLinkReturnFunction(InviteLink=INVITE),
        "JoinGroupWithLink": proto.JoinGroupWithLinkReturnFunction(Jid=jid(GROUP, "g.us")),
        "GetSubGroups": proto.GetSubGroupsReturnFunction(GroupLinkTarget=[_inside(SUB_GROUP)]),
        "CreateNewsletter": proto.CreateNewsLetterReturnFunction(NewsletterMetadata=_channel()),
        "GetNewsletterInfo": proto.CreateNewsLetterReturnFunction(NewsletterMetadata=_channel()),
        "GetSubscribedNewsletters": proto.GetSubscribedNewslettersReturnFunction(Newsletter=[_channel()]),
    }
    return {name: answer if callable(answer) else filled(answer) for name, answer in given.items()}


# --- people -------------------------------------------------------------------------------------------------


def _contact(phone: str, name: str, push_name: str) -> Any:
    info = proto.ContactInfo(Found=True, FirstName=name.split()[0], FullName=name, PushName=push_name)
    return proto.Contact(JID=jid(phone), Info=info)


def _user_info(_: bytes, asked: bytes, __: int) -> Any:
    whom = proto.JIDArray.FromString(asked).JIDS
    found = [
        proto.GetUserInfoSingleReturnFunction(JID=one, UserInfo=proto.UserInfo(Status="Disponível", PictureID="1"))
        for one in whom
    ]
    return filled(proto.GetUserInfoReturnFunction(UsersInfo=found))


def _on_whatsapp(_: bytes, asked: bytes, __: int) -> Any:
    numbers = asked.decode().split()
    found = [proto.IsOnWhatsAppResponse(Query=one, JID=jid(one.lstrip("+")), IsIn=True) for one in numbers]
    return filled(proto.IsOnWhatsAppReturnFunction(IsOnWhatsAppResponse=found))


# --- groups and channels ------------------------------------------------------------------------------------


def _participant(phone: str, *, owner: bool = False) -> Any:
    return proto.GroupParticipant(JID=jid(phone), LID=jid("77", "lid"), IsAdmin=owner, IsSuperAdmin=owner)


def _group(user: str, subject: str = "Equipe", *, parent: bool = False, default: bool = False) -> Any:
    return proto.GroupInfo(
        JID=jid(user, "g.us"),
        OwnerPN=jid(PHONE),
        GroupName=proto.GroupName(Name=subject),
        GroupTopic=proto.GroupTopic(Topic="Avisos"),
        GroupCreated=1_700_000_000,
        GroupParent=proto.GroupParent(IsParent=parent),
        GroupIsDefaultSub=proto.GroupIsDefaultSub(IsDefaultSubGroup=default),
        Participants=[_participant(PHONE, owner=True), _participant(OTHER)],
    )


def _group_info(_: bytes, asked: bytes, __: int) -> Any:
    user = proto.JID.FromString(asked).User
    return filled(proto.GetGroupInfoReturnFunction(GroupInfo=_group(user, parent=user == COMMUNITY)))


def _created(_: bytes, asked: bytes, __: int) -> Any:
    wanted = proto.ReqCreateGroup.FromString(asked)
    parent = wanted.GroupParent.IsParent
    made = _group(COMMUNITY if parent else GROUP, wanted.name, parent=parent)
    return filled(proto.GetGroupInfoReturnFunction(GroupInfo=made))


def _inside(user: str) -> Any:
    return proto.GroupLinkTarget(
        JID=jid(user, "g.us"),
        GroupName=proto.GroupName(Name="Avisos"),
        GroupIsDefaultSub=proto.GroupIsDefaultSub(IsDefaultSubGroup=True),
    )


def _channel() -> Any:
    thread = proto.NewsletterThreadMetadata(
        InviteCode="CODE",
        Name=proto.NewsletterText(Text="Novidades"),
        Description=proto.NewsletterText(Text="Todo dia"),
        SubscriberCount=7,
        VerificationState=proto.NewsletterThreadMetadata.UNVERIFIED,
    )
    return proto.NewsletterMetadata(ID=jid(CHANNEL, "newsletter"), ThreadMeta=thread)
