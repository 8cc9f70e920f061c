"""The errors a caller of Recado can meet.

RecadoError                     what the API answers as RFC 9457 problem+json
├── BadRequest            400   the body is not what the content type says
├── Unauthorized          401   no token, or one that is not valid
├── Forbidden             403   a valid token that may not do this
├── NotFound              404   no such object, or not this company's
├── Conflict              409   the state of the object, or of an idempotency key, does not allow it
├── TooLarge              413
├── UnsupportedMediaType  415
├── Invalid               422   one or several fields are wrong; each is named
├── TooManyRequests       429   carries `retry_after` in seconds
├── ProviderFailed        502   the provider refused or broke a call the caller waits for
└── Unavailable           503   something Recado depends on is away; carries `retry_after`
"""

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong field: its path in the body (`text.body`, `messages[3].to`) and what is wrong with it."""

    field: str
    message: str


class RecadoError(Exception):
    """`detail` says what happened, to what, and what to do; `code` is stable and documented."""

    status = 500
    code = "internal"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: list[FieldError] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors or []
        self.retry_after = retry_after


class BadRequest(RecadoError):
    status, code, title = 400, "malformed", "Malformed request"


class Unauthorized(RecadoError):
    status, code, title = 401, "unauthorized", "Not authenticated"


class Forbidden(RecadoError):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(RecadoError):
    status, code, title = 404, "not_found", "Not found"


class Conflict(RecadoError):
    status, code, title = 409, "conflict", "Conflict"


class TooLarge(RecadoError):
    status, code, title = 413, "too_large", "Body too large"


class UnsupportedMediaType(RecadoError):
    status, code, title = 415, "unsupported_media_type", "Unsupported content type"


class Invalid(RecadoError):
    status, code, title = 422, "invalid", "Invalid request"


class TooManyRequests(RecadoError):
    status, code, title = 429, "rate_limited", "Too many requests"


class ProviderFailed(RecadoError):
    status, code, title = 502, "provider_failed", "The provider failed"


class Unavailable(RecadoError):
    status, code, title = 503, "unavailable", "Temporarily unavailable"


def invalid(field: str, message: str, *, code: str = "invalid") -> Invalid:
    """An `Invalid` about one field."""
    return Invalid(f"{field}: {message}", code=code, errors=[FieldError(field=field, message=message)])
