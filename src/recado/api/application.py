"""The Litestar application: what all routes share, and the OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from recado import __version__
from recado.api import dependencies, errors, reference
from recado.services.runtime import Runtime


def build(runtime: Runtime, routers: Sequence[ControllerRouterHandler]) -> Litestar:
    """The application over started clients. It starts and stops nothing itself.

    Serve it inside `telemetry.requests.Requests`, which gives every request its id.
    """
    return Litestar(
        route_handlers=list(routers),
        state=State({"runtime": runtime}),
        dependencies={
            "runtime": Provide(lambda: runtime, sync_to_thread=False),
            "principal": Provide(dependencies.provide_principal, sync_to_thread=False),
        },
        guards=[dependencies.authenticate],
        exception_handlers=dict(errors.HANDLERS),
        dto=errors.Body,
        return_dto=None,
        request_max_body_size=runtime.settings.max_body_bytes,
        openapi_config=_openapi(),
        logging_config=None,
        debug=False,
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Recado",
        version=__version__,
        description="A self-hosted, multi-tenant WhatsApp messaging gateway that does not lose messages.",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An admin, company or instance token: rcd_adm_…, rcd_co_…, rcd_in_…",
                )
            }
        ),
        security=[{"bearer": []}],
        use_handler_docstrings=True,
        render_plugins=[reference.ListingPlugin(path="/"), reference.DocumentPlugin(path="/openapi.json")],
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, opt={"public": True}, dto=None, return_dto=None
        ),
    )


def document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document of an application, as `/schema/openapi.json` answers it."""
    return reference.documented(app.openapi_schema.to_schema())


def public() -> dict[str, Any]:
    """Keyword arguments of a handler that needs no token."""
    return {"opt": {"public": True}, "security": [{}]}
