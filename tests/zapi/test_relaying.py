"""What only Z-API itself can do: passed on where it is the instance's provider, refused elsewhere with the reason."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from recado.api.zapi.catalogue import Config
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.routes import ROUTES
from recado.testing import upstream
from recado.testing.upstream import Reply, Upstream
from tests.support import client as clients
from tests.support import secrets
from tests.support.client import Client
from tests.zapi.conftest import ZapiClient

if TYPE_CHECKING:
    from recado.app import Recado

INSTANCE = "3C67AB641C8AA0412F6A2242B4E23AC7"
TOKEN = secrets.register("F8A0made0up0upstream0token")
CLIENT_TOKEN = secrets.register("Fmade0up0upstream0client0token")
ROOT = f"/instances/{INSTANCE}/token/{TOKEN}"
SUCCESS = upstream.json({"success": True})
LIST = [{"action": "add", "phone": "5511999990001"}]


class Passed:
    """An instance of Z-API itself, and its server."""

    def __init__(self, client: ZapiClient, server: Upstream) -> None:
        self.client = client
        self.server = server

    async def call(self, reply: Reply, method: str, path: str, **options: Any) -> clients.Reply:
        """What a client is answered when the upstream answers so."""
        self.server.requests.clear()
        self.server.replies[:] = [reply]
        return await self.client.call(method, path, **options)

    @property
    def asked(self) -> list[tuple[str, str, bytes]]:
        """Method, path below the upstream's instance, and body of what the upstream was asked."""
        return [(one.method, one.path.removeprefix(ROOT), one.body) for one in self.server.requests]


@pytest.fixture(scope="module")
async def module_passed(module_recado: "Recado", module_company: Client) -> AsyncIterator[Passed]:
    async with (
        Upstream([SUCCESS]) as server,
        clients.connect(module_recado.url, module_recado.admin_token) as admin,
    ):
        made = await admin.post(
            "/v1/servers", {"name": "zapi", "kind": "zapi", "base_url": server.url, "max_instances": 5}
        )
        credentials = {"instance_id": INSTANCE, "token": TOKEN, "client_token": CLIENT_TOKEN}
        instance = await module_company.post(
            "/v1/instances", {"name": "Vendas", "server_id": made["id"], "credentials": credentials}
        )
        opened = await module_company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json={})
        assert opened.status == 200, opened.body
        yield Passed(ZapiClient(module_company, instance, opened.body), server)


async def test_a_request_is_passed_on_as_it_came(module_passed: Passed) -> None:
    # Bodies keep what nobody documents, and the spelling of what is documented.
    body = {"cartEnabled": "true", "undocumented": 1.50}
    reply = await module_passed.call(SUCCESS, "POST", "/catalogs/config", json=body)
    assert (reply.status, reply.body) == (200, {"success": True})
    [(method, path, sent)] = module_passed.asked
    assert (method, path) == ("POST", "/catalogs/config")
    assert b'"undocumented"' in sent
    assert b'"true"' in sent
    headers = module_passed.server.requests[0].headers
    assert (headers["client-token"], headers["content-type"]) == (CLIENT_TOKEN, "application/json")

    await module_passed.call(SUCCESS, "DELETE", "/catalogs/collection/102 6%25?x=%C3%A9&y=")
    assert module_passed.asked == [("DELETE", "/catalogs/collection/102%206%25?x=%C3%A9&y=", b"")]
    reply = await module_passed.call(Reply(status=201), "POST", "/newsletter/accept-admin-invite/9@newsletter")
    assert (reply.status, reply.body) == (201, b"")
    assert module_passed.asked == [("POST", "/newsletter/accept-admin-invite/9@newsletter", b"")]


