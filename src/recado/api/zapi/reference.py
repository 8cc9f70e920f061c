"""The surface in the OpenAPI document, written from the routes."""

import re
from typing import Any

import msgspec

from recado.api.zapi import routes
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Refused, Route

_REF = "#/components/schemas/"
_ERROR = f"{_REF}ZapiError"
_PART = re.compile(r"\{(\w+)\}")


def paths() -> tuple[dict[str, Any], dict[str, Any]]:
    """The paths of the surface, and the schemas that they refer to."""
    types = [
        type_ for route in routes.ROUTES for type_ in (route.body, route.query, route.answers) if type_ is not None
    ]
    found, components = msgspec.json.schema_components(types, ref_template=f"{_REF}Zapi{{name}}")
    schemas = {f"Zapi{name}": schema for name, schema in components.items()}
    schemas["ZapiError"] = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
        "description": "What was wrong, in a sentence. `message` is there for a route that is not.",
    }
    by_type = dict(zip(types, found, strict=True))
    written: dict[str, Any] = {}
    for route in routes.ROUTES:
        path = written.setdefault(route.full_path(), {})
        path[route.method.lower()] = _operation(route, by_type, components)
    return written, schemas


def _operation(route: Route, by_type: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"Zapi{type(route).__name__}",
        "summary": route.summary(),
        "tags": [f"Z-API: {route.domain}"],
        "security": [{}] if route.caller == "instance" else [{"bearer": []}],
        "parameters": [*_path(route), *_query(route, by_type, components)],
        "responses": _responses(route, by_type),
    }
    told = [route.reason] if isinstance(route, Refused | Relayed) else []
    if told or route.note:
        described["description"] = " ".join([*told, route.note]).strip()
    if route.body is not None:
        media: dict[str, Any] = {"schema": by_type[route.body]}
        if route.example.body is not None:
            media["example"] = route.example.body
        described["requestBody"] = {"content": {"application/json": media}}
    return described


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(route.full_path())
    ]


def _query(route: Route, by_type: dict[Any, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = components[by_type[route.query]["$ref"].removeprefix(f"{_REF}Zapi")]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": type_}
        for name, type_ in schema["properties"].items()
    ]


def _responses(route: Route, by_type: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if route.answers is not None:
        media: dict[str, Any] = {"schema": by_type[route.answers]}
        if route.example.answer is not None:
            media["example"] = route.example.answer
        success["content"] = {"application/json": media}
    refused = {"description": "Refused.", "content": {"application/json": {"schema": {"$ref": _ERROR}}}}
    return {str(route.status): success, "4XX": refused}
