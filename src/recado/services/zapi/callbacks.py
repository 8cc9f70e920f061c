"""Where Z-API clients are told of events: their webhooks, the filters, and whether own messages are told too.

Each address of an instance is one endpoint of the format `zapi`, which takes the callbacks that were set to it. An instance
has one queue at each, so what is set to one address arrives there in order.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import structlog

from recado.domain import ids
from recado.domain.errors import invalid
from recado.domain.ids import WebhookId
from recado.domain.zapi import Callback, ZapiSettings
from recado.kit import signing
from recado.services import validation, webhooks
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, payloads
from recado.services.zapi.payloads import Told
from recado.store import db, deliveries, zapi
from recado.store import webhooks as rows

log = structlog.get_logger(__name__)

#: The events that each callback is made from. `zapi_callbacks()` in the database says the same the other way round.
EVENTS: Mapping[Told, tuple[str, ...]] = {
    "delivery": ("message.sent", "message.failed", "message.unproven"),
    "received": (
        "message.received", "message.sent", "message.edited", "message.deleted", "message.waiting", "reaction.received",
        "poll.voted", "event.answered", "media.ready", "media.failed", "call.received", "group.updated",
        "contact.updated", "chat.updated", "unknown",
    ),
    "message_status": ("message.sent", "message.server_ack", "message.delivered", "message.read", "message.played", "chat.updated"),
    "chat_presence": ("presence.updated",),
    "connected": ("instance.connected",),
    "disconnected": ("instance.disconnected",),
    "proxy": ("account.updated",),
}  # fmt: skip


async def set_webhooks(runtime: Runtime, view: ZapiView, urls: Mapping[Callback, str | None]) -> ZapiSettings:
    """Set the address of each callback that is given; None or "" takes it away. Raises `Invalid`, or `NotFound`.

    An address must be https, unless the operator allows http. One that was paused is active again: setting it is all that
    a Z-API client can do about that. What waits for a callback follows it to its new address, and
    is tried there at once; what waits for one that is taken away is not delivered any more. Several callbacks may share an
    address, and then arrive there in one order.
    """
    unknown = set(urls) - set(get_args(Callback))
    if unknown:
        raise invalid("webhooks", f"There is no callback {min(unknown)[:50]!r}.")
    addresses = {name: _address(runtime, url) for name, url in urls.items()}
    return await _change(runtime, view, {"webhooks": addresses}, set(addresses.values()))


async def set_proxy_webhook(runtime: Runtime, view: ZapiView, url: str | None) -> ZapiSettings:
    """As `set_webhooks`, of the callback that tells partners of an instance's proxy."""
    address = _address(runtime, url)
    return await _change(runtime, view, {"proxy_webhook": address}, {address})


async def set_notify_sent_by_me(runtime: Runtime, view: ZapiView, value: bool) -> ZapiSettings:
    """Whether messages of the own number are told as received ones. It counts for what waits, too."""
    return await accounts.change_settings(runtime, view, {"notify_sent_by_me": value})


async def set_filters(
    runtime: Runtime, view: ZapiView, *, messages: Sequence[str] | None = None, callbacks: Sequence[str] | None = None
) -> ZapiSettings:
    """What is not to be told, by Z-API's names; None leaves a list as it is. It counts for what waits, too. Raises
    `Invalid` for a name that Z-API does not have."""
    changes: dict[str, list[str]] = {}
    for field, given, known in (
        ("messages", messages, payloads.MESSAGE_FILTERS),
        ("callbacks", callbacks, payloads.CALLBACK_FILTERS),
    ):
        if given is None:
            continue
        if unknown := sorted(set(given) - known):
            raise invalid(field, f"There is no filter {unknown[0][:60]!r}.", code="unknown_filter")
        changes[field] = list(dict.fromkeys(given))
    return await accounts.change_settings(runtime, view, {"filters": changes})


async def close(connection: db.Connection, view: ZapiView) -> None:
    """Forget an instance's endpoints, with what waits for them, because it is no longer open to Z-API clients."""
    for row in await rows.list_zapi(connection, view.company_id, view.id):
        await _retire(connection, row)


# --- addresses ---------------------------------------------------------------------------------------------


def _address(runtime: Runtime, url: str | None) -> str | None:
    if not url:
        return None
    webhooks.check_url(url)
    if not url.startswith("https://") and not runtime.settings.zapi_http_webhooks:
        raise invalid("value", "A webhook must be an https address.", code="invalid_url")
    return url


