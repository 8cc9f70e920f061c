"""`recado admin …`: companies, instances, tokens and keys, straight on the database."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recado import cli_common
from recado.cli_common import DataDir, Json

if TYPE_CHECKING:
    from recado.services.runtime import Runtime

cli = typer.Typer(help="Companies, instances, tokens and keys.", no_args_is_help=True)
company = typer.Typer(help="Companies: the tenants.", no_args_is_help=True)
instance = typer.Typer(help="Instances: WhatsApp numbers.", no_args_is_help=True)
token = typer.Typer(help="Tokens: who may call.", no_args_is_help=True)
key = typer.Typer(help="Keys: what encrypts stored credentials.", no_args_is_help=True)
for name, group in (("company", company), ("instance", instance), ("token", token), ("key", key)):
    cli.add_typer(group, name=name)

_ALL = 10_000
CompanyId = Annotated[str, typer.Option("--company", help="Id of the company.")]


# --- companies ------------------------------------------------------------------------------------------


@company.command("create")
def company_create(
    name: Annotated[str, typer.Argument(help="Name of the company.")], data_dir: DataDir = None, json: Json = False
) -> None:
    """Add a company. Its first token is shown once."""
    from recado.services import companies

    made = cli_common.with_runtime(data_dir, lambda runtime: companies.create(runtime, name=name, settings={}))
    if json:
        found = made.company
        answer = {"id": found.id, "name": found.name, "status": found.status, "token": made.token}
        cli_common.answer({**answer, "created_at": found.created_at})
        return
    typer.echo(f"company  {made.company.id}  {made.company.name}\ntoken    {made.token}  (shown only now)")


@company.command("list")
def company_list(data_dir: DataDir = None, json: Json = False) -> None:
    """List the companies."""
    from recado.services import companies

    found = cli_common.with_runtime(data_dir, lambda runtime: companies.page(runtime, after=None, limit=_ALL))
    if json:
        fields = ("id", "name", "status", "created_at")
        cli_common.answer([{field: getattr(one, field) for field in fields} for one in found])
        return
    cli_common.table(
        ["id", "name", "status", "created"],
        [[one.id, one.name, one.status, f"{one.created_at:%Y-%m-%d %H:%M}"] for one in found],
    )


# --- instances ------------------------------------------------------------------------------------------


@instance.command("create")
def instance_create(
    name: Annotated[str, typer.Argument(help="Name of the instance.")],
    company_id: CompanyId,
    kind: Annotated[str, typer.Option(help="Its provider, such as sandbox or meta.")] = "sandbox",
    phone: Annotated[str | None, typer.Option(help="Its number, if it is known.")] = None,
    credential: Annotated[
        list[str] | None,
        typer.Option(help="A credential, as name=value, or name=@file to keep it out of the shell's history."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Add an instance to a company. Its token is shown once."""
    from recado.domain import ids
    from recado.services import instances

    owner = ids.CompanyId(cli_common.identifier(company_id, "a company"))
    credentials = dict(_credential(text) for text in credential or [])

    async def work(runtime: "Runtime") -> instances.Created:
        from recado.services import companies

        # An unknown company is told as such, not as a foreign key.
        await companies.get(runtime, owner)
        return await instances.create(runtime, owner, name=name, kind=kind, phone=phone, credentials=credentials)

    made = cli_common.with_runtime(data_dir, work)
    found = made.described.instance
    if json:
        connections = [
            {"id": one.id, "kind": one.kind, "server_id": one.server_id, "status": one.status, "rank": one.rank}
            for one in made.described.connections
        ]
        answer = {"id": found.id, "company_id": owner, "name": found.name, "status": found.status}
        cli_common.answer({**answer, "token": made.token, "connections": connections})
        return
    typer.echo(f"instance  {found.id}  {found.name}  {found.status}\ntoken     {made.token}  (shown only now)")


def _credential(text: str) -> tuple[str, str]:
    from pathlib import Path

    name, separator, value = text.partition("=")
    if not separator:
        cli_common.fail("--credential is name=value or name=@file.", 2)
    if not value.startswith("@"):
        return name, value
    try:
        return name, Path(value[1:]).read_text("utf-8").strip()
    except OSError as error:
        cli_common.fail(f"Cannot read {value[1:]}: {error.strerror}.")


# --- tokens ---------------------------------------------------------------------------------------------


