"""Every operation beyond messages: what is asked of Z-API, what it answers, and what comes out. One table, run
against a local server and against the document."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from recado.domain import operations as ops
from recado.domain.content import MediaContent, TextContent
from recado.testing import upstream
from recado.testing.upstream import Reply

GROUP = "120363019502650977@g.us"
THEIRS = "120363019502650977-group"
COMMUNITY = "98372465382764532938@g.us"
CHANNEL = "999999999999999999@newsletter"
CHAT = "5511999990001"
CODE = "40Aasd6af1"
PICTURE = ops.Picture(data=b"\xff\xd8 tests")
DATA_URL = f"data:image/jpeg;base64,{base64.b64encode(PICTURE.data).decode()}"

DONE = upstream.json({"value": True})
SUCCESS = upstream.json({"success": True})


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """`asks` are the requests in order: method, path below the instance, body."""

    name: str
    given: dict[str, Any]
    asks: Sequence[tuple[str, str, Any]]
    replies: Sequence[Reply] = (DONE,)
    result: Any = None
    label: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.label}".strip()


def does(name: str, method: str, path: str, body: Any = None, /, *, reply: Reply = DONE, **given: Any) -> Operation:
    """One request that is answered with no more than that it was done."""
    return Operation(name=name, given=given, asks=((method, path, body),), replies=(reply,))


def told(
    name: str, method: str, path: str, answer: Any, result: Any, /, *, body: Any = None, label: str = "", **given: Any
) -> Operation:
    """One request whose answer is the result."""
    return Operation(
        name=name,
        given=given,
        asks=((method, path, body),),
        replies=(upstream.json(answer),),
        result=result,
        label=label,
    )


METADATA = {
    "phone": THEIRS,
    "description": "Grupo",
    "owner": "5511999999999",
    "subject": "Meu grupo",
    "creation": 1588721491000,
    "invitationLink": f"https://chat.whatsapp.com/{CODE}",
    "communityId": "98372465382764532938",
    "adminOnlyMessage": True,
    "adminOnlySettings": False,
    "requireAdminApproval": False,
    "participants": [
        {"phone": "5511888888888", "isAdmin": False, "isSuperAdmin": False},
        {"phone": "9@lid", "isAdmin": True, "isSuperAdmin": False, "name": "Ana"},
        {"phone": "5511777777777", "isAdmin": True, "isSuperAdmin": True},
    ],
}
METADATA_READ = ops.Group(
    group=GROUP,
    subject="Meu grupo",
    description="Grupo",
    owner="5511999999999",
    created_at=datetime.fromtimestamp(1588721491, UTC),
    invite_link=f"https://chat.whatsapp.com/{CODE}",
    announce=True,
    locked=False,
    approval=False,
    community=COMMUNITY,
    participants=[
        ops.Participant(phone="5511888888888"),
        ops.Participant(lid="9@lid", name="Ana", role="admin"),
        ops.Participant(phone="5511777777777", role="owner"),
    ],
)
NEWSLETTER = {
    "id": CHANNEL,
    "creationTime": 1695124988,
    "state": "ACTIVE",
    "name": "Padaria",
    "description": "Pães",
    "subscribersCount": "150",
    "inviteLink": "https://whatsapp.com/channel/x",
    "verification": "VERIFIED",
    "picture": "https://example.com/a.jpg",
    "viewMetadata": {"mute": "OFF", "role": "OWNER"},
}
NEWSLETTER_READ = ops.Channel(
    channel=CHANNEL,
    name="Padaria",
    description="Pães",
    picture="https://example.com/a.jpg",
    invite_link="https://whatsapp.com/channel/x",
    role="owner",
    followers=150,
    muted=False,
    verified=True,
    extra={"state": "ACTIVE", "creationTime": 1695124988},
)
PRODUCT = {
    "availability": "in stock",
    "id": "1",
    "retailerId": None,
    "description": "Com fio",
    "price": "100000",
    "salePrice": "90000",
    "currency": "BRL",
    "name": "Mouse",
    "images": ["https://example.com/a.jpg"],
}
PRODUCT_READ = ops.Product(
    product="1",
    name="Mouse",
    description="Com fio",
    price=100_000,
    currency="BRL",
    images=["https://example.com/a.jpg"],
    extra={"availability": "in stock", "salePrice": "90000"},
)
RESULTS = [ops.ParticipantResult(participant=CHAT, done=True)]
BUSINESS = {"description": "Padaria", "websites": ["https://example.com"]}


def _settings(**given: Any) -> dict[str, Any]:
    return {"group": GROUP, **given}


OPERATIONS: tuple[Operation, ...] = (
    # Contacts and the blocklist
    told(
        "list_contacts",
        "GET",
        "contacts?page=3&pageSize=10",
        [{"name": "Ana", "short": "A", "notify": "Aninha", "vname": "", "phone": CHAT}],
        [ops.Person(phone=CHAT, name="Ana", push_name="Aninha", extra={"short": "A"})],
        limit=10,
        offset=20,
    ),
    Operation(
        name="list_contacts",
        label="between two pages",
        given={"limit": 2, "offset": 3},
        asks=(("GET", "contacts?page=2&pageSize=2", None), ("GET", "contacts?page=3&pageSize=2", None)),
        replies=(
            upstream.json([{"phone": "551"}, {"phone": "552"}]),
            upstream.json([{"phone": "553"}, {"phone": "554"}]),
        ),
        result=[ops.Person(phone="552"), ops.Person(phone="553")],
    ),
    told(
        "get_contact",
        "GET",
        f"contacts/{CHAT}",
        {"name": "Ana", "phone": CHAT, "notify": "Aninha", "imgUrl": "https://example.com/a.jpg", "about": "oi"},
        ops.Person(phone=CHAT, name="Ana", push_name="Aninha", picture="https://example.com/a.jpg", about="oi"),
        contact=CHAT,
    ),
    told(
        "check_numbers",
        "POST",
        "phone-exists-batch",
        [
            {"exists": False, "inputPhone": "5511999990002", "outputPhone": "5511999990002", "lid": None},
            {"exists": "true", "inputPhone": CHAT, "outputPhone": "551199990001", "lid": "9@lid"},
        ],
        [
            ops.Checked(phone=f"+{CHAT}", exists=True, canonical="551199990001", lid="9@lid"),
            ops.Checked(phone="5511999990002", exists=False),
        ],
        body={"phones": [CHAT, "5511999990002"]},
        phones=[f"+{CHAT}", "5511999990002"],
    ),
    told(
        "get_picture",
        "GET",
        f"profile-picture?phone={CHAT}",
        {"link": "https://example.com/a.jpg"},
        "https://example.com/a.jpg",
        contact=CHAT,
    ),
    told(
        "get_picture",
        "GET",
        f"profile-picture?phone={THEIRS}",
        [{"link": "https://example.com/a.jpg"}],
        "https://example.com/a.jpg",
        label="as older pages show it",
        contact=GROUP,
    ),
    told("get_picture", "GET", f"profile-picture?phone={CHAT}", {"link": None}, None, label="none", contact=CHAT),
    does(
        "save_contact",
        "POST",
        "contacts/add",
        [{"firstName": "Ana", "phone": CHAT, "lastName": "de Souza"}],
        reply=upstream.json({"success": True, "errors": []}),
        phone=CHAT,
        name="Ana de Souza",
    ),
    does("remove_contact", "DELETE", "contacts/remove", [CHAT], reply=SUCCESS, phone=CHAT),
    does("block_contact", "POST", "contacts/modify-blocked", {"phone": CHAT, "action": "block"}, contact=CHAT),
    does("unblock_contact", "POST", "contacts/modify-blocked", {"phone": CHAT, "action": "unblock"}, contact=CHAT),
    # Chats and labels
    told(
        "list_chats",
        "GET",
        "chats?page=1&pageSize=5",
        [
            {
                "archived": "false",
                "pinned": "true",
                "messagesUnread": 0,
                "phone": THEIRS,
                "unread": "2",
                "name": "Padaria",
                "lastMessageTime": "1622991687",
                "isMuted": "0",
                "isGroup": True,
                "tags": ["1"],
            }
        ],
        [
            ops.Chat(
                chat=GROUP,
                name="Padaria",
                unread=2,
                archived=False,
                pinned=True,
                muted=False,
                labels=["1"],
                last_message_at=datetime.fromtimestamp(1622991687, UTC),
                extra={"isGroup": True},
            )
        ],
        limit=5,
        offset=0,
    ),
    told(
        "get_chat",
        "GET",
        f"chats/{CHAT}",
        {"unread": "0", "isMuted": "1", "about": "oi"},
        ops.Chat(chat=CHAT, unread=0, muted=True, extra={"about": "oi"}),
        chat=CHAT,
    ),
    *(
        does(name, "POST", "modify-chat", {"phone": CHAT, "action": action}, chat=CHAT, **given)
        for name, given, action in (
            ("archive_chat", {"archived": True}, "archive"),
            ("archive_chat", {"archived": False}, "unarchive"),
            ("pin_chat", {"pinned": True}, "pin"),
            ("pin_chat", {"pinned": False}, "unpin"),
            ("mute_chat", {"seconds": 0}, "mute"),
            ("mute_chat", {"seconds": None}, "unmute"),
            ("mark_chat", {"read": True}, "read"),
            ("mark_chat", {"read": False}, "unread"),
            ("clear_chat", {}, "clear"),
            ("delete_chat", {}, "delete"),
        )
    ),
    does(
        "expire_chat",
        "POST",
        "send-chat-expiration",
        {"phone": CHAT, "chatExpiration": "7_DAYS"},
        chat=CHAT,
        seconds=604_800,
    ),
    does("expire_new_chats", "POST", "privacy/messages-duration?value=days90", reply=SUCCESS, seconds=7_776_000),
    does("note_chat", "POST", f"chats/{CHAT}/notes", {"notes": "à tarde"}, reply=SUCCESS, chat=CHAT, note="à tarde"),
    told(
        "list_labels",
        "GET",
        "tags",
        [{"id": "10", "name": "Cliente", "color": 3}],
        [ops.Label(label="10", name="Cliente", color="3")],
    ),
    Operation(
        name="create_label",
        given={"name": "Cliente", "color": "#64c4ff"},
        asks=(
            ("GET", "business/tags/colors", None),
            ("POST", "business/create-tag", {"name": "Cliente", "color": 1}),
        ),
        replies=(upstream.json({"0": "#FF9485", "1": "#64C4FF"}), upstream.json({"id": "10"})),
        result=ops.Label(label="10", name="Cliente", color="1"),
    ),
    Operation(
        name="update_label",
        given={"label": "10", "name": "A", "color": "2"},
        asks=(("POST", "business/edit-tag/10", {"name": "A", "color": 2}),),
        replies=(SUCCESS,),
    ),
    Operation(
        name="delete_label",
        given={"label": "10"},
        asks=(("DELETE", "business/tag/10", None),),
        replies=(SUCCESS,),
    ),
    Operation(
        name="label_chat",
        given={"chat": CHAT, "label": "10", "labelled": True},
        asks=(("PUT", f"chats/{CHAT}/tags/10/add", None),),
    ),
    Operation(
        name="label_chat",
        label="off",
        given={"chat": CHAT, "label": "10", "labelled": False},
        asks=(("PUT", f"chats/{CHAT}/tags/10/remove", None),),
    ),
    # Catalogue
    Operation(
        name="list_products",
        given={"contact": None, "limit": 3},
        asks=(("POST", "catalogs", {}), ("POST", "catalogs", {"nextCursor": "c2"})),
        replies=(
            upstream.json({"cartEnabled": True, "nextCursor": "c2", "products": [PRODUCT]}),
            upstream.json({"cartEnabled": True, "products": [PRODUCT]}),
        ),
        result=[PRODUCT_READ, PRODUCT_READ],
    ),
    told(
        "list_products",
        "POST",
        f"catalogs/{CHAT}",
        {"products": [PRODUCT, PRODUCT], "nextCursor": "c2"},
        [PRODUCT_READ],
        body={},
        label="of a business",
        contact=CHAT,
        limit=1,
    ),
    told("get_product", "GET", "products/1", PRODUCT, PRODUCT_READ, product="1", contact=None),
    told(
        "get_product",
        "GET",
        "products/1",
        {"product": PRODUCT},
        PRODUCT_READ,
        label="as older pages show it",
        product="1",
        contact=None,
    ),
    does("delete_product", "DELETE", "products/1", reply=SUCCESS, product="1"),
    Operation(
        name="list_collections",
        given={"contact": None},
        asks=(("GET", "catalogs/collection", None), ("GET", "catalogs/collection?nextCursor=A%2BB", None)),
        replies=(
            upstream.json({"nextCursor": "A+B", "collections": [{"id": "1", "name": "Pães", "status": "APPROVED"}]}),
            upstream.json({"collections": [{"id": "2", "name": "Bolos"}]}),
        ),
        result=[
            ops.Collection(collection="1", name="Pães", extra={"status": "APPROVED"}),
            ops.Collection(collection="2", name="Bolos"),
        ],
    ),
    # Privacy, stories, profile
    Operation(
        name="set_privacy",
        given={
            "settings": {
                "last_seen": "contacts",
                "picture": "none",
                "about": "contacts_except",
                "online": "match_last_seen",
                "groups": "all",
                "read_receipts": "none",
            }
        },
        asks=(
            ("POST", "privacy/last-seen", {"visualizationType": "CONTACTS"}),
            ("POST", "privacy/photo-visualization", {"visualizationType": "NONE"}),
            ("POST", "privacy/description", {"visualizationType": "CONTACT_BLACKLIST"}),
            ("POST", "privacy/online", {"visualizationType": "SAME_LAST_SEEN"}),
            ("POST", "privacy/group-add", {"type": "ALL"}),
            ("POST", "privacy/read-receipts?value=disable", None),
        ),
        replies=(SUCCESS,),
    ),
    *(
        told(
            "post_story",
            "POST",
            route,
            {"zaapId": "Z", "messageId": "3EB0"},
            "3EB0",
            body=body,
            label=kind,
            kind=kind,
            content=content,
        )
        for kind, route, content, body in (
            ("text", "send-text-status", TextContent(body="oi"), {"message": "oi"}),
            (
                "image",
                "send-image-status",
                MediaContent(link="https://example.com/a.jpg", caption="oi"),
                {"image": "https://example.com/a.jpg", "caption": "oi"},
            ),
            (
                "video",
                "send-video-status",
                MediaContent(data="data:video/mp4;base64,AA=="),
                {"video": "data:video/mp4;base64,AA=="},
            ),
        )
    ),
    told(
        "get_profile",
        "GET",
        "device",
        {
            "phone": "5511999990009",
            "imgUrl": "https://example.com/a.jpg",
            "about": "oi",
            "name": "Loja",
            "isBusiness": True,
        },
        ops.Person(phone="5511999990009", name="Loja", picture="https://example.com/a.jpg", about="oi", business=True),
    ),
    Operation(name="set_profile_name", given={"name": "Loja"}, asks=(("PUT", "profile-name", {"value": "Loja"}),)),
    does("set_profile_about", "PUT", "profile-description", {"value": "oi"}, about="oi"),
    told("get_business_profile", "GET", f"business/profile?phone={CHAT}", BUSINESS, BUSINESS, contact=CHAT),
    Operation(
        name="get_business_profile",
        label="of our own",
        given={"contact": None},
        asks=(("GET", "device", None), ("GET", "business/profile?phone=5511999990009", None)),
        replies=(upstream.json({"phone": "5511999990009"}), upstream.json(BUSINESS)),
        result=BUSINESS,
    ),
    Operation(
        name="set_business_profile",
        given={
            "change": ops.BusinessChange(description="Padaria", websites=("https://example.com",), categories=("1",))
        },
        asks=(
            ("POST", "business/company-description", {"value": "Padaria"}),
            ("POST", "business/company-websites", {"websites": ["https://example.com"]}),
            ("POST", "business/categories", {"categories": ["1"]}),
        ),
        replies=(upstream.json({"success": True}, status=201),),
    ),
    Operation(
        name="set_business_profile",
        label="the others",
        given={"change": ops.BusinessChange(address="", email="loja@example.com")},
        asks=(
            ("POST", "business/company-address", {"value": ""}),
            ("POST", "business/company-email", {"value": "loja@example.com"}),
        ),
        replies=(upstream.json({"success": True}, status=201),),
    ),
    told(
        "list_business_categories",
        "GET",
        "business/available-categories",
        [{"displayName": "Outras", "label": "OTHER_COMPANIES", "id": "629412378414563"}, {"id": None}],
        [ops.Category(category="629412378414563", name="Outras", extra={"label": "OTHER_COMPANIES"})],
    ),
    # Groups
    told(
        "list_groups",
        "GET",
        "groups?page=1&pageSize=5",
        [{"isGroup": True, "name": "Padaria", "phone": THEIRS, "unread": "0"}],
        [ops.Group(group=GROUP, subject="Padaria", extra={"unread": "0"})],
        limit=5,
        offset=0,
    ),
    told("get_group", "GET", f"group-metadata/{THEIRS}", METADATA, METADATA_READ, group=GROUP),
    told(
        "create_group",
        "POST",
        "create-group",
        {"phone": THEIRS, "phonesNotAdded": ["9@lid"], "invitationLink": "https://chat.whatsapp.com/x"},
        ops.Group(
            group=GROUP,
            subject="Padaria",
            invite_link="https://chat.whatsapp.com/x",
            extra={"phonesNotAdded": ["9@lid"]},
        ),
        body={"autoInvite": False, "groupName": "Padaria", "phones": [CHAT, "9@lid"]},
        subject="Padaria",
        participants=[CHAT, "9@lid"],
    ),
    does("rename_group", "POST", "update-group-name", {"groupId": THEIRS, "groupName": "P"}, group=GROUP, subject="P"),
    does(
        "describe_group",
        "POST",
        "update-group-description",
        {"groupId": THEIRS, "groupDescription": "D"},
        group=GROUP,
        description="D",
    ),
    does(
        "set_group_picture",
        "POST",
        "update-group-photo",
        {"groupId": THEIRS, "groupPhoto": DATA_URL},
        group=GROUP,
        picture=PICTURE,
    ),
    does(
        "set_group_settings",
        "POST",
        "update-group-settings",
        {
            "phone": THEIRS,
            "adminOnlyMessage": True,
            "adminOnlySettings": False,
            "requireAdminApproval": True,
            "adminOnlyAddMember": True,
        },
        **_settings(announce=True, locked=False, approval=True, members_add=False),
    ),
    Operation(
        name="set_group_settings",
        label="of which some stay",
        given=_settings(locked=True, members_add=True),
        asks=(
            ("GET", f"light-group-metadata/{THEIRS}", None),
            (
                "POST",
                "update-group-settings",
                {
                    "phone": THEIRS,
                    "adminOnlyMessage": True,
                    "adminOnlySettings": True,
                    "requireAdminApproval": False,
                    "adminOnlyAddMember": False,
                },
            ),
        ),
        replies=(upstream.json(METADATA), DONE),
    ),
    *(
        Operation(
            name="change_participants",
            label=action,
            given={"group": GROUP, "action": action, "participants": [CHAT]},
            asks=(("POST", route, {"groupId": THEIRS, "phones": [CHAT], **more}),),
            result=RESULTS,
        )
        for action, route, more in (
            ("add", "add-participant", {"autoInvite": False}),
            ("remove", "remove-participant", {}),
            ("promote", "add-admin", {}),
            ("demote", "remove-admin", {}),
        )
    ),
    *(
        Operation(
            name="answer_join_requests",
            label=route,
            given={"group": GROUP, "participants": [CHAT], "approve": approve},
            asks=(("POST", route, {"groupId": THEIRS, "phones": [CHAT]}),),
            result=RESULTS,
        )
        for route, approve in (("approve-participant", True), ("reject-participant", False))
    ),
    told(
        "get_invite",
        "GET",
        f"group-invitation-link/{THEIRS}",
        {"phone": THEIRS, "invitationLink": "https://chat.whatsapp.com/x"},
        "https://chat.whatsapp.com/x",
        group=GROUP,
    ),
    told(
        "reset_invite",
        "POST",
        f"redefine-invitation-link/{THEIRS}",
        {"invitationLink": "https://chat.whatsapp.com/y"},
        "https://chat.whatsapp.com/y",
        group=GROUP,
    ),
    told(
        "preview_invite",
        "GET",
        f"group-invitation-metadata?url=https://chat.whatsapp.com/{CODE}",
        METADATA,
        METADATA_READ,
        link=CODE,
    ),
    Operation(
        name="join_group",
        given={"link": f"https://chat.whatsapp.com/{CODE}"},
        asks=(
            ("GET", f"group-invitation-metadata?url=https://chat.whatsapp.com/{CODE}", None),
            ("GET", f"accept-invite-group?url=https://chat.whatsapp.com/{CODE}", None),
        ),
        replies=(upstream.json(METADATA), SUCCESS),
        result=GROUP,
    ),
    does("leave_group", "POST", "leave-group", {"groupId": THEIRS}, group=GROUP),
    # Communities
    told(
        "list_communities",
        "GET",
        "communities?page=1&pageSize=100",
        [{"name": "Bairro", "id": "98372465382764532938"}],
        [ops.Community(community=COMMUNITY, name="Bairro", groups=[])],
    ),
    Operation(
        name="list_communities",
        label="of several pages",
        given={},
        asks=[("GET", f"communities?page={page}&pageSize=100", None) for page in (1, 2)],
        replies=[upstream.json([{"name": "Bairro", "id": "98372465382764532938"}] * 100), upstream.json([])],
        result=[ops.Community(community=COMMUNITY, name="Bairro", groups=[])] * 100,
    ),
    told(
        "get_community",
        "GET",
        "communities-metadata/98372465382764532938",
        {
            "name": "Bairro",
            "id": "98372465382764532938",
            "description": "D",
            "subGroups": [
                {"name": "Avisos", "phone": THEIRS, "isGroupAnnouncement": True},
                {"name": "Feira", "phone": "120363000000000001-group", "isGroupAnnouncement": False},
            ],
        },
        ops.Community(
            community=COMMUNITY,
            name="Bairro",
            description="D",
            announcement_group=GROUP,
            groups=[
                ops.Group(group=GROUP, subject="Avisos", community=COMMUNITY),
                ops.Group(group="120363000000000001@g.us", subject="Feira", community=COMMUNITY),
            ],
        ),
        community=COMMUNITY,
    ),
    Operation(
        name="create_community",
        given={"name": "Bairro", "description": "D"},
        asks=(("POST", "communities", {"name": "Bairro", "description": "D"}),),
        replies=(upstream.json({"id": "98372465382764532938", "subGroups": []}),),
        result=ops.Community(community=COMMUNITY, name="Bairro", description="D", groups=[]),
    ),
    does("deactivate_community", "DELETE", "communities/98372465382764532938", reply=SUCCESS, community=COMMUNITY),
    *(
        does(
            f"{action}_groups",
            "POST",
            f"communities/{action}",
            {"communityId": "98372465382764532938", "groupsPhones": [THEIRS]},
            reply=SUCCESS,
            community=COMMUNITY,
            groups=[GROUP],
        )
        for action in ("link", "unlink")
    ),
    # Channels
    told("list_channels", "GET", "newsletter", [NEWSLETTER], [NEWSLETTER_READ]),
    told("get_channel", "GET", f"newsletter/metadata/{CHANNEL}", NEWSLETTER, NEWSLETTER_READ, channel=CHANNEL),
    Operation(
        name="create_channel",
        given={"name": "Padaria", "description": "Pães", "picture": PICTURE},
        asks=(
            ("POST", "create-newsletter", {"name": "Padaria", "description": "Pães"}),
            ("POST", "update-newsletter-picture", {"id": CHANNEL, "pictureUrl": DATA_URL}),
        ),
        replies=(upstream.json({"id": CHANNEL}, status=201), upstream.json({"value": True}, status=201)),
        result=ops.Channel(channel=CHANNEL, name="Padaria", description="Pães"),
    ),
    Operation(
        name="create_channel",
        label="whose picture fails",
        given={"name": "Padaria", "description": None, "picture": PICTURE},
        asks=(
            ("POST", "create-newsletter", {"name": "Padaria"}),
            ("POST", "update-newsletter-picture", {"id": CHANNEL, "pictureUrl": DATA_URL}),
        ),
        replies=(upstream.json({"id": CHANNEL}, status=201), upstream.json({"error": "too small"}, status=400)),
        result=ops.Channel(channel=CHANNEL, name="Padaria", extra={"picture_error": "too small"}),
    ),
    Operation(
        name="update_channel",
        given={"channel": CHANNEL, "name": "P", "description": "D", "picture": PICTURE},
        asks=(
            ("POST", "update-newsletter-name", {"id": CHANNEL, "name": "P"}),
            ("POST", "update-newsletter-description", {"id": CHANNEL, "description": "D"}),
            ("POST", "update-newsletter-picture", {"id": CHANNEL, "pictureUrl": DATA_URL}),
        ),
        replies=(upstream.json({"value": True}, status=201),),
    ),
    does("delete_channel", "DELETE", "delete-newsletter", {"id": CHANNEL}, channel=CHANNEL),
    *(
        Operation(name=name, given={"channel": CHANNEL, **given}, asks=(("PUT", route, {"id": CHANNEL}),))
        for name, route, given in (
            ("follow_channel", "follow-newsletter", {"following": True}),
            ("follow_channel", "unfollow-newsletter", {"following": False}),
            ("mute_channel", "mute-newsletter", {"muted": True}),
            ("mute_channel", "unmute-newsletter", {"muted": False}),
        )
    ),
    does(
        "set_channel_reactions",
        "POST",
        f"newsletter/settings/{CHANNEL}",
        {"reactionCodes": "basic"},
        reply=upstream.json({"value": True}, status=201),
        channel=CHANNEL,
        reactions="basic",
    ),
    told(
        "search_channels",
        "POST",
        "search-newsletter",
        [NEWSLETTER],
        [NEWSLETTER_READ],
        body={"limit": 5, "filters": {}, "searchText": "pão"},
        text="pão",
        limit=5,
    ),
)
