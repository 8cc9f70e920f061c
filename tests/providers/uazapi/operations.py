"""Every operation beyond messages: one table, run against a local server and against UAZAPI's document."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain.content import MediaContent, TextContent
from recado.domain.operations import (
    BusinessChange,
    Category,
    Channel,
    Chat,
    Checked,
    Community,
    Group,
    JoinRequest,
    Label,
    Participant,
    ParticipantResult,
    Person,
    Picture,
    Product,
)
from recado.domain.provider import Connection
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import upstream
from recado.testing.upstream import Reply
from tests.providers.uazapi.rows import CHANNEL, GROUP

PHONE = "5511999990002"
JID = f"{PHONE}@s.whatsapp.net"
LID = "900000000000002@lid"
COMMUNITY = "120363000000000005@g.us"
CODE = "IYnl5Zg9bUcJD32rJrDzO7"
LINK = f"https://chat.whatsapp.com/{CODE}?mode=ac_t"
PICTURE = Picture(data=b"jpeg")
PICTURE_URL = "data:image/jpeg;base64,anBlZw=="
OK = upstream.json({"response": "ok"})
TRUE = upstream.json({"response": True})


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One call: what it sends (method, path, JSON) and what comes of it."""

    operation: str
    call: Callable[[Uazapi, Connection], Awaitable[Any]]
    requests: Sequence[tuple[str, str, Any]]
    replies: Sequence[Reply] = (OK,)
    result: Any = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.note}".strip()


def case(operation: str, arguments: dict[str, Any], *requests: Any, **more: Any) -> Case:
    """`requests` are pairs of path and JSON, posted; a path alone is a GET."""
    sent = [("GET", one, None) if isinstance(one, str) else ("POST", *one) for one in requests]
    plain = (f"{name}={value}" for name, value in arguments.items() if isinstance(value, str | int | None))
    more.setdefault("note", " ".join(plain))

    async def call(adapter: Uazapi, connection: Connection) -> Any:
        return await getattr(adapter, operation)(connection, **arguments)

    return Case(operation=operation, call=call, requests=sent, **more)


CHAT = {
    "wa_chatid": JID,
    "wa_chatlid": LID,
    "wa_contactName": "Ana Souza",
    "wa_name": "Ana",
    "name": "Ana Souza",
    "wa_isBlocked": False,
    "image": "https://pps.whatsapp.net/full",
    "imagePreview": "",
    "wa_unreadCount": 3,
    "wa_archived": False,
    "wa_isPinned": True,
    "wa_muteEndTime": -1,
    "wa_label": ["7"],
    "wa_lastMsgTimestamp": 1770146608000,
}
SHOWN_CHAT = Chat(
    chat=PHONE,
    name="Ana Souza",
    unread=3,
    archived=False,
    pinned=True,
    muted=True,
    labels=["7"],
    last_message_at=datetime(2026, 2, 3, 19, 23, 28, tzinfo=UTC),
)
DETAILS = ("/chat/details", {"number": PHONE, "preview": False})
STATUS = upstream.json(
    {
        "instance": {"owner": PHONE, "profileName": "Loja", "profilePicUrl": "https://p", "isBusiness": True},
        "status": {},
    }
)

