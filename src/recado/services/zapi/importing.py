"""Taking an account over from Z-API: its instances with their ids, tokens, settings and webhooks, read through Z-API's API.

What is read is what Z-API shows: the list of a partner (`GET /instances`) and each instance's own page (`GET /me`). The
messages that wait at Z-API stay there; it does not keep those that were sent.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from recado.domain.errors import Conflict, NotFound, ProviderFailed, RecadoError
from recado.domain.ids import CompanyId
from recado.domain.zapi import Callback
from recado.kit import http
from recado.services import instances
from recado.services.runtime import Runtime
from recado.services.zapi import accounts, callbacks

log = structlog.get_logger(__name__)

BASE_URL = "https://api.z-api.io"
_PAGE = 100
_MOST_PAGES = 1_000
_SECONDS = 30.0
_LARGEST = 5_000_000
_LONGEST_NAME = 200
_HOOKS = "/hooks/zapi/"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An instance by which one can call Z-API."""

    id: str
    token: str
    name: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where to read: an account's Client-Token where it is activated, and the partner token or the instances themselves."""

    base_url: str = BASE_URL
    client_token: str | None = None
    partner_token: str | None = None
    instances: Sequence[Known] = ()


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an instance. `outcome`: imported, known (it was here already, and got the settings again) or failed.
    `why` is a sentence where there is something to know."""

    id: str
    name: str
    outcome: str
    webhooks: Sequence[Callback] = ()
    why: str | None = None


class _Me(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`GET /me`. Every field may be absent or null. `error` is there in place of them: Z-API answers 200 to some errors."""

    id: str | None = None
    error: str | None = None
    name: str | None = None
    delivery_callback_url: str | None = None
    received_callback_url: str | None = None
    received_and_delivery_callback_url: str | None = None
    message_status_callback_url: str | None = None
    presence_chat_callback_url: str | None = None
    connected_callback_url: str | None = None
    disconnected_callback_url: str | None = None
    receive_callback_sent_by_me: bool | None = None
    call_reject_auto: bool | None = None
    call_reject_message: str | None = None
    auto_read_message: bool | None = None


