"""Opening instances to Z-API clients: their ids and tokens there, and the account of their company.

An instance keeps the id and the token that it had at Z-API, so that a client changes only the host of its addresses;
one that never was there has its own id in 32 upper-case hex digits.
"""

import functools
import ipaddress
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado.domain.errors import Conflict, Invalid, NotFound, invalid
from recado.domain.ids import CompanyId, InstanceId
from recado.domain.settings import Pacing
from recado.domain.zapi import AccountSettings, ZapiSettings
from recado.kit import tokens as token_format
from recado.services import directory, instances, validation
from recado.services.directory import ZapiView
from recado.services.runtime import Runtime
from recado.store import zapi

log = structlog.get_logger(__name__)

#: How an instance sends that Z-API clients use: strictly in order, a person's pause of one to three seconds, and no other
#: limit, since Z-API has none.
SENDING = {
    "ordering": "instance",
    "pacing": msgspec.to_builtins(Pacing(per_minute=0, first_contacts_per_hour=0)),
}
#: Z-API's subscriptions last a month.
PERIOD = timedelta(days=30)

_PUBLIC_ID = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
_TOKEN = re.compile(r"[0-9A-Za-z_-]{16,128}", re.ASCII)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An instance's id and token in Z-API's addresses, the address that its client calls, and how many messages may wait
    while its phone is disconnected."""

    id: str
    token: str
    url: str
    queue_limit: int


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """A company's account: whether a Client-Token was made, and is asked for; whether a partner token was imported."""

    client_token: bool
    client_token_enabled: bool
    partner_token: bool
    settings: AccountSettings


def public_id(instance_id: UUID) -> str:
    """The id of an instance, or a message, as Z-API would write it."""
    return instance_id.hex.upper()


# --- instances ----------------------------------------------------------------------------------------


async def open_instance(
    runtime: Runtime,
    company_id: CompanyId,
    instance_id: UUID,
    *,
    id: str | None = None,
    token: str | None = None,
    settings: ZapiSettings | None = None,
) -> Opened:
    """Let Z-API clients use an instance, by the id and token it had there or by new ones. From then on it sends as Z-API
    does (`SENDING`), unless its own settings say otherwise. Opening an open one again shows what it has.

    Raises `NotFound`, `Invalid`, or `Conflict` for an id that another instance has.
    """
    if id is not None and not _PUBLIC_ID.fullmatch(id):
        raise invalid("id", "An id has 8 to 64 letters, digits, - and _.")
    if token is not None and not _TOKEN.fullmatch(token):
        raise invalid("token", "A token has 16 to 128 letters, digits, - and _.")
    described = await instances.get(runtime, company_id, instance_id)
    opened = await runtime.directory.zapi_of(company_id, instance_id)
    if opened is not None:
        return _open_already(runtime, opened, id, token)
    public, secret = id or public_id(instance_id), token or secrets.token_hex(16).upper()
    made_with = settings or ZapiSettings()
    await _check_free(runtime, public)
    unset = {name: value for name, value in SENDING.items() if described.instance.settings.get(name) is None}
    if unset:
        await instances.update(runtime, company_id, instance_id, settings=unset)
    async with runtime.directory.changing(company_id) as connection:
        made = await zapi.insert(
            connection,
            company_id,
            InstanceId(instance_id),
            public_id=public,
            token=runtime.keyring.encrypt(secret.encode(), directory.zapi_context(instance_id)),
            settings=msgspec.to_builtins(made_with),
        )
    if not made:
        # Somebody was faster, with this instance or with this id.
        opened = await runtime.directory.zapi_of(company_id, instance_id)
        if opened is None:
            raise _taken(public)
        return _open_already(runtime, opened, id, token)
    log.info("zapi_opened", company_id=company_id, instance_id=instance_id)
    return _opened(runtime, public, secret, made_with)


async def _check_free(runtime: Runtime, public: str) -> None:
    try:
        await runtime.directory.zapi(public)
    except NotFound:
        return
    raise _taken(public)


def _taken(public: str) -> Conflict:
    return Conflict(f"Another instance has the id {public}.", code="id_taken")


def _open_already(runtime: Runtime, opened: ZapiView, id: str | None, token: str | None) -> Opened:
    if (id or opened.public_id, token or opened.token) != (opened.public_id, opened.token):
        raise Conflict("The instance is open to Z-API clients by another id or token; close it first.")
    return _opened(runtime, opened.public_id, opened.token, opened.settings)


async def show_instance(runtime: Runtime, company_id: CompanyId, instance_id: UUID) -> Opened:
    """By what Z-API clients use an instance. Raises `NotFound` for one that is not open."""
    view = await runtime.directory.zapi_of(company_id, instance_id)
    if view is None:
        raise not_open(instance_id)
    return _opened(runtime, view.public_id, view.token, view.settings)


async def change_instance(runtime: Runtime, company_id: CompanyId, instance_id: UUID, *, queue_limit: int) -> Opened:
    """Change how many messages of an instance may wait while its phone is disconnected. Raises `Invalid`, or `NotFound` for
    one that is not open."""
    view = await runtime.directory.zapi_of(company_id, instance_id)
    if view is None:
        raise not_open(instance_id)
    settings = await change_settings(runtime, view, {"queue_limit": queue_limit})
    return _opened(runtime, view.public_id, view.token, settings)