PEOPLE: tuple[Case, ...] = (
    case(
        "list_contacts",
        {"limit": 5_000, "offset": 10},
        ("/contacts/list", {"limit": 1_000, "offset": 10, "contactScope": "address_book"}),
        replies=(upstream.json({"contacts": [{"jid": JID, "contact_name": "Ana"}, {"jid": LID}]}),),
        result=[Person(phone=PHONE, name="Ana"), Person(lid=LID)],
    ),
    case(
        "get_contact",
        {"contact": PHONE},
        DETAILS,
        replies=(upstream.json({name: CHAT[name] for name in list(CHAT)[:8]}),),
        result=Person(
            phone=PHONE,
            lid=LID,
            name="Ana Souza",
            push_name="Ana",
            blocked=False,
            picture="https://pps.whatsapp.net/full",
        ),
    ),
    case(
        "check_numbers",
        {"phones": ["+5511999990002", "5500010000000"]},
        ("/chat/check", {"numbers": [PHONE, "5500010000000"]}),
        replies=(
            upstream.json(
                [
                    {"query": "5500010000000", "jid": "", "isInWhatsapp": False, "verifiedName": "", "error": "no"},
                    {"query": PHONE, "jid": "551199990002@s.whatsapp.net", "lid": LID, "isInWhatsapp": True},
                ]
            ),
        ),
        result=[
            Checked(phone="+5511999990002", exists=True, canonical="551199990002", lid=LID),
            Checked(phone="5500010000000", exists=False, extra={"error": "no"}),
        ],
    ),
    case(
        "get_picture",
        {"contact": PHONE},
        DETAILS,
        replies=(upstream.json(CHAT),),
        result="https://pps.whatsapp.net/full",
    ),
    case(
        "get_picture",
        {"contact": PHONE},
        DETAILS,
        replies=(upstream.json({"image": ""}),),
        note="that nobody may see",
    ),
    case("save_contact", {"phone": PHONE, "name": "Ana"}, ("/contact/add", {"number": PHONE, "name": "Ana"})),
    case("remove_contact", {"phone": PHONE}, ("/contact/remove", {"number": PHONE})),
    case(
        "list_blocked",
        {},
        "/chat/blocklist",
        replies=(upstream.json({"blockList": [JID, LID, None]}),),
        result=[PHONE, LID],
    ),
    case("block_contact", {"contact": LID}, ("/chat/block", {"number": LID, "block": True})),
    case("unblock_contact", {"contact": PHONE}, ("/chat/block", {"number": PHONE, "block": False})),
    case(
        "list_chats",
        {"limit": 20, "offset": 40},
        ("/chat/find", {"limit": 20, "offset": 40, "sort": "-wa_lastMsgTimestamp"}),
        replies=(upstream.json({"chats": [CHAT, {"wa_chatid": ""}]}),),
        result=[SHOWN_CHAT],
    ),
    case("get_chat", {"chat": PHONE}, DETAILS, replies=(upstream.json(CHAT),), result=SHOWN_CHAT),
    case("archive_chat", {"chat": GROUP, "archived": True}, ("/chat/archive", {"number": GROUP, "archive": True})),
    case("pin_chat", {"chat": PHONE, "pinned": False}, ("/chat/pin", {"number": PHONE, "pin": False})),
    *(
        case("mute_chat", {"chat": PHONE, "seconds": seconds}, ("/chat/mute", {"number": JID, "muteEndTime": hours}))
        for seconds, hours in ((None, 0), (0, -1), (28_800, 8), (604_800, 168))
    ),
    case("mark_chat", {"chat": PHONE, "read": True}, ("/chat/read", {"number": JID, "read": True})),
    case("clear_chat", {"chat": PHONE}, ("/chat/delete", {"number": PHONE, "clearChatWhatsApp": True})),
    case("delete_chat", {"chat": PHONE}, ("/chat/delete", {"number": PHONE, "deleteChatWhatsApp": True})),
    case("expire_chat", {"chat": PHONE, "seconds": 0}, ("/chat/ephemeral", {"number": JID, "duration": "off"})),
    case(
        "expire_chat",
        {"chat": GROUP, "seconds": 604_800},
        ("/group/ephemeral", {"groupjid": GROUP, "duration": "7d"}),
        note="of a group",
    ),
    case("set_presence", {"available": True}, ("/instance/presence", {"presence": "available"})),
    case("set_presence", {"available": False}, ("/instance/presence", {"presence": "unavailable"})),
    case("reject_call", {"call": "C1", "caller": PHONE}, ("/call/reject", {"number": PHONE, "id": "C1"})),
)

