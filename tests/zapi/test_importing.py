"""Taking an account over from Z-API, which is a local server here."""

from typing import Any

import msgspec
import pytest

from recado.domain.errors import NotFound, ProviderFailed
from recado.services import companies
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, importing, partners
from recado.services.zapi.importing import Known, Source
from recado.testing.upstream import Reply, Upstream, json
from tests.support import secrets

ID, TOKEN = "3A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D", "8B5F4E6F2A9C4B1D8E7F6A5B"
OTHER_ID, OTHER_TOKEN = "4A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D", "9B5F4E6F2A9C4B1D8E7F6A5B"
ME: dict[str, Any] = {
    "id": ID,
    "token": TOKEN,
    "name": "Vendas",
    "due": 1772452800,
    "connected": True,
    "paymentStatus": "PAID",
    "created": "2025-01-31T12:00:00Z",
    "connectedCallbackUrl": "https://client.example/connected",
    "deliveryCallbackUrl": "https://client.example/delivery",
    "disconnectedCallbackUrl": None,
    "messageStatusCallbackUrl": "https://client.example/status",
    "presenceChatCallbackUrl": "",
    "receivedCallbackUrl": "https://client.example/received",
    "receiveCallbackSentByMe": True,
    "callRejectAuto": True,
    "callRejectMessage": "Não atendemos ligações.",
    "autoReadMessage": False,
}


async def test_a_partner_brings_all_instances_with_webhooks_and_tokens(runtime: Runtime) -> None:
    for secret in (TOKEN, OTHER_TOKEN):
        secrets.register(secret)
    made = await companies.create(runtime, name="Padaria", settings={})
    company_id = made.company.id
    listed = {
        "total": 2,
        "totalPage": 1,
        "content": [
            {"id": ID, "token": TOKEN, "name": "Vendas"},
            {"id": OTHER_ID, "token": OTHER_TOKEN, "name": "Dois"},
        ],
    }
    replies = [json(listed), json(ME), json({"error": "Instance not found"}, status=404)]
    async with Upstream(replies) as upstream:
        source = Source(
            base_url=upstream.url,
            client_token=secrets.register("F0123456789abcdefS"),
            partner_token=secrets.register("a-partner-token-0123"),
        )
        known = await importing.read_list(runtime, source)
        assert [one.id for one in known] == [ID, OTHER_ID]
        first, second = await importing.take_over(runtime, company_id, source, known, kind="sandbox")
        assert [request.path.replace(TOKEN, "T") for request in upstream.requests[:2]] == [
            "/instances?page=1&pageSize=100",
            f"/instances/{ID}/token/T/me",
        ]
        assert upstream.requests[0].headers["authorization"] == f"Bearer {source.partner_token}"
        assert upstream.requests[1].headers["client-token"] == source.client_token
        assert (first.outcome, first.name) == ("imported", "Vendas")
        assert list(first.webhooks) == ["delivery", "received", "message_status", "connected"]
        assert second.outcome == "failed"
        assert "404" in str(second.why)
        assert OTHER_TOKEN not in str(second.why)

        upstream.replies = [json({**ME, "receivedCallbackUrl": "https://client.example/moved"})]
        [again] = await importing.take_over(runtime, company_id, source, known[:1], kind="sandbox")
        assert again.outcome == "known"

    view = await runtime.directory.zapi(ID)
    assert (view.company_id, view.token) == (company_id, TOKEN)
    assert view.settings.webhooks["received"] == "https://client.example/moved"
    assert view.settings.notify_sent_by_me
    assert (view.settings.call_reject_auto, view.settings.call_reject_message) == (True, ME["callRejectMessage"])
    account = await accounts.show_account(runtime, company_id)
    assert (account.client_token_enabled, account.partner_token) == (True, True)
    instance = await runtime.directory.instance(company_id, view.id)
    assert instance.settings.ordering == "instance"
    assert instance.settings.pacing is not None
    assert instance.settings.pacing.first_contacts_per_hour == 0


async def test_an_id_that_another_company_has_is_not_taken(runtime: Runtime) -> None:
    secrets.register(TOKEN)
    one = await companies.create(runtime, name="Padaria", settings={})
    two = await companies.create(runtime, name="Açougue", settings={})
    async with Upstream([json(ME)]) as upstream:
        source = Source(base_url=upstream.url, instances=[Known(id=ID, token=TOKEN)])
        [first] = await importing.take_over(runtime, one.company.id, source, source.instances, kind="sandbox")
        [second] = await importing.take_over(runtime, two.company.id, source, source.instances, kind="sandbox")
    assert (first.outcome, second.outcome) == ("imported", "failed")
    assert (await runtime.directory.zapi(ID)).company_id == one.company.id


async def test_an_instance_of_z_api_itself_keeps_its_credentials(runtime: Runtime) -> None:
    secrets.register(TOKEN)
    made = await companies.create(runtime, name="Padaria", settings={})
    async with Upstream([json(ME)]) as upstream:
        token = secrets.register("F0123456789abcdefS")
        source = Source(base_url=upstream.url, client_token=token, instances=[Known(id=ID, token=TOKEN)])
        [taken] = await importing.take_over(runtime, made.company.id, source, source.instances, kind="zapi")
    assert taken.outcome == "imported", taken.why
    view = await runtime.directory.zapi(ID)
    instance = await runtime.directory.instance(made.company.id, view.id)
    assert instance.active is not None
    assert instance.active.kind == "zapi"
    assert dict(instance.active.connection.credentials) == {"instance_id": ID, "token": TOKEN, "client_token": token}


