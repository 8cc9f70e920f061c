"""The published contract, row by row, and how our types compare with it."""

import csv
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import inspect

from tests.providers.conftest import shared

Place = Literal["body", "query", "path"]

_ALTERNATIVE = re.compile(r"\{(\w+)(\|\w+)*\}")

#: A field that a table lists and no example has; and any other remark.
_UNSHOWN = re.compile(r"[^;]*\(listed in docs table[^)]*\)[^;]*;?")
_REMARK = re.compile(r"\([^)]*\)")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A documented field: `name` is its path (`order.products[].name`; `[]` for the items of a body that is an array)."""

    name: str
    place: Place
    required: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the contract."""

    method: str
    path: str
    domain: str
    fields: tuple[Field, ...]
    answers: tuple[str, ...]
    status: int | None
    root: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def rows() -> list[Row]:
    """The whole contract."""
    with (shared("specs/zapi-surface") / "routes.csv").open(encoding="utf-8") as file:
        return [_row(row) for row in csv.DictReader(file)]


def has(type_: Any, path: str) -> bool:
    """Whether a type has a field at a path, required or not."""
    return any(True for _ in _at(inspect.type_info(type_), path))


def requires(type_: Any, path: str) -> bool:
    """Whether a type has a field at a path that must be given where the object it belongs to is."""
    return any(required for required in _at(inspect.type_info(type_), path))


def required_fields(type_: Any) -> list[str]:
    """The names of the fields that a body must have at its first level."""
    info = inspect.type_info(type_)
    return (
        [field.encode_name for field in info.fields if field.required] if isinstance(info, inspect.StructType) else []
    )


def _row(row: dict[str, str]) -> Row:
    fields = (
        [] if row["request_fields"].startswith("(") else [_field(text) for text in row["request_fields"].split(";")]
    )
    answered = _REMARK.sub("", _UNSHOWN.sub("", row["response_fields"]))
    answers = [] if row["response_fields"].startswith("(") else answered.split(";")
    return Row(
        method=row["method"],
        path=_ALTERNATIVE.sub(r"{\1}", row["path"]),
        domain=row["domain"],
        fields=tuple(field for field in fields if field.name != "[]"),
        answers=tuple(
            name for text in answers if "null-in-example" not in text and (name := text.split(":")[0].strip()) != "[]"
        ),
        status=int(row["success_status"]) if row["success_status"].isdigit() else None,
        root=row["base"] == "root",
    )


def _field(text: str) -> Field:
    name, _, need = text.strip().rsplit(":", 2)
    name, _, place = name.partition("@")
    return Field(name=name.partition("|")[0], place=place or "body", required=need == "required")  # type: ignore[arg-type]


def _at(info: inspect.Type, path: str) -> Iterator[bool]:
    """For each way in which the path can be taken: whether its last step is required."""
    if isinstance(info, inspect.UnionType):
        for one in info.types:
            yield from _at(one, path)
        return
    if isinstance(info, inspect.Metadata):
        yield from _at(info.type, path)
        return
    if path.startswith("[]"):
        rest = path.removeprefix("[]").removeprefix(".")
        if isinstance(info, inspect.ListType | inspect.VarTupleType):
            yield from _at(info.item_type, rest) if rest else iter([True])
        return
    if not path or isinstance(info, inspect.AnyType | inspect.DictType):
        yield True
        return
    if not isinstance(info, inspect.StructType):
        return
    step, rest = _step(path)
    for field in info.fields:
        if field.encode_name == step:
            if rest:
                yield from _at(field.type, rest)
            else:
                yield field.required


def _step(path: str) -> tuple[str, str]:
    match = re.match(r"([^.\[]+)\.?(.*)", path)
    assert match is not None, path
    return match[1], match[2]
