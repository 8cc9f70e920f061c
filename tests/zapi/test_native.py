"""The surface on the built-in engine, from a client's request to the library's own messages, and back to its webhooks."""

import base64
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from recado.api.zapi import examples, routes
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Refused, Route
from recado.api.zapi.sends import Send
from recado.domain.operations import operations
from recado.providers.native.adapter import Native
from recado.providers.sandbox import samples
from recado.services.zapi import faults
from recado.testing.upstream import Reply as Answer
from recado.testing.upstream import Upstream
from tests.native.conftest import NEONIZE, eventually
from tests.support import databases
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient
from tests.zapi.native import Endpoint, NativeWorld, Phone, extended, open_native, served, vote_of
from tests.zapi.world import check_documented, files

if TYPE_CHECKING:
    from tests.native.go import Go

pytestmark = pytest.mark.skipif(
    not NEONIZE and os.environ.get("CI") != "true", reason="needs neonize: uv sync --extra native"
)

_NO_CALL = "neonize has no call for it"
_NO_STATE = "the engine does not write what the phone shares with its devices: chats, contacts, labels"
_NO_BUSINESS = "neonize has no call for what businesses have: catalogues, orders, profiles"
_NO_MESSAGE = "the engine does not make this message"
_NO_SECRET = "its answer is encrypted with the event's secret, for which neonize has no call"
#: What the engine lacks of what routes need, and why.
LACKS: Mapping[str, str] = {
    **dict.fromkeys(("carousel", "channel_invite"), _NO_MESSAGE),
    **dict.fromkeys(("event_edit", "event_response"), _NO_SECRET),
    **dict.fromkeys(("archive_chat", "pin_chat", "mute_chat", "mark_chat", "clear_chat", "delete_chat"), _NO_STATE),
    **dict.fromkeys(("save_contact", "remove_contact", "note_chat"), _NO_STATE),
    **dict.fromkeys(("list_labels", "create_label", "update_label", "delete_label", "label_chat"), _NO_STATE),
    **dict.fromkeys(("answer_join_requests", "deactivate_community"), _NO_CALL),
    **dict.fromkeys(("update_channel", "delete_channel", "set_channel_reactions", "search_channels"), _NO_CALL),
    **dict.fromkeys(("product", "catalog", "order", "order_update"), _NO_BUSINESS),
    **dict.fromkeys(("list_products", "get_product", "save_product", "delete_product"), _NO_BUSINESS),
    **dict.fromkeys(("list_collections", "get_business_profile", "set_business_profile"), _NO_BUSINESS),
    "list_business_categories": _NO_BUSINESS,
}
#: Where the example asks for what the engine cannot do of an operation that it has: what it is answered.
OTHERWISE: Mapping[str, str] = {
    "/update-group-settings": "native: neonize cannot change `approval`.",
    "/send-event": "The provider native does not take this event."
    " event.call: the built-in engine cannot make the link of a call",
}
#: Where the example needs nothing of what else the route can do: `read` is Recado's own.
ANYWAY = ("/modify-chat",)

PHONE, OWN = examples.PHONE, "5511900000001"
ROUTES = [pytest.param(route, id=f"{route.method} {route.path}") for route in routes.ROUTES]


@pytest.fixture(scope="module")
def go() -> "Go":
    from tests.native import account
    from tests.native.go import Go

    made = Go()
    made.answers |= account.answers()
    return made


@pytest.fixture(scope="module")
async def native_company(
    server: databases.Server, tmp_path_factory: pytest.TempPathFactory, go: "Go"
) -> AsyncIterator[Client]:
    """A company of a whole Recado, its engine in this process too, over the double."""
    url = await server.fresh()
    async with served(url, tmp_path_factory.mktemp("recado"), go) as company:
        yield company
    await server.drop(url)