async def test_a_closed_instance_is_unknown_to_z_api_clients(runtime: Runtime) -> None:
    secrets.register(TOKEN)
    made = await companies.create(runtime, name="Padaria", settings={})
    async with Upstream([json(ME)]) as upstream:
        source = Source(base_url=upstream.url, instances=[Known(id=ID, token=TOKEN)])
        await importing.take_over(runtime, made.company.id, source, source.instances, kind="sandbox")
    view = await runtime.directory.zapi(ID)
    await partners.close_instance(runtime, made.company.id, view.id)
    try:
        await runtime.directory.zapi(ID)
    except NotFound:
        pass
    else:
        raise AssertionError("it is still open")
    async with runtime.db.work() as connection:
        left = await connection.fetchval("SELECT count(*) FROM webhooks WHERE format = 'zapi' AND events <> '{}'")
    assert left == 0, "nothing is told to its webhooks any more"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (json({"error": "NOT_FOUND", "message": "Unable"}), "NOT_FOUND"),
        (json({"error": "Client-Token an-older-client-token not allowed"}, status=403), "403"),
        (json({**ME, "callRejectAuto": "maybe"}), "callRejectAuto"),
        (json({**ME, "id": OTHER_ID}), "not about this instance"),
        (json({}), "not about this instance"),
        (json([ME]), "Expected `object`"),
        (json({}, status=302), "302"),
        (Reply(body=b"<html>\xff"), "malformed"),
        (Reply(body=b'{"id":"\xff"}'), "utf-8"),
    ],
)
async def test_what_z_api_does_not_answer_to_changes_nothing(runtime: Runtime, reply: Reply, why: str) -> None:
    """Also a 200 that is an error, which would take all webhooks away; and no token gets into the log or the answer."""
    secrets.register(TOKEN)
    older, right = secrets.register("an-older-client-token"), secrets.register("the-right-client-token")
    made = await companies.create(runtime, name="Padaria", settings={})
    company_id = made.company.id
    async with Upstream([json(ME), reply]) as upstream:
        source = Source(base_url=upstream.url, client_token=right, instances=[Known(id=ID, token=TOKEN)])
        await importing.take_over(runtime, company_id, source, source.instances, kind="sandbox")
        before = await runtime.directory.zapi(ID)
        wrong = msgspec.structs.replace(source, client_token=older)
        [failed] = await importing.take_over(runtime, company_id, wrong, source.instances, kind="sandbox")
    assert failed.outcome == "failed"
    assert why in str(failed.why)
    assert TOKEN not in str(failed.why)
    assert older not in str(failed.why)
    runtime.directory.invalidate()
    assert await runtime.directory.zapi(ID) == before, "settings, webhooks and the Client-Token are those of before"


async def test_a_list_that_cannot_be_read_shows_no_tokens(runtime: Runtime) -> None:
    token = secrets.register(TOKEN)
    for body in ({"content": [{"token": token, "id": 5, "name": 5}]}, {"error": "partner"}):
        async with Upstream([json(body)]) as upstream:
            source = Source(base_url=upstream.url, partner_token=secrets.register("a-partner-token-0123"))
            with pytest.raises(ProviderFailed) as raised:
                await importing.read_list(runtime, source)
        assert token not in raised.value.detail


async def test_importing_again_behind_recado_keeps_the_clients_webhooks(runtime: Runtime) -> None:
    """Once it is connected Z-API's own webhooks lead here: taken for the client's, events would go round in a circle."""
    secrets.register(TOKEN)
    made = await companies.create(runtime, name="Padaria", settings={})
    ours = {
        name: f"https://recado.example.com/hooks/zapi/{'k' * 32}" for name in ME if name.endswith("CallbackUrl")
    } | {"receiveCallbackSentByMe": True, "autoReadMessage": True}
    first = {**ME, "receiveCallbackSentByMe": False}
    async with Upstream([json(first), json({**ME, **ours})]) as upstream:
        source = Source(base_url=upstream.url, instances=[Known(id=ID, token=TOKEN)])
        await importing.take_over(runtime, made.company.id, source, source.instances, kind="sandbox")
        before = (await runtime.directory.zapi(ID)).settings
        [again] = await importing.take_over(runtime, made.company.id, source, source.instances, kind="sandbox")
    assert (again.outcome, list(again.webhooks)) == ("known", [])
    assert "tells Recado already" in str(again.why)
    after = (await runtime.directory.zapi(ID)).settings
    assert (after.webhooks, after.notify_sent_by_me) == (before.webhooks, False)
    assert after.auto_read_message, "the rest is taken over still"


async def test_another_token_for_a_known_instance_is_told(runtime: Runtime) -> None:
    secrets.register(TOKEN)
    made = await companies.create(runtime, name="Padaria", settings={})
    async with Upstream([json(ME)]) as upstream:
        source = Source(base_url=upstream.url, instances=[Known(id=ID, token=TOKEN)])
        await importing.take_over(runtime, made.company.id, source, source.instances, kind="sandbox")
        moved = [Known(id=ID, token=secrets.register(OTHER_TOKEN))]
        [again] = await importing.take_over(runtime, made.company.id, source, moved, kind="sandbox")
    assert (again.outcome, (await runtime.directory.zapi(ID)).token) == ("failed", TOKEN)
    assert "another token" in str(again.why)
