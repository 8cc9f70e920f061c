"""What adapters of JSON over HTTP share: one call, and what its answer means when the provider did not say.

Nothing here knows a provider. An adapter reads its provider's own words first; these are the honest defaults of
DESIGN 5.4: what is known not to be sent is `Retry`, what may have been sent is `Unknown`.
"""

import base64
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import msgspec

from recado.domain.provider import (
    SERVER_UNREACHABLE,
    CallFailed,
    Limited,
    NotConnected,
    Outcome,
    Retry,
    StoredMedia,
    Unknown,
)
from recado.kit.http import BadResponse, Forbidden, Http, HttpError, NotSent

DEFAULT_WAIT = 5.0
LONGEST_WAIT = 86_400.0
_LONGEST_WHY = 500
#: What is shorter would be found in words that are none.
SHORTEST_SECRET = 6
#: What parts a path for a server, or for a proxy before it that decodes one first.
_SEPARATORS = re.compile(r"[/\\]")
_DOTS = (".", "..")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status. `data` is its JSON, or None when it is not JSON; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    data: Any
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    @property
    def object(self) -> dict[str, Any]:
        """`data` where it is an object, else an empty one."""
        return self.data if isinstance(self.data, dict) else {}


def part(value: str, *, safe: str = "") -> str:
    """A value as one part of a path, percent-encoded but for `safe`. Every value that others chose goes through here: with the
    server's key, another path may be another company's session.

    Raises `CallFailed` (`invalid`) for an empty one, and for one with a dot or two as a part of its own: HTTP clients leave
    such parts out of a path however they are encoded, and proxies do so behind an encoded slash too.
    """
    if not value or any(one in _DOTS for one in _SEPARATORS.split(value)):
        raise CallFailed("An id is empty or leads elsewhere: it names nothing.", code="invalid", retryable=False)
    return quote(value, safe=safe)


async def call(
    http: Http,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    json: Any = None,
    data: bytes | None = None,
    content_type: str | None = None,
    timeout: float,
) -> Answer:
    """One request, never repeated. Raises `HttpError`: `NotSent` when certainly nothing was processed."""
    sent = dict(headers)
    body = data
    if json is not None:
        body = msgspec.json.encode(json)
        content_type = "application/json"
    if content_type is not None:
        sent["content-type"] = content_type
    response = await http.request(method, url, headers=sent, data=body, timeout=timeout)
    return Answer(status=response.status, headers=response.headers, data=decode(response.body), body=response.body)


def lost(error: HttpError) -> Outcome:
    """The outcome of a send whose call failed before a usable answer came."""
    why = describe(error)
    if isinstance(error, Forbidden):
        return Retry(code="not_sent", why=why)
    return Retry(code=SERVER_UNREACHABLE, why=why) if isinstance(error, NotSent) else Unknown(why=why)


def outcome(answer: Answer, why: str | None = None, *, code: str | None = None, may_have_sent: bool = True) -> Outcome:
    """The outcome of an answer that is no success and in which the provider said nothing that decides more.

    `why` is the provider's own text, already free of secrets. `may_have_sent` is False for a call that sends nothing.
    """
    status = answer.status
    why = why or f"HTTP {status} without a reason"
    if status == 429:
        return Limited(code=code or "http_429", why=why, after=wait(answer.headers) or DEFAULT_WAIT)
    if status in (401, 403):
        return NotConnected(why=f"{why} (HTTP {status}: the server does not accept the credentials)")
    if may_have_sent and (status < 300 or (status >= 500 and status != 503)):
        return Unknown(why=why)
    return Retry(code=code or f"http_{status}", why=why, after=wait(answer.headers))


def failed(answer: Answer, why: str | None = None, *, code: str | None = None) -> CallFailed:
    """What to raise for a call other than a send that was not answered with success."""
    status = answer.status
    retryable = status == 429 or status >= 500 or status < 300
    return CallFailed(why or f"HTTP {status}", code=code or f"http_{status}", retryable=retryable)


def unreachable(error: HttpError) -> CallFailed:
    """What to raise for a call other than a send that got no usable answer."""
    return CallFailed(
        describe(error),
        code="bad_answer" if isinstance(error, BadResponse) else "unreachable",
        # What the guard refuses it will always refuse.
        retryable=not isinstance(error, Forbidden),
    )


def describe(error: HttpError) -> str:
    """What happened, in the client's own words: they hold no more of a url than its host."""
    return f"{type(error).__name__}: {error}"


def decode(body: bytes) -> Any:
    """The JSON of an answer, or None when it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def decode_webhook(body: bytes) -> dict[str, Any]:
    """The JSON object of a webhook. Raises `ValueError` for everything else."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def told(text: object, secrets: Iterable[str] = ()) -> str | None:
    """A provider's text for people: cut short, without secrets; None when it is no text."""
    if not isinstance(text, str) or not text.strip():
        return None
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[hidden]")
    return text.strip()[:_LONGEST_WHY]


def wait(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds (RFC 9110, 10.2.3): a number or a date. None when absent or neither."""
    given = headers.get("retry-after", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit():
        seconds = float(given)
    else:
        try:
            at = parsedate_to_datetime(given)
        except (ValueError, OverflowError):
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return min(max(seconds, 0.001), LONGEST_WAIT)


async def data_url(media: StoredMedia) -> str:
    """Stored media as a base64 data URL."""
    mime_type = media.mime_type.partition(";")[0].strip() or "application/octet-stream"
    return f"data:{mime_type};base64,{base64.b64encode(await media.read()).decode()}"


def form(fields: Mapping[str, str], *, name: str, filename: str, mime_type: str, content: bytes) -> tuple[bytes, str]:
    """A multipart body of text fields and one file, with its content type."""
    boundary = uuid.uuid4().hex
    mime_type = "".join(character for character in mime_type if character.isprintable())
    filename = (filename or "file").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    parts += [f"{file}Content-Type: {mime_type}\r\n\r\n".encode(), content, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
