import asyncio
import contextlib
import datetime
import gzip
import io
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recado.kit import http

LOOPBACK = ["127.0.0.0/8", "::1/128"]
SECRET = "sesame-7cb1"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def client(
    *, allowed: list[str] | None = None, connections: int = 512, tls: ssl.SSLContext | None = None
) -> AsyncIterator[http.Http]:
    made = http.Http(
        allowed_networks=LOOPBACK if allowed is None else allowed,
        user_agent="Recado/test",
        connections=connections,
        tls=tls,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@contextlib.asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application(client_max_size=50_000_000)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class Wire:
    """A server that answers each request, up to its blank line, with the next of `answers` as they are.

    `None` cuts the connection. What it was sent is in `requests`, `connections` counts.
    """

    def __init__(self, *answers: bytes | None, hold: bool = False) -> None:
        self._answers = list(answers)
        self._hold = hold
        self.requests: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.release = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.asked.set()
                if self._hold:
                    await self.release.wait()
                answer = self._answers.pop(0) if self._answers else None
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def wired(wire: Wire) -> AsyncIterator[str]:
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        wire.release.set()
        server.close()
        await server.wait_closed()


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.path_qs,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode("latin-1") if len(body) < 10_000 else len(body),
        }
    )


# --- requests and answers ------------------------------------------------------------------------------


async def test_an_answer_is_status_headers_in_lower_case_and_body() -> None:
    async def handler(_: web.Request) -> web.Response:
        response = web.Response(status=418, body=b"short and stout", headers={"X-Kind": "Teapot"})
        response.headers.add("X-Kind", "Kettle")
        return response

    async with client() as made, serving(handler) as url:
        response = await made.request("get", url)
    assert response.status == 418
    assert response.body == b"short and stout"
    assert response.headers["x-kind"] == "Teapot, Kettle"
    assert all(name == name.lower() for name in response.headers)


async def test_what_is_sent() -> None:
    async with client() as made, serving(echo) as url:
        plain = await made.request("POST", url + "/a?b=%C3%A9", data=b"raw", headers={"X-Api-Key": "k"})
        as_json = await made.request("PATCH", url, json={"text": "Olá"})
        typed = await made.request("POST", url, json=[1], headers={"content-type": "application/x-own+json"})
        form = await made.request("POST", url, data={"a": "1", "b": "é"})
    assert b'"path": "/a?b=%C3%A9"' in plain.body
    assert b'"body": "raw"' in plain.body
    assert b'"x-api-key": "k"' in plain.body
    assert b'"user-agent": "Recado/test"' in plain.body
    assert b"cookie" not in plain.body
    assert b'"method": "PATCH"' in as_json.body
    assert b'"content-type": "application/json"' in as_json.body
    assert b'"content-type": "application/x-own+json"' in typed.body
    assert b'"body": "a=1&b=%C3%A9"' in form.body


async def test_large_multipart_and_streamed_bodies() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1_000_000

    async with client() as made, serving(echo) as url:
        large = await made.request("POST", url, data=b"x" * 3_000_000)
        streamed = await made.request("POST", url, data=pieces())
        upload = aiohttp.FormData()
        upload.add_field("file", io.BytesIO(b"x" * 2_000_000), filename="a.bin", content_type="image/png")
        multipart = await made.request("POST", url, data=upload)
    assert b'"body": 3000000' in large.body
    assert b'"content-length": "3000000"' in large.body
    assert b'"body": 3000000' in streamed.body
    assert b"multipart/form-data" in multipart.body


async def test_cookies_are_not_kept() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.set_cookie("session", "1")
        return response

    async with client() as made, serving(handler) as url:
        await made.request("GET", url)
        assert (await made.request("GET", url)).body == b"none"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    async with client() as made, serving(echo) as url:
        assert (await made.request("GET", url)).status == 200


async def test_connections_are_kept_and_shared() -> None:
    wire = Wire(*[ok(b"x")] * 5)
    async with client() as made, wired(wire) as url:
        for _ in range(5):
            await made.request("POST", url)
    assert wire.connections == 1