LABELS = upstream.json(
    [
        {"id": "row-1", "labelid": "7", "name": "VIP", "color": 2, "colorHex": "#fed428"},
        {"id": "row-2", "labelid": "12", "name": "VIP", "colorHex": "#64c4ff"},
    ]
)
VIP = Label(label="7", name="VIP", color="#fed428", extra={"id": "row-1", "color": 2})
NEWEST = Label(label="12", name="VIP", color="#64c4ff", extra={"id": "row-2"})

PRODUCT = {
    "ID": "1234567890",
    "Name": "Pão",
    "Description": "Francês",
    "Price": {"Amount": "1990", "Currency": "BRL"},
    "RetailerID": "sku-1",
    "Url": "https://example.com/pao",
    "IsHidden": False,
    "Images": [{"OriginalImageUrl": "https://lookaside/1"}, {}],
}


def page(products: list[Any], after: str = "") -> Reply:
    return upstream.json({"response": {"Products": products, "Paging": {"Before": "", "After": after}}})


BUSINESS: tuple[Case, ...] = (
    case("list_labels", {}, "/labels", replies=(LABELS,), result=[VIP, NEWEST]),
    case(
        "create_label",
        {"name": "VIP", "color": "#64c4ff"},
        ("/label/edit", {"labelid": "new", "name": "VIP", "delete": False, "color": 1}),
        "/labels",
        replies=(OK, LABELS),
        result=NEWEST,
    ),
    case(
        "update_label",
        {"label": "7", "name": "VIP", "color": "19"},
        ("/label/edit", {"labelid": "7", "name": "VIP", "delete": False, "color": 19}),
    ),
    case("delete_label", {"label": "7"}, ("/label/edit", {"labelid": "7", "delete": True})),
    case(
        "label_chat",
        {"chat": PHONE, "label": "7", "labelled": True},
        ("/chat/labels", {"number": PHONE, "add_labelid": "7"}),
    ),
    case(
        "label_chat",
        {"chat": GROUP, "label": "7", "labelled": False},
        ("/chat/labels", {"number": GROUP, "remove_labelid": "7"}),
    ),
    case(
        "list_products",
        {"contact": PHONE, "limit": 3},
        ("/business/catalog/list", {"jid": JID}),
        ("/business/catalog/list", {"jid": JID, "after": "P2"}),
        replies=(page([PRODUCT], "P2"), page([{"ID": "2"}, {"ID": "3"}, {"ID": "4"}], "P3")),
        result=[
            Product(
                product="1234567890",
                name="Pão",
                description="Francês",
                price=1990,
                currency="BRL",
                retailer_id="sku-1",
                url="https://example.com/pao",
                images=["https://lookaside/1"],
                hidden=False,
                extra={"Price": {"Amount": "1990", "Currency": "BRL"}, "IsHidden": False},
            ),
            Product(product="2", images=[]),
            Product(product="3", images=[]),
        ],
    ),
    case(
        "get_product",
        {"product": "1", "contact": None},
        "/instance/status",
        ("/business/catalog/info", {"jid": JID, "id": "1"}),
        replies=(STATUS, upstream.json({"response": {"id": "1", "name": "Pão", "price": "1990", "currency": "BRL"}})),
        result=Product(
            product="1",
            name="Pão",
            price=1990,
            currency="BRL",
            images=[],
            extra={"price": "1990", "currency": "BRL"},
        ),
        note="of our own",
    ),
    case("delete_product", {"product": "1"}, ("/business/catalog/delete", {"id": "1"})),
    case(
        "get_privacy",
        {},
        "/instance/privacy",
        replies=(upstream.json({"last": "contact_blacklist", "readreceipts": "all", "calladd": "known"}),),
        result={"last_seen": "contacts_except", "read_receipts": "all", "calls": "known"},
    ),
    case(
        "set_privacy",
        {"settings": {"picture": "contacts_except", "groups": "contacts", "online": "match_last_seen"}},
        (
            "/instance/privacy",
            {"profile": "contact_blacklist", "groupadd": "contacts", "online": "match_last_seen"},
        ),
    ),
    case(
        "post_story",
        {"kind": "text", "content": TextContent(body="Oi"), "contacts": [PHONE, LID]},
        ("/send/status", {"type": "text", "text": "Oi", "recipients": [PHONE, LID]}),
        replies=(upstream.json({"Id": "3EB0S", "status": "sent"}),),
        result="3EB0S",
    ),
    case(
        "post_story",
        {"kind": "image", "content": MediaContent(data="data:image/png;base64,AA==", caption="eu")},
        ("/send/status", {"type": "image", "file": "data:image/png;base64,AA==", "text": "eu"}),
        replies=(upstream.json({"id": f"{PHONE}:3EB0S"}),),
        result="3EB0S",
        note="of a picture",
    ),
    case(
        "post_story",
        {"kind": "voice", "content": MediaContent(link="https://e.test/a.ogg", mime_type="audio/ogg")},
        ("/send/status", {"type": "ptt", "file": "https://e.test/a.ogg", "mimetype": "audio/ogg"}),
        replies=(upstream.json({"messageid": "3EB0S"}),),
        result="3EB0S",
        note="of a voice",
    ),
    case(
        "get_profile",
        {},
        "/instance/status",
        replies=(STATUS,),
        result=Person(phone=PHONE, name="Loja", picture="https://p", business=True),
    ),
    case(
        "note_chat",
        {"chat": PHONE, "note": "à tarde"},
        ("/chat/notes/edit", {"number": JID, "notes": "à tarde"}),
    ),
    case(
        "set_business_profile",
        {"change": BusinessChange(description="Pães", email="")},
        ("/business/update/profile", {"description": "Pães", "email": ""}),
        replies=(upstream.json({"response": {}, "updated": 2, "failed": 0}),),
    ),
    case(
        "list_business_categories",
        {},
        "/business/get/categories",
        replies=(upstream.json({"response": [{"id": "1", "localized_display_name": "Padaria"}, {}]}),),
        result=[Category(category="1", name="Padaria")],
    ),
    case("set_profile_name", {"name": "Loja"}, ("/profile/name", {"name": "Loja"})),
    case("set_profile_picture", {"picture": PICTURE}, ("/profile/image", {"image": PICTURE_URL})),
    case("set_profile_picture", {"picture": None}, ("/profile/image", {"image": "remove"})),
    case(
        "get_business_profile",
        {"contact": None},
        ("/business/get/profile", {}),
        replies=(upstream.json({"response": {"email": "a@example.com"}}),),
        result={"email": "a@example.com"},
    ),
    case(
        "get_business_profile",
        {"contact": PHONE},
        ("/business/get/profile", {"jid": JID}),
        replies=(upstream.json({"response": {}}),),
        result={},
    ),
)

