"""`/v1/instances/{id}/…` of the phone: a request becomes the provider's operation, its answer the reply."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pytest

from recado.domain import operations, provider
from recado.domain.operations import (
    AREAS,
    OPERATIONS,
    BusinessChange,
    Category,
    Channel,
    Chat,
    Checked,
    Collection,
    Community,
    Group,
    JoinRequest,
    Label,
    Participant,
    ParticipantResult,
    Person,
    Picture,
    Product,
    ProductDraft,
)
from tests.api.scripted import Paired
from tests.support import client as clients
from tests.support.client import Client

GROUP = "120363000000000001@g.us"
CHANNEL = "120363000000000002@newsletter"
PHONE = "5511999990001"
PIXEL = base64.b64encode(b"\x89PNG pixel").decode()
PICTURE = Picture(data=b"\x89PNG pixel", mime_type="image/png")
DATA_URL = f"data:image/png;base64,{PIXEL}"

#: What each operation answers. Absent: nothing.
ANSWERS: dict[str, Any] = {
    "list_contacts": [Person(phone=PHONE, name="Ana")],
    "get_contact": Person(phone=PHONE, lid="123456@lid"),
    "check_numbers": [Checked(phone=PHONE, exists=True, canonical="551199990001")],
    "get_picture": "https://pictures.test/ana.jpg",
    "list_blocked": [PHONE],
    "list_chats": [Chat(chat=PHONE, unread=2)],
    "get_chat": Chat(chat=PHONE, labels=["1"], last_message_at=datetime(2026, 11, 22, tzinfo=UTC)),
    "list_groups": [Group(group=GROUP)],
    "get_group": Group(group=GROUP, participants=[Participant(phone=PHONE, role="admin")]),
    "create_group": Group(group=GROUP, subject="Vendas"),
    "change_participants": [ParticipantResult(participant=PHONE, done=False, code="403")],
    "list_join_requests": [JoinRequest(participant=PHONE)],
    "answer_join_requests": [ParticipantResult(participant=PHONE, done=True)],
    "get_invite": "https://chat.whatsapp.com/code",
    "reset_invite": "https://chat.whatsapp.com/other",
    "preview_invite": Group(group=GROUP),
    "join_group": GROUP,
    "list_communities": [Community(community=GROUP)],
    "get_community": Community(community=GROUP, groups=[Group(group=GROUP)]),
    "create_community": Community(community=GROUP, name="Bairro"),
    "list_channels": [Channel(channel=CHANNEL)],
    "get_channel": Channel(channel=CHANNEL),
    "create_channel": Channel(channel=CHANNEL, name="Ofertas"),
    "search_channels": [Channel(channel=CHANNEL)],
    "list_labels": [Label(label="1", name="Novo")],
    "create_label": Label(label="2", name="Pago"),
    "list_products": [Product(product="p1", price=1_500)],
    "get_product": Product(product="p1"),
    "save_product": Product(product="p1"),
    "list_collections": [Collection(collection="c1", products=[Product(product="p1")])],
    "get_privacy": {"last_seen": "contacts"},
    "post_story": "3EB0STORY",
    "get_profile": Person(phone=PHONE, name="Loja"),
    "get_business_profile": {"email": "loja@example.com"},
    "list_business_categories": [Category(category="629412378414563", name="Outras empresas")],
}


def _answering(name: str) -> Any:
    async def answer(self: "Phone", connection: provider.Connection, **arguments: Any) -> Any:
        self.asked.append((name, arguments))
        if self.trouble is not None:
            raise self.trouble
        return ANSWERS.get(name)

    answer.__name__ = name
    return answer


class Phone(Paired, *AREAS):  # type: ignore[misc]  # mypy reads no base classes out of a tuple.
    """A provider with every operation, which answers what `ANSWERS` says."""

    kind: ClassVar[str] = "phone"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.trouble: provider.CallFailed | None = None


for _name in OPERATIONS:
    setattr(Phone, _name, _answering(_name))


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and the operations with their arguments that it must become."""

    method: str
    path: str
    calls: Sequence[tuple[str, dict[str, Any]]]
    body: Any = None
    status: int = 200
    answer: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def row(
    method: str,
    path: str,
    operation: str,
    body: Any = None,
    *,
    status: int | None = None,
    answer: Any = None,
    **asked: Any,
) -> Row:
    usual = {"GET": 200, "POST": 201, "PUT": 204, "PATCH": 204, "DELETE": 204}[method]
    return Row(
        method=method,
        path=path,
        body=body,
        status=status or usual,
        calls=[(operation, asked)],
        answer=answer,
    )


DRAFT = {"name": "Pão", "price": 1500, "currency": "BRL", "images": ["https://example.com/pao.jpg"]}
TYPED_DRAFT = ProductDraft(name="Pão", price=1500, images=["https://example.com/pao.jpg"])

