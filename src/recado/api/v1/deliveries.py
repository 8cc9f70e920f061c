"""Deliveries: one event on its way to one endpoint."""

from uuid import UUID

from litestar import Router, get, post
from litestar.params import FromPath

from recado.api.dependencies import Principal, Runtime, company_or_instance
from recado.services import webhooks


@get("/{delivery_id:uuid}", guards=[company_or_instance])
async def get_delivery(runtime: Runtime, principal: Principal, delivery_id: FromPath[UUID]) -> webhooks.DeliveryView:
    """One delivery with its attempts."""
    return await webhooks.get_delivery(runtime, principal, delivery_id)


@post("/{delivery_id:uuid}/replay", guards=[company_or_instance], status_code=202)
async def replay_delivery(runtime: Runtime, principal: Principal, delivery_id: FromPath[UUID]) -> webhooks.DeliveryView:
    """Deliver again at once, with the same webhook-id. One that still waits is tried now."""
    return await webhooks.replay_delivery(runtime, principal, delivery_id)


router = Router("/v1/deliveries", route_handlers=[get_delivery, replay_delivery], tags=["Webhooks"])
