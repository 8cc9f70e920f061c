"""Requests to addresses that others chose: guarded, bounded, and clear about what may have arrived.

HttpError
├── NotSent          certainly nothing of the request was processed: trying again cannot double anything
│   └── Forbidden    the guard refuses the url or the address it leads to; trying again does not help
└── MaybeSent        the request may have been processed: no answer, or not all of it
    └── BadResponse  there was an answer, but not one that can be used (too large, undecodable, not HTTP)

No message holds more of the url than its host, and no error has a cause, because those of aiohttp quote urls and
headers.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import io
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextvars import ContextVar
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Body = bytes | Mapping[str, str] | aiohttp.FormData | AsyncIterable[bytes]

CONNECT_SECONDS = 10.0
#: Node closes idle connections after 5 s. Closing first keeps requests off connections that are just being closed,
#: where a POST would end as `MaybeSent`.
IDLE_SECONDS = 4.0
_DNS_THREADS = 32
_MAX_HEADER_BYTES = 32_768
#: aiohttp warns of larger bytes, because it would write them in one go.
_ONE_WRITE_BYTES = 1_048_576

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODYLESS = frozenset({204, 304})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: What aiohttp sends again, unasked, when the connection breaks, besides the safe methods.
_REPEATED = frozenset({"PUT", "DELETE"})
#: What may follow to another origin. Providers name their secrets in many ways (`apikey`, `token`, `X-Api-Key`), so
#: the harmless headers are listed instead of the others.
_PORTABLE = frozenset({"accept", "accept-language", "content-type", "range", "user-agent"})
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")

_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform service, a public address that only leads inside.
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
#: Everything outside is loopback, link-local, unique local, multicast or reserved.
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class HttpError(Exception):
    """A request without a usable answer. `status` is that of the answer, where there was one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotSent(HttpError):
    """Certainly nothing of the request was processed."""


class Forbidden(NotSent):
    """The guard refuses the url or the address it leads to."""


class MaybeSent(HttpError):
    """The request may have been processed."""


class BadResponse(MaybeSent):
    """There was an answer that cannot be used."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status. The names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The start of an answer. Iterating `chunks` raises as `Http.request` does."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


def permitted(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether the guard lets a connection to this IP address through: it is public, or in an `allowed` network.

    An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) is judged by what it carries.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    real = _carried(ip) or ip
    if any(ip in network or real in network for network in allowed):
        return True
    if isinstance(real, ipaddress.IPv4Address):
        return not any(real in network for network in _CLOSED_V4)
    return real in _OPEN_V6 and not any(real in network for network in _CLOSED_V6)


def _carried(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class _Call:
    """A request on its way, as far as its errors need to know it."""

    __slots__ = ("host", "left", "status")

    def __init__(self) -> None:
        self.host = "url"
        #: Whether the request had a connection, so that its first byte may have left.
        self.left = False
        self.status: int | None = None


#: The connector is called in the task of the request but is not told which request of ours it serves.
_call: ContextVar[_Call] = ContextVar("recado_http_call")


class _Refused(OSError):
    """As an `OSError`, so that the connector goes on to the host's other addresses."""

    def __init__(self) -> None:
        super().__init__("the address is refused")


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        _call.get().left = True
        return connection