ROWS = [
    row(
        "GET",
        "/address-book?limit=1",
        "list_contacts",
        limit=1,
        offset=0,
        answer={"data": [{"phone": PHONE, "name": "Ana"}], "next_cursor": "MQ"},
    ),
    row(
        "GET",
        "/address-book?cursor=MQ",
        "list_contacts",
        limit=50,
        offset=1,
        answer={"data": [{"phone": PHONE, "name": "Ana"}], "next_cursor": None},
    ),
    row(
        "POST",
        "/address-book/check",
        "check_numbers",
        {"phones": ["+55 11 99999-0001"]},
        status=200,
        phones=[PHONE],
        answer=[{"phone": PHONE, "exists": True, "canonical": "551199990001"}],
    ),
    row("GET", f"/address-book/{PHONE}", "get_contact", contact=PHONE),
    row(
        "GET",
        f"/address-book/{GROUP}/picture",
        "get_picture",
        contact=GROUP,
        answer={"url": "https://pictures.test/ana.jpg"},
    ),
    row("PUT", f"/address-book/{PHONE}", "save_contact", {"name": "Ana"}, phone=PHONE, name="Ana"),
    row("DELETE", f"/address-book/{PHONE}", "remove_contact", phone=PHONE),
    row("GET", "/blocklist", "list_blocked", answer={"data": [PHONE]}),
    row("PUT", "/blocklist/123456@lid", "block_contact", contact="123456@lid"),
    row("DELETE", f"/blocklist/{PHONE}", "unblock_contact", contact=PHONE),
    row("GET", "/chats", "list_chats", limit=50, offset=0),
    row(
        "GET",
        f"/chats/{PHONE}",
        "get_chat",
        chat=PHONE,
        answer={"chat": PHONE, "labels": ["1"], "last_message_at": "2026-11-22T00:00:00Z"},
    ),
    Row(
        method="PATCH",
        path=f"/chats/{PHONE}",
        body={
            "archived": True,
            "pinned": False,
            "read": True,
            "muted_seconds": None,
            "expire_seconds": 86400,
            "note": "Prefere à tarde",
        },
        status=204,
        calls=[
            ("archive_chat", {"chat": PHONE, "archived": True}),
            ("pin_chat", {"chat": PHONE, "pinned": False}),
            ("mark_chat", {"chat": PHONE, "read": True}),
            ("mute_chat", {"chat": PHONE, "seconds": None}),
            ("expire_chat", {"chat": PHONE, "seconds": 86400}),
            ("note_chat", {"chat": PHONE, "note": "Prefere à tarde"}),
        ],
    ),
    row("PUT", "/new-chats", "expire_new_chats", {"expire_seconds": 0}, seconds=0),
    row("POST", f"/chats/{PHONE}/clear", "clear_chat", status=204, chat=PHONE),
    row("DELETE", f"/chats/{PHONE}", "delete_chat", chat=PHONE),
    row("PUT", "/presence", "set_presence", {"available": True}, available=True),
    row("POST", "/presence/watch", "watch_presence", {"contact": PHONE}, status=204, contact=PHONE),
    row("POST", "/calls/ABC/reject", "reject_call", {"caller": PHONE}, status=204, call="ABC", caller=PHONE),
    row("GET", "/groups", "list_groups", limit=50, offset=0),
    row(
        "POST",
        "/groups",
        "create_group",
        {"subject": "Vendas", "participants": [PHONE]},
        subject="Vendas",
        participants=[PHONE],
    ),
    row(
        "GET",
        f"/groups/{GROUP}",
        "get_group",
        group=GROUP,
        answer={"group": GROUP, "participants": [{"phone": PHONE, "role": "admin"}]},
    ),
    Row(
        method="PATCH",
        path=f"/groups/{GROUP}",
        body={"subject": "Novo", "description": "", "announce": True},
        status=204,
        calls=[
            ("rename_group", {"group": GROUP, "subject": "Novo"}),
            ("describe_group", {"group": GROUP, "description": ""}),
            (
                "set_group_settings",
                {"group": GROUP, "announce": True, "locked": None, "approval": None, "members_add": None},
            ),
        ],
    ),
    row("PUT", f"/groups/{GROUP}/picture", "set_group_picture", {"data": DATA_URL}, group=GROUP, picture=PICTURE),
    row("DELETE", f"/groups/{GROUP}/picture", "set_group_picture", group=GROUP, picture=None),
    row(
        "POST",
        f"/groups/{GROUP}/participants",
        "change_participants",
        {"action": "promote", "participants": [PHONE]},
        status=200,
        group=GROUP,
        action="promote",
        participants=[PHONE],
        answer=[{"participant": PHONE, "done": False, "code": "403"}],
    ),
    row("GET", f"/groups/{GROUP}/join-requests", "list_join_requests", group=GROUP),
    row(
        "POST",
        f"/groups/{GROUP}/join-requests",
        "answer_join_requests",
        {"participants": [PHONE], "approve": False},
        status=200,
        group=GROUP,
        participants=[PHONE],
        approve=False,
    ),
    row("GET", f"/groups/{GROUP}/invite", "get_invite", group=GROUP, answer={"link": "https://chat.whatsapp.com/code"}),
    row("POST", f"/groups/{GROUP}/invite/reset", "reset_invite", status=200, group=GROUP),
    row("POST", "/groups/preview", "preview_invite", {"link": "code"}, status=200, link="code"),
    row("POST", "/groups/join", "join_group", {"link": "code"}, status=200, link="code", answer={"group": GROUP}),
    row("POST", f"/groups/{GROUP}/leave", "leave_group", status=204, group=GROUP),
    row("GET", "/communities", "list_communities"),
    row("POST", "/communities", "create_community", {"name": "Bairro"}, name="Bairro", description=None),
    row("GET", f"/communities/{GROUP}", "get_community", community=GROUP),
    row("DELETE", f"/communities/{GROUP}", "deactivate_community", community=GROUP),
    row(
        "POST",
        f"/communities/{GROUP}/groups",
        "link_groups",
        {"groups": [GROUP]},
        status=204,
        community=GROUP,
        groups=[GROUP],
    ),
    row("DELETE", f"/communities/{GROUP}/groups/{GROUP}", "unlink_groups", community=GROUP, groups=[GROUP]),
    row("GET", "/channels", "list_channels"),
    row("GET", "/channels/search?q=ofertas&limit=3", "search_channels", text="ofertas", limit=3),
    row(
        "POST",
        "/channels",
        "create_channel",
        {"name": "Ofertas", "picture": {"data": DATA_URL}},
        name="Ofertas",
        description=None,
        picture=PICTURE,
    ),
    row("GET", f"/channels/{CHANNEL}", "get_channel", channel=CHANNEL),
    Row(
        method="PATCH",
        path=f"/channels/{CHANNEL}",
        body={"description": "x", "reactions": "basic"},
        status=204,
        calls=[
            ("update_channel", {"channel": CHANNEL, "name": None, "description": "x", "picture": None}),
            ("set_channel_reactions", {"channel": CHANNEL, "reactions": "basic"}),
        ],
    ),
    row("DELETE", f"/channels/{CHANNEL}", "delete_channel", channel=CHANNEL),
    row("PUT", f"/channels/{CHANNEL}/following", "follow_channel", channel=CHANNEL, following=True),
    row("DELETE", f"/channels/{CHANNEL}/following", "follow_channel", channel=CHANNEL, following=False),
    row("PUT", f"/channels/{CHANNEL}/mute", "mute_channel", channel=CHANNEL, muted=True),
    row("DELETE", f"/channels/{CHANNEL}/mute", "mute_channel", channel=CHANNEL, muted=False),
    row("DELETE", "/stories/3EB0", "delete_story", story="3EB0"),
    row("GET", "/labels", "list_labels"),
    row("POST", "/labels", "create_label", {"name": "Pago"}, name="Pago", color=None),
    row("PATCH", "/labels/2", "update_label", {"name": "Pago", "color": "3"}, label="2", name="Pago", color="3"),
    row("DELETE", "/labels/2", "delete_label", label="2"),
    row("PUT", f"/labels/2/chats/{PHONE}", "label_chat", chat=PHONE, label="2", labelled=True),
    row("DELETE", f"/labels/2/chats/{PHONE}", "label_chat", chat=PHONE, label="2", labelled=False),
    row("GET", f"/products?contact={PHONE}", "list_products", contact=PHONE, limit=50),
    row("POST", "/products", "save_product", DRAFT, product=None, draft=TYPED_DRAFT),
    row("GET", "/products/p1", "get_product", product="p1", contact=None),
    row("PUT", "/products/p1", "save_product", DRAFT, status=200, product="p1", draft=TYPED_DRAFT),
    row("DELETE", "/products/p1", "delete_product", product="p1"),
    row("GET", "/collections", "list_collections", contact=None),
    row("GET", "/profile", "get_profile"),
    Row(
        method="PATCH",
        path="/profile",
        body={"name": "Loja", "about": "Oi"},
        status=204,
        calls=[("set_profile_name", {"name": "Loja"}), ("set_profile_about", {"about": "Oi"})],
    ),
    row("PUT", "/profile/picture", "set_profile_picture", {"data": DATA_URL}, picture=PICTURE),
    row("DELETE", "/profile/picture", "set_profile_picture", picture=None),
    row("GET", "/business-profile", "get_business_profile", contact=None, answer={"email": "loja@example.com"}),
    row(
        "PATCH",
        "/business-profile",
        "set_business_profile",
        {"email": "", "websites": ["https://loja.example"]},
        change=BusinessChange(email="", websites=("https://loja.example",)),
    ),
    row(
        "GET",
        "/business-categories",
        "list_business_categories",
        answer=[{"category": "629412378414563", "name": "Outras empresas"}],
    ),
    row("GET", "/privacy", "get_privacy", answer={"last_seen": "contacts"}),
    row("PATCH", "/privacy", "set_privacy", {"last_seen": "none"}, settings={"last_seen": "none"}),
]


