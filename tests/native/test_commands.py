"""Commands: what was begun and not answered, what came twice, and what no database takes."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from recado.domain.events import Noticed, Received
from recado.domain.provider import Accepted, CallFailed, Connection, Unknown
from recado.store import native
from tests.native.conftest import World, eventually, outgoing

if TYPE_CHECKING:
    from tests.native.go import Go

_TABLE = (
    "CREATE TABLE whatsmeow.whatsmeow_message_secrets (our_jid text, chat_jid text, sender_jid text,"
    " message_id text, key bytea NOT NULL, PRIMARY KEY (our_jid, chat_jid, sender_jid, message_id))"
)
_WRITTEN = "INSERT INTO whatsmeow.whatsmeow_message_secrets VALUES ($1, 'c', 's', '3EB0DOUBT', $2)"
_DEVICE = "5511900000001:12@s.whatsapp.net"


async def _connected(world: World) -> Connection:
    connection = await world.paired()
    await world.until(connection, "connected")
    return connection


@pytest.mark.parametrize("written", [False, True], ids=["before_the_record", "after_the_record"])
async def test_an_engine_that_dies_at_a_message(world: World, go: "Go", *, written: bool) -> None:
    """The claim behind `deduplicates`. whatsmeow records a message's secret before it leaves: without the record it never
    left and leaves once now; with it it may have, and never leaves again."""
    await world.owner.execute(_TABLE)
    first, _ = await world.engine(lease=30.0)
    connection = await _connected(world)
    died, secrets = threading.Event(), []

    def die(name: str, message: Any) -> str:
        secrets.append(message.messageContextInfo.messageSecret)
        died.wait(30)
        raise RuntimeError("websocket disconnected before message send returned response")

    go.on_send = die
    message = outgoing()
    sending = asyncio.create_task(world.adapter.send(connection, message))
    await eventually(lambda: bool(secrets))
    if written:
        await world.owner.execute(_WRITTEN, _DEVICE, secrets[0])
    # Its numbers are somebody else's, and its answer comes to nothing.
    await native.bury(world.db.worker, first.owner)
    await eventually(lambda: connection.id not in first.holds or first.numbers.by_id[connection.id].held.fence > 1)
    go.on_send = None
    assert isinstance(await sending, Unknown)
    died.set()
    await world.until(connection, "connected")
    await eventually(lambda: not first._performer.under_way)
    if written:
        with pytest.raises(CallFailed, match="receipt will tell"):
            await world.adapter.find(connection, message, since=datetime.now(UTC))
        assert isinstance(await world.adapter.send(connection, message), Unknown)
        assert go.sent == []
    else:
        assert await world.adapter.find(connection, message, since=datetime.now(UTC)) is None
        assert isinstance(await world.adapter.send(connection, message), Accepted)
        assert len(go.sent) == 1


async def test_a_command_that_was_claimed_and_lost_is_settled(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim was committed, and its answer never reached the engine: nobody works on the command, and the same process
    goes on holding the number."""
    await world.owner.execute(_TABLE)
    await world.engine(lease=30.0)
    connection = await _connected(world)
    begin = native.begin

    async def cut(*given: Any, **more: Any) -> list[native.Command]:
        if await begin(*given, **more):
            monkeypatch.setattr(native, "begin", begin)
            raise ConnectionResetError("the line was cut")
        return []

    monkeypatch.setattr(native, "begin", cut)
    message = outgoing()
    assert isinstance(await world.adapter.send(connection, message), Unknown)
    assert await world.adapter.find(connection, message, since=datetime.now(UTC)) is None
    assert isinstance(await world.adapter.send(connection, message), Accepted)
    assert len(go.sent) == 1


async def test_a_message_that_is_just_being_sent_is_not_settled(world: World, go: "Go") -> None:
    await world.owner.execute(_TABLE)
    await world.engine(lease=30.0)
    connection = await _connected(world)
    at_it, go_on = threading.Event(), threading.Event()

    def slowly(name: str, message: Any) -> None:
        at_it.set()
        go_on.wait(20)

    go.on_send = slowly
    message = outgoing()
    sending = asyncio.create_task(world.adapter.send(connection, message))
    await eventually(at_it.is_set)
    with pytest.raises(CallFailed, match="still at it"):
        await world.adapter.find(connection, message, since=datetime.now(UTC))
    go_on.set()
    assert isinstance(await sending, Accepted)


async def test_an_answer_that_cannot_be_stored_yet_is_stored_later(
    world: World, go: "Go", monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.engine(lease=30.0)
    connection = await _connected(world)
    reply, tries = native.reply, []

    async def away(*given: Any, **more: Any) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("the database is away")
        await reply(*given, **more)

    monkeypatch.setattr(native, "reply", away)
    assert isinstance(await world.adapter.send(connection, outgoing()), Accepted)
    assert len(tries) == 3


async def test_an_answer_that_no_json_can_be_is_answered_all_the_same(world: World, go: "Go") -> None:
    from neonize.proto import Neonize_pb2 as proto

    await world.engine(lease=30.0)
    connection = await _connected(world)
    go.answers["GetGroupInviteLink"] = proto.GetGroupInviteLinkReturnFunction(InviteLink="a\0b")
    with pytest.raises(CallFailed) as failed:
        await world.adapter.get_invite(connection, group="1203@g.us")
    assert failed.value.code == "bad_answer"


async def test_an_id_that_somebody_made_up_does_not_stop_a_number(world: World, go: "Go") -> None:
    """A poll's id comes from whoever votes. No text of PostgreSQL has a NUL, and asking for it failed for ever."""
    from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

    from tests.native import go as library

    await world.engine(lease=30.0)
    connection = await _connected(world)
    vote = waE2E.Message()
    vote.pollUpdateMessage.pollCreationMessageKey.ID = "a\0b"
    person = library.jid("5511988887777")
    go.tell(connection.id.hex, library.received("V1", vote, library.source(person, person)))
    go.tell(connection.id.hex, library.text("T1", "depois"))
    events = await world.events(connection, type="message.received")
    assert [event.provider_id for event in events if isinstance(event, Received)] == ["T1"]
    votes = await world.events(connection, type="poll.voted")
    assert [event.data["poll"] for event in votes if isinstance(event, Noticed)] == ["a\0b"]


async def test_a_state_with_an_odd_text_does_not_stop_anybody(world: World, go: "Go") -> None:
    from neonize.proto import Neonize_pb2 as proto

    await world.engine(lease=30.0)
    connection = await _connected(world)
    failure = proto.ConnectFailure(Reason=proto.SERVICE_UNAVAILABLE, Message="odd\0text", Raw=proto.Node(Tag="failure"))
    go.tell(connection.id.hex, failure)
    state = await world.until(connection, "disconnected")
    assert state.details == {"message": "oddtext"}
