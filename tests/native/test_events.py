"""neonize's own events, over JSON, as domain events."""

from typing import Any

import msgspec
import pytest

from recado.domain.events import ConnectionChanged, Noticed, ProviderEvent, Receipt, Received
from recado.providers.native import webhooks


def _read(event: Any) -> list[ProviderEvent]:
    from neonize.proto import Neonize_pb2 as proto

    from recado.native import events
    from tests.native import go

    own = events.Own(phone=go.OWN, lid="77001@lid", device=go.DEVICE)
    told = events.translate(type(event).FromString(event.SerializeToString()), own)
    assert told is not None, proto
    return webhooks.read(msgspec.json.encode(told.body))


def test_how_the_number_stands() -> None:
    from neonize.proto import Neonize_pb2 as proto

    node = proto.Node(Tag="failure")
    failure = proto.ConnectFailure(Reason=proto.SERVICE_UNAVAILABLE, Message="later", Raw=node)
    table = [
        (proto.Connected(status=True), "connected", None),
        (proto.Disconnected(status=True), "connecting", "connection_lost"),
        (proto.KeepAliveTimeout(ErrorCount=2, LastSuccess=1_790_000_000), "degraded", "keep_alive_timeout"),
        (proto.KeepAliveRestored(), "connected", None),
        (proto.LoggedOut(OnConnect=False, Reason=proto.MAIN_DEVICE_GONE), "logged_out", "main_device_gone"),
        (proto.StreamReplaced(), "disconnected", "stream_replaced"),
        (proto.ClientOutdated(), "disconnected", "client_outdated"),
        (failure, "disconnected", "connect_failure:service_unavailable"),
        (
            proto.TemporaryBan(Code=proto.TemporaryBan.BLOCKED_BY_USERS, Expire=3_600),
            "banned",
            "temporary_ban:blocked_by_users",
        ),
    ]
    for event, status, reason in table:
        changed = _read(event)[0]
        assert isinstance(changed, ConnectionChanged)
        assert (changed.status, changed.reason) == (status, reason)


def test_a_message_of_somebody_without_a_phone() -> None:
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    from tests.native import go

    person = go.jid("990011", "lid")
    message = _read(go.received("L1", waE2E.Message(conversation="oi"), go.source(person, person)))[0]
    assert isinstance(message, Received)
    assert (message.chat.phone, message.chat.lid, message.chat.name) == (None, "990011@lid", "Ana")


def test_a_message_in_a_group_with_media() -> None:
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    from tests.native import go

    group, person = go.jid("1203", "g.us"), go.jid("990011", "lid")
    picture = waE2E.ImageMessage(
        URL="https://mmg.test/x",
        directPath="/x",
        mediaKey=b"k",
        fileSHA256=b"s" * 32,
        fileLength=9,
        mimetype="image/jpeg",
    )
    where = go.source(group, person, alt=go.jid("5511988887777"), group=True)
    message = _read(go.received("G1", waE2E.Message(imageMessage=picture), where))[0]
    assert isinstance(message, Received)
    assert (message.chat.group, message.sender.phone, message.sender.lid) == (
        "1203@g.us",
        "5511988887777",
        "990011@lid",
    )
    assert message.media is not None
    assert (message.media.size, message.media.sha256, message.media.ref["kind"]) == (9, (b"s" * 32).hex(), "image")


@pytest.mark.parametrize(("kind", "count"), [("READ", 2), ("SENDER", 0), ("RETRY", 0), ("SERVER_ERROR", 0)])
def test_receipts(kind: str, count: int) -> None:
    from tests.native import go

    read = _read(go.receipt(["A", "B"], kind))
    assert [event.provider_id for event in read if isinstance(event, Receipt)] == ["A", "B"][:count]


def test_what_cannot_be_read_yet_and_who_calls() -> None:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native import go

    person = go.jid("5511988887777")
    info = go.text("W1", "").Info
    fail = proto.UndecryptableMessage.DECRYPT_FAIL_SHOW
    waiting = _read(proto.UndecryptableMessage(Info=info, IsUnavailable=False, DecryptFailMode=fail))[0]
    assert (waiting.type, waiting.key) == ("message.waiting", "waiting:W1")
    meta = proto.BasicCallMeta(
        timestamp=1_790_000_000, callCreator=person, callCreatorAlt=go.NOBODY, callID="C1", **{"from": person}
    )
    remote = proto.CallRemoteMeta(remotePlatform="android", remoteVersion="1")
    call = _read(proto.CallOffer(basicCallMeta=meta, callRemoteMeta=remote, data=proto.Node(Tag="offer")))[0]
    assert isinstance(call, Noticed)
    assert call.data == {"call_id": "C1", "kind": "voice", "state": "ringing"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"x": 1}', b"\xff"], ids=["empty", "list", "no_event", "binary"])
def test_what_is_not_the_engines(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|event"):
        webhooks.read(body)


def test_a_gap_survives_as_it_is() -> None:
    read = webhooks.read(b'{"event": "gap", "at": "2026-11-22T10:00:00Z", "reason": "engine_lost"}')[0]
    assert isinstance(read, Noticed)
    assert (read.type, read.data) == ("unknown", {"event": "gap", "reason": "engine_lost"})
