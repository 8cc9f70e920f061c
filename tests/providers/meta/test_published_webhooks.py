"""Every payload under ../shared/specs/meta/webhooks, and what must come out of it.

Needs the shared folder; skipped by name where it is absent, a failure in CI.
"""

from pathlib import Path
from typing import Any

import pytest

from recado.domain.events import EVENT_TYPES
from recado.providers.meta import webhooks

BSUID = "US.13491208655302741918"
GROUP = "Y2FwaV9ncm91cDoxODA1NTU1MDE3MjoxMjAzNjMyMjI3NzE5NjMwNjcZD"

#: File -> the type of each event, and facts of the first: a dotted path into it, and the value there.
EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "account_deleted": (("account.updated",), {"data.event": "ACCOUNT_DELETED", "data.waba_id": "102290129340398"}),
    "account_disabled": (("account.updated",), {"data.ban_info.waba_ban_state": "REINSTATE"}),
    "account_offboarded": (("account.updated",), {"data.event": "ACCOUNT_OFFBOARDED"}),
    "account_partner_removed": (("account.updated",), {"data.waba_info.waba_id": "980198427658004"}),
    "account_reconnected": (("account.updated",), {"data.event": "ACCOUNT_RECONNECTED"}),
    "account_restriction": (
        ("account.updated",),
        {"data.restriction_info.0.restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"},
    ),
    "account_violation": (("account.updated",), {"data.violation_info.violation_type": "ADULT"}),
    "ack_delivered": (
        ("message.delivered",),
        {"state": "delivered", "provider_id": "wamid.xyzxyz", "extra.pricing.category": "service"},
    ),
    "ack_failed": (
        ("message.failed",),
        {
            "state": "failed",
            "code": "130472",
            "why": "Failed to send message because this user's phone number is part of an experiment",
        },
    ),
    "ack_played": (("message.played",), {"state": "played", "account": "1122334455667"}),
    "ack_read": (("message.read",), {"state": "read", "extra.recipient_id": "972987654321"}),
    "ack_sent": (("message.server_ack",), {"state": "server_ack", "key": "receipt:wamid.xyzxyz:sent:972987654321"}),
    "ack_with_biz_opaque_callback_data": (
        ("message.server_ack",),
        # It is not a message id of ours: another system sends through the same number.
        {"message_id": None, "extra.biz_opaque_callback_data": "some data"},
    ),
    "audio": (("message.received",), {"kind": "audio", "media.ref.id": "1234567890987654321", "forwarded": True}),
    "button_reply": (
        ("message.received",),
        {
            "kind": "button_reply",
            "content": {"id": "cancel-button", "title": "Cancel"},
            "reply_to": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUA",
        },
    ),
    "call_connect_business_initiated": (
        ("call.received",),
        {"data.direction": "BUSINESS_INITIATED", "party.phone": "16315553601"},
    ),
    "call_connect_user_initiated": (
        ("call.received",),
        {"data.event": "connect", "party.phone": "972987654321", "party.bsuid": BSUID},
    ),
    "call_status": (("call.received",), {"data.status": "RINGING", "party.phone": "163155536021"}),
    "call_terminate": (("call.received",), {"data.duration": 120, "data.errors.0.code": 12455}),
    "contact": (
        ("message.received",),
        {"kind": "contacts", "content.0.name.formatted_name": "Lucía Gómez", "content.0.phones.0.wa_id": "19835552319"},
    ),
    "document": (
        ("message.received",),
        {"kind": "document", "content.filename": "filename.pdf", "media.mime_type": "application/pdf"},
    ),
    "forwarded": (("message.received",), {"forwarded": True, "content": {"body": "forwarded text"}}),
    "group_lifecycle_create": (
        ("group.updated",),
        {"party.group": GROUP, "party.name": "your-group-subject", "data.added_participants.1.wa_id": 16505551235},
    ),
    "group_participants_remove": (
        ("group.updated",),
        {
            "party.group": GROUP,
            "data.field": "group_participants_update",
            "data.removed_participants.0.wa_id": 16505551234,
        },
    ),
    "group_settings_update": (("group.updated",), {"data.profile_picture.mime_type": "image/jpeg"}),
    "group_text": (
        ("message.received",),
        {"chat.group": "555555555", "chat.phone": None, "sender.phone": "5678", "sender.name": "Ana"},
    ),
    "image": (
        ("message.received",),
        {
            "kind": "image",
            "content.caption": "Taj Mahal",
            "media.ref": {"id": "1003383421387256"},
            "media.sha256": "49f227634806293b0995459bc310b593e1400f41591efcf07e9bced335f41942",
        },
    ),
    "list_reply": (
        ("message.received",),
        {
            "kind": "list_reply",
            "content": {
                "id": "priority_express",
                "title": "Priority Mail Express",
                "description": "Next Day to 2 Days",
            },
        },
    ),
    "location": (
        ("message.received",),
        {
            "kind": "location",
            "content.latitude": 37.44221496582,
            "content.longitude": -122.16165924072,
            "extra.url": "https://philzcoffee.com/",
        },
    ),
    "message_deleted": (("message.deleted",), {"target": "<ORIGINAL_WHATSAPP_MESSAGE_ID>"}),
    "order": (
        ("message.received",),
        {
            "kind": "order",
            "content.items.0.product_id": "di9ozbzfi4",
            "content.items.0.amount": 3000,
            "content.currency": "USD",
            "extra.order.catalog_id": "194836987003835",
        },
    ),
    "reaction": (
        ("reaction.received",),
        {"emoji": "👍", "target": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI0RTJEOTc2ODVERUY5RDlGNkYA"},
    ),
    "reply_quoted": (("message.received",), {"kind": "text", "reply_to": "wamid.xyzxyz=="}),
    "sent_by_me_echo_delete": (
        ("message.deleted",),
        {"target": "wamid.zzzzzz", "chat.phone": "972123456789", "sender.phone": "972987654321"},
    ),
    "sent_by_me_echo_text": (
        ("message.sent",),
        {"from_me": True, "chat.bsuid": "<BSUID>", "content": {"body": "Test message"}},
    ),
    "sticker": (("message.received",), {"kind": "sticker", "extra.animated": False, "media.mime_type": "image/webp"}),
    "system_identity_change": (
        ("contact.updated",),
        {"data.type": "customer_identity_changed", "data.identity.hash": "xyzxyz", "party.phone": "972987654321"},
    ),
    "template_category": (("template.updated",), {"data.new_category": "MARKETING"}),
    "template_status_approved": (
        ("template.updated",),
        {"data.event": "APPROVED", "data.message_template_name": "order_confirmation"},
    ),
    "template_status_rejected": (("template.updated",), {"data.event": "REJECTED", "data.reason": "INVALID_FORMAT"}),
    "text": (
        ("message.received",),
        {
            "kind": "text",
            "content": {"body": "Does it come in another color?"},
            "sender.phone": "16505551234",
            "sender.name": "Sheena Nelson",
            "account": "106540352242922",
            "key": "message:wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
        },
    ),
    "text_referred_product": (
        ("message.received",),
        {"extra.context.referred_product.product_retailer_id": "di9ozbzfi4"},
    ),
    "text_with_bsuid": (("message.received",), {"sender.phone": "972987654321", "sender.bsuid": BSUID}),
    "unsupported": (("message.received",), {"kind": "unknown", "extra.errors.0.code": 131051}),
    "user_preferences_marketing": (
        ("contact.updated",),
        {"data.value": "resume", "data.category": "marketing_messages", "party.phone": "16505551234"},
    ),
    "value_level_errors": (
        ("account.updated",),
        {"data.error.title": "We were unable to authenticate the app user", "account": "1234567890"},
    ),
    "video": (("message.received",), {"kind": "video", "content.caption": "caption", "media.ref.id": "765756756"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_payload(name: str, meta_specs: Path) -> None:
    types, facts = EXPECTED[name]
    events = webhooks.read((meta_specs / "webhooks" / f"{name}.json").read_bytes())
    assert tuple(event.type for event in events) == types
    assert set(types) <= set(EVENT_TYPES)
    assert {path: at(events[0], path) for path in facts} == facts


def test_the_table_has_every_payload(meta_specs: Path) -> None:
    assert {file.stem for file in (meta_specs / "webhooks").glob("*.json")} == set(EXPECTED)


def at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, list):
            value = value[int(name)]
        else:
            value = getattr(value, name)
    return value
