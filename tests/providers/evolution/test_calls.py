"""Sessions, connecting, status, media, reading, typing and health: everything but sending and the areas."""

import base64
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.domain import provider as contract
from recado.domain.events import MediaRef
from recado.domain.ids import ConnectionId
from recado.domain.provider import CallFailed, Connection
from recado.domain.states import ConnectionStatus
from recado.kit.http import Http
from recado.providers.evolution.adapter import Evolution
from recado.testing import tables, upstream
from recado.testing.upstream import Reply, Upstream
from tests.providers.evolution.rows import ACCESS_TOKEN, API_KEY, INSTANCE, SECRET, TOKEN, cloud, connect

OK = upstream.json({"status": "SUCCESS", "error": False, "response": {"message": "done"}})
CREATED = upstream.json({"instance": {"instanceName": "x", "status": "close"}, "hash": "T"}, status=201)
NAME = "rcd-00000000000000000000000000000001"


def failure(status: int, *message: str) -> Reply:
    return upstream.json({"status": status, "error": "x", "response": {"message": list(message)}}, status=status)


TAKEN = failure(403, f'This name "{NAME}" is already in use.')
GONE = failure(404, f'The "{INSTANCE}" instance does not exist')


def test_evolution_fulfils_the_optional_protocols(evolution: Evolution) -> None:
    for protocol in (
        contract.FetchesMedia,
        contract.MarksRead,
        contract.ShowsTyping,
        contract.TellsAccount,
        contract.Restarts,
        contract.ChecksContent,
        contract.ManagesSessions,
        contract.RegistersWebhook,
        contract.RedactsWebhooks,
        contract.Varies,
    ):
        assert isinstance(evolution, protocol)
    assert not isinstance(evolution, contract.FindsMessages)
    assert evolution.account({"instance": "padaria"}) == "padaria"
    assert evolution.account({}) is None
    assert evolution.variant(cloud("http://x.test")) == "cloud"
    assert evolution.variant(connect("http://x.test", channel="WHATSAPP-BUSINESS")) == "cloud"
    assert evolution.variant(connect("http://x.test")) == "baileys"


# --- sessions ----------------------------------------------------------------------------------------------


def bare(connection: Connection) -> Connection:
    """The connection before it had a session."""
    kept = {k: v for k, v in connection.credentials.items() if k not in ("token", "webhook_secret")}
    return msgspec.structs.replace(connection, account=None, credentials=kept)


async def test_a_session_is_made_with_its_webhook(evolution: Evolution) -> None:
    async with Upstream([CREATED]) as server:
        session = await evolution.open_session(bare(connect(server.url)))
    assert session.account == NAME
    [request] = server.requests
    assert (request.method, request.path, request.headers["apikey"]) == ("POST", "/instance/create", API_KEY)
    sent = msgspec.json.decode(request.body)
    assert (sent["instanceName"], sent["integration"], sent["qrcode"]) == (NAME, "WHATSAPP-BAILEYS", False)
    assert sent["token"] == session.credentials["token"]
    assert sent["webhook"]["url"] == "https://recado.test/hooks/key"
    assert sent["webhook"]["headers"] == {"x-recado-secret": session.credentials["webhook_secret"]}
    assert (sent["webhook"]["base64"], sent["webhook"]["byEvents"]) == (False, False)
    assert "MESSAGES_SET" not in sent["webhook"]["events"]
    assert len(session.credentials["webhook_secret"]) > 40


async def test_a_session_on_the_cloud_channel(evolution: Evolution) -> None:
    async with Upstream([CREATED]) as server:
        session = await evolution.open_session(bare(cloud(server.url)))
    sent = msgspec.json.decode(server.requests[0].body)
    assert (sent["integration"], sent["number"], sent["token"], sent["businessId"]) == (
        "WHATSAPP-BUSINESS",
        "1065",
        ACCESS_TOKEN,
        "2077",
    )
    assert set(session.credentials) == {"webhook_secret"}
    with pytest.raises(CallFailed, match="needs phone_number_id"):
        await evolution.open_session(bare(connect("http://127.0.0.1:9", channel="cloud")))