@pytest.fixture(scope="module")
async def world(native_company: Client, go: "Go") -> AsyncIterator[NativeWorld]:
    """A number for the examples of all routes, and servers with their files."""
    async with files() as found:
        yield NativeWorld(native_company, await open_native(native_company, go), found)


@pytest.fixture
async def called_on(world: NativeWorld, request: pytest.FixtureRequest) -> AsyncIterator[ZapiClient]:
    """The instance that a route is called on."""
    shared = world.zapi
    world.zapi = await world.for_(request.getfixturevalue("route"))
    yield world.zapi
    world.zapi = shared


@pytest.fixture
async def phone(native_company: Client, go: "Go") -> Phone:
    return await open_native(native_company, go)


# --- every route --------------------------------------------------------------------------------------------


def _lacking(route: Route) -> list[str]:
    has = operations(Native(None)) | Native.capabilities.kinds  # type: ignore[arg-type]  # Nothing is asked of it.
    return [need for need in route.needs if need not in has]


def test_the_engine_lacks_what_is_said_here() -> None:
    assert {need for route in routes.ROUTES for need in _lacking(route)} == set(LACKS)


@pytest.mark.parametrize("route", ROUTES)
async def test_the_documented_example(world: NativeWorld, route: Route, called_on: ZapiClient) -> None:
    reply = await world.example(route)
    if isinstance(route, Refused | Relayed):
        assert (reply.status, reply.body) == (400, {"error": route.reason})
    elif route.method != "GET" and route.path in OTHERWISE:
        assert (reply.status, reply.body) == (400, {"error": OTHERWISE[route.path]})
    elif _lacking(route) and route.path not in ANYWAY:
        assert (reply.status, list(reply.body)) == (400, ["error"])
        assert "provider native" in reply.body["error"]
    else:
        check_documented(route, reply)
        if isinstance(route, Send) and reply.body:
            await _left(called_on, reply.body["zaapId"])


async def _left(zapi: ZapiClient, zaap_id: str) -> dict[str, Any]:
    """The message, once it was handed over."""
    path = f"/v1/messages/{zaap_id.lower()}"
    shown: dict[str, Any] = await zapi.company.until(path, lambda shown: shown["status"] not in ("queued", "sending"))
    assert shown["status"] == "sent", shown["error"]
    return shown


# --- from a client to WhatsApp and back ---------------------------------------------------------------------


@pytest.fixture
async def endpoint(phone: Phone) -> AsyncIterator[Endpoint]:
    """The phone's webhooks, all of them."""
    async with Upstream([Answer()]) as server:
        await phone.zapi.put("/update-every-webhooks", {"value": server.url})
        yield Endpoint(server)


async def _text(phone: Phone, words: str, **more: Any) -> dict[str, Any]:
    sent: dict[str, Any] = await phone.zapi.post("/send-text", {"phone": PHONE, "message": words, **more})
    return sent


async def _message(phone: Phone, path: str, body: dict[str, Any]) -> Any:
    """What leaves the phone when something is sent to Ana."""
    before = len(phone.sent)
    answer = await phone.zapi.post(path, {"phone": PHONE, **body})
    await _left(phone.zapi, answer["zaapId"])
    [message] = phone.sent[before:]
    return message


