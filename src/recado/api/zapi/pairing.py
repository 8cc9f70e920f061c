"""Routes that pair the instance with a phone: by QR code, by a code to type, and by passkey where WhatsApp asks for one."""

from typing import Any, ClassVar

import msgspec
import segno

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed, relay
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Success
from recado.domain.errors import Conflict, Invalid, ProviderFailed
from recado.domain.provider import ConnectionState
from recado.domain.states import SENDING, ConnectionStatus
from recado.services import instances

#: What clients look for who ask a connected instance for a code.
ALREADY_CONNECTED = "Instance already connected"
_NOT_READY = "The code is not ready yet; ask again in a few seconds"


class QrCode(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """`value` is a PNG as a data URI. Where WhatsApp asks for a passkey there is a `challenge` in place of it."""

    value: str | msgspec.UnsetType = msgspec.UNSET
    challenge: Any = msgspec.UNSET


class GetQrCode(Route):
    """Show the QR code to scan, starting to connect if nobody did."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/qr-code"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = QrCode
    example: ClassVar[Example] = Example(answer={"value": "data:image/png;base64,iVBORw0KGgo="})
    note: ClassVar[str] = (
        "A connected instance answers `Instance already connected`. The layout of `challenge` is published nowhere: it is what "
        "the provider says, where that is one that can pair by passkey."
    )

    async def answer(self, call: Call) -> Any:
        """The code, while it is valid; else a new one."""
        state = await _code(call)
        if "passkey" in state.details:
            return QrCode(challenge=_challenge(state))
        return QrCode(value=_picture(state))


class GetQrCodeImage(GetQrCode):
    """Show the QR code as an image in base64, starting to connect if nobody did."""

    path: ClassVar[str] = "/qr-code/image"
    note: ClassVar[str] = (
        "JSON with a data URI in `value`, as most clients read it; Z-API shows no example, and a few take the body for "
        "base64 text or for an image."
    )


async def _code(call: Call) -> ConnectionState:
    """What to show now: a QR code, or a passkey's step. Raises `ZapiError` where there is neither."""
    try:
        shown = await instances.pairing(call.runtime, call.view.company_id, call.view.id)
        if _picture_of(shown) is not None:
            return shown
    except Conflict as error:
        if error.code == "already_connected":
            raise ZapiError(ALREADY_CONNECTED) from None
        if error.code != "not_pairing":
            raise
    state = await instances.connect(call.runtime, call.view.company_id, call.view.id, method="qr")
    _check_waits(state)
    if "passkey" not in state.details and _picture_of(state) is None:
        raise ZapiError(_NOT_READY)
    return state


def _check_waits(state: ConnectionState) -> None:
    """Raise `ZapiError` for an instance that cannot be paired."""
    if state.status in SENDING:
        raise ZapiError(ALREADY_CONNECTED)
    if state.status is ConnectionStatus.BANNED:
        raise ZapiError("The number was disconnected by a possible whatsapp number blocking")


def _picture(state: ConnectionState) -> str:
    picture = _picture_of(state)
    assert picture is not None, "_code asked for it"
    return picture


def _picture_of(state: ConnectionState) -> str | None:
    """The QR code as a data URI: drawn from its text, or the provider's own where it gives no text."""
    if state.qr is not None:
        return segno.make(state.qr, error="m", micro=False).png_data_uri(scale=8, border=4)
    own = state.details.get("qr_image")
    return own if isinstance(own, str) else None


def _challenge(state: ConnectionState) -> Any:
    passkey = state.details["passkey"]
    return passkey.get("challenge", passkey) if isinstance(passkey, dict) else passkey


class PhoneCode(Answer, frozen=True, kw_only=True):
    value: str


class GetPhoneCode(Route):
    """Make a code to type on the phone in place of scanning."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/phone-code/{phone}"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = PhoneCode
    example: ClassVar[Example] = Example(path={"phone": examples.PHONE}, answer={"value": "ABCD-1234"})
    note: ClassVar[str] = "WhatsApp's codes have eight characters; the documented example has ten."

    async def answer(self, call: Call) -> Any:
        """Start connecting that number."""
        state = await instances.connect(
            call.runtime,
            call.view.company_id,
            call.view.id,
            method="phone_code",
            phone=fields.recipient(call.path["phone"]),
        )
        _check_waits(state)
        if state.pairing_code is None:
            raise ZapiError(_NOT_READY)
        return PhoneCode(value=state.pairing_code)


# --- passkeys -------------------------------------------------------------------------------------------


class Assertion(Body, frozen=True, kw_only=True):
    authenticator_data: str
    client_data_json: str = msgspec.field(name="clientDataJSON")
    signature: str
    user_handle: str | None = None


class PasskeyBody(Body, frozen=True, kw_only=True):
    """What `navigator.credentials.get` gave for the challenge."""

    id: str
    raw_id: str
    type: str
    response: Assertion


class Answered(Answer, frozen=True, kw_only=True):
    success: bool
    reason: str | None = None


class PasskeyPrologue(Relayed):
    """Answer the passkey challenge that `/qr-code` showed."""

    path: ClassVar[str] = "/passkey-prologue"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = PasskeyBody
    answers: ClassVar[Any] = Answered
    reason: ClassVar[str] = "The instance's provider cannot pair by passkey: scan a QR code, or type a phone code"
    example: ClassVar[Example] = Example(
        body={
            "id": "b3duZXItcGFzc2tleQ",
            "rawId": "b3duZXItcGFzc2tleQ",
            "type": "public-key",
            "response": {
                "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2M",
                "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                "signature": "MEUCIQDx",
                "userHandle": "dXNlcg",
            },
        },
        answer={"success": True, "reason": None},
    )

    async def answer(self, call: Call) -> Any:
        """Hand it to the provider; what it refuses is told as the reason."""
        try:
            await instances.answer_passkey(
                call.runtime,
                call.view.company_id,
                call.view.id,
                step="challenge",
                answer=msgspec.to_builtins(call.body),
            )
        except Invalid as error:
            if error.code != "unsupported_by_provider":
                raise
            raise ZapiError(self.reason) from None
        except ProviderFailed as error:
            return Answered(success=False, reason=error.detail)
        return Answered(success=True)


class ResetPasskeyChallenge(Route):
    """Begin the pairing by passkey anew."""

    path: ClassVar[str] = "/reset-passkey-challenge"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Success
    example: ClassVar[Example] = Example(answer={"success": True})

    async def answer(self, call: Call) -> Any:
        """Z-API itself has a way to; elsewhere connecting again asks for a new challenge. A connected instance has none."""
        told = await relay(self, call)
        if told is not None:
            return told
        view = await call.runtime.directory.instance(call.view.company_id, call.view.id)
        if view.status not in SENDING:
            await instances.connect(call.runtime, call.view.company_id, call.view.id, method="qr")
        return Success()


ROUTES: tuple[Route, ...] = (
    GetQrCode(),
    GetQrCodeImage(),
    GetPhoneCode(),
    PasskeyPrologue(),
    ResetPasskeyChallenge(),
)