async def test_header_bytes_that_are_not_utf_8_become_text_that_can_be_stored() -> None:
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Name: Jo\xe3o\r\n\r\n")
    async with client() as made, wired(wire) as url:
        response = await made.request("GET", url)
    assert response.headers["x-name"] == "Jo�o"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body(status: int) -> None:
    wire = Wire(f"HTTP/1.1 {status} x\r\nContent-Length: 99999999\r\n\r\n".encode())
    async with client() as made, wired(wire) as url:
        response = await made.request("GET", url, max_bytes=10)
    assert (response.status, response.body) == (status, b"")


async def test_the_length_that_a_head_answer_names_is_not_its_own() -> None:
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
    async with client() as made, wired(wire) as url:
        response = await made.request("HEAD", url, max_bytes=10)
    assert response.headers["content-length"] == "99999999"


# --- not sent ------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_not_sent() -> None:
    async with client() as made:
        with pytest.raises(http.NotSent, match=r"^127\.0\.0\.1:\d+: connection refused$") as caught:
            await made.request("POST", f"http://127.0.0.1:{unused_port()}/?token={SECRET}")
    assert not isinstance(caught.value, http.Forbidden)


@pytest.mark.parametrize("host", ["nothing.invalid", "a..b", "x" * 70 + ".example"])
async def test_a_name_that_does_not_resolve_is_not_sent(host: str) -> None:
    async with client() as made:
        with pytest.raises(http.NotSent, match="the name cannot be resolved"):
            await made.request("POST", f"http://{host}/?token={SECRET}")


async def test_waiting_for_a_connection_of_the_pool_is_not_sent() -> None:
    wire = Wire(ok(b""), hold=True)
    async with client(connections=1) as made, wired(wire) as url, asyncio.TaskGroup() as group:
        first = group.create_task(made.request("POST", url))
        await wire.asked.wait()
        with pytest.raises(http.NotSent, match="not done in time"):
            await made.request("POST", url, timeout=0.05)
        wire.release.set()
        assert (await first).status == 200
    assert len(wire.requests) == 1


async def test_a_connection_that_is_not_made_in_time_is_not_sent() -> None:
    with socket.socket() as deaf:
        # A full backlog: the kernel drops further connection attempts.
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        async with client() as made:
            with pytest.raises(http.NotSent, match="not done in time"):
                await made.request("POST", f"http://127.0.0.1:{deaf.getsockname()[1]}/", timeout=0.2)
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\n", "a\0", "\ud800"])
async def test_a_header_that_cannot_be_sent_is_not_sent_and_not_quoted(value: str) -> None:
    async with client() as made, serving(echo) as url:
        with pytest.raises(http.NotSent, match="the header X-Token holds") as caught:
            await made.request("POST", url, headers={"X-Token": value + SECRET})
    assert SECRET not in str(caught.value)


async def test_a_stopped_client_sends_nothing_and_stops_twice() -> None:
    async with client() as made:
        await made.stop()
        with pytest.raises(http.NotSent, match="not running"):
            await made.request("GET", "http://127.0.0.1/")


