"""Telling Z-API clients of events: what a payload needs is read, and the payload made, filtered and encoded."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import msgspec
import structlog

from recado.domain.errors import NotFound
from recado.domain.provider import capabilities_of
from recado.domain.states import MessageStatus
from recado.domain.zapi import ZapiSettings
from recado.services import media
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import payloads
from recado.services.zapi.payloads import Event, File, Person, Place, Stored, Told
from recado.services.zapi.payloads.facts import inner, person, person_at, text
from recado.store import deliveries, refusals, told
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: How long a file can be had by the address in a payload, as at Z-API.
FILE_SECONDS = 30 * 86_400


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What to post: the body, and the headers that Z-API's posts have. They hold the instance's token."""

    body: bytes
    headers: Mapping[str, str]


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is posted, and why. `broke`: it should have been, and a payload could not be made of the event."""

    why: str
    broke: bool = False


async def tell(runtime: Runtime, claimed: deliveries.Claimed) -> Post | Skipped:
    """What a delivery to an endpoint of the format zapi posts. Raises only what the database raises."""
    if claimed.type is None or claimed.at is None or claimed.instance_id is None:
        return Skipped(why="The event's retention ended before it could be delivered.", broke=True)
    event = Event(
        id=claimed.event_id,
        type=claimed.type,
        at=claimed.at,
        data=msgspec.json.decode(claimed.data or "{}"),
        message_id=claimed.message_id,
    )
    sent = claimed.callback == "message_status" and event.type == "message.sent"
    if sent and await _acknowledges(runtime, claimed.company_id, claimed.instance_id):
        return Skipped(why="The provider tells by itself that WhatsApp has it.")
    found = await _load(runtime, claimed.company_id, claimed.instance_id, event)
    if found is None:
        return Skipped(why="The instance is not open to Z-API clients any more.")
    view, row = found
    try:
        made = _payload(claimed.callback, event, _place(runtime, claimed.company_id, row))
        body = b"" if isinstance(made, Skipped) else msgspec.json.encode(made)
    except Exception as error:
        # An event that we cannot tell must not hold up those behind it, nor count against the endpoint.
        log.exception("zapi_payload_broke", event_id=str(event.id), callback=claimed.callback, type=event.type)
        metrics.loop_errors.labels(loop="deliveries").inc()
        return Skipped(why=f"Recado could not put it into Z-API's shape: {type(error).__name__}.", broke=True)
    if isinstance(made, Skipped):
        return made
    return Post(
        body=body,
        headers={"z-api-token": view.token, "origin": runtime.settings.base_url},
    )


async def _acknowledges(runtime: Runtime, company_id: UUID, instance_id: UUID) -> bool:
    """Whether the provider in use tells of the server's acknowledgement; where it does not, being sent is that."""
    try:
        view = await runtime.directory.instance(company_id, instance_id)
    except NotFound:
        return True
    if view.active is None:
        return True
    able = capabilities_of(runtime.providers[view.active.kind], view.active.connection)
    return MessageStatus.SERVER_ACK.value in able.receipts


def _payload(callback: str | None, event: Event, place: Place) -> payloads.Json | Skipped:
    if callback is None:
        return payloads.test(event, place)
    if callback != "proxy" and callback not in place.settings.webhooks:
        return Skipped(why=f"The webhook {callback} was taken away.")
    made = payloads.payload(cast(Told, callback), event, place)
    if made is None:
        return Skipped(why="There is nothing to tell of it in Z-API's shape.")
    why = payloads.dropped(made, place.settings)
    return made if why is None else Skipped(why=why)


async def load(runtime: Runtime, company_id: UUID, instance_id: UUID, event: Event) -> tuple[ZapiView, Place] | None:
    """The instance of an event and all that it is told with, in one query; None when it is not open to Z-API clients."""
    found = await _load(runtime, company_id, instance_id, event)
    return None if found is None else (found[0], _place(runtime, company_id, found[1]))


async def _load(
    runtime: Runtime, company_id: UUID, instance_id: UUID, event: Event
) -> tuple[ZapiView, refusals.Row] | None:
    async with runtime.db.worker.acquire() as connection:
        row = await told.load_place(
            connection,
            company_id,
            instance_id,
            message_id=event.message_id,
            reference=_reference(event),
            identities=_identities(event),
        )
    if row is None or row["public_id"] is None:
        return None
    try:
        view = await runtime.directory.zapi(row["public_id"])
    except NotFound:
        return None
    return view, row


def _place(runtime: Runtime, company_id: UUID, row: refusals.Row) -> Place:
    """The place of an event. Its settings are those of the database now: what this process keeps of the instance may be
    older than the callback, which would then be dropped."""
    return Place(
        public_id=row["public_id"],
        phone=row["phone"],
        settings=msgspec.convert(row["settings"], ZapiSettings),
        message=_stored(row["message"]),
        about=_stored(row["about"]),
        contact=_contact(row),
        file=_file(runtime, company_id, row),
    )


def _reference(event: Event) -> str | None:
    """The message that an event speaks of beside its own. That of a message itself is found with it."""
    if event.type in ("message.received", "message.sent"):
        message = event.part("message")
        return text(inner(message, "content").get("message_id")) or text(message.get("reply_to"))
    reaction = event.part("reaction")
    named = (reaction.get("message_id"), reaction.get("provider_id"), event.data.get("poll"), event.data.get("event"))
    return next((one for one in named if isinstance(one, str) and one), None)


def _identities(event: Event) -> list[tuple[str, str]]:
    """What an event that has no message calls its chat; for one in a group, that is the group."""
    chat = person_at(event.data.get("chat") or event.data.get("group"))
    if chat.group is None:
        chat = person(event.data.get("party")).filled(chat)
    named = (("group", chat.group), ("phone", chat.phone), ("lid", chat.lid))
    return [(kind, value) for kind, value in named if value]


def _stored(row: Any) -> Stored | None:
    return None if row is None else msgspec.convert(row, Stored)


def _contact(row: refusals.Row) -> Person | None:
    identities = row["identities"] or {}
    if not identities and row["contact_name"] is None:
        return None
    return person({**identities, "name": row["contact_name"]})


def _file(runtime: Runtime, company_id: UUID, row: refusals.Row) -> File | None:
    """The message's file, by an address that needs no token."""
    if row["media_id"] is None:
        return None
    ready = row["media_status"] == "ready"
    url = media.signed_url(runtime, company_id, row["media_id"], row["mime_type"], FILE_SECONDS) if ready else None
    error = None if ready else row["error"] or "The file is not there."
    return File(url=url, mime_type=row["mime_type"], filename=row["filename"], error=error)