RAW_GROUP = {
    "JID": GROUP,
    "Name": "Turma",
    "Topic": "Sobre",
    "OwnerJID": LID,
    "OwnerPN": JID,
    "GroupCreated": "2026-04-15T19:26:59Z",
    "IsAnnounce": False,
    "IsLocked": True,
    "IsJoinApprovalRequired": False,
    "LinkedParentJID": COMMUNITY,
    "invite_link": f"https://chat.whatsapp.com/{CODE}",
    "request_participants": f"{JID},{LID}, ",
    "Participants": [
        {"JID": LID, "LID": LID, "PhoneNumber": JID, "IsAdmin": True, "IsSuperAdmin": True, "DisplayName": ""},
        {"JID": "900000000000003@lid", "IsAdmin": True},
        {"JID": "5511999990004@s.whatsapp.net"},
    ],
}
SHOWN_GROUP = Group(
    group=GROUP,
    subject="Turma",
    description="Sobre",
    owner=PHONE,
    created_at=datetime(2026, 4, 15, 19, 26, 59, tzinfo=UTC),
    invite_link=f"https://chat.whatsapp.com/{CODE}",
    announce=False,
    locked=True,
    approval=False,
    community=COMMUNITY,
    participants=[
        Participant(phone=PHONE, lid=LID, role="owner"),
        Participant(lid="900000000000003@lid", role="admin"),
        Participant(phone="5511999990004"),
    ],
    extra={"request_participants": f"{JID},{LID}, "},
)
INFO = upstream.json(RAW_GROUP)
RAW_COMMUNITY = {"JID": COMMUNITY, "Name": "Bairro", "IsParent": True}
ANNOUNCEMENTS = "120363000000000006@g.us"
RAW_ANNOUNCEMENTS = {"JID": ANNOUNCEMENTS, "LinkedParentJID": COMMUNITY, "IsDefaultSubGroup": True}
EVERY = upstream.json({"groups": [RAW_COMMUNITY, {"JID": GROUP, "LinkedParentJID": COMMUNITY}, RAW_ANNOUNCEMENTS]})
EVERY_ASKED = ("/group/list", {"limit": 1_000, "offset": 0, "noParticipants": True})
SHOWN_COMMUNITY = Community(
    community=COMMUNITY,
    name="Bairro",
    announcement_group=ANNOUNCEMENTS,
    groups=[
        Group(group=GROUP, community=COMMUNITY, participants=[]),
        Group(group=ANNOUNCEMENTS, community=COMMUNITY, participants=[], extra={"IsDefaultSubGroup": True}),
    ],
)
UPDATED = upstream.json(
    {
        "groupUpdated": [
            {"JID": LID, "PhoneNumber": JID, "Error": 0},
            {"JID": "5511999990004@s.whatsapp.net", "Error": 403},
        ]
    }
)
RESULTS = [
    ParticipantResult(participant=PHONE, done=True),
    ParticipantResult(participant="5511999990004", done=False, code="403"),
    ParticipantResult(participant="5511999990005", done=True),
]
THREE = [PHONE, "5511999990004", "5511999990005"]

