"""What handlers are given, and who may call them.

Every route needs a valid token unless it says `opt={"public": True}`. A handler takes `runtime: Runtime` and
`principal: Principal` (the aliases here) and narrows who may call it by `guards=[only_admin]`,
`[only_company]` or `[company_or_instance]`.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import SkipValidation

from recado.domain.errors import Forbidden, Unauthorized
from recado.services import directory, runtime

#: The clients of this process.
Runtime = NamedDependency[SkipValidation[runtime.Runtime]]
#: Who is calling.
Principal = NamedDependency[SkipValidation[directory.Principal]]

_KEY = "recado_principal"


def token_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The bearer token. Raises `Unauthorized` when there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send the token in the header Authorization: Bearer <token>.")
    return token.strip()


async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of the whole application. Raises `Unauthorized` or `Forbidden`."""
    if handler.opt.get("public"):
        return
    state = connection.scope["state"]
    token = token_of(connection)
    known: directory.Directory = connection.app.state.runtime.directory
    state[_KEY] = known.cached_principal(token) or await known.authenticate(token)


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> directory.Principal:
    """Who is calling a route that is not public."""
    found: directory.Principal = connection.scope["state"][_KEY]
    return found


def provide_principal(request: ASGIConnection[Any, Any, Any, Any]) -> directory.Principal:
    """The dependency `principal`."""
    return principal_of(request)


def only_admin(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: the platform's own routes."""
    if principal_of(connection).level != "admin":
        raise Forbidden("This needs an admin token.", code="wrong_token_level")


def only_company(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: routes of a company."""
    if principal_of(connection).level != "company":
        raise Forbidden("This needs the token of a company.", code="wrong_token_level")


def company_or_instance(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: routes that an instance's token may call for its own instance."""
    if principal_of(connection).level == "admin":
        raise Forbidden("This needs the token of a company or an instance.", code="wrong_token_level")


def admin_or_company(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: routes that show a company's token its own things and an admin's everybody's."""
    if principal_of(connection).level == "instance":
        raise Forbidden("This needs an admin token or the token of a company.", code="wrong_token_level")