async def test_texts_leave_in_order_and_their_states_come_back(phone: Phone, endpoint: Endpoint) -> None:
    from tests.native.go import receipt

    sent = [await _text(phone, words, messageId=own) for words, own in (("um", "pedido-1"), ("dois", "pedido-2"))]
    sent.append(await _text(phone, "três"))
    assert [one["messageId"] for one in sent] == ["pedido-1", "pedido-2", sent[2]["zaapId"]]
    left = [(await _left(phone.zapi, one["zaapId"]))["provider_id"] for one in sent]
    assert [message.conversation for message in phone.sent] == ["um", "dois", "três"]
    phone.tells(receipt(left, "DELIVERED", PHONE))
    phone.tells(receipt(left[:1], "READ", PHONE))
    states = await endpoint.told("MessageStatusCallback", 7)
    deliveries = endpoint.arrived("DeliveryCallback")
    shown = [one["messageId"] for one in sent]
    assert [(one["messageId"], one["zaapId"]) for one in deliveries] == [
        (one["messageId"], one["zaapId"]) for one in sent
    ]
    assert set(deliveries[0]) == {"phone", "messageId", "instanceId", "zaapId", "momment", "type"}
    assert [(one["ids"], one["status"]) for one in states] == [
        # whatsmeow's answer to a send is the server's: nobody tells of it again.
        *(([own], "SENT") for own in shown),
        *(([own], "RECEIVED") for own in shown),
        (shown[:1], "READ"),
    ]
    assert states[3] | {"momment": 0} == {
        "instanceId": phone.zapi.id,
        "status": "RECEIVED",
        "ids": ["pedido-1"],
        "momment": 0,
        "phoneDevice": 0,
        "phone": PHONE,
        "type": "MessageStatusCallback",
        "isGroup": False,
    }
    types = [one["type"] for one in endpoint.arrived("DeliveryCallback", "MessageStatusCallback")]
    assert types == ["DeliveryCallback", "MessageStatusCallback"] * 3 + ["MessageStatusCallback"] * 4, "in one order"


async def test_order_is_kept_while_the_phone_is_away(phone: Phone, endpoint: Endpoint) -> None:
    assert (await phone.zapi.get("/disconnect")) == {"value": True}
    assert (await endpoint.told("DisconnectedCallback", 1))[0]["instanceId"] == phone.zapi.id
    sent = [await _text(phone, words) for words in ("um", "dois", "três")]
    queue = (await phone.zapi.post("/queue"))["messages"]
    assert [(entry["ZaapId"], entry["Message"]) for entry in queue] == [
        (one["zaapId"], words) for one, words in zip(sent, ("um", "dois", "três"), strict=True)
    ]
    removed = await phone.zapi.call("DELETE", f"/queue/{sent[1]['zaapId']}")
    assert (removed.status, removed.body) == (200, {"value": True})
    assert phone.sent == []
    await phone.connect()
    for one in (sent[0], sent[2]):
        await _left(phone.zapi, one["zaapId"])
    assert [message.conversation for message in phone.sent] == ["um", "três"]
    assert await phone.zapi.get("/queue/count") == {"count": 0}
    assert (await endpoint.told("ConnectedCallback", 1))[0]["connected"] is True


async def test_a_line_that_is_cut_costs_nothing(phone: Phone) -> None:
    from neonize.proto import Neonize_pb2 as proto

    phone.tells(proto.Disconnected(status=True))
    await phone.until("connecting")
    sent = await _text(phone, "depois")
    assert await phone.zapi.get("/queue/count") == {"count": 1}
    phone.tells(proto.Connected(status=True))
    await _left(phone.zapi, sent["zaapId"])
    assert [message.conversation for message in phone.sent] == ["depois"]


_RECEIVED = {
    "isStatusReply", "senderLid", "connectedPhone", "waitingMessage", "isEdit", "isGroup", "isNewsletter", "instanceId",
    "messageId", "phone", "fromMe", "momment", "status", "chatName", "senderPhoto", "senderName", "participantPhone",
    "participantLid", "photo", "broadcast", "type",
}  # fmt: skip


