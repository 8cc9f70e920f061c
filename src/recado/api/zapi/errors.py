"""Errors as Z-API answers them: `{"error": "<sentence>"}`, and `message` beside it where a route is not there.

Statuses are those of the contract's notes: 400 for whatever a caller can mend, 405 and 415 as documented, and never a
5xx that invites a client to repeat what may have been done.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from recado.api import errors
from recado.domain.errors import RecadoError
from recado.services import remembering
from recado.services.accepting import FALLBACK_HINT

_encode = msgspec.json.Encoder().encode

#: What Quarkus says of a route that it does not have: clients look for these words.
_NO_ROUTE = "Unable to find matching target resource method"


class ZapiError(Exception):
    """An answer of the Z-API surface that is no success."""

    def __init__(
        self,
        error: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        message: str | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.status = int(status)
        self.message = message
        self.after = after

    def body(self) -> bytes:
        """The JSON of it."""
        return _encode({"error": self.error} | ({} if self.message is None else {"message": self.message}))


def instance_not_found() -> ZapiError:
    """An id and a token that do not belong together, or to nobody."""
    return ZapiError("Instance not found", status=HTTPStatus.NOT_FOUND)


def no_route(status: int) -> ZapiError:
    """A route that Z-API does not have, as the account wants it."""
    return ZapiError("NOT_FOUND", status=status, message=_NO_ROUTE)


def from_exception(exception: BaseException, *, reads: bool) -> ZapiError | None:
    """The answer that an exception amounts to, or None when it is a bug.

    A provider that failed is a 502 only for what merely `reads`: clients repeat what met one, and what it asked for may have
    been done. A provider that says no has answered.
    """
    if isinstance(exception, ZapiError):
        return exception
    known = errors.from_exception(exception)
    return None if known is None else _from_recado(known, reads)


def _from_recado(error: RecadoError, reads: bool) -> ZapiError:
    status: int = error.status
    if status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
        status = HTTPStatus.BAD_REQUEST
    elif status == HTTPStatus.BAD_GATEWAY and error.code in remembering.ABSENT:
        status = HTTPStatus.NOT_FOUND
    elif status == HTTPStatus.BAD_GATEWAY and (error.code in remembering.ANSWERED or not reads):
        status = HTTPStatus.BAD_REQUEST
    return ZapiError(_said(error), status=status, after=error.retry_after)


def _said(error: RecadoError) -> str:
    """What happened, with what is wrong of each field: the shape has no place for it but the sentence."""
    wrong = [f"{one.field}: {one.message}" for one in error.errors if one.message not in error.detail]
    said = " ".join([error.detail, "; ".join(wrong)]).strip()
    # Z-API's requests have no such field.
    return said.replace(FALLBACK_HINT, "")


def bug(request_id: str) -> dict[str, Any]:
    """The body of a 500."""
    return {"error": f"Something went wrong on our side. Tell the operator the request id {request_id}."}
