"""The one contract every adapter fulfils.

A provider's server fails in a known number of ways. For each there is a small set of outcomes that are honest:
what certainly was not sent may be tried again, what may have been sent must be `Unknown`, and nothing is `Accepted`
without the provider's own word. `over_http` runs one fault against one adapter; the rest checks what needs no
network. A test parametrises over `FAULTS`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal, get_args

import msgspec

from recado.domain import content as contents
from recado.domain.provider import (
    Accepted,
    Connection,
    Limited,
    NotConnected,
    Outcome,
    Outgoing,
    Provider,
    Refused,
    Retry,
    Unknown,
)
from recado.testing.upstream import Reply, Upstream

#: What the line does before a request can be read: nobody listens, or somebody hangs up at once.
Line = Literal["open", "refused", "hangs_up"]

#: A text in every faulty body, which must not turn up in an outcome: outcomes are logged and shown.
MARK = "do-not-repeat-this-body"

_NOT_SENT: tuple[type, ...] = (Refused, Retry, NotConnected, Limited)
_HTML = f"<!doctype html><html><body>{MARK}</body></html>".encode()
_HTML_HEADERS = {"content-type": "text/html"}
_JSON_HEADERS = {"content-type": "application/json"}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail, and the outcomes that are honest for it."""

    label: str
    honest: tuple[type, ...]
    reply: Reply = Reply()
    line: Line = "open"

    def __str__(self) -> str:
        return self.label


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter under test.

    `provider` gives up a call after about half a second and takes an answer of at most a few megabytes; `connect`
    makes a connection to a server's URL; `message` is one that takes exactly one request; `secrets` must not be
    repeated.
    """

    provider: Provider
    connect: Callable[[str], Connection]
    message: Outgoing
    success: Reply
    secrets: Sequence[str] = ()


def _html(status: int, *honest: type, headers: dict[str, str] | None = None) -> Fault:
    reply = Reply(status=status, body=_HTML, headers={**_HTML_HEADERS, **(headers or {})})
    after = "".join(f", {name}: {value}" for name, value in (headers or {}).items())
    return Fault(label=f"{status} HTML{after}", honest=honest, reply=reply)


def _ok(label: str, body: bytes, headers: dict[str, str] = _JSON_HEADERS) -> Fault:
    return Fault(label=f"200 {label}", honest=(Unknown,), reply=Reply(body=body, headers=headers))


FAULTS: tuple[Fault, ...] = (
    # Nothing of the request was read.
    Fault(label="nobody listens", honest=(Retry,), line="refused"),
    Fault(label="hangs up before the request", honest=(Retry, Unknown), line="hangs_up"),
    # The request was read; what became of it cannot be told.
    Fault(label="cut after the request", honest=(Unknown,), reply=Reply(trouble="cut")),
    Fault(label="no answer", honest=(Unknown,), reply=Reply(trouble="hang")),
    Fault(label="body that stalls", honest=(Unknown,), reply=Reply(body=b'{"messages"', trouble="stall_body")),
    Fault(label="body that is cut", honest=(Unknown,), reply=Reply(body=b'{"messages"', trouble="cut_body")),
    Fault(label="huge body", honest=(Unknown,), reply=Reply(body=b" " * 30_000_000, headers=_JSON_HEADERS)),
    _ok("HTML", _HTML, _HTML_HEADERS),
    _ok("empty", b""),
    _ok("garbage", b"\x00\xff\xfe" + MARK.encode()),
    _ok("half of a JSON", f'{{"messages": [{{"id": "{MARK}'.encode()),
    _ok("null", b"null"),
    _ok("a number", b"17"),
    _ok("a text", b'"ok"'),
    _ok("a list", b"[]"),
    _ok("an empty object", b"{}"),
    _ok("objects where lists should be", b'{"messages": {"id": 1}, "contacts": 7, "id": [], "key": 3, "error": []}'),
    _ok("lists of the wrong things", b'{"messages": [17], "contacts": [null], "id": {}, "key": []}'),
    _ok("ids of the wrong type", b'{"messages": [{"id": 17}], "id": 17, "key": {"id": 17}, "messageId": 17}'),
    _ok("empty ids", b'{"messages": [{"id": ""}], "id": "", "key": {"id": ""}, "messageId": ""}'),
    _ok("nested without end", b"[" * 200_000),
    _html(500, Unknown, Retry),
    _html(502, Unknown),
    _html(504, Unknown),
    # The request was turned away.
    _html(301, *_NOT_SENT),
    _html(400, *_NOT_SENT),
    _html(401, NotConnected, Refused, Retry),
    _html(403, NotConnected, Refused, Retry),
    _html(404, NotConnected, Refused, Retry),
    _html(409, Refused, Retry),
    _html(413, Refused, Retry),
    _html(429, Limited),
    _html(429, Limited, headers={"retry-after": "7"}),
    _html(429, Limited, headers={"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    _html(429, Limited, headers={"retry-after": "soon"}),
    _html(503, Retry, Limited, Unknown),
)


async def over_http(subject: Subject, fault: Fault) -> Outcome:
    """Send through a server with the fault. Asserts that the outcome is honest, complete and discreet; returns it."""
    async with _line(fault) as (url, upstream):
        connection = subject.connect(url)
        outcome = await asyncio.wait_for(subject.provider.send(connection, subject.message), 10)
        assert type(outcome) in fault.honest, f"{fault.label}: {outcome} is not honest"
        if upstream is not None:
            assert len(upstream.requests) == 1, f"{fault.label}: {len(upstream.requests)} requests for one send"
    assert not isinstance(outcome, Accepted)
    assert outcome.why, f"{fault.label}: no reason given"
    _discreet(subject, outcome)
    if isinstance(outcome, Limited):
        assert outcome.after > 0
        if fault.reply.headers.get("retry-after") == "7":
            assert outcome.after == 7
    return outcome


async def accepts(subject: Subject) -> Accepted:
    """The same message through a healthy server."""
    async with Upstream([subject.success]) as upstream:
        outcome = await subject.provider.send(subject.connect(upstream.url), subject.message)
        assert len(upstream.requests) == 1
    assert isinstance(outcome, Accepted), outcome
    assert outcome.provider_id
    return outcome


def describes_itself(provider: Provider) -> None:
    """Capabilities and credential fields are complete enough to make the documentation and the checks from."""
    able = provider.capabilities
    assert provider.kind == provider.kind.lower() != ""
    assert able.kinds <= set(contents.KINDS), "kinds that nobody can ask for"
    assert able.media.keys() <= set(contents.MEDIA_KINDS)
    assert able.kinds & set(contents.MEDIA_KINDS) <= able.media.keys(), "media kinds without limits"
    assert able.receipts <= {"server_ack", "delivered", "read", "played"}
    for fields in (provider.server_credentials, provider.connection_credentials):
        names = [field.name for field in fields]
        assert len(set(names)) == len(names)


def reads_only_its_own(provider: Provider) -> None:
    """A body that is not the provider's is a `ValueError`, never another exception and never an event."""
    for body in (b"", b"\x00\xff", _HTML, b"null", b"17", b'"text"', b"[]", b"{", b"[" * 200_000, b'{"a":' * 100_000):
        try:
            events = provider.read(body)
        except ValueError:
            continue
        raise AssertionError(f"{body[:20]!r} gave {events}")