@pytest.fixture
def phone() -> Phone:
    return Phone()


@pytest.fixture
async def path(admin: Client, company: Client, runtime: Any, phone: Phone) -> str:
    """The address of an instance on a server of the provider with every operation."""
    runtime.providers["phone"] = phone
    await admin.post(
        "/v1/servers",
        {
            "name": "phone",
            "kind": "phone",
            "base_url": "https://p.test",
            "credentials": {"api_key": "k" * 12},
            "max_instances": 5,
        },
    )
    made = await company.post("/v1/instances", {"name": "one", "kind": "phone"})
    return f"/v1/instances/{made['id']}"


async def refused(client: Client, method: str, path: str, status: int, body: Any = None) -> Any:
    """The problem that a request is answered with."""
    reply = await client.call(method, path, json=body)
    assert reply.status == status, reply.body
    return reply.body


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_request_becomes_its_operation(row: Row, company: Client, path: str, phone: Phone) -> None:
    reply = await company.call(row.method, path + row.path, json=row.body)
    assert reply.status == row.status, reply.body
    assert phone.asked == list(row.calls)
    if row.answer is not None:
        assert reply.body == row.answer


async def test_a_story_is_posted_to_those_who_are_named(company: Client, path: str, phone: Phone) -> None:
    body = {"type": "image", "image": {"data": DATA_URL, "caption": "Hoje"}, "contacts": [PHONE]}
    assert await company.post(f"{path}/stories", body) == {"story": "3EB0STORY"}
    [(name, asked)] = phone.asked
    assert (name, asked["kind"], asked["content"].caption, asked["contacts"]) == (
        "post_story",
        "image",
        "Hoje",
        [PHONE],
    )