async def test_a_session_of_an_earlier_try_is_taken_over(evolution: Evolution) -> None:
    async with Upstream([TAKEN, OK]) as server:
        session = await evolution.open_session(bare(connect(server.url)))
    assert (session.account, set(session.credentials)) == (NAME, {"webhook_secret"})
    hook = server.requests[1]
    assert (hook.path, hook.headers["apikey"]) == (f"/webhook/set/{NAME}", API_KEY)
    headers = msgspec.json.decode(hook.body)["webhook"]["headers"]
    assert headers == {"x-recado-secret": session.credentials["webhook_secret"]}


@pytest.mark.parametrize(
    "reply", [failure(403, "Missing global api key"), failure(401, "Unauthorized"), Reply(status=500)]
)
async def test_a_session_that_cannot_be_made(reply: Reply, evolution: Evolution) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed):
            await evolution.open_session(bare(connect(server.url)))
        assert len(server.requests) == 1


async def test_a_session_is_removed_once(evolution: Evolution) -> None:
    for reply in (OK, GONE):
        async with Upstream([reply]) as server:
            await evolution.close_session(connect(server.url))
            assert [(r.method, r.path) for r in server.requests] == [("DELETE", f"/instance/delete/{INSTANCE}")]
    async with Upstream([failure(400, "x")]) as server:
        with pytest.raises(CallFailed):
            await evolution.close_session(connect(server.url))


async def test_the_webhook_is_registered_with_what_the_server_knows(evolution: Evolution) -> None:
    async with Upstream([failure(400, "events[7] is not one of enum values"), OK]) as server:
        await evolution.register_webhook(connect(server.url))
    first, second = (msgspec.json.decode(request.body)["webhook"] for request in server.requests)
    assert set(first["events"]) - set(second["events"]) >= {"MESSAGES_EDITED", "LABELS_EDIT", "STATUS_INSTANCE"}
    assert {k: v for k, v in first.items() if k != "events"} == {k: v for k, v in second.items() if k != "events"}
    assert first["headers"] == {"x-recado-secret": SECRET}


async def test_a_webhook_of_an_instance_without_a_secret_is_known_by_one_that_follows_from_its_key(
    evolution: Evolution,
) -> None:
    async with Upstream([OK]) as server:
        connection = without_secret(connect(server.url))
        await evolution.register_webhook(connection)
        await evolution.register_webhook(connection)
    first, second = (msgspec.json.decode(request.body)["webhook"]["headers"] for request in server.requests)
    assert first == second
    [secret] = first.values()
    assert TOKEN not in secret
    assert API_KEY not in secret
    assert evolution.verify(connection, first, b"{}")
    assert not evolution.verify(connection, {"x-recado-secret": secret[:-1]}, b"{}")
    # Another connection's, the same instance with another key, one with a secret of its own: none is opened by it.
    other = ConnectionId(UUID(int=7))
    assert not evolution.verify(msgspec.structs.replace(connection, id=other), first, b"{}")
    rekeyed = msgspec.structs.replace(connection, credentials={"token": "another-token"})
    assert not evolution.verify(rekeyed, first, b"{}")
    assert not evolution.verify(connect("http://x.test"), first, b"{}")


async def test_a_token_given_later_does_not_turn_webhooks_away(evolution: Evolution) -> None:
    async with Upstream([OK]) as server:
        connection = without_secret(connect(server.url))
        await evolution.register_webhook(msgspec.structs.replace(connection, credentials={}))
    headers = msgspec.json.decode(server.requests[0].body)["webhook"]["headers"]
    assert evolution.verify(connection, headers, b"{}")