class _Resolver(AbstractResolver):
    """getaddrinfo in threads of its own: uvloop has only four, which a few dead name servers would hold."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = functools.partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError:
            raise OSError("the name is not valid") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for found_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Http:
    """One pool of connections for the process. No cookies, no proxies, certificates verified.

    `allowed_networks` are the private networks that may be reached nevertheless. `connections` bounds the pool; half
    of it may go to one host. A request waits for its turn within its timeout. `tls` replaces the default context.
    """

    def __init__(
        self,
        *,
        allowed_networks: Iterable[str | Network],
        user_agent: str,
        connections: int = 512,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = tuple(ipaddress.ip_network(str(network), strict=False) for network in allowed_networks)
        self._user_agent = user_agent
        self._connections = connections
        self._tls: ssl.SSLContext | bool = tls or True
        self._session: aiohttp.ClientSession | None = None
        self._resolver: _Resolver | None = None

    async def start(self) -> None:
        """Make the pool, in the running event loop."""
        self._resolver = _Resolver()
        connector = _Connector(
            resolver=self._resolver,
            socket_factory=self._guarded_socket,
            ssl=self._tls,
            limit=self._connections,
            limit_per_host=max(1, self._connections // 2),
            keepalive_timeout=IDLE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            # The total is kept here, around redirects and body; aiohttp's own would not tell a request that still
            # waited for its connection from one that had left.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            trust_env=False,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def stop(self) -> None:
        """Close all connections. Stopping twice is fine; a request after that is `NotSent`."""
        session, self._session = self._session, None
        resolver, self._resolver = self._resolver, None
        if session is not None:
            await session.close()
        if resolver is not None:
            await resolver.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Body | None = None,
        json: object = None,
        timeout: float = 30.0,
        max_bytes: int = 10_000_000,
        follow: int = 0,
    ) -> Response:
        """The whole answer, whatever its status, within `timeout` seconds and `max_bytes` once decompressed.

        `data` is sent as it is (a mapping as a form), `json` as JSON. At most `follow` redirects are followed; what
        then still redirects is returned, as is a redirect of a body that can be sent only once. To another origin go
        no headers but harmless ones. Raises `HttpError`.
        """
        call = _Call()
        deadline = asyncio.get_running_loop().time() + timeout
        opening = self._open(call, method, url, headers, data, json, follow)
        return await _until(deadline, call, _whole(call, opening, max_bytes))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        max_bytes: int = 10_000_000,
        data: Body | None = None,
        json: object = None,
        follow: int = 0,
    ) -> AsyncIterator[StreamedResponse]:
        """Like `request`, but the body comes in pieces. `timeout` is for all of it; the time in between counts."""
        call = _Call()
        deadline = asyncio.get_running_loop().time() + timeout
        response = await _until(deadline, call, self._open(call, method, url, headers, data, json, follow))

        async def read() -> bytes:
            return await _until(deadline, call, response.content.readany())

        chunks = _bounded(call, response, max_bytes, read)
        try:
            yield StreamedResponse(status=response.status, headers=_lower(response), chunks=chunks)
        finally:
            await chunks.aclose()
            response.close()

    async def _open(
        self,
        call: _Call,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        data: Body | None,
        json: object,
        follow: int,
    ) -> aiohttp.ClientResponse:
        """The answer up to its body, after redirects."""
        if self._session is None:
            raise NotSent("the HTTP client is not running")
        target = _target(call, url)
        sent: CIMultiDict[str] = CIMultiDict(headers or ())
        if json is not None:
            data = msgspec.json.encode(json)
            sent.setdefault("Content-Type", "application/json")
        for name, value in sent.items():
            if _UNSENDABLE.search(value):
                raise NotSent(f"{call.host}: the header {name} holds a character that cannot be sent")
        method = method.upper()
        safe = method in _SAFE
        _call.set(call)
        while True:
            response = await self._session.request(
                method,
                target,
                headers=sent,
                data=io.BytesIO(data) if isinstance(data, bytes) and len(data) > _ONE_WRITE_BYTES else data,
                allow_redirects=False,
                middlewares=(_only_once,) if method in _REPEATED else None,
            )
            if follow <= 0 or response.status not in _REDIRECTS or "Location" not in response.headers:
                break
            turned_to_get = response.status == 303 or (response.status in (301, 302) and method == "POST")
            if not (turned_to_get or data is None or isinstance(data, bytes)):
                break
            response.release()
            # A safe request has done nothing so far; any other may have done its work before it was redirected.
            call.left = not safe
            origin = target.origin()
            target = _target(call, response.headers["Location"], base=target)
            if turned_to_get and method != "HEAD":
                method, data = "GET", None
                sent.popall("Content-Type", None)
            if target.origin() != origin:
                sent = CIMultiDict((name, value) for name, value in sent.items() if name.lower() in _PORTABLE)
            follow -= 1
        call.status = response.status
        return response

    def _guarded_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for the address about to be connected to, however the url spelt it. No connection has another."""
        family, kind, protocol, _, (host, *_) = address
        if not permitted(host, self._allowed):
            raise _Refused
        return socket.socket(family, kind, protocol)


