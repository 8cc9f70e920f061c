"""The pages of docs/reference that are written from the code. `python -m tests.support.pages` writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from recado import cli, providers
from recado.api.zapi import routes
from recado.api.zapi.relayed import Relayed, RelayedFirst
from recado.api.zapi.route import Refused, Route
from recado.api.zapi.settings import Setting
from recado.config import Settings
from recado.domain import content, operations, provider
from recado.domain.provider import Capabilities, Provider, Varies

ROOT = Path(__file__).parents[2]
_WRITTEN = "<!-- Written by `python -m tests.support.pages` from the code; tests/test_docs.py compares them. -->"
_KINDS = (
    "What a provider cannot send is refused at acceptance with [`unsupported_by_provider`](../errors.md#unsupported_by_provider); with "
    '`"fallback": "text"` what text can stand for goes as text.'
)
_CREDENTIALS = (
    "Of a server (`POST /v1/servers`) and of an instance on it (`POST /v1/instances`). Those marked secret are stored "
    "encrypted and never shown. Those marked own are taken only on a server of the company's own, because on a shared one they "
    "would name what may be another company's ([`shared_server`](../errors.md#shared_server))."
)
_YES, _NO = "yes", ""
#: The optional protocols of the contract, in words.
_ABILITIES = (
    (provider.MarksRead, "marks received messages as read"),
    (provider.ShowsTyping, "shows typing (`typing_ms`)"),
    (provider.FetchesMedia, "received media is fetched and kept"),
    (provider.FindsMessages, "can be asked what became of a message whose answer was lost"),
    (provider.AnswersChallenge, "checks the webhook address with a challenge"),
    (provider.TellsAccount, "tells the number's name, quality and limits"),
    (provider.Restarts, "restarts a session without a new pairing"),
    (provider.ManagesSessions, "makes and removes its sessions on the server"),
    (provider.RegistersWebhook, "registers the webhook by itself"),
    (provider.AsksForPasskey, "pairs with a passkey"),
)
_VARIANTS = (
    "Some providers can do more or less with another engine or channel behind the number. What a variant lacks or adds, "
    "against the tables above:"
)
_OPERATIONS = (
    "Beyond messages: the routes under `/v1/instances/{id}/` that the phone behind an instance answers "
    "(all of them are in the OpenAPI document at `/schema`). `GET /v1/instances/{id}/operations` lists those of one instance; the others "
    "answer 422 `unsupported_by_provider`."
)
_ZAPI = (
    "Every route of Z-API's contract, below `/instances/{id}/token/{token}`, or below the host for those of partners that make "
    "and list instances. [Moving from Z-API](../how-to/moving-from-z-api.md) tells how to begin. What the provider behind an instance "
    'cannot do answers 400 `{"error": "…"}` with the reason; the column says which providers can.'
)


def all_pages() -> dict[str, str]:
    """Path under docs/ -> text."""
    return {
        "reference/cli.md": cli_page(),
        "reference/providers.md": providers_page(),
        "reference/settings.md": settings_page(),
        "reference/zapi.md": zapi_page(),
    }


def commands() -> dict[str, str]:
    """Each command as it is typed -> what it does."""
    return dict(_commands(typer.main.get_command(cli.cli), "recado"))


def cli_page() -> str:
    """Every command."""
    rows = [[f"`{typed}`", does] for typed, does in commands().items()]
    lines = [
        "# Commands",
        _WRITTEN,
        "`--help` after any of them lists its options. Settings come from the [environment](settings.md).",
        "\n".join(_table(["command", ""], rows)),
    ]
    return "\n\n".join(lines) + "\n"


def providers_page() -> str:
    """What each provider can do."""
    adapters = [adapter for _, adapter in sorted(providers.registry().items())]
    lines = [
        "# Providers",
        _WRITTEN,
        _KINDS,
        "## Kinds of messages",
        "\n".join(_table(["kind", *_names(adapters)], _kinds(adapters))),
        "## Media",
        "Largest size, and the types that are taken where the provider limits them.",
        "\n".join(_table(["kind", *_names(adapters)], _media(adapters))),
        "## Abilities",
        "\n".join(_table(["", *_names(adapters)], _abilities(adapters))),
        *_variants(adapters),
        *_notes(adapters),
        "## Operations",
        _OPERATIONS,
        "\n".join(_table(["", *_names(adapters)], _operations(adapters))),
        "## Credentials",
        _CREDENTIALS,
        "\n".join(_table(["provider", "of", "credential", "required", "secret", "own", ""], _credentials(adapters))),
    ]
    return "\n\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting, as `recado config` lists them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append([f"`RECADO_{name.upper()}`", default, field.description or ""])
    lines = [
        "# Settings",
        _WRITTEN,
        "Environment variables, read once at the start; `recado config` shows them with their present values.",
        "\n".join(_table(["variable", "default", ""], rows)),
    ]
    return "\n\n".join(lines) + "\n"


def zapi_page() -> str:
    """Every route of the Z-API surface."""
    adapters = [adapter for _, adapter in sorted(providers.registry().items())]
    domains = dict.fromkeys(route.domain for route in routes.ROUTES)
    lines = [
        "# Routes of the Z-API surface",
        _WRITTEN,
        _ZAPI,
        *(part for domain in domains for part in (f"## {domain.capitalize()}", _zapi_table(domain, adapters))),
    ]
    return "\n\n".join(lines) + "\n"


def _zapi_table(domain: str, adapters: list[Provider]) -> str:
    rows = [
        [f"`{route.method} {route.path}`", route.summary(), _served_by(route, adapters), route.note]
        for route in routes.ROUTES
        if route.domain == domain
    ]
    return "\n".join(_table(["route", "what it does", "works with", ""], rows))


def _served_by(route: Route, adapters: list[Provider]) -> str:
    """The providers that have all that a route needs, or why none has."""
    if isinstance(route, Refused):
        return f"**refused**: {route.reason}"
    if isinstance(route, Relayed):
        return f"`zapi` alone: {route.reason}"
    able = [
        one.kind
        for one in adapters
        if set(route.needs) <= one.capabilities.kinds | operations.operations(one)
        # Z-API itself is asked first, whatever it lacks of ours.
        or (isinstance(route, RelayedFirst | Setting) and isinstance(one, provider.Relays))
    ]
    return "all" if len(able) == len(adapters) else ", ".join(f"`{kind}`" for kind in able)


def _commands(found: Any, path: str) -> Iterator[tuple[str, str]]:
    for name, inner in getattr(found, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")
    if not hasattr(found, "commands"):
        arguments = [one.name.upper() for one in found.params if one.param_type_name == "argument"]
        yield " ".join([path, *arguments]), " ".join((found.help or "").split("\n\n")[0].split())


def _names(adapters: list[Provider]) -> list[str]:
    return [f"`{adapter.kind}`" for adapter in adapters]


def _kinds(adapters: list[Provider]) -> Iterator[list[str]]:
    for kind in content.KINDS:
        yield [f"`{kind}`", *(_mark(kind in adapter.capabilities.kinds) for adapter in adapters)]


def _media(adapters: list[Provider]) -> Iterator[list[str]]:
    for kind in content.MEDIA_KINDS:
        yield [f"`{kind}`", *(_limit(adapter, kind) for adapter in adapters)]


def _limit(adapter: Provider, kind: str) -> str:
    limit = adapter.capabilities.media.get(kind)
    if kind not in adapter.capabilities.kinds:
        return _NO
    if limit is None:
        return "no limit of its own"
    size = _size(limit.max_bytes)
    types_taken = ", ".join(f"`{one}`" for one in sorted(limit.mime_types))
    return f"{size}: {types_taken}" if types_taken else size


def _size(count: int) -> str:
    for unit, name in ((1_048_576, "MiB"), (1_000_000, "MB"), (1_024, "KiB"), (1_000, "kB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def _abilities(adapters: list[Provider]) -> Iterator[list[str]]:
    able = [adapter.capabilities for adapter in adapters]
    yield ["quotes an earlier message (`reply_to`)", *(_mark(one.replies) for one in able)]
    yield [
        "kinds that go without a quote",
        *(", ".join(f"`{kind}`" for kind in sorted(one.unquotable)) for one in able),
    ]
    yield ["recognises a message sent twice, so resending is safe", *(_mark(one.deduplicates) for one in able)]
    yield ["its numbers are phones, paced like a person by default", *(_mark(one.human_pacing) for one in able)]
    yield ["receipts carry our own id", *(_mark(one.echoes_message_id) for one in able)]
    for protocol, words in _ABILITIES:
        yield [words, *(_mark(isinstance(adapter, protocol)) for adapter in adapters)]
    yield ["receipts", *(", ".join(f"`{state}`" for state in sorted(one.receipts)) for one in able)]


def _variants(adapters: list[Provider]) -> Iterator[str]:
    rows = [
        [f"`{adapter.kind}`", f"`{name}`", _less_and_more(adapter.capabilities, able)]
        for adapter in adapters
        if isinstance(adapter, Varies)
        for name, able in adapter.variants.items()
    ]
    if rows:
        yield "## Variants"
        yield _VARIANTS
        yield "\n".join(_table(["provider", "variant", ""], rows))


def _less_and_more(usual: Capabilities, able: Capabilities) -> str:
    lacks = sorted(usual.kinds - able.kinds)
    adds = sorted(able.kinds - usual.kinds)
    told = []
    if lacks:
        told.append("lacks " + ", ".join(f"`{kind}`" for kind in lacks))
    if adds:
        told.append("adds " + ", ".join(f"`{kind}`" for kind in adds))
    if able.human_pacing != usual.human_pacing:
        told.append("is paced" if able.human_pacing else "is not paced")
    told += [note for note in able.notes if note not in usual.notes]
    return "; ".join(told) or "the same"


def _notes(adapters: list[Provider]) -> Iterator[str]:
    told = [(adapter.kind, note) for adapter in adapters for note in adapter.capabilities.notes]
    if told:
        yield "## Good to know"
        yield "\n".join(f"- `{kind}`: {note}" for kind, note in told)


def _operations(adapters: list[Provider]) -> Iterator[list[str]]:
    able = [operations.operations(adapter) for adapter in adapters]
    for name, area in operations.OPERATIONS.items():
        words = f"{area.__name__.lower()}: {name.replace('_', ' ')}"
        yield [words, *(_mark(name in one) for one in able)]


def _credentials(adapters: list[Provider]) -> Iterator[list[str]]:
    for adapter in adapters:
        for owner, fields in (("server", adapter.server_credentials), ("instance", adapter.connection_credentials)):
            for field in fields:
                marks = [_mark(field.required), _mark(field.secret), _mark(field.own_server)]
                yield [f"`{adapter.kind}`", owner, f"`{field.name}`", *marks, field.help]


def _mark(value: bool) -> str:
    return _YES if value else _NO


def _table(columns: list[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


if __name__ == "__main__":
    for name, text in all_pages().items():
        (ROOT / "docs" / name).write_text(text, "utf-8")
