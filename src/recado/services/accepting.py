"""Accepting messages: validate, then write in groups. A message is accepted when its row is committed, not before.

Concurrent requests share one transaction (`kit.batching`): no timer, no waiting while idle, large batches under load.
"""

import asyncio
import base64
import binascii
import collections
import hashlib
import operator
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from recado.domain import content as contents
from recado.domain import fallback, ids, limits, phones
from recado.domain.errors import Conflict, FieldError, Invalid, RecadoError, Unavailable, invalid
from recado.domain.events import Party
from recado.domain.ids import CompanyId, ContactId, InstanceId, MessageId
from recado.domain.provider import Capabilities, ChecksContent, Provider, capabilities_of
from recado.domain.settings import FIRST_CONTACTS, NO_PACING, InstanceSettings, Ordering, Pacing
from recado.domain.states import PRIORITY_RANK, Priority
from recado.kit.batching import Batcher, Split
from recado.services import media
from recado.services.directory import InstanceView, Principal, no_instance
from recado.services.runtime import Runtime
from recado.store import contacts, db, messages, outbox, refusals
from recado.telemetry import metrics

#: The furthest a message can be scheduled ahead, and the longest it can be asked to wait.
_FURTHEST = timedelta(days=366)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DELAY_MS = 600_000
_MAX_TYPING_MS = 60_000
_MAX_METADATA_BYTES = 8_192
#: Messages of one commit; and from how many on a batch is not made to share one.
_GROUP = 2_000
_LARGE = 250
_ADDRESSES_CACHED = 200_000
#: How often to ask which addresses lead to another contact than before; what is accepted for a merged one in between is
#: moved after it. The looks overlap by more than a merging transaction lasts.
_MOVED_EVERY = timedelta(seconds=5)
_MOVED_OVERLAP = timedelta(minutes=1)

#: What is said beside a kind that the provider cannot send, to a caller whose requests have the field.
FALLBACK_HINT = "; set fallback to text to let it go as text"

