"""Strict decoding of what callers send: every wrong field is named by its path, as in `settings.pacing.min_ms`."""

import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from recado.domain.errors import BadRequest, FieldError, Invalid, invalid
from recado.domain.provider import CredentialField

T = TypeVar("T")

#: How JSON writes U+0000, which PostgreSQL's texts cannot hold. An unescaped one is no JSON.
_NUL = rb"\u0000"

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]+)`$")


def decoder(type_: type[T]) -> Callable[[bytes], T]:
    """A strict JSON decoder of a type. It raises `BadRequest` for what is no JSON, and `Invalid` with every wrong
    field that can be found for what has another shape."""
    fast = msgspec.json.Decoder(type_)

    def decode(body: bytes) -> T:
        try:
            decoded = fast.decode(body)
        except msgspec.ValidationError as error:
            raise explain(_plain(body), type_, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from None
        check_texts(body, decoded)
        return decoded

    return decode


def check_texts(body: bytes, decoded: Any, prefix: str = "") -> None:
    """Raise `Invalid` naming each text that holds U+0000: the database would refuse it without saying which.

    What is still `msgspec.Raw` is left to whoever decodes it.
    """
    if _NUL in body:
        found = _nul_fields(decoded, prefix)
        if found:
            raise invalid_fields(found, code="nul_character")


def convert(value: Any, type_: type[T], prefix: str = "") -> T:
    """Decoded JSON as a type. Raises `Invalid` with paths under `prefix`."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise explain(value, type_, error, prefix) from None


def explain(value: Any, type_: Any, error: msgspec.ValidationError, prefix: str = "") -> Invalid:
    """`Invalid` with every wrong field of a decoded JSON value; at least the one that `error` names."""
    return invalid_fields(_wrong_fields(value, type_, prefix) or [field_error(str(error), prefix)])


def invalid_fields(found: list[FieldError], *, code: str = "invalid") -> Invalid:
    """One error about several fields."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Invalid(f"{found[0].field}: {found[0].message}{more}", code=code, errors=found)


def malformed(error: Exception) -> BadRequest:
    """The body is not JSON, or nested deeper than anything that we read."""
    if isinstance(error, RecursionError):
        return BadRequest("The body is nested too deeply.", code="malformed_json")
    return BadRequest(f"The body is not valid JSON: {error}.", code="malformed_json")


def field_error(text: str, prefix: str = "") -> FieldError:
    """What msgspec says ("Expected `int`, got `str` - at `$.x.y`") as a field and a message."""
    match = _AT.match(text)
    what, path = (match["what"], match["path"] or "$") if match else (text, "$")
    field = path.removeprefix("$").lstrip(".")
    for pattern, message in ((_MISSING, "This field is required."), (_UNKNOWN, "There is no such field.")):
        named = pattern.match(what)
        if named:
            field, what = (f"{field}.{named['name']}" if field else named["name"]), message
    if prefix:
        field = f"{prefix}{field}" if field.startswith("[") else f"{prefix}.{field}" if field else prefix
    return FieldError(field=field or "body", message=what)


def merge(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386): objects are merged, null takes a field away, everything else replaces."""
    merged = dict(current)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = merge(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def credentials(given: Mapping[str, str], fields: tuple[CredentialField, ...]) -> dict[str, str]:
    """The credentials, if they are exactly what is taken. Raises `Invalid` naming each missing or unknown one."""
    found = [
        FieldError(field=f"credentials.{field.name}", message=f"This field is required. {field.help}".strip())
        for field in fields
        if field.required and not given.get(field.name)
    ]
    known = {field.name for field in fields}
    takes = ", ".join(field.name for field in fields) or "none"
    found += [
        FieldError(field=f"credentials.{name}", message=f"There is no such credential here; it takes: {takes}.")
        for name in given
        if name not in known
    ]
    if found:
        raise invalid_fields(found)
    return dict(given)


def http_url(value: str, field: str) -> str:
    """An address of a server without its last slash. Raises `Invalid`."""
    if not re.match(r"^https?://[^\s/?#]+[^\s]*$", value):
        raise invalid(field, "Write a whole address, as in https://server.example.com.")
    return value.rstrip("/")


def _plain(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None


def _nul_fields(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, str):
        held = "\0" in value
        message = "A text must not hold the character U+0000: it cannot be stored."
        return [FieldError(field=path or "body", message=message)] if held else []
    named: list[tuple[str, Any]] = []
    if isinstance(value, msgspec.Struct):
        named = [
            (f"{path}.{field.encode_name}" if path else field.encode_name, getattr(value, field.name))
            for field in msgspec.structs.fields(value)
        ]
    elif isinstance(value, dict):
        named = [(f"{path}.{name}" if path else str(name), inner) for name, inner in value.items()]
        named += [(path, name) for name in value]
    elif isinstance(value, list | tuple):
        named = [(f"{path}[{position}]", inner) for position, inner in enumerate(value)]
    return [found for inner_path, inner in named for found in _nul_fields(inner, inner_path)]


def _wrong_fields(value: Any, type_: Any, path: str) -> list[FieldError]:
    struct = _struct_of(type_)
    if struct is None or not isinstance(value, dict):
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            return [field_error(str(error), path)]
        return []
    found: list[FieldError] = []
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in known.items():
        inner = f"{path}.{name}" if path else name
        if name in value:
            found += _wrong_fields(value[name], field.type, inner)
        elif field.required:
            found.append(FieldError(field=inner, message="This field is required."))
    if struct.__struct_config__.forbid_unknown_fields:
        for name in value:
            if name not in known and name != struct.__struct_config__.tag_field:
                inner = f"{path}.{name}" if path else str(name)
                found.append(FieldError(field=inner, message="There is no such field."))
    return found


def _struct_of(type_: Any) -> type[msgspec.Struct] | None:
    """The Struct that a type is, or is besides None."""
    if get_origin(type_) in (Union, UnionType):
        inner = [argument for argument in get_args(type_) if argument not in (type(None), msgspec.UnsetType)]
        type_ = inner[0] if len(inner) == 1 else None
    return type_ if isinstance(type_, type) and issubclass(type_, msgspec.Struct) else None
