"""What strangers, careless clients and two requests at once can do to the surface."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from recado.api.zapi import fields, routes
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Route
from recado.config import Settings
from recado.domain.zapi import AccountSettings
from recado.services.zapi import accounts
from tests.support import client as clients
from tests.support import databases, secrets
from tests.zapi.conftest import ZapiClient

TEXT = {"phone": "5511999990002", "message": "oi"}
_JSON = {"content-type": "application/json"}

_SEND_TEXT = next(route for route in routes.ROUTES if route.path == "/send-text")

#: What stands behind the instance's address, or the host's where it begins with a bang; the method, the body, the status.
_ODD: list[tuple[str, str, bytes, int]] = [
    ("GET", "!/instances/%00/token/x/status", b"", 400),
    ("GET", "!/instances/%ff/token/x/status", b"", 404),
    ("GET", "!/instances/" + "A" * 20_000 + "/token/x/status", b"", 404),
    ("GET", "!/instances/", b"", 401),
    ("GET", "/status/", b"", 200),
    ("GET", "/status?x=%00&x=%ff&x", b"{}", 200),
    ("POST", "/send-text", b'{"phone":"\xff","message":"x"}', 400),
    ("POST", "/send-text", b'{"phone":"5511999990002","message":"\\u0000"}', 400),
    ("POST", "/send-text", b'{"phone":"5511999990002","message":"a","messageId":"\\u0000a"}', 400),
    ("POST", "/send-text", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    ("POST", "/send-text", b'{"phone":1,"message":null,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    ("POST", "/send-text", b'{"phone":98372465382764532938,"message":"a"}', 400),
    ("PUT", "/update-webhook-received", b'{"value":"https://x.example/\\r\\nX: y"}', 400),
    ("PUT", "/profile-picture", b'{"value":"http://169.254.169.254/"}', 400),
]


async def test_no_input_is_a_fault_of_ours(zapi: ZapiClient) -> None:
    async with aiohttp.ClientSession() as session:
        for method, path, body, status in _ODD:
            url = zapi.company.url + (path[1:] if path.startswith("!") else zapi.base + path)
            async with session.request(method, URL(url, encoded=True), data=body, headers=_JSON) as reply:
                assert (reply.status, path[:60]) == (status, path[:60]), await reply.text()
                if status >= 400:
                    assert isinstance(msgspec.json.decode(await reply.read())["error"], str)


async def test_a_wrong_method_is_told_the_right_ones(zapi: ZapiClient) -> None:
    reply = await zapi.call("GET", "/send-text")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def _optional_nulls() -> list[tuple[Route, bytes]]:
    found = []
    for route in routes.ROUTES:
        body = route.body
        if not (isinstance(body, type) and issubclass(body, msgspec.Struct) and isinstance(route.example.body, dict)):
            continue
        nulls = {field.encode_name: None for field in msgspec.structs.fields(body) if not field.required}
        if nulls:
            found.append((route, msgspec.json.encode(nulls | {k: v for k, v in route.example.body.items() if v})))
            found.append((route, msgspec.json.encode(route.example.body | nulls)))
    return found


def test_an_optional_field_may_be_null() -> None:
    """As the serialisers of C# and Java write what is not set."""
    for route, body in _optional_nulls():
        route.read_body(body)


def test_what_is_not_set_may_be_empty() -> None:
    """As form builders write it; what means something where it is empty stays."""
    read = _SEND_TEXT.read_body(b'{"phone":"1","message":"oi","delayMessage":"","messageId":""}')
    assert (read.delay_message, read.message_id) == (None, None)
    every = next(route for route in routes.ROUTES if route.path == "/update-every-webhooks")
    assert every.read_body(b'{"value":"","notifySentByMe":null}').value == ""
    listed = next(route for route in routes.ROUTES if (route.method, route.path) == ("GET", "/instances"))
    assert listed.read_query({"page": "", "pageSize": "10"}).page == 1


@pytest.mark.parametrize("phone", [b"null", b"true", b"[]", b"{}"])
def test_what_is_required_must_be_there(phone: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"at `\$.phone`"):
        _SEND_TEXT.read_body(b'{"phone":' + phone + b',"message":"oi","delayMessage":"","x":null}')


