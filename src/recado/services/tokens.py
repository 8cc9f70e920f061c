"""Tokens: made, shown once, rotated, revoked. A revocation holds from the next request on."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from recado.domain import ids
from recado.domain.errors import NotFound
from recado.domain.ids import CompanyId, InstanceId, TokenId
from recado.kit import tokens as token_format
from recado.services import directory
from recado.services.runtime import Runtime
from recado.store import db, refusals, tokens

_PREFIX: dict[tokens.Level, token_format.Level] = {"admin": "adm", "company": "co", "instance": "in"}


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A new token and its secret text, which is not kept anywhere."""

    token: tokens.Token
    secret: str


async def issue(
    connection: db.Connection,
    level: tokens.Level,
    *,
    company_id: CompanyId | None = None,
    instance_id: InstanceId | None = None,
    name: str = "",
) -> Issued:
    """Make a token inside the caller's transaction."""
    secret = token_format.make(_PREFIX[level])
    token = await tokens.insert(
        connection,
        token_id=TokenId(ids.new()),
        level=level,
        company_id=company_id,
        instance_id=instance_id,
        name=name,
        digest=token_format.digest(secret),
        hint=token_format.hint(secret),
    )
    return Issued(token=token, secret=secret)


async def create(runtime: Runtime, company_id: UUID, *, instance_id: UUID | None = None, name: str = "") -> Issued:
    """A further token of a company, or of one of its instances. Raises `NotFound` when there is no such one."""
    level: tokens.Level = "company" if instance_id is None else "instance"
    wanted_instance = None if instance_id is None else InstanceId(instance_id)
    try:
        async with runtime.db.work() as connection:
            return await issue(
                connection, level, company_id=CompanyId(company_id), instance_id=wanted_instance, name=name
            )
    except refusals.BrokenReference:
        if instance_id is not None:
            raise directory.no_instance(instance_id) from None
        raise NotFound(f"There is no company {company_id}.", code="company_not_found") from None


async def create_admin(runtime: Runtime, *, name: str = "") -> Issued:
    """A further admin token."""
    async with runtime.db.work() as connection:
        return await issue(connection, "admin", name=name)


async def page(runtime: Runtime, *, company_id: CompanyId | None, after: UUID | None, limit: int) -> list[tokens.Token]:
    """Tokens, the oldest first; with a company, only its own."""
    async with runtime.db.work() as connection:
        return await tokens.page(connection, company_id=company_id, after=after, limit=limit)


async def revoke(runtime: Runtime, token_id: UUID, *, company_id: CompanyId | None) -> tokens.Token:
    """End a token; twice is fine. Raises `NotFound`, also for another company's."""
    async with runtime.directory.changing() as connection:
        if await tokens.get(connection, token_id, company_id) is None:
            raise no_token(token_id)
        revoked = await tokens.revoke(connection, token_id, datetime.now(UTC))
    if revoked is None:
        raise no_token(token_id)
    return revoked


async def rotate(runtime: Runtime, token_id: UUID, *, company_id: CompanyId | None) -> Issued:
    """A new token in place of one that ends now. Raises `NotFound`, also for one that was revoked before."""
    async with runtime.directory.changing() as connection:
        old = await tokens.get(connection, token_id, company_id)
        if old is None or old.revoked_at is not None:
            raise no_token(token_id)
        await tokens.revoke(connection, token_id, datetime.now(UTC))
        return await issue(connection, old.level, company_id=old.company_id, instance_id=old.instance_id, name=old.name)


async def ensure_admin(runtime: Runtime) -> str | None:
    """The first admin token, made when there is none and the settings name none; None when nothing was made.

    Of processes that start together, one makes it.
    """
    if runtime.settings.admin_token is not None:
        return None
    async with runtime.db.work() as connection:
        await tokens.lock_admins(connection)
        if await tokens.admin_exists(connection):
            return None
        return (await issue(connection, "admin", name="first")).secret


def no_token(token_id: UUID) -> NotFound:
    """The answer for a token that is not there, or not this caller's."""
    return NotFound(f"There is no token {token_id}.", code="token_not_found")
