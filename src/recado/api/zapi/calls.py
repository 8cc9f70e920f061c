"""Calls, a product of the vendor's own: what it needs runs on the vendor's servers, beside WhatsApp's linked device."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import examples, fields
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Answer, Body, Domain, Example, Method, Route
from recado.api.zapi.sends import Sent


class _Calls(Relayed, abc.ABC):
    domain: ClassVar[Domain] = "calls"


class CallBody(Body, frozen=True, kw_only=True):
    """`callDuration` is in seconds, 5 without it and 15 at most."""

    phone: fields.Phone
    call_duration: float | None = None
    call_audio_url: str | None = None


class SendCall(_Calls):
    """Call a number."""

    path: ClassVar[str] = "/send-call"
    body: ClassVar[Any] = CallBody
    answers: ClassVar[Any] = Sent
    reason: ClassVar[str] = "Recado places no calls: Z-API does so from servers of its own."
    example: ClassVar[Example] = Example(body={"phone": examples.PHONE, "callDuration": 5}, answer=examples.SENT)


class Token(Answer, frozen=True, kw_only=True):
    token: str


class CallToken(_Calls):
    """Get a token for the vendor's call SDK."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/call-token"
    answers: ClassVar[Any] = Token
    reason: ClassVar[str] = "The token opens Z-API's own call SDK, which speaks to Z-API's servers alone."
    example: ClassVar[Example] = Example(answer={"token": "a token of the call SDK"})


class Sip(Answer, frozen=True, kw_only=True):
    """A SIP account. `token` is masked where it is only read."""

    host: str
    user: str
    token: str
    active: bool


_SIP = {"host": "sip.z-api.io", "user": "3A2B1C4D5E6F7A8B9C0D1E2F3A4B5C6D", "token": "****", "active": True}


class SipInfo(_Calls):
    """Read the SIP account of the instance."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/sip-info"
    answers: ClassVar[Any] = Sip
    reason: ClassVar[str] = "The SIP account is one of Z-API's own server, which turns its calls into WhatsApp's."
    example: ClassVar[Example] = Example(answer=_SIP)


class SipToken(_Calls):
    """Change the token of the instance's SIP account."""

    path: ClassVar[str] = "/sip-token"
    answers: ClassVar[Any] = Sip
    reason: ClassVar[str] = SipInfo.reason
    example: ClassVar[Example] = Example(answer=_SIP)


ROUTES: tuple[Route, ...] = (SendCall(), CallToken(), SipInfo(), SipToken())