@token.command("create")
def token_create(
    company_id: Annotated[str | None, typer.Option("--company", help="Company; without it, an admin token.")] = None,
    instance_id: Annotated[str | None, typer.Option("--instance", help="Instance of the company.")] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a token: an admin's, a company's, or an instance's. It is shown once."""
    from recado.services import tokens

    if instance_id and not company_id:
        cli_common.fail("--instance needs --company too.", 2)
    owner = cli_common.identifier(company_id, "a company") if company_id else None
    number = cli_common.identifier(instance_id, "an instance") if instance_id else None

    async def work(runtime: "Runtime") -> tokens.Issued:
        if owner is None:
            return await tokens.create_admin(runtime, name=name)
        return await tokens.create(runtime, owner, instance_id=number, name=name)

    _show_token(cli_common.with_runtime(data_dir, work), json=json)


@token.command("rotate")
def token_rotate(
    token_id: Annotated[str, typer.Argument(help="Id of the token.")], data_dir: DataDir = None, json: Json = False
) -> None:
    """Make a token in place of one that ends now. The new one is shown once."""
    from recado.services import tokens

    old = cli_common.identifier(token_id, "a token")
    _show_token(
        cli_common.with_runtime(data_dir, lambda runtime: tokens.rotate(runtime, old, company_id=None)), json=json
    )


@token.command("revoke")
def token_revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token.")], data_dir: DataDir = None, json: Json = False
) -> None:
    """End a token, from the next request on."""
    from recado.services import tokens

    old = cli_common.identifier(token_id, "a token")
    ended = cli_common.with_runtime(data_dir, lambda runtime: tokens.revoke(runtime, old, company_id=None))
    if json:
        cli_common.answer({"id": ended.id, "hint": ended.hint, "revoked_at": ended.revoked_at})
    else:
        typer.echo(f"token {ended.id} {ended.hint} ended")


@token.command("list")
def token_list(
    company_id: Annotated[str | None, typer.Option("--company", help="Only this company's.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List tokens; only the last characters of each are known."""
    from recado.domain import ids
    from recado.services import tokens

    owner = ids.CompanyId(cli_common.identifier(company_id, "a company")) if company_id else None
    found = cli_common.with_runtime(
        data_dir, lambda runtime: tokens.page(runtime, company_id=owner, after=None, limit=_ALL)
    )
    if json:
        cli_common.answer(found)
        return
    cli_common.table(
        ["id", "level", "company", "name", "token", "revoked"],
        [[one.id, one.level, one.company_id, one.name, one.hint, one.revoked_at] for one in found],
    )


def _show_token(issued: Any, *, json: bool) -> None:
    made = issued.token
    if json:
        answer = {"id": made.id, "level": made.level, "company_id": made.company_id, "instance_id": made.instance_id}
        cli_common.answer({**answer, "name": made.name, "token": issued.secret})
        return
    typer.echo(f"id     {made.id}  {made.level}\ntoken  {issued.secret}  (shown only now)")


# --- keys -----------------------------------------------------------------------------------------------


@key.command("add")
def key_add(data_dir: DataDir = None, json: Json = False) -> None:
    """Put a new key first. Restart every process of Recado before `recado admin key rotate`."""
    from recado.services import keys

    settings = cli_common.settings(data_dir=data_dir)
    if settings.secret_key is not None:
        made = keys.new_key()
        if json:
            cli_common.answer({"key": made})
        else:
            typer.echo(f"Put this in front of RECADO_SECRET_KEY, with a comma, and restart every process:\n{made}")
        return
    try:
        count = keys.add_to_file(settings.secret_key_path)
    except FileNotFoundError:
        cli_common.fail(f"There is no {settings.secret_key_path} yet; it is made at the first start.")
    if json:
        cli_common.answer({"keys": count})
    else:
        typer.echo(
            f"{settings.secret_key_path} holds {count} keys. Restart every process, then: recado admin key rotate"
        )


@key.command("rotate")
def key_rotate(data_dir: DataDir = None, json: Json = False) -> None:
    """Encrypt everything stored with the first key. May run while Recado does, and again."""
    from recado.services import keys

    done = cli_common.with_runtime(data_dir, lambda runtime: keys.rotate(runtime.db, runtime.keyring))
    if json:
        cli_common.answer(done)
    else:
        typer.echo(f"{done.encrypted} encrypted anew, {done.current} were current, {len(done.unreadable)} unreadable")
        for name in done.unreadable:
            typer.secho(f"  cannot be read with any key: {name}", fg="red")
    if done.unreadable:
        raise typer.Exit(1)


@key.command("prune")
def key_prune(data_dir: DataDir = None, json: Json = False) -> None:
    """Drop every key but the first from the key file, once nothing needs them."""
    from recado.services import keys

    settings = cli_common.settings(data_dir=data_dir)
    if settings.secret_key is not None:
        cli_common.fail("The keys are in RECADO_SECRET_KEY: keep only the first there.")
    checked = cli_common.with_runtime(data_dir, lambda runtime: keys.check(runtime.db, runtime.keyring))
    if checked.old or checked.unreadable:
        cli_common.fail(f"{checked.old} values still need an old key. First: recado admin key rotate")
    dropped = keys.prune_file(settings.secret_key_path)
    if json:
        cli_common.answer({"dropped": dropped})
    else:
        typer.echo(f"{dropped} dropped")
