"""A company's whole way with each provider of phones: from registering the server to deleting the instance.

Nothing here knows an adapter. Where the providers differ, `WAYS` says how.
"""

from typing import Any

import msgspec
import pytest

from tests.journeys import fakes
from tests.journeys.conftest import Number, Starts, make_number, register
from tests.journeys.fakes import ANA, BIA, RUI, Endpoint, Fake, Line
from tests.support.client import Client

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)) * 40


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider differs from the others.

    code       what is shown to be scanned: the text of a QR code, or its picture
    tells_code asking how the connection stands tells that it waits for a scan
    echoes_lid its echoes name a person by the LID alone
    logged_out how the connection stands once the session was ended on the phone
    proofs     what settles a message whose answer was lost: its echo, a receipt, or asking the provider
    """

    fake: type[Fake]
    code: str
    tells_code: bool
    echoes_lid: bool
    logged_out: str
    proofs: frozenset[str]


WAYS = (
    # It says FAILED, which may be a session that only has to be restarted.
    Way(
        fake=fakes.Waha,
        code="qr",
        tells_code=True,
        echoes_lid=False,
        logged_out="disconnected",
        proofs=frozenset({"echo", "receipt"}),
    ),
    Way(
        fake=fakes.Evolution,
        code="qr",
        tells_code=False,
        echoes_lid=False,
        logged_out="logged_out",
        proofs=frozenset({"echo"}),
    ),
    Way(
        fake=fakes.Uazapi,
        code="qr_image",
        tells_code=True,
        echoes_lid=False,
        logged_out="logged_out",
        proofs=frozenset({"echo", "asking"}),
    ),
    Way(
        fake=fakes.Zapi,
        code="qr",
        tells_code=False,
        echoes_lid=True,
        logged_out="logged_out",
        proofs=frozenset({"echo"}),
    ),
)


@pytest.fixture(params=WAYS, ids=lambda way: way.fake.kind)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def created(way: Way, admin: Client, company: Client, endpoint: Endpoint, start: Starts) -> Number:
    """An instance that was never connected."""
    return await make_number(admin, company, endpoint, await start(way.fake, Line()))


@pytest.fixture
async def number(created: Number) -> Number:
    """A connected one."""
    await created.pair()
    return created


# --- connecting ---------------------------------------------------------------------------------------------------


async def test_an_instance_is_connected_by_scanning_its_code(created: Number, way: Way) -> None:
    fake = created.fake
    assert fake.session == ""
    shown = await created.connect()
    [placed] = (await created.company.get(created.path))["connections"]
    assert fake.session.startswith("rcd-")
    assert fake.webhook == placed["webhook_url"]
    if way.code == "qr":
        assert shown["qr"] == f"2@{fake.kind}-code"
    else:
        assert shown["details"]["qr_image"].startswith("data:image/png;base64,")
        picture = await created.company.call("GET", f"{created.path}/qr", headers={"Accept": "image/png"})
        assert picture.body.startswith(b"\x89PNG")
    await fake.scan()
    await created.stands("connected")
    told = await created.endpoint.told("instance.connected")
    assert (told["instance_id"], told["data"]["kind"]) == (created.id, fake.kind)
    assert (await created.company.get(created.path))["phone"] == Line.phone
    assert fake.refused == []
    assert set(fake.posted) == {200}


async def test_a_check_finds_what_no_webhook_told(created: Number) -> None:
    await created.connect()
    created.fake.connected = True
    if isinstance(created.fake, fakes.Waha):
        created.fake.status = "WORKING"
    assert (await created.company.get(f"{created.path}/status"))["status"] == "connected"
    await created.endpoint.told("instance.connected")


async def test_looking_does_not_hide_the_code(created: Number, way: Way, request: pytest.FixtureRequest) -> None:
    """Whoever shows the code asks how it stands until it was scanned, and so does the health check."""
    await created.connect()
    await created.company.get(f"{created.path}/status")
    assert (await created.company.call("GET", f"{created.path}/qr")).status == 200
    assert "instance.disconnected" not in created.endpoint.types("instance.")


# --- sending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", ["first", "by hand"])
async def test_a_text_is_sent_delivered_and_read(number: Number, echo: Any) -> None:
    fake = number.fake
    fake.echo = echo
    message_id = await number.send("Olá")
    [message] = await fake.line.wait_sent(1)
    assert (message.to, message.body) == (ANA.phone, "Olá")
    # Its echo proves that it was sent before the answer does, with which `message.sent` is told.
    await number.company.until(f"/v1/messages/{message_id}", lambda shown: shown["attempts"])
    if echo == "by hand":
        await fake.tell(message, by_api=True)
    await fake.tell_receipt(message, "delivered")
    await number.reaches(message_id, "delivered")
    await fake.tell_receipt(message, "read")
    shown = await number.reaches(message_id, "read")
    assert shown["provider_id"] == message.id
    await number.endpoint.told("message.read")
    told = [type_ for type_ in number.endpoint.types("message.") if type_ != "message.server_ack"]
    assert told == ["message.queued", "message.sent", "message.delivered", "message.read"], told
    await number.webhooks_read()
    assert [one["id"] for one in await number.listed()] == [message_id], "the echo is no second message"
    assert len(number.sent) == 1


async def test_an_echo_before_the_answer_is_no_second_message(
    number: Number, way: Way, request: pytest.FixtureRequest
) -> None:
    """It comes before the answer, and may name the chat by a LID that nobody told before."""
    number.fake.echo = "first"
    message_id = await number.send("Olá", to=RUI.phone)
    await number.reaches(message_id, "sent", "server_ack")
    await number.webhooks_read()
    assert [one["id"] for one in await number.listed()] == [message_id]
    await number.fake.tell_receipt(number.sent[0], "read")
    await number.reaches(message_id, "read")


async def test_what_is_typed_on_the_phone_is_a_message_of_its_own(number: Number) -> None:
    typed = fakes.Message(id="3A0123456789ABCDEF01", person=ANA, body="do celular", from_me=True, to=str(ANA.phone))
    await number.fake.tell(typed)
    told = (await number.endpoint.told("message.sent"))["data"]
    assert (told["source"], told["message"]["content"]["body"]) == ("device", "do celular")


# --- receiving ----------------------------------------------------------------------------------------------------


async def test_who_writes_is_answered_with_or_without_a_phone(number: Number) -> None:
    fake = number.fake
    await fake.line.write(ANA, "Bom dia")
    told = (await number.endpoint.told("message.received"))["data"]["message"]
    contact = told["contact"]
    assert (told["content"]["body"], contact["phone"], contact["lid"]) == ("Bom dia", ANA.phone, ANA.lid)
    await fake.line.write(BIA, "Sem número")
    told = (await number.endpoint.told("message.received", 2))["data"]["message"]
    contact = told["contact"]
    assert (contact["phone"], contact["lid"], contact["name"]) == (None, BIA.lid, "Bia")

    by_lid = await number.send("Oi, Bia", to=contact["lid"])
    by_contact = await number.send("Pelo contato", to=contact["id"])
    await number.reaches(by_lid, "sent")
    await number.reaches(by_contact, "sent")
    assert [(one.to, one.body) for one in number.sent] == [(BIA.lid, "Oi, Bia"), (BIA.lid, "Pelo contato")]
    await fake.tell_receipt(number.sent[0], "read")
    await number.reaches(by_lid, "read")


async def test_no_secret_of_the_provider_is_kept_in_its_webhooks(number: Number) -> None:
    await number.fake.line.write(ANA, "Bom dia")
    await number.endpoint.told("message.received")
    listed = (await number.company.get("/v1/raw-webhooks"))["data"]
    assert len(listed) == len(number.fake.posted)
    for one in listed:
        raw = await number.company.get(f"/v1/raw-webhooks/{one['id']}")
        assert (one["error"], raw["encoding"]) == (None, "utf-8")
        kept = f"{raw['headers']} {raw['body']}"
        assert [secret for secret in number.fake.held() if secret in kept] == []


async def test_a_webhook_that_is_not_the_providers_is_refused(number: Number) -> None:
    """A secret that nobody but the provider has is missing, so it is not believed."""
    before = len((await number.company.get("/v1/raw-webhooks"))["data"])
    address = str(number.fake.webhook).removeprefix("https://recado.test")
    body = {"event": "message.any", "EventType": "messages", "type": "ReceivedCallback", "instanceId": "guessed"}
    reply = await number.company.as_(None).call("POST", address, json=body)
    assert reply.status == 401
    assert len((await number.company.get("/v1/raw-webhooks"))["data"]) == before


# --- media --------------------------------------------------------------------------------------------------------


async def test_an_image_that_arrives_is_kept(number: Number) -> None:
    await number.fake.line.write(ANA, "a vitrine", file=JPEG)
    message = (await number.endpoint.told("message.received"))["data"]["message"]
    assert (message["type"], message["content"]["caption"]) == ("image", "a vitrine")
    await number.endpoint.told("media.ready")
    link = await number.company.call("GET", f"/v1/media/{message['content']['media_id']}")
    where = link.headers["Location"].removeprefix("https://recado.test")
    kept = await number.company.as_(None).call("GET", where)
    assert (kept.status, kept.headers["Content-Type"], kept.body) == (200, "image/jpeg", JPEG)
    assert number.fake.refused == []


async def test_an_uploaded_image_is_sent(number: Number) -> None:
    uploaded = await number.company.call("POST", "/v1/media?filename=vitrine.jpeg", data=JPEG)
    content = {"media_id": uploaded.body["id"], "caption": "nova"}
    message_id = await number.send(type="image", image=content)
    await number.reaches(message_id, "sent")
    [message] = number.sent
    assert (message.to, message.body, message.file) == (ANA.phone, "nova", JPEG)
    await number.fake.tell(message, by_api=True)
    await number.fake.tell_receipt(message, "delivered")
    await number.reaches(message_id, "delivered")
    await number.webhooks_read()
    assert [one["id"] for one in await number.listed()] == [message_id]


# --- what may have been sent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", ["echo", "receipt", "asking"])
async def test_a_lost_answer_is_settled_and_not_sent_twice(number: Number, way: Way, proof: str) -> None:
    """The provider takes the message and cuts the line."""
    fake, company = number.fake, number.company
    fake.lost = True
    message_id = await number.send("uma vez só")
    await number.reaches(message_id, "unproven")
    [message] = number.sent
    fake.lost = False
    later = await number.send("depois")
    if proof == "echo":
        await fake.tell(message, by_api=True)
    elif proof == "receipt":
        await fake.tell_receipt(message, "delivered")
    else:
        # No proof comes by itself in the time that there is for it.
        await company.call("PATCH", number.path, json={"settings": {"settle_seconds": 0}})
        await company.post(f"{number.path}/queue/pause", status=204)
        await company.post(f"{number.path}/queue/resume", status=204)
    if proof in way.proofs:
        shown = await number.reaches(message_id, "sent", "delivered")
        assert (shown["provider_id"], shown["resent"]) == (message.id, False)
    if proof in way.proofs or proof == "asking":
        await number.reaches(later, "sent")
        assert [one.body for one in number.sent] == ["uma vez só", "depois"]
    if proof not in way.proofs:
        await number.webhooks_read()
        assert (await company.get(f"/v1/messages/{message_id}"))["status"] == "unproven"
        assert [one.body for one in number.sent].count("uma vez só") == 1
    assert len([one for one in await number.listed() if one["type"] == "text"]) == 2


# --- the session --------------------------------------------------------------------------------------------------


async def test_what_waits_while_logged_out_goes_in_order_afterwards(number: Number, way: Way) -> None:
    await number.reaches(await number.send("antes"), "sent")
    await number.fake.log_out()
    await number.stands(way.logged_out)
    told = await number.endpoint.told("instance.disconnected")
    assert told["data"]["status"] == way.logged_out
    waiting = [await number.send(f"{place}") for place in range(5)]
    counts = (await number.company.get(f"{number.path}/queue"))["counts"]
    assert (counts["waiting"], len(number.sent)) == (5, 1)
    await number.pair()
    await number.reaches(waiting[-1], "sent")
    assert [one.body for one in number.sent] == ["antes", "0", "1", "2", "3", "4"]


async def test_a_send_that_finds_the_session_gone_waits_for_it(number: Number) -> None:
    """No webhook told that the number is away."""
    number.fake.connected = False
    if isinstance(number.fake, fakes.Waha):
        number.fake.status = "FAILED"
    message_id = await number.send("espera")
    await number.company.until(number.path, lambda shown: shown["status"] in ("disconnected", "logged_out"))
    shown = await number.company.get(f"/v1/messages/{message_id}")
    assert (shown["status"], shown["attempts"][0]["outcome"], number.sent) == ("queued", "not_connected", [])
    await number.pair()
    await number.reaches(message_id, "sent")
    assert len(number.sent) == 1


async def test_deleting_the_instance_ends_its_session(number: Number) -> None:
    fake = number.fake
    assert (await number.company.call("DELETE", number.path)).status == 204
    assert (fake.connected, fake.session) == (False, "")
    assert fake.refused == []
    assert (await number.company.call("GET", number.path)).status == 404


# --- two providers of one number ----------------------------------------------------------------------------------


class Pair(msgspec.Struct, kw_only=True):
    """A number on two providers, sending through the first."""

    number: Number
    servers: dict[str, str]
    second: Fake

    @property
    def first(self) -> Fake:
        return self.number.fake


@pytest.fixture
async def pair(admin: Client, company: Client, endpoint: Endpoint, start: Starts) -> Pair:
    line = Line()
    waha, uazapi = await start(fakes.Waha, line), await start(fakes.Uazapi, line)
    number = await make_number(admin, company, endpoint, waha, failover={"after_seconds": 0}, max_attempts=20)
    await number.pair()
    [first] = (await company.get(number.path))["connections"]
    server = await register(admin, uazapi)
    second = await company.post(f"{number.path}/connections", {"server_id": server})
    state = await company.post(f"{number.path}/connect?connection_id={second['id']}", {"method": "qr"}, status=200)
    assert state["status"] == "qr"
    await uazapi.scan()
    await company.until(
        number.path, lambda shown: [one["status"] for one in shown["connections"]] == ["connected", "connected"]
    )
    servers = {"waha": first["server_id"], "uazapi": server}
    return Pair(number=number, servers=servers, second=uazapi)


HEARS = (
    "by hand",
    "first",
)


@pytest.mark.parametrize("hears", HEARS)
async def test_what_both_providers_tell_is_one_message(pair: Pair, hears: Any) -> None:
    """The standby's device hears what the active one sends, perhaps before that one has its own answer."""
    number, line = pair.number, pair.first.line
    line.hears = hears
    message_id = await number.send("um")
    await number.reaches(message_id, "sent")
    [message] = line.sent
    if hears == "by hand":
        await pair.second.tell(message)
    await pair.first.tell(message, by_api=True)
    for fake in (pair.first, pair.second):
        await fake.tell_receipt(message, "delivered")
    await line.write(ANA, "oi")
    await number.endpoint.told("message.received")
    await number.webhooks_read()
    assert sorted(one["direction"] for one in await number.listed()) == ["inbound", "outbound"]
    await number.reaches(message_id, "delivered")
    assert number.endpoint.types("message.delivered") == ["message.delivered"]


