"""The documentation says what the code does: every error code, setting, command and event type stands in its page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from recado.config import Settings
from recado.domain import errors
from recado.domain.events import EVENT_TYPES
from tests.support import pages

ROOT = pages.ROOT
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
#: Without their arguments.
COMMANDS = {re.sub(r"( [A-Z_]+)+$", "", typed) for typed in pages.commands()}
_ROW = re.compile(r'^\| <a id="(?P<anchor>[^"]+)"></a>`(?P<code>[^`]+)` \| (?:(?P<status>\d{3}) \| )?', re.MULTILINE)
#: Statuses that the framework answers by itself: their code is the phrase.
_OF_THE_FRAMEWORK = {"method_not_allowed": 405}


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


def _used(path: Path) -> Iterator[Used]:
    tree = ast.parse(path.read_text("utf-8"))
    constants = {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip
    statuses = _statuses()
    for node in ast.walk(tree):
        found: list[tuple[ast.expr, int | None]] = []
        match node:
            case ast.Call(func=func, keywords=keywords):
                status = statuses.get(ast.unparse(func).rpartition(".")[2])
                found = [(keyword.value, status) for keyword in keywords if keyword.arg == "code"]
            case ast.FunctionDef(args=ast.arguments(kwonlyargs=arguments, kw_defaults=defaults)):
                pairs = zip(arguments, defaults, strict=True)
                found = [(default, None) for argument, default in pairs if argument.arg == "code" and default]
            case ast.Assign(targets=[ast.Name(id="code")], value=assigned):
                found = [(assigned, None)]
            case _:
                pass
        for value, status in found:
            for code in _texts(value, constants):
                yield Used(code=code, where=f"{path.relative_to(ROOT)}:{value.lineno}", status=status)


def _all_used() -> list[Used]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RecadoError)]
    found = [Used(code=kind.code, status=kind.status, where=kind.__name__) for kind in kinds]
    found += [Used(code=code, status=status, where="framework") for code, status in _OF_THE_FRAMEWORK.items()]
    for path in sorted((ROOT / "src" / "recado").rglob("*.py")):
        found += _used(path)
    return found


def _documented() -> dict[str, int | None]:
    text = (DOCS / "errors.md").read_text("utf-8")
    return {row["code"]: int(row["status"]) if row["status"] else None for row in _ROW.finditer(text)}


def _matches(code: str, documented: str) -> bool:
    return re.fullmatch(".+".join(re.escape(part) for part in code.split("*")), documented) is not None


def test_every_error_code_of_the_source_is_documented_with_its_status() -> None:
    documented = _documented()
    used = _all_used()
    assert len(used) > 80
    missing = [f"{one.where}: {one.code}" for one in used if not any(_matches(one.code, code) for code in documented)]
    assert missing == []
    wrong = [
        f"{one.where}: {one.code} is {one.status}"
        for one in used
        if one.status and "*" not in one.code and documented[one.code] not in (one.status, None)
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
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def _exists(words: list[str]) -> bool:
    """Whether the first words are a command; what follows it are arguments."""
    return any(" ".join(["recado", *words[:count]]) in COMMANDS for count in range(1, len(words) + 1))
