"""Groups, invitations and communities for a Z-API client: shapes, effects at other instances, and refusals."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from recado.services.remembering import FRESH_SECONDS, LONGEST_SECONDS, Memory
from recado.testing.upstream import Reply, Upstream, json
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado

ANA, BIA, NOBODY = "5511999990001", "5511999990002", "5511999994040"
LID = "999999999999999@lid"
TOKEN = secrets.register("F8A0made0up0group0tests0token")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def other(module_company: Client) -> ZapiClient:
    """Another instance of the company."""
    return await open_instance(module_company)


async def number_of(zapi: ZapiClient) -> str:
    return str((await zapi.company.get(f"/v1/instances/{zapi.instance_id}/profile"))["phone"])


async def make(zapi: ZapiClient, *phones: str) -> str:
    body = {"autoInvite": False, "groupName": "Clientes", "phones": phones or [ANA]}
    return str((await zapi.post("/create-group", body))["phone"])


async def admins(zapi: ZapiClient, group: str) -> list[str]:
    found = (await zapi.get(f"/light-group-metadata/{group}"))["participants"]
    return sorted(one["phone"] for one in found if one["isAdmin"])


async def members(zapi: ZapiClient, group: str) -> list[str]:
    return sorted(one["phone"] for one in (await zapi.get(f"/light-group-metadata/{group}"))["participants"])


async def texts(zapi: ZapiClient, phone: str, count: int) -> list[str]:
    """What a phone received, once it is so much."""
    page = await zapi.company.until(
        f"/sandbox/phones/{phone}/messages?instance_id={zapi.instance_id}", lambda page: len(page["data"]) >= count
    )
    return [one["content"]["body"] for one in page["data"]]


# --- groups ---------------------------------------------------------------------------------------------


async def test_a_group_is_made_and_told_in_the_documented_shapes(zapi: ZapiClient) -> None:
    made = await zapi.post("/create-group", {"autoInvite": True, "groupName": "Clientes", "phones": [ANA, LID, NOBODY]})
    group = made["phone"]
    assert group.endswith("-group")
    assert sorted(made["phonesNotAdded"]) == sorted([NOBODY, LID])
    assert made["invitationLink"].startswith("https://chat.whatsapp.com/")
    # Who has no number can still be written to; who is not on WhatsApp cannot.
    queued = await zapi.company.get(f"/v1/messages?instance_id={zapi.instance_id}")
    assert [(one["to"], one["content"]["body"]) for one in queued["data"]] == [(LID, made["invitationLink"])]

    mine = await number_of(zapi)
    metadata = await zapi.get(f"/group-metadata/{group}")
    creation = metadata.pop("creation")
    assert len(str(creation)) == 13
    expected = {
        "phone": group,
        "description": None,
        "owner": mine,
        "subject": "Clientes",
        "invitationLink": made["invitationLink"],
        "communityId": None,
        "adminOnlyMessage": False,
        "adminOnlySettings": False,
        "requireAdminApproval": False,
        "isGroupAnnouncement": False,
        "participants": [
            {"phone": mine, "isAdmin": True, "isSuperAdmin": True, "short": None, "name": None},
            {"phone": ANA, "isAdmin": False, "isSuperAdmin": False, "short": None, "name": None},
        ],
        "subjectTime": None,
        "subjectOwner": None,
    }
    assert metadata == {**expected, "invitationLinkError": None}
    light = await zapi.get(f"/light-group-metadata/{group}")
    assert light == {**expected, "creation": creation, "invitationLink": None}
    assert await zapi.get("/groups", page=1, pageSize=10) == [
        {
            "isGroup": True,
            "name": "Clientes",
            "phone": group,
            "unread": None,
            "lastMessageTime": None,
            "isMuted": None,
            "isMarkedSpam": None,
            "archived": None,
            "pinned": None,
            "muteEndTime": None,
            "messagesUnread": None,
        }
    ]
    only_lids = await zapi.call("POST", "/create-group", json={"groupName": "x", "phones": [LID]})
    assert only_lids.status == 400


async def test_who_is_in_a_group_already_is_not_invited_to_it(zapi: ZapiClient) -> None:
    mine = await number_of(zapi)
    body = {"autoInvite": True, "groupName": 2026, "phones": [ANA, ANA, "551199990001", mine, "+" + BIA, int(BIA)]}
    made = await zapi.post("/create-group", body)
    assert made["phonesNotAdded"] == []
    assert (await zapi.get(f"/light-group-metadata/{made['phone']}"))["subject"] == "2026"
    assert await members(zapi, made["phone"]) == sorted([mine, ANA, BIA])
    twice = {"groupId": made["phone"], "phones": [BIA, int(BIA)]}
    assert await zapi.post("/remove-participant", twice) == {"value": True}
    queued = await zapi.company.get(f"/v1/messages?instance_id={zapi.instance_id}")
    assert queued["data"] == []


@pytest.mark.parametrize("group", ["../../x-group", "abc-group", "1-group", "a@b@g.us", "-group", ""])
async def test_what_no_group_is_called_is_told_to_no_provider(zapi: ZapiClient, group: str) -> None:
    reply = await zapi.call("POST", "/leave-group", json={"groupId": group})
    assert (reply.status, reply.body) == (400, {"error": "Invalid groupId"})


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/create-group", {"groupName": "", "phones": [ANA]}),
        ("/update-group-name", {"groupId": "120363019502650977-group", "groupName": ""}),
        ("/communities", {"name": ""}),
        ("/contacts/add", [{"firstName": "", "phone": ANA}]),
    ],
)
async def test_a_name_is_not_empty(zapi: ZapiClient, route: str, body: Any) -> None:
    assert (await zapi.call("POST", route, json=body)).status == 400


async def test_a_group_is_changed(zapi: ZapiClient) -> None:
    group = await make(zapi)
    done = {"value": True}
    assert await zapi.post("/update-group-name", {"groupId": group, "groupName": "Amigos"}) == done
    assert await zapi.post("/update-group-description", {"groupId": group, "groupDescription": "a%0Ab"}) == done
    for picture in (PIXEL, f"data:image/png;base64,{PIXEL}"):
        assert await zapi.post("/update-group-photo", {"groupId": group, "groupPhoto": picture}) == done
    settings = {
        "phone": group, "adminOnlyMessage": True, "adminOnlySettings": "true",
        "requireAdminApproval": True, "adminOnlyAddMember": True,
    }  # fmt: skip
    assert await zapi.post("/update-group-settings", settings) == done
    told = await zapi.get(f"/group-metadata/{group}")
    names = ("subject", "description", "adminOnlyMessage", "adminOnlySettings", "requireAdminApproval")
    assert [told[name] for name in names] == ["Amigos", "a\nb", True, True, True]
    assert (await zapi.get("/profile-picture", phone=group))["link"] == f"data:image/png;base64,{PIXEL}"
    wrong = await zapi.call("POST", "/update-group-photo", json={"groupId": group, "groupPhoto": "nada"})
    assert wrong.status == 400
    assert await zapi.post("/leave-group", {"groupId": group}) == done
    assert await zapi.get("/groups", page=1, pageSize=10) == []
    malformed = await zapi.call("POST", "/leave-group", json={"groupId": "ana"})
    assert (malformed.status, malformed.body) == (400, {"error": "Invalid groupId"})


async def test_people_come_and_go(zapi: ZapiClient) -> None:
    group, mine = await make(zapi), await number_of(zapi)

    async def change(route: str, *phones: str, **more: Any) -> bool:
        return bool((await zapi.post(route, {"groupId": group, "phones": phones, **more}))["value"])

    assert await change("/add-participant", BIA, ANA, autoInvite=False)
    assert await members(zapi, group) == sorted([mine, ANA, BIA])
    assert await change("/add-admin", BIA)
    assert await admins(zapi, group) == sorted([mine, BIA])
    assert await change("/remove-admin", BIA)
    assert await change("/remove-participant", BIA)
    assert await members(zapi, group) == sorted([mine, ANA])
    assert not await change("/add-participant", NOBODY, autoInvite=True)
    assert not await change("/add-participant", LID, autoInvite=False)
    assert await change("/add-participant", LID, autoInvite=True)
    assert not await change("/add-admin", BIA)
    for wrong in ({"phones": [ANA]}, {"phones": [ANA], "groupId": group, "communityId": "98372465382764532938"}):
        reply = await zapi.call("POST", "/add-admin", json=wrong)
        assert (reply.status, reply.body) == (400, {"error": "Send exactly one of groupId and communityId"})
    assert (await zapi.call("POST", "/add-admin", json={"groupId": group, "phones": []})).status == 400


async def test_who_does_not_let_themselves_be_added_is_invited(zapi: ZapiClient, other: ZapiClient) -> None:
    shy = await number_of(other)
    private = {"groups": "none"}
    reply = await other.company.call("PATCH", f"/v1/instances/{other.instance_id}/privacy", json=private)
    assert reply.status in (200, 204), reply.body
    made = await zapi.post("/create-group", {"autoInvite": True, "groupName": "Clientes", "phones": [ANA, shy]})
    assert made["phonesNotAdded"] == [shy]
    assert await texts(zapi, shy, 1) == [made["invitationLink"]]
    body = {"groupId": made["phone"], "phones": [shy]}
    assert await zapi.post("/add-participant", {**body, "autoInvite": False}) == {"value": False}
    assert await zapi.post("/add-participant", {**body, "autoInvite": True}) == {"value": True}
    assert await texts(zapi, shy, 2) == [made["invitationLink"]] * 2


# --- invitations ----------------------------------------------------------------------------------------


async def test_another_instance_joins_by_the_link(zapi: ZapiClient, other: ZapiClient) -> None:
    group, mine, theirs = await make(zapi), await number_of(zapi), await number_of(other)
    link = await zapi.get(f"/group-invitation-link/{group}")
    assert link["phone"] == group
    assert await zapi.post(f"/group-invitation-link/{group}") == link
    seen = await other.get("/group-invitation-metadata", url=link["invitationLink"])
    known = ("phone", "subject", "owner", "invitationLink", "participantsCount", "contactsCount", "participants")
    assert [seen[name] for name in known] == [group, "Clientes", mine, link["invitationLink"], 2, None, []]

    approval = {"phone": group, "adminOnlyMessage": False, "adminOnlySettings": False, "adminOnlyAddMember": False}
    await zapi.post("/update-group-settings", {**approval, "requireAdminApproval": True})
    for answer in ("reject", "approve"):
        assert await other.get("/accept-invite-group", url=link["invitationLink"]) == {"success": True}
        assert theirs not in await members(zapi, group)
        body = {"groupId": group, "phones": [theirs]}
        assert await zapi.post(f"/{answer}-participant", body) == {"value": True}
        assert await zapi.post(f"/{answer}-participant", body) == {"value": False}
    assert theirs in await members(zapi, group)

    # Only admins see the link; the rest is told all the same.
    metadata = await other.get(f"/group-metadata/{group}")
    assert metadata["invitationLink"] is None
    assert "admins" in metadata["invitationLinkError"]
    fresh = await zapi.post(f"/redefine-invitation-link/{group}")
    assert fresh["invitationLink"] != link["invitationLink"]
    assert (await zapi.get(f"/group-invitation-link/{group}"))["invitationLink"] == fresh["invitationLink"]


async def test_what_others_do_is_seen_once_it_is_told(zapi: ZapiClient, other: ZapiClient) -> None:
    theirs = await number_of(other)
    group = await make(zapi, theirs)
    assert (await other.get(f"/group-metadata/{group}"))["subject"] == "Clientes"
    await zapi.post("/update-group-name", {"groupId": group, "groupName": "Amigos"})
    # Long before the answer from memory would be too old.
    path = f"{other.base}/group-metadata/{group}"
    await other.company.as_(None).until(path, lambda told: told["subject"] == "Amigos")


# --- communities ----------------------------------------------------------------------------------------


async def test_a_community_has_groups_and_people(zapi: ZapiClient) -> None:
    made = await zapi.post("/communities", {"name": "Bairro", "description": "Todos"})
    community, mine = made["id"], await number_of(zapi)
    assert community.isdigit()
    (announcements,) = made["subGroups"]
    assert (announcements["name"], announcements["isGroupAnnouncement"]) == ("Bairro", True)
    assert await zapi.get("/communities") == [{"name": "Bairro", "id": community}]
    assert await zapi.get("/communities", page=2, pageSize=1) == []

    group = await make(zapi)
    link = {"communityId": community, "groupsPhones": [group]}
    assert await zapi.post("/communities/link", link) == {"success": True}
    metadata = await zapi.get(f"/communities-metadata/{community}")
    linked = {"name": "Clientes", "phone": group, "isGroupAnnouncement": False}
    assert metadata == {
        "name": "Bairro", "id": community, "description": "Todos", "subGroups": [announcements, linked]
    }  # fmt: skip
    assert (await zapi.get(f"/light-group-metadata/{group}"))["communityId"] == community

    body = {"communityId": community, "phones": [BIA]}
    for route in ("/add-participant", "/add-admin", "/remove-admin"):
        assert await zapi.post(route, {**body, "autoInvite": False}) == {"value": True}
    assert await members(zapi, announcements["phone"]) == sorted([mine, ANA, BIA])
    assert await zapi.post("/remove-participant", body) == {"value": True}
    assert await members(zapi, announcements["phone"]) == sorted([mine, ANA])
    new = await zapi.post(f"/redefine-invitation-link/{community}")
    invitation = await zapi.get(f"/group-invitation-link/{announcements['phone']}")
    assert invitation["invitationLink"] == new["invitationLink"]

    assert await zapi.post("/communities/unlink", link) == {"success": True}
    assert (await zapi.get(f"/communities-metadata/{community}"))["subGroups"] == [announcements]
    reply = await zapi.call("DELETE", f"/communities/{community}")
    assert (reply.status, reply.body) == (200, {"success": True})
    assert await zapi.get("/communities") == []


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/communities/settings", {"whoCanAddNewGroups": "admins"}),
        ("/update-community-description", {"communityDescription": "Nova"}),
        ("/update-community-photo", {"communityPhoto": "https://example.com/a.png"}),
    ],
)
async def test_what_only_z_api_changes_of_a_community_is_refused(
    zapi: ZapiClient, route: str, body: dict[str, Any]
) -> None:
    reply = await zapi.call("POST", route, json={"communityId": "98372465382764532938", **body})
    assert reply.status == 400
    assert "Z-API itself" in reply.body["error"]


# --- Z-API itself behind an instance --------------------------------------------------------------------


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream([json({"value": True})]) as served:
        yield served


@pytest.fixture
async def passing(module_recado: "Recado", module_company: Client, upstream: Upstream) -> ZapiClient:
    """An instance whose provider is Z-API itself."""
    async with clients.connect(module_recado.url, module_recado.admin_token) as admin:
        server = {"name": upstream.url, "kind": "zapi", "base_url": upstream.url, "max_instances": 1}
        made = await admin.post("/v1/servers", server)
    credentials = {"instance_id": "3C67AB641C8AA0412F6A2242B4E23AC7", "token": TOKEN}
    instance = await module_company.post(
        "/v1/instances", {"name": "Vendas", "server_id": made["id"], "credentials": credentials}
    )
    opened = await module_company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json={})
    upstream.requests.clear()
    return ZapiClient(module_company, instance, opened.body)


def asked(upstream: Upstream) -> list[tuple[str, str, bytes]]:
    """Method, route and body of what the upstream was asked since."""
    found = [(one.method, one.path.partition(f"/token/{TOKEN}")[2], one.body) for one in upstream.requests]
    upstream.requests.clear()
    return found


async def test_z_api_itself_does_what_only_it_can(passing: ZapiClient, upstream: Upstream) -> None:
    raw = b'{"autoInvite":true,"groupId":"120363019502650977-group","phones":["5511999990001"]}'
    reply = await passing.call("POST", "/add-participant", data=raw, headers={"content-type": "application/json"})
    assert (reply.status, reply.body) == (200, {"value": True})
    assert asked(upstream) == [("POST", "/add-participant", raw)]
    raw = raw.replace(b"groupId", b"communityId").replace(b"120363019502650977-group", b"98372465382764532938")
    for route in ("/remove-participant", "/add-admin"):
        await passing.call("POST", route, data=raw, headers={"content-type": "application/json"})
        assert asked(upstream) == [("POST", route, raw)]
    await passing.post("/redefine-invitation-link/98372465382764532938")
    await passing.post("/update-community-description", {"communityId": "9", "communityDescription": "x"})
    assert [path for _, path, _ in asked(upstream)] == [
        "/redefine-invitation-link/98372465382764532938", "/update-community-description"
    ]  # fmt: skip


async def test_an_older_list_is_told_with_its_age_while_the_provider_fails(
    module_recado: "Recado", passing: ZapiClient, upstream: Upstream
) -> None:
    now = 0.0
    module_recado.runtime.answers = Memory(lambda: now)
    told = {
        "archived": "false", "pinned": "true", "muteEndTime": 1655953774000, "isMuted": "1", "isMarkedSpam": "false",
        "unread": "3", "lastMessageTime": "1730918668000", "messagesUnread": "3",
    }  # fmt: skip
    group = {"isGroup": True, "name": "Grupo teste", "phone": "120263358412332916-group", **told}
    upstream.replies[:] = [json([group])]
    pages = {"page": "1", "pageSize": "10"}
    first = await passing.call("GET", "/groups", params=pages)
    assert (first.status, first.headers["age"]) == (200, "0")
    assert first.body == [group]
    upstream.replies[:] = [Reply(status=503)]
    now = FRESH_SECONDS + 1
    older = await passing.call("GET", "/groups", params=pages)
    assert (older.status, older.headers["age"], older.body) == (200, "61", first.body)
    assert len(asked(upstream)) == 2
    now = LONGEST_SECONDS
    assert (await passing.call("GET", "/groups", params=pages)).status == 502
