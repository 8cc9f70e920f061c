"""What we send, against the document Meta publishes (../shared/specs/meta/openapi.messaging.json).

Needs the shared folder; skipped by name where it is absent, a failure in CI.

The document contradicts itself in a few places, and is mended here before it is used; each mend keeps it as strict
as its own examples allow.
"""

import copy
import functools
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from recado.domain.events import MediaRef
from recado.domain.provider import Accepted
from recado.providers.meta.adapter import Meta
from recado.testing import tables, upstream
from recado.testing.tables import Row
from recado.testing.upstream import Request, Upstream
from tests.providers.meta.rows import DOCUMENTED, SENT, connect

Json = dict[str, Any]


@functools.cache
def load(specs: Path) -> tuple[Json, OpenAPI]:
    """The document as published, and mended. Checking the document itself takes seconds, so it is done once."""
    document: Json = msgspec.json.decode((specs / "openapi.messaging.json").read_bytes())
    return document, OpenAPI.from_dict(mended(document))


@pytest.fixture
def published(meta_specs: Path) -> Json:
    return load(meta_specs)[0]


@pytest.fixture
def document(meta_specs: Path) -> OpenAPI:
    return load(meta_specs)[1]


def mended(published: Json) -> Json:
    document = copy.deepcopy(published)
    schemas = document["components"]["schemas"]
    # `additionalProperties: false` inside an `allOf` forbids what its neighbour requires, so no message at all would
    # pass. `unevaluatedProperties` outside of it says what was meant.
    for name in schemas["Message"]["discriminator"]["mapping"].values():
        schema = schemas[name.rsplit("/", 1)[1]]
        for part in schema["allOf"]:
            part.pop("additionalProperties", None)
        schema["unevaluatedProperties"] = False
    # A file has no JSON type in OpenAPI 3.1.
    media = document["paths"]["/{Version}/{Phone-Number-ID}/media"]["post"]["requestBody"]["content"]
    del media["multipart/form-data"]["schema"]["properties"]["file"]["type"]
    # In NOTES.md and on Meta's pages, and not in the document.
    schemas["BaseMessageProperties"]["properties"]["biz_opaque_callback_data"] = {"type": "string", "maxLength": 512}
    # The document's own examples hold orders; its list of interactive types and of actions does not.
    schemas["InteractiveObject"]["properties"]["type"]["enum"] += ["order_details", "order_status"]
    schemas["ActionObject"]["oneOf"].append(
        {
            "required": ["name", "parameters"],
            "properties": {
                "name": {"enum": ["review_and_pay", "review_order"]},
                "parameters": {"type": "object", "required": ["reference_id", "order"]},
            },
        }
    )
    return document


def validate(document: OpenAPI, request: Request) -> None:
    address = urlsplit(request.path)
    document.validate_request(
        MockRequest(
            "https://graph.facebook.com",
            request.method,
            address.path,
            args=dict(parse_qsl(address.query)),
            headers=dict(request.headers),
            data=request.body,
            content_type=request.headers.get("content-type", "application/json"),
        )
    )


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
async def test_every_kind(row: Row, meta: Meta, document: OpenAPI) -> None:
    async with Upstream(row.replies) as server:
        outcome = await meta.send(connect(server.url), tables.outgoing(row))
    assert isinstance(outcome, Accepted)
    for request in server.requests:
        validate(document, request)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": {"body": 17}},
        {"text": {"body": "a", "text": "b"}},
        {"to": None},
        {"recipient_type": "everybody"},
        {"something": "else"},
    ],
    ids=lambda wrong: next(iter(wrong)) + str(len(str(wrong))),
)
async def test_the_mended_document_still_refuses(wrong: Json, meta: Meta, document: OpenAPI) -> None:
    async with Upstream([SENT]) as server:
        await meta.send(connect(server.url), tables.outgoing(DOCUMENTED[0]))
    good = server.requests[0]
    body = {**msgspec.json.decode(good.body), **wrong}
    changed = msgspec.structs.replace(good, body=msgspec.json.encode({k: v for k, v in body.items() if v is not None}))
    with pytest.raises(OpenAPIError):
        validate(document, changed)


async def test_read_and_typing_are_the_documents_own_example(meta: Meta, published: Json) -> None:
    """The document's schema refuses its own example of these, so the example is what they are held against."""
    operation = published["paths"]["/{Version}/{Phone-Number-ID}/messages"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    example = examples["Send typing indicator and read receipt"]["value"]
    async with Upstream([upstream.json({"success": True})]) as server:
        connection = connect(server.url)
        await meta.show_typing(connection, chat="5511999990001", last_received=example["message_id"])
        await meta.mark_read(connection, chat="5511999990001", provider_id=example["message_id"])
    typing, read = (msgspec.json.decode(request.body) for request in server.requests)
    assert typing == example
    assert read == {name: value for name, value in example.items() if name != "typing_indicator"}


async def test_media_and_subscription(meta: Meta, document: OpenAPI) -> None:
    async with Upstream([upstream.json({"url": "http://elsewhere.test/", "id": "4490709327384033"})]) as server:
        with pytest.raises(Exception, match="not one of Meta's"):
            await anext(aiter(meta.fetch_media(connect(server.url), MediaRef(ref={"id": "4490709327384033"}))))
    validate(document, server.requests[0])
    async with Upstream([upstream.json({"success": True})]) as server:
        connection = connect(server.url)
        with_account = {**connection.credentials, "waba_id": "102290129340398"}
        await meta.connect(msgspec.structs.replace(connection, credentials=with_account), method="qr", phone=None)
    assert [request.method for request in server.requests] == ["GET", "POST"]
    validate(document, server.requests[1])
