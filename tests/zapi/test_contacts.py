"""The address book, who is on WhatsApp, and chats, for a Z-API client: shapes, what is remembered, and what is our own."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from recado.services.remembering import Memory
from tests.inbound import wire
from tests.inbound.conftest import make_number
from tests.support import client as clients
from tests.support import graph
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient, open_instance

if TYPE_CHECKING:
    from recado.app import Recado

ANA, BIA, CAIO, SHORT, NOBODY = "5511999990001", "5511999990002", "5511999990003", "5511999998080", "5511999994040"


async def writes(zapi: ZapiClient, phone: str, text: str = "Oi", name: str | None = None) -> None:
    """A phone writes to the instance, and the instance has heard it."""
    body: dict[str, Any] = {"instance_id": zapi.instance_id, "type": "text", "text": {"body": text}}
    await zapi.company.post(f"/sandbox/phones/{phone}/messages", body | ({"name": name} if name else {}))
    await zapi.company.until(
        f"/v1/messages?instance_id={zapi.instance_id}",
        lambda page: any(one["content"] == {"body": text} for one in page["data"]),
    )


async def account(zapi: ZapiClient, **settings: Any) -> None:
    reply = await zapi.company.call("PATCH", "/v1/zapi", json={"settings": settings})
    assert reply.status == 200, reply.body


# --- the address book -----------------------------------------------------------------------------------


async def test_contacts_are_added_listed_and_removed(zapi: ZapiClient) -> None:
    added = await zapi.post(
        "/contacts/add",
        [
            {"firstName": "Ana", "lastName": "Souza", "phone": ANA},
            {"firstName": "Ninguém", "phone": NOBODY},
            {"firstName": "Torta", "phone": "123"},
        ],
    )
    assert added["success"] is False
    assert [error.partition(":")[0] for error in added["errors"]] == [NOBODY, "123"]
    assert await zapi.get("/contacts", page=1, pageSize=10) == [
        {"name": "Ana Souza", "short": None, "notify": None, "vname": None, "phone": ANA}
    ]
    assert await zapi.get("/contacts", page=2, pageSize=10) == []
    one = await zapi.get(f"/contacts/{ANA}")
    assert one == {
        "name": "Ana Souza", "phone": ANA, "notify": None, "short": None, "imgUrl": None, "about": None
    }  # fmt: skip
    removed = await zapi.call("DELETE", "/contacts/remove", json=[ANA])
    assert removed.body == {"success": True, "errors": []}
    assert await zapi.get("/contacts", page=1, pageSize=10) == []
    again = await zapi.post("/contacts/remove", [ANA])
    assert (again["success"], len(again["errors"])) == (False, 1)
    assert (await zapi.call("POST", "/contacts/add", json=[])).status == 400
    assert (await zapi.call("POST", "/contacts/add", json={})).status == 400


async def test_a_blocked_contact_is_not_heard_until_it_is_let_in(zapi: ZapiClient) -> None:
    assert await zapi.post("/contacts/modify-blocked", {"phone": int(ANA), "action": "block"}) == {"value": True}
    blocked = await zapi.company.get(f"/v1/instances/{zapi.instance_id}/blocklist")
    assert blocked["data"] == [ANA]
    assert await zapi.post("/contacts/modify-blocked", {"phone": ANA, "action": "unblock"}) == {"value": True}
    wrong = await zapi.call("POST", "/contacts/modify-blocked", json={"phone": ANA, "action": "greet"})
    assert wrong.status == 400


async def test_a_report_needs_a_phone_and_z_api(zapi: ZapiClient) -> None:
    malformed = await zapi.call("POST", "/contacts/12/report")
    assert (malformed.status, malformed.body) == (400, {"error": "Invalid phone"})
    refused = await zapi.call("POST", f"/contacts/{ANA}/report")
    assert refused.status == 400
    assert "Z-API itself" in refused.body["error"]


async def test_a_list_is_answered_from_memory_until_something_changes(zapi: ZapiClient) -> None:
    first = await zapi.call("GET", "/contacts", params={"page": "1", "pageSize": "10"})
    assert (first.body, first.headers["age"]) == ([], "0")
    datetime.fromisoformat(first.headers["x-recado-as-of"])
    other = await open_instance(zapi.company)
    # Somebody who wrote is in the sandbox's address book; the answer is that of before.
    await writes(zapi, ANA, name="ana")
    assert await zapi.get("/contacts", page=1, pageSize=10) == []
    # What changes another instance changes nothing here.
    await other.post("/contacts/add", [{"firstName": "Bia", "phone": BIA}])
    assert await zapi.get("/contacts", page=1, pageSize=10) == []
    await zapi.post("/contacts/add", [{"firstName": "Bia", "phone": BIA}])
    listed = await zapi.get("/contacts", page=1, pageSize=10)
    assert {one["phone"]: (one["name"], one["notify"]) for one in listed} == {ANA: (None, "ana"), BIA: ("Bia", None)}


async def test_what_a_phone_told_is_forgotten_with_it(zapi: ZapiClient) -> None:
    await zapi.post("/contacts/add", [{"firstName": "Ana", "phone": ANA}])
    assert len(await zapi.get("/contacts", page=1, pageSize=10)) == 1
    await zapi.get("/disconnect")
    # Neither as fresh nor as the older answer of a provider that fails.
    reply = await zapi.call("GET", "/contacts", params={"page": "1", "pageSize": "10"})
    assert "error" in reply.body


async def test_an_answer_is_as_old_as_its_oldest_part(module_recado: "Recado", zapi: ZapiClient) -> None:
    now = 0.0
    module_recado.runtime.answers = Memory(lambda: now)
    assert (await zapi.call("GET", f"/profile-picture?phone={ANA}")).status == 200
    now = 30.0
    assert (await zapi.call("GET", f"/contacts/{ANA}")).headers["age"] == "30"
    now = 45.0
    await zapi.post("/contacts/add", [{"firstName": "Ana", "phone": ANA}])
    await writes(zapi, ANA)
    assert (await zapi.call("GET", f"/contacts/{ANA}")).headers["age"] == "0"
    now = 65.0
    assert (await zapi.call("GET", f"/chats/{ANA}")).headers["age"] == "20"


# --- who is on WhatsApp ---------------------------------------------------------------------------------


async def test_a_number_exists_as_whatsapp_writes_it(zapi: ZapiClient) -> None:
    there = {"exists": True, "phone": ANA, "lid": None}
    assert await zapi.get(f"/phone-exists/{ANA}") == there
    assert await zapi.get("/phone-exists/+55 (11) 99999-0001") == there
    assert await zapi.get(f"/phone-exists/{SHORT}") == {"exists": True, "phone": "551199998080", "lid": None}
    assert await zapi.get(f"/phone-exists/{NOBODY}") == {"exists": False, "phone": NOBODY, "lid": None}
    # Nobody can have it, so it does not exist.
    assert await zapi.get("/phone-exists/12") == {"exists": False, "phone": "12", "lid": None}
    for wrong in ("120363019502650977-group", "999999999999999@lid", "ana"):
        reply = await zapi.call("GET", f"/phone-exists/{wrong}")
        assert (reply.status, reply.body) == (400, {"error": "Invalid phone"})
    assert await zapi.post("/phone-exists-batch", {"phones": [SHORT, int(NOBODY), "12", SHORT]}) == [
        {"exists": True, "inputPhone": SHORT, "outputPhone": "551199998080", "lid": None},
        {"exists": False, "inputPhone": NOBODY, "outputPhone": NOBODY, "lid": None},
        {"exists": False, "inputPhone": "12", "outputPhone": "12", "lid": None},
        {"exists": True, "inputPhone": SHORT, "outputPhone": "551199998080", "lid": None},
    ]
    assert await zapi.post("/phone-exists-batch", {"phones": []}) == []


async def test_an_account_chooses_between_object_and_list(zapi: ZapiClient) -> None:
    own = await zapi.get("/profile-picture")
    assert await zapi.get("/profile-picture", phone=ANA) == own == {"link": None}
    await account(zapi, phone_exists="array", documentation="older")
    assert await zapi.get(f"/phone-exists/{ANA}") == [{"exists": True, "phone": ANA, "lid": None}]
    assert await zapi.get("/profile-picture", phone=ANA) == [{"link": None}]
    await account(zapi, phone_exists="object", documentation="current")


# --- chats ----------------------------------------------------------------------------------------------


async def test_a_chat_has_numbers_and_truths_as_texts(zapi: ZapiClient) -> None:
    await writes(zapi, ANA, name="ana")
    (chat,) = await zapi.get("/chats", page=1, pageSize=10)
    at = chat.pop("lastMessageTime")
    assert len(at) == 13
    assert at.isdigit()
    assert chat == {
        "archived": "false",
        "pinned": "false",
        "messagesUnread": 1,
        "phone": ANA,
        "unread": "1",
        "name": "ana",
        "isMuted": "0",
        "muteEndTime": None,
        "isMarkedSpam": None,
        "isGroupAnnouncement": False,
        "isGroup": False,
        "notes": None,
        "lid": None,
        "tags": [],
    }
    for action in ("archive", "pin", "mute", "read"):
        assert await zapi.post("/modify-chat", {"phone": ANA, "action": action}) == {"value": True}
    (chat,) = await zapi.get("/chats", page=1, pageSize=10)
    assert [chat[name] for name in ("archived", "pinned", "isMuted", "unread")] == ["true", "true", "1", "0"]
    one = await zapi.get(f"/chats/{ANA}")
    assert (one["phone"], one["isMuted"], one["unread"], one["about"]) == (ANA, "1", "0", None)
    # Recado's own conversation is read as well.
    conversations = await zapi.company.get(f"/v1/conversations?instance_id={zapi.instance_id}")
    assert [one["unread"] for one in conversations["data"]] == [0]
    for action in ("unarchive", "unpin", "unmute", "unread", "clear", "delete"):
        assert await zapi.post("/modify-chat", {"phone": ANA, "action": action}) == {"value": True}
    assert await zapi.get("/chats", page=1, pageSize=10) == []
    assert (await zapi.call("POST", "/modify-chat", json={"phone": ANA, "action": "eat"})).status == 400


async def test_messages_of_a_chat_disappear_after_a_while(zapi: ZapiClient) -> None:
    await writes(zapi, ANA)
    for after in ("90_DAYS", "24_hours", "OFF"):
        body = {"phone": ANA, "chatExpiration": after}
        assert await zapi.post("/send-chat-expiration", body) == {"value": True}
    refused = await zapi.call("POST", "/send-chat-expiration", json={"phone": ANA, "chatExpiration": "1_YEAR"})
    assert (refused.status, refused.body) == (400, {"error": "chatExpiration: one of OFF, 24_HOURS, 7_DAYS, 90_DAYS"})


async def test_the_messages_of_a_chat_are_those_that_were_told(zapi: ZapiClient) -> None:
    await writes(zapi, ANA, "um", name="ana")
    sent = await zapi.post("/send-text", {"phone": ANA, "message": "dois"})
    await zapi.company.until(f"/v1/messages/{sent['zaapId'].lower()}", lambda message: message["provider_id"])
    await writes(zapi, ANA, "três")
    await writes(zapi, BIA, "outra")
    newest = await zapi.get(f"/chat-messages/{ANA}", amount=2)
    assert [one["text"]["message"] for one in newest] == ["três", "dois"]
    assert [one["fromMe"] for one in newest] == [False, True]
    assert newest[1]["messageId"] == sent["messageId"]
    assert all(one["phone"] == ANA and one["instanceId"] == zapi.id and "type" not in one for one in newest)
    older = await zapi.get(f"/chat-messages/{ANA}", amount=2, lastMessageId=newest[-1]["messageId"])
    assert [one["text"]["message"] for one in older] == ["um"]
    assert await zapi.get("/chat-messages/5511999990009", amount=10) == []
    unknown = await zapi.call("GET", f"/chat-messages/{ANA}", params={"amount": "1", "lastMessageId": "nada"})
    assert unknown.status == 400


# --- what only Recado knows -----------------------------------------------------------------------------


async def test_what_a_provider_cannot_tell_is_our_own(
    module_recado: "Recado", module_company: Client, zapi: ZapiClient
) -> None:
    """Meta's provider has no operations: nothing can be asked."""
    async with clients.connect(module_recado.url, module_recado.admin_token) as admin, graph.serve() as server:
        number = await make_number(admin, server, account="100200300", company=module_company)
        opened = (await module_company.call("PUT", f"/v1/instances/{number.instance_id}/zapi", json={})).body
        meta = ZapiClient(module_company, {"id": number.instance_id}, opened)
        await number.receive(wire.text(CAIO, "Oi"))
        await module_company.until(f"/v1/messages?instance_id={number.instance_id}", lambda page: page["data"])

        name = f"Name {CAIO}"
        (contact,) = await meta.get("/contacts", page=1, pageSize=10)
        assert contact == {"name": name, "short": None, "notify": None, "vname": None, "phone": CAIO}
        # With and without the ninth digit.
        assert (await meta.get("/contacts/551199990003"))["name"] == name
        (chat,) = await meta.get("/chats", page=1, pageSize=10)
        known = ("phone", "unread", "messagesUnread", "name", "isGroup", "archived")
        assert [chat[field] for field in known] == [CAIO, "1", 1, name, False, None]
        one = await meta.get(f"/chats/{CAIO}")
        assert (one["unread"], one["profileThumbnail"], one["about"]) == ("1", None, None)
        assert await meta.get("/groups", page=1, pageSize=10) == []
        for path in ("/contacts/", "/chats/"):
            missing = await meta.call("GET", f"{path}{BIA}")
            assert missing.status == 404
        # Its newest message is marked as read, which a provider without chats can do.
        assert await meta.post("/modify-chat", {"phone": CAIO, "action": "read"}) == {"value": True}
        assert (await meta.get(f"/chats/{CAIO}"))["unread"] == "0"
        refused = await meta.call("POST", "/modify-chat", json={"phone": CAIO, "action": "archive"})
        assert (refused.status, refused.body) == (400, {"error": "The provider meta has no archive chat."})
    # Another instance of the company has chats of its own.
    assert await zapi.get("/chats", page=1, pageSize=10) == []
