"""Sessions, status, media, finding and health: everything but sending and the optional areas."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain import operations
from recado.domain import provider as contract
from recado.domain.events import MediaRef
from recado.domain.provider import Accepted, CallFailed, Connection, Outgoing, Session
from recado.domain.states import ConnectionStatus
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import tables, upstream
from recado.testing.tables import MESSAGE_ID
from recado.testing.upstream import Reply, Upstream
from tests.providers.uazapi.rows import ADMIN_TOKEN, MESSAGE, SENDS, SENT_ID, TOKEN, connect

NAME = "rcd-00000000000000000000000000000001"
SINCE = datetime(2026, 11, 22, tzinfo=UTC)
OTHER_TOKEN = "99999999-2222-4333-8444-555555555555"


def fresh(url: str, **credentials: str) -> Connection:
    """A connection that has no session yet, on a server with an admin token."""
    found = msgspec.structs.replace(connect(url), account=None, credentials=credentials)
    return msgspec.structs.replace(
        found, server=msgspec.structs.replace(found.server, credentials={"admin_token": ADMIN_TOKEN})
    )


def ours(url: str) -> Connection:
    return msgspec.structs.replace(fresh(url, token=TOKEN), account=NAME)


def asked(server: Upstream) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in server.requests]


def body(server: Upstream, index: int = -1) -> Any:
    return msgspec.json.decode(server.requests[index].body)


def test_it_fulfils_the_optional_protocols(uazapi: Uazapi) -> None:
    for protocol in (
        contract.FetchesMedia,
        contract.MarksRead,
        contract.ShowsTyping,
        contract.FindsMessages,
        contract.TellsAccount,
        contract.Restarts,
        contract.ChecksContent,
        contract.ManagesSessions,
        contract.RegistersWebhook,
        contract.RedactsWebhooks,
    ):
        assert isinstance(uazapi, protocol)
    assert not isinstance(uazapi, contract.AsksForPasskey)
    assert uazapi.account({"token": TOKEN}) is None
    missing = set(operations.OPERATIONS) - operations.operations(uazapi)
    assert missing == {
        "expire_new_chats",
        "watch_presence",
        "deactivate_community",
        "save_product",
        "list_collections",
        "delete_story",
        "set_profile_about",
    }


# --- sessions -------------------------------------------------------------------------------------------


async def test_a_new_session_is_made_and_told_where_to_post(uazapi: Uazapi) -> None:
    made = upstream.json({"response": "ok", "name": NAME, "token": TOKEN, "instance": {"id": "r1", "name": NAME}})
    async with Upstream([upstream.json([]), made, upstream.json([]), upstream.json([])]) as server:
        assert await uazapi.open_session(fresh(server.url)) == Session(account=NAME, credentials={"token": TOKEN})
    assert asked(server) == [
        ("GET", "/instance/all"),
        ("POST", "/instance/create"),
        ("GET", "/webhook"),
        ("POST", "/webhook"),
    ]
    assert [request.headers.get("admintoken") for request in server.requests] == [ADMIN_TOKEN, ADMIN_TOKEN, None, None]
    assert [request.headers.get("token") for request in server.requests] == [None, None, TOKEN, TOKEN]
    assert body(server, 1) == {"name": NAME}
    hook = body(server)
    assert (hook["action"], hook["url"], hook["excludeMessages"]) == ("add", "https://recado.test/hooks/key", [])
    assert {"messages", "messages_update", "connection"} <= set(hook["events"])


async def test_a_session_that_a_lost_try_made_is_taken_over(uazapi: Uazapi) -> None:
    listed = [{"name": "other", "token": OTHER_TOKEN}, {"name": NAME, "token": TOKEN}, 17]
    hooks = [{"id": "h1", "url": "https://recado.test/hooks/old-key"}, {"id": "h2", "url": "https://n8n.test/x"}]
    async with Upstream([upstream.json(listed), upstream.json(hooks), upstream.json([])]) as server:
        assert await uazapi.open_session(fresh(server.url)) == Session(account=NAME, credentials={"token": TOKEN})
    assert asked(server) == [("GET", "/instance/all"), ("GET", "/webhook"), ("POST", "/webhook")]
    assert (body(server)["action"], body(server)["id"]) == ("update", "h1")


async def test_a_given_instance_is_named_by_uazapi(uazapi: Uazapi) -> None:
    status = upstream.json({"instance": {"id": "r7", "name": "loja", "status": "connected"}, "status": {}})
    async with Upstream([status, upstream.json([]), upstream.json([])]) as server:
        opened = await uazapi.open_session(fresh(server.url, token=TOKEN))
    assert opened == Session(account="r7", credentials={"token": TOKEN})
    assert asked(server) == [("GET", "/instance/status"), ("GET", "/webhook"), ("POST", "/webhook")]


@pytest.mark.parametrize(
    "replies",
    [
        [upstream.json({"error": "Invalid AdminToken Header"}, status=403)],
        [upstream.json({"instances": []})],
        [Reply(status=502, body=b"<html>")],
        [upstream.json([]), upstream.json({"instance": {"name": NAME}})],
        [upstream.json([]), Reply(trouble="cut")],
    ],
)
async def test_a_session_that_cannot_be_opened(replies: Sequence[Reply], uazapi: Uazapi) -> None:
    async with Upstream(replies) as server:
        with pytest.raises(CallFailed) as failed:
            await uazapi.open_session(fresh(server.url))
    assert len(server.requests) == len(replies)
    assert ADMIN_TOKEN not in failed.value.why


async def test_a_server_without_an_admin_token_makes_no_instances(uazapi: Uazapi) -> None:
    bare = msgspec.structs.replace(connect("http://127.0.0.1:9"), account=None, credentials={})
    with pytest.raises(CallFailed, match="admin_token") as failed:
        await uazapi.open_session(bare)
    assert not failed.value.retryable


async def test_closing_deletes_only_what_is_ours(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json({"response": "Instance Deleted"})]) as server:
        await uazapi.close_session(ours(server.url))
    assert asked(server) == [("DELETE", "/instance")]
    hooks = [{"id": "h1", "url": "https://recado.test/hooks/key"}]
    async with Upstream([upstream.json(hooks), upstream.json([])]) as server:
        await uazapi.close_session(connect(server.url))
    assert asked(server) == [("GET", "/webhook"), ("POST", "/webhook")]
    assert (body(server)["action"], body(server)["id"]) == ("delete", "h1")


async def test_closing_what_is_gone_or_was_never_finished(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json({"error": "client not found"}, status=401)]) as server:
        await uazapi.close_session(ours(server.url))
    async with Upstream([upstream.json([{"name": NAME, "token": TOKEN}]), upstream.json({})]) as server:
        await uazapi.close_session(fresh(server.url))
    assert asked(server) == [("GET", "/instance/all"), ("DELETE", "/instance")]
    assert server.requests[1].headers["token"] == TOKEN
    async with Upstream([upstream.json([])]) as server:
        await uazapi.close_session(fresh(server.url))
    async with Upstream([upstream.json({"error": "no"}, status=500)]) as server:
        with pytest.raises(CallFailed):
            await uazapi.close_session(ours(server.url))


async def test_closing_never_deletes_a_given_instance_that_was_not_opened(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json([])]) as server:
        await uazapi.close_session(fresh(server.url, token=TOKEN))
    assert asked(server) == [("GET", "/webhook")]


# --- connecting -----------------------------------------------------------------------------------------


def instance(status: str, now: dict[str, Any] | None = None, **more: Any) -> Reply:
    told = {"id": "r1", "status": status, "token": TOKEN, "owner": "", "qrcode": "", "paircode": "", **more}
    return upstream.json({"instance": told, "status": now or {"connected": False, "jid": None, "loggedIn": False}})


CONNECTED = {"connected": True, "jid": "5511999990000:57@s.whatsapp.net", "loggedIn": True, "resetting": False}
OUT = "401: logged out from another device"

STATES: tuple[tuple[str, Reply, ConnectionStatus, str | None], ...] = (
    ("connected", instance("connected", CONNECTED), ConnectionStatus.CONNECTED, None),
    ("connected and gone", instance("connected"), ConnectionStatus.DISCONNECTED, "not connected to WhatsApp"),
    ("connecting", instance("connecting"), ConnectionStatus.CONNECTING, None),
    ("with a code", instance("connecting", qrcode="data:image/png;base64,AA"), ConnectionStatus.QR, None),
    ("never connected", instance("disconnected"), ConnectionStatus.DISCONNECTED, None),
    ("logged out", instance("disconnected", lastDisconnectReason=OUT), ConnectionStatus.LOGGED_OUT, OUT),
    ("banned", instance("disconnected", lastDisconnectReason="402: banned"), ConnectionStatus.BANNED, "402: banned"),
    ("a break", instance("disconnected", lastDisconnectReason="x"), ConnectionStatus.DISCONNECTED, "x"),
    ("hibernated, of 2.1.1", instance("hibernated"), ConnectionStatus.DISCONNECTED, "hibernated"),
    (
        "being reset",
        instance("connected", {**CONNECTED, "resetting": True}),
        ConnectionStatus.CONNECTING,
        "the instance is being reset",
    ),
    (
        "a token that is not accepted",
        upstream.json({"error": "instance info not found"}, status=401),
        ConnectionStatus.LOGGED_OUT,
        "instance info not found",
    ),
)


@pytest.mark.parametrize(("label", "reply", "status", "reason"), STATES, ids=[row[0] for row in STATES])
async def test_status(label: str, reply: Reply, status: ConnectionStatus, reason: str | None, uazapi: Uazapi) -> None:
    async with Upstream([reply]) as server:
        state = await uazapi.status(connect(server.url))
    assert (state.status, state.reason) == (status, reason)
    assert TOKEN not in repr(state)


async def test_the_phone_is_told_as_text_or_as_an_object(uazapi: Uazapi) -> None:
    for jid in (CONNECTED["jid"], {"User": "5511999990000", "Server": "s.whatsapp.net", "Device": 57}):
        async with Upstream([instance("connected", {**CONNECTED, "jid": jid})]) as server:
            assert (await uazapi.status(connect(server.url))).phone == "5511999990000"


async def test_connecting_by_qr_code_and_by_phone(uazapi: Uazapi) -> None:
    async with Upstream([instance("connecting", qrcode="data:image/png;base64,AA")]) as server:
        state = await uazapi.connect(connect(server.url), method="qr", phone=None)
    assert (state.status, state.qr, state.details["qr_image"]) == (
        ConnectionStatus.QR,
        None,
        "data:image/png;base64,AA",
    )
    assert body(server) == {}
    async with Upstream([instance("connecting", paircode="1234-5678")]) as server:
        state = await uazapi.connect(connect(server.url), method="phone_code", phone="+5511999990000")
    assert (state.status, state.pairing_code) == (ConnectionStatus.QR, "1234-5678")
    assert body(server) == {"phone": "5511999990000"}
    with pytest.raises(CallFailed) as failed:
        await uazapi.connect(connect(server.url), method="phone_code", phone=None)
    assert not failed.value.retryable


async def test_disconnecting_twice(uazapi: Uazapi) -> None:
    replies = [upstream.json({"response": "Already disconnected"}), upstream.json({"error": "No session"}, status=500)]
    async with Upstream(replies) as server:
        await uazapi.disconnect(connect(server.url), logout=True)
        await uazapi.disconnect(connect(server.url), logout=False)
    assert asked(server) == [("POST", "/instance/disconnect")] * 2
    async with Upstream([upstream.json({"error": "boom"}, status=500)]) as server:
        with pytest.raises(CallFailed, match="boom"):
            await uazapi.disconnect(connect(server.url), logout=True)


async def test_restart(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json({"response": "reset requested", "resetting": True})]) as server:
        assert (await uazapi.restart(connect(server.url))).status is ConnectionStatus.CONNECTING
    cooling = upstream.json({"response": "cooldown", "resetting": False})
    async with Upstream([cooling, instance("connected", CONNECTED)]) as server:
        assert (await uazapi.restart(connect(server.url))).status is ConnectionStatus.CONNECTED
    async with Upstream([upstream.json({"error": "not recoverable"}, status=409)]) as server:
        with pytest.raises(CallFailed) as failed:
            await uazapi.restart(connect(server.url))
    assert not failed.value.retryable


FAULTS = (
    Reply(trouble="cut"),
    Reply(status=502, body=b"<html>"),
    Reply(body=b"<html>"),
    Reply(body=b"[]"),
    upstream.json({"error": "Rate limit exceeded"}, status=429),
    upstream.json({"error": f"broken near {TOKEN}"}, status=500),
)


@pytest.mark.parametrize("reply", FAULTS, ids=lambda reply: f"{reply.status} {reply.trouble} {reply.body[:12]!r}")
async def test_calls_fail_in_one_way_that_may_be_tried_again(reply: Reply, uazapi: Uazapi) -> None:
    async with Upstream([reply]) as server:
        connection = connect(server.url)
        for call in (
            uazapi.status(connection),
            uazapi.connect(connection, method="qr", phone=None),
            uazapi.restart(connection),
            uazapi.account_info(connection),
            uazapi.mark_read(connection, chat="55", provider_id="1"),
            uazapi.find(connection, TEXT, since=SINCE),
            uazapi.open_session(connection),
        ):
            with pytest.raises(CallFailed) as failed:
                await call
            assert failed.value.retryable
            assert TOKEN not in failed.value.why


async def test_account_tells_the_limits_of_first_contacts(uazapi: Uazapi) -> None:
    limits = {"can_send_new_messages": False, "reachout_timelock": {"active": True, "until": "2026-12-01T00:00:00Z"}}
    status = instance("connected", CONNECTED, profileName="Loja", openai_apikey="sk-x", qrcode="data:x")
    async with Upstream([status, upstream.json(limits)]) as server:
        assert await uazapi.account_info(connect(server.url)) == {
            "instance": {"id": "r1", "status": "connected", "profileName": "Loja"},
            "limits": limits,
        }
    async with Upstream([status, upstream.json({"error": "No session"}, status=500)]) as server:
        told = await uazapi.account_info(connect(server.url))
    assert (told["limits"], told["limits_unknown"]) == (None, "No session")


async def test_health(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json({"error": "missing token"}, status=401)]) as server:
        assert (await uazapi.health(connect(server.url).server)).healthy
    assert "token" not in server.requests[0].headers
    for reply in (Reply(status=503), Reply(status=404, body=b"nginx"), Reply(body=b"<html>")):
        async with Upstream([reply]) as server:
            found = await uazapi.health(connect(server.url).server)
            assert not found.healthy
            assert found.why
    assert not (await uazapi.health(connect(server.url).server)).healthy


# --- messages -------------------------------------------------------------------------------------------

TEXT = tables.outgoing(SENDS[0])


def found(*messages: Any) -> Reply:
    return upstream.json({"returnedMessages": len(messages), "messages": list(messages), "limit": 20, "offset": 0})


async def settle(uazapi: Uazapi, reply: Reply, message: Outgoing = TEXT) -> Accepted | None:
    async with Upstream([reply]) as server:
        outcome = await uazapi.find(connect(server.url), message, since=SINCE)
        assert body(server) == {"track_source": "recado", "track_id": str(MESSAGE_ID), "limit": 20}
    return outcome


async def test_a_lost_message_is_found_by_our_id(uazapi: Uazapi) -> None:
    foreign = {**MESSAGE, "track_id": "another", "messageid": "3EB0OTHER"}
    outcome = await settle(uazapi, found(foreign, {**MESSAGE, "status": "Delivered"}))
    assert outcome == Accepted(provider_id=SENT_ID, recipient="551199990001")


@pytest.mark.parametrize(
    "failed",
    [
        {"status": "Canceled"},
        {"status": "Failed", "error": "server returned error 479"},
        {"status": "Failed", "error": "the number 5511999990001@s.whatsapp.net is not on WhatsApp"},
        {"status": "Failed", "error": "No session"},
    ],
)
async def test_only_a_failure_with_its_reason_proves_that_it_was_not_sent(
    failed: dict[str, str], uazapi: Uazapi
) -> None:
    assert await settle(uazapi, found({**MESSAGE, **failed})) is None


@pytest.mark.parametrize(
    "reply",
    [
        found(),
        found({**MESSAGE, "track_id": "another"}),
        found({**MESSAGE, "status": "Queued"}),
        found({**MESSAGE, "status": "Failed", "error": "context deadline exceeded"}),
        found({**MESSAGE, "status": "Failed", "error": "Failed to send message"}),
        found({**MESSAGE, "status": "Failed"}),
        found({**MESSAGE, "status": "Failed"}, {**MESSAGE, "messageid": "", "id": "r1", "status": "Sent"}),
    ],
    ids=["nothing", "another's", "queued", "failed waiting", "failed in general", "failed", "one of two"],
)
async def test_what_proves_neither(reply: Reply, uazapi: Uazapi) -> None:
    with pytest.raises(CallFailed) as failed:
        await settle(uazapi, reply)
    assert failed.value.code == "unproven"


async def test_what_carries_no_id_of_ours_cannot_be_found(uazapi: Uazapi) -> None:
    reaction = tables.outgoing(next(row for row in SENDS if row.kind == "reaction"))
    with pytest.raises(CallFailed) as failed:
        await uazapi.find(connect("http://127.0.0.1:9"), reaction, since=SINCE)
    assert (failed.value.code, failed.value.retryable) == ("unproven", False)


async def test_mark_read_and_typing(uazapi: Uazapi) -> None:
    read = upstream.json({"results": [{"message_id": "3EB0A", "status": "success"}]})
    async with Upstream([read, upstream.json({"response": "ok"})]) as server:
        await uazapi.mark_read(connect(server.url), chat="5511999990001", provider_id="3EB0A")
        assert body(server) == {"id": ["3EB0A"]}
        await uazapi.show_typing(connect(server.url), chat="5511999990001", last_received=None)
        assert body(server) == {"number": "5511999990001", "presence": "composing", "delay": 25_000}
        await uazapi.show_typing(connect(server.url), chat="55@lid", last_received=None, recording=True)
        assert body(server) == {"number": "55@lid", "presence": "recording", "delay": 25_000}
    failed_read = upstream.json({"results": [{"message_id": "3EB0A", "status": "error", "error": "not found"}]})
    async with Upstream([failed_read]) as server:
        with pytest.raises(CallFailed, match="not found"):
            await uazapi.mark_read(connect(server.url), chat="5511999990001", provider_id="3EB0A")


# --- media ----------------------------------------------------------------------------------------------

MEDIA = MediaRef(ref={"id": "3EB0A"})


async def fetched(uazapi: Uazapi, url: str, media: MediaRef = MEDIA) -> bytes:
    return b"".join([chunk async for chunk in uazapi.fetch_media(connect(url), media)])


async def test_media_is_fetched_from_where_it_is_published_and_without_the_token(uazapi: Uazapi) -> None:
    async with Upstream([Reply(body=b"OggS" * 70_000)]) as files, Upstream([]) as server:
        server.replies = [upstream.json({"fileURL": f"{files.url}/files/x", "mimetype": "audio/ogg"})]
        assert await fetched(uazapi, server.url) == b"OggS" * 70_000
    assert body(server) == {"id": "3EB0A", "return_link": True, "return_base64": False, "generate_mp3": False}
    assert files.requests[0].path == "/files/x"
    assert TOKEN not in repr(files.requests[0].headers)


async def test_media_in_the_answer_itself(uazapi: Uazapi) -> None:
    async with Upstream([upstream.json({"base64Data": "T2dnUw==", "mimetype": "audio/ogg"})]) as server:
        assert await fetched(uazapi, server.url) == b"OggS"


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (upstream.json({"error": "no media found in message"}, status=400), False),
        (upstream.json({"error": "message not found"}, status=404), False),
        (upstream.json({"error": "Failed to download media"}, status=500), True),
        (upstream.json({"mimetype": "audio/ogg"}), False),
        (upstream.json({"base64Data": "no base64!", "mimetype": "audio/ogg"}), False),
        (upstream.json({"fileURL": "http://10.0.0.1/inside", "mimetype": "audio/ogg"}), False),
        (upstream.json({"fileURL": "file:///etc/passwd", "mimetype": "audio/ogg"}), False),
        (Reply(trouble="cut"), True),
    ],
)
async def test_media_that_is_not_told(reply: Reply, retryable: bool, uazapi: Uazapi) -> None:
    async with Upstream([reply]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(uazapi, server.url)
    assert failed.value.retryable is retryable


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (Reply(status=404), False),
        (Reply(status=500), True),
        (Reply(trouble="cut"), True),
        (Reply(body=b"half", trouble="cut_body"), True),
    ],
)
async def test_media_that_does_not_come(reply: Reply, retryable: bool, uazapi: Uazapi) -> None:
    async with Upstream([reply]) as files, Upstream([upstream.json({"fileURL": files.url})]) as server:
        with pytest.raises(CallFailed) as failed:
            await fetched(uazapi, server.url)
    assert failed.value.retryable is retryable


async def test_media_without_a_message(uazapi: Uazapi) -> None:
    with pytest.raises(CallFailed) as failed:
        await fetched(uazapi, "http://127.0.0.1:9", MediaRef(ref={}))
    assert not failed.value.retryable