GROUPS: tuple[Case, ...] = (
    case(
        "list_groups",
        {"limit": 50, "offset": 50},
        ("/group/list", {"limit": 50, "offset": 50, "noParticipants": True}),
        replies=(upstream.json({"groups": [{"JID": GROUP, "Name": "Turma"}]}),),
        result=[Group(group=GROUP, subject="Turma", participants=[])],
    ),
    case("get_group", {"group": GROUP}, ("/group/info", {"groupjid": GROUP}), replies=(INFO,), result=SHOWN_GROUP),
    case(
        "create_group",
        {"subject": "Turma", "participants": ["+5511999990002"]},
        ("/group/create", {"name": "Turma", "participants": [PHONE]}),
        replies=(INFO,),
        result=SHOWN_GROUP,
    ),
    case(
        "rename_group",
        {"group": GROUP, "subject": "Nova"},
        ("/group/updateName", {"groupjid": GROUP, "name": "Nova"}),
    ),
    case(
        "describe_group",
        {"group": GROUP, "description": ""},
        ("/group/updateDescription", {"groupjid": GROUP, "description": ""}),
    ),
    case(
        "set_group_picture",
        {"group": GROUP, "picture": PICTURE},
        ("/group/updateImage", {"groupjid": GROUP, "image": PICTURE_URL}),
    ),
    case(
        "set_group_picture",
        {"group": GROUP, "picture": None},
        ("/group/updateImage", {"groupjid": GROUP, "image": "remove"}),
    ),
    case(
        "set_group_settings",
        {"group": GROUP, "announce": True, "locked": False, "approval": True, "members_add": False},
        ("/group/updateAnnounce", {"groupjid": GROUP, "announce": True}),
        ("/group/updateLocked", {"groupjid": GROUP, "locked": False}),
        ("/group/updateJoinApproval", {"groupjid": GROUP, "IsJoinApprovalRequired": True}),
        ("/group/updateMemberAddMode", {"groupjid": GROUP, "MemberAddMode": "admin_add"}),
    ),
    case(
        "set_group_settings",
        {"group": GROUP, "members_add": True},
        ("/group/updateMemberAddMode", {"groupjid": GROUP, "MemberAddMode": "all_member_add"}),
    ),
    case(
        "change_participants",
        {"group": GROUP, "action": "promote", "participants": THREE},
        ("/group/updateParticipants", {"groupjid": GROUP, "action": "promote", "participants": THREE}),
        replies=(UPDATED,),
        result=RESULTS,
    ),
    case(
        "list_join_requests",
        {"group": GROUP},
        ("/group/info", {"groupjid": GROUP, "getRequestsParticipants": True, "force": True}),
        replies=(INFO,),
        result=[JoinRequest(participant=PHONE), JoinRequest(participant=LID)],
    ),
    *(
        case(
            "answer_join_requests",
            {"group": GROUP, "participants": THREE, "approve": approve},
            ("/group/updateParticipants", {"groupjid": GROUP, "action": action, "participants": THREE}),
            replies=(UPDATED,),
            result=RESULTS,
        )
        for approve, action in ((True, "approve"), (False, "reject"))
    ),
    case(
        "get_invite",
        {"group": GROUP},
        ("/group/info", {"groupjid": GROUP, "getInviteLink": True}),
        replies=(INFO,),
        result=f"https://chat.whatsapp.com/{CODE}",
    ),
    case(
        "reset_invite",
        {"group": GROUP},
        ("/group/resetInviteCode", {"groupjid": GROUP}),
        replies=(upstream.json({"InviteLink": "https://chat.whatsapp.com/new", "group": RAW_GROUP}),),
        result="https://chat.whatsapp.com/new",
    ),
    case(
        "preview_invite",
        {"link": LINK},
        ("/group/inviteInfo", {"invitecode": CODE}),
        replies=(INFO,),
        result=SHOWN_GROUP,
    ),
    case(
        "join_group",
        {"link": CODE},
        ("/group/join", {"invitecode": CODE}),
        replies=(upstream.json({"response": "joined", "group": RAW_GROUP}),),
        result=GROUP,
    ),
    case("leave_group", {"group": GROUP}, ("/group/leave", {"groupjid": GROUP})),
    case("list_communities", {}, EVERY_ASKED, replies=(EVERY,), result=[SHOWN_COMMUNITY]),
    case(
        "get_community",
        {"community": COMMUNITY},
        ("/group/info", {"groupjid": COMMUNITY}),
        EVERY_ASKED,
        replies=(upstream.json(RAW_COMMUNITY), EVERY),
        result=SHOWN_COMMUNITY,
    ),
    case(
        "create_community",
        {"name": "Bairro", "description": "Nós"},
        ("/community/create", {"name": "Bairro"}),
        ("/group/updateDescription", {"groupjid": COMMUNITY, "description": "Nós"}),
        replies=(upstream.json({"group": {**RAW_COMMUNITY, "DefaultSubGroupId": ANNOUNCEMENTS}, "failed": []}), OK),
        result=Community(
            community=COMMUNITY, name="Bairro", description="Nós", announcement_group=ANNOUNCEMENTS, groups=[]
        ),
    ),
    case(
        "link_groups",
        {"community": COMMUNITY, "groups": [GROUP]},
        ("/community/editgroups", {"community": COMMUNITY, "action": "add", "groupjids": [GROUP]}),
        replies=(upstream.json({"message": "ok", "success": [GROUP], "failed": []}),),
    ),
    case(
        "unlink_groups",
        {"community": COMMUNITY, "groups": [GROUP]},
        ("/community/editgroups", {"community": COMMUNITY, "action": "remove", "groupjids": [GROUP]}),
        replies=(upstream.json({"message": "ok", "success": [GROUP], "failed": None}),),
    ),
)

