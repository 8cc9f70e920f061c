"""The documentation says what the code does: every error code, setting, command and event type stands in its page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from recado.config import Settings
from recado.domain import errors, provider
from recado.domain.events import EVENT_TYPES
from tests.support import pages

ROOT = pages.ROOT
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINKED = sorted({*PAGES, *ROOT.glob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "src").rglob("*.md")})
#: Without their arguments.
COMMANDS = {re.sub(r"( [A-Z_]+)+$", "", typed) for typed in pages.commands()}
_ROW = re.compile(r'^\| <a id="(?P<anchor>[^"]+)"></a>`(?P<code>[^`]+)` \| (?:(?P<status>\d{3}) \| )?', re.MULTILINE)
#: Statuses that the framework answers by itself: their code is the phrase.
_OF_THE_FRAMEWORK = {"method_not_allowed": 405}
#: Codes that a function returns for what a provider told without one: nothing in the way they are written shows it.
_BY_A_FUNCTION = {
    "providers/waha/webhooks.py": ("ack_error",),
    "providers/zapi/errors.py": ("delivery_failed",),
}


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A code in the source. `status` is known where an error of the API is made with it."""

    code: str
    where: str
    status: int | None = None


def _statuses() -> dict[str, int]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RecadoError)]
    return {kind.__name__: kind.status for kind in kinds} | {"invalid": 422, "invalid_fields": 422}


def _texts(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """The codes an expression can be. A part that is filled in is written `*`."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, constants)
            yield from _texts(other, constants)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value, constants)
        case ast.Name(id=name) if name in constants:
            yield constants[name]


def _used(path: Path, signatures: dict[str, int]) -> Iterator[Used]:
    """The codes in a file. `signatures` says which argument of an exception is its code."""
    tree = ast.parse(path.read_text("utf-8"))
    named = dict(_named(tree))
    # A code that several modules share is a constant of the contract.
    constants = {name: value for name, value in vars(provider).items() if name.isupper() and isinstance(value, str)} | {
        name: value.value
        for name, value in named.items()
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    statuses = _statuses()
    for node in ast.walk(tree):
        found: list[tuple[ast.expr, int | None]] = [(value, None) for value in _codes(node, named)]
        if isinstance(node, ast.Call):
            found = list(_arguments(node, signatures, statuses))
        for value, status in found:
            for code in _texts(value, constants):
                yield Used(code=code, where=f"{path.relative_to(ROOT)}:{value.lineno}", status=status)


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names of a module that stand for something written there."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case _:
                pass


def _arguments(
    call: ast.Call, signatures: dict[str, int], statuses: dict[str, int]
) -> Iterator[tuple[ast.expr, int | None]]:
    """The code that a call is given, by name or by place, with the status of an error of the API."""
    name = ast.unparse(call.func).rpartition(".")[2]
    for keyword in call.keywords:
        if keyword.arg == "code":
            yield keyword.value, statuses.get(name)
    place = signatures.get(name)
    if place is not None and place < len(call.args):
        yield call.args[place], None


def _codes(node: ast.AST, named: dict[str, ast.expr]) -> Iterator[ast.expr]:
    """What a node that is no call says of codes: a default, an assignment, a field of a reply, a table."""
    match node:
        case ast.FunctionDef(args=ast.arguments(kwonlyargs=arguments, kw_defaults=defaults)):
            pairs = zip(arguments, defaults, strict=True)
            yield from (default for argument, default in pairs if argument.arg == "code" and default)
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from (value for target, value in zip(targets, values, strict=True) if _is_code(target))
        case ast.Dict(keys=keys, values=values):
            fields = zip(keys, values, strict=True)
            yield from (value for key, value in fields if isinstance(key, ast.Constant) and key.value == "code")
        case ast.For(target=ast.Tuple(elts=targets), iter=table):
            yield from _column(targets, table, named)
        case ast.comprehension(target=ast.Tuple(elts=targets), iter=table):
            yield from _column(targets, table, named)
        case _:
            pass


def _is_code(target: ast.expr) -> bool:
    """Whether a name holds a code. A `meaning` is what a provider's text says, and becomes one."""
    return isinstance(target, ast.Name) and target.id in ("code", "meaning")


def _column(targets: list[ast.expr], table: ast.expr, named: dict[str, ast.expr]) -> Iterator[ast.expr]:
    """The codes of a table that is gone through row by row, `for text, code in TABLE`."""
    rows = named.get(table.id) if isinstance(table, ast.Name) else table
    if not isinstance(rows, ast.Tuple):
        return
    for row in rows.elts:
        if isinstance(row, ast.Tuple) and len(row.elts) == len(targets):
            yield from (value for target, value in zip(targets, row.elts, strict=True) if _is_code(target))


def _signatures(folder: Path) -> dict[str, int]:
    """The exceptions of a package that are made with a code by place -> which place."""
    found = {}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["Exception"]:
                made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
                places = [argument.arg for one in made for argument in one.args.args[1:]]
                if "code" in places:
                    found[node.name] = places.index("code")
    return found


def _all_used() -> list[Used]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RecadoError)]
    found = [Used(code=kind.code, status=kind.status, where=kind.__name__) for kind in kinds]
    found += [Used(code=code, status=status, where="framework") for code, status in _OF_THE_FRAMEWORK.items()]
    for name, codes in _BY_A_FUNCTION.items():
        texts = (ROOT / "src" / "recado" / name).read_text("utf-8")
        assert [code for code in codes if f'"{code}"' not in texts] == [], f"{name} has them no more"
        found += [Used(code=code, where=name) for code in codes]
    signatures: dict[Path, dict[str, int]] = {}
    for path in sorted((ROOT / "src" / "recado").rglob("*.py")):
        if path.parent not in signatures:
            signatures[path.parent] = _signatures(path.parent)
        found += _used(path, signatures[path.parent])
    return found


