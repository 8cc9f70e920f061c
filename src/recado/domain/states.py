r"""The states of a message and of a connection, and which follows which.

    accepted -> queued -> sent -> server_ack -> delivered -> read -> played
                     \-> failed | cancelled        sent, no proof -> unproven

A message never goes back: a `delivered` that arrives after a `read` is kept as a receipt and changes nothing.
"""

from enum import StrEnum


class MessageStatus(StrEnum):
    """Where an outbound message stands. Inbound messages are `received`."""

    QUEUED = "queued"
    UNPROVEN = "unproven"
    SENT = "sent"
    SERVER_ACK = "server_ack"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RECEIVED = "received"


#: What a receipt can say, and its rank: a greater rank replaces a smaller one, never the other way round.
#: `failed` outranks everything before the server's acknowledgement and loses to a delivery.
RANK: dict[MessageStatus, int] = {
    MessageStatus.QUEUED: 0,
    MessageStatus.UNPROVEN: 1,
    MessageStatus.SENT: 2,
    MessageStatus.SERVER_ACK: 3,
    MessageStatus.FAILED: 4,
    MessageStatus.DELIVERED: 5,
    MessageStatus.READ: 6,
    MessageStatus.PLAYED: 7,
}


def advance(current: MessageStatus, seen: MessageStatus) -> MessageStatus:
    """The status after a receipt `seen`: the greater of both by rank. Idempotent and order-free.

    `cancelled` and `received` never change by a receipt.
    """
    if current not in RANK or seen not in RANK:
        return current
    return seen if RANK[seen] > RANK[current] else current


class ConnectionStatus(StrEnum):
    """One set of states for every provider."""

    CREATED = "created"
    CONNECTING = "connecting"
    QR = "qr"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"
    LOGGED_OUT = "logged_out"
    BANNED = "banned"


#: In these states messages are sent; in every other they wait in their lane.
SENDING = frozenset({ConnectionStatus.CONNECTED, ConnectionStatus.DEGRADED})


class Priority(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


#: How a priority is stored and ordered in the outbox.
PRIORITY_RANK: dict[Priority, int] = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
