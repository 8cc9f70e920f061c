"""The queue of raw webhooks: nobody's flood hides anybody else."""

from datetime import UTC, datetime
from uuid import UUID

from recado.domain import ids
from recado.domain.ids import CompanyId, RawWebhookId, ServerId
from recado.store import inbox
from recado.store.db import Database


def webhook(source: UUID) -> inbox.NewWebhook:
    return inbox.NewWebhook(
        company_id=CompanyId(source),
        id=RawWebhookId(ids.new()),
        kind="meta",
        server_id=ServerId(source),
        connection_id=None,
        source=source,
        headers={},
        body=b"{}",
        received_at=datetime.now(UTC),
    )


async def test_a_flood_from_one_source_leaves_room_for_the_others(database: Database) -> None:
    flood, calm = ids.new(), ids.new()
    async with database.work() as connection:
        await inbox.store(connection, [webhook(flood) for _ in range(500)])
        await inbox.store(connection, [webhook(calm)])
    async with database.work() as connection:
        waiting = await inbox.sources(connection, limit=128)
        taken = await inbox.fetch(connection, waiting, limit=128, most_bytes=1_000_000)
    assert set(waiting) == {flood, calm}
    assert sum(item.source == calm for item in taken) == 1
    assert sum(item.source == flood for item in taken) == 64


async def test_a_round_goes_on_behind_the_last_source(database: Database) -> None:
    sources = sorted(ids.new() for _ in range(5))
    async with database.work() as connection:
        await inbox.store(connection, [webhook(source) for source in sources])
        first = await inbox.sources(connection, limit=3)
        assert first == sources[:3]
        assert await inbox.sources(connection, limit=3, after=first[-1]) == sources[3:]
        assert await inbox.sources(connection, limit=3, after=sources[-1]) == []
