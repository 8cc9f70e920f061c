"""Every route of the published contract is there, takes its documented fields and answers with its documented ones."""

import msgspec
import pytest

from recado.api.zapi import routes
from recado.api.zapi.route import Refused, Route
from tests.zapi import published

#: Documented as required, and not asked for: clients leave them out, and there is one thing to do without them.
LENIENT = {
    "GET /instances page": "the first page",
    "GET /instances pageSize": "fifty",
    "GET /chat-messages/{phone} lastMessageId": "the newest messages",
    "GET /profile-picture phone": "the number's own picture",
    **{
        f"POST /business/company-{what} value": "clears it, as in the older documentation"
        for what in ("address", "description", "email")
    },
    "POST /business/company-websites websites": "clears them, as in the older documentation",
    "POST /create-group autoInvite": "nobody is invited",
    "POST /add-participant autoInvite": "nobody is invited",
}
#: Documented answers that are not ours, and why.
OTHERWISE: dict[str, str] = {}

OURS = {f"{route.method} {route.path}": route for route in routes.ROUTES}


def test_no_route_is_missing_and_none_is_made_up() -> None:
    theirs = {row.name for row in published.rows()}
    assert theirs - set(OURS) == set()
    #: What clients call and the documents do not have.
    assert set(OURS) - theirs == ADDED


ADDED: set[str] = {"POST /contacts/remove", "POST /group-invitation-link/{groupId}", "POST /send-document"}


def test_each_stands_in_its_place() -> None:
    for row in published.rows():
        route = OURS[row.name]
        assert route.domain == row.domain, row.name
        assert (route.caller == "partner") == row.root, row.name
        if row.status is not None:
            assert route.status == row.status, row.name


def test_documented_fields_are_taken() -> None:
    wrong = []
    for row in published.rows():
        route = OURS[row.name]
        for field in row.fields:
            name = f"{row.name} {field.name}"
            if field.place == "path":
                if f"{{{field.name}}}" not in route.path:
                    wrong.append(name)
                continue
            type_ = route.body if field.place == "body" else route.query
            if type_ is None or not published.has(type_, field.name):
                wrong.append(name)
            elif field.required and not published.requires(type_, field.name) and name not in LENIENT:
                wrong.append(f"{name} is required")
    assert wrong == []


def test_documented_fields_are_answered() -> None:
    wrong = []
    for row in published.rows():
        route = OURS[row.name]
        for name in row.answers:
            if route.answers is None or not published.has(route.answers, name):
                wrong.append(f"{row.name} {name}")
    assert [name for name in wrong if name not in OTHERWISE] == []


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_explains_itself(route: Route) -> None:
    assert route.summary().endswith("."), "a sentence"
    example = route.example
    for name in example.path:
        assert f"{{{name}}}" in route.path
    assert route.path.count("{") == len(example.path)
    if route.body is not None and example.body is not None:
        route.read_body(msgspec.json.encode(example.body))
    if route.query is not None:
        route.read_query({name: str(value) for name, value in example.query.items()})
    if route.answers is not None:
        assert example.answer is not None
        msgspec.convert(example.answer, route.answers)
    if isinstance(route, Refused):
        assert len(route.reason) > 20
