"""What speaks of an earlier message: one builder for each kind."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from recado.domain.content import (
    ButtonReplyContent,
    EditContent,
    EventEditContent,
    EventResponseContent,
    OrderUpdateContent,
    PinContent,
    PollVoteContent,
    ReactionContent,
)
from recado.domain.provider import Outgoing, Referenced
from recado.providers.zapi.addresses import phone
from recado.providers.zapi.shapes import Request, Unsendable, event, extension, given, order

#: Kinds of earlier messages whose text can be replaced without sending their media again.
_EDITABLE = frozenset({"text", "link", "edit"})
#: Kinds whose caption can be, by sending their media again.
_EDIT_IDS = {"image": "editImageMessageId", "video": "editVideoMessageId", "document": "editDocumentMessageId"}
_PINNED_FOR = {86_400: "24_hours", 604_800: "7_days", 2_592_000: "30_days"}
#: The answers to an event that Z-API knows.
RESPONSES = {"going": "GOING", "not_going": "NOT_GOING"}


def _on(message: Outgoing, route: str, /, **fields: Any) -> Request:
    return Request(route=route, json={"phone": phone(message.to), **fields})


def _reaction(message: Outgoing, about: Referenced) -> Request:
    content: ReactionContent = message.content
    if not content.emoji:
        return _on(message, "send-remove-reaction", messageId=about.provider_id)
    return _on(message, "send-reaction", reaction=content.emoji, messageId=about.provider_id)


def _edit(message: Outgoing, about: Referenced) -> Request:
    content: EditContent = message.content
    if about.kind in _EDITABLE:
        return _on(message, "send-text", message=content.body, editMessageId=about.provider_id)
    link = about.content.get("link") if isinstance(about.content, Mapping) else None
    if about.kind not in _EDIT_IDS or not link:
        raise Unsendable(f"Z-API cannot change the text of this kind of message ({about.kind})")
    # Z-API changes a caption by its media's own route, which wants the media again.
    named = str(about.content.get("filename") or "") or None
    ending = f"/{extension(named, link, about.content.get('mime_type'))}" if about.kind == "document" else ""
    fields = {about.kind: link, "caption": content.body, _EDIT_IDS[about.kind]: about.provider_id}
    return _on(message, f"send-{about.kind}{ending}", **fields)


def _pin(message: Outgoing, about: Referenced) -> Request:
    content: PinContent = message.content
    return _on(
        message,
        "pin-message",
        messageId=about.provider_id,
        messageAction="pin" if content.pinned else "unpin",
        pinMessageDuration=_PINNED_FOR[content.duration_s],
    )


def _forward(message: Outgoing, about: Referenced) -> Request:
    sent = _on(message, "forward-message", messageId=about.provider_id, messagePhone=phone(about.chat))
    return msgspec.structs.replace(sent, names="zaapId")


def _delete(message: Outgoing, about: Referenced) -> Request:
    owner = "true" if about.from_me else "false"
    query = {"messageId": about.provider_id, "phone": phone(message.to), "owner": owner}
    return Request(method="DELETE", route="messages", query=query, names=None)


def _poll_vote(message: Outgoing, about: Referenced) -> Request:
    content: PollVoteContent = message.content
    vote = [{"name": option} for option in content.options]
    return _on(message, "send-poll-vote", pollMessageId=about.provider_id, pollVote=vote)


def _event_response(message: Outgoing, about: Referenced) -> Request:
    content: EventResponseContent = message.content
    response = RESPONSES[content.response]
    return _on(message, "send-event-response", eventMessageId=about.provider_id, eventResponse=response)


def _event_edit(message: Outgoing, about: Referenced) -> Request:
    content: EventEditContent = message.content
    if not message.to.endswith("@g.us"):
        raise Unsendable("Z-API changes events in groups only")
    changed = {**event(content.event), "canceled": content.cancelled}
    return _on(message, "send-edit-event", eventMessageId=about.provider_id, event=changed)


def _button_reply(message: Outgoing, about: Referenced) -> Request:
    content: ButtonReplyContent = message.content
    if content.template:
        fields = {"responseTemplateButtonId": content.id, "messageId": about.provider_id}
        return _on(message, "reply-template-button", **fields)
    return _on(message, "reply-button", responseButtonId=content.id, messageId=about.provider_id)


def _order_update(message: Outgoing, about: Referenced) -> Request:
    content: OrderUpdateContent = message.content
    return _on(
        message,
        f"order-{content.changed}-update",
        messageId=about.provider_id,
        referenceId=content.reference_id,
        orderRequestId=content.order_request_id,
        orderStatus=content.status,
        paymentStatus=content.payment_status,
        order=order(content),
        **given(message=content.body),
    )


ABOUT: Mapping[str, Callable[[Outgoing, Referenced], Request]] = {
    "reaction": _reaction,
    "edit": _edit,
    "pin": _pin,
    "forward": _forward,
    "delete": _delete,
    "poll_vote": _poll_vote,
    "event_response": _event_response,
    "event_edit": _event_edit,
    "button_reply": _button_reply,
    "order_update": _order_update,
}
