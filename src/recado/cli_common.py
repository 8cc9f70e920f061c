"""What the commands share: settings, an opened Recado without workers, errors for people, answers for machines."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer

if TYPE_CHECKING:
    from recado.config import Settings
    from recado.services.runtime import Runtime

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of Recado's data (RECADO_DATA_DIR).")]


def settings(**given: Any) -> "Settings":
    """The settings of the environment, with what was given on the command line. Ends the command when they are wrong."""
    import pydantic

    from recado.config import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except pydantic.ValidationError as error:
        for problem in error.errors():
            name = "_".join(("RECADO", *(str(part).upper() for part in problem["loc"][:1])))
            typer.secho(f"{name}: {problem['msg'].removeprefix('Value error, ')}", fg="red", err=True)
        raise typer.Exit(2) from None


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command with a message."""
    typer.secho(message, fg="red", err=True)
    raise typer.Exit(code)


def answer(value: Any) -> None:
    """Print data as JSON on one line."""
    import msgspec

    typer.echo(msgspec.json.encode(value).decode())


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """Print rows for people."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(shown)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work. What can go wrong outside of us becomes one line and exit code 1."""
    import asyncpg

    from recado.domain.errors import RecadoError
    from recado.kit.crypto import CryptoError
    from recado.store import migrate

    try:
        return asyncio.run(work)
    except RecadoError as error:
        fail("\n".join([error.detail, *(f"  {wrong.field}: {wrong.message}" for wrong in error.errors)]))
    except (migrate.MigrationChanged, CryptoError, RuntimeError) as error:
        fail(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"{type(error).__name__}: {error}\n`recado doctor` tells what is wrong and what to do.")


def quiet(level: str = "warning") -> None:
    """Log only what goes wrong: a command answers on stdout, and its reader did not ask for a log."""
    from recado.telemetry import logs

    logs.configure(level, "pretty" if sys.stderr.isatty() else "json")


@contextlib.asynccontextmanager
async def database_url(given: "Settings") -> AsyncIterator[str]:
    """The database: the one of the settings, or the embedded one, started for as long as needed if it is not up."""
    from recado.store.embedded import EmbeddedPostgres

    if given.database_url:
        yield given.database_url
        return
    server = EmbeddedPostgres(given.postgres_dir, connections=given.postgres_connections)
    was_running = given.postgres_dir.exists() and await asyncio.to_thread(server.running)
    if not was_running:
        await asyncio.to_thread(server.start)
    try:
        yield server.url
    finally:
        if not was_running:
            await asyncio.to_thread(server.stop)


@contextlib.asynccontextmanager
async def opened(given: "Settings") -> AsyncIterator["Runtime"]:
    """The clients of a process that answers nobody and works for nobody, on a migrated database."""
    from recado import app
    from recado.store import db, migrate

    async with database_url(given) as url, contextlib.AsyncExitStack() as stack:
        connection = await db.connect(url)
        try:
            if given.database_url is None:
                await migrate.migrate(connection)
            elif await migrate.pending(connection):
                raise RuntimeError("The database is not migrated; run `recado migrate` first.")
        finally:
            await connection.close()
        database = db.Database(url, pool_size=2)
        stack.push_async_callback(database.stop)
        await database.start()
        runtime = app.build_runtime(given, database)
        await runtime.http.start()
        stack.push_async_callback(runtime.http.stop)
        yield runtime


def with_runtime(data_dir: Path | None, work: "Callable[[Runtime], Awaitable[T]]") -> T:
    """What a command's work on an opened Recado returns."""
    quiet()
    given = settings(data_dir=data_dir)

    async def worked() -> T:
        async with opened(given) as runtime:
            return await work(runtime)

    return run(worked())


def identifier(value: str, what: str) -> UUID:
    """A UUID from the command line."""
    try:
        return UUID(value)
    except ValueError:
        fail(f"{value!r} is not the id of {what}.", 2)
