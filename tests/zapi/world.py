"""What the documented examples speak of, made for whoever calls them: on the sandbox, and on the built-in engine."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from recado.api.zapi import examples
from recado.api.zapi.route import Route
from recado.providers.sandbox import samples
from recado.testing.upstream import Reply as Answer
from recado.testing.upstream import Upstream
from tests.support.client import Client, Reply
from tests.zapi.conftest import ZapiClient, open_instance

#: What ends or changes the instance that it is called on, for the tests that come after.
ENDING = (
    "/disconnect", "/restart", "/restore-session", "/integrator/on-demand/cancel", "/update-filters", "/queue",
    "/contacts/modify-blocked",
)  # fmt: skip
#: What is asked of a business, which the sandbox's phones are not: the instance is one.
OF_A_BUSINESS = (
    "/catalogs/{phone}",
    "/catalogs/collection-products/{phone}",
    "/business/profile",
    "/catalogs/collection",
)
#: Called while the phone is not connected.
UNPAIRED = ("/qr-code", "/qr-code/image", "/phone-code/{phone}")


class World:
    """What the examples speak of, made as they are asked for."""

    def __init__(self, company: Client, zapi: ZapiClient, files: Mapping[str, str]) -> None:
        self.company = company
        self.zapi = zapi
        #: Where the files of the examples really are.
        self._files = files
        self._makers: dict[str, Callable[[], Awaitable[str]]] = {
            examples.GROUP: self._group,
            examples.COMMUNITY: self._community,
            examples.SUB_GROUP: self._sub_group,
            examples.NEWSLETTER: self._newsletter,
            examples.MESSAGE: self._message,
            examples.RECEIVED: lambda: self._received("text", {"body": "Oi"}),
            examples.POLL: lambda: self._received("poll", {"name": "Sabor?", "options": ["Uva", "Limão"]}),
            examples.EVENT: lambda: self._received("event", {"name": "Feira", "start_at": "2026-12-24T12:00:00Z"}),
            examples.ZAAP: self._waiting,
            examples.TAG: self._tag,
            examples.PRODUCT: self._product,
            examples.COLLECTION: self._collection,
            examples.INVITE: self._invite,
        }

    async def opened(self, *, connected: bool = True) -> ZapiClient:
        """Another instance, of the same provider."""
        return await open_instance(self.company, connected=connected)

    async def for_(self, route: Route) -> ZapiClient:
        """The instance that a route is called on: one of its own, where it ends or changes it."""
        if route.path in UNPAIRED:
            return await self.opened(connected=False)
        return await self.opened() if route.path.startswith(ENDING) else self.zapi

    async def example(self, route: Route, **changes: Any) -> Reply:
        """Call a route as its example does, with some fields of the body changed."""
        made = await self._prepared(route)
        path = route.path
        for name, value in route.example.path.items():
            path = path.replace(f"{{{name}}}", await self._real(value, made))
        body = await self._real(route.example.body, made)
        if changes:
            body = {**body, **changes} if isinstance(body, dict) else body
        return await self.send(route, path, body, await self._real(dict(route.example.query), made))

    async def _prepared(self, route: Route) -> dict[str, str]:
        """What must be in a certain state for a route's example, by its documented value."""
        if route.path in OF_A_BUSINESS:
            shown = await self.company.get(f"/v1/instances/{self.zapi.instance_id}")
            return {examples.PHONE: shown["phone"]}
        if route.path == "/send-edit-event":
            event = {"name": "Feira", "dateTime": "2027-04-29T09:30:53.309Z"}
            sent = await self.zapi.post("/send-event", {"phone": examples.PHONE, "event": event})
            return {examples.EVENT: str(sent["messageId"])}
        if route.path.startswith("/chats/"):
            # The phone has the chat once somebody wrote.
            await self._message()
        if route.path == "/communities/unlink":
            community, group = await self._community(), await self._group()
            await self.zapi.post("/communities/link", {"communityId": community, "groupsPhones": [group]})
            return {examples.COMMUNITY: community, examples.GROUP: group}
        if route.path in ("/follow-newsletter", "/unfollow-newsletter"):
            other = await self.opened()
            channel = str((await other.post("/create-newsletter", {"name": "Notícias"}, status=201))["id"])
            if route.path == "/unfollow-newsletter":
                await self.zapi.put("/follow-newsletter", {"id": channel})
            return {examples.NEWSLETTER: channel}
        return {}

    async def send(self, route: Route, path: str, body: Any, query: dict[str, Any] | None = None) -> Reply:
        options: dict[str, Any] = {} if body is None else {"json": body}
        if query:
            options["params"] = {
                name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()
            }
        if route.caller == "instance":
            return await self.zapi.call(route.method, path, **options)
        return await self.zapi.partner(route.method, path, below=route.caller == "both", **options)

    async def _real(self, value: Any, made: dict[str, str]) -> Any:
        """The value with every documented one replaced; the same one twice is the same thing."""
        if isinstance(value, dict):
            return {name: await self._real(inner, made) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [await self._real(inner, made) for inner in value]
        if not isinstance(value, str):
            return value
        if value in self._files:
            return self._files[value]
        if value not in made and value in self._makers:
            made[value] = await self._makers[value]()
        return made.get(value, value)

    async def _group(self) -> str:
        body = {"autoInvite": False, "groupName": "Equipe", "phones": [examples.PHONE, examples.OTHER_PHONE]}
        return str((await self.zapi.post("/create-group", body))["phone"])

    async def _community(self) -> str:
        self._last_community = str((await self.zapi.post("/communities", {"name": "Bairro"}))["id"])
        return self._last_community

    async def _sub_group(self) -> str:
        """A group of the community that the example names before it."""
        group = await self._group()
        await self.zapi.post("/communities/link", {"communityId": self._last_community, "groupsPhones": [group]})
        return group

    async def _newsletter(self) -> str:
        return str((await self.zapi.post("/create-newsletter", {"name": "Novidades"}, status=201))["id"])

    async def _message(self) -> str:
        sent = await self.zapi.post("/send-text", {"phone": examples.PHONE, "message": "Olá"})
        path = f"/v1/messages/{sent['zaapId'].lower()}"
        await self.company.until(path, lambda shown: shown["status"] not in ("queued", "unproven"))
        return str(sent["messageId"])

    async def _received(self, kind: str, content: dict[str, Any]) -> str:
        body = {"instance_id": self.zapi.instance_id, "type": kind, kind: content, "name": "Ana"}
        written = await self.company.post(f"/sandbox/phones/{examples.PHONE}/messages", body)
        found = f"/v1/messages?instance_id={self.zapi.instance_id}&direction=inbound"
        known = await self.company.until(
            found, lambda page: any(one["provider_id"] == written["id"] for one in page["data"])
        )
        assert known["data"]
        return str(written["id"])

    async def _waiting(self) -> str:
        body = {
            "instance_id": self.zapi.instance_id,
            "to": examples.PHONE,
            "type": "text",
            "text": {"body": "Mais tarde"},
            "send_at": "2027-01-01T12:00:00Z",
        }
        return str((await self.company.post("/v1/messages", body))["id"]).replace("-", "").upper()

    async def _tag(self) -> str:
        return str((await self.zapi.post("/business/create-tag", {"name": "Cliente", "color": 1}))["id"])

    async def _product(self) -> str:
        body = {
            "name": "Bolo",
            "price": 20,
            "currency": "BRL",
            "description": "De milho",
            "images": [self._files[examples.IMAGE]],
        }
        return str((await self.zapi.post("/products", body))["id"])

    async def _collection(self) -> str:
        path = f"/sandbox/instances/{self.zapi.instance_id}/business"
        body = {"description": "Padaria", "collections": [{"name": "Bolos", "products": [await self._product()]}]}
        reply = await self.company.call("PUT", path, json=body)
        assert reply.status == 200, reply.body
        return str((await self.zapi.get("/catalogs/collection"))["collections"][0]["id"])

    async def _invite(self) -> str:
        """A link to a group of another number."""
        other = await self.opened()
        made = await other.post(
            "/create-group", {"autoInvite": False, "groupName": "Vizinhos", "phones": [examples.OTHER_PHONE]}
        )
        return str((await other.get(f"/group-invitation-link/{made['phone']}"))["invitationLink"])


_FILES = {
    examples.IMAGE: "image",
    examples.VIDEO: "video",
    examples.AUDIO: "voice",
    examples.DOCUMENT: "document",
    examples.STICKER: "sticker",
}


@asynccontextmanager
async def files() -> AsyncIterator[Mapping[str, str]]:
    """The files of the examples, each on a server of its own: its address there by its documented one."""
    async with AsyncExitStack() as stack:
        found = {}
        for documented, kind in _FILES.items():
            server = await stack.enter_async_context(Upstream([_file(kind)]))
            found[documented] = f"{server.url}/{documented.rpartition('/')[2]}"
        yield found


def _file(kind: str) -> Answer:
    mime_type, _, data = samples.sample(kind)
    return Answer(body=data, headers={"content-type": mime_type})


def check_documented(route: Route, reply: Reply) -> None:
    """Fail unless a reply is the documented success: the status, and exactly the documented fields."""
    assert reply.status == route.status, reply.body
    if route.answers is None:
        assert reply.body == b""
        return
    decoded = msgspec.convert(reply.body, route.answers)
    again = msgspec.json.decode(msgspec.json.encode(decoded))
    assert again == reply.body, "exactly the documented fields"
