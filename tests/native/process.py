"""An engine process of its own, over the Go library that is not there: `hang` never leaves it."""

import asyncio
import signal
import threading
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import asyncpg
from neonize import client

from recado import app
from recado.config import Settings
from recado.store import db
from recado.telemetry import logs
from recado.workers.native import NativeWorker
from tests.native import go

_TABLE = (
    "CREATE TABLE IF NOT EXISTS whatsmeow.whatsmeow_message_secrets (our_jid text, chat_jid text, sender_jid text,"
    " message_id text, key bytea NOT NULL, PRIMARY KEY (our_jid, chat_jid, sender_jid, message_id))"
)


async def _about_to_send(url: str, secret: bytes) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO whatsmeow.whatsmeow_message_secrets VALUES ($1, 'c', 's', '3EB0HUNG', $2)", go.DEVICE, secret
    )
    await connection.close()


async def main() -> None:
    settings = Settings(data_dir=Path(mkdtemp()), shutdown_grace_seconds=5)
    url = settings.database_url
    assert url is not None
    library = go.Go()

    def on_send(name: str, message: Any) -> None:
        if message.conversation == "hang":
            asyncio.run(_about_to_send(url, message.messageContextInfo.messageSecret))
            threading.Event().wait()

    library.on_send = on_send
    client.gocode = library
    owner = await db.connect(url)
    await owner.execute(_TABLE)
    database = db.Database(url, pool_size=4)
    await database.start()
    runtime = app.build_runtime(settings, database)
    await owner.add_listener("recado", lambda *told: runtime.signals.set(str(told[3])))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await NativeWorker(runtime, lease=3.0, pace=0.0).run(stop)
    await owner.close()
    await database.stop()


if __name__ == "__main__":
    logs.configure("warning", "json")
    asyncio.run(main())