async def test_refusals_of_the_upstream_are_answers_and_its_troubles_are_not(module_passed: Passed) -> None:
    async def told(reply: Reply, method: str = "POST", path: str = "/sip-token") -> tuple[int, Any]:
        found = await module_passed.call(reply, method, path)
        return found.status, found.body

    assert await told(upstream.json({"error": "no"}, status=400)) == (400, {"error": "no"})
    assert await told(upstream.json({"error": "NOT_FOUND", "message": "m"})) == (
        200,
        {"error": "NOT_FOUND", "message": "m"},
    )
    assert await told(upstream.json(None)) == (200, None)
    # A client repeats a POST that met a 5xx.
    assert await told(Reply(status=503)) == (400, {"error": "zapi: HTTP 503"})
    assert await told(Reply(status=503), "GET", "/sip-info") == (502, {"error": "zapi: HTTP 503"})
    status, body = await told(Reply(trouble="cut"))
    assert (status, body["error"].partition(":")[0]) == (400, "zapi")
    for depth in (900, 100_000):
        deep = Reply(body=b"[" * depth + b"]" * depth)
        assert await told(deep) == (400, {"error": "zapi: Z-API's answer cannot be read"})
    assert await told(Reply(body=b"<html>")) == (400, {"error": "zapi: Z-API's answer cannot be read"})
    # Where it redirects to is nobody's business, and no answer either.
    moved = Reply(status=302, headers={"location": "https://elsewhere.example/"})
    assert await told(moved) == (400, {"error": "zapi: HTTP 302"})
    status, body = await told(Reply(body=b"{}" + b" " * 10_000_001))
    assert (status, body["error"].endswith("larger than 10000000 bytes")) == (400, True)
    # Nothing of the connection's own credentials comes out, nor what is about them.
    echoed = upstream.json({"token": TOKEN, "tokens": [CLIENT_TOKEN]})
    assert await told(echoed) == (200, {"token": "[hidden]", "tokens": ["[hidden]"]})
    spelt = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    escaped = Reply(body=f'{{"token": "{spelt}", "{TOKEN}": [0.10]}}'.encode())
    assert await told(escaped) == (200, {"token": "[hidden]", "[hidden]": [0.1]})
    wrong = upstream.json({"error": f"Client-Token {CLIENT_TOKEN} not allowed"}, status=403)
    assert await told(wrong) == (400, {"error": "zapi: Client-Token [hidden] not allowed"})
    gone = upstream.json({"error": "Instance not found"}, status=404)
    assert await told(gone) == (400, {"error": "zapi: Instance not found"})


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        ("%2e%2e", None),
        (".", None),
        ("%2e", None),
        ("..%2F..%2Fdisconnect", None),
        ("..%5C..%5Cdisconnect", None),
        ("a..b%5C...", "a..b%5C..."),
        ("%252e%252e%252Fdisconnect", "%252e%252e%252Fdisconnect"),
        ("1%3Fx%3D1%23y", "1%3Fx=1%23y"),
        ("1%0D%0AX-Evil:%201", None),
        ("a%3Bb%3Dc%26d", "a;b=c&d"),
    ],
)
async def test_a_part_of_the_path_stays_one(module_passed: Passed, part: str, asked: str | None) -> None:
    reply = await _raw(module_passed, f"/catalogs/collection/{part}")
    if asked is None:
        assert module_passed.asked == []
        assert "error" in reply.body
    else:
        assert module_passed.asked == [("DELETE", f"/catalogs/collection/{asked}", b"")]
        assert reply.body == {"success": True}


async def test_what_other_providers_do_worse_is_passed_on_too(module_passed: Passed) -> None:
    products = {"cartEnabled": True, "products": [], "nextCursor": "AQHR=="}
    reply = await module_passed.call(upstream.json(products), "GET", "/catalogs", params={"nextCursor": "AQ=="})
    assert (reply.status, reply.body) == (200, products)
    assert module_passed.asked == [("GET", "/catalogs?nextCursor=AQ%3D%3D", b"")]
    picture = {"value": "https://client.example/logo.png"}
    reply = await module_passed.call(upstream.json({"value": True}), "PUT", "/profile-picture", json=picture)
    assert (reply.status, reply.body) == (200, {"value": True})
    assert [(method, path) for method, path, _ in module_passed.asked] == [("PUT", "/profile-picture")]
    settings = {"visualizationType": "CONTACT_BLACKLIST", "contactsBlacklist": LIST}
    reply = await module_passed.call(SUCCESS, "POST", "/privacy/last-seen", json=settings)
    assert (reply.status, reply.body) == (200, {"success": True})
    assert b"contactsBlacklist" in module_passed.asked[0][2]


async def test_other_providers_refuse_with_the_reason(zapi: ZapiClient) -> None:
    reply = await zapi.call("POST", "/catalogs/config", json={"cartEnabled": True})
    assert (reply.status, reply.body) == (400, {"error": Config.reason})
    reply = await zapi.call("POST", "/catalogs/config", json={})
    assert (reply.status, reply.body) == (400, {"error": "cartEnabled: This field is required."})
    settings = {"visualizationType": "CONTACT_BLACKLIST", "contactsBlacklist": LIST}
    reply = await zapi.call("POST", "/privacy/last-seen", json=settings)
    assert reply.status == 400
    assert reply.body["error"].startswith("contactsBlacklist: only Z-API itself")


def test_every_reason_says_something() -> None:
    for route in ROUTES:
        if isinstance(route, Relayed):
            assert len(route.reason.split()) > 4, route.path
            assert not route.needs, route.path


async def _raw(passed: Passed, path: str) -> clients.Reply:
    """A DELETE whose path is not made tidy on its way."""
    import aiohttp
    from yarl import URL

    passed.server.requests.clear()
    passed.server.replies[:] = [SUCCESS]
    company = passed.client.company
    async with aiohttp.ClientSession() as session:
        url = URL(f"{company.url}{passed.client.base}{path}", encoded=True)
        async with session.delete(url) as answer:
            return clients.Reply(status=answer.status, headers=answer.headers, body=await answer.json())