@pytest.mark.parametrize(
    "phone", ["+55 (11) 99999-0002", "55 11 99999 0002", "+5511999990002", "5511999990002@c.us", 5511999990002]
)
def test_a_phone_may_be_written_as_people_do(phone: str | int) -> None:
    assert fields.recipient(phone) == "5511999990002"


@pytest.mark.parametrize(
    "phone", ["US.13491208655302741918", "0192f5a0-0000-7000-8000-000000000000", "1-1", "", "-group"]
)
def test_what_z_api_has_no_word_for_is_no_phone(phone: str) -> None:
    with pytest.raises(ZapiError, match="Invalid phone"):
        fields.recipient(phone)


# --- two at once ------------------------------------------------------------------------------------------


async def test_changes_of_an_account_at_once_are_all_kept(zapi: ZapiClient) -> None:
    changes = {"phone_exists": "array", "unknown_route": 404, "documentation": "older", "kind": "sandbox"}
    client_token = {"client_token": secrets.register("a-client-token-0123")}
    await asyncio.gather(
        *(_change(zapi, settings={name: value}) for name, value in changes.items()), _change(zapi, **client_token)
    )
    account = await zapi.company.get("/v1/zapi")
    assert {name: account["settings"][name] for name in changes} == changes
    assert account["client_token"] is True
    await _change(zapi, settings=dict.fromkeys(changes))


async def test_opening_at_once_opens_once(zapi: ZapiClient) -> None:
    made = await zapi.company.post("/v1/instances", {"name": "Dois", "kind": "sandbox"})
    path = f"/v1/instances/{made['id']}/zapi"
    replies = await asyncio.gather(*(zapi.company.call("PUT", path, json={}) for _ in range(5)))
    assert [reply.status for reply in replies] == [200] * 5
    assert len({reply.body["token"] for reply in replies}) == 1


async def test_an_id_that_is_taken_changes_nothing(zapi: ZapiClient) -> None:
    made = await zapi.company.post("/v1/instances", {"name": "Três", "kind": "sandbox"})
    taken = await zapi.company.call("PUT", f"/v1/instances/{made['id']}/zapi", json={"id": zapi.id})
    assert (taken.status, taken.body["code"]) == (409, "id_taken")
    after = await zapi.company.get(f"/v1/instances/{made['id']}")
    assert after["settings"] == made["settings"]


# --- who may call -----------------------------------------------------------------------------------------


async def test_partners_call_from_listed_addresses_too(zapi: ZapiClient) -> None:
    await _change(zapi, settings={"allowed_ips": ["192.0.2.1"]})
    root = await zapi.partner("GET", "/instances")
    below = await zapi.partner("POST", "/integrator/on-demand/cancel", below=True)
    assert (root.status, below.status) == (403, 403)
    assert root.body == below.body == {"error": "[127.0.0.1] not allowed"}
    await _change(zapi, settings={"allowed_ips": ["127.0.0.0/8"]})
    assert (await zapi.partner("GET", "/instances")).status in (200, 201)
    await _change(zapi, settings={"allowed_ips": None})
    wrong = await zapi.company.call("PATCH", "/v1/zapi", json={"settings": {"allowed_ips": ["::1", "localhost"]}})
    assert (wrong.status, wrong.body["errors"][0]["field"]) == (422, "settings.allowed_ips[1]")


@pytest.mark.parametrize(
    ("caller", "may"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("", False), ("::1", False)],
)
def test_an_address_is_looked_for_in_networks(caller: str, may: bool) -> None:
    assert accounts.may_call(AccountSettings(allowed_ips=["10.0.0.0/8"]), caller) is may
    assert accounts.may_call(AccountSettings(), caller)


async def test_another_company_changes_nothing_here(zapi: ZapiClient, module_recado: Any) -> None:
    async with clients.connect(module_recado.url, module_recado.admin_token) as admin:
        other = await clients.make_company(admin, "Açougue")
        path = f"/v1/instances/{zapi.instance_id}/zapi"
        seen = [
            await other.call(method, path, json={} if method == "PUT" else None) for method in ("GET", "PUT", "DELETE")
        ]
        assert [reply.status for reply in seen] == [404, 404, 404]
        cancelled = await other.call("POST", f"{zapi.base}/integrator/on-demand/cancel")
        assert (cancelled.status, cancelled.body) == (404, {"error": "Instance not found"})
        assert (await other.get("/instances"))["content"] == []
        assert (await admin.call("GET", "/instances")).status == 401
    assert (await zapi.company.as_(zapi.token).call("GET", "/instances")).status == 401
    await zapi.get("/status")


