"""`recado import …`: taking over what a company has elsewhere."""

from typing import TYPE_CHECKING, Annotated

import typer

from recado import cli_common
from recado.cli_common import DataDir, Json

if TYPE_CHECKING:
    from recado.services.runtime import Runtime
    from recado.services.zapi.importing import Imported, Known

cli = typer.Typer(help="Take over what a company has elsewhere.", no_args_is_help=True)

_BASE_URL = "https://api.z-api.io"


@cli.callback()
def _group() -> None:
    """Take over what a company has elsewhere."""


@cli.command("zapi")
def import_zapi(
    company_id: Annotated[str, typer.Option("--company", help="Id of the company here.")],
    kind: Annotated[
        str, typer.Option(help="Their provider here: zapi keeps them connected at Z-API, native connects them anew.")
    ] = "zapi",
    instance: Annotated[
        list[str] | None, typer.Option(help="An instance to take over, as ID:TOKEN; may be repeated.")
    ] = None,
    partner_token: Annotated[
        str | None, typer.Option(envvar="ZAPI_PARTNER_TOKEN", help="Takes over all instances of a partner.")
    ] = None,
    client_token: Annotated[
        str | None,
        typer.Option(envvar="ZAPI_CLIENT_TOKEN", help="The account's security token, where it is activated."),
    ] = None,
    base_url: Annotated[str, typer.Option(help="Where Z-API is.")] = _BASE_URL,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be taken over.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Take an account's instances, webhooks and tokens over from Z-API, through its API. Running it again is fine."""
    from recado.domain import ids
    from recado.services.zapi import importing

    owner = ids.CompanyId(cli_common.identifier(company_id, "a company"))
    source = importing.Source(
        base_url=base_url.rstrip("/"),
        client_token=client_token,
        partner_token=partner_token,
        instances=[_known(text) for text in instance or []],
    )
    if partner_token is None and not instance:
        cli_common.fail("Name what to take over: --partner-token, or --instance ID:TOKEN for each.", 2)

    async def work(runtime: "Runtime") -> "list[Imported]":
        from recado.services import companies

        await companies.get(runtime, owner)
        known = await importing.read_list(runtime, source)
        if dry_run:
            return [importing.Imported(id=one.id, name=one.name, outcome="found") for one in known]
        return await importing.take_over(runtime, owner, source, known, kind=kind)

    found = cli_common.with_runtime(data_dir, work)
    if json:
        cli_common.answer(found)
    else:
        cli_common.table(
            ["id", "name", "outcome", "webhooks", "why"],
            [[one.id, one.name, one.outcome, ", ".join(one.webhooks), one.why] for one in found],
        )
    if any(one.outcome == "failed" for one in found):
        raise typer.Exit(1)


def _known(text: str) -> "Known":
    from recado.services.zapi import importing

    identifier, separator, token = text.partition(":")
    if not separator or not identifier or not token:
        cli_common.fail("Write an instance as ID:TOKEN.", 2)
    return importing.Known(id=identifier, token=token)