# --- maybe sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_cut_before_the_answer_is_maybe_sent_and_not_repeated(method: str) -> None:
    wire = Wire(None)
    async with client() as made, wired(wire) as url:
        with pytest.raises(http.MaybeSent, match=r"closed without an answer|the connection was lost"):
            await made.request(method, url, data=b"")
    assert len(wire.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_kept_connection_closed_by_the_server_is_maybe_sent_and_not_repeated(method: str) -> None:
    wire = Wire(ok(b""), None)
    async with client() as made, wired(wire) as url:
        await made.request("GET", url)
        with pytest.raises(http.MaybeSent):
            await made.request(method, url)
    assert (wire.connections, len(wire.requests)) == (1, 2)


async def test_a_get_on_a_kept_connection_that_was_closed_is_repeated() -> None:
    wire = Wire(ok(b""), None, ok(b"again"))
    async with client() as made, wired(wire) as url:
        await made.request("POST", url)
        assert (await made.request("GET", url)).body == b"again"


async def test_no_answer_in_time_is_maybe_sent() -> None:
    wire = Wire(ok(b""), hold=True)
    async with client() as made, wired(wire) as url:
        with pytest.raises(http.MaybeSent, match="not done in time"):
            await made.request("POST", url, timeout=0.1)
    assert len(wire.requests) == 1


async def test_a_body_that_drips_past_the_time_is_maybe_sent_with_its_status() -> None:
    wire = Wire(b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nabc")
    async with client() as made, wired(wire) as url:
        with pytest.raises(http.MaybeSent, match="not done in time") as caught:
            await made.request("POST", url, timeout=0.1)
    assert caught.value.status == 201


async def test_a_body_that_breaks_off_is_maybe_sent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        writer.close()

    wire = Wire()
    wire.serve = serve  # type: ignore[method-assign]
    async with client() as made, wired(wire) as url:
        with pytest.raises(http.MaybeSent, match="the answer broke off"):
            await made.request("POST", url)


@pytest.mark.parametrize(
    "answer", [b"HELO mail\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x0a" * 3, b"HTTP/1.1 200 OK\r\nX" * 9_000]
)
async def test_what_is_not_http_is_a_bad_response(answer: bytes) -> None:
    async with client() as made, wired(Wire(answer)) as url:
        with pytest.raises(http.BadResponse, match="the answer cannot be read"):
            await made.request("POST", url)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_cannot_be_decoded_is_a_bad_response(encoding: str) -> None:
    wire = Wire(ok(b"certainly not compressed at all", f"Content-Encoding: {encoding}"))
    async with client() as made, wired(wire) as url:
        with pytest.raises(http.BadResponse, match="the answer cannot be read"):
            await made.request("POST", url)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_a_bad_response_with_its_status(chunked: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if not chunked:
            return web.Response(status=500, body=b"x" * 1_001)
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        for _ in range(1_001):
            await response.write(b"x")
        return response

    async with client() as made, serving(handler) as url:
        with pytest.raises(http.BadResponse, match="larger than 1000 bytes") as caught:
            await made.request("GET", url, max_bytes=1_000)
        assert caught.value.status == 500
        if not chunked:
            assert len((await made.request("GET", url, max_bytes=1_001)).body) == 1_001


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_the_limit_is_on_what_was_decompressed(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(b"\0" * 50_000_000)
    async with client() as made, wired(Wire(*[ok(bomb, f"Content-Encoding: {encoding}")] * 2)) as url:
        with pytest.raises(http.BadResponse, match="larger than 100000 bytes"):
            await made.request("GET", url, max_bytes=100_000)
        assert len((await made.request("GET", url, max_bytes=50_000_000)).body) == 50_000_000


async def test_cancelling_is_not_an_http_error() -> None:
    wire = Wire(ok(b""), hold=True)
    async with client() as made, wired(wire) as url:
        task = asyncio.create_task(made.request("POST", url))
        await wire.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


# --- the guard -----------------------------------------------------------------------------------------

FORBIDDEN = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "100::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1",
    "localhost", "127.1", "2130706433", "", "1.1.1.1.", "0177.0.0.1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "157.240.12.35",
    "2606:4700:4700::1111", "2a03:2880:f12f::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_the_guard_refuses(address: str) -> None:
    assert not http.permitted(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_guard_permits(address: str) -> None:
    assert http.permitted(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::5"])
def test_the_guard_permits_what_the_operator_allows(address: str) -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
    assert http.permitted(address, allowed)
    assert not http.permitted("10.2.0.1", allowed)
    assert not http.permitted("fe80::1", allowed)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST.", "127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001",
        "017700000001", "0", "0.0.0.0", "127.0.0.1.", "①②⑦.0.0.1", "127。0.0.1", "%31%32%37.0.0.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]",
        "169.254.169.254",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_private_address_gets_through(host: str) -> None:
    wire = Wire(ok(b"inside"))
    async with client(allowed=[]) as made, wired(wire) as url:
        port = url.rpartition(":")[2]
        with pytest.raises(http.NotSent):
            await made.request("GET", f"http://{host}:{port}/", timeout=5)
    assert wire.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
async def test_a_refused_address_is_forbidden(host: str) -> None:
    async with client(allowed=[]) as made:
        with pytest.raises(http.Forbidden, match="refused"):
            await made.request("GET", f"http://{host}:1/")


async def test_a_name_that_leads_to_an_allowed_network_gets_through() -> None:
    async with client(allowed=["127.0.0.0/8"]) as made, serving(echo) as url:
        response = await made.request("GET", url.replace("127.0.0.1", "localhost"))
    assert response.status == 200


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "/v1", "",
        "http://", "http:///x", f"http://user:{SECRET}@127.0.0.1/", f"http://{SECRET}@127.0.0.1/",
        "http://127.0.0.1:99999/", "http://[::1/", f"http://127.0.0.1\\@{SECRET}/", "tcp://127.0.0.1/",
    ],
)  # fmt: skip
async def test_a_url_that_is_no_plain_web_address_is_forbidden_and_not_quoted(url: str) -> None:
    async with client() as made:
        with pytest.raises(http.Forbidden) as caught:
            await made.request("POST", url)
    assert SECRET not in str(caught.value)


# --- redirects -----------------------------------------------------------------------------------------


def redirecting(status: int, location: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/start":
            return web.Response(status=status, headers={"Location": location})
        return await echo(request)

    return handler


async def test_redirects_are_returned_unless_asked_to_follow() -> None:
    async with client() as made, serving(redirecting(302, "/end")) as url:
        assert (await made.request("GET", url + "/start")).headers["location"] == "/end"
        assert b'"path": "/end"' in (await made.request("GET", url + "/start", follow=1)).body


async def test_a_redirect_too_many_is_returned() -> None:
    visits = []

    async def handler(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=302, headers={"Location": request.path + "x"})

    async with client() as made, serving(handler) as url:
        response = await made.request("GET", url + "/", follow=3)
    assert response.status == 302
    assert visits == ["/", "/x", "/xx", "/xxx"]


@pytest.mark.parametrize(
    ("status", "method", "becomes", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (302, "PUT", "PUT", "hello"),
        (307, "POST", "POST", "hello"),
        (308, "PATCH", "PATCH", "hello"),
    ],
)
async def test_what_a_redirect_makes_of_method_and_body(status: int, method: str, becomes: str, body: str) -> None:
    async with client() as made, serving(redirecting(status, "/end")) as url:
        response = await made.request(method, url + "/start", data=b"hello", follow=1)
    assert f'"method": "{becomes}"'.encode() in response.body
    assert f'"body": "{body}"'.encode() in response.body


async def test_a_body_that_can_be_sent_only_once_is_not_redirected() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"hello"

    async with client() as made, serving(redirecting(307, "/end")) as url:
        assert (await made.request("POST", url + "/start", data=pieces(), follow=1)).status == 307


async def test_credentials_stay_with_their_origin() -> None:
    sent = {
        "Authorization": f"Bearer {SECRET}",
        "apikey": SECRET,
        "X-Api-Key": SECRET,
        "Cookie": SECRET,
        "Accept": "a/b",
    }
    async with client() as made, serving(echo) as other, serving(redirecting(307, other + "/end")) as url:
        abroad = await made.request("POST", url + "/start", headers=sent, json={}, follow=1)
        async with serving(redirecting(307, "/end")) as same:
            at_home = await made.request("POST", same + "/start", headers=sent, json={}, follow=1)
    assert SECRET.encode() not in abroad.body
    assert b'"accept": "a/b"' in abroad.body
    assert b'"content-type": "application/json"' in abroad.body
    assert at_home.body.count(SECRET.encode()) == 4


@pytest.mark.parametrize("location", ["http://127.0.0.2:1/", "http://[::ffff:127.0.0.2]:1/", "ftp://example.com/"])
async def test_a_redirect_is_guarded(location: str) -> None:
    async with client(allowed=["127.0.0.1/32"]) as made, serving(redirecting(302, location)) as url:
        with pytest.raises(http.Forbidden):
            await made.request("GET", url + "/start", follow=3)
        # The POST was processed by the server that redirected it.
        with pytest.raises(http.BadResponse, match="refused"):
            await made.request("POST", url + "/start", follow=3)


async def test_a_redirect_that_leads_nowhere_is_not_sent_only_if_it_was_safe() -> None:
    async with client() as made, serving(redirecting(302, f"http://127.0.0.1:{unused_port()}/")) as url:
        with pytest.raises(http.NotSent):
            await made.request("GET", url + "/start", follow=1)
        with pytest.raises(http.MaybeSent):
            await made.request("POST", url + "/start", follow=1)


# --- TLS -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_an_unknown_certificate_is_not_sent(server_tls: ssl.SSLContext) -> None:
    async with client() as made, serving(echo, tls=server_tls) as url:
        with pytest.raises(http.NotSent, match=r"the certificate was not accepted: self.signed"):
            await made.request("POST", url.replace("127.0.0.1", "localhost"))


async def test_a_trusted_certificate_is_good_for_its_own_name_only(
    server_tls: ssl.SSLContext, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    async with client(tls=trusting) as made, serving(echo, tls=server_tls) as url:
        assert (await made.request("POST", url.replace("127.0.0.1", "localhost"))).status == 200
        with pytest.raises(http.NotSent, match="the certificate was not accepted"):
            await made.request("POST", url)


async def test_a_server_that_speaks_no_tls_is_not_sent() -> None:
    async with client() as made, serving(echo) as url:
        with pytest.raises(http.NotSent):
            await made.request("POST", url.replace("http:", "https:"))


# --- errors tell no secrets ----------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, b"HELO\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_an_error_holds_no_query_no_header_and_no_cause(answer: bytes | None) -> None:
    async with client() as made, wired(Wire(answer)) as url:
        with pytest.raises(http.HttpError) as caught:
            await made.request(
                "POST",
                f"{url}/{SECRET}?token={SECRET}",
                headers={"Authorization": SECRET},
                data=SECRET.encode(),
                timeout=0.2,
            )
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- streams -------------------------------------------------------------------------------------------


async def test_a_stream_hands_on_the_body_as_it_comes() -> None:
    second = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Kind": "slow"})
        await response.prepare(request)
        await response.write(b"first")
        await second.wait()
        await response.write(b"second")
        return response

    async with client() as made, serving(handler) as url, made.stream("GET", url) as response:
        assert (response.status, response.headers["x-kind"]) == (200, "slow")
        chunks = aiter(response.chunks)
        assert await anext(chunks) == b"first"
        second.set()
        assert [chunk async for chunk in chunks] == [b"second"]


async def test_a_stream_is_bounded_and_follows() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/start":
            return web.Response(status=302, headers={"Location": "/media"})
        return web.Response(body=b"x" * 1_000)

    async with client() as made, serving(handler) as url:
        async with made.stream("GET", url + "/start", follow=1, max_bytes=1_000) as response:
            assert len(b"".join([chunk async for chunk in response.chunks])) == 1_000
        async with made.stream("GET", url + "/media", max_bytes=999) as response:
            with pytest.raises(http.BadResponse, match="larger than 999 bytes"):
                [chunk async for chunk in response.chunks]


async def test_a_stream_that_stalls_or_breaks_off_raises_where_it_is_read() -> None:
    stalls = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    async with client() as made, wired(stalls) as url, made.stream("GET", url, timeout=0.2) as response:
        chunks = aiter(response.chunks)
        assert await anext(chunks) == b"abc"
        with pytest.raises(http.MaybeSent, match="not done in time") as caught:
            await anext(chunks)
        assert caught.value.__context__ is None


async def test_a_stream_that_is_left_early_gives_its_connection_back() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 5_000_000)

    async with client(connections=1) as made, serving(handler) as url:
        for _ in range(3):
            async with made.stream("GET", url) as response:
                await anext(aiter(response.chunks))


async def test_a_stream_is_guarded() -> None:
    async with client(allowed=[]) as made:
        with pytest.raises(http.Forbidden):
            async with made.stream("GET", "http://127.0.0.1:1/"):
                raise AssertionError("nothing may be reached")