async def change_settings(runtime: Runtime, view: ZapiView, changes: Mapping[str, Any]) -> ZapiSettings:
    """Change what an instance is set to: a JSON merge patch of `ZapiSettings`. Raises `Invalid`, or `NotFound`."""
    async with runtime.directory.changing(view.company_id) as connection:
        current = await zapi.lock_settings(connection, view.company_id, view.id)
        if current is None:
            raise not_open(view.id)
        merged = validation.merge(current, changes)
        settings: ZapiSettings = validation.convert(merged, ZapiSettings, "settings")
        await zapi.set_settings(connection, view.company_id, view.id, merged)
    return settings


def due(view: ZapiView, now: datetime) -> datetime:
    """Until when an instance is paid for, as Z-API would say: nobody pays here, so a subscription ends only when it was
    cancelled, with the month that it was cancelled in."""
    if view.due_at is not None:
        return view.due_at
    return next_due(view.subscribed_at, now)


def next_due(subscribed_at: datetime, now: datetime) -> datetime:
    """The end of the month under way, counted from a subscription."""
    return subscribed_at + PERIOD * ((now - subscribed_at) // PERIOD + 1)


def is_over(view: ZapiView, now: datetime) -> bool:
    """Whether the subscription was cancelled and its month is over."""
    return view.due_at is not None and view.due_at <= now


async def subscribe(runtime: Runtime, view: ZapiView) -> None:
    """Take a cancellation back."""
    async with runtime.directory.changing(view.company_id) as connection:
        await zapi.subscribe(connection, view.company_id, view.id)


async def cancel(runtime: Runtime, view: ZapiView) -> None:
    """Cancel the subscription: the instance can be used until its month is over."""
    async with runtime.directory.changing(view.company_id) as connection:
        await zapi.cancel(connection, view.company_id, view.id, next_due(view.subscribed_at, datetime.now(UTC)))


# --- the account --------------------------------------------------------------------------------------


async def show_account(runtime: Runtime, company_id: CompanyId) -> AccountView:
    """A company's account."""
    async with runtime.db.tenant(company_id) as connection:
        return _account_view(await zapi.account(connection, company_id))


async def change_account(
    runtime: Runtime,
    company_id: CompanyId,
    *,
    settings: Mapping[str, Any] | None = None,
    client_token: str | None = None,
    client_token_enabled: bool | None = None,
    partner_token: str | None = None,
) -> AccountView:
    """Change what is given; settings are merged. A new Client-Token replaces the one before at once. Raises `Invalid`."""
    for name, value in (("client_token", client_token), ("partner_token", partner_token)):
        if value is not None and not 16 <= len(value) <= 256:
            raise invalid(name, "A token has 16 to 256 characters.")
    try:
        async with runtime.directory.changing(company_id) as connection:
            current = await zapi.lock_account(connection, company_id)
            merged = validation.merge(current.settings, settings or {})
            checked: AccountSettings = validation.convert(merged, AccountSettings, "settings")
            if checked.kind not in runtime.providers:
                raise invalid("settings.kind", f"There is no provider {checked.kind}.", code="unknown_kind")
            _check_networks(checked)
            digest = current.client_token if client_token is None else token_format.digest(client_token)
            enabled = current.client_token_enabled if client_token_enabled is None else client_token_enabled
            if enabled and digest is None:
                raise invalid("client_token_enabled", "There is no Client-Token yet; make one first.")
            changed = msgspec.structs.replace(
                current,
                settings=merged,
                client_token=digest,
                client_token_enabled=enabled,
                partner_token=current.partner_token if partner_token is None else token_format.digest(partner_token),
            )
            await zapi.save_account(connection, changed)
    except asyncpg.UniqueViolationError:
        raise Invalid("The partner token belongs to another company here.", code="invalid") from None
    return _account_view(changed)


async def new_client_token(runtime: Runtime, company_id: CompanyId) -> str:
    """A new Client-Token, shown once. As at Z-API it is asked for only once it is enabled."""
    token = f"F{secrets.token_hex(16)}S"
    await change_account(runtime, company_id, client_token=token, client_token_enabled=False)
    return token


def may_call(account: AccountSettings, caller: str) -> bool:
    """Whether an account lets somebody at this IP address call."""
    return not account.allowed_ips or any(_is_within(caller, network) for network in account.allowed_ips)


@functools.lru_cache(maxsize=4_096)
def _is_within(caller: str, network: str) -> bool:
    try:
        address = ipaddress.ip_address(caller)
    except ValueError:
        # A socket without an address.
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address in ipaddress.ip_network(network, strict=False)


def _check_networks(settings: AccountSettings) -> None:
    for position, network in enumerate(settings.allowed_ips):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            field = f"settings.allowed_ips[{position}]"
            raise invalid(field, "is neither an IP address nor a network, as 10.0.0.0/8") from None


def not_open(instance_id: UUID) -> NotFound:
    """The answer for an instance that Z-API clients cannot use."""
    return NotFound(f"Instance {instance_id} is not open to Z-API clients.", code="zapi_not_open")


def _opened(runtime: Runtime, id: str, token: str, settings: ZapiSettings) -> Opened:
    url = f"{runtime.settings.base_url}/instances/{id}/token/{token}"
    return Opened(id=id, token=token, url=url, queue_limit=settings.queue_limit)


def _account_view(account: zapi.Account) -> AccountView:
    return AccountView(
        client_token=account.client_token is not None,
        client_token_enabled=account.client_token_enabled,
        partner_token=account.partner_token is not None,
        settings=msgspec.convert(account.settings, AccountSettings),
    )
