"""Every payload under ../shared/specs/zapi/webhooks and ../shared/specs/zapi-surface/webhooks, and what must come out.

Needs the shared folder; skipped by name where it is absent, a failure in CI. The facts are those of the first event: a
dotted path into it and the value there, and for `extra` the names in it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recado.domain.events import EVENT_TYPES, Deleted, Edited, ProviderEvent, Reacted, Received
from recado.providers.zapi import notices
from tests.providers.conftest import shared

Expectations = dict[str, tuple[tuple[str, ...], dict[str, Any]]]

CAPTURED: Expectations = {
    "ack_read": (("message.read",), {"state": "read"}),
    "ack_read_by_me": (
        ("chat.updated",),
        {"party.phone": "5544999999999", "data.change": "read", "data.messages": ["999999999999999999999"]},
    ),
    "ack_received": (("message.delivered",), {"state": "delivered"}),
    "ack_sent": (("message.server_ack",), {"state": "server_ack"}),
    "audio": (
        ("message.received",),
        {"kind": "voice", "chat.lid": "900000000000001@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "broadcast_list_text": (
        ("message.sent",),
        {
            "kind": "text",
            "content.body": "Teste de mensagem de lista de transmissão",
            "from_me": True,
            "by_api": False,
            "chat.group": "1774895799@broadcast",
            "sender.phone": "554499999999",
            "extra": ["broadcastRecipients"],
        },
    ),
    "button_reply": (
        ("message.received",),
        {
            "kind": "button_reply",
            "reply_to": "A20DA9C0183A2D35A260F53F5D2B9244",
            "content.id": "1",
            "content.title": "Ótimo",
            "chat.lid": "900000000000001@lid",
        },
    ),
    "call_missed_video": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "video",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "call_missed_voice": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "call_received": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
            "data.direction": "incoming",
        },
    ),
    "call_received_legacy": (
        ("call.received",),
        {
            "party.lid": "900000000000001@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
        },
    ),
    "call_sip_accepted": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "accepted",
            "data.direction": "incoming",
        },
    ),
    "call_sip_ended": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ended",
            "data.direction": "incoming",
        },
    ),
    "call_sip_received": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
            "data.direction": "incoming",
        },
    ),
    "call_sip_started": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "accepted",
            "data.direction": "incoming",
        },
    ),
    "chat_label_association": (
        ("chat.updated", "chat.updated"),
        {"party.phone": "5544977777777", "data.change": "labelled", "data.label": "1"},
    ),
    "connection_connected": (("instance.connected",), {"status": "connected", "phone": "5544999999999"}),
    "connection_disconnected": (
        ("instance.disconnected",),
        {"status": "disconnected", "reason": "Device has been disconnected"},
    ),
    "delivery_callback_success": (("message.server_ack",), {"state": "server_ack"}),
    "document": (
        ("message.received",),
        {
            "kind": "document",
            "content.filename": "nome.pdf",
            "chat.lid": "900000000000001@lid",
            "media.ref.url": "https://",
            "extra": ["media"],
        },
    ),
    "event": (
        ("message.received",),
        {
            "kind": "event",
            "content.name": "Nome do evento",
            "content.start_at": "2024-05-28T17:00:53+00:00",
            "content.description": "Descrição do evento",
            "chat.group": "120363019502650977@g.us",
            "sender.lid": "900000000000001@lid",
            "extra": ["event"],
        },
    ),
    "group_link_mode_admins": (
        ("group.updated",),
        {
            "party.group": "120363423529374305@g.us",
            "data.change": "settings",
            "data.settings": {"invite_link": "admins"},
            "data.by.lid": "99999999999999@lid",
        },
    ),
    "group_link_mode_all": (
        ("group.updated",),
        {
            "party.group": "120363423529374305@g.us",
            "data.change": "settings",
            "data.settings": {"invite_link": "all"},
            "data.by.lid": "99999999999999@lid",
        },
    ),
    "group_membership_request_by_member": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}, {"phone": "5544888888888"}],
            "data.method": "non_admin_add",
        },
    ),
    "group_membership_request_link": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}],
            "data.method": "invite_link",
        },
    ),
    "image": (
        ("message.received",),
        {"kind": "image", "chat.lid": "900000000000001@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "location": (
        ("message.received",),
        {"kind": "location", "content.latitude": -100.0, "chat.lid": "900000000000001@lid"},
    ),
    "newsletter_admin_invite": (
        ("message.received",),
        {"kind": "unknown", "chat.lid": "900000000000001@lid", "extra": ["newsletterAdminInvite"]},
    ),
    "order": (
        ("message.received",),
        {
            "kind": "order",
            "content.reference_id": "422508169684569",
            "content.items.0.amount": 200,
            "chat.lid": "900000000000001@lid",
            "extra": ["order"],
        },
    ),
    "payment_request_declined": (("unknown",), {"data.notification": "PAYMENT_ACTION_REQUEST_DECLINED"}),
    "poll_created": (
        ("message.received",),
        {
            "kind": "poll",
            "content.name": "Qual a melhor API de WhatsApp?",
            "content.options": ["Z-API", "Outras"],
            "chat.lid": "900000000000001@lid",
        },
    ),
    "poll_vote": (
        ("poll.voted",),
        {
            "party.lid": "900000000000001@lid",
            "data.poll": "ID da mensagem de enquete que foi respondida",
            "data.options": ["Z-API"],
        },
    ),
    "presence_available": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "available"}),
    "presence_composing": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "composing"}),
    "presence_paused": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "paused"}),
    "presence_unavailable": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "unavailable"}),
    "product": (
        ("message.received",),
        {
            "kind": "product",
            "content.catalog_id": "5544999999999",
            "content.body": "name",
            "chat.lid": "900000000000001@lid",
            "extra": ["product"],
        },
    ),
    "profile_name_updated": (("contact.updated",), {"party.phone": "5544999999999", "data.name": "nome atualizado"}),
    "reaction": (
        ("reaction.received",),
        {"target": "3EB0796DC6B777C0C7CD", "emoji": "❤️", "chat.lid": "900000000000001@lid"},
    ),
    "reply_status_text": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "900000000000001@lid",
            "extra": ["isStatusReply"],
        },
    ),
    "sent_by_me_carousel": (
        ("message.sent",),
        {
            "kind": "unknown",
            "from_me": True,
            "by_api": True,
            "chat.phone": "554499999999",
            "sender.phone": "554499999999",
            "extra": ["carouselMessage"],
        },
    ),
    "sticker": (
        ("message.received",),
        {"kind": "sticker", "chat.lid": "900000000000001@lid", "media.ref.url": "https://"},
    ),
    "text": (
        ("message.received",),
        {"kind": "text", "content.body": "teste", "chat.lid": "900000000000001@lid", "extra": ["preview"]},
    ),
    "text_click_to_whatsapp_ad": (
        ("message.received",),
        {
            "kind": "text",
            "content.body": "mensagem recebida",
            "chat.lid": "900000000000001@lid",
            "extra": ["externalAdReply", "preview"],
        },
    ),
    "video": (
        ("message.received",),
        {"kind": "video", "chat.lid": "900000000000001@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "video_ptv": (
        ("message.sent",),
        {
            "kind": "video",
            "from_me": True,
            "by_api": False,
            "forwarded": True,
            "chat.phone": "5544999999999",
            "sender.phone": "554499999999",
            "media.ref.url": "https://",
        },
    ),
}

SURFACE: Expectations = {
    "connected": (("instance.connected",), {"status": "connected", "phone": "5544999999999"}),
    "delivery-error": (
        ("message.failed",),
        {"state": "failed", "code": "not_on_whatsapp", "why": "Phone number does not exist"},
    ),
    "delivery-success": (("message.server_ack",), {"state": "server_ack"}),
    "delivery-success__observed": (("message.server_ack",), {"state": "server_ack"}),
    "delivery-success__older-docs": (("message.server_ack",), {"state": "server_ack"}),
    "disconnected-blocked__vendor-branch": (
        ("instance.disconnected",),
        {
            "status": "banned",
            "reason": "The number was disconnected by a possible whatsapp number blocking",
            "phone": "5544999999999",
        },
    ),
    "disconnected-session__vendor-branch": (
        ("instance.disconnected",),
        {
            "status": "logged_out",
            "reason": "It was not possible to restore a session with the current token, please login again",
            "phone": "5544999999999",
        },
    ),
    "disconnected": (("instance.disconnected",), {"status": "disconnected", "reason": "Device has been disconnected"}),
    "notification-call-accepted-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "accepted",
            "data.direction": "incoming",
        },
    ),
    "notification-call-ended-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ended",
            "data.direction": "incoming",
        },
    ),
    "notification-call-missed-video-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "video",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "notification-call-missed-video": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "video",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "notification-call-missed-voice-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "notification-call-missed-voice": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "missed",
            "data.direction": "incoming",
        },
    ),
    "notification-call-missed-voice__older-docs": (
        ("call.received",),
        {
            "party.lid": "81896604192873@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "missed",
        },
    ),
    "notification-call-received-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
            "data.direction": "incoming",
        },
    ),
    "notification-call-received": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
            "data.direction": "incoming",
        },
    ),
    "notification-call-started-calls-enabled": (
        ("call.received",),
        {
            "party.lid": "999999999999@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "accepted",
            "data.direction": "incoming",
        },
    ),
    "notification-call-voice__older-docs": (
        ("call.received",),
        {
            "party.lid": "81896604192873@lid",
            "data.call_id": "F44E0E2011E7C784BB9A4AC11749C436",
            "data.kind": "voice",
            "data.state": "ringing",
        },
    ),
    "notification-chat-label-association": (
        ("chat.updated", "chat.updated"),
        {"party.phone": "5544977777777", "data.change": "labelled", "data.label": "1"},
    ),
    "notification-chat-label-association__older-docs": (
        ("chat.updated", "chat.updated"),
        {"party.phone": "5544977777777", "data.change": "labelled", "data.label": "1"},
    ),
    "notification-group-link-open-group__older-docs": (
        ("group.updated",),
        {
            "party.group": "120363423529374305@g.us",
            "data.change": "settings",
            "data.settings": {"invite_link": "all"},
            "data.by.lid": "99999999999999@lid",
        },
    ),
    "notification-group-link-restricted-group__older-docs": (
        ("group.updated",),
        {
            "party.group": "120363423529374305@g.us",
            "data.change": "settings",
            "data.settings": {"invite_link": "admins"},
            "data.by.lid": "99999999999999@lid",
        },
    ),
    "notification-group-membership-added-by-member-group": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}, {"phone": "5544888888888"}],
            "data.method": "non_admin_add",
        },
    ),
    "notification-group-membership-added-by-member-group__older-docs": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}, {"phone": "5544888888888"}],
            "data.by": {"phone": "5544999999999", "name": "name"},
            "data.method": "non_admin_add",
        },
    ),
    "notification-group-membership-request-group": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}],
            "data.method": "invite_link",
        },
    ),
    "notification-group-membership-request-group__older-docs": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_requested",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"phone": "5544999999999", "name": "name"},
            "data.method": "invite_link",
        },
    ),
    "notification-group-membership-revoked-group": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_request_revoked",
            "data.participants": [{"phone": "5544999999999"}],
        },
    ),
    "notification-group-membership-revoked-group__older-docs": (
        ("group.updated",),
        {
            "party.group": "5544999999999@g.us",
            "data.change": "join_request_revoked",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"phone": "5544999999999", "name": "name"},
        },
    ),
    "notification-newsletter-admin-demote": (
        ("group.updated",),
        {
            "party.group": "5544999999999@newsletter",
            "data.change": "demoted",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"lid": "81896604192873@lid", "name": "name"},
        },
    ),
    "notification-newsletter-admin-demote__older-docs": (
        ("group.updated",),
        {
            "party.group": "5544999999999@newsletter",
            "data.change": "demoted",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"phone": "5544999999999"},
        },
    ),
    "notification-newsletter-admin-promote": (
        ("group.updated",),
        {
            "party.group": "5544999999999@newsletter",
            "data.change": "promoted",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"lid": "81896604192873@lid", "name": "name"},
        },
    ),
    "notification-newsletter-admin-promote__older-docs": (
        ("group.updated",),
        {
            "party.group": "5544999999999@newsletter",
            "data.change": "promoted",
            "data.participants": [{"phone": "5544999999999"}],
            "data.by": {"phone": "5544999999999"},
        },
    ),
    "notification-payment-request-declined__older-docs": (
        ("unknown",),
        {"data.notification": "PAYMENT_ACTION_REQUEST_DECLINED"},
    ),
    "notification-profile-name-updated": (
        ("contact.updated",),
        {"party.phone": "5544999999999", "data.name": "nome atualizado"},
    ),
    "notification-profile-name-updated__older-docs": (
        ("contact.updated",),
        {"party.phone": "5544999999999", "data.name": "nome atualizado"},
    ),
    "notification-profile-picture-updated": (
        ("contact.updated",),
        {"party.phone": "5544999999999", "data.picture": "https://"},
    ),
    "notification-profile-picture-updated__older-docs": (
        ("contact.updated",),
        {"party.phone": "5544999999999", "data.picture": "https://"},
    ),
    "presence-available": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "available"}),
    "presence-composing": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "composing"}),
    "presence-paused": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "paused"}),
    "presence-recording": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "recording"}),
    "presence-unavailable": (("presence.updated",), {"party.phone": "5544999999999", "data.state": "unavailable"}),
    "proxy-callback": (("account.updated",), {}),
    "received-audio": (
        ("message.received",),
        {"kind": "voice", "chat.lid": "81896604192873@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "received-audio__observed": (
        ("message.received",),
        {"kind": "voice", "chat.lid": "999999999999999@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "received-button-otp": (
        ("message.received",),
        {
            "kind": "buttons",
            "content.body": "texto da mensagem",
            "content.buttons": [
                {"title": "Copiar código", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp123"}
            ],
            "chat.lid": "81896604192873@lid",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-button-pix": (
        ("message.received",),
        {
            "kind": "pix",
            "content.key": "pixkey",
            "content.key_type": "evp",
            "chat.lid": "81896604192873@lid",
            "extra": ["pixKeyMessage"],
        },
    ),
    "received-button-reply": (
        ("message.received",),
        {
            "kind": "button_reply",
            "reply_to": "A20DA9C0183A2D35A260F53F5D2B9244",
            "content.id": "1",
            "content.title": "Ótimo",
            "chat.lid": "81896604192873@lid",
        },
    ),
    "received-buttons-image": (
        ("message.received",),
        {
            "kind": "buttons",
            "content.body": "Texto da mensagem",
            "content.buttons": [{"id": "1", "title": "Texto do botão 1"}, {"id": "2", "title": "Texto do botão 2"}],
            "chat.lid": "81896604192873@lid",
            "extra": ["buttonsMessage"],
        },
    ),
    "received-buttons-video": (
        ("message.received",),
        {
            "kind": "buttons",
            "content.body": "Texto da mensagem",
            "content.buttons": [{"id": "1", "title": "Texto do botão 1"}, {"id": "2", "title": "Texto do botão 2"}],
            "chat.lid": "81896604192873@lid",
            "extra": ["buttonsMessage"],
        },
    ),
    "received-carousel": (
        ("message.sent",),
        {
            "kind": "unknown",
            "from_me": True,
            "by_api": True,
            "chat.phone": "554499999999",
            "sender.phone": "554499999999",
            "extra": ["carouselMessage"],
        },
    ),
    "received-contact": (
        ("message.received",),
        {"kind": "contacts", "content.0.phones.0.wa_id": "5544999999999", "chat.lid": "81896604192873@lid"},
    ),
    "received-document": (
        ("message.received",),
        {
            "kind": "document",
            "content.filename": "nome.pdf",
            "chat.lid": "81896604192873@lid",
            "media.ref.url": "https://",
            "extra": ["media"],
        },
    ),
    "received-event-group": (
        ("message.received",),
        {
            "kind": "event",
            "content.name": "Nome do evento",
            "content.start_at": "2024-05-28T17:00:53+00:00",
            "content.description": "Descrição do evento",
            "chat.group": "120363019502650977@g.us",
            "sender.lid": "81896604192873@lid",
            "extra": ["event"],
        },
    ),
    "received-event-response-group": (
        ("event.answered",),
        {"party.lid": "81896604192873@lid", "data.event": "D2D612289D9E8F62307D72409A8D9DC3", "data.answer": "going"},
    ),
    "received-gif": (
        ("message.received",),
        {"kind": "video", "chat.lid": "81896604192873@lid", "media.ref.url": "https://"},
    ),
    "received-image": (
        ("message.received",),
        {"kind": "image", "chat.lid": "81896604192873@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "received-image__older-docs": (
        ("message.received",),
        {"kind": "image", "chat.lid": "81896604192873@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "received-list-reply": (
        ("message.received",),
        {
            "kind": "list_reply",
            "reply_to": "A20DA9C0183A2D35A260F53F5D2B9244",
            "content.id": "1",
            "content.title": "Z-API",
            "content.description": "Z-API Asas para sua imaginação",
            "chat.lid": "81896604192873@lid",
        },
    ),
    "received-location": (
        ("message.received",),
        {"kind": "location", "content.latitude": -100.0, "chat.lid": "81896604192873@lid"},
    ),
    "received-newsletter-admin-invite": (
        ("message.received",),
        {"kind": "unknown", "chat.lid": "81896604192873@lid", "extra": ["newsletterAdminInvite"]},
    ),
    "received-order": (
        ("message.received",),
        {
            "kind": "order",
            "content.reference_id": "422508169684569",
            "content.items.0.amount": 200,
            "chat.lid": "81896604192873@lid",
            "extra": ["order"],
        },
    ),
    "received-pin-message": (
        ("message.sent",),
        {
            "kind": "pin",
            "content.message_id": "3EB0796DC6B777C0C7CD",
            "content.pinned": True,
            "from_me": True,
            "by_api": False,
            "chat.phone": "5544999999999",
            "sender.phone": "554499999999",
        },
    ),
    "received-poll-vote": (
        ("poll.voted",),
        {
            "party.lid": "81896604192873@lid",
            "data.poll": "ID da mensagem de enquete que foi respondida",
            "data.options": ["Z-API"],
        },
    ),
    "received-poll": (
        ("message.received",),
        {
            "kind": "poll",
            "content.name": "Qual a melhor API de WhatsApp?",
            "content.options": ["Z-API", "Outras"],
            "chat.lid": "81896604192873@lid",
        },
    ),
    "received-product": (
        ("message.received",),
        {
            "kind": "product",
            "content.catalog_id": "5544999999999",
            "content.body": "name",
            "chat.lid": "81896604192873@lid",
            "extra": ["product"],
        },
    ),
    "received-reaction": (
        ("reaction.received",),
        {"target": "3EB0796DC6B777C0C7CD", "emoji": "❤️", "chat.lid": "81896604192873@lid"},
    ),
    "received-request-payment": (
        ("message.received",),
        {"kind": "unknown", "chat.lid": "81896604192873@lid", "extra": ["requestPayment"]},
    ),
    "received-review-and-pay": (
        ("message.received",),
        {
            "kind": "order",
            "content.reference_id": "4N9AVI38VOB",
            "content.status": "pending",
            "content.items.0.amount": 15000,
            "chat.lid": "81896604192873@lid",
            "extra": ["reviewAndPay"],
        },
    ),
    "received-review-order": (
        ("message.received",),
        {
            "kind": "order",
            "content.reference_id": "4N9AVI38VOB",
            "content.status": "processing",
            "content.items.0.amount": 15000,
            "chat.lid": "81896604192873@lid",
            "extra": ["reviewOrder"],
        },
    ),
    "received-send-payment": (
        ("message.received",),
        {"kind": "unknown", "chat.lid": "81896604192873@lid", "extra": ["sendPayment"]},
    ),
    "received-status-reply-audio": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "81896604192873@lid",
            "extra": ["statusAudio", "isStatusReply"],
        },
    ),
    "received-status-reply-image": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "81896604192873@lid",
            "extra": ["statusImage", "isStatusReply"],
        },
    ),
    "received-status-reply-image__older-docs": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "81896604192873@lid",
            "extra": ["statusImage", "isStatusReply"],
        },
    ),
    "received-status-reply-text": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "81896604192873@lid",
            "extra": ["isStatusReply"],
        },
    ),
    "received-status-reply-video": (
        ("message.received",),
        {
            "kind": "text",
            "reply_to": "3EB054C12BAAC70228AAB6",
            "content.body": "teste",
            "chat.lid": "81896604192873@lid",
            "extra": ["statusVideo", "isStatusReply"],
        },
    ),
    "received-sticker": (
        ("message.received",),
        {"kind": "sticker", "chat.lid": "81896604192873@lid", "media.ref.url": "https://"},
    ),
    "received-template-document": (
        ("message.received",),
        {
            "kind": "document",
            "content.caption": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "media.ref.url": "https://example.pdf",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-document__older-docs": (
        ("message.received",),
        {
            "kind": "document",
            "content.caption": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "media.ref.url": "https://example.pdf",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-image": (
        ("message.received",),
        {
            "kind": "image",
            "content.caption": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "media.ref.url": "https://example.jpeg",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-location": (
        ("message.received",),
        {
            "kind": "text",
            "content.body": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-location__older-docs": (
        ("message.received",),
        {
            "kind": "text",
            "content.body": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-text": (
        ("message.received",),
        {
            "kind": "text",
            "content.body": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-template-video": (
        ("message.received",),
        {
            "kind": "video",
            "content.caption": "texto da mensagem",
            "chat.lid": "81896604192873@lid",
            "media.ref.url": "https://example.mp4",
            "extra": ["hydratedTemplate"],
        },
    ),
    "received-text-ad": (
        ("message.received",),
        {
            "kind": "text",
            "content.body": "mensagem recebida",
            "chat.lid": "81896604192873@lid",
            "extra": ["externalAdReply", "preview"],
        },
    ),
    "received-text-fromme-broadcast": (
        ("message.sent",),
        {
            "kind": "text",
            "content.body": "Teste de mensagem de lista de transmissão",
            "from_me": True,
            "by_api": False,
            "chat.group": "1774895799@broadcast",
            "sender.phone": "554499999999",
            "extra": ["broadcastRecipients"],
        },
    ),
    "received-text-fromme-broadcast__older-docs": (
        ("message.sent",),
        {
            "kind": "text",
            "content.body": "Teste de mensagem de lista de transmissão",
            "from_me": True,
            "by_api": False,
            "chat.group": "1774895799@broadcast",
            "sender.phone": "554499999999",
            "extra": ["broadcastRecipients"],
        },
    ),
    "received-text-fromme__observed": (
        ("message.sent",),
        {
            "kind": "text",
            "content.body": "teste",
            "from_me": True,
            "by_api": False,
            "chat.lid": "999999999999999@lid",
            "sender.phone": "554499999999",
        },
    ),
    "received-text": (
        ("message.received",),
        {"kind": "text", "content.body": "teste", "chat.lid": "81896604192873@lid", "extra": ["preview"]},
    ),
    "received-text__observed": (
        ("message.received",),
        {"kind": "text", "content.body": "teste", "chat.lid": "999999999999999@lid"},
    ),
    "received-text__older-docs-received-delivery": (
        ("message.received",),
        {"kind": "text", "content.body": "teste", "chat.phone": "5544999999999"},
    ),
    "received-text__older-docs": (
        ("message.received",),
        {"kind": "text", "content.body": "teste", "chat.lid": "81896604192873@lid", "extra": ["preview"]},
    ),
    "received-video-ptv": (
        ("message.sent",),
        {
            "kind": "video",
            "from_me": True,
            "by_api": False,
            "forwarded": True,
            "chat.phone": "5544999999999",
            "sender.phone": "554499999999",
            "media.ref.url": "https://",
        },
    ),
    "received-video": (
        ("message.received",),
        {"kind": "video", "chat.lid": "81896604192873@lid", "media.ref.url": "https://", "extra": ["media"]},
    ),
    "received-waiting-message": (
        ("message.waiting",),
        {"party.phone": "5544999999999", "data.provider_id": "A20DA9C0183A2D35A260F53F5D2B9244"},
    ),
    "received-waiting-message__older-docs": (
        ("message.waiting",),
        {"party.phone": "5544999999999", "data.provider_id": "A20DA9C0183A2D35A260F53F5D2B9244"},
    ),
    "status-played": (("message.played",), {"state": "played"}),
    "status-read-by-me": (
        ("chat.updated",),
        {"party.phone": "5544999999999", "data.change": "read", "data.messages": ["999999999999999999999"]},
    ),
    "status-read": (("message.read",), {"state": "read"}),
    "status-received": (("message.delivered",), {"state": "delivered"}),
    "status-sent": (("message.server_ack",), {"state": "server_ack"}),
}

#: Without a time that can be, an event is told apart by the second that it is read in.
TIMELESS = {name for table in (CAPTURED, SURFACE) for name in table if "presence" in name} | {
    "connected",
    "connection_connected",
    "proxy-callback",
}

TABLES = {"zapi": CAPTURED, "zapi-surface": SURFACE}


@pytest.mark.parametrize("folder", TABLES)
def test_no_file_is_missing(folder: str) -> None:
    files = {path.stem for path in shared(f"specs/{folder}/webhooks").glob("*.json")}
    assert files == set(TABLES[folder])


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder, table in TABLES.items() for name in table], ids=str
)
def test_payload(folder: str, name: str) -> None:
    types, facts = TABLES[folder][name]
    body = (shared(f"specs/{folder}/webhooks") / f"{name}.json").read_bytes()
    events = notices.read(body)
    assert tuple(event.type for event in events) == types
    assert set(types) <= set(EVENT_TYPES)
    first = msgspec.to_builtins(events[0])
    for path, value in facts.items():
        found = [name for name in first[path] if name != "envelope"] if path == "extra" else _at(first, path)
        assert found == value, path
    assert [event.key for event in events] == [event.key for event in notices.read(body)] or name in TIMELESS


_ODD: tuple[Any, ...] = (None, True, 17, -0.5, 10**400, "", "x", [None], ["x"], {"x": 1})


@pytest.mark.parametrize("folder", TABLES)
def test_odd_fields_are_read_all_the_same(folder: str) -> None:
    """Each field of each body left out or of another type: only a body without its `type` is refused."""
    for path in sorted(shared(f"specs/{folder}/webhooks").glob("*.json")):
        whole = msgspec.json.decode(path.read_bytes())
        for holder, name in _fields(whole):
            kept = holder[name]
            for odd in _ODD:
                holder[name] = odd
                if isinstance(whole["type"], str):
                    _is_sound(notices.read(msgspec.json.encode(whole)))
            holder[name] = kept
            if isinstance(holder, dict) and name != "type":
                less = {key: value for key, value in holder.items() if key != name}
                holder.clear()
                holder.update(less)
                _is_sound(notices.read(msgspec.json.encode(whole)))
                holder[name] = kept


def _fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a body: what holds it, and its name or index there."""
    places = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for place in places:
        yield value, place
        yield from _fields(value[place])


def _is_sound(events: list[ProviderEvent]) -> None:
    """What the database can keep: it is JSON, and whoever talks has an id."""
    assert events
    assert msgspec.json.encode(events)
    for event in events:
        assert event.key
        if isinstance(event, Received | Edited | Deleted | Reacted):
            assert event.chat.identities()


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)]
        else:
            value = value.get(step, False if step in ("by_api", "from_me") else None)
    return value
