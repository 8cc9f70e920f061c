"""What the same database does without us: pgbench inserting the row that Recado wrote, in the same server."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

import asyncpg

from bench import product
from recado.store import embedded

#: Columns whose values differ from row to row in Recado, and what pgbench puts there. The rest is copied.
_VARYING = {
    "id": "uuidv7()",
    "instance_id": "('00000000-0000-7000-8000-0000000' || (10000 + :i))::uuid",
    "conversation_id": "('00000000-0000-7000-8000-0000000' || (20000 + :c))::uuid",
    "contact_id": "('00000000-0000-7000-8000-0000000' || (30000 + :c))::uuid",
    "created_at": "now()",
}


async def prepare(connection: "asyncpg.Connection[Any]") -> str:
    """Make `bench_messages` like `messages`; returns the INSERT of a row as wide as the newest one in `messages`.

    The table is plain rather than partitioned, which is in pgbench's favour; the columns, defaults and indexes
    are the same.
    """
    await connection.execute("DROP TABLE IF EXISTS bench_messages")
    await connection.execute("CREATE TABLE bench_messages (LIKE messages INCLUDING ALL)")
    row = await connection.fetchrow(
        "SELECT (SELECT json_object_agg(key, value) FROM jsonb_each_text(to_jsonb(m)) WHERE value IS NOT NULL)::text"
        " AS row FROM messages m ORDER BY id DESC LIMIT 1"
    )
    if row is None:
        raise product.Failed("There is no message to copy the shape of a row from.")
    types = {
        record["attname"]: record["type"]
        for record in await connection.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute"
            " WHERE attrelid = 'bench_messages'::regclass AND attnum > 0"
        )
    }
    import msgspec

    values = msgspec.json.decode(row["row"], type=dict[str, str])
    columns = [name for name in types if name in values]
    made = [_VARYING.get(name) or _literal(values[name], types[name]) for name in columns]
    return f"INSERT INTO bench_messages ({', '.join(columns)}) SELECT {', '.join(made)}"


def _literal(value: str, kind: str) -> str:
    # pgbench would read a colon before a letter as a variable; there is none after this.
    return "'" + value.replace("'", "''").replace(":", "") + f"'::{kind}" if kind != "jsonb" else _json(value)


def _json(value: str) -> str:
    """JSON of the same width without pgbench's `:name` in it: the colons of JSON are followed by a quote or a space."""
    return "'" + re.sub(r":(?=\w)", ": ", value).replace("'", "''") + "'::jsonb"


async def run(path: Path, insert: str, *, rows: int, clients: int, seconds: int, threads: int = 2) -> float:
    """Rows per second with one statement of `rows` rows per transaction."""
    script = "\\set i random(0, 99)\n\\set c random(0, 999)\n" + insert
    if rows > 1:
        script = script.replace("(20000 + :c)", "(20000 + n)").replace("(30000 + :c)", "(30000 + n)")
        script += f" FROM generate_series(0, {rows - 1}) AS n"
    url = product.database_url(path)
    with tempfile.NamedTemporaryFile("w", suffix=".sql", prefix="recado-pgbench-") as file:
        file.write(script + ";\n")
        file.flush()
        process = await asyncio.create_subprocess_exec(
            str(embedded._binaries() / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(threads),
            "-T", str(seconds), "-f", file.name, "-h", url.split("host=")[1], "-U", "postgres", "postgres",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
    found = re.search(rb"tps = ([0-9.]+)", out)
    if process.returncode or found is None:
        raise product.Failed(f"pgbench failed:\n{out.decode(errors='replace')[-2_000:]}\n{script}")
    return float(found[1]) * rows
