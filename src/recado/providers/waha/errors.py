"""WAHA's errors, and what they mean for a message.

Three shapes (devlikeapro/waha `src/nestjs/AllExceptionsFilter.ts`): what Nest refuses is `{statusCode, message, error}`,
a session that is not there or in another state `{error, session[, status, expected]}`, and everything unexpected a 500 with
`{exception: {message, …}, request: {body: …}}`. The last repeats the whole request, so nothing of it is read but
`exception.message`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from recado.domain.provider import CallFailed, Limited, NotConnected, Outcome, Refused, Retry
from recado.domain.states import ConnectionStatus
from recado.providers import wire
from recado.providers.waha.reading import inner, text

#: `status` of a session. FAILED is "authorization is required again or device has been disconnected" (WAHA's session
#: page): nothing can be sent, so it is no degraded connection; restarting may help.
STATUSES: Mapping[str, ConnectionStatus] = {
    "STOPPED": ConnectionStatus.DISCONNECTED,
    "STARTING": ConnectionStatus.CONNECTING,
    "SCAN_QR_CODE": ConnectionStatus.QR,
    "PASSKEY_REQUIRED": ConnectionStatus.CONNECTING,
    "PASSKEY_CONFIRMATION_REQUIRED": ConnectionStatus.CONNECTING,
    "WORKING": ConnectionStatus.CONNECTED,
    "FAILED": ConnectionStatus.DISCONNECTED,
}

#: WAHA tells no time with WhatsApp's 463 (people report up to seven days), so it is asked again after this many seconds.
COLD_WAIT = 3_600.0
_RATE_WAIT = 60.0

#: WhatsApp's server answered the message with an error: it did not take it.
_NACK = re.compile(r"server returned error (\d{3})\b")
#: Said before anything is sent: WhatsApp knows nobody by the number as it is written.
_NOBODY = re.compile(
    r"no LID found for|not on whatsapp|number.{0,20}not.{0,10}registered|does not exist on whatsapp", re.IGNORECASE
)
_RATE = re.compile(r"rate-overlimit", re.IGNORECASE)
#: Said of a session that is there and does not run: "We didn't find a session … Please start it first".
_STOPPED = re.compile(r"didn't find a session", re.IGNORECASE)
_NO_SESSION = re.compile(r"session.{0,80}(does not exist|not found)", re.IGNORECASE | re.DOTALL)
#: Said before anything is sent: WAHA could not put the file on WhatsApp's servers.
_NOT_UPLOADED = re.compile(r"media upload failed on all hosts", re.IGNORECASE)
#: By this name of its error WAHA's own HTTP client failed, with which it fetches files and nothing else of a message.
_FETCHING = "AxiosError"
_SENT_TEXT = 4


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What WAHA itself says of a request it did not fulfil. `status` is the session's, where that is the reason;
    `without_media` that it broke on a file, before it sent anything."""

    why: str
    code: str
    status: str | None = None
    without_media: bool = False


def statement(answer: wire.Answer, hide: Iterable[str] = ()) -> Statement | None:
    """WAHA's own words in an answer, without what `hide` lists; None when they are not WAHA's."""
    if answer.ok:
        return None
    said = answer.object
    if "exception" in said:
        exception = inner(said, "exception")
        why = wire.told(_without(text(exception, "message"), hide)) or "an error without a message"
        without_media = exception.get("name") == _FETCHING or _NOT_UPLOADED.search(why) is not None
        return Statement(why=why, code=f"http_{answer.status}", without_media=without_media)
    error, status = said.get("error"), text(said, "status")
    if isinstance(error, dict):
        return Statement(why=_why(error, hide), code=(text(error, "key") or f"http_{answer.status}").lower())
    if isinstance(error, str) and status is not None and "expected" in said:
        return Statement(why=f"{_why(said, hide, 'error')} ({status})", code="session_status", status=status)
    if "statusCode" in said or "message" in said or (isinstance(error, str) and "session" in said):
        return Statement(why=_why(said, hide), code=f"http_{answer.status}")
    return None


def outcome(answer: wire.Answer, hide: Iterable[str] = ()) -> Outcome:
    """What an answer to a send means that is no success."""
    said = statement(answer, hide)
    if said is None:
        return wire.outcome(answer)
    return _decided(answer.status, said) or wire.outcome(answer, said.why)


def _decided(status: int, said: Statement) -> Outcome | None:
    """What WAHA's own words decide; None where only the HTTP status does."""
    if said.status is not None:
        found = STATUSES.get(said.status, ConnectionStatus.DISCONNECTED)
        if found is ConnectionStatus.CONNECTED:
            return Retry(code=said.code, why=said.why)
        return NotConnected(why=said.why, status=found)
    if said.without_media:
        return Retry(code="media_unreachable", why=said.why)
    nack = _NACK.search(said.why)
    if nack is not None:
        return _nacked(nack[1], said.why)
    if _RATE.search(said.why):
        return Limited(code="rate_overlimit", why=said.why, after=_RATE_WAIT)
    if _NOBODY.search(said.why):
        return Refused(code="not_on_whatsapp", why=said.why)
    if status in (404, 422) and _STOPPED.search(said.why):
        return NotConnected(why=said.why, status=STATUSES["STOPPED"])
    if status in (404, 422) and _NO_SESSION.search(said.why):
        return NotConnected(why=said.why, status=ConnectionStatus.LOGGED_OUT)
    if status in (400, 413, 415, 422):
        return Refused(code=said.code, why=said.why)
    return None


def _nacked(code: str, why: str) -> Outcome:
    if code == "463":
        return Limited(code=code, why=why, after=COLD_WAIT, scope="cold")
    if code == "429":
        return Limited(code=code, why=why, after=_RATE_WAIT)
    return Retry(code=code, why=why)


def failed(answer: wire.Answer, hide: Iterable[str] = ()) -> CallFailed:
    """What to raise for a call other than a send that was not answered with success."""
    said = statement(answer, hide)
    if said is None:
        return wire.failed(answer)
    if said.status is not None:
        return CallFailed(said.why, code=said.code)
    return wire.failed(answer, said.why, code=said.code)


def _why(said: Mapping[str, Any], hide: Iterable[str], name: str = "message") -> str:
    """A text, or Nest's list of what is wrong."""
    found = said.get(name)
    if isinstance(found, list):
        found = "; ".join(item for item in found if isinstance(item, str))
    return wire.told(_without(found, hide)) or text(said, "error") or "an error without a message"


def _without(found: object, hide: Iterable[str]) -> str | None:
    if not isinstance(found, str):
        return None
    for part in sorted(set(hide), key=len, reverse=True):
        if len(part) >= _SENT_TEXT:
            found = found.replace(part, "[hidden]")
    return found
