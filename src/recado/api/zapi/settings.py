"""Routes that set what the instance does by itself: read messages and statuses, reject calls."""

import abc
from typing import Annotated, Any, ClassVar

import msgspec

from recado.api.zapi import examples
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import relay
from recado.api.zapi.route import Body, Call, Domain, Example, Method, Route, Value
from recado.domain.zapi import Reaction
from recado.services.zapi import accounts, reacting


class SwitchBody(Body, frozen=True, kw_only=True):
    value: bool


class TextBody(Body, frozen=True, kw_only=True):
    value: Annotated[str, msgspec.Meta(max_length=4_096)]


class Setting(Route, abc.ABC):
    """A route that changes a setting. Where the provider could not act on it, it is passed on to Z-API if that is the
    provider, and else refused: a setting that changes nothing would only look like one.

    setting   its name in `ZapiSettings`
    reaction  what the provider must be able to do
    """

    method: ClassVar[Method] = "PUT"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = SwitchBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"value": True}, answer=examples.DONE)
    setting: ClassVar[str]
    reaction: ClassVar[Reaction]
    reason: ClassVar[str]

    async def answer(self, call: Call) -> Any:
        """Keep it."""
        value = call.body.value
        if not await self._is_possible(call):
            told = await relay(self, call)
            if told is None and value:
                raise ZapiError(self.reason)
            if told is not None and told.status != self.status:
                return told
        await accounts.change_settings(call.runtime, call.view, {self.setting: value or None})
        return Value()

    async def _is_possible(self, call: Call) -> bool:
        view = await call.runtime.directory.instance(call.view.company_id, call.view.id)
        placed = view.placed()
        return reacting.can(self.reaction, call.runtime.providers[placed.kind], placed.connection)


class UpdateAutoReadMessage(Setting):
    """Mark messages as read when they come in, or no longer."""

    path: ClassVar[str] = "/update-auto-read-message"
    setting: ClassVar[str] = "auto_read_message"
    reaction: ClassVar[Reaction] = "auto_read_message"
    reason: ClassVar[str] = "The instance's provider cannot mark messages as read"


class UpdateAutoReadStatus(Setting):
    """Mark statuses as read when they come in, or no longer."""

    path: ClassVar[str] = "/update-auto-read-status"
    setting: ClassVar[str] = "auto_read_status"
    reaction: ClassVar[Reaction] = "auto_read_status"
    reason: ClassVar[str] = "The instance's provider cannot mark statuses as read"
    note: ClassVar[str] = (
        "The built-in engine and the sandbox can, and Z-API itself as the provider; elsewhere turning it on is refused."
    )


class UpdateCallRejectAuto(Setting):
    """Reject calls when they come in, or no longer."""

    path: ClassVar[str] = "/update-call-reject-auto"
    needs: ClassVar[tuple[str, ...]] = ("reject_call",)
    setting: ClassVar[str] = "call_reject_auto"
    reaction: ClassVar[Reaction] = "call_reject_auto"
    reason: ClassVar[str] = "The instance's provider cannot reject calls"
    note: ClassVar[str] = (
        "Z-API itself as the provider does it there; elsewhere turning it on is refused where it is not possible."
    )


class UpdateCallRejectMessage(Setting):
    """Set what a caller is told whose call was rejected; an empty text tells nothing."""

    path: ClassVar[str] = "/update-call-reject-message"
    body: ClassVar[Any] = TextBody
    needs: ClassVar[tuple[str, ...]] = ("reject_call",)
    setting: ClassVar[str] = "call_reject_message"
    reaction: ClassVar[Reaction] = "call_reject_auto"
    reason: ClassVar[str] = "The instance's provider cannot reject calls"
    example: ClassVar[Example] = Example(
        body={"value": "Não atendemos ligações; escreva para nós."}, answer=examples.DONE
    )


ROUTES: tuple[Route, ...] = (
    UpdateAutoReadMessage(),
    UpdateAutoReadStatus(),
    UpdateCallRejectAuto(),
    UpdateCallRejectMessage(),
)
