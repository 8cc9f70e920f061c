"""Named queries from `sql/*.sql`: a `-- name: verb_noun` line, then a line of purpose, then one statement."""

import re
from importlib import resources
from types import SimpleNamespace

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load(table: str) -> SimpleNamespace:
    """The statements of `sql/<table>.sql` as attributes, so that a misspelt name fails at import or type check time."""
    text = resources.files("recado.store").joinpath("sql", f"{table}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return SimpleNamespace(**{name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)})
