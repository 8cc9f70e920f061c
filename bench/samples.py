"""What the adapters' rows need of each provider: a connection, the answer to a sent text, and two webhooks.

Written here after the providers' documents, in the size and shape of the real ones; no capture is copied.
"""

from typing import Any
from uuid import UUID

import msgspec

from recado.domain.content import TextContent
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, Outgoing, Server

PHONE, OWN, LID = "5511980000001", "5511970000001", "900000000000001@lid"
SENT_ID = "3EB0B430A2B52B67D0000001"

_NOBODY = UUID(int=1)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` is that of a sent text, None where the adapter speaks no HTTP. `webhooks` are a received text and a
    receipt."""

    account: str | None = None
    server: dict[str, str] = {}
    credentials: dict[str, str] = {}
    answer: Any = None
    webhooks: tuple[Any, Any]


def connection(kind: str, base_url: str) -> Connection:
    """A connection to the fake."""
    sample = SAMPLES[kind]
    return Connection(
        id=ConnectionId(_NOBODY),
        company_id=CompanyId(_NOBODY),
        instance_id=InstanceId(_NOBODY),
        server=Server(id=ServerId(_NOBODY), kind=kind, base_url=base_url, credentials=sample.server),
        credentials=sample.credentials,
        account=sample.account,
        webhook_url="https://recado.test/hooks/key",
    )


def text(number: int) -> Outgoing:
    """A short text, each to another person."""
    return Outgoing(
        message_id=MessageId(UUID(int=number + 1)),
        to=str(5_511_980_000_000 + number % 1_000),
        kind="text",
        content=TextContent(body="Seu pedido saiu para entrega e chega hoje à tarde."),
    )


_META_VALUE: dict[str, Any] = {
    "messaging_product": "whatsapp",
    "metadata": {"display_phone_number": OWN, "phone_number_id": "100000000000001"},
}


def _meta(value: dict[str, Any]) -> dict[str, Any]:
    change = {"field": "messages", "value": _META_VALUE | value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": [change]}]}


def _waha(event: str, payload: dict[str, Any]) -> dict[str, Any]:
    me = {"id": f"{OWN}@c.us", "pushName": "Loja", "lid": "900000000000009@lid", "jid": f"{OWN}:12@s.whatsapp.net"}
    return {
        "id": "evt_01kf3swbqgyssk8qevwzhf3aaa",
        "timestamp": 1_795_300_000_344,
        "event": event,
        "session": "rcd-1",
        "metadata": {},
        "me": me,
        "payload": payload,
        "engine": "GOWS",
        "environment": {"version": "2026.7.1", "engine": "GOWS", "tier": "CORE", "browser": None},
    }


def _evolution(event: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": event,
        "instance": "rcd-1",
        "data": data,
        "destination": "https://recado.test/hooks/evolution/key",
        "date_time": "2026-11-22T12:00:00.833Z",
        "sender": f"{OWN}@s.whatsapp.net",
        "server_url": "https://evolution.example.com",
        "apikey": "00000000-0000-4000-8000-00000000000a",
    }


def _uazapi(kind: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "BaseUrl": "https://bench.uazapi.com",
        "EventType": kind,
        "instanceName": "rcd-1",
        "owner": OWN,
        "token": "00000000-0000-4000-8000-00000000000b",
        **more,
    }


_UAZAPI_CHAT = {
    **{f"lead_field{number:02}": "" for number in range(1, 21)},
    "id": "re7c9bb3d4d4000",
    "name": "Ana",
    "owner": OWN,
    "phone": "+55 11 98000-0001",
    "wa_chatid": f"{PHONE}@s.whatsapp.net",
    "wa_chatlid": LID,
    "wa_isGroup": False,
    "wa_lastMsgTimestamp": 1_795_300_000_000,
    "wa_name": "Ana",
    "wa_unreadCount": 4,
}
_UAZAPI_MESSAGE = {
    "buttonOrListid": "",
    "chatid": f"{PHONE}@s.whatsapp.net",
    "chatlid": LID,
    "content": {"text": "Oi, tudo bem?", "previewType": 0, "contextInfo": {"expiration": 0}},
    "edited": "",
    "fromMe": False,
    "groupName": "Unknown",
    "id": f"{OWN}:AC98212CD4909DE6799E78D93A824A00",
    "isGroup": False,
    "mediaType": "",
    "messageTimestamp": 1_795_300_000_000,
    "messageType": "ExtendedTextMessage",
    "messageid": "AC98212CD4909DE6799E78D93A824A00",
    "owner": OWN,
    "quoted": "",
    "reaction": "",
    "sender": LID,
    "senderName": "Ana",
    "sender_lid": LID,
    "sender_pn": f"{PHONE}@s.whatsapp.net",
    "source": "android",
    "status": "",
    "text": "Oi, tudo bem?",
    "track_id": "",
    "track_source": "",
    "type": "text",
    "vote": "",
    "wasSentByApi": False,
}

SAMPLES: dict[str, Sample] = {
    "meta": Sample(
        account="100000000000001",
        credentials={"phone_number_id": "100000000000001", "access_token": "bench-token", "app_secret": "bench"},
        answer={
            "messaging_product": "whatsapp",
            "contacts": [{"input": PHONE, "wa_id": PHONE}],
            "messages": [{"id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUA"}],
        },
        webhooks=(
            _meta(
                {
                    "contacts": [{"profile": {"name": "Ana"}, "wa_id": PHONE}],
                    "messages": [
                        {
                            "from": PHONE,
                            "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUB",
                            "timestamp": "1795300000",
                            "type": "text",
                            "text": {"body": "Oi, tudo bem?"},
                        }
                    ],
                }
            ),
            _meta(
                {
                    "statuses": [
                        {
                            "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUA",
                            "status": "delivered",
                            "timestamp": "1795300001",
                            "recipient_id": PHONE,
                        }
                    ]
                }
            ),
        ),
    ),
    "waha": Sample(
        account="rcd-1",
        server={"api_key": "bench-api-key", "engine": "GOWS"},
        credentials={"webhook_secret": "bench"},
        answer={
            "id": f"true_{PHONE}@c.us_{SENT_ID}",
            "timestamp": 1_795_300_000,
            "from": f"{OWN}@c.us",
            "fromMe": True,
        },
        webhooks=(
            _waha(
                "message.any",
                {
                    "id": f"false_{LID}_3AC22AE73E7976384500",
                    "timestamp": 1_795_300_000,
                    "from": LID,
                    "fromMe": False,
                    "source": "app",
                    "body": "Oi, tudo bem?",
                    "to": None,
                    "participant": None,
                    "hasMedia": False,
                    "media": None,
                    "ack": 2,
                    "ackName": "DEVICE",
                    "location": None,
                    "vCards": None,
                    "replyTo": None,
                    "_data": {
                        "Info": {
                            "Chat": LID,
                            "Sender": LID,
                            "SenderAlt": f"{PHONE}@s.whatsapp.net",
                            "IsFromMe": False,
                            "IsGroup": False,
                            "ID": "3AC22AE73E7976384500",
                            "Type": "text",
                            "PushName": "Ana",
                            "Timestamp": "2026-11-22T12:00:00Z",
                        },
                        "Message": {"conversation": "Oi, tudo bem?"},
                    },
                },
            ),
            _waha(
                "message.ack",
                {
                    "id": f"true_{PHONE}@c.us_{SENT_ID}",
                    "from": f"{PHONE}@c.us",
                    "participant": None,
                    "fromMe": True,
                    "ack": 2,
                    "ackName": "DEVICE",
                },
            ),
        ),
    ),
    "evolution": Sample(
        account="rcd-1",
        server={"api_key": "bench-api-key"},
        credentials={"token": "bench-instance-token", "webhook_secret": "bench"},
        answer={
            "key": {"remoteJid": f"{PHONE}@s.whatsapp.net", "fromMe": True, "id": SENT_ID},
            "message": {"conversation": "Oi"},
            "messageTimestamp": "1795300000",
            "status": "PENDING",
        },
        webhooks=(
            _evolution(
                "messages.upsert",
                {
                    "key": {
                        "remoteJid": f"{PHONE}@s.whatsapp.net",
                        "remoteJidAlt": LID,
                        "fromMe": False,
                        "id": "3EB0062835B784532C000000",
                    },
                    "pushName": "Ana",
                    "status": "DELIVERY_ACK",
                    "message": {
                        "conversation": "Oi, tudo bem?",
                        "messageContextInfo": {"deviceListMetadataVersion": 2, "messageSecret": "A" * 43 + "="},
                    },
                    "messageType": "conversation",
                    "messageTimestamp": 1_795_300_000,
                    "instanceId": "188cbb13-bcb7-4d5a-979d-ba0fe75a3eaa",
                    "source": "android",
                },
            ),
            _evolution(
                "messages.update",
                {
                    "messageId": "cmbu0000000000000000000",
                    "keyId": SENT_ID,
                    "remoteJid": f"{PHONE}@s.whatsapp.net",
                    "fromMe": True,
                    "participant": f"{PHONE}@s.whatsapp.net",
                    "status": "DELIVERY_ACK",
                    "instanceId": "188cbb13-bcb7-4d5a-979d-ba0fe75a3eaa",
                },
            ),
        ),
    ),
    "uazapi": Sample(
        account="rcd-1",
        credentials={"token": "00000000-0000-4000-8000-00000000000b"},
        answer={
            **_UAZAPI_MESSAGE,
            "fromMe": True,
            "id": f"{OWN}:{SENT_ID}",
            "messageid": SENT_ID,
            "status": "Pending",
        },
        webhooks=(
            _uazapi("messages", {"chat": _UAZAPI_CHAT, "chatSource": "updated", "message": _UAZAPI_MESSAGE}),
            _uazapi(
                "messages_update",
                {
                    "event": {
                        "Chat": f"{PHONE}@s.whatsapp.net",
                        "IsFromMe": False,
                        "IsGroup": False,
                        "MessageIDs": [SENT_ID],
                        "Sender": f"{PHONE}@s.whatsapp.net",
                        "Timestamp": "2026-11-22T12:00:01Z",
                        "Type": "",
                        "chatid": f"{PHONE}@s.whatsapp.net",
                        "sender_pn": f"{PHONE}@s.whatsapp.net",
                    },
                    "state": "Delivered",
                    "type": "ReadReceipt",
                },
            ),
        ),
    ),
    "zapi": Sample(
        account="3CBENCH0000000000000000000000000",
        credentials={"instance_id": "3CBENCH0000000000000000000000000", "token": "bench-instance-token"},
        answer={"zaapId": "3999984263738042930CD6ECDE9VDWSA", "messageId": SENT_ID, "id": SENT_ID},
        webhooks=(
            {
                "isStatusReply": False,
                "senderLid": LID,
                "chatLid": LID,
                "connectedPhone": OWN,
                "waitingMessage": False,
                "isEdit": False,
                "isGroup": False,
                "isNewsletter": False,
                "instanceId": "3CBENCH0000000000000000000000000",
                "messageId": "A20DA9C0183A2D35A260F53F5D2B9200",
                "phone": PHONE,
                "fromMe": False,
                "fromApi": False,
                "momment": 1_795_300_000_000,
                "status": "RECEIVED",
                "chatName": "Ana",
                "senderPhoto": None,
                "senderName": "Ana",
                "participantPhone": None,
                "participantLid": None,
                "photo": None,
                "broadcast": False,
                "forwarded": False,
                "type": "ReceivedCallback",
                "text": {"message": "Oi, tudo bem?"},
            },
            {
                "instanceId": "3CBENCH0000000000000000000000000",
                "status": "RECEIVED",
                "ids": [SENT_ID],
                "momment": 1_795_300_001_000,
                "phoneDevice": 0,
                "phone": PHONE,
                "type": "MessageStatusCallback",
                "isGroup": False,
            },
        ),
    ),
    "native": Sample(
        webhooks=(
            {
                "event": "message",
                "at": "2026-11-22T12:00:00Z",
                "own": {"phone": OWN, "lid": "900000000000009@lid"},
                "info": {
                    "id": "AC98212CD4909DE6799E78D93A824A00",
                    "chat": LID,
                    "sender": LID,
                    "sender_alt": f"{PHONE}@s.whatsapp.net",
                    "from_me": False,
                    "group": False,
                    "push_name": "Ana",
                },
                "message": {
                    "conversation": "Oi, tudo bem?",
                    "messageContextInfo": {"deviceListMetadataVersion": 2, "messageSecret": "A" * 43 + "="},
                },
            },
            {
                "event": "receipt",
                "at": "2026-11-22T12:00:01Z",
                "own": {"phone": OWN, "lid": "900000000000009@lid"},
                "ids": [SENT_ID],
                "type": "delivered",
                "chat": f"{PHONE}@s.whatsapp.net",
                "sender": f"{PHONE}@s.whatsapp.net",
                "from_me": False,
            },
        ),
    ),
}
