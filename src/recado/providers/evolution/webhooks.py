"""Webhook bodies to events.

The envelope is `{event, instance, data, date_time, sender, …}`; `sender` is our own number, on phones only. Shapes are
those of the server's code (v2.3.6) and of captures, back to v1, which had no `status`. Nothing here validates: what is
not understood becomes `unknown`, and fields that are not known are left alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from recado.domain.events import ProviderEvent
from recado.providers import whatsapp, wire
from recado.providers.evolution import messages, notices
from recado.providers.evolution.envelope import Envelope, Unreadable, sent_at, unknown

#: The server's secrets are the last field of the envelope: the instance's key, on the Cloud channel Meta's access token;
#: its own error report has the key of the whole server. A key within a text is written `\"apikey\"` and is left alone.
_SECRET = re.compile(rb'("(?:apikey|api_key)"\s*:\s*")(?:[^"\\]|\\.)*+("|\\?\Z)', re.DOTALL)


def redact(body: bytes) -> bytes:
    """The body without the keys in it."""
    return _SECRET.sub(rb"\1\2", body) if b"apikey" in body or b"api_key" in body else body


def read(body: bytes) -> list[ProviderEvent]:
    """The events in a webhook body, in its order. Raises `ValueError` when it is not Evolution's shape."""
    found = wire.decode_webhook(body)
    event = found.get("event")
    if not isinstance(event, str) or "data" not in found:
        raise ValueError("the body has no `event` with `data`")
    # `byEvents` servers and old ones write the name as in subscriptions.
    name = event.lower() if "." in event or event.islower() else event.lower().replace("_", ".")
    stamp = found.get("date_time")
    at = sent_at(stamp)
    envelope = Envelope(
        event=name,
        at=at,
        stamp=stamp if isinstance(stamp, str) and stamp else at.isoformat(),
        own=whatsapp.address(found.get("sender")),
    )
    data = found["data"]
    reader = EVENTS.get(name)
    if reader is None:
        return [unknown(envelope, data)]
    try:
        return list(reader(envelope, data))
    except (Unreadable, RecursionError):
        return [unknown(envelope, data)]


EVENTS: Mapping[str, Callable[[Envelope, Any], Iterator[ProviderEvent]]] = {
    "messages.upsert": messages.messages,
    "send.message": messages.messages,
    "messages.edited": messages.edit,
    "send.message.update": messages.edit,
    "messages.update": messages.updates,
    "messages.delete": messages.deleted,
    "connection.update": notices.connection,
    "status.instance": notices.connection,
    "qrcode.updated": notices.qr,
    "logout.instance": notices.quiet,
    "remove.instance": notices.gone,
    "instance.create": notices.quiet,
    "instance.delete": notices.quiet,
    "presence.update": notices.presence,
    "contacts.upsert": notices.contacts,
    "contacts.update": notices.contacts,
    "chats.upsert": notices.quiet,
    "chats.update": notices.quiet,
    "chats.delete": notices.chats_deleted,
    "groups.upsert": notices.groups,
    "groups.update": notices.groups,
    "group.update": notices.groups,
    "group-participants.update": notices.participants,
    "group.participants.update": notices.participants,
    "call": notices.call,
    "labels.edit": notices.label,
    "labels.association": notices.labelled,
}
