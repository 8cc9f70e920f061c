"""Rules of the house that no linter knows: where SQL lives, who ends transactions, what a package says at its door."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "recado"
STORE = SOURCE / "store"
MODULES = sorted(SOURCE.rglob("*.py"))
_SQL = re.compile(
    r"^\s*(SELECT\s.+|INSERT\s+INTO\s.+|UPDATE\s+\w+\s+SET\s.+|DELETE\s+FROM\s.+|LOCK\s+TABLE\s.+)", re.DOTALL
)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _texts(tree: ast.Module) -> Iterator[ast.Constant]:
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


def test_sql_lives_in_the_store() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if STORE not in path.parents
        for node in _texts(_parse(path))
        if _SQL.match(str(node.value))
    ]
    assert found == [], "move the statement to store/sql/<table>.sql"


def test_store_functions_leave_the_transaction_to_the_caller() -> None:
    """Only the door (`db`) and the migrations begin one."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(STORE.glob("*.py"))
        if path.name not in ("db.py", "migrate.py")
        for node in ast.walk(_parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction"
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted((STORE / "sql").glob("*.sql")), ids=lambda path: path.stem)
def test_every_query_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    silent = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("-- name:") and not following.startswith("-- ")
    ]
    assert silent == []
    assert path.with_suffix(".py").name in {module.name for module in STORE.glob("*.py")}, "its functions are beside it"


def test_every_package_has_a_door_plate() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in SOURCE.rglob("__init__.py") if ast.get_docstring(_parse(path)) is None
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if later.search(line)
    ]
    assert found == []
