"""Partner routes: making instances on demand, their subscriptions, and the list of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec

from recado.api.zapi import examples, fields
from recado.api.zapi.route import Answer, Body, Call, Caller, Domain, Example, Method, Refused, Result, Route, Value
from recado.domain.states import SENDING
from recado.services.zapi import accounts, callbacks, partners
from recado.services.zapi.partners import Listed

_MOST = 100
_LAST_PAGE = 1_000_000

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ListQuery(Body, frozen=True, kw_only=True):
    page: int = 1
    page_size: int = 50
    query: str = ""
    middleware: str | None = None


class Partner(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """An instance in the list. `due` is in milliseconds."""

    token: str
    tenant: str
    created: str
    due: int
    payment_status: str
    delivery_callback_url: str | None
    phone_connected: bool
    whatsapp_connected: bool
    middleware: str
    name: str
    id: str
    received_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    disconnected_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    message_status_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    received_and_delivery_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    presence_chat_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    connected_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    received_status_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET


class InstanceList(Answer, frozen=True, kw_only=True):
    total: int
    total_page: int
    page_size: int
    page: int
    content: tuple[Partner, ...]


class ListInstances(Route):
    """List the instances of the account that are open to Z-API clients."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/instances"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "partner"
    query: ClassVar[Any] = ListQuery
    answers: ClassVar[Any] = InstanceList
    note: ClassVar[str] = (
        "Status 200, as documented now; an account set to the older documentation is answered with 201 and all callbacks. "
        "Every instance here is of the middleware `web`."
    )
    example: ClassVar[Example] = Example(
        query={"page": 1, "pageSize": 50},
        answer={
            "total": 1,
            "totalPage": 1,
            "pageSize": 50,
            "page": 1,
            "content": [
                {
                    "token": "8B5F4E6F2A9C4B1D8E7F6A5B4C3D2E1F",
                    "tenant": "3A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D",
                    "created": "2026-01-31T12:00:00Z",
                    "due": 1772452800000,
                    "paymentStatus": "PAID",
                    "deliveryCallbackUrl": None,
                    "phoneConnected": True,
                    "whatsappConnected": True,
                    "middleware": "web",
                    "name": "Vendas",
                    "id": "3D0E2F3A4B5C6D7E8F9A0B1C2D3E4F5A",
                }
            ],
        },
    )

    async def answer(self, call: Call) -> Any:
        """A page of them."""
        query: ListQuery = call.query
        size, page = min(max(query.page_size, 1), _MOST), min(max(query.page, 1), _LAST_PAGE)
        wanted = query.query.strip()
        found, total = await partners.listed(
            call.runtime, call.principal.company, query=wanted, limit=size, offset=(page - 1) * size
        )
        if query.middleware not in (None, "", "web"):
            found, total = [], 0
        account = await accounts.show_account(call.runtime, call.principal.company)
        older = account.settings.documentation == "older"
        content = tuple(_shown(one, older=older) for one in found)
        pages = -(-total // size)
        answer = InstanceList(total=total, total_page=pages, page_size=size, page=page, content=content)
        return Result(body=answer, status=201 if older else 200)


def _shown(one: Listed, *, older: bool) -> Partner:
    urls = one.settings.webhooks
    both = urls.get("received") if one.settings.notify_sent_by_me else None
    shown = Partner(
        token=one.token,
        tenant=one.company_id.hex.upper(),
        created=one.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        due=int(one.due_at.timestamp() * 1_000),
        payment_status="CANCELED" if one.cancelled else "PAID",
        delivery_callback_url=urls.get("delivery"),
        phone_connected=one.status in SENDING,
        whatsapp_connected=one.status in SENDING,
        middleware="web",
        name=one.name,
        id=one.public_id,
    )
    if not older:
        return shown
    return msgspec.structs.replace(
        shown,
        received_callback_url=urls.get("received"),
        disconnected_callback_url=urls.get("disconnected"),
        message_status_callback_url=urls.get("message_status"),
        received_and_delivery_callback_url=both,
        presence_chat_callback_url=urls.get("chat_presence"),
        connected_callback_url=urls.get("connected"),
        received_status_callback_url=None,
    )


class CreateBody(Body, frozen=True, kw_only=True):
    name: Name
    session_name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    delivery_callback_url: str | None = None
    received_callback_url: str | None = None
    received_and_delivery_callback_url: str | None = None
    presence_chat_callback_url: str | None = None
    disconnected_callback_url: str | None = None
    connected_callback_url: str | None = None
    message_status_callback_url: str | None = None
    call_reject_auto: bool = False
    call_reject_message: Annotated[str, msgspec.Meta(max_length=4_096)] | None = None
    auto_read_message: bool = False
    auto_read_status: bool = False
    is_device: bool = False
    business_device: bool = False
    disable_enqueue_when_disconnected: bool = False


class Made(Answer, frozen=True, kw_only=True):
    """`due` is in milliseconds."""

    id: str
    token: str
    due: int


class CreateInstance(Route):
    """Make an instance, open to Z-API clients, at the provider that the account is set to."""

    path: ClassVar[str] = "/instances/integrator/on-demand"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "partner"
    body: ClassVar[Any] = CreateBody
    answers: ClassVar[Any] = Made
    note: ClassVar[str] = (
        "The provider is the account's `settings.kind`. `isDevice` and `businessDevice` are kept and change nothing."
    )
    example: ClassVar[Example] = Example(
        body={"name": "Vendas", "sessionName": "Vendas", "callRejectAuto": False, "autoReadMessage": False},
        answer={
            "id": "3D0E2F3A4B5C6D7E8F9A0B1C2D3E4F5A",
            "token": "8B5F4E6F2A9C4B1D8E7F6A5B4C3D2E1F",
            "due": 1772452800000,
        },
    )

    async def answer(self, call: Call) -> Any:
        """Make it."""
        body: CreateBody = call.body
        received = body.received_and_delivery_callback_url or body.received_callback_url
        made = await partners.create(
            call.runtime,
            call.principal.company,
            name=body.name,
            settings={
                "notify_sent_by_me": bool(body.received_and_delivery_callback_url),
                "auto_read_message": body.auto_read_message,
                "auto_read_status": body.auto_read_status,
                "call_reject_auto": body.call_reject_auto,
                "call_reject_message": body.call_reject_message,
                "enqueue_disconnected": not body.disable_enqueue_when_disconnected,
                "session_name": body.session_name,
                "is_device": body.is_device,
                "business_device": body.business_device,
            },
            webhooks={
                "delivery": body.delivery_callback_url,
                "received": received,
                "message_status": body.message_status_callback_url,
                "chat_presence": body.presence_chat_callback_url,
                "connected": body.connected_callback_url,
                "disconnected": body.disconnected_callback_url,
            },
        )
        due = accounts.due(made, datetime.now(UTC))
        return Made(id=made.public_id, token=made.token, due=fields.moment(due) or 0)


class SubscribeBody(Body, frozen=True, kw_only=True):
    with_calls: bool | None = None


class Subscribe(Route):
    """Subscribe the instance, or take its cancellation back."""

    path: ClassVar[str] = "/integrator/on-demand/subscription"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "both"
    body: ClassVar[Any] = SubscribeBody
    status: ClassVar[int] = 201
    note: ClassVar[str] = (
        "Nobody pays Recado: a subscription lasts until it is cancelled. An empty form is accepted as the body."
    )
    example: ClassVar[Example] = Example(body={"withCalls": False})

    async def answer(self, call: Call) -> Any:
        """Subscribe it."""
        if call.body.with_calls is not None:
            await accounts.change_settings(call.runtime, call.view, {"with_calls": call.body.with_calls})
        await accounts.subscribe(call.runtime, call.view)
        return None


class Cancel(Route):
    """Cancel the instance's subscription; it can be used until its month is over."""

    path: ClassVar[str] = "/integrator/on-demand/cancel"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "both"
    body: ClassVar[Any] = Body
    status: ClassVar[int] = 201
    note: ClassVar[str] = (
        "From then on every route but those of partners answers as Z-API does for a subscription that is over. The instance "
        "and its history stay, until it is deleted through Recado's own API."
    )
    example: ClassVar[Example] = Example()

    async def answer(self, call: Call) -> Any:
        """Cancel it."""
        await accounts.cancel(call.runtime, call.view)
        return None


class UpdateBody(Body, frozen=True, kw_only=True):
    with_calls: bool


class UpdateSubscription(Route):
    """Note that the subscription comes with the calls product."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/integrator/subscription/update"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "both"
    body: ClassVar[Any] = UpdateBody
    status: ClassVar[int] = 201
    note: ClassVar[str] = "It is kept and shown. The calls product itself is Z-API's own: see `/send-call`."
    example: ClassVar[Example] = Example(body={"withCalls": True})

    async def answer(self, call: Call) -> Any:
        """Note it."""
        await accounts.change_settings(call.runtime, call.view, {"with_calls": call.body.with_calls})
        return None


class UpdateOnDemand(UpdateSubscription):
    """Note that the subscription comes with the calls product (the older documentation's address)."""

    path: ClassVar[str] = "/integrator/on-demand/subscription/update"


class ProxyBody(Body, frozen=True, kw_only=True):
    proxy_url: str
    enable: bool


_NO_PROXY = (
    "Recado's providers connect from their own servers: a proxy is configured at the provider, not per instance through "
    "this route"
)


class ConfigureProxy(Refused):
    """Connect the instance through a proxy."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/integrator/configure-proxy"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "both"
    body: ClassVar[Any] = ProxyBody
    answers: ClassVar[Any] = Value
    reason: ClassVar[str] = _NO_PROXY
    example: ClassVar[Example] = Example(
        body={"proxyUrl": "socks5://user:password@proxy.example.com:1080", "enable": True}, answer=examples.DONE
    )


class ProxyWebhookBody(Body, frozen=True, kw_only=True):
    value: str


class UpdateProxyWebhook(Route):
    """Set where failures of the instance's proxy are told."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-proxy-webhook"
    domain: ClassVar[Domain] = "partners"
    body: ClassVar[Any] = ProxyWebhookBody
    answers: ClassVar[Any] = Value
    note: ClassVar[str] = "Only an instance whose provider is Z-API itself can have a proxy, and tell of it."
    example: ClassVar[Example] = Example(body={"value": "https://example.com/proxy"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Set it."""
        await callbacks.set_proxy_webhook(call.runtime, call.view, call.body.value)
        return Value()


class DeleteInstances(Refused):
    """Delete instances."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/instances"
    domain: ClassVar[Domain] = "partners"
    caller: ClassVar[Caller] = "partner"
    reason: ClassVar[str] = (
        "Z-API documents no such route: cancel an instance by POST .../integrator/on-demand/cancel, or delete it by "
        "DELETE /v1/instances/{id} of Recado's own API"
    )
    example: ClassVar[Example] = Example()


ROUTES: tuple[Route, ...] = (
    ListInstances(),
    CreateInstance(),
    Subscribe(),
    Cancel(),
    UpdateSubscription(),
    UpdateOnDemand(),
    ConfigureProxy(),
    UpdateProxyWebhook(),
    DeleteInstances(),
)