async def _change(
    runtime: Runtime, view: ZapiView, changes: Mapping[str, Any], named: Collection[str | None]
) -> ZapiSettings:
    """Change an instance's addresses: its settings and its endpoints in one transaction. The addresses that are `named`
    are active then."""
    async with runtime.directory.changing(view.company_id) as connection:
        current = await zapi.lock_settings(connection, view.company_id, view.id)
        if current is None:
            raise accounts.not_open(view.id)
        merged = validation.merge(current, changes)
        settings: ZapiSettings = validation.convert(merged, ZapiSettings, "settings")
        await zapi.set_settings(connection, view.company_id, view.id, merged)
        await _match(runtime, connection, view, _wanted(settings), named)
        await rows.notify(connection, "deliveries")
    runtime.signals.set("deliveries")
    return settings


def _wanted(settings: ZapiSettings) -> dict[str, list[Told]]:
    """The callbacks of each address."""
    addresses: dict[Told, str] = {name: url for name, url in settings.webhooks.items()}
    if settings.proxy_webhook:
        addresses["proxy"] = settings.proxy_webhook
    wanted: dict[str, list[Told]] = {}
    for callback in EVENTS:
        if callback in addresses:
            wanted.setdefault(addresses[callback], []).append(callback)
    return wanted


# --- endpoints ---------------------------------------------------------------------------------------------


async def _match(
    runtime: Runtime,
    connection: db.Connection,
    view: ZapiView,
    wanted: Mapping[str, Sequence[Told]],
    named: Collection[str | None],
) -> None:
    """Make, change and forget endpoints until there is one for each address, and take along what waits."""
    before = await rows.list_zapi(connection, view.company_id, view.id)
    taken = _assign(before, wanted)
    kept = {row.id for row in taken.values()}
    after: dict[Told, rows.Webhook] = {}
    for url, callbacks in wanted.items():
        row = await _save(runtime, connection, view, taken.get(url), url, callbacks)
        if url in named:
            row = await _resume(connection, row)
        after |= dict.fromkeys(callbacks, row)
    for row in before:
        for callback in row.callbacks:
            target = after.get(callback)  # type: ignore[call-overload]  # The column holds nothing else.
            if target is not None and target.id != row.id:
                paused = target.status == "paused"
                await deliveries.move(connection, view.company_id, row.id, target.id, [callback], parked=paused)
        if row.id not in kept:
            await _retire(connection, row)


def _assign(before: Sequence[rows.Webhook], wanted: Mapping[str, Sequence[Told]]) -> dict[str, rows.Webhook]:
    """The endpoint that goes on under each address: its own, else one that has no address any more and took most of the
    same callbacks."""
    taken = {row.url: row for row in before if row.url in wanted}
    free = [row for row in before if row.url not in wanted]
    for url, callbacks in wanted.items():
        if url in taken or not free:
            continue
        best = max(free, key=lambda row: len(set(row.callbacks) & set(callbacks)))
        if set(best.callbacks) & set(callbacks):
            taken[url] = best
            free.remove(best)
    return taken


async def _save(
    runtime: Runtime,
    connection: db.Connection,
    view: ZapiView,
    row: rows.Webhook | None,
    url: str,
    callbacks: Sequence[Told],
) -> rows.Webhook:
    types = list(dict.fromkeys(type for callback in callbacks for type in EVENTS[callback]))
    if row is None:
        webhook_id = WebhookId(ids.new())
        return await rows.insert(
            connection,
            view.company_id,
            webhook_id,
            instance_id=view.id,
            url=url,
            events=types,
            format="zapi",
            secret=webhooks.seal(runtime, webhook_id, signing.make_secret()),
            callbacks=callbacks,
        )
    if (row.url, row.callbacks) == (url, list(callbacks)):
        return row
    changed = await rows.update_zapi(connection, view.company_id, row.id, url=url, events=types, callbacks=callbacks)
    if row.url != url and row.status == "active":
        await deliveries.hasten(connection, view.company_id, row.id, now=datetime.now(UTC))
    return changed


async def _resume(connection: db.Connection, row: rows.Webhook) -> rows.Webhook:
    resumed = await rows.resume(connection, row.company_id, row.id)
    if resumed is None:
        return row
    await deliveries.release(connection, row.company_id, row.id, now=datetime.now(UTC))
    log.info("zapi_webhook_resumed", webhook_id=str(row.id))
    return resumed


async def _retire(connection: db.Connection, row: rows.Webhook) -> None:
    await rows.retire(connection, row.company_id, row.id)
    await deliveries.park(connection, row.company_id, row.id)
    await deliveries.skip_waiting(connection, row.company_id, row.id)
    log.info("zapi_webhook_retired", webhook_id=str(row.id))