_UNSET = msgspec.UNSET
_Unset = msgspec.UnsetType
_Media = contents.MediaContent | _Unset


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/messages`. `type` names the one content field that must be there.

    instance_id   may be left out with an instance token
    to            a phone, a WhatsApp id or the id of a contact
    client_id     the caller's own id, unique per instance: a repeat answers with the first result. Where it is
                  absent, the Idempotency-Key header does the same per company
    reply_to      the message to quote: our id, or the provider's
    send_at       not before this time
    delay_ms      wait this long before sending, in addition to pacing
    typing_ms     show "typing…" this long first, where the provider can
    pause_ms      how long its lane rests once it is sent, or has failed, in place of pacing's random pause
    fallback      `text` lets what the provider cannot render go as text
    """

    to: str
    type: str
    instance_id: UUID | None = None
    priority: Priority = Priority.NORMAL
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    reply_to: contents.MessageRef | None = None
    send_at: datetime | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=_MAX_DELAY_MS)] = 0
    typing_ms: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TYPING_MS)] = 0
    #: Unset rather than null, so that the fingerprint of a request without it is what it was before there was one.
    pause_ms: Annotated[int, msgspec.Meta(ge=0, le=_MAX_DELAY_MS)] | _Unset | None = _UNSET
    fallback: Annotated[str, msgspec.Meta(pattern="^(refuse|text)$")] = "refuse"
    metadata: dict[str, Any] | None = None

    text: contents.TextContent | _Unset = _UNSET
    image: _Media = _UNSET
    video: _Media = _UNSET
    audio: _Media = _UNSET
    voice: _Media = _UNSET
    document: _Media = _UNSET
    sticker: _Media = _UNSET
    gif: _Media = _UNSET
    ptv: _Media = _UNSET
    location: contents.LocationContent | _Unset = _UNSET
    contacts: Annotated[list[contents.ContactCard], msgspec.Meta(min_length=1, max_length=100)] | _Unset = _UNSET
    link: contents.LinkContent | _Unset = _UNSET
    buttons: contents.ButtonsContent | _Unset = _UNSET
    list: contents.ListContent | _Unset = _UNSET
    otp: contents.OtpContent | _Unset = _UNSET
    pix: contents.PixContent | _Unset = _UNSET
    poll: contents.PollContent | _Unset = _UNSET
    reaction: contents.ReactionContent | _Unset = _UNSET
    event: contents.EventContent | _Unset = _UNSET
    product: contents.ProductContent | _Unset = _UNSET
    catalog: contents.CatalogContent | _Unset = _UNSET
    order: contents.OrderContent | _Unset = _UNSET
    template: contents.TemplateContent | _Unset = _UNSET
    forward: contents.ForwardContent | _Unset = _UNSET
    edit: contents.EditContent | _Unset = _UNSET
    delete: contents.DeleteContent | _Unset = _UNSET
    pin: contents.PinContent | _Unset = _UNSET
    poll_vote: contents.PollVoteContent | _Unset = _UNSET
    event_response: contents.EventResponseContent | _Unset = _UNSET
    event_edit: contents.EventEditContent | _Unset = _UNSET
    carousel: contents.CarouselContent | _Unset = _UNSET
    channel_invite: contents.ChannelInviteContent | _Unset = _UNSET
    button_reply: contents.ButtonReplyContent | _Unset = _UNSET
    order_update: contents.OrderUpdateContent | _Unset = _UNSET


class AcceptedMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: the message as it was first accepted."""

    id: UUID
    status: str
    instance_id: UUID
    to: str
    type: str
    priority: str
    created_at: datetime
    client_id: str | None = None
    send_at: datetime | None = None
    replayed: bool = False


_KINDS = tuple(contents.KINDS)
_all_kinds = operator.attrgetter(*_KINDS)
_encode = msgspec.json.Encoder().encode
_PRIORITY_NAME = {rank: priority.value for priority, rank in PRIORITY_RANK.items()}


class _Item(msgspec.Struct):
    """A request that passed validation, on its way to the writer."""

    company_id: CompanyId
    view: InstanceView
    request: MessageRequest
    kind: str
    content: Any
    address: phones.Address
    id: MessageId
    key: str | None
    fingerprint: bytes | None


class Acceptor:
    """Owns the group-commit writer of a process; `start` and `stop` it with the process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._writer = Batcher[_Item, AcceptedMessage](self._write, max_items=_GROUP)
        self._large = asyncio.Semaphore(2)
        # Asked once: isinstance of a protocol costs more than all other checks of a message together.
        self._checkers: dict[str, ChecksContent] = {
            kind: provider for kind, provider in runtime.providers.items() if isinstance(provider, ChecksContent)
        }
        self._conversations: collections.OrderedDict[tuple[CompanyId, InstanceId, str], contacts.Resolved] = (
            collections.OrderedDict()
        )
        self._asked_moved_at = datetime.now(UTC)

    async def start(self) -> None:
        """Begin writing."""
        await self._writer.start()

    async def stop(self) -> None:
        """Write what was submitted, then refuse. Stopping twice is fine."""
        await self._writer.stop()

    async def accept(
        self, principal: Principal, request: MessageRequest, *, idempotency_key: str | None = None
    ) -> AcceptedMessage:
        """Accept one message. Raises what the issue of it is, as a `RecadoError`; then nothing was written."""
        item = await self._check(principal, request, idempotency_key)
        await self._count(principal, item.view, 1)
        if _incomplete(item):
            await self._complete(principal, item)
        try:
            return await self._writer.submit(item)
        except db.AWAY as error:
            raise _away() from error

    async def accept_many(
        self, principal: Principal, requests: Sequence[MessageRequest | RecadoError]
    ) -> list[AcceptedMessage | RecadoError]:
        """Accept several; each gets its own result, in order. An error among `requests` is its own result.

        The rate limit counts them together: a batch that does not fit is refused whole.
        """
        results: dict[int, AcceptedMessage | RecadoError] = {}
        items: dict[int, _Item] = {}
        for place, request in enumerate(requests):
            try:
                if isinstance(request, RecadoError):
                    raise request
                items[place] = await self._check(principal, request, None)
            except RecadoError as error:
                results[place] = error
        counts = collections.Counter(item.view.id for item in items.values())
        views = {item.view.id: item.view for item in items.values()}
        for instance_id, count in counts.items():
            await self._count(principal, views[instance_id], count)
        for place, item in list(items.items()):
            if not _incomplete(item):
                continue
            try:
                await self._complete(principal, item)
            except RecadoError as error:
                results[place] = error
                del items[place]
        results.update(zip(items, await self._submit_all(list(items.values())), strict=True))
        return [results[place] for place in range(len(requests))]

    async def _submit_all(self, items: list[_Item]) -> list[AcceptedMessage | RecadoError]:
        results: list[AcceptedMessage | RecadoError] = []
        for result in await self._written(items):
            if isinstance(result, AcceptedMessage | RecadoError):
                results.append(result)
            elif isinstance(result, refusals.UNSTORABLE):
                results.append(_unstorable())
            elif isinstance(result, db.AWAY):
                raise _away() from result
            else:
                raise result
        return results

    async def _written(self, items: list[_Item]) -> Sequence[AcceptedMessage | BaseException]:
        """A large batch is a transaction of its own, two of them side by side; a small one shares the group's.

        Either way one statement writes it, so its messages stand in their lanes in their order.
        """
        if len(items) < _LARGE:
            return await self._writer.submit_many(items)
        async with self._large:
            try:
                return await self._write(items)
            except Split:
                return await self._writer.submit_many(items)
            except db.AWAY as error:
                raise _away() from error

    async def _count(self, principal: Principal, view: InstanceView, cost: int) -> None:
        limiter = self._runtime.limiter
        company, instance = principal.company_settings.rate_limit, view.settings.rate_limit
        if limiter.applies(company, instance):
            await limiter.check(principal.company_id, view.id, company, instance, cost)

    async def _check(self, principal: Principal, request: MessageRequest, key: str | None) -> _Item:
        """The request as an item, when everything about it that costs nothing is right."""
        company_id, instance_id = _target(principal, request)
        directory = self._runtime.directory
        view = directory.cached_instance(company_id, instance_id) or await directory.instance(company_id, instance_id)
        kind, content = _content(request)
        address = _address(request.to)
        _check_times(request)
        _refuse(kind, limits.check(kind, content, address, quotes=request.reply_to is not None))
        fingerprint = None
        if request.client_id is not None:
            key = f"client:{instance_id}:{request.client_id}"
        elif key is not None:
            # The keys of an instance's token are its own: they neither replay nor reveal another instance's messages.
            key = f"key:{key}" if principal.instance_id is None else f"key:{instance_id}:{key}"
        if key is not None:
            fingerprint = hashlib.sha256(_encode(request)).digest()
        kind, content = self._fit(view, kind, content, request)
        if address.kind == "contact":
            address = await self._address_of(principal, view, address)
        return _Item(
            company_id=company_id,
            view=view,
            request=request,
            kind=kind,
            content=content,
            address=address,
            id=MessageId(ids.new()),
            key=key,
            fingerprint=fingerprint,
        )

    async def _complete(self, principal: Principal, item: _Item) -> None:
        """What a counted request still needs: the messages it refers to, and its media stored."""
        if item.kind in contents.ABOUT_A_MESSAGE or item.request.reply_to:
            await self._check_reference(item.company_id, item.view, item.kind, item.content, item.request.reply_to)
        if isinstance(item.content, contents.MediaContent):
            item.content = await self._store_media(item.company_id, item.kind, item.content, principal.instance_id)

    def _fit(self, view: InstanceView, kind: str, content: Any, request: MessageRequest) -> tuple[str, Any]:
        """The content as the instance's provider takes it. Raises `Invalid` naming the provider and the kind."""
        if view.active is None:
            raise Conflict(f"Instance {view.id} has no connection; add one before sending.", code="no_connection")
        provider = self._runtime.providers[view.active.kind]
        able = capabilities_of(provider, view.active.connection)
        if kind not in able.kinds:
            text = fallback.as_text(kind, content) if request.fallback == "text" else None
            if text is None or "text" not in able.kinds:
                raise invalid(
                    "type",
                    f"the provider {provider.kind} cannot send {kind}"
                    + (
                        FALLBACK_HINT
                        if request.fallback == "refuse" and fallback.as_text(kind, content) is not None
                        else ""
                    ),
                    code="unsupported_by_provider",
                )
            kind, content = "text", contents.TextContent(body=text)
        if request.reply_to and not able.replies:
            raise invalid("reply_to", f"the provider {provider.kind} cannot quote", code="unsupported_by_provider")
        if request.reply_to and kind in able.unquotable:
            why = f"the provider {provider.kind} cannot send {kind} with a quote"
            raise invalid("reply_to", why, code="unsupported_by_provider")
        checker = self._checkers.get(provider.kind)
        if checker is not None:
            errors = checker.check(kind, content)
            if errors:
                named = [FieldError(field=f"{kind}.{e.field}" if e.field else kind, message=e.message) for e in errors]
                raise Invalid(f"The provider {provider.kind} does not take this {kind}.", errors=named)
        return kind, content

    async def _address_of(self, principal: Principal, view: InstanceView, address: phones.Address) -> phones.Address:
        contact_id = ContactId(UUID(address.value))
        async with self._runtime.db.tenant(view.company_id) as connection:
            # An instance's token knows the people its instance talks with, and no others.
            seen = await contacts.get(connection, view.company_id, contact_id, instance_id=principal.instance_id)
            identities = await contacts.identities(connection, view.company_id, contact_id) if seen else {}
        found = phones.best_address(identities)
        if found is not None:
            return found
        raise invalid("to", f"no contact {address.value} with an address exists")

    async def _check_reference(
        self, company_id: CompanyId, view: InstanceView, kind: str, content: Any, reply_to: str | None
    ) -> None:
        wanted = []
        if reply_to:
            wanted.append(("reply_to", reply_to))
        if kind in contents.ABOUT_A_MESSAGE:
            wanted.append((f"{kind}.message_id", content.message_id))
        async with self._runtime.db.tenant(company_id) as connection:
            for field, reference in wanted:
                found = await messages.find(connection, company_id, view.id, reference)
                if not found:
                    raise invalid(field, f"no message {reference} on instance {view.id}")
                if field != "reply_to":
                    _refuse(kind, limits.check_reference(kind, content, found))

    async def _store_media(
        self, company_id: CompanyId, kind: str, content: contents.MediaContent, seen_by: InstanceId | None
    ) -> contents.MediaContent:
        given = [name for name in ("link", "data", "media_id") if getattr(content, name) is not None]
        if len(given) != 1:
            raise invalid(kind, "exactly one of link, data and media_id must be given")
        if content.fetch and content.link is None:
            raise invalid(f"{kind}.fetch", "is for a link")
        if content.media_id is not None:
            async with self._runtime.db.tenant(company_id) as connection:
                if not await media.is_ready(connection, company_id, content.media_id, seen_by=seen_by):
                    raise invalid(f"{kind}.media_id", f"no media {content.media_id} is ready")
        if content.data is None:
            return content
        declared, data = _decode_data(kind, content.data)
        stored = await media.store_bytes(
            self._runtime,
            company_id,
            data,
            filename=content.filename,
            declared_type=content.mime_type or declared,
        )
        return msgspec.structs.replace(content, data=None, media_id=str(stored.id))

    # --- writing -----------------------------------------------------------------------------------

    async def _write(self, items: list[_Item]) -> Sequence[AcceptedMessage | BaseException]:
        try:
            resolved = await self._resolve(items)
            drafts = [self._draft(item, place) for item, place in zip(items, resolved, strict=True)]
            written, first = await self._store(items, drafts)
        except (refusals.BrokenReference, *refusals.UNSTORABLE) as error:
            # An instance was deleted since it was looked up, or a value cannot be stored; the others of the batch are
            # not to blame.
            if len(items) > 1:
                raise Split from error
            if isinstance(error, refusals.UNSTORABLE):
                raise
            self._runtime.directory.invalidate()
            raise no_instance(items[0].view.id) from error
        self._runtime.signals.set("lanes")
        metrics.messages_queued.inc(len(written))
        return [
            _answer(item, written[item.id])
            if item.id in written
            else _replay(item, first.get((item.company_id, item.key or "")))
            for item in items
        ]

    async def _store(
        self, items: list[_Item], drafts: list[outbox.Draft]
    ) -> tuple[dict[MessageId, datetime], dict[tuple[CompanyId, str], Any]]:
        """What was written, and for the repeats among the others the first results of their keys."""
        async with self._runtime.db.worker.acquire() as connection:
            written = await db.retrying(lambda: outbox.accept(connection, drafts))
            repeated = [
                (item.company_id, item.key) for item in items if item.id not in written and item.key is not None
            ]
            return written, await outbox.find_replayed(connection, repeated) if repeated else {}

    async def _resolve(self, items: list[_Item]) -> list[contacts.Resolved]:
        """Contact and conversation of each item, from memory where they were seen before."""
        known = self._conversations
        await self._forget_moved()
        keys = [(item.company_id, item.view.id, item.address.value) for item in items]
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
        if missing:
            wanted = [
                contacts.Wanted(company_id=item.company_id, instance_id=item.view.id, party=_party(item.address))
                for item in missing.values()
            ]
            found = await db.retrying(lambda: self._look_up(wanted))
            known.update(zip(missing, found, strict=True))
        result = [known[key] for key in keys]
        while len(known) > _ADDRESSES_CACHED:
            known.popitem(last=False)
        return result

    async def _look_up(self, wanted: list[contacts.Wanted]) -> list[contacts.Resolved]:
        async with self._runtime.db.work() as connection:
            return await contacts.resolve(connection, wanted)

    async def _forget_moved(self) -> None:
        """Drop from memory the addresses that lead to another contact by now."""
        now = datetime.now(UTC)
        if now - self._asked_moved_at < _MOVED_EVERY:
            return
        since, self._asked_moved_at = self._asked_moved_at - _MOVED_OVERLAP, now
        async with self._runtime.db.worker.acquire() as connection:
            moved = await contacts.moved_since(connection, since)
        if moved:
            for key in [key for key in self._conversations if (key[0], key[2]) in moved]:
                del self._conversations[key]

    def _draft(self, item: _Item, place: contacts.Resolved) -> outbox.Draft:
        request = item.request
        assert item.view.active is not None
        active = item.view.active
        capabilities = capabilities_of(self._runtime.providers[active.kind], active.connection)
        ordering = ordering_of(self._runtime.providers, item.view)
        return outbox.Draft(
            company_id=item.company_id,
            id=item.id,
            instance_id=item.view.id,
            conversation_id=place.conversation_id,
            contact_id=place.contact_id,
            type=item.kind,
            priority=PRIORITY_RANK[request.priority],
            address=item.address.value,
            content=msgspec.Raw(_encode(item.content)),
            lane_key=lane_key(ordering, item.address.value),
            extra=_extra(item),
            budgeted=_budgeted(item, capabilities),
        )


def _incomplete(item: _Item) -> bool:
    """Whether a message speaks of another one, or carries media."""
    return (
        item.kind in contents.ABOUT_A_MESSAGE
        or item.request.reply_to is not None
        or isinstance(item.content, contents.MediaContent)
    )


def _budgeted(item: _Item, capabilities: Capabilities) -> bool | None:
    """Whether the message takes from a budget if it is a first contact; None where it cannot be one."""
    if item.address.kind in ("group", "channel"):
        return None
    budget = budget_of(item.view.settings, capabilities)
    return budget > 0 if budget or capabilities.human_pacing else None


def _extra(item: _Item) -> outbox.Extra | None:
    """What few messages have; None for the many."""
    request = item.request
    plain = item.key is None and request.reply_to is None and request.metadata is None and request.send_at is None
    falls_back = request.fallback == "text" and item.kind != "text"
    pause_ms = None if request.pause_ms is _UNSET else request.pause_ms
    if plain and not request.delay_ms and not request.typing_ms and not falls_back and pause_ms is None:
        return None
    return outbox.Extra(
        reply_to=request.reply_to,
        client_id=request.client_id,
        metadata=request.metadata,
        send_at=request.send_at,
        delay_ms=request.delay_ms,
        typing_ms=request.typing_ms,
        pause_ms=pause_ms,
        fallback=falls_back,
        idempotency_key=item.key,
        fingerprint=item.fingerprint.hex() if item.fingerprint else None,
    )


def lane_key(ordering: Ordering, address: str) -> str:
    """The lane within the instance: one for all, or one per recipient."""
    return address if ordering == "recipient" else ""


def ordering_of(providers: Mapping[str, Provider], view: InstanceView) -> Ordering:
    """The instance's ordering, or its default: per recipient at a provider that needs no pacing and gets none (Meta);
    one by one everywhere else, also where the pacing of a phone was switched off. All its connections have a say, the
    active one no more than others: a switch must not put what follows into other lanes than what waits."""
    if view.settings.ordering is not None:
        return view.settings.ordering
    for placed in view.connections:
        capabilities = capabilities_of(providers[placed.kind], placed.connection)
        if capabilities.human_pacing or not pacing_of(view.settings, capabilities).off:
            return "instance"
    return "recipient"


def pacing_of(settings: InstanceSettings, capabilities: Capabilities) -> Pacing:
    """The instance's pacing, or its provider's default: phones like a person, Meta not at all."""
    if settings.pacing is not None:
        return settings.pacing
    return Pacing() if capabilities.human_pacing else NO_PACING


def budget_of(settings: InstanceSettings, capabilities: Capabilities) -> int:
    """First contacts per hour, 0 for any number: what the instance says, else `FIRST_CONTACTS` for a phone that is paced."""
    pacing = pacing_of(settings, capabilities)
    if pacing.first_contacts_per_hour is not None:
        return pacing.first_contacts_per_hour
    return FIRST_CONTACTS if capabilities.human_pacing and not pacing.off else 0


def event_data(
    *, message_id: UUID, to: str, kind: str, status: str, client_id: str | None, metadata: Any, **more: Any
) -> dict[str, Any]:
    """The `data` of an outbound message's events: always these fields, then what the event adds."""
    message = {"id": message_id, "direction": "outbound", "to": to, "type": kind, "status": status}
    if client_id is not None:
        message["client_id"] = client_id
    if metadata is not None:
        message["metadata"] = metadata
    return {"message": message, **more}


def _unstorable() -> Invalid:
    return Invalid("A value of this message cannot be stored: it is out of range, or too large.", code="unstorable")


def _away() -> Unavailable:
    return Unavailable(
        "The database cannot be reached, so it is not known to be accepted. Repeat the request; with the same client_id "
        "or Idempotency-Key it cannot double.",
        code="database_unavailable",
        retry_after=2,
    )


def _target(principal: Principal, request: MessageRequest) -> tuple[CompanyId, InstanceId]:
    if principal.instance_id is not None:
        if request.instance_id not in (None, principal.instance_id):
            raise no_instance(request.instance_id)
        instance_id = principal.instance_id
    elif request.instance_id is None:
        raise invalid("instance_id", "is required with a company token")
    else:
        instance_id = InstanceId(request.instance_id)
    assert principal.company_id is not None
    return principal.company_id, instance_id


def _content(request: MessageRequest) -> tuple[str, Any]:
    kind = request.type
    if kind not in contents.KINDS:
        raise invalid("type", f"{kind!r} is no message type; the types are {', '.join(_KINDS)}")
    content = getattr(request, kind)
    if content is _UNSET:
        raise invalid(kind, f"is required when type is {kind}")
    if _all_kinds(request).count(_UNSET) != len(_KINDS) - 1:
        others = [name for name in _KINDS if name != kind and getattr(request, name) is not _UNSET]
        errors = [FieldError(field=name, message=f"does not belong to a message of type {kind}") for name in others]
        raise Invalid(f"A message of type {kind} carries only {kind}.", errors=errors)
    return kind, content


def _address(to: str) -> phones.Address:
    try:
        return phones.parse(to)
    except ValueError as error:
        raise invalid("to", str(error), code="invalid_phone") from error


def _refuse(kind: str, errors: list[FieldError]) -> None:
    """Raise `Invalid` for what WhatsApp rules out."""
    if errors:
        raise Invalid(f"WhatsApp does not take this {kind}.", errors=errors)


def _check_times(request: MessageRequest) -> None:
    if request.metadata is not None:
        if contents.too_deep(request.metadata):
            raise invalid("metadata", f"is nested more than {contents.DEEPEST} levels deep")
        if len(_encode(request.metadata)) > _MAX_METADATA_BYTES:
            raise invalid("metadata", f"is larger than {_MAX_METADATA_BYTES} bytes of JSON")
    if request.send_at is None:
        return
    if request.send_at.tzinfo is None:
        raise invalid("send_at", "needs a time zone: 2026-12-01T09:00:00Z or …-03:00")
    if request.send_at < _EARLIEST:
        raise invalid("send_at", "lies before 1970")
    if request.send_at > datetime.now(request.send_at.tzinfo) + _FURTHEST:
        raise invalid("send_at", "is more than a year ahead")


def _party(address: phones.Address) -> Party:
    if address.kind in ("group", "channel"):
        return Party(group=address.value)
    if address.kind == "lid":
        return Party(lid=address.value)
    return Party(phone=address.value) if address.kind == "phone" else Party(bsuid=address.value)


def _decode_data(kind: str, data: str) -> tuple[str | None, bytes]:
    declared = None
    if data.startswith("data:"):
        head, separator, data = data.partition(",")
        if not separator or not head.endswith(";base64"):
            raise invalid(f"{kind}.data", "is a data URL without ;base64")
        declared = head.removeprefix("data:").removesuffix(";base64").partition(";")[0] or None
    try:
        return declared, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{kind}.data", "is not base64") from error


def _answer(item: _Item, created_at: datetime) -> AcceptedMessage:
    return AcceptedMessage(
        id=item.id,
        status="queued",
        instance_id=item.view.id,
        to=item.address.value,
        type=item.kind,
        priority=item.request.priority.value,
        created_at=created_at,
        client_id=item.request.client_id,
        send_at=item.request.send_at,
    )


def _replay(item: _Item, first: Any) -> AcceptedMessage | RecadoError:
    if first is None:
        # Its row was cleared by retention between our insert and our look.
        return Unavailable("The first result of this idempotency key was just removed; repeat.", retry_after=1)
    if first["fingerprint"] != item.fingerprint:
        name = "client_id" if item.request.client_id is not None else "Idempotency-Key"
        return Conflict(
            f"This {name} was used for another message ({first['id']}); use a new one, or send the same body.",
            code="idempotency_conflict",
        )
    return AcceptedMessage(
        id=first["id"],
        status=first["status"],
        instance_id=first["instance_id"],
        to=first["address"],
        type=first["type"],
        priority=_PRIORITY_NAME[first["priority"]],
        created_at=first["created_at"],
        client_id=first["client_id"],
        replayed=True,
    )
