"""`/schema`: a page that lists the operations of the OpenAPI document, without anything from elsewhere."""

import html
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

from recado.api import ingress
from recado.api.zapi import reference as zapi

_METHODS = ("get", "post", "put", "patch", "delete")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "td{padding:.3rem .8rem .3rem 0;vertical-align:top}code{font-size:.9em}"
    "td:first-child{text-transform:uppercase;font-size:.8em;font-weight:600}h2{margin-top:2rem}"
)


class ListingPlugin(OpenAPIRenderPlugin):
    """One table per tag; the document itself is linked for tools that show more."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        tables: dict[str, list[str]] = {}
        for path, operations in sorted(openapi_schema.get("paths", {}).items()):
            for method in _METHODS:
                if method in operations:
                    tag = (operations[method].get("tags") or ["Other"])[0]
                    tables.setdefault(tag, []).append(_row(method, path, operations[method]))
        sections = "".join(f"<h2>{html.escape(tag)}</h2><table>{''.join(rows)}</table>" for tag, rows in tables.items())
        title = html.escape(str(openapi_schema.get("info", {}).get("title", "API")))
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API reference</title>'
            f"<style>{_STYLE}</style><h1>{title}: API reference</h1>"
            f'<p>The whole document, for any OpenAPI tool: <a href="/schema/openapi.json">/schema/openapi.json</a></p>'
            f"{sections}</html>"
        ).encode()


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    text = operation.get("description") or operation.get("summary") or ""
    return f"<tr><td>{method}</td><td><code>{html.escape(path)}</code></td><td>{html.escape(str(text))}</td></tr>"


def documented(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the routes that the framework does not know, and every operation's errors as they are:
    problem+json, of one shape."""
    schemas = {**document.get("components", {}).get("schemas", {})}
    schemas["FieldError"] = {
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "description": "One wrong field: its path in the body, and what is wrong with it.",
    }
    schemas["Problem"] = {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "errors"],
        "properties": {
            **{name: {"type": "string"} for name in ("type", "title", "detail", "code")},
            "status": {"type": "integer"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        },
        "description": "RFC 9457. `code` is stable.",
    }
    paths = {
        path: {name: _with_errors(part) if name in _METHODS else part for name, part in operations.items()}
        for path, operations in (*document.get("paths", {}).items(), *_unknown_to_the_framework())
    }
    surface, own = zapi.paths()
    return {
        **document,
        "paths": paths | surface,
        "components": {**document.get("components", {}), "schemas": schemas | own},
    }


def _unknown_to_the_framework() -> list[tuple[str, dict[str, Any]]]:
    return [(path, item.to_schema()) for path, item in ingress.PATHS.items()]


def _with_errors(operation: dict[str, Any]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    # The framework documents a 400 of its own shape, which nobody is ever answered.
    responses = {status: answer for status, answer in operation.get("responses", {}).items() if status != "400"}
    return {
        **operation,
        "responses": {
            **responses,
            "4XX": {"description": "The request is refused; `code` says why.", "content": content},
            "503": {
                "description": "Something Recado depends on is away; nothing was done.",
                "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
                "content": content,
            },
        },
    }


class DocumentPlugin(JsonRenderPlugin):
    """`/schema/openapi.json`."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return self.render_json(request, documented(openapi_schema))
