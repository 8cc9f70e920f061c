"""Routes of Z-API's own service: numbers that it registers as phones (`mobile`), their account's security, and tokens for its
browser extension and its SDK. They are passed on where Z-API is the provider."""

import abc
from typing import Any, ClassVar, Literal

from recado.api.zapi import examples
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Answer, Body, Domain, Example, Method, Route, Success


class _Registration(Relayed, abc.ABC):
    """A step of registering a number as a phone of its own."""

    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Success
    example: ClassVar[Example] = Example(answer=examples.SUCCESS)
    reason: ClassVar[str] = (
        "Only Z-API registers a number as a phone of its own, through its own service; here a number is linked to the phone "
        "that has it, by QR code or phone code"
    )


class _Security(Relayed, abc.ABC):
    """A setting of the WhatsApp account that only the phone which registered it can change."""

    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = Success
    example: ClassVar[Example] = Example(answer=examples.SUCCESS)
    reason: ClassVar[str] = (
        "WhatsApp lets only the phone that registered a number change this, not a linked device; change it in WhatsApp on the "
        "phone, under Settings, Account"
    )


# --- registering ----------------------------------------------------------------------------------------


class NumberBody(Body, frozen=True, kw_only=True):
    ddi: str
    phone: str


class Availability(Answer, frozen=True, kw_only=True):
    available: bool
    sms_wait_seconds: int | None = None
    voice_wait_seconds: int | None = None
    wa_old_wait_seconds: int | None = None
    wa_old_eligible: bool | None = None
    blocked: bool | None = None
    appeal_token: str | None = None
    reason: str | None = None


class RegistrationAvailable(_Registration):
    """Ask whether a number can be registered."""

    path: ClassVar[str] = "/mobile/registration-available"
    body: ClassVar[Any] = NumberBody
    answers: ClassVar[Any] = Availability
    example: ClassVar[Example] = Example(
        body={"ddi": "55", "phone": "11999999999"},
        answer={
            "available": True,
            "smsWaitSeconds": 0,
            "voiceWaitSeconds": 0,
            "waOldWaitSeconds": 0,
            "waOldEligible": True,
            "blocked": False,
            "appealToken": None,
            "reason": None,
        },
    )


class RequestCodeBody(NumberBody, frozen=True, kw_only=True):
    method: Literal["sms", "voice", "wa_old"]


class Requested(Answer, frozen=True, kw_only=True):
    success: bool
    retry_after: int | None = None
    sms_wait_seconds: int | None = None
    voice_wait_seconds: int | None = None
    wa_old_wait_seconds: int | None = None
    method: str | None = None
    blocked: bool | None = None
    captcha: str | None = None


class RequestRegistrationCode(_Registration):
    """Ask for the code that registers a number."""

    path: ClassVar[str] = "/mobile/request-registration-code"
    body: ClassVar[Any] = RequestCodeBody
    answers: ClassVar[Any] = Requested
    example: ClassVar[Example] = Example(
        body={"ddi": "55", "phone": "11999999999", "method": "sms"},
        answer={
            "success": True,
            "retryAfter": 60,
            "smsWaitSeconds": 60,
            "voiceWaitSeconds": 60,
            "waOldWaitSeconds": 60,
            "method": "sms",
            "blocked": False,
            "captcha": None,
        },
    )


class CaptchaBody(Body, frozen=True, kw_only=True):
    captcha: str


class RespondCaptcha(_Registration):
    """Answer the captcha that a registration asked for."""

    path: ClassVar[str] = "/mobile/respond-captcha"
    body: ClassVar[Any] = CaptchaBody
    example: ClassVar[Example] = Example(body={"captcha": "123456"}, answer=examples.SUCCESS)


class CodeBody(Body, frozen=True, kw_only=True):
    code: str


class Confirmed(Answer, frozen=True, kw_only=True):
    success: bool
    confirm_security_code: bool | None = None
    device_confirm: bool | None = None


class ConfirmRegistrationCode(_Registration):
    """Register the number by the code that came."""

    path: ClassVar[str] = "/mobile/confirm-registration-code"
    body: ClassVar[Any] = CodeBody
    answers: ClassVar[Any] = Confirmed
    example: ClassVar[Example] = Example(
        body={"code": examples.CODE}, answer={"success": True, "confirmSecurityCode": False, "deviceConfirm": False}
    )


class ConfirmPinCode(_Registration):
    """Answer with the PIN of the number's two-step verification."""

    path: ClassVar[str] = "/mobile/confirm-pin-code"
    body: ClassVar[Any] = CodeBody
    example: ClassVar[Example] = Example(body={"code": examples.CODE}, answer=examples.SUCCESS)


class RecoveryPinCode(_Registration):
    """Ask for a forgotten PIN by e-mail."""

    path: ClassVar[str] = "/mobile/recovery-pin-code"


class RecoverPinCode(RecoveryPinCode):
    """Ask for a forgotten PIN by e-mail, as Z-API's collection and npm package spell it."""

    path: ClassVar[str] = "/mobile/recover-pin-code"