RAW_CHANNEL = {
    "id": CHANNEL,
    "state": {"type": "active"},
    "thread_metadata": {
        "creation_time": "1695643504",
        "name": {"text": "Novidades"},
        "description": {"text": "Tudo"},
        "subscribers_count": "12",
        "invite": "0029abc",
        "verification": "unverified",
        "picture": {"url": "https://pps/c"},
    },
    "viewer_metadata": {"mute": "on", "role": "owner"},
}
SHOWN_CHANNEL = Channel(
    channel=CHANNEL,
    name="Novidades",
    description="Tudo",
    picture="https://pps/c",
    invite_link="https://whatsapp.com/channel/0029abc",
    role="owner",
    followers=12,
    muted=True,
    verified=False,
    extra={"state": {"type": "active"}, "creation_time": "1695643504"},
)
TOLD_CHANNEL = upstream.json({"response": RAW_CHANNEL})

CHANNELS: tuple[Case, ...] = (
    case(
        "list_channels",
        {},
        "/newsletter/list",
        replies=(upstream.json({"response": [RAW_CHANNEL, {}]}),),
        result=[SHOWN_CHANNEL],
    ),
    case(
        "get_channel",
        {"channel": CHANNEL},
        ("/newsletter/info", {"jid": CHANNEL}),
        replies=(TOLD_CHANNEL,),
        result=SHOWN_CHANNEL,
    ),
    case(
        "get_channel",
        {"channel": "https://whatsapp.com/channel/0029abc"},
        ("/newsletter/link", {"key": "0029abc"}),
        replies=(TOLD_CHANNEL,),
        result=SHOWN_CHANNEL,
        note="by its link",
    ),
    case(
        "create_channel",
        {"name": "Novidades", "description": "Tudo", "picture": PICTURE},
        ("/newsletter/create", {"name": "Novidades", "description": "Tudo", "picture": PICTURE_URL}),
        replies=(TOLD_CHANNEL,),
        result=SHOWN_CHANNEL,
    ),
    case(
        "update_channel",
        {"channel": CHANNEL, "name": "N", "description": "", "picture": PICTURE},
        ("/newsletter/name", {"jid": CHANNEL, "name": "N"}),
        ("/newsletter/description", {"jid": CHANNEL, "description": ""}),
        ("/newsletter/picture", {"jid": CHANNEL, "picture": PICTURE_URL}),
        replies=(TRUE,),
    ),
    case("delete_channel", {"channel": CHANNEL}, ("/newsletter/delete", {"jid": CHANNEL}), replies=(TRUE,)),
    *(
        case(operation, {"channel": CHANNEL, name: on}, (f"/newsletter/{route}", {"jid": CHANNEL}), replies=(TRUE,))
        for operation, name, on, route in (
            ("follow_channel", "following", True, "follow"),
            ("follow_channel", "following", False, "unfollow"),
            ("mute_channel", "muted", True, "mute"),
            ("mute_channel", "muted", False, "unmute"),
        )
    ),
    case(
        "set_channel_reactions",
        {"channel": CHANNEL, "reactions": "none"},
        ("/newsletter/settings", {"jid": CHANNEL, "reactionCodes": "none"}),
        replies=(TRUE,),
    ),
    case(
        "search_channels",
        {"text": "pão", "limit": 5},
        ("/newsletter/search", {"searchText": "pão", "limit": 5}),
        replies=(upstream.json({"response": {"after": None, "data": [RAW_CHANNEL]}}),),
        result=[SHOWN_CHANNEL],
    ),
)

CASES = (*PEOPLE, *BUSINESS, *GROUPS, *CHANNELS)
