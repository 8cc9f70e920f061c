"""Every payload of ../shared/specs/zapi-surface/webhooks, from the domain event that it comes from.

Each file is read by our Z-API adapter, recorded as the inbound worker records it, and told again: what it says must come
back key by key. What must not is named, with the reason. Needs the shared folder; skipped by name where it is absent.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.domain.states import MessageStatus
from recado.domain.zapi import Filters, ZapiSettings
from recado.services.zapi import payloads
from recado.services.zapi.payloads import Event, File, Person, Place, Stored, Told
from tests.providers.conftest import shared
from tests.zapi import happened
from tests.zapi.documented import EXCEPTIONS, SOURCES
from tests.zapi.happened import EVENT, MESSAGE, QUOTED, Happened

FOLDER = "specs/zapi-surface/webhooks"
PUBLIC = "3C67AB641C8AA0412F6A2242B4E23AC7"
OWN, ANA = "5511999990009", "5511999990001"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MILLISECONDS = 1_795_348_800_000

#: What our one envelope has beyond a file's, by the file's `type`; its content has nothing beyond the file's.
ENVELOPE: Mapping[str, frozenset[str]] = {
    "ReceivedCallback": frozenset(
        {"isStatusReply", "chatLid", "senderLid", "connectedPhone", "waitingMessage", "isEdit", "isGroup"}
        | {"isNewsletter", "messageId", "chatName", "senderPhoto", "senderName", "photo", "broadcast", "fromApi"}
        | {"participantPhone", "participantLid", "forwarded"}
    ),
    "DeliveryCallback": frozenset({"momment"}),
    "DisconnectedCallback": frozenset({"phone"}),
}
#: What notifications have beside, empty where it means nothing.
NOTIFICATION = frozenset(
    {"expiresAt", "referenceMessageId", "externalAdReply", "callId", "code", "callDirection", "isVideo"}
)

#: What is found in ours and in no file: where nobody told it, null. And what the files have that ours do not.
UNDOCUMENTED: Mapping[str, set[type]] = {
    path: {NoneType} for path in ("document.caption", "senderLid", "phone", "connectedPhone")
}
MISSPELT = {"text.descritpion"}

STATES = {
    "SENT": MessageStatus.SERVER_ACK,
    "RECEIVED": MessageStatus.DELIVERED,
    "READ": MessageStatus.READ,
    "PLAYED": MessageStatus.PLAYED,
}


def test_no_file_is_missing() -> None:
    assert {path.stem for path in shared(FOLDER).glob("*.json")} == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_payload(name: str) -> None:
    type, callback = SOURCES[name]
    raw: dict[str, Any] = msgspec.json.decode((shared(FOLDER) / f"{name}.json").read_bytes())
    first = _happened(raw)[0]
    assert first.event.type == type
    told = payloads.payload(callback, first.event, first.place)
    assert told is not None
    beside = ENVELOPE.get(raw["type"], frozenset()) | (NOTIFICATION if "notification" in raw else frozenset())
    differences = set(_differences(raw, told, beside))
    assert differences == set(EXCEPTIONS.get(name, ()))
    # What differs on purpose, or is beside, is there all the same, and of a type that one of the files has there.
    types = _types(told)
    strange = {path: found - documented_types()[path] for path, found in types.items()}
    assert {path: found for path, found in strange.items() if not found <= UNDOCUMENTED.get(path, set())} == {}
    assert differences - set(types) <= MISSPELT
    assert type == "unknown" or ENVELOPE.get(raw["type"], frozenset()) <= set(told)
    assert msgspec.json.decode(msgspec.json.encode(told)) == told


@cache
def documented_types() -> Mapping[str, set[type]]:
    """What is found at each path of any file."""
    found: dict[str, set[type]] = defaultdict(set)
    for path in shared(FOLDER).glob("*.json"):
        for at, types in _types(msgspec.json.decode(path.read_bytes())).items():
            found[at] |= types
    return found


def _types(value: Any, path: str = "") -> Mapping[str, set[type]]:
    found: dict[str, set[type]] = defaultdict(set)
    found[path] = {type(value)}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        for at, types in _types(one, f"{path}.{name}" if path else str(name)).items():
            found[at] |= types
    return found


def _happened(raw: dict[str, Any]) -> list[Happened]:
    if raw["type"] == "DeliveryCallback":
        return [happened.delivery(raw, code="not_on_whatsapp" if "error" in raw else None)]
    if raw["type"] == "MessageStatusCallback" and raw["status"] in STATES:
        return [happened.status(raw, STATES[raw["status"]])]
    return happened.read(raw)


def _differences(file: Any, ours: Any, beside: frozenset[str], path: str = "") -> Iterator[str]:
    """The paths at which two payloads differ, in a key, a value or its type."""
    if isinstance(file, dict) and isinstance(ours, dict):
        for name in {**file, **ours}:
            at = f"{path}.{name}" if path else name
            if name in file and name in ours:
                yield from _differences(file[name], ours[name], frozenset(), at)
            elif name in file or name not in beside:
                yield at
    elif isinstance(file, list) and isinstance(ours, list) and len(file) == len(ours):
        for index, (theirs, one) in enumerate(zip(file, ours, strict=True)):
            yield from _differences(theirs, one, frozenset(), f"{path}.{index}")
    elif file != ours or type(file) is not type(ours):
        yield path


def test_every_label_is_told() -> None:
    raw = msgspec.json.decode((shared(FOLDER) / "notification-chat-label-association.json").read_bytes())
    told = [payloads.payload("received", one.event, one.place) for one in happened.read(raw)]
    assert [one["notificationParameters"] for one in told if one] == [[one] for one in raw["notificationParameters"]]


# --- events of other providers, and what no file shows ------------------------------------------------------


def event(type: str, message_id: UUID | None = None, **data: Any) -> Event:
    return Event(id=EVENT, type=type, at=AT, data=data, message_id=message_id)


BOOKS = Person(phone=ANA, lid="900000000000001@lid", name="Ana Souza")
PLACE = Place(
    public_id=PUBLIC,
    phone=OWN,
    contact=BOOKS,
    settings=ZapiSettings(webhooks={"received": "https://example.com"}),
)


def place(**changes: Any) -> Place:
    return msgspec.structs.replace(PLACE, **changes)


def sent(kind: str, content: Any, **facts: Any) -> Stored:
    """A message that was handed to us."""
    return Stored(
        id=MESSAGE, type=kind, content=content, address=ANA, direction="outbound", provider_id="3EB0", **facts
    )


def received(kind: str, content: Any, **facts: Any) -> Stored:
    """A message that Ana wrote."""
    return Stored(
        id=QUOTED,
        type=kind,
        content=content,
        address=ANA,
        direction="inbound",
        provider_id="3EB1",
        provider_at=AT,
        **facts,
    )


def own(kind: str, content: Any, about: Stored | None = None, **facts: Any) -> dict[str, Any] | None:
    """A message of ours as it is told with notifySentByMe."""
    message = sent(kind, content, **facts)
    told = event("message.sent", MESSAGE, message={"id": str(MESSAGE), "to": ANA})
    return payloads.payload("received", told, place(message=message, about=about))


def shown(kind: str, content: Any, about: Stored | None = None, **facts: Any) -> dict[str, Any]:
    """As `own`, what it says beyond the envelope of a text."""
    told = own(kind, content, about, **facts)
    plain = own("text", {"body": ""})
    assert told is not None
    assert plain is not None
    return {name: value for name, value in told.items() if name not in plain or name == "text"}


def test_a_message_of_another_provider() -> None:
    """Native knows no pictures and no books of the phone: what it tells is all there, the rest is empty."""
    message = {
        "id": str(MESSAGE),
        "contact": {"phone": ANA, "lid": "900000000000001@lid", "name": "Ana"},
        "direction": "inbound",
        "type": "text",
        "content": {"body": "oi"},
        "provider_id": "3EB1",
        "reply_to": str(QUOTED),
    }
    about = sent("text", {"body": "olá"}, client_id="pedido-7")
    told = payloads.payload("received", event("message.received", MESSAGE, message=message), place(about=about))
    assert told == {
        "isStatusReply": False,
        "chatLid": "900000000000001@lid",
        "senderLid": "900000000000001@lid",
        "connectedPhone": OWN,
        "waitingMessage": False,
        "isEdit": False,
        "isGroup": False,
        "isNewsletter": False,
        "instanceId": PUBLIC,
        "messageId": "3EB1",
        "phone": ANA,
        "fromMe": False,
        "momment": MILLISECONDS,
        "status": "RECEIVED",
        "chatName": "Ana Souza",
        "senderPhoto": None,
        "senderName": "Ana",
        "photo": None,
        "broadcast": False,
        "participantPhone": None,
        "participantLid": None,
        "referenceMessageId": "pedido-7",
        "forwarded": False,
        "type": "ReceivedCallback",
        "fromApi": False,
        "text": {"message": "oi"},
    }


def test_a_message_in_a_group_names_its_author() -> None:
    message = {
        "id": str(MESSAGE),
        "contact": {"group": "120363019502650977@g.us", "name": "Padaria"},
        "sender": {"phone": ANA, "lid": "900000000000001@lid", "name": "Ana"},
        "direction": "inbound",
        "type": "text",
        "content": {"body": "oi"},
        "provider_id": "3EB1",
        "reply_to": None,
        "forwarded": True,
    }
    books = Person(group="120363019502650977@g.us", name="Padaria")
    told = payloads.payload("received", event("message.received", MESSAGE, message=message), place(contact=books))
    assert told is not None
    assert {
        "phone": "120363019502650977-group",
        "isGroup": True,
        "chatName": "Padaria",
        "chatLid": None,
        "senderName": "Ana",
        "participantPhone": ANA,
        "participantLid": "900000000000001@lid",
        "forwarded": True,
    }.items() <= told.items()
    assert payloads.dropped(told, ZapiSettings(filters=Filters(messages=["FILTER_FROM_GROUP"]))) is not None


def test_a_message_with_a_file_waits_for_it() -> None:
    content = {"media_id": str(happened.MEDIA), "caption": "praia"}
    message = {"id": str(MESSAGE), "type": "image", "content": content, "direction": "inbound", "provider_id": "3EB1"}
    assert payloads.payload("received", event("message.received", MESSAGE, message=message), PLACE) is None
    stored = received("image", content, metadata={"extra": {"view_once": True}})
    file = File(url=None, error="The provider answered 410.")
    told = payloads.payload("received", event("media.failed", MESSAGE, media={}), place(message=stored, file=file))
    assert told is not None
    assert told["momment"] == MILLISECONDS
    assert told["image"] == {
        "mimeType": "image/jpeg",
        "imageUrl": None,
        "thumbnailUrl": None,
        "downloadError": "The provider answered 410.",
        "caption": "praia",
        "width": 0,
        "height": 0,
        "viewOnce": True,
    }


def test_our_own_message_is_marked_as_sent_through_the_api() -> None:
    told = own("text", {"body": "oi"}, client_id="pedido-7")
    assert told is not None
    facts = ("messageId", "fromMe", "fromApi", "status", "phone", "senderName", "text")
    assert [told[name] for name in facts] == ["pedido-7", True, True, "SENT", ANA, OWN, {"message": "oi"}]
    assert payloads.dropped(told, ZapiSettings()) == "Own messages are told only with notifySentByMe."
    assert payloads.dropped(told, ZapiSettings(notify_sent_by_me=True)) is None


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (
            "link",
            {"url": "https://example.com", "body": "veja", "title": "T"},
            {"text": {"message": "veja", "title": "T", "url": "https://example.com"}},
        ),
        (
            "document",
            {"link": "https://example.com/a.pdf", "filename": "a.pdf"},
            {
                "document": {
                    "caption": None,
                    "documentUrl": "https://example.com/a.pdf",
                    "mimeType": "application/octet-stream",
                    "title": "a.pdf",
                    "pageCount": 0,
                    "fileName": "a.pdf",
                }
            },
        ),
        (
            "buttons",
            {"body": "Escolha", "buttons": [{"id": "1", "title": "Sim"}]},
            {
                "buttonsMessage": {
                    "imageUrl": None,
                    "videoUrl": None,
                    "message": "Escolha",
                    "buttons": [{"buttonId": "1", "type": 1, "buttonText": {"displayText": "Sim"}}],
                }
            },
        ),
        (
            "buttons",
            {"body": "Veja", "footer": "F", "buttons": [{"url": "https://example.com", "title": "Site"}]},
            {
                "hydratedTemplate": {
                    "header": {},
                    "message": "Veja",
                    "footer": "F",
                    "title": "",
                    "templateId": "",
                    "hydratedButtons": [
                        {"index": 0, "urlButton": {"displayText": "Site", "url": "https://example.com"}}
                    ],
                }
            },
        ),
        ("pix", {"key": "k", "key_type": "evp"}, {
            "pixKeyMessage": {"currency": "BRL", "referenceId": "", "key": "k", "keyType": "EVP", "merchantName": "Pix"}
        }),
        ("poll", {"name": "Qual?", "options": ["A", "B"]}, {
            "poll": {"question": "Qual?", "pollMaxOptions": 1, "options": [{"name": "A"}, {"name": "B"}]}
        }),
        ("list", {"body": "Menu", "button": "Ver", "sections": [{"rows": [{"id": "1", "title": "Pão"}]}]}, {
            "text": {"message": "Menu\n1. Pão"}
        }),
        ("order", {"reference_id": "7", "items": [{"name": "Pão", "quantity": 2, "amount": 150}], "shipping": 50}, {
            "reviewAndPay": {
                "type": "physical-goods",
                "currency": "BRL",
                "referenceId": "7",
                "orderRequestId": None,
                "orderStatus": "pending",
                "paymentStatus": "pending",
                "total": 3.5,
                "subTotal": 3,
                "discount": 0,
                "shipping": 0.5,
                "tax": 0,
                "products": [
                    {"name": "Pão", "quantity": 2, "isCustomItem": True, "productId": None, "value": 1.5}
                ],
            }
        }),
    ],
)  # fmt: skip
def test_what_we_sent(kind: str, content: Any, expected: dict[str, Any]) -> None:
    assert shown(kind, content) == expected


def test_cards_of_any_shape() -> None:
    strange = {"name": {"formatted_name": "Ana", "prefix": "Dra."}, "urls": []}
    card = {"name": {"formatted_name": "Bia"}, "phones": [{"phone": "+55 11 99999-0002"}], "addresses": []}
    told = shown("contacts", [card, strange])
    assert [one["displayName"] for one in told["contacts"]] == ["Bia", "Ana"]
    assert told["contact"] == told["contacts"][0]
    assert told["contact"]["phones"] == ["5511999990002"]


def test_what_is_no_chat_of_a_person() -> None:
    message = {"id": str(MESSAGE), "to": "status@broadcast"}
    told = payloads.payload("delivery", event("message.sent", MESSAGE, message=message), PLACE)
    assert told is not None
    assert told["phone"] == "status@broadcast"


def test_what_we_did_to_a_message() -> None:
    about = received("text", {"body": "oi"})
    quoted = {"messageId": "3EB1", "fromMe": False, "phone": ANA, "participant": None}
    reaction = shown("reaction", {"message_id": str(QUOTED), "emoji": "❤️"}, about)["reaction"]
    assert reaction == {"value": "❤️", "time": MILLISECONDS, "reactionBy": OWN, "referencedMessage": quoted}
    pin = shown("pin", {"message_id": "3EB1"}, about)["pinMessage"]
    assert pin == {"action": "pin", "pinDurationInSecs": 604_800, "referencedMessage": quoted}
    mine = sent("text", {"body": "antes"}, client_id="pedido-7")
    edit = own("edit", {"message_id": str(MESSAGE), "body": "depois"}, mine)
    assert edit is not None
    assert (edit["isEdit"], edit["messageId"], edit["text"]) == (True, "pedido-7", {"message": "depois"})
    gone = own("delete", {"message_id": str(MESSAGE)}, mine)
    assert gone is not None
    assert (gone["notification"], gone["messageId"], gone["referenceMessageId"]) == ("REVOKE", "pedido-7", "pedido-7")
    assert shown("forward", {"message_id": "3EB1"}, about) == {"text": {"message": "oi"}}
    assert own("forward", {"message_id": "3EB1"}) is None


def test_what_others_did_to_a_message() -> None:
    told = {"contact": {"phone": ANA}, "sender": {"phone": ANA}, "provider_id": "3EB1"}
    about = received("text", {"body": "antes"})
    edit = event(
        "message.edited", QUOTED, message={**told, "id": str(QUOTED), "type": "text", "content": {"body": "b"}}
    )
    edited = payloads.payload("received", edit, place(message=about))
    assert edited is not None
    assert (edited["isEdit"], edited["messageId"], edited["text"]) == (True, "3EB1", {"message": "b"})
    gone = payloads.payload("received", event("message.deleted", QUOTED, message=told), place(message=about))
    assert gone is not None
    assert (gone["notification"], gone["messageId"], gone["fromMe"]) == ("REVOKE", "3EB1", False)
    taken = {**told, "emoji": "", "from_me": False}
    reaction = payloads.payload("received", event("reaction.received", reaction=taken), place(about=about))
    assert reaction is not None
    assert reaction["reaction"]["value"] == ""


def test_whose_messages_are_delivered() -> None:
    """Those handed to us; what was written on the phone has no DeliveryCallback."""
    deliver = partial(payloads.payload, "delivery")
    message = {"id": str(MESSAGE), "to": "120363019502650977@g.us"}
    told = deliver(event("message.sent", MESSAGE, message=message), PLACE)
    assert told == {
        "phone": "120363019502650977-group",
        "messageId": MESSAGE.hex.upper(),
        "instanceId": PUBLIC,
        "zaapId": MESSAGE.hex.upper(),
        "momment": MILLISECONDS,
        "type": "DeliveryCallback",
    }
    assert deliver(event("message.sent", MESSAGE, message=message, source="device"), PLACE) is None
    assert deliver(event("message.unproven", MESSAGE, message=message), PLACE) is None
    final = deliver(event("message.unproven", MESSAGE, message=message, final=True), PLACE)
    assert final is not None
    assert final["error"] == "Timeout on send message"
    shadow = {**message, "error": {"code": "SHADOW_BAN", "why": "x"}}
    banned = deliver(event("message.failed", MESSAGE, message=shadow), PLACE)
    assert banned is not None
    assert banned["errorCode"] == "SHADOW_BAN"
    receipt = deliver(event("message.failed", MESSAGE, message=message, error={"code": "timeout", "why": ""}), PLACE)
    assert receipt is not None
    assert receipt["error"] == "Timeout on send message"


@pytest.mark.parametrize(
    ("callback", "told"),
    [
        ("connected", event("instance.connected", status="connected", active=False)),
        ("disconnected", event("instance.disconnected", status="disconnected", active=False)),
        ("received", event("chat.updated", change="archived", chat=ANA)),
        ("message_status", event("chat.updated", change="read", chat=ANA)),
        ("received", event("contact.updated", party={"phone": ANA}, name="Ana")),
        ("received", event("call.received", party={"phone": ANA}, state="ended", kind="voice", call_id="1")),
        ("received", event("group.updated", party={"group": "1@g.us"}, change="settings", settings={"locked": True})),
        ("received", event("group.updated", party={"group": "1@newsletter"}, change="subject", subject="x")),
        ("received", event("unknown", event="something")),
        ("proxy", event("account.updated", quality="green")),
    ],
)
def test_what_z_api_does_not_tell(callback: Told, told: Event) -> None:
    assert payloads.payload(callback, told, PLACE) is None


def test_a_change_of_a_group() -> None:
    data: dict[str, Any] = {
        "party": {"group": "1-2@g.us"},
        "change": "subject",
        "subject": "Nova",
        "by": {"phone": ANA, "name": "Ana"},
    }
    told = payloads.payload("received", event("group.updated", None, **data), place(contact=None))
    assert told is not None
    assert (told["notification"], told["notificationParameters"]) == ("GROUP_CHANGE_SUBJECT", ["Nova"])
    assert (told["phone"], told["participantPhone"], told["senderName"]) == ("1-2", ANA, "Ana")


TEXT = {"type": "ReceivedCallback", "fromMe": False, "isGroup": False, "text": {"message": "oi"}}


@pytest.mark.parametrize(
    ("told", "filters", "kept"),
    [
        (TEXT, Filters(), True),
        (TEXT, Filters(messages=["FILTER_TEXT_MESSAGE"]), False),
        (TEXT, Filters(messages=["FILTER_IMAGE_MESSAGE", "FILTER_FROM_GROUP"]), True),
        (TEXT, Filters(messages=["FILTER_FROM_PRIVATE_CHAT"]), False),
        (TEXT, Filters(callbacks=["FILTER_RECEIVED_CALLBACK"]), False),
        ({"type": "DeliveryCallback"}, Filters(callbacks=["FILTER_DELIVERY_CALLBACK"]), False),
        ({"type": "DeliveryCallback"}, Filters(messages=["FILTER_FROM_PRIVATE_CHAT"]), True),
        ({**TEXT, "notification": "CALL_RECEIVED"}, Filters(messages=["FILTER_FROM_PRIVATE_CHAT"]), True),
        ({**TEXT, "notification": "PROFILE_NAME_UPDATED", "fromMe": True}, Filters(), True),
        ({**TEXT, "notification": "REVOKE", "fromMe": True}, Filters(), False),
    ],
)
def test_filters(told: dict[str, Any], filters: Filters, kept: bool) -> None:
    assert (payloads.dropped(told, ZapiSettings(filters=filters)) is None) == kept
