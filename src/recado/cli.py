"""The command line. Everything heavy is imported by the command that needs it, so that help comes at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recado import cli_admin, cli_common, cli_import
from recado.cli_common import DataDir, Json

if TYPE_CHECKING:
    from recado.domain.provider import Provider

cli = typer.Typer(
    name="recado",
    help="A self-hosted, multi-tenant WhatsApp messaging gateway that does not lose messages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
webhook = typer.Typer(help="Look at provider webhooks.", no_args_is_help=True)
cli.add_typer(cli_admin.cli, name="admin")
cli.add_typer(cli_import.cli, name="import")
cli.add_typer(webhook, name="webhook")

Host = Annotated[str | None, typer.Option(help="Address to listen on (RECADO_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (RECADO_PORT); 0 takes a free one.")]


def main() -> None:
    """The program `recado`."""
    cli()


# --- running --------------------------------------------------------------------------------------------


@cli.command()
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    example: Annotated[bool, typer.Option("--example", help="Prepare a company and a sandbox number to try.")] = False,
) -> None:
    """Run everything in one process: API, workers, sandbox, and the embedded database unless one is configured."""
    _run(cli_common.settings(host=host, port=port, data_dir=data_dir), announce=_announcement(example))


@cli.command()
def api(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Run the API only. The database must be migrated."""
    _run(cli_common.settings(host=host, port=port, data_dir=data_dir), roles=(), migrations=False)


