"""What UAZAPI says of a failure, as outcomes.

It answers `{"error": "…"}`, for WhatsApp's own refusals with `error_source`, `provider_code`, `error_key` and
`details` beside it, and mostly with HTTP 500. A text that tells of a lost answer from WhatsApp is `Unknown`: the
message may have arrived. Texts are those of the published document, of captures and of whatsmeow, on which UAZAPI runs.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from recado.domain.provider import Limited, NotConnected, Outcome, Refused, Retry, Unknown
from recado.domain.states import ConnectionStatus
from recado.providers import wire

#: How long first contacts wait when UAZAPI does not tell until when.
_COLD_WAIT = 3_600.0
_REACH_OUT = re.compile(
    r"\b(error|erro|code)\W{0,3}463\b|reach.?out|starting new conversations|novas conversas", re.IGNORECASE
)
#: WhatsApp's answer to the message did not come back to UAZAPI.
_UNPROVEN = re.compile(
    r"time[d ]?.?out|deadline exceeded|before .{0,40}returned|connection (closed|reset)|\beof\b|canceled", re.IGNORECASE
)
_ABSENT = re.compile(r"not (registered )?on whatsapp|no lid (found )?for |não (está|existe) no whatsapp", re.IGNORECASE)
_NO_SESSION = re.compile(
    r"no (active )?session|not connected|not logged in|disconnected|client not found|sem sessão|hibernat"
    r"|(instance|instância)( info)? (not found|não encontrada)",
    re.IGNORECASE,
)
_LIMITED = re.compile(r"rate.?limit|too many requests|rate-overlimit", re.IGNORECASE)
#: Steps before the message leaves; whatsmeow asks for the devices and the members first.
_NOT_SENT = re.compile(
    r"failed to upload|upload media|from database|failed to download|server not available"
    r"|failed to get (device list|group members|user info)",
    re.IGNORECASE,
)
_SERVER_CODE = re.compile(r"server (?:returned )?error (\d{3})", re.IGNORECASE)
_REFUSING = frozenset({400, 404, 405, 413, 415, 422})


def reason(answer: wire.Answer, secrets: Iterable[str]) -> str | None:
    """UAZAPI's own text in an answer, without secrets; None when it gives none."""
    told = answer.object
    texts = (told.get("error"), told.get("provider_message"), None if answer.ok else told.get("message"))
    return next((found for text in texts if (found := wire.told(text, secrets))), None)


def outcome(answer: wire.Answer, secrets: Iterable[str]) -> Outcome:
    """The outcome of an answer to a send that is no message."""
    why = reason(answer, secrets)
    if why is None:
        return wire.outcome(answer, f"HTTP {answer.status} with no message and no reason")
    return _from_whatsapp(answer.object, why) or _by_words(answer, why)


def _from_whatsapp(told: dict[str, Any], why: str) -> Outcome | None:
    """What WhatsApp's server answered, where UAZAPI passes it on: then the message was certainly not sent."""
    code = _code(told, why)
    if code == 463 or "TIMELOCK" in str(told.get("error_key")) or _REACH_OUT.search(why):
        return Limited(code="463", why=why, after=_reach_out_wait(told), scope="cold")
    if code is None:
        return None
    if code == 429:
        return Limited(code="429", why=why, after=wire.DEFAULT_WAIT)
    if code >= 500:
        return Retry(code=str(code), why=why)
    return Refused(code=str(code), why=why)


def _by_words(answer: wire.Answer, why: str) -> Outcome:
    if _ABSENT.search(why):
        return Refused(code="not_on_whatsapp", why=why)
    if answer.status == 429 or _LIMITED.search(why):
        return Limited(code="http_429", why=why, after=wire.wait(answer.headers) or wire.DEFAULT_WAIT)
    if answer.status in _REFUSING and not _NO_SESSION.search(why):
        return Refused(code=f"http_{answer.status}", why=why)
    not_sent = _NOT_SENT.search(why)
    if _UNPROVEN.search(why) and not not_sent:
        return Unknown(why=why)
    if _NO_SESSION.search(why):
        return NotConnected(why=why)
    if answer.status == 401:
        return NotConnected(why=f"{why} (the token is not accepted)", status=ConnectionStatus.LOGGED_OUT)
    if not_sent:
        return Retry(code=f"http_{answer.status}", why=why, after=wire.wait(answer.headers))
    return wire.outcome(answer, why)


def uncertain(why: object) -> bool:
    """Whether the `error` of a failed message leaves open that it was sent, as it would in the answer to the send."""
    answer = wire.Answer(status=500, headers={}, data={"error": why}, body=b"")
    return isinstance(outcome(answer, ()), Unknown)


def absent_session(why: object) -> bool:
    """Whether a text says that there is nothing to disconnect."""
    return isinstance(why, str) and _NO_SESSION.search(why) is not None


def _code(told: dict[str, Any], why: str) -> int | None:
    found = told.get("provider_code")
    if isinstance(found, int) and not isinstance(found, bool) and 400 <= found < 600:
        return found
    in_text = _SERVER_CODE.search(why)
    return int(in_text[1]) if in_text else None


def _reach_out_wait(told: dict[str, Any]) -> float:
    """Seconds until WhatsApp lets first contacts through again: the end of its lock, else, where the quota is used up,
    of the quota's cycle, which may be weeks away."""
    details = told.get("details")
    blocks = details if isinstance(details, dict) else {}
    lock, quota = blocks.get("reachout_timelock"), blocks.get("new_chat_message_capping")
    ends = [lock.get("until")] if isinstance(lock, dict) else []
    if isinstance(quota, dict) and quota.get("status") == "CAPPED":
        ends.append(quota.get("cycle_end"))
    for until in map(moment, ends):
        seconds = (until - datetime.now(UTC)).total_seconds() if until else 0.0
        if seconds > 0:
            return seconds
    return _COLD_WAIT


def moment(value: object) -> datetime | None:
    """A time as UAZAPI writes it: ISO with `T` or a blank, or a Unix time in seconds or milliseconds. UTC.

    None for what is no time, and for Go's zero time.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (
                datetime.fromtimestamp(value / 1000 if value > 100_000_000_000 else value, UTC) if value > 0 else None
            )
        if not isinstance(value, str) or not value or value.startswith("0001-"):
            return None
        if value.isascii() and value.isdigit():
            return moment(int(value))
        read = datetime.fromisoformat(value)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
