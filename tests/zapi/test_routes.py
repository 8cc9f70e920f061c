"""Every route, by its documented example: accepted and answered in the documented shape; wrong input, refused.

The values of the examples (`api.zapi.examples`) are replaced by what is really there: each kind of them is made when an
example names it. Routes that end something have an instance of their own.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import inspect

from recado.api.zapi import routes
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Refused, Route
from tests.support.client import Client
from tests.zapi import published
from tests.zapi.conftest import ZapiClient, open_instance
from tests.zapi.world import World, check_documented, files

ROUTES = [pytest.param(route, id=f"{route.method} {route.path}") for route in routes.ROUTES]
_BODIES = [pytest.param(route, id=f"{route.method} {route.path}") for route in routes.ROUTES if route.body is not None]


@pytest.fixture(scope="module")
async def world(module_company: Client) -> AsyncIterator[World]:
    """An instance for all tests, and servers with the files of the examples."""
    async with files() as found:
        yield World(module_company, await open_instance(module_company), found)


@pytest.fixture
async def called_on(world: World, request: pytest.FixtureRequest) -> AsyncIterator[ZapiClient]:
    """The instance that a route is called on."""
    route: Route = request.getfixturevalue("route")
    shared = world.zapi
    world.zapi = await world.for_(route)
    yield world.zapi
    world.zapi = shared


@pytest.mark.parametrize("route", ROUTES)
async def test_the_documented_example(world: World, route: Route, called_on: ZapiClient) -> None:
    reply = await world.example(route)
    if isinstance(route, Refused | Relayed):
        assert (reply.status, reply.body) == (400, {"error": route.reason})
        return
    check_documented(route, reply)


@pytest.mark.parametrize("route", _BODIES)
async def test_fields_that_nobody_documented_are_let_pass(world: World, route: Route, called_on: ZapiClient) -> None:
    reply = await world.example(route, neverHeardOf={"nested": [1]})
    assert reply.status == (400 if isinstance(route, Refused | Relayed) else route.status), reply.body


@pytest.mark.parametrize("route", _BODIES)
async def test_required_fields_are_required(world: World, route: Route) -> None:
    body = route.example.body
    for name in published.required_fields(route.body):
        reply = await world.send(
            route, _path(route), {key: value for key, value in body.items() if key != name}, dict(route.example.query)
        )
        assert reply.status == 400, f"without {name}: {reply.body}"
        assert name in reply.body["error"]


@pytest.mark.parametrize("route", _BODIES)
async def test_fields_of_the_wrong_type_are_refused(world: World, route: Route) -> None:
    info = inspect.type_info(route.body)
    if not isinstance(info, inspect.StructType):
        reply = await world.send(route, _path(route), {"an": "object"}, dict(route.example.query))
        assert reply.status == 400, reply.body
        return
    for field in info.fields:
        # A list is what no field but a list takes, an object what no list takes.
        wrong: Any = [[]] if _takes_no_list(field.type) else {"an": "object"}
        body = {**(route.example.body or {}), field.encode_name: wrong}
        reply = await world.send(route, _path(route), body, dict(route.example.query))
        assert reply.status == 400, f"{field.encode_name}: {reply.body}"
        assert field.encode_name in reply.body["error"]


@pytest.mark.parametrize("route", ROUTES)
async def test_a_wrong_token_method_or_content_type_is_refused(world: World, route: Route) -> None:
    path = _path(route)
    below = world.zapi.base if route.caller != "partner" else ""
    stranger = world.company.as_("not-a-partner-token" if route.caller == "partner" else None)
    if route.caller == "partner":
        assert (await stranger.call(route.method, path)).status == 401
    else:
        wrong = await stranger.call(route.method, f"/instances/{world.zapi.id}/token/{'0' * 32}{path}")
        assert (wrong.status, wrong.body) == (404, {"error": "Instance not found"})
    table = routes.ROOT if route.caller == "partner" else routes.INSTANCE
    found = table.find(path)
    assert found is not None
    other = next(method for method in ("PATCH", "GET", "POST", "PUT", "DELETE") if method not in found[0])
    refused = await world.company.call(other, below + path)
    assert refused.status == 405, refused.body
    assert route.method in refused.body["error"]
    if route.body is not None:
        text = await world.company.call(route.method, below + path, data="text", headers={"content-type": "text/plain"})
        assert text.status == 415, text.body


@pytest.mark.parametrize("route", _BODIES)
async def test_an_empty_form_is_an_empty_body(world: World, route: Route) -> None:
    if not published.required_fields(route.body):
        return
    below = world.zapi.base if route.caller != "partner" else ""
    form = {"content-type": "application/x-www-form-urlencoded"}
    reply = await world.company.call(route.method, below + _path(route), data="", headers=form)
    assert reply.status == 400, reply.body
    assert "required" in reply.body["error"]


def _path(route: Route) -> str:
    """The path of the example as it is documented."""
    path = route.path
    for name, value in route.example.path.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _takes_no_list(info: inspect.Type) -> bool:
    types = info.types if isinstance(info, inspect.UnionType) else (info,)
    return not any(isinstance(one, inspect.ListType | inspect.VarTupleType | inspect.AnyType) for one in types)
