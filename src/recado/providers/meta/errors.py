"""What an answer of Graph that is not a success means for a message.

Two facts decide: whether Graph itself speaks (a JSON error object with a code), and which code it names. Graph's
error object on `POST /messages` says that the message was not taken, whatever the HTTP status: it is believed. An
answer that is not Graph's comes from something between us and Meta. Of those a 4xx and a 503 say that the request
was not handled; any other 5xx (a 502 or 504 most of all) may hide a message that Meta took: it stays unknown.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from recado.domain.provider import Limited, NotConnected, Outcome, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus
from recado.providers import wire

#: Code -> seconds to wait where Meta does not say how long. 131048 (spam) is left alone longer than the rest,
#: because asking again at once makes it worse; 131056 is one message every 6 seconds to one recipient.
RATE_LIMITS: dict[int, float] = {
    4: 60.0,
    17: 60.0,
    32: 60.0,
    613: 60.0,
    80007: 60.0,
    130429: 2.0,
    131048: 900.0,
    131056: 6.0,
}
PAIR_RATE = 131056

#: Meta says "try again later".
TRANSIENT = frozenset({1, 2, 131000, 131016, 131057, 133004})

#: The access token, or a permission of it. 200-299 are permissions too.
TOKEN = frozenset({0, 3, 10, 102, 190, 131005})

#: The account is blocked or restricted for what it sent.
BLOCKED = frozenset({368, 131031})

#: The number is not registered for the Cloud API.
UNREGISTERED = frozenset({131045, 133010})

#: `100` with this subcode: the phone number does not exist for this token, so the message is not to blame.
UNREACHABLE_OBJECT = 33

_LOOKS_LIKE_A_TOKEN = re.compile(r"\bEAA[A-Za-z0-9_-]{8,}|(?<=access token )\S{16,}", re.IGNORECASE)


class GraphError(msgspec.Struct, frozen=True, kw_only=True):
    """Graph's error object. `why` is Meta's most telling text, without tokens."""

    code: int
    why: str
    subcode: int | None = None
    transient: bool = False


def find(body: bytes, *, secrets: tuple[str, ...] = ()) -> GraphError | None:
    """The error object in an answer, or None when Graph did not write one. `secrets` are cut out of its text."""
    payload = wire.decode(body)
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return None
    code = _integer(error.get("code"))
    if code is None:
        return None
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    texts = [text for text in (details, error.get("error_user_msg"), error.get("message")) if isinstance(text, str)]
    return GraphError(
        code=code,
        why=_without(next((text for text in texts if text.strip()), "Meta gave no reason"), secrets),
        subcode=_integer(error.get("error_subcode")),
        transient=error.get("is_transient") is True,
    )


def outcome(
    status: int, headers: Mapping[str, str], error: GraphError | None, *, may_have_sent: bool = True
) -> Outcome:
    """The outcome of an answer without success. `may_have_sent` is False for a call that sends no message."""
    if error is not None:
        return _of_graph(status, headers, error)
    why = f"HTTP {status} without an answer from Graph"
    if status == 429:
        return Limited(code="http_429", why=why, after=_wait(headers) or wire.DEFAULT_WAIT)
    if status == 401:
        return NotConnected(why=why)
    if may_have_sent and (status < 300 or (status >= 500 and status != 503)):
        return Unknown(why=why)
    return Retry(code=f"http_{status}", why=why, after=_wait(headers))


def connection_status(error: GraphError) -> ConnectionStatus | None:
    """What an error says of the connection itself; None when it says nothing."""
    if error.code in BLOCKED:
        return ConnectionStatus.BANNED
    if error.code in UNREGISTERED:
        return ConnectionStatus.DISCONNECTED
    if error.code in TOKEN or 200 <= error.code <= 299:
        return ConnectionStatus.LOGGED_OUT
    if error.code == 100 and error.subcode == UNREACHABLE_OBJECT:
        return ConnectionStatus.LOGGED_OUT
    return None


def _of_graph(status: int, headers: Mapping[str, str], error: GraphError) -> Outcome:
    code = str(error.code)
    if error.code in RATE_LIMITS:
        after = _wait(headers) or RATE_LIMITS[error.code]
        return Limited(
            code=code, why=error.why, after=after, scope="recipient" if error.code == PAIR_RATE else "instance"
        )
    if error.code in TRANSIENT:
        return Retry(code=code, why=error.why, after=_wait(headers))
    connection = connection_status(error)
    if connection is not None:
        return NotConnected(why=f"{error.why} ({code})", status=connection)
    if status == 429:
        return Limited(code=code, why=error.why, after=_wait(headers) or wire.DEFAULT_WAIT)
    if error.transient or status >= 500:
        return Retry(code=code, why=error.why, after=_wait(headers))
    return Refused(code=code, why=error.why)


def _wait(headers: Mapping[str, str]) -> float | None:
    """How long Meta asks to wait: `Retry-After`, or the minutes in `X-Business-Use-Case-Usage`."""
    given = wire.wait(headers)
    if given is not None:
        return given
    usage = wire.decode(headers.get("x-business-use-case-usage", "").encode())
    rows = [row for rows in usage.values() if isinstance(rows, list) for row in rows] if isinstance(usage, dict) else []
    waits = [row.get("estimated_time_to_regain_access") for row in rows if isinstance(row, dict)]
    minutes = max((min(wait, wire.LONGEST_WAIT) for wait in waits if isinstance(wait, int | float)), default=0)
    return min(minutes * 60.0, wire.LONGEST_WAIT) if minutes > 0 else None


def _integer(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def _without(text: str, secrets: tuple[str, ...]) -> str:
    """Graph repeats a malformed token in its message; it must not travel into logs and answers."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[hidden]")
    return _LOOKS_LIKE_A_TOKEN.sub("[hidden]", text)[:500]
