"""Claims per second with little and with much waiting, by the product's own store functions.

Two databases on one embedded server, 1,000 lanes each, are worked on in turns, batch by batch: claim, finish, as
the dispatcher and the senders do. Claiming is what is measured: finishing writes history, however much waits. What
was taken is put back between the rounds.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import product
from recado.domain import ids
from recado.store import db, migrate, outbox

LANES = 1_000
BATCH = 128
#: Batches of each database between two refills.
BATCHES = 24
ROUNDS = 12
WARM_ROUNDS = 2

_COMPANY = UUID("00000000-0000-7000-8000-000000000001")
_OWNER = UUID("00000000-0000-7000-8000-000000000002")

_SEED_PLATFORM = f"""
INSERT INTO companies (id, name) VALUES ('{_COMPANY}', 'bench');
INSERT INTO instances (company_id, id, name, status)
SELECT '{_COMPANY}', instance(n), 'instance ' || n, 'connected' FROM generate_series(0, {LANES - 1}) n;
INSERT INTO lanes (company_id, instance_id, next_at) SELECT '{_COMPANY}', instance(n), now()
FROM generate_series(0, {LANES - 1}) n;
"""

_INSTANCE = """
CREATE FUNCTION instance(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid $$
"""

#: The messages of a seed are made in the order of their lanes' turns, as they would have been accepted.
_SEED_MESSAGES = """
WITH made AS (
    INSERT INTO messages (company_id, id, instance_id, conversation_id, contact_id, direction, status, type, address,
                          content)
    SELECT $1, uuidv7(), instance(n % $4), instance(100000 + n % 10000), instance(200000 + n % 10000), 'outbound',
           'queued', 'text', '5511980000000',
           '{"body": "bench 0000000001: Your order has left our warehouse and arrives tomorrow."}'
    FROM generate_series($2::bigint, $3::bigint - 1) n
    RETURNING id, instance_id, priority
)
INSERT INTO outbox (company_id, message_id, instance_id, priority, due_at)
SELECT $1, id, instance_id, priority, now() FROM made
"""


async def make_database(path: Path, name: str) -> "db.Owned":
    """A migrated database of that name with a connection to it; durability of the seed does not matter."""
    owner = await product.connect(path)
    await owner.execute(f"CREATE DATABASE {name}")
    await owner.close()
    connection = await db.connect(database_url(path, name))
    await migrate.migrate(connection)
    await connection.execute("SET synchronous_commit = off")
    return connection


def database_url(path: Path, name: str) -> str:
    """The owner's URL of one of several databases."""
    return product.database_url(path).replace("@/postgres?", f"@/{name}?")


@contextlib.asynccontextmanager
async def bulk_load(connection: "db.Owned", *tables: str) -> AsyncIterator[None]:
    """Without the secondary indexes of `tables` until the end: built at once they take a third of the time."""
    found = await connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i"
        " WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND NOT i.indisunique",
        tables,
    )
    for index in found:
        await connection.execute(f"DROP INDEX {index['name']}")
    await connection.execute("SET maintenance_work_mem = '256MB'")
    yield
    for index in found:
        # On the partitioned parent the definition says ONLY, which would leave the partitions without.
        await connection.execute(index["definition"].replace(" ON ONLY ", " ON "), timeout=120)
    await connection.execute(f"VACUUM ANALYZE {', '.join(tables)}", timeout=120)


async def _seed(path: Path, name: str, waiting: int) -> "db.Owned":
    connection = await make_database(path, name)
    await connection.execute(_INSTANCE)
    await connection.execute(_SEED_PLATFORM)
    second = await db.connect(database_url(path, name))
    await second.execute("SET synchronous_commit = off")
    half = waiting // 2
    async with bulk_load(connection, "messages", "outbox", "lanes"):
        await asyncio.gather(_add_messages(connection, 0, half), _add_messages(second, half, waiting))
    await second.close()
    await connection.execute("SET synchronous_commit = on")
    return connection


async def _add_messages(connection: "db.Owned", first: int, last: int) -> None:
    # Foreign keys hold by construction; checking each would take most of the time.
    await connection.execute("SET session_replication_role = replica")
    for at in range(first, last, 100_000):
        await connection.execute(_SEED_MESSAGES, _COMPANY, at, min(at + 100_000, last), LANES, timeout=120)
    await connection.execute("RESET session_replication_role")


def _finish(claimed: outbox.Claimed, now: datetime) -> outbox.Finish:
    """A send that went well, with all that is written for one."""
    return outbox.Finish(
        claimed=claimed,
        done=True,
        status="sent",
        provider_id=f"wamid.{claimed.message_id}",
        not_before=now,
        spent=1,
        attempt_id=ids.new(),
        connection_id=_OWNER,
        started_at=now,
        duration_ms=12.5,
        outcome="accepted",
        event_type="message.sent",
        event={"message": {"id": str(claimed.message_id), "status": "sent"}},
    )


async def _batch(connection: "db.Owned") -> float:
    """Claim one batch, and finish it so that its lanes are free again; the seconds that claiming took."""
    now = datetime.now(UTC)
    began = time.perf_counter()
    claimed = await outbox.claim(connection, owner=_OWNER, limit=BATCH, lease=timedelta(minutes=1), now=now)
    taken = time.perf_counter() - began
    finished = await outbox.finish(connection, [_finish(item, now) for item in claimed], now=datetime.now(UTC))
    if len(claimed) != BATCH or len(finished) != BATCH:
        raise product.Failed(f"claimed {len(claimed)} and finished {len(finished)} of {BATCH}")
    return taken


async def run() -> dict[str, Any]:
    """The row `backlog`."""
    with product.data_dir() as path:
        await asyncio.to_thread(product.start_database, path)
        small = await _seed(path, "small", 10_000)
        large = await _seed(path, "large", 1_000_000)
        rounds: dict[db.Owned, list[float]] = {small: [], large: []}
        for _ in range(WARM_ROUNDS + ROUNDS):
            for spent in rounds.values():
                spent.append(0.0)
            for _ in range(BATCHES):
                for connection, spent in rounds.items():
                    spent[-1] += await _batch(connection)
            for connection in rounds:
                await _add_messages(connection, 0, BATCHES * BATCH)
        for connection in rounds:
            await connection.close()
    # The first rounds warm caches and prepared statements; the median leaves out what a checkpoint falls into.
    small_rate, large_rate = (BATCHES * BATCH / statistics.median(spent[WARM_ROUNDS:]) for spent in rounds.values())
    return {
        "small_per_s": round(small_rate),
        "large_per_s": round(large_rate),
        "ratio": round(large_rate / small_rate, 3),
    }
