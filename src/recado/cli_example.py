"""What `recado serve` tells when it is up, and the example company of `make run`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from recado.domain import ids
from recado.domain.errors import RecadoError
from recado.services import companies, instances, sandbox, sandbox_phones

if TYPE_CHECKING:
    from recado.app import Recado

_PHONE = "5511999990001"
_ANSWER = "Olá! Recebi a sua mensagem."


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """What the next start shows again: tokens are kept nowhere else in a readable form."""

    company_id: ids.CompanyId
    instance_id: ids.InstanceId
    company_token: str
    admin_token: str | None = None


async def announce(recado: "Recado", *, example: bool) -> None:
    """Print where Recado is and how to begin, on stdout."""
    lines = ["", f"  Recado is at     {recado.url}", f"  API reference    {recado.url}/schema"]
    prepared = await _prepare(recado) if example else None
    made = recado.admin_token if recado.settings.admin_token is None else None
    if prepared is not None and prepared.admin_token is not None:
        lines.append(f"  Admin token      {prepared.admin_token}")
    elif made is not None:
        lines.append(f"  Admin token      {made}   (shown only now)")
    if prepared is not None:
        lines += _how_to_begin(recado.url, prepared)
    typer.echo("\n".join([*lines, ""]))


def _how_to_begin(url: str, example: Example) -> list[str]:
    body = f'{{"instance_id": "{example.instance_id}", "to": "{_PHONE}", "type": "text", "text": {{"body": "Olá"}}}}'
    authorization = f'-H "Authorization: Bearer {example.company_token}"'
    return [
        f"  Example company  {example.company_id}",
        f"    token          {example.company_token}",
        f"    instance       {example.instance_id}   (sandbox, connected)",
        "",
        f"  Send a first message; the sandbox phone {_PHONE} reads it and answers:",
        "",
        f"    curl -X POST {url}/v1/messages {authorization} \\",
        f"      -H 'Content-Type: application/json' -d '{body}'",
        "",
        "  See it, its receipts and the answer:",
        "",
        f"    curl '{url}/v1/messages?instance_id={example.instance_id}' {authorization}",
    ]


async def _prepare(recado: "Recado") -> Example:
    """The example of an earlier start if it is still there, else a new one."""
    path = recado.settings.data_dir / "example.json"
    runtime = recado.runtime
    kept = _read(path)
    if kept is not None:
        try:
            await runtime.directory.authenticate(kept.company_token)
            await instances.get(runtime, kept.company_id, kept.instance_id)
        except RecadoError:
            kept = None
    if kept is None:
        made = await companies.create(runtime, name="Example", settings={})
        number = await instances.create(runtime, made.company.id, name="Example number", kind="sandbox")
        kept = Example(
            company_id=made.company.id,
            instance_id=number.described.instance.id,
            company_token=made.token,
            admin_token=recado.admin_token if recado.settings.admin_token is None else None,
        )
        _write(path, kept)
    await sandbox.connect(runtime.db, kept.company_id, kept.instance_id)
    behaviour = sandbox_phones.Behaviour(auto_reply=_ANSWER)
    await sandbox_phones.put_phone(runtime.db, kept.company_id, _PHONE, behaviour)
    return kept


def _read(path: Path) -> Example | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Example)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, example: Example) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(example))