# --- partners -----------------------------------------------------------------------------------------------


async def test_a_page_behind_the_last_still_counts(zapi: ZapiClient) -> None:
    everything = (await zapi.partner("GET", "/instances")).body["total"]
    assert everything > 0
    for page in (2, 10**30):
        reply = await zapi.partner("GET", "/instances", params={"page": page, "pageSize": 100})
        assert (reply.status, reply.body["total"], reply.body["totalPage"], reply.body["content"]) == (
            200, everything, 1, [],
        )  # fmt: skip
    mobile = await zapi.partner("GET", "/instances", params={"middleware": "mobile"})
    assert (mobile.body["total"], mobile.body["content"]) == (0, [])
    one = await zapi.partner("GET", "/instances", params={"query": zapi.id.lower()})
    assert [shown["id"] for shown in one.body["content"]] == [zapi.id]


async def test_a_name_has_a_length(zapi: ZapiClient) -> None:
    for name in ("", "x" * 201):
        reply = await zapi.partner("POST", "/instances/integrator/on-demand", json={"name": name})
        assert reply.status == 400
        assert reply.body["error"].startswith("name: ")


async def test_a_deleted_instance_is_unknown_and_can_come_back(zapi: ZapiClient) -> None:
    path = f"/v1/instances/{zapi.instance_id}/zapi"
    assert (await zapi.company.call("DELETE", path)).status == 204
    assert (await zapi.call("POST", "/send-text", json=TEXT)).status == 404
    again = await zapi.company.call("PUT", path, json={"id": zapi.id, "token": zapi.token})
    assert again.status == 200
    await zapi.post("/send-text", TEXT)
    assert (await zapi.company.call("DELETE", f"/v1/instances/{zapi.instance_id}")).status == 204
    assert (await zapi.call("POST", "/send-text", json=TEXT)).status == 404


async def _change(zapi: ZapiClient, **changes: Any) -> None:
    reply = await zapi.company.call("PATCH", "/v1/zapi", json=changes)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize(("proxies", "caller"), [(("127.0.0.0/8",), "192.0.2.1"), ((), "127.0.0.1")])
async def test_only_a_trusted_proxy_is_believed_whom_it_names(
    server: databases.Server, tmp_path: Path, proxies: tuple[str, ...], caller: str
) -> None:
    from recado.app import Recado

    url = await server.fresh()
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "pool_size": 2, "shutdown_grace_seconds": 5}
    recado = Recado(Settings(data_dir=tmp_path, database_url=url, trusted_proxies=proxies, **given))
    await recado.start()
    try:
        async with clients.connect(recado.url, recado.admin_token) as admin:
            company = await clients.make_company(admin)
            instance = await company.post("/v1/instances", {"name": "Teste", "kind": "sandbox"})
            opened = await company.call("PUT", f"/v1/instances/{instance['id']}/zapi", json={})
            token = secrets.register(opened.body["token"])
            changed = await company.call("PATCH", "/v1/zapi", json={"settings": {"allowed_ips": ["203.0.113.0/24"]}})
            assert changed.status == 200, changed.body
            path = f"/instances/{opened.body['id']}/token/{token}/status"
            named = {"x-forwarded-for": "198.51.100.9, 192.0.2.1"}
            reply = await admin.as_(None).call("GET", path, headers=named)
            assert (reply.status, reply.body) == (403, {"error": f"[{caller}] not allowed"})
    finally:
        await recado.stop()
        await server.drop(url)


async def test_a_provider_that_says_no_has_answered(zapi: ZapiClient) -> None:
    for path in ("/group-metadata/120363019502659999-group", "/chats/5511977770000"):
        reply = await zapi.call("GET", path)
        assert reply.status == 404, reply.body
    reply = await zapi.call("GET", "/accept-invite-group", params={"url": "https://chat.whatsapp.com/nothing"})
    assert reply.status in (400, 404), "never a 5xx for what does something"
