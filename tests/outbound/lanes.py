"""A company with instances and lanes, straight in the store: for tests of the outbox itself."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.store import outbox
from recado.store.db import Database

LEASE = timedelta(seconds=60)


async def make_instance(database: Database, company_id: CompanyId | None = None) -> tuple[CompanyId, InstanceId]:
    """A connected instance, in a new company unless one is given."""
    instance_id = InstanceId(ids.new())
    async with database.work() as connection:
        if company_id is None:
            company_id = CompanyId(ids.new())
            await connection.execute("INSERT INTO companies (id, name) VALUES ($1, 'Test')", company_id)
        await connection.execute(
            "INSERT INTO instances (company_id, id, name, status) VALUES ($1, $2, 'Test', 'connected')",
            company_id,
            instance_id,
        )
    return company_id, instance_id


def draft(company_id: CompanyId, instance_id: InstanceId, **changes: object) -> outbox.Draft:
    """A text to nobody in particular."""
    message_id = MessageId(ids.new())
    given = outbox.Draft(
        company_id=company_id,
        id=message_id,
        instance_id=instance_id,
        conversation_id=ids.new(),
        contact_id=ids.new(),
        type="text",
        priority=1,
        address="5511999990001",
        content=msgspec.Raw(b'{"body":"oi"}'),
        lane_key="",
    )
    extra = {name: changes.pop(name) for name in list(changes) if name in outbox.Extra.__struct_fields__}
    if extra:
        changes["extra"] = msgspec.convert(extra, outbox.Extra)
    return msgspec.structs.replace(given, **changes)


async def accept(database: Database, *drafts: outbox.Draft) -> dict[MessageId, datetime]:
    """Accept drafts as one batch."""
    async with database.worker.acquire() as connection:
        return await outbox.accept(connection, drafts)


async def claim(
    database: Database, *, now: datetime | None = None, owner: UUID | None = None, limit: int = 100
) -> list[outbox.Claimed]:
    """Claim what is due, a moment after now: the database's clock may run a little ahead of ours."""
    async with database.worker.acquire() as connection:
        return await outbox.claim(
            connection,
            owner=owner or ids.new(),
            limit=limit,
            lease=LEASE,
            now=now or datetime.now(UTC) + timedelta(seconds=1),
        )


def sent(claimed: outbox.Claimed, **changes: object) -> outbox.Finish:
    """The finish of a message that the provider took."""
    given = outbox.Finish(
        claimed=claimed,
        done=True,
        status="sent",
        provider_id=f"wamid.{claimed.message_id}",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        spent=1,
        attempt_id=ids.new(),
        connection_id=ids.new(),
        started_at=datetime.now(UTC),
        duration_ms=1.0,
        outcome="accepted",
        event_type="message.sent",
        event={"message": {"id": str(claimed.message_id)}},
    )
    return msgspec.structs.replace(given, **changes)


async def finish(database: Database, *results: outbox.Finish, now: datetime | None = None) -> list[outbox.Finished]:
    """Finish as one batch."""
    async with database.worker.acquire() as connection:
        return await outbox.finish(connection, results, now=now or datetime.now(UTC))
