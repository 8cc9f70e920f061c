"""What an error of whatsmeow says of a message: neonize hands errors on as their text only.

The texts are those of whatsmeow's `errors.go` and `send.go`. What came before the message left certainly sent nothing;
what is not known here may have sent it.
"""

import re
from typing import Any

_SERVER = re.compile(r"server returned error (\d+)")
#: How long first contacts rest after error 463, which tells no time itself.
COLD_SECONDS = 3_600.0
RATE_SECONDS = 60.0

#: What whatsmeow says when it was to send the frame of a message *again*, which is where it says nothing else with it.
_SECOND_TRY = "websocket not connected"
_NOT_CONNECTED = (
    "websocket not connected",
    "failed to send message node: frame socket is closed",
    "the store doesn't contain a device jid",
    "client is nil",
)
_MAY_HAVE_LEFT = (
    "timed out waiting for message send response",
    "websocket disconnected before",
    "failed to send message node",
    "context canceled",
)
_REFUSED = (
    ("you're not participating in that group", "not_in_group"),
    ("that group does not exist", "group_not_found"),
    ("can't send message to unknown server", "bad_recipient"),
    ("message recipient must be a user jid", "bad_recipient"),
    ("no lid found", "not_on_whatsapp"),
    ("non-status broadcast lists", "bad_recipient"),
    ("original message secret key not found", "poll_unknown"),
)
_RATE = ("rate-overlimit", "429")
_BEFORE = (
    "failed to get",
    "failed to create sender key",
    "failed to marshal",
    "failed to encrypt",
    "failed to fetch",
    "failed to prefetch",
    "failed to save cached sessions",
    "failed to process prekey bundle",
    "failed to clear untrusted identity",
    "failed to add message to retry store",
    "info query",
)


def of_send(why: str) -> dict[str, Any]:
    """The reply to a send that failed with this text."""
    said = why.lower()
    found = _SERVER.search(said)
    if found is not None:
        return _nack(int(found[1]), why)
    if said == _SECOND_TRY:
        return {"outcome": "unknown", "why": why}
    if any(text in said for text in _NOT_CONNECTED):
        return {"outcome": "not_connected", "why": why}
    if any(text in said for text in _MAY_HAVE_LEFT):
        return {"outcome": "unknown", "why": why}
    for text, code in _REFUSED:
        if text in said:
            return {"outcome": "refused", "code": code, "why": why}
    if _RATE[0] in said:
        return {"outcome": "limited", "code": _RATE[1], "why": why, "after": RATE_SECONDS, "scope": "instance"}
    if any(text in said for text in _BEFORE):
        return {"outcome": "retry", "code": "not_sent", "why": why}
    return {"outcome": "unknown", "why": why}


def _nack(code: int, why: str) -> dict[str, Any]:
    """The server's own no: it did not take the message."""
    if code == 463:
        return {"outcome": "limited", "code": "463", "why": why, "after": COLD_SECONDS, "scope": "cold"}
    if code == 429:
        return {"outcome": "limited", "code": "429", "why": why, "after": RATE_SECONDS, "scope": "instance"}
    if code >= 500:
        return {"outcome": "retry", "code": str(code), "why": why}
    return {"outcome": "refused", "code": str(code), "why": why}


def of_preparation(why: str) -> dict[str, Any]:
    """The reply to a send whose preparation (an upload) failed: nothing was sent."""
    reply = of_send(why)
    return {"outcome": "retry", "code": "upload_failed", "why": why} if reply["outcome"] == "unknown" else reply


def of_call(why: str) -> dict[str, Any]:
    """The reply to another operation that failed with this text."""
    said = why.lower()
    if any(text in said for text in _NOT_CONNECTED):
        return {"outcome": "failed", "code": "not_connected", "why": why, "retryable": True}
    if _RATE[0] in said:
        return {"outcome": "failed", "code": "rate_limited", "why": why, "retryable": True}
    lasting = ("not-authorized", "forbidden", "item-not-found", "bad-request", "not-acceptable", "not-allowed", "gone")
    final = any(text in said for text in lasting) or any(text in said for text, _ in _REFUSED)
    return {
        "outcome": "failed",
        "code": "engine_refused" if final else "engine_failed",
        "why": why,
        "retryable": not final,
    }
