"""HTTP/1.1 as cheaply as asyncio allows, so that what is measured is the product and not the measuring.

`ClientConnection` is one keep-alive connection with callbacks, for the load generator. `Client` puts futures
and a small pool on top, for everything that is not timed. `serve` is the base of the fake servers.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

_LENGTH = b"\r\ncontent-length:"
_REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many"}


class Lost(Exception):
    """The connection ended, or the time was up, before the answer was complete."""


def _length(head: bytes) -> int | None:
    at = head.find(_LENGTH)
    if at < 0:
        return None
    end = head.find(b"\r\n", at + 2)
    return int(head[at + len(_LENGTH) : end if end > 0 else len(head)])


def _unchunk(data: bytes) -> bytes | None:
    """The body of a chunked message, or None while it is incomplete."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        if len(data) < end + 4 + size:
            return None
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A whole request. The host is always the loopback."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method not in ("GET", "DELETE"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ClientConnection(asyncio.Protocol):
    """One connection, one request in flight. `on_reply(connection, status, head, body)` may send the next at once."""

    def __init__(
        self,
        on_reply: Callable[["ClientConnection", int, bytes, bytes], None],
        on_lost: Callable[["ClientConnection"], None],
    ) -> None:
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._buffer = b""
        self._status = 0
        self._head = b""
        self._body_at = 0
        self._need = 0
        self._chunked = False
        self._transport: asyncio.Transport
        #: What the user of the connection remembers of the request in flight.
        self.context: Any = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not instances of the class whose methods they have.
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._on_lost(self)

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def close(self) -> None:
        self.open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._body_at:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = self._buffer[:end].lower()
            self._status = int(self._head[9:12])
            self._body_at = end + 4
            length = _length(self._head)
            self._chunked = length is None and b"transfer-encoding: chunked" in self._head
            self._need = self._body_at + (length or 0)
        if self._chunked:
            body = _unchunk(self._buffer[self._body_at :])
            if body is None:
                return
        elif len(self._buffer) < self._need:
            return
        else:
            body = self._buffer[self._body_at : self._need]
        head = self._head
        self._buffer = b""
        self._body_at = 0
        if b"\r\nconnection: close" in head:
            self.open = False
        self._on_reply(self, self._status, head, body)
        if not self.open:
            self._transport.close()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Requests to one port of the loopback, with as many connections as are needed at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[ClientConnection] = []

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, json: Any = None,
        body: bytes = b"", timeout: float = 30.0,
    ) -> Reply:  # fmt: skip
        """Raises `Lost` when there is no complete answer in time: the request may have been processed."""
        all_headers = dict(headers or {})
        if json is not None:
            body = msgspec.json.encode(json)
            all_headers["Content-Type"] = "application/json"
        connection = None
        try:
            async with asyncio.timeout(timeout):
                connection = await self._take()
                answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
                connection.context = answer
                connection.send(request_bytes(method, path, all_headers, body))
                reply = await answer
        except (OSError, TimeoutError, asyncio.CancelledError) as error:
            if connection is not None and connection.open:
                connection.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Lost(f"{method} {path}: {error!r}") from error
        if connection.open:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _take(self) -> ClientConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: ClientConnection(_replied, _lost), "127.0.0.1", self._port)
        return made


def _replied(connection: ClientConnection, status: int, head: bytes, body: bytes) -> None:
    if connection.context is not None and not connection.context.done():
        connection.context.set_result(Reply(status=status, head=head, body=body))
    connection.context = None


def _lost(connection: ClientConnection) -> None:
    if connection.context is not None and not connection.context.done():
        connection.context.set_exception(ConnectionResetError("the connection was closed"))
    connection.context = None


class Exchange(asyncio.Protocol):
    """A server's side of one connection: `handle(exchange)` is called for every complete request."""

    def __init__(self, handle: Callable[["Exchange"], None], live: set["Exchange"]) -> None:
        self._handle = handle
        self._live = live
        self._buffer = b""
        self._transport: asyncio.Transport
        self.method = ""
        self.path = ""
        self.head = b""
        self.body = b""
        #: time.time_ns() when the last byte of the request came.
        self.arrived = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not instances of the class whose methods they have.
        self._transport = cast("asyncio.Transport", transport)
        self._live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._live.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            length = _length(head.lower()) or 0
            if len(self._buffer) < end + 4 + length:
                return
            self.arrived = time.time_ns()
            self.head = head
            self.body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            first = head[: head.find(b"\r\n")].decode("latin-1").split(" ")
            self.method, self.path = first[0], first[1]
            self._handle(self)

    def header(self, name: str) -> str:
        """The value of a header, or ''."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    def reply(self, status: int, body: bytes, kind: str = "application/json", extra: str = "") -> None:
        if self._transport.is_closing():
            return
        self._transport.write(
            f"HTTP/1.1 {status} {_REASONS.get(status, 'X')}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n{extra}\r\n".encode()
            + body
        )

    def cut(self) -> None:
        """Close without an answer."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        with contextlib.suppress(OSError):
            plain = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class Listener:
    """A server on a port of the loopback that can go down, taking its connections with it, and come up again."""

    def __init__(self, handle: Callable[[Exchange], None], port: int = 0) -> None:
        self._handle = handle
        self._live: set[Exchange] = set()
        self._server: asyncio.Server | None = None
        self.port = port

    async def up(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Exchange(self._handle, self._live), "127.0.0.1", self.port, backlog=1_024, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            for exchange in list(self._live):
                exchange.reset()
