"""Routes about the instance itself: how it stands, what it is, and ending or restarting its session."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec

from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import relay
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Value
from recado.domain import operations
from recado.domain.operations import Person, Profile
from recado.domain.states import SENDING, ConnectionStatus
from recado.services import connections, instances
from recado.services.zapi import accounts
from recado.store.instances import Instance

#: What `error` of `/status` says; clients compare these sentences.
CONNECTED = "You are already connected."
RESTORE = "You need to restore the session."
NOT_CONNECTED = "You are not connected."

#: Why a session is down without there being one to restore: its company ended it, or its code ran out.
_NOTHING_TO_RESTORE = (connections.REQUESTED, "pairing_expired")


class Status(Answer, frozen=True, kw_only=True):
    """`error` is a sentence about the state, also when all is well."""

    connected: bool
    error: str
    smartphone_connected: bool


class GetStatus(Route):
    """Tell whether the instance is connected."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/status"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Status
    example: ClassVar[Example] = Example(answer={"connected": True, "error": CONNECTED, "smartphoneConnected": True})
    note: ClassVar[str] = (
        "A linked device works without its phone, whose own line is not known: `smartphoneConnected` is what `connected` "
        "is, for clients that ask for both."
    )

    async def answer(self, call: Call) -> Any:
        """What is known, without asking the provider: it tells of changes, and is asked regularly."""
        status, sentence = await standing(call)
        connected = status in SENDING
        return Status(connected=connected, error=sentence, smartphone_connected=connected)


async def standing(call: Call) -> tuple[ConnectionStatus, str]:
    """How the instance stands, and the sentence for it."""
    view = await call.runtime.directory.instance(call.view.company_id, call.view.id)
    if view.status in SENDING:
        return view.status, CONNECTED
    if view.status is not ConnectionStatus.DISCONNECTED:
        return view.status, NOT_CONNECTED
    described = await instances.get(call.runtime, call.view.company_id, call.view.id)
    return view.status, RESTORE if _restorable(described.instance) else NOT_CONNECTED


def _restorable(instance: Instance) -> bool:
    """Whether the session is there still, so that it needs no new code."""
    return instance.phone is not None and instance.status_reason not in _NOTHING_TO_RESTORE


class Me(Answer, frozen=True, kw_only=True):
    """`due` is in seconds here, and only here."""

    id: str
    token: str
    name: str
    due: int
    connected: bool
    payment_status: str
    created: str
    connected_callback_url: str | None
    delivery_callback_url: str | None
    disconnected_callback_url: str | None
    message_status_callback_url: str | None
    presence_chat_callback_url: str | None
    received_callback_url: str | None
    receive_callback_sent_by_me: bool
    call_reject_auto: bool
    call_reject_message: str | None
    auto_read_message: bool
    initial_data_callback_url: str | None = None
    proxy_url: str | None = None
    use_proxy: bool = False


