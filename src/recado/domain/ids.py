"""Identifiers: UUIDv7 (RFC 9562), made in the application, ordered by the time they were made.

Monthly partitions are ranges of ids, so an id alone tells the partition its row lives in.
"""

import os
import random
import threading
import time
from datetime import UTC, datetime
from typing import NewType
from uuid import UUID

CompanyId = NewType("CompanyId", UUID)
InstanceId = NewType("InstanceId", UUID)
ServerId = NewType("ServerId", UUID)
ConnectionId = NewType("ConnectionId", UUID)
MessageId = NewType("MessageId", UUID)
ConversationId = NewType("ConversationId", UUID)
ContactId = NewType("ContactId", UUID)
EventId = NewType("EventId", UUID)
WebhookId = NewType("WebhookId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
MediaId = NewType("MediaId", UUID)
RawWebhookId = NewType("RawWebhookId", UUID)
TokenId = NewType("TokenId", UUID)

#: The company of what belongs to the platform itself: webhooks of a server that several companies share.
PLATFORM = CompanyId(UUID(int=0))

_lock = threading.Lock()
_last = 0
#: Ids are not secrets, so this need not ask the system for every one of them.
_random = random.Random(os.urandom(32))


def new() -> UUID:
    """A new UUIDv7. Later calls in one process give greater ids, also within a millisecond.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562, section 6.2, method 3).
    """
    global _last
    stamp = time.time_ns() * 4096 // 1_000_000
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
    milliseconds, fraction = divmod(stamp, 4096)
    return _compose(milliseconds, fraction, _random.getrandbits(62))


def lowest(at: datetime) -> UUID:
    """The smallest UUIDv7 of the millisecond `at`: the bound of a partition or of a time filter.

    Before 1970 there are none, so an earlier time has the smallest of all.
    """
    return _compose(max(0, int(at.timestamp() * 1000)), 0, 0)


def made_at(identifier: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond, in UTC."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def _compose(milliseconds: int, fraction: int, tail: int) -> UUID:
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail)