async def test_a_webhook_that_cannot_be_registered(evolution: Evolution) -> None:
    async with Upstream([Reply(status=502)]) as server:
        with pytest.raises(CallFailed):
            await evolution.register_webhook(connect(server.url))
    with pytest.raises(CallFailed, match="neither") as caught:
        await evolution.register_webhook(tables.connection("http://127.0.0.1:9", kind="evolution", account=INSTANCE))
    assert caught.value.retryable is False


def without_secret(connection: Connection) -> Connection:
    kept = {k: v for k, v in connection.credentials.items() if k != "webhook_secret"}
    return msgspec.structs.replace(connection, credentials=kept)


# --- connecting --------------------------------------------------------------------------------------------

SHOWN = {"pairingCode": None, "code": "2@abc", "base64": "data:image/png;base64,AA==", "count": 1}


async def test_connecting_shows_a_code(evolution: Evolution) -> None:
    async with Upstream([upstream.json(SHOWN), upstream.json(SHOWN | {"pairingCode": "ABCD1234"})]) as server:
        scanned = await evolution.connect(connect(server.url), method="qr", phone=None)
        typed = await evolution.connect(connect(server.url), method="phone_code", phone="+55 11 99999-0001")
    assert [request.path for request in server.requests] == [
        f"/instance/connect/{INSTANCE}",
        f"/instance/connect/{INSTANCE}?number=5511999990001",
    ]
    assert (scanned.status, scanned.qr, scanned.pairing_code) == (ConnectionStatus.QR, "2@abc", None)
    assert typed.pairing_code == "ABCD1234"
    assert scanned.expires_at is not None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"instance": {"instanceName": INSTANCE, "state": "open"}}, ConnectionStatus.CONNECTED),
        ({"count": 0}, ConnectionStatus.CONNECTING),
        ({"instance": {"status": "connecting"}, "qrcode": {}}, ConnectionStatus.CONNECTING),
    ],
)
async def test_connecting_may_show_none(answer: Any, status: ConnectionStatus, evolution: Evolution) -> None:
    async with Upstream([upstream.json(answer)]) as server:
        assert (await evolution.connect(connect(server.url), method="qr", phone=None)).status is status


@pytest.mark.parametrize(
    "reply", [upstream.json({"error": True, "message": "Error: x"}), upstream.json([]), Reply(status=500)]
)
async def test_connecting_may_fail(reply: Reply, evolution: Evolution) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed):
            await evolution.connect(connect(server.url), method="qr", phone=None)


STATES: tuple[tuple[Reply, ConnectionStatus], ...] = (
    (upstream.json({"instance": {"instanceName": INSTANCE, "state": "open"}}), ConnectionStatus.CONNECTED),
    (upstream.json({"instance": {"instanceName": INSTANCE, "state": "connecting"}}), ConnectionStatus.CONNECTING),
    (upstream.json({"instance": {"instanceName": INSTANCE, "state": "close"}}), ConnectionStatus.DISCONNECTED),
    (upstream.json({"instance": {"instanceName": INSTANCE}}), ConnectionStatus.DISCONNECTED),
    (GONE, ConnectionStatus.LOGGED_OUT),
)


@pytest.mark.parametrize(("reply", "status"), STATES)
async def test_status(reply: Reply, status: ConnectionStatus, evolution: Evolution) -> None:
    async with Upstream([reply]) as server:
        state = await evolution.status(connect(server.url))
    assert state.status is status
    assert (state.reason is None) == (status in (ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING))
    assert server.requests[0].path == f"/instance/connectionState/{INSTANCE}"


async def test_status_that_nobody_tells(evolution: Evolution) -> None:
    for reply in (Reply(status=502, body=b"<html>"), failure(401, "Unauthorized")):
        async with Upstream([reply]) as server:
            with pytest.raises(CallFailed):
                await evolution.status(connect(server.url))
    with pytest.raises(CallFailed, match="NotSent"):
        await evolution.status(connect("http://127.0.0.1:9"))
    with pytest.raises(CallFailed, match="no instance") as caught:
        await evolution.status(msgspec.structs.replace(connect("http://127.0.0.1:9"), account=None))
    assert caught.value.code == "no_session"


