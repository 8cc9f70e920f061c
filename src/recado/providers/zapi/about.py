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
#: Kinds whose caption can be, by sending their media again; and the field that names the message.
CAPTIONS = {"image": "editImageMessageId", "video": "editVideoMessageId", "document": "editDocumentMessageId"}
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


def edit(message: Outgoing, about: Referenced, media: str | None) -> Request:
    """The change of a text, or of the caption of `media`, the link or data url of a file that was sent. Raises
    `Unsendable`."""
    content: EditContent = message.content
    if about.kind in _EDITABLE:
        return _on(message, "send-text", message=content.body, editMessageId=about.provider_id)
    if about.kind not in CAPTIONS:
        raise Unsendable(f"Z-API cannot change the text of this kind of message ({about.kind})")
    if (about.content or {}).get("view_once"):
        raise Unsendable("Z-API would show again, and to stay, what was to be opened once")
    if media is None:
        raise Unsendable("Z-API wants the file again to change its caption, and it is not stored any more")
    fields = {about.kind: media, "caption": content.body, CAPTIONS[about.kind]: about.provider_id}
    if about.kind != "document":
        return _on(message, f"send-{about.kind}", **fields)
    stored = about.media
    filename = str(about.content.get("filename") or "") or (stored.filename if stored else None)
    mime_type = about.content.get("mime_type") or (stored.mime_type if stored else None)
    ending = extension(filename, about.content.get("link"), mime_type)
    return _on(message, f"send-document/{ending}", **fields, **given(fileName=filename))


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
    "pin": _pin,
    "forward": _forward,
    "delete": _delete,
    "poll_vote": _poll_vote,
    "event_response": _event_response,
    "event_edit": _event_edit,
    "button_reply": _button_reply,
    "order_update": _order_update,
}
