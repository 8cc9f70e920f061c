"""What happened, in one vocabulary: what adapters read out of provider webhooks, and what companies receive.

An adapter turns one webhook body into a list of `ProviderEvent`s. The inbound worker turns those into rows
and into the outward events whose types are `EVENT_TYPES`.
"""

from datetime import datetime
from typing import Any

import msgspec

from recado.domain.states import ConnectionStatus, MessageStatus

#: Every type an outward event can have; a webhook's filter takes these or `*`.
EVENT_TYPES = (
    "message.received",
    "message.queued",
    "message.sent",
    "message.server_ack",
    "message.delivered",
    "message.read",
    "message.played",
    "message.failed",
    "message.unproven",
    "message.cancelled",
    "message.edited",
    "message.deleted",
    "reaction.received",
    "poll.voted",
    "instance.connected",
    "instance.disconnected",
    "instance.degraded",
    "instance.qr",
    "instance.recovering",
    "instance.recovered",
    "instance.recovery_failed",
    "instance.passkey",
    "instance.switched",
    "account.updated",
    "template.updated",
    "message.waiting",
    "status.received",
    "event.answered",
    "presence.updated",
    "call.received",
    "group.updated",
    "chat.updated",
    "label.updated",
    "contact.updated",
    "contact.merged",
    "media.ready",
    "media.failed",
    "consent.changed",
    "webhook.paused",
    "webhook.test",
    "unknown",
)


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person, group or channel as a provider names it. Any of the ids may be absent, the phone too.

    `phone` is digits only, country code first; `lid` (`…@lid`) and `group` (`…@g.us`, `…@newsletter`) are WhatsApp ids
    as it writes them, whatever the provider makes of them, so that two providers name one contact alike. `bsuid`,
    `username` and Meta's `group` are opaque.
    """

    phone: str | None = None
    lid: str | None = None
    bsuid: str | None = None
    username: str | None = None
    group: str | None = None
    name: str | None = None

    def identities(self) -> list[tuple[str, str]]:
        """(kind, value) for each id present; the strongest first."""
        named = (
            ("group", self.group),
            ("phone", self.phone),
            ("bsuid", self.bsuid),
            ("lid", self.lid),
            ("username", self.username),
        )
        return [(kind, value) for kind, value in named if value]


class MediaRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Media of a received message that is still at the provider. `ref` is what its adapter needs to fetch it."""

    ref: dict[str, Any]
    mime_type: str | None = None
    filename: str | None = None
    sha256: str | None = None
    size: int | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a webhook told. `key` is unique per connection for this thing, so that a repeat is recognised.

    `type` is one of `EVENT_TYPES`. `account` names the provider's account the event belongs to where one
    webhook address serves several (Meta's `phone_number_id`); None means the connection the webhook came by.
    """

    type: str
    key: str
    at: datetime
    account: str | None = None


class Received(ProviderEvent, frozen=True, kw_only=True):
    """A message in a chat. `from_me` is one that our own number wrote elsewhere (the phone, another device);
    its `type` is then `message.sent`.

    `content` has the shape of `domain.content` for `kind`, as plain data; what the provider sends beyond it
    is kept under `extra`. A kind we do not know is `unknown`, with the provider's object in `extra`.

    `by_api` marks a message `from_me` that was sent through the provider's API: most often the echo of one of ours,
    which may come before the answer that tells its id. `message_id` is our own id where the provider returns it.
    """

    provider_id: str
    chat: Party
    sender: Party
    kind: str
    content: Any
    media: MediaRef | None = None
    from_me: bool = False
    by_api: bool = False
    message_id: str | None = None
    reply_to: str | None = None
    forwarded: bool = False
    extra: dict[str, Any] = {}


class Receipt(ProviderEvent, frozen=True, kw_only=True):
    """A message of ours reached `state`. `message_id` is set where the provider returns the id we gave it.

    `recipient` is set in groups. `code` and `why` tell of a failure.
    """

    provider_id: str
    state: MessageStatus
    message_id: str | None = None
    recipient: str | None = None
    code: str | None = None
    why: str | None = None
    extra: dict[str, Any] = {}


class Edited(ProviderEvent, frozen=True, kw_only=True):
    """The text of an earlier message of the chat was replaced."""

    target: str
    chat: Party
    sender: Party
    kind: str
    content: Any


class Deleted(ProviderEvent, frozen=True, kw_only=True):
    """An earlier message of the chat was taken back for everybody."""

    target: str
    chat: Party
    sender: Party


class Reacted(ProviderEvent, frozen=True, kw_only=True):
    """Somebody put an emoji on a message, or took it back (`emoji` empty)."""

    target: str
    chat: Party
    sender: Party
    emoji: str
    from_me: bool = False
    extra: dict[str, Any] = {}


class ConnectionChanged(ProviderEvent, frozen=True, kw_only=True):
    """The connection of our number to WhatsApp changed. `qr` or `pairing_code` is the code to show while pairing."""

    status: ConnectionStatus
    reason: str | None = None
    qr: str | None = None
    pairing_code: str | None = None
    phone: str | None = None
    details: dict[str, Any] = {}


class Noticed(ProviderEvent, frozen=True, kw_only=True):
    """Everything else: calls, groups, presence, contacts, templates, the account, and `unknown`.

    `party` is whom it is about. Where the provider tells them, `data` names the same things for every provider:

    presence.updated  state (available, unavailable, composing, recording, paused), chat, last_seen
    call.received     call_id, kind (voice, video), state (ringing, accepted, rejected, missed, ended), group
    group.updated     change (created, joined, left, added, removed, promoted, demoted, subject, description, picture,
                      settings, invite, join_requested, join_request_revoked, deleted), participants [{phone, lid,
                      name}], by {phone, lid, name}, subject, description, settings; `party` is the group
    contact.updated   name, picture, about, blocked
    chat.updated      chat, change (archived, unarchived, pinned, unpinned, muted, unmuted, read, unread, labelled,
                      unlabelled, deleted, updated), label
    label.updated     label, name, color, deleted
    poll.voted        poll (the provider's id of the poll), options [names]
    event.answered    event (the provider's id of the event), answer
    message.waiting   provider_id, chat: a message whose content WhatsApp has not delivered yet; it comes later
    status.received   a story: provider_id, kind, content
    """

    data: dict[str, Any]
    party: Party | None = None
