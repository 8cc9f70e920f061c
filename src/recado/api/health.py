"""`/live`, `/ready` and `/metrics`: for orchestrators and Prometheus, without a token."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get

from recado.api.dependencies import Runtime
from recado.domain.errors import FieldError, Unavailable
from recado.services import readiness
from recado.telemetry import metrics

_RETRY_SECONDS = 2


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str


@get("/live", tags=["Health"])
async def live() -> Health:
    """The process runs."""
    return Health(status="live")


@get("/ready", tags=["Health"])
async def ready(runtime: Runtime) -> Health:
    """What it depends on answers; a 503 names what does not, one entry of `errors` per part."""
    failing = await readiness.failing(runtime)
    if failing:
        raise Unavailable(
            "Not ready: " + " ".join(f"{part}: {why}" for part, why in failing.items()),
            code="not_ready",
            errors=[FieldError(field=part, message=why) for part, why in failing.items()],
            retry_after=_RETRY_SECONDS,
        )
    return Health(status="ready")


@get("/metrics", tags=["Health"])
async def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The metrics of this process, for Prometheus."""
    body, content_type = metrics.exposition(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


router = Router("/", route_handlers=[live, ready, show_metrics], opt={"public": True}, security=[{}])