async def test_what_people_write_is_told(phone: Phone, endpoint: Endpoint) -> None:
    from neonize.proto import Neonize_pb2 as proto
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    mime_type, _, data = samples.sample("image")
    phone.go.answers["DownloadAny"] = proto.DownloadReturnFunction(Binary=data)
    await phone.writes("3EB0A1", waE2E.Message(conversation="bom dia"))
    picture = waE2E.ImageMessage(
        URL="https://mmg.test/f",
        directPath="/f",
        mediaKey=b"k" * 32,
        mimetype=mime_type,
        caption="olha",
        width=6,
        height=4,
    )
    await phone.writes("3EB0A2", waE2E.Message(imageMessage=picture))
    text, image = await endpoint.told("ReceivedCallback", 2)
    assert _RECEIVED | {"text"} <= set(text)
    assert text["text"] == {"message": "bom dia"}
    assert (text["messageId"], text["phone"], text["connectedPhone"]) == ("3EB0A1", PHONE, OWN)
    assert (text["senderName"], text["fromMe"], text["momment"]) == ("Ana", False, 1_790_000_000_000)
    assert _RECEIVED | {"image"} <= set(image)
    shown = image["image"]
    assert set(shown) == {
        "mimeType", "imageUrl", "thumbnailUrl", "downloadError", "caption", "width", "height", "viewOnce",
    }  # fmt: skip
    assert (shown["mimeType"], shown["caption"], shown["width"], shown["height"]) == (mime_type, "olha", 6, 4)
    found = await phone.zapi.company.as_(None).call("GET", shown["imageUrl"].removeprefix(phone.zapi.company.url))
    assert (found.status, found.body) == (200, data)


async def test_what_speaks_of_a_message_names_it_as_whatsapp_does(phone: Phone) -> None:
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    await phone.writes("3EB0B1", waE2E.Message(conversation="bom dia"))
    ours = await _text(phone, "oi")
    left = (await _left(phone.zapi, ours["zaapId"]))["provider_id"]
    reply = await _message(phone, "/send-text", {"message": "olá", "messageId": "3EB0B1"})
    context = reply.extendedTextMessage.contextInfo
    assert (reply.extendedTextMessage.text, context.stanzaID) == ("olá", "3EB0B1")
    assert (context.participant, context.quotedMessage.conversation) == (f"{PHONE}@s.whatsapp.net", "bom dia")
    reaction = (await _message(phone, "/send-reaction", {"messageId": "3EB0B1", "reaction": "❤️"})).reactionMessage
    assert (reaction.key.ID, reaction.key.fromMe, reaction.text) == ("3EB0B1", False, "❤️")
    removed = (await _message(phone, "/send-remove-reaction", {"messageId": "3EB0B1"})).reactionMessage
    assert (removed.key.ID, removed.text) == ("3EB0B1", "")
    edited = await _message(phone, "/send-text", {"message": "oi!", "editMessageId": ours["messageId"]})
    change = edited.editedMessage.message.protocolMessage
    assert change.type == waE2E.ProtocolMessage.MESSAGE_EDIT
    assert (change.key.ID, change.key.fromMe, change.editedMessage.conversation) == (left, True, "oi!")
    asked = {"messageId": ours["messageId"], "messageAction": "pin", "pinMessageDuration": "24_hours"}
    pinned = await _message(phone, "/pin-message", asked)
    assert (pinned.pinInChatMessage.key.ID, pinned.messageContextInfo.messageAddOnDurationInSecs) == (left, 86_400)
    deleted = await phone.zapi.call(
        "DELETE", "/messages", params={"phone": PHONE, "messageId": ours["messageId"], "owner": "true"}
    )
    assert deleted.status == 204
    await eventually(lambda: phone.sent[-1].HasField("protocolMessage"))
    revoked = phone.sent[-1].protocolMessage
    assert (revoked.type, revoked.key.ID, revoked.key.fromMe) == (waE2E.ProtocolMessage.REVOKE, left, True)