class _Page(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of `GET /instances`."""

    content: list[Known]
    total_page: int = 0


async def read_list(runtime: Runtime, source: Source) -> list[Known]:
    """The instances to take over: those named, and all of the partner's. Raises `ProviderFailed`."""
    found = {one.id: one for one in source.instances}
    if source.partner_token is None:
        return list(found.values())
    for number in range(1, _MOST_PAGES + 1):
        page: _Page = await _get(
            runtime,
            f"{source.base_url}/instances?page={number}&pageSize={_PAGE}",
            {"authorization": f"Bearer {source.partner_token}"},
            _Page,
            hidden=[source.partner_token],
        )
        for one in page.content:
            found.setdefault(one.id, one)
        if number >= page.total_page or not page.content:
            break
    return list(found.values())


async def take_over(
    runtime: Runtime, company_id: CompanyId, source: Source, known: Sequence[Known], *, kind: str
) -> list[Imported]:
    """Make the instances here, open to the clients that use them, and bring the account's tokens along.

    With `kind` zapi each stays connected at Z-API, which from its next connect on tells Recado of what happens; with any
    other the number is connected here anew. What is here already is left, but for its settings and webhooks. One that
    fails does not stop the others. The tokens count once Z-API has answered to them: those of before stay where it does not.
    """
    results = []
    proven = False
    for one in known:
        try:
            me = await _read_me(runtime, source, one)
            if not proven:
                await _bring_tokens(runtime, company_id, source)
                proven = True
            results.append(await _take(runtime, company_id, source, one, me, kind))
        except RecadoError as error:
            log.warning("zapi_import_failed", id=one.id, why=error.detail)
            results.append(Imported(id=one.id, name=one.name, outcome="failed", why=error.detail))
    return results


async def _bring_tokens(runtime: Runtime, company_id: CompanyId, source: Source) -> None:
    await accounts.change_account(
        runtime,
        company_id,
        client_token=source.client_token,
        client_token_enabled=True if source.client_token else None,
        partner_token=source.partner_token,
    )


async def _take(runtime: Runtime, company_id: CompanyId, source: Source, known: Known, me: _Me, kind: str) -> Imported:
    name = (me.name or known.name or known.id)[:_LONGEST_NAME]
    settings: dict[str, Any] = {
        "auto_read_message": bool(me.auto_read_message),
        "call_reject_auto": bool(me.call_reject_auto),
        "call_reject_message": me.call_reject_message,
    }
    outcome = "known"
    try:
        view = await runtime.directory.zapi(known.id)
    except NotFound:
        outcome = "imported"
        made = await instances.create(
            runtime,
            company_id,
            name=name,
            kind=kind,
            credentials=_credentials(source, known) if kind == "zapi" else None,
            settings=accounts.SENDING,
        )
        instance_id = made.described.instance.id
        try:
            await accounts.open_instance(runtime, company_id, instance_id, id=known.id, token=known.token)
        except RecadoError:
            await instances.delete(runtime, company_id, instance_id)
            raise
        view = await runtime.directory.zapi(known.id)
    if view.company_id != company_id:
        raise Conflict(f"The instance {known.id} is open to another company here.", code="id_taken")
    if view.token != known.token:
        raise Conflict(f"The instance {known.id} is open here by another token; close it first.", code="id_taken")
    urls, why = _urls(me), None
    if any(_leads_to_recado(url) for url in urls.values()):
        # It was connected through Recado since: what Z-API says now is what Recado asked for, not what the client did.
        urls, why = {}, "Z-API tells Recado already: its webhooks here stay as they are."
    else:
        settings["notify_sent_by_me"] = bool(me.receive_callback_sent_by_me or me.received_and_delivery_callback_url)
    await accounts.change_settings(runtime, view, settings)
    await callbacks.set_webhooks(runtime, view, urls)
    webhooks = [callback for callback, url in urls.items() if url]
    return Imported(id=known.id, name=name, outcome=outcome, webhooks=webhooks, why=why)


async def _read_me(runtime: Runtime, source: Source, known: Known) -> _Me:
    url = f"{source.base_url}/instances/{quote(known.id, safe='')}/token/{quote(known.token, safe='')}/me"
    headers = {"client-token": source.client_token} if source.client_token else {}
    hidden = [known.token, *([source.client_token] if source.client_token else [])]
    found: _Me = await _get(runtime, url, headers, _Me, hidden=hidden)
    if found.error is not None:
        raise ProviderFailed(f"Z-API answers: {_without(found.error, hidden)}")
    if found.id is None or found.id.upper() != known.id.upper():
        raise ProviderFailed("Z-API's answer is not about this instance.")
    return found


async def _get(runtime: Runtime, url: str, headers: dict[str, str], type_: Any, *, hidden: Sequence[str]) -> Any:
    """What Z-API answers. Raises `ProviderFailed`, whose words hold none of the tokens that were sent or came back."""
    try:
        response = await runtime.http.request(
            "GET", url, headers={"accept": "application/json", **headers}, timeout=_SECONDS, max_bytes=_LARGEST
        )
    except http.HttpError as error:
        raise ProviderFailed(f"Z-API cannot be reached: {error}.") from None
    if not 200 <= response.status < 300:
        said = _without(response.body.decode("utf-8", "replace"), hidden)[:200] or "nothing more"
        if 300 <= response.status < 400:
            said = "it leads elsewhere, where tokens are not sent; is --base-url right?"
        raise ProviderFailed(f"Z-API answers {response.status}: {said}")
    try:
        return msgspec.json.decode(response.body, type=type_, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The body itself is not shown: it holds tokens.
        raise ProviderFailed(f"Z-API's answer is not the one that it documents: {error}.") from None


def _without(text: str, hidden: Sequence[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, "…")
    return text


def _leads_to_recado(url: str | None) -> bool:
    """Whether Z-API tells a Recado: its addresses are those that connections of kind zapi register."""
    try:
        return url is not None and _HOOKS in urlsplit(url).path
    except ValueError:
        return False


def _credentials(source: Source, known: Known) -> dict[str, str]:
    found = {"instance_id": known.id, "token": known.token}
    return found | ({"client_token": source.client_token} if source.client_token else {})


def _urls(me: _Me) -> dict[Callback, str | None]:
    return {
        "delivery": me.delivery_callback_url,
        "received": me.received_and_delivery_callback_url or me.received_callback_url,
        "message_status": me.message_status_callback_url,
        "chat_presence": me.presence_chat_callback_url,
        "connected": me.connected_callback_url,
        "disconnected": me.disconnected_callback_url,
    }
