"""How an instance's connections stand: one place where a status changes, lanes stop or start, and companies hear of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from recado.domain.errors import NotFound
from recado.domain.ids import CompanyId, ConnectionId
from recado.domain.provider import ConnectionState
from recado.domain.states import SENDING, ConnectionStatus
from recado.services.runtime import Runtime
from recado.store import connections, db, events, instances, lanes

log = structlog.get_logger(__name__)

#: The reason of a connection that was disconnected by its company: it is not checked, so it stays that way.
REQUESTED = "disconnected on request"

_EVENTS = {
    ConnectionStatus.CONNECTED: "instance.connected",
    ConnectionStatus.DEGRADED: "instance.degraded",
    ConnectionStatus.DISCONNECTED: "instance.disconnected",
    ConnectionStatus.LOGGED_OUT: "instance.disconnected",
    ConnectionStatus.BANNED: "instance.disconnected",
    ConnectionStatus.QR: "instance.qr",
}


async def change_status(
    connection: db.Connection,
    runtime: Runtime,
    company_id: UUID,
    connection_id: UUID,
    state: ConnectionState | ConnectionStatus,
    reason: str | None = None,
) -> bool:
    """Store how a connection stands, and return whether that is news.

    News is another status, or another code to show while pairing: the instance follows its best connection, its
    lanes are parked or released, and the company gets one event. Runs inside the caller's transaction; holds the
    instance's row, then its lanes. Raises `NotFound` when the connection is gone.
    """
    told = state if isinstance(state, ConnectionState) else ConnectionState(status=state, reason=reason)
    company, identifier = CompanyId(company_id), ConnectionId(connection_id)
    now = datetime.now(UTC)
    held = await connections.lock(connection, company, identifier)
    if held is None:
        raise NotFound(f"There is no connection {connection_id}.", code="connection_not_found")
    if held.status == told.status and held.status_reason == REQUESTED:
        told = msgspec.structs.replace(told, reason=REQUESTED)
    pairing = _pairing(told)
    news = held.status != told.status or _code(held.pairing) != _code(pairing)
    if not news and held.status_reason == told.reason and told.phone in (None, held.phone):
        await connections.set_checked(connection, company, identifier, now)
        return False
    await connections.set_status(
        connection, company, identifier, status=told.status, reason=told.reason, pairing=pairing, at=now
    )
    await _follow(connection, company, held, phone=told.phone)
    if not news:
        return False
    await runtime.directory.changed(connection)
    log.info(
        "connection_changed",
        company_id=company_id,
        instance_id=held.instance_id,
        connection_id=connection_id,
        kind=held.kind,
        before=held.status,
        after=told.status,
        why=told.reason,
    )
    event = _event(company, held, told, pairing)
    if event is not None:
        # Last, as it locks the delivery lanes.
        await events.insert(connection, [event])
    return True


async def _follow(
    connection: db.Connection, company_id: CompanyId, held: connections.Locked, *, phone: str | None
) -> None:
    """Let the instance and its lanes follow its best connection."""
    status, reason = await connections.best_status(connection, company_id, held.instance_id)
    await instances.set_status(connection, company_id, held.instance_id, status=status, reason=reason, phone=phone)
    sent, sends = held.instance_status in SENDING, status in SENDING
    if sends and not sent and not held.paused:
        await lanes.release(connection, company_id, held.instance_id)
    elif sent and not sends:
        await lanes.park(connection, company_id, held.instance_id)


def _pairing(state: ConnectionState) -> dict[str, Any] | None:
    code = state.qr or state.pairing_code
    if state.status is not ConnectionStatus.QR or code is None:
        return None
    return {
        "code": code,
        "method": "qr" if state.qr else "phone_code",
        "expires_at": state.expires_at.isoformat() if state.expires_at else None,
    }


def _code(pairing: dict[str, Any] | None) -> Any:
    return (pairing or {}).get("code")


def _event(
    company_id: CompanyId, held: connections.Locked, state: ConnectionState, pairing: dict[str, Any] | None
) -> events.NewEvent | None:
    kind = _EVENTS.get(state.status)
    if kind is None or (kind == "instance.qr" and pairing is None):
        return None
    data: dict[str, Any] = {"connection_id": held.id, "kind": held.kind, "status": state.status}
    if state.reason:
        data["reason"] = state.reason
    if state.phone:
        data["phone"] = state.phone
    if pairing is not None:
        field = "qr" if pairing["method"] == "qr" else "pairing_code"
        data |= {field: pairing["code"], "expires_at": pairing["expires_at"]}
    return events.NewEvent(company_id=company_id, type=kind, data=data, instance_id=held.instance_id)
