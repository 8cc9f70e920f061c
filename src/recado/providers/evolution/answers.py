"""What the server's answers mean, successes and failures.

A failure is `{status, error, response: {message}}`, where `message` is a text, a list, or a list of lists; an unknown
number is an object `{exists: false, jid, number}` in it. Several routes answer 200 or 201 with `{error: true, message}`,
and the Cloud channel passes Meta's error object on with 201.

The server's `sendText` and its like catch everything that goes wrong while sending, and after it, into a 400 whose
text is that of the JavaScript error; what goes wrong before (media, the look-up of the number) ends in a 500. What such
a text says is therefore read together with the status.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recado.domain.provider import (
    Accepted,
    CallFailed,
    Limited,
    NotConnected,
    Outcome,
    Refused,
    Retry,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.providers import whatsapp, wire

#: The socket to WhatsApp is down, or the instance has had none since the server started.
_DOWN = re.compile(
    r"connection (closed|terminated|lost|failure)|not connected"
    r"|cannot read properties of (undefined|null) \(reading '"
    r"(onWhatsApp|sendMessage|relayMessage|user|ws|waUploadToServer|groupMetadata|readMessages|sendPresenceUpdate)'\)",
    re.IGNORECASE,
)
#: The instance is in the server's database, and the server has not loaded it.
_NOT_LOADED = re.compile(r"of undefined \(reading '(\w+Message|audioWhatsapp|mediaSticker)'\)")
#: WhatsApp lets a number write to people who have not written to it only so often.
_COLD = re.compile(r"\b463\b|reach.?out.?time.?lock", re.IGNORECASE)
_TOO_FAST = re.compile(r"rate-overlimit|\b429\b", re.IGNORECASE)
#: The server's database, and servers that it asks. Both texts hold what is not the server's word on the sending (what
#: was to be stored, somebody else's status), so nothing else may be looked for in them.
_ELSEWHERE = re.compile(r"PrismaClient|`prisma\.|AxiosError")
#: The server's own mistakes, most often behind the sending.
_AFTERWARDS = re.compile(r"TypeError|RangeError|ReferenceError")
#: A question to WhatsApp that precedes the sending was not answered.
_BEFORE = re.compile(r"timed?[ -]?out|ENOTFOUND|ECONNREFUSED|ffmpeg", re.IGNORECASE)
_FORBIDDEN = re.compile(r"not-authorized|forbidden|not-acceptable|item-not-found|bad-request", re.IGNORECASE)
_THROWN = re.compile(r"^\w*Error\b|^\[object Object\]$")

_COLD_SECONDS = 3_600.0
_FAST_SECONDS = 60.0

#: Meta's error codes, which the Cloud channel passes on: how long a limit lasts where Meta does not say.
_META_LIMITS: Mapping[str, float] = {
    "4": 60.0,
    "80007": 60.0,
    "130429": 2.0,
    "131048": 900.0,
    "131056": 6.0,
}
_META_TRANSIENT = frozenset({"1", "2", "131000", "131016", "133004"})
_META_CREDENTIALS = frozenset({"0", "3", "10", "190", "200", "133010"})
_META_BANNED = frozenset({"368", "131031"})


def outcome(
    answer: wire.Answer, *, secrets: Iterable[str] = (), names_recipient: bool = True, sends: bool = True
) -> Outcome:
    """What became of a send. `names_recipient` is False where the server only repeats the number it was given, and
    `sends` for the routes that change a message, which do not tell by the status what came before and what after."""
    if answer.ok:
        key = answer.object.get("key")
        identifier = key.get("id") if isinstance(key, dict) else None
        if isinstance(identifier, str) and identifier:
            recipient = whatsapp.address(key.get("remoteJid")) if names_recipient and isinstance(key, dict) else None
            return Accepted(provider_id=identifier, recipient=recipient)
        refused = _of_meta(answer.object, secrets)
        return refused or Unknown(why=f"HTTP {answer.status} without the id of a message")
    if _unknown_number(answer.object):
        return Refused(code="not_on_whatsapp", why="The number is not on WhatsApp.")
    why = statement(answer, secrets)
    if why is None:
        return wire.outcome(answer)
    # A proxy's 500 has another shape and tells nothing.
    before = sends and answer.status == 500 and isinstance(answer.object.get("response"), dict)
    return _spoken(answer, why, before=before)


def _spoken(answer: wire.Answer, why: str, *, before: bool) -> Outcome:
    """The outcome of a failure in the server's own words. `before` is True where nothing can have been sent yet."""
    status = answer.status
    if _ELSEWHERE.search(why):
        return Retry(code="not_sent", why=why) if before else Unknown(why=why)
    if _COLD.search(why):
        return Limited(code="463", why=why, after=wire.wait(answer.headers) or _COLD_SECONDS, scope="cold")
    if _DOWN.search(why) or (before and _NOT_LOADED.search(why)):
        return NotConnected(why=why)
    if _TOO_FAST.search(why):
        return Limited(code="rate_overlimit", why=why, after=wire.wait(answer.headers) or _FAST_SECONDS)
    if status == 404:
        if "instance does not exist" in why:
            return NotConnected(why=why, status=ConnectionStatus.LOGGED_OUT)
        if why.startswith("Cannot "):
            return Refused(code="unsupported_by_server", why=f"{why}: the server is too old for this kind.")
        return Refused(code="http_404", why=why)
    if status in (401, 403, 429):
        return wire.outcome(answer, why)
    if before or _BEFORE.search(why):
        return Retry(code="not_sent", why=why)
    if _AFTERWARDS.search(why):
        return Unknown(why=why)
    if status >= 500:
        return wire.outcome(answer, why)
    if _THROWN.search(why) and not _FORBIDDEN.search(why):
        return Retry(code="evolution_error", why=why)
    return Refused(code=f"http_{status}", why=why)


