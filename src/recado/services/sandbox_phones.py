"""Driving the sandbox's phones: how they behave, what they received, what they write to instances.

What a phone writes becomes a scheduled webhook (`workers/sandbox.py`), never a direct call. Pairing and lines are in
`services/sandbox.py`.
"""

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from recado.domain import content, ids
from recado.domain.errors import invalid
from recado.domain.ids import CompanyId, InstanceId, MessageId
from recado.domain.states import ConnectionStatus
from recado.providers.sandbox import samples, webhooks
from recado.services import sandbox as sessions
from recado.services import sandbox_world
from recado.store import db, sandbox

#: How long "typing…" stays on a phone.
TYPING_SECONDS = 25

#: What a phone can write. Templates, carousels and updates of orders are a business's, and what the others speak of is
#: the instance's own.
WRITABLE = (
    frozenset(content.KINDS)
    - {"forward", "pin", "template", "carousel", "channel_invite", "order_update"}
    - {"poll_vote", "event_response", "event_edit", "button_reply"}
)

_UNSET = msgspec.UNSET
_Unset = msgspec.UnsetType
_Media = content.MediaContent | _Unset

Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a phone fails, in `rate` of the attempts.

    kind    refused: for good; retry: for now; limited: slow down; lost: no answer, and the phone got nothing
    after   seconds, for retry and limited
    """

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    rate: Rate = 1.0
    kind: Literal["refused", "retry", "limited", "lost"] = "refused"
    after: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 1.0


class PerMinute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a phone behaves; without any field, as a number that nobody described.

    auto_reply     the text it answers every message with
    ack            how far its receipts go
    latency_ms     between the steps: server_ack, delivered, read, played, answer
    fail           in `rate` of the attempts the sender is told so, and the phone gets nothing
    timeout_rate   in this part of the attempts the phone gets the message and the sender no answer
    connected      a phone that is off gets everything when it is on again
    rate_limit     above it, senders are told to wait
    """

    auto_reply: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)] | None = None
    ack: Literal["read", "delivered", "none"] = "read"
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 300
    fail: Failure | None = None
    timeout_rate: Rate = 0.0
    connected: bool = True
    rate_limit: PerMinute | None = None


class PhoneView(Behaviour, frozen=True, kw_only=True):
    """A phone: how it behaves, and the instances that are typing to it now."""

    number: str
    typing: list[InstanceId]


