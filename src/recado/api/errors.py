"""Every error of the API in one shape: RFC 9457 `application/problem+json`.

    {"type": "/docs/errors#invalid", "title": "Invalid request", "status": 422, "code": "invalid",
     "detail": "text.body: …", "errors": [{"field": "text.body", "message": "…"}]}

`code` is stable. `Body` decodes requests strictly (`services.validation`).
"""

from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
import structlog
from litestar import Request, Response
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from recado.domain import errors
from recado.domain.errors import FieldError, RecadoError
from recado.services import validation
from recado.store import db, refusals

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
AWAY_RETRY_SECONDS = 2

#: Codes of statuses that the framework answers by itself.
_CODES: dict[int, type[RecadoError]] = {
    kind.status: kind
    for kind in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.UnsupportedMediaType,
        errors.Invalid,
        errors.TooManyRequests,
        errors.Unavailable,
    )
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []


def problem(error: RecadoError) -> Problem:
    """The body of an error of ours."""
    return Problem(
        type=f"/docs/errors#{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        errors=error.errors,
    )


def headers(error: RecadoError) -> dict[str, str]:
    """What goes with it: how to authenticate, when to come back."""
    found = {}
    if error.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="recado"'
    if error.retry_after is not None:
        found["Retry-After"] = str(max(1, -int(-error.retry_after // 1)))
    return found


def encode(error: RecadoError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, for handlers that speak ASGI themselves."""
    return error.status, {"Content-Type": MEDIA_TYPE, **headers(error)}, msgspec.json.encode(problem(error))


def from_exception(exception: BaseException) -> RecadoError | None:
    """The error of ours that an exception amounts to, or None when it is a bug."""
    if isinstance(exception, RecadoError):
        return exception
    if isinstance(exception, msgspec.ValidationError):
        return validation.invalid_fields([validation.field_error(str(exception))])
    if isinstance(exception, msgspec.DecodeError | RecursionError):
        # Only what a caller nests can exhaust the stack: nothing of ours recurses over anything else.
        return validation.malformed(exception)
    if isinstance(exception, refusals.NUL_CHARACTER):
        return errors.Invalid("A text holds the character U+0000, which cannot be stored.", code="nul_character")
    if isinstance(exception, refusals.UNSTORABLE):
        log.warning("value_refused", why=type(exception).__name__)
        return errors.Invalid("A value cannot be stored: it is out of range, or too large.", code="unstorable")
    if isinstance(exception, refusals.BrokenReference):
        return errors.Conflict("Something this refers to was deleted meanwhile.", code="gone")
    if isinstance(exception, refusals.Undone):
        return errors.Unavailable("Others were changing the same; nothing was stored. Try again.", retry_after=1)
    if isinstance(exception, db.AWAY) and not isinstance(exception, ValueError):
        return away()
    if isinstance(exception, ValidationException):
        return _from_validation(exception)
    if isinstance(exception, HTTPException) and exception.status_code < 500:
        return _from_http(exception)
    return None


def away() -> RecadoError:
    """The database is away: nothing was stored."""
    return errors.Unavailable(
        "The database cannot be reached; nothing was stored. Try again.",
        code="database_unavailable",
        retry_after=AWAY_RETRY_SECONDS,
    )


def respond(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
    """The answer to a request that failed. What is no error of ours is logged with the request's id."""
    error = from_exception(exception)
    if error is None:
        identifier = structlog.contextvars.get_contextvars().get("request_id", "unknown")
        log.error(
            "request_failed",
            method=request.method,
            route=request.scope.get("path_template"),
            exc_info=exception,
        )
        error = RecadoError(f"Something went wrong on our side. Tell the operator the request id {identifier}.")
    return Response(content=problem(error), status_code=error.status, headers=headers(error), media_type=MEDIA_TYPE)


def _from_http(exception: HTTPException) -> RecadoError:
    kind = _CODES.get(exception.status_code)
    phrase = HTTPStatus(exception.status_code).phrase
    if exception.status_code == 404:
        return errors.NotFound(
            "There is no such route: check the path, and that each id in it is a whole UUID.", code="route_not_found"
        )
    if exception.status_code == 413:
        return errors.TooLarge("The body is larger than this route accepts.")
    if kind is not None:
        return kind(exception.detail or phrase)
    found = RecadoError(exception.detail or phrase, code=phrase.lower().replace(" ", "_"))
    found.status, found.title = exception.status_code, phrase
    return found


def _from_validation(exception: ValidationException) -> RecadoError:
    """Parameters of the path, query and headers, and a body that is absent: the framework checks those."""
    found = []
    for item in exception.extra if isinstance(exception.extra, list) else []:
        name = str(item.get("key", "")) or "request"
        if name == "data":
            found.append(FieldError(field="body", message="A JSON body is required."))
        else:
            found.append(FieldError(field=name, message=str(item.get("message", "is not valid"))))
    return validation.invalid_fields(found or [FieldError(field="request", message=exception.detail)])


# --- bodies -------------------------------------------------------------------------------------------


class Body(AbstractDTO[Any]):
    """Decodes `data` of every handler, strictly, checking the content type first."""

    _decoders: ClassVar[dict[str, Callable[[bytes], Any]]] = {}
    _types: ClassVar[dict[str, Any]] = {}

    def decode_bytes(self, value: bytes) -> Any:
        """The handler's `data` from the body."""
        check_json(self.asgi_connection.headers.get("content-type"))
        return self._decoders[self.asgi_connection.route_handler.handler_id](value)

    def decode_builtins(self, value: Any) -> Any:
        """A form is passed on as the handler's type says."""
        return msgspec.convert(value, self._types[self.asgi_connection.route_handler.handler_id], strict=False)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Make the decoder of a handler."""
        cls._types[handler_id] = field_definition.annotation
        cls._decoders[handler_id] = validation.decoder(field_definition.annotation)

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """The schema is that of the type itself."""
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Every type that msgspec decodes."""
        return True

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """Fields are not remodelled."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Fields are not remodelled."""
        return False


def check_json(content_type: str | None) -> None:
    """Raise `UnsupportedMediaType` for a body that says it is something other than JSON."""
    kind = (content_type or "application/json").split(";", 1)[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise errors.UnsupportedMediaType(f"Send application/json, not {kind or 'nothing'}.")


#: For handlers that decode by themselves.
decoder = validation.decoder
explain = validation.explain

HANDLERS: Mapping[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]] = {
    Exception: respond,
    HTTPException: respond,
}