def _of_meta(given: Mapping[str, Any], secrets: Iterable[str]) -> Outcome | None:
    """The outcome of Meta's error object; None where the answer is none."""
    why, code = wire.told(given.get("message"), secrets), given.get("code")
    if why is None or isinstance(code, bool) or not isinstance(code, int | str):
        return None
    code = str(code)
    if code in _META_LIMITS:
        scope = "recipient" if code == "131056" else "instance"
        return Limited(code=code, why=why, after=_META_LIMITS[code], scope=scope)  # type: ignore[arg-type]
    if code in _META_CREDENTIALS:
        return NotConnected(why=f"{why} ({code})", status=ConnectionStatus.LOGGED_OUT)
    if code in _META_BANNED:
        return NotConnected(why=f"{why} ({code})", status=ConnectionStatus.BANNED)
    return Retry(code=code, why=why) if code in _META_TRANSIENT else Refused(code=code, why=why)


def failure(answer: wire.Answer, *, secrets: Iterable[str] = ()) -> CallFailed:
    """What to raise for a call other than a send that was not answered with success."""
    if _unknown_number(answer.object):
        return CallFailed("The number is not on WhatsApp.", code="not_on_whatsapp", retryable=False)
    why = statement(answer, secrets)
    if why and "Method not available" in why:
        return CallFailed(why, code="unsupported_by_provider", retryable=False)
    if why and (_DOWN.search(why) or "instance does not exist" in why):
        return CallFailed(why, code="not_connected")
    return wire.failed(answer, why)


def reported(answer: wire.Answer) -> bool:
    """Whether an answer with a success status tells of a failure all the same."""
    return answer.object.get("error") is True


def statement(answer: wire.Answer, secrets: Iterable[str] = ()) -> str | None:
    """What the server says went wrong, as one text; None when it says nothing."""
    response = answer.object.get("response")
    given = response.get("message") if isinstance(response, dict) else None
    return wire.told("; ".join(_texts(given if given is not None else answer.object.get("message"))), secrets)


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(value.get("message"), depth + 1)
    elif isinstance(value, list) and depth < 5:
        for item in value:
            yield from _texts(item, depth + 1)


def _unknown_number(given: Mapping[str, Any]) -> bool:
    response = given.get("response")
    told = response.get("message") if isinstance(response, dict) else None
    listed = told if isinstance(told, list) else [told]
    return any(isinstance(one, dict) and one.get("exists") is False for one in listed)