class DeviceTransferConfirmed(_Registration):
    """Ask whether the number's move from another phone was confirmed there."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/mobile/device-transfer-confirmed"


class UnbanningBody(Body, frozen=True, kw_only=True):
    appeal_token: str
    description: str


class Unbanning(Answer, frozen=True, kw_only=True):
    success: bool
    status: str | None = None


class RequestUnbanning(_Registration):
    """Ask WhatsApp to look at a ban again."""

    path: ClassVar[str] = "/mobile/request-unbanning"
    body: ClassVar[Any] = UnbanningBody
    answers: ClassVar[Any] = Unbanning
    reason: ClassVar[str] = (
        "The appeal belongs to a registration through Z-API's own service; elsewhere ask in WhatsApp on the phone, which shows "
        "the ban and a button for it"
    )
    example: ClassVar[Example] = Example(
        body={"appealToken": "Aq1w2e3r", "description": "Este número é da nossa loja"},
        answer={"success": True, "status": "IN_REVIEW"},
    )


# --- the account's security -----------------------------------------------------------------------------


class Told(Answer, frozen=True, kw_only=True):
    success: bool
    message: str | None = None


class Email(Answer, frozen=True, kw_only=True):
    success: bool
    has_email: bool | None = None
    email: str | None = None
    verified: bool | None = None


class GetEmail(_Security):
    """Tell the e-mail address of the WhatsApp account."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/security/email"
    answers: ClassVar[Any] = Email
    example: ClassVar[Example] = Example(
        answer={"success": True, "hasEmail": True, "email": "loja@example.com", "verified": True}
    )


class EmailBody(Body, frozen=True, kw_only=True):
    email: str


class SetEmail(_Security):
    """Set the e-mail address of the WhatsApp account."""

    path: ClassVar[str] = "/security/email"
    body: ClassVar[Any] = EmailBody
    answers: ClassVar[Any] = Told
    example: ClassVar[Example] = Example(body={"email": "loja@example.com"}, answer={"success": True, "message": None})


class RemoveEmail(_Security):
    """Remove the e-mail address of the WhatsApp account."""

    path: ClassVar[str] = "/security/email/remove"
    answers: ClassVar[Any] = Told
    example: ClassVar[Example] = Example(answer={"success": True, "message": None})


class VerificationBody(Body, frozen=True, kw_only=True):
    verification_code: str


class VerifyEmail(_Security):
    """Confirm the e-mail address by the code that came there."""

    path: ClassVar[str] = "/security/verify-email"
    body: ClassVar[Any] = VerificationBody
    example: ClassVar[Example] = Example(body={"verificationCode": "123456"}, answer=examples.SUCCESS)


class TwoStep(Answer, frozen=True, kw_only=True):
    success: bool
    has_code: bool | None = None


class GetTwoFaCode(_Security):
    """Tell whether two-step verification has a PIN."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/security/two-fa-code"
    answers: ClassVar[Any] = TwoStep
    example: ClassVar[Example] = Example(answer={"success": True, "hasCode": True})


class SetTwoFaCode(_Security):
    """Set the PIN of two-step verification."""

    path: ClassVar[str] = "/security/two-fa-code"
    body: ClassVar[Any] = CodeBody
    example: ClassVar[Example] = Example(body={"code": examples.CODE}, answer=examples.SUCCESS)


class RemoveTwoFaCode(_Security):
    """Remove the PIN of two-step verification."""

    path: ClassVar[str] = "/security/two-fa-code/remove"
    answers: ClassVar[Any] = Told
    example: ClassVar[Example] = Example(answer={"success": True, "message": None})


# --- tokens of Z-API's own programs ---------------------------------------------------------------------


class ExtensionToken(Answer, frozen=True, kw_only=True):
    """`expiresAt` is in milliseconds."""

    token: str
    expires_at: int


class GetExtensionToken(Relayed):
    """Make a token for Z-API's browser extension."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/extension-token"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = ExtensionToken
    reason: ClassVar[str] = "The token is for Z-API's browser extension, which talks to Z-API only"
    example: ClassVar[Example] = Example(answer={"token": "A1B2-C3D4", "expiresAt": 1772452800000})


class ConnectorToken(Answer, frozen=True, kw_only=True):
    token: str


class GetSdkConnectorToken(Relayed):
    """Make a token for Z-API's SDK connector."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/sdk-connector-token"
    domain: ClassVar[Domain] = "instances"
    answers: ClassVar[Any] = ConnectorToken
    reason: ClassVar[str] = "The token is for Z-API's SDK connector, which talks to Z-API only"
    example: ClassVar[Example] = Example(answer={"token": "eyJhbGciOi"})


ROUTES: tuple[Route, ...] = (
    RegistrationAvailable(),
    RequestRegistrationCode(),
    RespondCaptcha(),
    ConfirmRegistrationCode(),
    ConfirmPinCode(),
    RecoveryPinCode(),
    RecoverPinCode(),
    DeviceTransferConfirmed(),
    RequestUnbanning(),
    GetEmail(),
    SetEmail(),
    RemoveEmail(),
    VerifyEmail(),
    GetTwoFaCode(),
    SetTwoFaCode(),
    RemoveTwoFaCode(),
    GetExtensionToken(),
    GetSdkConnectorToken(),
)