class GetMe(Route):
    """Tell what the instance is called and set to."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/me"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Me
    example: ClassVar[Example] = Example(
        answer={
            "id": "3D0E2F3A4B5C6D7E8F9A0B1C2D3E4F5A",
            "token": "8B5F4E6F2A9C4B1D8E7F6A5B4C3D2E1F",
            "name": "Vendas",
            "due": 1772452800,
            "connected": True,
            "paymentStatus": "PAID",
            "created": "2026-01-31T12:00:00.000Z",
            "connectedCallbackUrl": "https://example.com/connected",
            "deliveryCallbackUrl": "https://example.com/delivery",
            "disconnectedCallbackUrl": None,
            "messageStatusCallbackUrl": None,
            "presenceChatCallbackUrl": None,
            "receivedCallbackUrl": "https://example.com/received",
            "receiveCallbackSentByMe": False,
            "callRejectAuto": False,
            "callRejectMessage": None,
            "autoReadMessage": False,
            "initialDataCallbackUrl": None,
            "proxyUrl": None,
            "useProxy": False,
        }
    )
    note: ClassVar[str] = (
        "`due` is in seconds, as documented here, and in milliseconds in the partner routes. `initialDataCallbackUrl` is "
        "null: no route sets it. Whether a proxy is used is the server's affair: `useProxy` is false."
    )

    async def answer(self, call: Call) -> Any:
        """The instance."""
        view, settings = call.view, call.view.settings
        instance = await call.runtime.directory.instance(view.company_id, view.id)
        urls = settings.webhooks
        return Me(
            id=view.public_id,
            token=view.token,
            name=instance.name,
            due=int(accounts.due(view, datetime.now(UTC)).timestamp()),
            connected=instance.status in SENDING,
            payment_status="PAID" if view.due_at is None else "CANCELED",
            created=view.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            connected_callback_url=urls.get("connected"),
            delivery_callback_url=urls.get("delivery"),
            disconnected_callback_url=urls.get("disconnected"),
            message_status_callback_url=urls.get("message_status"),
            presence_chat_callback_url=urls.get("chat_presence"),
            received_callback_url=urls.get("received"),
            receive_callback_sent_by_me=settings.notify_sent_by_me,
            call_reject_auto=settings.call_reject_auto,
            call_reject_message=settings.call_reject_message,
            auto_read_message=settings.auto_read_message,
        )


class Hardware(Answer, frozen=True, kw_only=True, rename={"session_name": "sessionName"}):
    session_name: str | None
    device_model: str | None


class Device(Answer, frozen=True, kw_only=True):
    phone: str | None
    img_url: str | None
    about: str | None
    name: str | None
    device: Hardware
    original_device: str | None
    session_id: int | None
    is_business: bool | None


class GetDevice(Route):
    """Tell whose number is connected: its profile and its phone."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/device"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Device
    example: ClassVar[Example] = Example(
        answer={
            "phone": "5511999999999",
            "imgUrl": None,
            "about": "Aberto das 8 às 18",
            "name": "Loja",
            "device": {"sessionName": "Z-API", "device_model": None},
            "originalDevice": None,
            "sessionId": None,
            "isBusiness": True,
        }
    )
    note: ClassVar[str] = (
        "Only Z-API as the provider knows `device_model`, `originalDevice` and `sessionId`; they are null elsewhere. What the "
        "provider does not tell of the profile is null too."
    )

    async def answer(self, call: Call) -> Any:
        """The upstream's answer where it is Z-API, else the number's profile."""
        told = await relay(self, call)
        if told is not None:
            return told
        status, sentence = await standing(call)
        if status not in SENDING:
            raise ZapiError(sentence)
        described = await instances.get(call.runtime, call.view.company_id, call.view.id)
        profile = await _profile(call)
        return Device(
            phone=described.instance.phone or profile.phone,
            img_url=profile.picture,
            about=profile.about,
            name=profile.name or profile.push_name,
            device=Hardware(session_name=call.view.settings.session_name, device_model=None),
            original_device=None,
            session_id=None,
            is_business=profile.business,
        )


async def _profile(call: Call) -> Person:
    """What the provider tells of the number; nothing where it has no profiles."""
    view = await call.runtime.directory.instance(call.view.company_id, call.view.id)
    if "get_profile" not in operations.operations(call.runtime.providers[view.placed().kind]):
        return Person()
    return await call.ask(Profile.get_profile)


# --- the session ----------------------------------------------------------------------------------------


class Restart(Route):
    """Restart the session, without a new code."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/restart"
    acts: ClassVar[bool] = True
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(answer={"value": True})

    async def answer(self, call: Call) -> Any:
        """Ask the provider to."""
        await instances.restart(call.runtime, call.view.company_id, call.view.id)
        return Value()


class RestoreSession(Route):
    """Bring a session back that `/status` says needs restoring."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/restore-session"
    acts: ClassVar[bool] = True
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(answer={"value": True})
    note: ClassVar[str] = (
        "The answer is documented nowhere: `value` tells whether the instance is connected now, or is connecting. Where only "
        "a person can help, by scanning a new code, the error says so."
    )

    async def answer(self, call: Call) -> Any:
        """Take the steps that the provider has, until one helps."""
        recovered = await instances.recover(call.runtime, call.view.company_id, call.view.id)
        if recovered.needs_person is not None:
            raise ZapiError(recovered.needs_person)
        return Value(value=recovered.state.status in SENDING | {ConnectionStatus.CONNECTING})


class Disconnect(Route):
    """End the session: connecting again needs a new code."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/disconnect"
    acts: ClassVar[bool] = True
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(answer={"value": True})
    note: ClassVar[str] = (
        "What is queued waits for the next connection, and more can be queued: Z-API's pages disagree on that, and this is "
        "what those about the queue say."
    )

    async def answer(self, call: Call) -> Any:
        """Log out."""
        await instances.disconnect(call.runtime, call.view.company_id, call.view.id, logout=True)
        return Value()


class NameBody(Body, frozen=True, kw_only=True):
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Rename(Route):
    """Change what the instance is called."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/update-name"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = NameBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"value": "Vendas"}, answer={"value": True})

    async def answer(self, call: Call) -> Any:
        """Rename it."""
        await instances.update(call.runtime, call.view.company_id, call.view.id, name=call.body.value)
        return Value()


ROUTES: tuple[Route, ...] = (
    GetStatus(),
    GetMe(),
    GetDevice(),
    Restart(),
    RestoreSession(),
    Disconnect(),
    Rename(),
)