async def test_the_second_provider_takes_over_when_the_firsts_server_dies(pair: Pair, admin: Client) -> None:
    number, line = pair.number, pair.first.line
    before = await number.send("antes")
    await number.reaches(before, "sent")
    await pair.first.stop()
    waiting = [await number.send(f"{place}") for place in range(5)]
    await number.company.until(f"/v1/messages/{waiting[0]}", lambda shown: shown["attempts"])
    await admin.post(f"/v1/servers/{pair.servers['waha']}/check", status=200)
    waiting += [await number.send(f"{place}") for place in range(5, 8)]
    for message_id in waiting:
        await number.reaches(message_id, "sent")
    assert [(one.through, one.body) for one in line.sent] == [
        ("waha", "antes"),
        *(("uazapi", f"{place}") for place in range(8)),
    ]
    told = (await number.endpoint.told("instance.switched"))["data"]
    assert (told["from"]["kind"], told["to"]["kind"], told["reason"]) == ("waha", "uazapi", "failover")
    await line.write(BIA, "ainda aí?")
    contact = (await number.endpoint.told("message.received"))["data"]["message"]["contact"]
    await number.reaches(await number.send("sim", to=contact["id"]), "sent")
    assert (line.sent[-1].through, line.sent[-1].to) == ("uazapi", BIA.lid)