def refuses_forgeries(provider: Provider, connection: Connection, body: bytes, good: dict[str, str]) -> None:
    """`good` headers verify the body; without them, changed, or with another body, nothing does."""
    assert provider.verify(connection, good, body)
    assert not provider.verify(connection, good, body + b" ")
    assert not provider.verify(connection, {}, body)
    for name, value in good.items():
        for forged in ("", "sha256=", value[:-1], value[:-2] + "zz", "é" * len(value), value + value):
            assert not provider.verify(connection, {**good, name: forged}, body), f"{name}: {forged!r} was believed"
    bare = msgspec.structs.replace(connection, credentials={}, server=connection.server)
    assert not provider.verify(bare, good, body), "a signature without a secret was believed"


def _discreet(subject: Subject, outcome: Outcome) -> None:
    shown = repr(outcome)
    assert MARK not in shown, "the outcome repeats the body"
    for secret in subject.secrets:
        assert secret not in shown, "the outcome repeats a secret"


@asynccontextmanager
async def _line(fault: Fault) -> AsyncIterator[tuple[str, Upstream | None]]:
    assert fault.line in get_args(Line)
    if fault.line == "open":
        async with Upstream([fault.reply]) as upstream:
            yield upstream.url, upstream
    elif fault.line == "refused":
        with socket.socket() as taken:
            # Bound and never listening: nobody else can get the port, and connecting to it is refused.
            taken.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{taken.getsockname()[1]}", None
    else:

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None