@cli.command()
def worker(
    roles: Annotated[str, typer.Option(help="Roles, comma separated; all by default.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Run workers only. The database must be migrated."""
    from recado import app, native

    wanted = tuple(role.strip() for role in roles.split(",") if role.strip()) or app.ROLES
    unknown = sorted(set(wanted) - set(app.ROLES))
    if unknown:
        cli_common.fail(f"No such role: {', '.join(unknown)}. The roles are {', '.join(app.ROLES)}.", 2)
    trouble = native.trouble() if roles and "native" in wanted else None
    if trouble is not None:
        cli_common.fail(trouble, 2)
    _run(cli_common.settings(data_dir=data_dir), roles=wanted, api=False, migrations=False)


def _run(settings: Any, **what: Any) -> None:
    import asyncpg

    from recado import app
    from recado.kit.crypto import CryptoError
    from recado.store import migrate
    from recado.telemetry import traces

    roles = what.pop("roles", app.ROLES)
    try:
        app.run(settings, roles, **what)
    except (app.NotMigrated, migrate.MigrationChanged, traces.NotInstalled, CryptoError, RuntimeError) as error:
        cli_common.fail(str(error))
    except (OSError, asyncpg.PostgresError) as error:
        cli_common.fail(f"{error}\n`recado doctor` tells what is wrong and what to do.")


def _announcement(example: bool) -> Any:
    async def announce(recado: Any) -> None:
        from recado import cli_example

        await cli_example.announce(recado, example=example)

    return announce


@cli.command()
def demo(
    url: Annotated[str | None, typer.Option(help="A running Recado; by default one is started for the demo.")] = None,
    token: Annotated[
        str | None, typer.Option(help="Admin token of the running Recado.", envvar="RECADO_ADMIN_TOKEN")
    ] = None,
) -> None:
    """Watch one message go round: sent, acknowledged, answered, delivered to a signed webhook."""
    from recado import cli_demo

    cli_common.quiet("error")
    cli_common.run(cli_demo.demo(url, token))


# --- setting up -----------------------------------------------------------------------------------------


@cli.command()
def migrate(
    phase: Annotated[str, typer.Option(help="pre: before new code runs; post: after the old is gone; all.")] = "all",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Bring the database to this version's schema."""
    from recado.store import db, migrate

    if phase not in ("all", "pre", "post"):
        cli_common.fail("--phase is pre, post or all.", 2)
    phases: tuple[migrate.Phase, ...] = ("pre",) if phase == "pre" else ("pre", "post")
    cli_common.quiet()
    settings = cli_common.settings(data_dir=data_dir)

    async def work() -> list[migrate.Migration]:
        async with cli_common.database_url(settings) as url:
            connection = await db.connect(url)
            try:
                return await migrate.migrate(connection, phases)
            finally:
                await connection.close()

    done = cli_common.run(work())
    if json:
        cli_common.answer({"applied": [{"number": one.number, "phase": one.phase, "name": one.name} for one in done]})
        return
    for one in done:
        typer.echo(f"applied {one.number:03} {one.phase} {one.name}")
    if not done:
        typer.echo("nothing to do")


@cli.command()
def config(data_dir: DataDir = None, json: Json = False) -> None:
    """List every setting: its variable, its value now, what it does."""
    from recado.config import Settings

    settings = cli_common.settings(data_dir=data_dir)
    rows = []
    for name, field in Settings.model_fields.items():
        value, default = getattr(settings, name), field.get_default()
        # What may hold a secret is not in the settings' repr either.
        shown, usual = (_plain(value), _plain(default)) if field.repr else ("(set)" if value else None, None)
        rows.append({"variable": f"RECADO_{name.upper()}", "value": shown, "default": usual, "help": field.description})
    if json:
        cli_common.answer(rows)
        return
    cli_common.table(
        ["variable", "value", "what it does"],
        [[row["variable"], _marked(row), row["help"]] for row in rows],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value) if isinstance(value, Path) else value


def _marked(row: dict[str, Any]) -> str:
    """The value, with a star when it is not the default."""
    text = "" if row["value"] is None else str(row["value"])
    return text if row["value"] == row["default"] else f"{text} *"


@cli.command()
def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Check what Recado depends on, and say what to do about what is wrong."""
    from recado import cli_doctor

    cli_common.quiet()
    settings = cli_common.settings(data_dir=data_dir)
    findings = cli_common.run(cli_doctor.examine(settings))
    cli_doctor.show(findings, json=json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


# --- looking --------------------------------------------------------------------------------------------


@cli.command()
def explain(
    message_id: Annotated[str, typer.Argument(help="The id that POST /v1/messages answered.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Tell in words what became of a message."""
    from recado import cli_explain

    cli_common.quiet()
    settings = cli_common.settings(data_dir=data_dir)
    wanted = cli_common.identifier(message_id, "a message")
    story = cli_common.run(cli_explain.tell(settings, wanted))
    if json:
        cli_common.answer(story)
    else:
        cli_explain.show(story)


@cli.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    import tempfile

    import msgspec

    from recado import app
    from recado.api import application, ingress
    from recado.services import keys
    from recado.services.accepting import Acceptor
    from recado.store import db

    cli_common.quiet()
    with tempfile.TemporaryDirectory() as folder:
        # Clients that are never started: the document describes routes, and needs none of what is behind them.
        settings = cli_common.settings(data_dir=Path(folder), secret_key=keys.new_key())
        runtime = app.build_runtime(settings, db.Database("postgresql:///unused"))
        document = application.document(app.build_api(runtime, Acceptor(runtime), ingress.Ingress(runtime)))
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    sys.stdout.flush()


@webhook.command("read")
def webhook_read(
    kind: Annotated[str, typer.Argument(help="The provider, such as meta.")],
    file: Annotated[str, typer.Argument(help="File with the webhook's body; - reads it from the terminal.")],
    header: Annotated[list[str] | None, typer.Option(help="A header of the webhook, as Name=value.")] = None,
    secret: Annotated[str | None, typer.Option(help="The account's secret: the signature is checked as well.")] = None,
    json: Json = False,
) -> None:
    """Show what Recado makes of a provider's webhook. Nothing is stored, nobody is called."""
    import msgspec

    provider = _provider(kind)
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        cli_common.fail(f"Cannot read {file}: {error.strerror}.")
    headers = _headers(header or [])
    if secret is not None and not _verified(provider, secret, headers, body):
        cli_common.fail(f"The signature is not that of this {kind} account: Recado would answer 401.")
    try:
        events = provider.read(body)
    except ValueError as error:
        cli_common.fail(f"This is not a webhook of {kind}: {error}")
    found = [msgspec.to_builtins(event, str_keys=True) for event in events]
    if json:
        cli_common.answer(found)
        return
    from rich.console import Console

    console = Console()
    console.print(f"{len(found)} event{'' if len(found) == 1 else 's'}")
    for event in found:
        console.print_json(data=event)


def _provider(kind: str) -> "Provider":
    from recado import providers

    known = providers.registry()
    if kind not in known:
        cli_common.fail(f"There is no provider {kind!r}; there are: {', '.join(sorted(known))}.", 2)
    return known[kind]


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            cli_common.fail(f"--header {text!r} is not Name=value.", 2)
        headers[name.strip().lower()] = value.strip()
    return headers


def _verified(provider: "Provider", secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the signature holds. The one secret stands for whichever of the account's credentials signs."""
    from uuid import UUID

    from recado.domain.ids import CompanyId, ConnectionId, InstanceId, ServerId
    from recado.domain.provider import Connection, Server

    nobody = UUID(int=0)
    server = Server(
        id=ServerId(nobody),
        kind=provider.kind,
        base_url=provider.default_base_url or "",
        credentials={field.name: secret for field in provider.server_credentials},
    )
    connection = Connection(
        id=ConnectionId(nobody),
        company_id=CompanyId(nobody),
        instance_id=InstanceId(nobody),
        server=server,
        credentials={field.name: secret for field in provider.connection_credentials},
    )
    return provider.verify(connection, headers, body)


if __name__ == "__main__":
    main()
