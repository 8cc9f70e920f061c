"""How an instance's connections stand: one place where a status changes, lanes stop or start, and companies hear of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from recado.domain.errors import NotFound
from recado.domain.evidence import seen_as
from recado.domain.ids import CompanyId, ConnectionId, InstanceId
from recado.domain.provider import ConnectionState
from recado.domain.states import SENDING, ConnectionStatus
from recado.services.runtime import Runtime
from recado.store import connections, db, events, instances, lanes, liveness

log = structlog.get_logger(__name__)

#: The reason of a connection that was disconnected by its company: it is not checked, so it stays that way, and no other
#: takes over from it.
REQUESTED = "disconnected on request"

#: As what a provider may tell the end of a session that was asked for.
_ENDED = (ConnectionStatus.DISCONNECTED, ConnectionStatus.LOGGED_OUT)

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
    *,
    asked: bool = False,
    looked: bool = False,
    since: datetime | None = None,
) -> bool:
    """Store how a connection stands, and return whether that is news.

    News is another status, or another code or passkey step to show while pairing: the instance follows its active
    connection, its lanes are parked or released, and the company gets one event. Whether another connection takes over
    is decided by `services.failover`. `asked` marks the answer to a request to connect: its code replaces any other, and
    it takes back a wish to disconnect. `looked` marks the answer to a mere question. `since` is when either was asked: a
    change that the provider told of meanwhile is newer than its answer. While evidence stands against the connection (`services.liveness`), `connected`
    is stored as `degraded`. Runs inside the caller's transaction; holds the instance's row, then its lanes.
    Raises `NotFound` when the connection is gone.
    """
    told = state if isinstance(state, ConnectionState) else ConnectionState(status=state, reason=reason)
    company, identifier = CompanyId(company_id), ConnectionId(connection_id)
    now = datetime.now(UTC)
    held = await connections.lock(connection, company, identifier)
    if held is None:
        raise NotFound(f"There is no connection {connection_id}.", code="connection_not_found")
    if told.status is ConnectionStatus.CONNECTED:
        standing = await liveness.standing(connection, [(company, identifier)])
        told = seen_as(told, standing.get(identifier))
    if held.status_reason == REQUESTED and told.status in _ENDED and not asked:
        told = msgspec.structs.replace(told, reason=REQUESTED)
    if _is_old(held, told, since) or (looked and _is_waiting(held, told, now)):
        await connections.set_checked(connection, company, identifier, now)
        return False
    pairing = held.pairing if not asked and _stays(held, told, now) else _pairing(told)
    news = held.status != told.status or _shown(held.pairing) != _shown(pairing)
    if not news and held.status_reason == told.reason and told.phone in (None, held.phone):
        await connections.set_checked(connection, company, identifier, now)
        return False
    await connections.set_status(
        connection, company, identifier, status=told.status, reason=told.reason, pairing=pairing, at=now
    )
    if told.status is ConnectionStatus.LOGGED_OUT or told.reason == REQUESTED or told.phone not in (None, held.phone):
        # Another phone may come. What one answered is not told of another.
        runtime.answers.forget(held.instance_id)
    await follow(
        connection, company, held.instance_id, before=held.instance_status, paused=held.paused, phone=told.phone
    )
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


async def follow(
    connection: db.Connection,
    company_id: CompanyId,
    instance_id: InstanceId,
    *,
    before: str,
    paused: bool,
    phone: str | None = None,
    at_once: bool = False,
) -> None:
    """Let a held instance, and its lanes, follow its active connection. `before` is the status it had.

    With `at_once` what waits to be tried again need not wait any longer: it goes through another connection now.
    """
    status, reason = await connections.active_status(connection, company_id, instance_id)
    await instances.set_status(connection, company_id, instance_id, status=status, reason=reason, phone=phone)
    sent, sends = before in SENDING, status in SENDING
    if sends and not paused and (at_once or not sent):
        await lanes.release(connection, company_id, instance_id)
    elif sent and not sends:
        await lanes.park(connection, company_id, instance_id)


def _pairing(state: ConnectionState) -> dict[str, Any] | None:
    """What is shown while pairing; None when there is nothing. `code` is the picture where a provider has only that."""
    if state.status is ConnectionStatus.CONNECTING and "passkey" in state.details:
        return {"code": None, "method": "passkey", "expires_at": None, "details": state.details}
    code = state.qr or state.pairing_code or state.details.get("qr_image")
    if state.status is not ConnectionStatus.QR or code is None:
        return None
    shown: dict[str, Any] = {
        "code": code,
        "method": "phone_code" if state.pairing_code and not state.qr else "qr" if state.qr else "qr_image",
        "expires_at": state.expires_at.isoformat() if state.expires_at else None,
    }
    return shown | ({"details": state.details} if state.details else {})


def _is_old(held: connections.Locked, told: ConnectionState, since: datetime | None) -> bool:
    """Whether the provider told of a change while its answer was on the way. A code in the answer is news all the same."""
    return since is not None and held.status_at > since and _pairing(told) is None


def _is_waiting(held: connections.Locked, told: ConnectionState, now: datetime) -> bool:
    """Whether a number whose code is being shown only waits for its scan: some providers call that connecting, some
    disconnected."""
    waits = told.status in (ConnectionStatus.CONNECTING, ConnectionStatus.DISCONNECTED) and _pairing(told) is None
    return waits and held.status == ConnectionStatus.QR and _is_valid(held.pairing, now)


def _is_valid(shown: dict[str, Any] | None, now: datetime) -> bool:
    if shown is None or shown["code"] is None:
        return False
    return shown["expires_at"] is None or datetime.fromisoformat(shown["expires_at"]) > now


def _stays(held: connections.Locked, told: ConnectionState, now: datetime) -> bool:
    """Whether the code being shown stays: some providers say that they wait for a scan without saying the code, and
    most show a QR code to whoever looks while a person types a pairing code on the phone."""
    shown = held.pairing
    if shown is None or told.status is not ConnectionStatus.QR or held.status != told.status:
        return False
    return _is_valid(shown, now) and (
        _pairing(told) is None or (shown["method"] == "phone_code" and told.pairing_code is None)
    )


def _shown(pairing: dict[str, Any] | None) -> Any:
    """What makes pairing news: another code, or another step of the passkey."""
    if pairing is None:
        return None
    return pairing["code"] or pairing.get("details", {}).get("passkey")


def _event(
    company_id: CompanyId, held: connections.Locked, state: ConnectionState, pairing: dict[str, Any] | None
) -> events.NewEvent | None:
    kind = "instance.passkey" if _is_passkey(pairing) else _EVENTS.get(state.status)
    if kind is None or (kind == "instance.qr" and pairing is None):
        return None
    data: dict[str, Any] = {
        "connection_id": held.id,
        "kind": held.kind,
        "status": state.status,
        "active": held.active,
    }
    if state.reason:
        data["reason"] = state.reason
    if state.phone:
        data["phone"] = state.phone
    if state.details:
        data["details"] = state.details
    if pairing is not None and pairing["code"] is not None:
        field = {"qr": "qr", "phone_code": "pairing_code", "qr_image": "qr_image"}[pairing["method"]]
        data |= {field: pairing["code"], "expires_at": pairing["expires_at"]}
    return events.NewEvent(company_id=company_id, type=kind, data=data, instance_id=held.instance_id)


def _is_passkey(pairing: dict[str, Any] | None) -> bool:
    return pairing is not None and pairing["method"] == "passkey"
