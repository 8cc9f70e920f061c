"""Operations through the adapter, the engine and neonize's client, with the library's answers as it gives them."""

from typing import TYPE_CHECKING

import pytest

from recado.domain.operations import Checked, operations
from recado.domain.provider import CallFailed
from recado.providers.native.adapter import Native
from tests.native.conftest import PHONE, World

if TYPE_CHECKING:
    from tests.native.go import Go


def test_every_operation_of_the_adapter_is_the_engines() -> None:
    from recado.native import operations as engine

    assert operations(Native) <= frozenset(engine._OPERATIONS) | {"verify"}


async def test_asking_about_people_and_groups(world: World, go: "Go") -> None:
    from neonize.proto import Neonize_pb2 as proto

    from tests.native.go import jid

    await world.engine()
    connection = await world.paired()
    await world.until(connection, "connected")
    answer = proto.IsOnWhatsAppResponse(Query=f"+{PHONE}", JID=jid("551188887777"), IsIn=True)
    go.answers["IsOnWhatsApp"] = proto.IsOnWhatsAppReturnFunction(IsOnWhatsAppResponse=[answer])
    found = await world.adapter.check_numbers(connection, phones=[f"+{PHONE}", "5511000000000"])
    assert found == [
        Checked(phone=PHONE, exists=True, canonical="551188887777"),
        Checked(phone="5511000000000", exists=False),
    ]
    go.answers["GetGroupInviteLink"] = proto.GetGroupInviteLinkReturnFunction(InviteLink="https://chat.whatsapp.com/X")
    assert await world.adapter.get_invite(connection, group="1203@g.us") == "https://chat.whatsapp.com/X"
    go.answers["GetBlocklist"] = proto.GetBlocklistReturnFunction(
        Blocklist=proto.Blocklist(DHash="", JIDs=[jid(PHONE), jid("77", "lid")])
    )
    assert await world.adapter.list_blocked(connection) == [PHONE, "77@lid"]
    await world.adapter.mark_read(connection, chat=PHONE, provider_id="ABC1")
    await world.adapter.show_typing(connection, chat=PHONE, last_received=None, recording=True)
    assert {"MarkRead", "SendChatPresence"} <= {name for name, _ in go.calls}


async def test_what_cannot_be_done_says_so(world: World, go: "Go") -> None:
    await world.engine()
    connection = await world.paired()
    await world.until(connection, "connected")
    with pytest.raises(CallFailed) as failed:
        await world.adapter.mark_read(connection, chat="1203@g.us", provider_id="UNSEEN")
    assert (failed.value.code, failed.value.retryable) == ("sender_unknown", False)
    go.answers["LeaveGroup"] = b"you're not participating in that group"
    with pytest.raises(CallFailed) as failed:
        await world.adapter.leave_group(connection, group="1203@g.us")
    assert (failed.value.code, failed.value.retryable) == ("engine_refused", False)