async def test_disconnecting_twice_is_fine(evolution: Evolution) -> None:
    for logout in (True, False):
        for reply in (OK, GONE, failure(400, f'The "{INSTANCE}" instance is not connected')):
            async with Upstream([reply]) as server:
                await evolution.disconnect(connect(server.url), logout=logout)
                assert (server.requests[0].method, server.requests[0].path) == (
                    "DELETE",
                    f"/instance/logout/{INSTANCE}",
                )
    async with Upstream([Reply(status=500)]) as server:
        with pytest.raises(CallFailed):
            await evolution.disconnect(connect(server.url), logout=True)


async def test_the_cloud_channel_is_not_stopped_because_it_would_not_start_again(evolution: Evolution) -> None:
    await evolution.disconnect(cloud("http://127.0.0.1:9"), logout=True)


async def test_restart(evolution: Evolution) -> None:
    state = upstream.json({"instance": {"state": "open"}})
    async with Upstream([state]) as server:
        assert (await evolution.restart(connect(server.url))).status is ConnectionStatus.CONNECTED
        assert [request.method for request in server.requests] == ["POST"]
    async with Upstream([failure(404, f"Cannot POST /instance/restart/{INSTANCE}"), state]) as server:
        assert (await evolution.restart(connect(server.url))).status is ConnectionStatus.CONNECTED
        assert [request.method for request in server.requests] == ["POST", "PUT"]
    # A closed instance is refused with a 200.
    closed = upstream.json({"error": True, "message": "[object Object]"})
    async with Upstream([closed, upstream.json(SHOWN)]) as server:
        assert (await evolution.restart(connect(server.url))).qr == "2@abc"
        assert [request.path for request in server.requests][1] == f"/instance/connect/{INSTANCE}"
    async with Upstream([GONE]) as server:
        with pytest.raises(CallFailed):
            await evolution.restart(connect(server.url))
        assert len(server.requests) == 1


async def test_health(evolution: Evolution) -> None:
    greeting = {"status": 200, "message": "Welcome to the Evolution API, it is working!", "version": "2.3.6"}
    async with Upstream([upstream.json(greeting)]) as server:
        health = await evolution.health(connect(server.url).server)
        assert "apikey" not in server.requests[0].headers
    assert (health.healthy, health.version) == (True, "2.3.6")
    for reply in (Reply(body=b"<html>nginx</html>"), Reply(status=502), upstream.json({"version": 2})):
        async with Upstream([reply]) as server:
            assert (await evolution.health(connect(server.url).server)).healthy is False
    assert "NotSent" in ((await evolution.health(connect("http://127.0.0.1:9").server)).why or "")


# --- messages ----------------------------------------------------------------------------------------------


async def test_reading_and_typing(evolution: Evolution) -> None:
    async with Upstream([OK]) as server:
        await evolution.mark_read(connect(server.url), chat="5511999990001", provider_id="3A01")
        await evolution.show_typing(connect(server.url), chat="5511999990001", last_received=None)
        await evolution.show_typing(connect(server.url), chat="1@lid", last_received=None, recording=True)
    assert [(request.path, msgspec.json.decode(request.body)) for request in server.requests] == [
        (
            f"/chat/markMessageAsRead/{INSTANCE}",
            {"readMessages": [{"remoteJid": "5511999990001@s.whatsapp.net", "fromMe": False, "id": "3A01"}]},
        ),
        (f"/chat/sendPresence/{INSTANCE}", {"number": "5511999990001", "presence": "composing", "delay": 5000}),
        (f"/chat/sendPresence/{INSTANCE}", {"number": "1@lid", "presence": "recording", "delay": 5000}),
    ]