async def test_a_poll_is_asked_and_answered(phone: Phone, endpoint: Endpoint) -> None:
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    options = {"poll": [{"name": "Uva"}, {"name": "Limão"}], "pollMaxOptions": 1}
    ours = await phone.zapi.post("/send-poll", {"phone": PHONE, "message": "Sabor?", **options})
    left = (await _left(phone.zapi, ours["zaapId"]))["provider_id"]
    poll = phone.sent[-1].pollCreationMessageV3
    assert (poll.name, [one.optionName for one in poll.options]) == ("Sabor?", ["Uva", "Limão"])
    await phone.writes("3EB0C1", waE2E.Message(pollUpdateMessage=vote_of(left, "Limão", mine=True)), known=False)
    [vote] = await endpoint.told("ReceivedCallback", 1)
    assert vote["pollVote"] == {"pollMessageId": ours["messageId"], "options": [{"name": "Limão"}]}
    theirs = waE2E.PollCreationMessage(name="Quando?", selectableOptionsCount=1)
    for name in ("Hoje", "Amanhã"):
        theirs.options.add(optionName=name)
    await phone.writes("3EB0C2", waE2E.Message(pollCreationMessageV3=theirs))
    voted = await _message(phone, "/send-poll-vote", {"pollMessageId": "3EB0C2", "pollVote": [{"name": "Hoje"}]})
    assert voted.pollUpdateMessage == vote_of("3EB0C2", "Hoje", mine=False)


async def test_what_people_do_with_messages_is_told(phone: Phone, endpoint: Endpoint) -> None:
    from neonize.proto.waCommon.WACommon_pb2 import MessageKey
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    ours = await _text(phone, "oi", messageId="pedido-9")
    left = (await _left(phone.zapi, ours["zaapId"]))["provider_id"]
    key = MessageKey(remoteJID=f"{OWN}@s.whatsapp.net", fromMe=True, ID=left)
    reaction = waE2E.ReactionMessage(key=key, text="❤️", senderTimestampMS=1_790_000_000_000)
    await phone.writes("3EB0D1", waE2E.Message(reactionMessage=reaction), known=False)
    context = waE2E.ContextInfo(stanzaID=left, participant=f"{OWN}@s.whatsapp.net")
    await phone.writes("3EB0D2", extended("olá", context))
    theirs = MessageKey(remoteJID=f"{PHONE}@s.whatsapp.net", fromMe=False, ID="3EB0D2")
    edit = waE2E.ProtocolMessage(
        key=theirs, type=waE2E.ProtocolMessage.MESSAGE_EDIT, editedMessage=waE2E.Message(conversation="olá!")
    )
    await phone.writes("3EB0D3", waE2E.Message(protocolMessage=edit), known=False)
    revoke = waE2E.ProtocolMessage(key=theirs, type=waE2E.ProtocolMessage.REVOKE)
    await phone.writes("3EB0D4", waE2E.Message(protocolMessage=revoke), known=False)
    story = waE2E.ContextInfo(stanzaID="3EB0STORY", participant=f"{OWN}@s.whatsapp.net", remoteJID="status@broadcast")
    await phone.writes("3EB0D5", extended("que bom", story))
    reacted, answered, edited, deleted, of_story = await endpoint.told("ReceivedCallback", 5)
    assert reacted["reaction"]["value"] == "❤️"
    assert reacted["reaction"]["referencedMessage"] == {
        "messageId": "pedido-9", "fromMe": True, "phone": PHONE, "participant": None,
    }  # fmt: skip
    assert (answered["text"]["message"], answered["referenceMessageId"]) == ("olá", "pedido-9")
    assert (edited["messageId"], edited["isEdit"], edited["text"]["message"]) == ("3EB0D2", True, "olá!")
    assert (deleted["notification"], deleted["referenceMessageId"]) == ("REVOKE", "3EB0D2")
    assert (of_story["isStatusReply"], of_story["referenceMessageId"]) == (True, "3EB0STORY")
    assert not answered["isStatusReply"]


