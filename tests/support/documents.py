"""A provider's published OpenAPI document, and the question whether it allows a request that was seen on the wire.

A document is loaded once per process: checking one takes seconds.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from recado.testing.upstream import Request

Json = dict[str, Any]
_HOST = "https://provider.test"


class Document:
    """One document, mended where it contradicts itself. Its servers are replaced by one, and its security left out:
    credentials are for the adapter's own tests."""

    def __init__(self, raw: Json) -> None:
        self.raw = raw
        self._openapi = OpenAPI.from_dict({**raw, "servers": [{"url": _HOST}]})

    def check(self, request: Request, *, path: str | None = None) -> None:
        """Raise `AssertionError` naming the request unless the document allows it. `path` replaces the request's own,
        without its query, where the server stands under a prefix."""
        address = urlsplit(request.path)
        asked = MockRequest(
            _HOST,
            request.method.lower(),
            unquote(path or address.path),
            args=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers=dict(request.headers),
            data=request.body or None,
            content_type=request.headers.get("content-type", ""),
        )
        try:
            self._openapi.validate_request(asked)
        except OpenAPIError as error:
            why = "; ".join(str(found) for found in getattr(error.__cause__, "schema_errors", ())) or error.__cause__
            told = request.body[:2_000].decode("utf-8", "replace")
            raise AssertionError(f"{request.method} {request.path} {told}: {error}: {why}") from error
        self._only_documented(request, path or address.path)

    def _only_documented(self, request: Request, path: str) -> None:
        """Fields that the schema does not name are mistakes too, although JSON Schema lets them pass."""
        if "json" not in request.headers.get("content-type", ""):
            return
        schema = self._schema(request.method.lower(), unquote(path))
        body = msgspec.json.decode(request.body)
        if schema is None or not isinstance(body, dict):
            return
        names = self._names(schema)
        extra = sorted(set(body) - names) if names else []
        assert not extra, f"{request.method} {path} sends {extra}, which the document does not name"

    def _schema(self, method: str, path: str) -> Json | None:
        for template, operations in self.raw["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            if method in operations and re.fullmatch(pattern, path):
                content = operations[method].get("requestBody", {}).get("content", {})
                found: Json | None = next((v.get("schema") for k, v in content.items() if "json" in k), None)
                if found is not None and "{" not in template:
                    return found
                if found is not None:
                    exact = self.raw["paths"].get(path, {}).get(method)
                    if exact is None:
                        return found
        return None

    def _names(self, schema: Json) -> set[str]:
        """Every field that a schema names, through references and alternatives; empty when it names none."""
        if "$ref" in schema:
            found: Any = self.raw
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            return self._names(found)
        names = set(schema.get("properties", {}))
        for key in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(key, ()):
                names |= self._names(part)
        return names


@functools.cache
def load(path: Path, mend: Callable[[Json], None] | None = None) -> Document:
    """The document at `path`. `mend` changes the parsed document in place before it is used; say there why it must."""
    raw: Json = msgspec.json.decode(path.read_bytes())
    if mend is not None:
        mend(raw)
    for operations in raw["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    raw.pop("security", None)
    return Document(raw)