class ReceivedView(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone received. `id` is Recado's id of the message; `count` above 1 is a message that came again."""

    id: MessageId
    provider_id: str
    instance_id: InstanceId
    type: str
    content: Any
    media: dict[str, Any] | None
    reply_to: str | None
    received_at: datetime
    count: int


class ReceivedPage(msgspec.Struct, frozen=True, kw_only=True):
    """`total` counts every handing over, `distinct` every message; they differ by the duplicates."""

    data: list[ReceivedView]
    next_cursor: str | None
    total: int
    distinct: int


class PhoneMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message that a phone writes. `type` names the one content field that must be there.

    Media is given as `data`, or left out for a sample of its kind. Messages spoken of (`reply_to`, `message_id`)
    are named by Recado's id of one that the phone received, or by the provider's id.
    """

    instance_id: UUID
    type: str
    reply_to: content.MessageRef | None = None
    #: What the phone's owner calls themselves.
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None

    text: content.TextContent | _Unset = _UNSET
    image: _Media = _UNSET
    video: _Media = _UNSET
    audio: _Media = _UNSET
    voice: _Media = _UNSET
    document: _Media = _UNSET
    sticker: _Media = _UNSET
    gif: _Media = _UNSET
    ptv: _Media = _UNSET
    location: content.LocationContent | _Unset = _UNSET
    contacts: Annotated[list[content.ContactCard], msgspec.Meta(min_length=1, max_length=100)] | _Unset = _UNSET
    link: content.LinkContent | _Unset = _UNSET
    buttons: content.ButtonsContent | _Unset = _UNSET
    list: content.ListContent | _Unset = _UNSET
    otp: content.OtpContent | _Unset = _UNSET
    pix: content.PixContent | _Unset = _UNSET
    poll: content.PollContent | _Unset = _UNSET
    reaction: content.ReactionContent | _Unset = _UNSET
    event: content.EventContent | _Unset = _UNSET
    product: content.ProductContent | _Unset = _UNSET
    catalog: content.CatalogContent | _Unset = _UNSET
    order: content.OrderContent | _Unset = _UNSET
    edit: content.EditContent | _Unset = _UNSET
    delete: content.DeleteContent | _Unset = _UNSET


class WrittenView(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """`id` is the provider's id of the message."""

    id: str
    instance_id: InstanceId
    from_: str
    type: str
    created_at: datetime


async def put_phone(
    database: db.Database, company_id: CompanyId, number: str, behaviour: Behaviour, *, at: datetime | None = None
) -> PhoneView:
    """Tell a phone how to behave from now on. One that is on again gets what waited for it."""
    number = sessions.number(number)
    at = at or sessions.now()
    fail = behaviour.fail
    phone = sandbox.Phone(
        auto_reply=behaviour.auto_reply,
        ack=behaviour.ack,
        latency_ms=behaviour.latency_ms,
        fail_kind=fail.kind if fail else None,
        fail_code=fail.code if fail else None,
        fail_rate=fail.rate if fail else 0.0,
        fail_after=fail.after if fail else 1.0,
        timeout_rate=behaviour.timeout_rate,
        connected=behaviour.connected,
        per_minute=behaviour.rate_limit.per_minute if behaviour.rate_limit else None,
    )
    async with database.tenant(company_id) as transaction:
        await sandbox.lock(transaction, company_id)
        was = await sandbox.phone(transaction, company_id, number)
        await sandbox.put_phone(transaction, company_id, number, phone)
        if was.connected != behaviour.connected:
            await sandbox_world.tell_watchers(transaction, company_id, number, behaviour.connected, at=at)
        if behaviour.connected:
            await sandbox.arrive_waiting(transaction, company_id, number, at)
            await sandbox.release(transaction, company_id, number=number, at=at)
    return await phone_view(database, company_id, number, at=at)


async def phone_view(
    database: db.Database, company_id: CompanyId, number: str, *, at: datetime | None = None
) -> PhoneView:
    """How a phone behaves, and who is typing to it."""
    number = sessions.number(number)
    since = (at or sessions.now()) - timedelta(seconds=TYPING_SECONDS)
    async with database.tenant(company_id) as transaction:
        phone = await sandbox.phone(transaction, company_id, number)
        typing = await sandbox.typing(transaction, company_id, number, since)
    return _view(number, phone, typing)


async def received(
    database: db.Database,
    company_id: CompanyId,
    number: str,
    *,
    instance_id: InstanceId | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> ReceivedPage:
    """What a phone received, in order, with counts over all pages. `cursor` is a page's `next_cursor`."""
    number = sessions.number(number)
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise invalid("cursor", "This is not a cursor of this list.", code="invalid_cursor")
    async with database.tenant(company_id) as transaction:
        found = await sandbox.messages(
            transaction, company_id, number, after=int(cursor or 0), instance_id=instance_id, limit=limit + 1
        )
        total, distinct = await sandbox.count(transaction, company_id, number, instance_id=instance_id)
    page = found[:limit]
    return ReceivedPage(
        data=[_received(message) for message in page],
        next_cursor=str(page[-1].sequence) if len(found) > limit else None,
        total=total,
        distinct=distinct,
    )


async def write(
    database: db.Database, company_id: CompanyId, number: str, message: PhoneMessage, *, at: datetime | None = None
) -> WrittenView:
    """A phone writes to an instance: its webhook goes out now, or when both are connected again; never from a phone that
    the instance blocked, which is not told so.

    Raises `Invalid` for content that its kind cannot have, `NotFound` and `Conflict` for the instance.
    """
    number = sessions.number(number)
    at = at or sessions.now()
    id = ids.new()
    instance_id = InstanceId(message.instance_id)
    typed = _content(message)
    media = _media(message.type, typed) if message.type in content.MEDIA_KINDS else None
    plain = _plain(message.type, typed, media)
    payload = webhooks.MessagePayload(
        id=id,
        from_=number,
        type=message.type,
        content=plain,
        name=message.name,
        reply_to=_wire_reference(message.reply_to) if message.reply_to else None,
        media=media[0] if media else None,
    )
    async with database.tenant(company_id) as transaction:
        found = await sessions.of_instance(transaction, company_id, instance_id)
        session = next((s for s in found if s.status == ConnectionStatus.CONNECTED), None)
        session = session or next((s for s in found if s.paired), None)
        if session is None:
            raise sessions.not_paired(instance_id)
        written = WrittenView(
            id=webhooks.provider_id(id), instance_id=instance_id, from_=number, type=message.type, created_at=at
        )
        account = sandbox_world.Visit(transaction, company_id, session.connection_id, session.phone or "", at)
        if await sandbox_world.has_blocked(account, number):
            return written
        is_on = await sandbox.keep_connected(transaction, company_id, number)
        await sandbox.write(
            transaction,
            company_id,
            session.connection_id,
            id=id,
            number=number,
            type=message.type,
            content=plain,
            media=media[1] if media else None,
            name=message.name,
            at=at,
        )
        job = sandbox.NewJob(
            company_id=company_id,
            connection_id=session.connection_id,
            event="message",
            payload=msgspec.to_builtins(payload),
            due_at=at if is_on and session.status == ConnectionStatus.CONNECTED else None,
            number=number,
        )
        await sandbox.schedule(transaction, job)
    return written


def _content(message: PhoneMessage) -> Any:
    given = [kind for kind in content.KINDS if getattr(message, kind, _UNSET) is not _UNSET]
    if message.type not in WRITABLE:
        raise invalid("type", f"A phone cannot write {message.type!r}; it can write {', '.join(sorted(WRITABLE))}.")
    for kind in given:
        if kind != message.type:
            raise invalid(kind, f"The type is {message.type}; there can be no {kind}.")
    if not given:
        raise invalid(message.type, "This field is required.")
    return getattr(message, message.type)


def _media(kind: str, typed: content.MediaContent) -> tuple[webhooks.Media, bytes]:
    if typed.link or typed.media_id:
        raise invalid(kind, "A sandbox phone sends the media in `data`, or a sample without it.")
    mime_type, filename, data = samples.sample(kind)
    if typed.data is not None:
        header, comma, encoded = typed.data.rpartition(",")
        mime_type = header.removeprefix("data:").partition(";")[0] if comma else "application/octet-stream"
        filename = ""
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(f"{kind}.data", "This is neither base64 nor a data URL.") from error
    described = webhooks.Media(
        mime_type=typed.mime_type or mime_type,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        filename=typed.filename or filename or None,
    )
    return described, data


def _plain(kind: str, typed: Any, media: tuple[webhooks.Media, bytes] | None) -> Any:
    """Content as plain data for the wire: media without its bytes, ids of messages as the provider's."""
    plain = msgspec.to_builtins(typed)
    if media is not None:
        plain.pop("data", None)
        plain["mime_type"] = media[0].mime_type
        if media[0].filename:
            plain["filename"] = media[0].filename
    if kind in content.ABOUT_A_MESSAGE:
        plain["message_id"] = _wire_reference(plain["message_id"])
    return plain


def _wire_reference(reference: str) -> str:
    """The provider's id of a message, from that or from Recado's id of one that the phone received."""
    try:
        return webhooks.provider_id(UUID(reference))
    except ValueError:
        return reference


def _view(number: str, phone: sandbox.Phone, typing: list[InstanceId]) -> PhoneView:
    fail = None
    if phone.fail_kind is not None:
        fail = msgspec.convert(
            {"code": phone.fail_code, "rate": phone.fail_rate, "kind": phone.fail_kind, "after": phone.fail_after},
            Failure,
        )
    return PhoneView(
        number=number,
        auto_reply=phone.auto_reply,
        ack=phone.ack,
        latency_ms=phone.latency_ms,
        fail=fail,
        timeout_rate=phone.timeout_rate,
        connected=phone.connected,
        rate_limit=PerMinute(per_minute=phone.per_minute) if phone.per_minute else None,
        typing=typing,
    )


def _received(message: sandbox.Message) -> ReceivedView:
    return ReceivedView(
        id=message.message_id,
        provider_id=webhooks.provider_id(message.message_id),
        instance_id=message.instance_id,
        type=message.type,
        content=message.content,
        media=message.media,
        reply_to=message.reply_to,
        received_at=message.received_at,
        count=message.count,
    )