def test_every_operation_has_a_route() -> None:
    asked = {name for row in ROWS for name, _ in row.calls} | {"post_story"}
    assert asked == set(OPERATIONS)
    assert operations.operations(Phone()) == set(OPERATIONS)


async def test_the_instance_tells_its_operations(company: Client, path: str) -> None:
    assert await company.get(f"{path}/operations") == list(OPERATIONS)


async def test_what_the_provider_lacks_is_named(admin: Client, company: Client, paired_server: str) -> None:
    made = await company.post("/v1/instances", {"name": "one", "server_id": paired_server})
    root = f"/v1/instances/{made['id']}"
    assert await company.get(f"{root}/operations") == []
    problem = await refused(company, "GET", f"{root}/groups", 422)
    assert (problem["code"], "list groups" in problem["detail"]) == ("unsupported_by_provider", True)


async def test_what_the_provider_fails_to_do_is_a_502(company: Client, path: str, phone: Phone) -> None:
    phone.trouble = provider.CallFailed("the group is gone", code="group_not_found", retryable=False)
    problem = await refused(company, "GET", f"{path}/groups/{GROUP}", 502)
    assert problem["code"] == "group_not_found"


@pytest.mark.parametrize(
    ("method", "suffix", "body", "field"),
    [
        ("GET", "/chats/not-a-phone", None, "chat"),
        ("GET", f"/groups/{PHONE}", None, "group"),
        ("PATCH", f"/chats/{PHONE}", {}, "archived"),
        ("PATCH", f"/groups/{GROUP}", {}, "subject"),
        ("PATCH", "/profile", {}, "name"),
        ("PUT", "/profile/picture", {}, "picture"),
        ("PUT", "/profile/picture", {"data": "%%%"}, "picture.data"),
        ("PUT", "/profile/picture", {"media_id": "01890000-0000-7000-8000-000000000000"}, "picture.media_id"),
        ("POST", "/stories", {"type": "text"}, "text"),
        ("POST", "/stories", {"type": "text", "text": {"body": "a"}, "image": {"data": DATA_URL}}, "text"),
        ("GET", "/chats?cursor=***", None, "cursor"),
        ("POST", "/address-book/check", {"phones": ["123"]}, "phones[0]"),
    ],
)
async def test_bad_input_names_the_field(
    method: str, suffix: str, body: Any, field: str, company: Client, path: str, phone: Phone
) -> None:
    problem = await refused(company, method, path + suffix, 422, body)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert phone.asked == []


async def test_another_companys_instance_is_not_found(admin: Client, path: str) -> None:
    other = await clients.make_company(admin)
    await refused(other, "GET", f"{path}/chats", 404)