FILE = bytes(range(256)) * 8_000
KEY = {"id": "3A01", "remoteJid": "5511999990001@s.whatsapp.net", "fromMe": False}
REF = {"key": KEY, "message": {"imageMessage": {"mediaKey": "AA=="}}}


async def fetched(evolution: Evolution, connection: Connection, ref: dict[str, Any]) -> bytes:
    return b"".join([chunk async for chunk in evolution.fetch_media(connection, MediaRef(ref=ref))])


async def test_media_is_decrypted_by_the_server(evolution: Evolution) -> None:
    answer = {"mediaType": "imageMessage", "mimetype": "image/png", "base64": base64.b64encode(FILE).decode()}
    async with Upstream([upstream.json(answer, status=201)]) as server:
        assert await fetched(evolution, connect(server.url), REF) == FILE
    [request] = server.requests
    assert request.path == f"/chat/getBase64FromMediaMessage/{INSTANCE}"
    assert msgspec.json.decode(request.body) == {"message": REF, "convertToMp4": False}


async def test_media_that_the_server_stores_is_fetched_without_a_key(evolution: Evolution) -> None:
    async with Upstream([Reply(body=FILE)]) as server:
        assert await fetched(evolution, connect(server.url), {**REF, "url": f"{server.url}/s3/a"}) == FILE
    assert server.requests[0].path == "/s3/a"
    assert "apikey" not in server.requests[0].headers


async def test_media_of_the_cloud_channel_is_fetched_from_meta(evolution: Evolution) -> None:
    async with Upstream([]) as server:
        server.replies = [upstream.json({"url": f"{server.url}/file", "id": "1003"}), Reply(body=FILE)]
        assert await fetched(evolution, cloud(server.url), {"meta_id": "1003"}) == FILE
    assert [request.path for request in server.requests] == ["/graph/1003", "/file"]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {ACCESS_TOKEN}"}
    async with Upstream([upstream.json({"url": "https://elsewhere.test/file"})]) as server:
        with pytest.raises(CallFailed, match="not one of Meta's"):
            await fetched(evolution, cloud(server.url), {"meta_id": "1003"})


GONE_MEDIA: tuple[tuple[dict[str, Any], Reply, bool], ...] = (
    (REF, failure(400, "Message not found"), False),
    (REF, failure(400, "AxiosError: Request failed with status code 410"), False),
    (REF, failure(400, "Error: Connection Closed"), True),
    (REF, failure(400, "Error: something"), True),
    (REF, Reply(status=502), True),
    (REF, upstream.json({"base64": "!"}), True),
    (REF, upstream.json([]), True),
    ({"meta_id": "1003"}, failure(404, "x"), False),
    ({"meta_id": "1003"}, Reply(status=500), True),
    ({}, Reply(), False),
)


@pytest.mark.parametrize(("ref", "reply", "retryable"), GONE_MEDIA)
async def test_media_that_is_gone_or_not_yet_there(
    ref: dict[str, Any], reply: Reply, retryable: bool, evolution: Evolution
) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as caught:
            await fetched(evolution, cloud(server.url), ref)
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (500, True)])
async def test_stored_media_that_is_gone(status: int, retryable: bool, evolution: Evolution) -> None:
    async with Upstream([Reply(status=status)]) as server:
        with pytest.raises(CallFailed) as caught:
            await fetched(evolution, connect(server.url), {"url": f"{server.url}/s3"})
    assert caught.value.retryable is retryable


async def test_calls_do_not_repeat_secrets(client: Http) -> None:
    evolution = Evolution(client, timeout=0.5)
    async with Upstream([failure(400, f"bad {TOKEN} {API_KEY}")]) as server:
        with pytest.raises(CallFailed) as caught:
            await evolution.mark_read(connect(server.url), chat="1", provider_id="2")
    assert caught.value.why == "bad [hidden] [hidden]"