async def test_groups_presence_and_calls_are_told(phone: Phone, endpoint: Endpoint) -> None:
    from neonize.proto import Neonize_pb2 as proto
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    from tests.native.go import filled, jid, received, source

    where = source(jid("120363019502650977", "g.us"), jid("77", "lid"), alt=jid(PHONE), group=True)
    phone.tells(received("3EB0E1", waE2E.Message(conversation="no grupo"), where))
    person = jid(PHONE)
    composing = proto.ChatPresence(
        MessageSource=source(person, person), State=proto.ChatPresence.COMPOSING, Media=proto.ChatPresence.TEXT
    )
    phone.tells(composing)
    meta = proto.BasicCallMeta(timestamp=1_790_000_000, callCreator=person, callCreatorAlt=jid("", ""), callID="C1")
    getattr(meta, "from").CopyFrom(person)
    phone.tells(filled(proto.CallOffer(basicCallMeta=meta, data=proto.Node(Tag="offer"))))
    in_group, call = await endpoint.told("ReceivedCallback", 2)
    assert (in_group["phone"], in_group["isGroup"]) == (examples.GROUP, True)
    assert (in_group["participantPhone"], in_group["participantLid"]) == (PHONE, "77@lid")
    assert call["notification"].startswith("CALL_")
    assert call["phone"] == PHONE
    [presence] = await endpoint.told("PresenceChatCallback", 1)
    assert (presence["phone"], presence["status"]) == (PHONE, "COMPOSING")


async def test_typing_is_shown_before_it_leaves(phone: Phone) -> None:
    began = time.monotonic()
    sent = await _text(phone, "devagar", delayTyping=1)
    await _left(phone.zapi, sent["zaapId"])
    assert time.monotonic() - began >= 1
    calls = [name for name, arguments in phone.go.calls if arguments and arguments[0] == phone.name.encode()]
    assert [name for name in calls if name in ("SendChatPresence", "SendMessage")] == [
        "SendChatPresence",
        "SendMessage",
    ]
    [shown] = [arguments for name, arguments in phone.go.calls if name == "SendChatPresence"]
    assert PHONE.encode() in shown[1]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=404), faults.MEDIA_NOT_FOUND),
        (Answer(body=b"<!DOCTYPE html><html></html>", headers={"content-type": "text/html"}), faults.MEDIA_IS_HTML),
        (Answer(body=samples.sample("document")[2], headers={"content-type": "image/png"}), faults.INVALID_MEDIA),
    ],
)
async def test_a_file_that_cannot_be_had_is_told_in_the_vendors_words(
    phone: Phone, endpoint: Endpoint, answer: Answer, error: str
) -> None:
    async with Upstream([answer]) as server:
        sent = await phone.zapi.post("/send-image", {"phone": PHONE, "image": f"{server.url}/foto.png"})
        [told] = await endpoint.told("DeliveryCallback", 1)
    assert (told["error"], told["zaapId"], told["messageId"]) == (error, sent["zaapId"], sent["messageId"])
    assert phone.sent == []


async def test_what_whatsapp_refuses_is_told_in_the_vendors_words(phone: Phone, endpoint: Endpoint) -> None:
    def refuse(name: str, _: Any) -> None:
        if name == phone.name:
            raise RuntimeError("no LID found for that number from server")

    phone.go.on_send = refuse
    await _text(phone, "ninguém")
    [told] = await endpoint.told("DeliveryCallback", 1)
    phone.go.on_send = None
    assert told["error"] == faults.NO_SUCH_PHONE


async def test_what_the_examples_ask_too_much_of(phone: Phone) -> None:
    """What `OTHERWISE` names is there as far as the engine has it."""
    jpeg = b"\xff\xd8\xff\xe0picture"
    picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    assert await phone.zapi.put("/profile-picture", {"value": picture}) == {"value": True}
    await phone.zapi.post("/update-group-photo", {"groupId": examples.GROUP, "groupPhoto": picture})
    made = {name: arguments for name, arguments in phone.go.calls if jpeg in arguments}
    assert set(made) == {"SetProfilePhoto", "SetGroupPhoto"}
    event = {"name": "Feira", "dateTime": "2027-04-29T09:30:53.309Z", "timeZone": "UTC-3"}
    shown = (await _message(phone, "/send-event", {"event": event})).eventMessage
    assert (shown.name, shown.startTime) == ("Feira", 1_809_001_853)