def _documented() -> dict[str, int | None]:
    text = (DOCS / "errors.md").read_text("utf-8")
    return {row["code"]: int(row["status"]) if row["status"] else None for row in _ROW.finditer(text)}


def _matches(code: str, documented: str) -> bool:
    """`http_*` of the source, and `http_404` too, is documented as `http_<status>`."""
    if "*" in code:
        return re.fullmatch(".+".join(re.escape(part) for part in code.split("*")), documented) is not None
    return re.fullmatch(r"\d+".join(re.escape(part) for part in re.split(r"<[a-z]+>", documented)), code) is not None


def test_every_error_code_of_the_source_is_documented_with_its_status() -> None:
    documented = _documented()
    used = _all_used()
    assert len(used) > 80
    missing = [f"{one.where}: {one.code}" for one in used if not any(_matches(one.code, code) for code in documented)]
    assert missing == []
    wrong = [
        f"{one.where}: {one.code} is {one.status}"
        for one in used
        if one.status and "*" not in one.code and documented.get(one.code) not in (one.status, None)
    ]
    assert wrong == []


def test_no_error_code_is_documented_that_does_not_exist() -> None:
    used = _all_used()
    assert [code for code in _documented() if not any(_matches(one.code, code) for one in used)] == []


def test_every_code_has_its_anchor() -> None:
    rows = list(_ROW.finditer((DOCS / "errors.md").read_text("utf-8")))
    assert len({row["anchor"] for row in rows}) == len(rows)
    assert [row["code"] for row in rows if re.sub(r"[<>]", "", row["code"]) != row["anchor"]] == []


@pytest.mark.parametrize(("name", "text"), pages.all_pages().items(), ids=pages.all_pages())
def test_a_page_that_is_written_from_the_code_is_up_to_date(name: str, text: str) -> None:
    assert (DOCS / name).read_text("utf-8") == text, "run: python -m tests.support.pages"


def test_every_event_type_is_documented() -> None:
    listed = re.findall(r"^\| `([a-z_.]+)` \|", (DOCS / "reference" / "events.md").read_text("utf-8"), re.MULTILINE)
    assert listed == list(EVENT_TYPES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    settings = {f"RECADO_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bRECADO_[A-Z_]+\b", text)) - settings == set()
    for command in set(re.findall(r"(?:`|^)recado ((?:[a-z]+ ?)+)", text, re.MULTILINE)):
        assert _exists(command.split()), f"recado {command}"


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text("utf-8")):
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        if not found.exists() or (anchor and anchor not in _anchors(found.read_text("utf-8"))):
            lost.append(target)
    assert lost == []


def _anchors(text: str) -> set[str]:
    """What a link into a page can name: its headings, as GitHub writes them, and its own anchors."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings} | set(
        re.findall(r'<a id="([^"]+)"', text)
    )


def _exists(words: list[str]) -> bool:
    """Whether the first words are a command; what follows it are arguments."""
    return any(" ".join(["recado", *words[:count]]) in COMMANDS for count in range(1, len(words) + 1))