async def _only_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT or DELETE whose connection broke, by an error that it does not know."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if not _call.get().left:
            raise
        raise aiohttp.ClientConnectionError(_happened(error)) from None


def _target(call: _Call, url: str, base: URL | None = None) -> URL:
    """The checked url, as `call.host` from now on."""
    try:
        target = URL(url) if base is None else base.join(URL(url))
        host = target.host_port_subcomponent
    except ValueError:
        target, host = URL(), None
    if host is None:
        raise _refusal(call, "it is not a valid url")
    call.host = host
    if target.scheme not in ("http", "https"):
        raise _refusal(call, "only http and https are allowed")
    if target.raw_user is not None or target.raw_password is not None:
        raise _refusal(call, "a url may not hold credentials")
    return target


def _refusal(call: _Call, why: str) -> HttpError:
    # After a redirect of something that may have been done already, a refusal must not read as "not sent".
    if call.left:
        return BadResponse(f"{call.host}: the redirect was refused: {why}")
    return Forbidden(f"{call.host}: refused: {why}")


async def _whole(call: _Call, opening: Awaitable[aiohttp.ClientResponse], max_bytes: int) -> Response:
    response = await opening
    try:
        chunks = [chunk async for chunk in _bounded(call, response, max_bytes, response.content.readany)]
    except BaseException:
        response.close()
        raise
    return Response(status=response.status, headers=_lower(response), body=b"".join(chunks))


async def _bounded(
    call: _Call, response: aiohttp.ClientResponse, max_bytes: int, read: Callable[[], Awaitable[bytes]]
) -> AsyncGenerator[bytes, None]:
    """The decompressed body, up to `max_bytes`. aiohttp decompresses a piece at a time, as it is read."""
    empty = response.method == "HEAD" or response.status in _BODYLESS
    size = 0 if empty else response.content_length or 0
    if size <= max_bytes:
        size = 0
        while (chunk := await read()) and (size := size + len(chunk)) <= max_bytes:
            yield chunk
        if size <= max_bytes:
            return
    raise BadResponse(f"{call.host}: the answer is larger than {max_bytes} bytes", status=call.status)


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        if not value.isascii():
            # aiohttp keeps bytes that are not UTF-8 as surrogates, which neither JSON nor PostgreSQL takes.
            value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


#: What aiohttp raises for a request that went wrong. `TimeoutError` is an `OSError`.
_FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError)


async def _until(deadline: float, call: _Call, work: Awaitable[T]) -> T:
    """The result of `work`, which what is left of `call`'s time must suffice for. Raises `HttpError`."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except _FAILURES as error:
        failure = _failure(call, error)
    # Raised out here, so that the error has neither cause nor context.
    raise failure


def _failure(call: _Call, error: Exception) -> HttpError:
    if isinstance(error, aiohttp.InvalidURL):
        return _refusal(call, "it is not a valid url")
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _Refused):
        return _refusal(call, "it leads to an address outside the networks that may be reached")
    message = f"{call.host}: {_happened(error)}"
    if not call.left:
        return NotSent(message)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError) or _undecodable(error):
        return BadResponse(message, status=call.status)
    return MaybeSent(message, status=call.status)


def _undecodable(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientPayloadError) and isinstance(error.__cause__, ContentEncodingError)


def _happened(error: Exception) -> str:
    """What happened, in words that hold nothing of the request."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "not valid"
            return f"the certificate was not accepted: {reason}"
        case aiohttp.ClientConnectorSSLError():
            return "no TLS connection could be made"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return "not done in time"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer cannot be read" if _undecodable(error) else "the answer broke off"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the answer cannot be read"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case aiohttp.ClientConnectorError():
            return "no connection could be made"
        case aiohttp.ClientConnectionError():
            return "the connection was lost"
        case _:
            return type(error).__name__
