"""One PostgreSQL for the whole run, shared by the xdist workers, and a fresh migrated database for each test.

The first worker that needs a database starts the server and migrates a template, under a file lock; each test
gets a copy of the template. `RECADO_TEST_DATABASE_URL` names another server to use: it must let its user create
databases and roles.
"""

import asyncio
import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from recado.store import db, embedded, migrate

#: Nothing here outlives the run, so nothing needs to reach the disk.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "autovacuum_naptime": "60s",
}


def external_url() -> str | None:
    """The server that the environment names, if any."""
    return os.environ.get("RECADO_TEST_DATABASE_URL")


def with_database(url: str, name: str) -> str:
    """`url` with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Server:
    """The run's server. `directory` is shared by the workers; whoever made it calls `stop` at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._embedded = embedded.EmbeddedPostgres(directory / "postgres", options=_FAST)
        self._template = f"recado_template_{uuid.uuid5(uuid.NAMESPACE_URL, str(directory)).hex[:12]}"
        self._ready = False

    @property
    def url(self) -> str:
        """The server's maintenance database, as the owner."""
        return external_url() or self._embedded.url

    async def fresh(self) -> str:
        """The URL of a new, migrated database."""
        if not self._ready:
            await asyncio.to_thread(self._prepare)
            self._ready = True
        return await self._create(template=self._template)

    async def empty(self) -> str:
        """The URL of a new database without migrations."""
        if not self._ready:
            await asyncio.to_thread(self._prepare)
            self._ready = True
        return await self._create(template="template0")

    async def drop(self, url: str) -> None:
        """Drop a database of `fresh` or `empty`, ending what is connected to it."""
        name = urlsplit(url).path.removeprefix("/")
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """Stop the server that this run started; on another's server, drop the template."""
        if not (self._directory / "prepared").exists():
            return
        if external_url():
            asyncio.run(self.drop(with_database(self.url, self._template)))
        else:
            self._embedded.stop()

    def _prepare(self) -> None:
        """Start the server and migrate the template, once per run."""
        with _locked(self._directory / "lock"):
            marker = self._directory / "prepared"
            if marker.exists():
                return
            # Written first: `stop` must clean up after a template whose migration failed, too.
            marker.touch()
            if not external_url():
                self._embedded.start()
            asyncio.run(self._make_template())

    async def _make_template(self) -> None:
        await self._execute(f'DROP DATABASE IF EXISTS "{self._template}" WITH (FORCE)')
        await self._execute(f'CREATE DATABASE "{self._template}" TEMPLATE template0')
        connection = await db.connect(with_database(self.url, self._template))
        try:
            await migrate.migrate(connection)
        finally:
            await connection.close()

    async def _create(self, template: str) -> str:
        name = f"recado_test_{uuid.uuid4().hex[:16]}"
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return with_database(self.url, name)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
