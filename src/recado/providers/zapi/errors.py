"""Z-API's error texts: what they mean for a message, for another call, and for the connection.

Z-API answers `{"error": "…"}` with statuses that its pages seldom name, and some errors with 200, so the text decides
before the status does. Texts of messages that fail behind its queue come by webhook; `delivery_code` names them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from recado.domain.provider import CallFailed, Limited, NotConnected, Outcome, Refused, Unknown
from recado.domain.states import ConnectionStatus
from recado.providers import wire

#: What a text means -> the text. The first that fits.
_MEANINGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (meaning, re.compile(pattern, re.IGNORECASE))
    for meaning, pattern in (
        ("no_session", r"instance not found"),
        ("credentials", r"client-token|^null not allowed$|^\[.*\] not allowed$"),
        ("subscription_ended", r"must subscribe to this instance"),
        (
            "not_connected",
            r"not connected|restore (the|a) session|\b(device|phone|number|instance|whatsapp)\b.*\bdisconnected",
        ),
        ("not_on_whatsapp", r"phone number does not exist|invalid phone number|^invalid phone$"),
        ("unsupported_by_provider", r"unable to find matching target resource"),
        ("rate_limit", r"too many requests|rate limit"),
        ("timeout", r"timeout|timed out"),
    )
)
_AWAY: Mapping[str, ConnectionStatus] = {
    "no_session": ConnectionStatus.LOGGED_OUT,
    "credentials": ConnectionStatus.DISCONNECTED,
    "subscription_ended": ConnectionStatus.DISCONNECTED,
    "not_connected": ConnectionStatus.DISCONNECTED,
}

#: Meanings behind which another try of a call may help.
_PASSING = frozenset({"not_connected", "rate_limit", "timeout"})

#: Texts of `DeliveryCallback.error` (page webhooks/on-message-send-examples) -> our code; the first that fits.
_DELIVERY: tuple[tuple[str, str], ...] = (
    ("shadow ban", "SHADOW_BAN"),
    ("number does not exist", "not_on_whatsapp"),
    ("invalid phone number", "not_on_whatsapp"),
    ("permission", "not_permitted"),
    ("buttons message terms", "terms_not_accepted"),
    ("only be sent in groups", "groups_only"),
    ("invalid media url", "media_unreadable"),
    ("404 error", "media_unreadable"),
    ("media format", "media_unreadable"),
    ("sticker format", "media_type"),
    ("more than 7 days", "too_old"),
    ("timeout", "timeout"),
    ("rejected sending", "rejected"),
    ("did not allow sending", "rejected"),
)


def said(answer: wire.Answer, secrets: Iterable[str] = ()) -> str | None:
    """What Z-API says went wrong, without secrets; None where it says nothing."""
    data: Any = answer.data
    if isinstance(data, str) and not answer.ok:
        return wire.told(data, secrets)
    texts = [answer.object.get("error")]
    if isinstance(texts[0], str) and texts[0].strip():
        texts.append(answer.object.get("message"))
    elif not answer.ok:
        texts = [answer.object.get("message")]
    return wire.told(": ".join(text.strip() for text in texts if isinstance(text, str) and text.strip()), secrets)


def meaning(text: str | None) -> str | None:
    """Which of the known things a text says."""
    return next((name for name, pattern in _MEANINGS if pattern.search(text)), None) if text else None


def away(found: str | None) -> ConnectionStatus | None:
    """How the connection stands by what a text means; None where it says nothing of that."""
    return _AWAY.get(found) if found else None


def outcome(answer: wire.Answer, secrets: Iterable[str]) -> Outcome:
    """The outcome of a send that was not answered with a message id."""
    text = said(answer, secrets)
    if text is None:
        why = "Z-API's answer names no message" if answer.ok else None
        return wire.outcome(answer, why)
    found = meaning(text)
    status = away(found)
    if status is not None:
        return NotConnected(why=text, status=status)
    if found == "rate_limit":
        return Limited(code=found, why=text, after=wire.wait(answer.headers) or wire.DEFAULT_WAIT)
    if found == "timeout":
        # Z-API waited for WhatsApp, which may have the message.
        return Unknown(why=text)
    if found is not None:
        return Refused(code=found, why=text)
    if answer.status in (401, 403, 429) or answer.status >= 500:
        return wire.outcome(answer, text)
    return Refused(code="refused" if answer.ok else f"http_{answer.status}", why=text)


def failed(answer: wire.Answer, secrets: Iterable[str]) -> CallFailed:
    """What to raise for another call that did not succeed."""
    text = said(answer, secrets)
    found = meaning(text)
    if found is not None:
        return CallFailed(text or found, code=found, retryable=found in _PASSING)
    if text is not None and answer.ok:
        return CallFailed(text, code="refused", retryable=False)
    return wire.failed(answer, text)


def delivery_code(body: Mapping[str, Any]) -> str:
    """The code of a message that failed behind Z-API's queue: Z-API's own, else one of ours for its text."""
    code = body.get("errorCode")
    if isinstance(code, str) and code:
        return code
    text = str(body.get("error")).lower()
    return next((code for part, code in _DELIVERY if part in text), "delivery_failed")
