"""Delivering events to companies' endpoints: the request, what its answer means, when to try again.

The request follows Standard Webhooks: `webhook-id` is the event's id on every attempt, and both secrets sign while
one replaces the other. A 2xx is a delivery; everything else, a redirect included, is tried again on `SCHEDULE`.

An endpoint of the format `zapi` gets the event in Z-API's shape (`services.zapi.telling`), with Z-API's headers beside
ours. It is not told of every event: then nothing is posted and the delivery ends as `skipped`.
"""

import functools
import itertools
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec
import structlog

from recado.domain.ids import CompanyId, WebhookId
from recado.kit import http, signing
from recado.kit.crypto import CryptoError, Keyring
from recado.services.runtime import Runtime
from recado.services.zapi import telling
from recado.store import deliveries, events, webhooks
from recado.telemetry import metrics

log = structlog.get_logger(__name__)

#: Seconds before each retry, each up to a fifth longer.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: When each retry falls due after the first attempt, were answers instant.
_OFFSETS = tuple(itertools.accumulate(SCHEDULE))
LONGEST_RETRY_AFTER = 86_400.0
#: How much of an endpoint's answer is kept with a failed attempt.
SNIPPET = 500
_MOST_ANSWER_BYTES = 65_536

_ASKS_FOR_TIME = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
#: After so many refusals a callback in Z-API's shape no longer holds up those behind it.
ASIDE_AFTER = 3
#: Answers that say nothing of what was posted: nobody was there to look at it.
_AWAY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GONE, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint receives."""

    id: str
    type: str
    at: datetime
    company_id: str
    instance_id: str | None
    conversation_id: str | None
    sequence: int
    data: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one post. `error` is None when the endpoint took it; `result` is the metric's label.

    `skipped` is why nothing was posted, which says nothing of the endpoint; with an `error` it should have been.
    """

    result: str
    skipped: str | None = None
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What follows: the delivery's status, its next try, whether those behind it go on without it, and why its endpoint
    is to be paused, if it is."""

    status: deliveries.Status
    retry_at: datetime | None = None
    aside: bool = False
    pause: str | None = None


# --- the request ---------------------------------------------------------------------------------------


def body(claimed: deliveries.Claimed) -> bytes:
    """The event as JSON: the same bytes on every attempt."""
    assert claimed.type is not None, "the event is here"
    assert claimed.at is not None, "the event is here"
    assert claimed.sequence is not None, "the event is here"
    return msgspec.json.encode(
        Body(
            id=str(claimed.event_id),
            type=claimed.type,
            at=claimed.at,
            company_id=str(claimed.company_id),
            instance_id=str(claimed.instance_id) if claimed.instance_id else None,
            conversation_id=str(claimed.conversation_id) if claimed.conversation_id else None,
            sequence=claimed.sequence,
            data=msgspec.Raw((claimed.data or "{}").encode()),
        )
    )


def secrets(claimed: deliveries.Claimed, keyring: Keyring, now: datetime) -> list[str]:
    """The secrets that sign, the newest first. Raises `CryptoError`."""
    context = secret_context(claimed.webhook_id)
    found = [_open(keyring, claimed.secret, context)]
    if claimed.previous_secret is not None and claimed.previous_until is not None and claimed.previous_until > now:
        found.append(_open(keyring, claimed.previous_secret, context))
    return found


@functools.lru_cache(maxsize=4_096)
def _open(keyring: Keyring, sealed: bytes, context: bytes) -> str:
    return keyring.decrypt(sealed, context).decode()


def secret_context(webhook_id: WebhookId) -> bytes:
    """What an endpoint's sealed secrets are bound to."""
    return b"webhook:" + webhook_id.bytes


def headers(event_id: str, content: bytes, signing_secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of one attempt."""
    timestamp = int(now.timestamp())
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(signing_secrets, event_id, timestamp, content),
    }


async def post(runtime: Runtime, claimed: deliveries.Claimed, now: datetime) -> Answer:
    """Make one attempt. Whatever the endpoint or the network does is an answer."""
    if claimed.type is None:
        return Answer(result="failed", error="The event's retention ended before it could be delivered.")
    beside: Mapping[str, str] = {}
    if claimed.format == "zapi":
        told = await telling.tell(runtime, claimed)
        if isinstance(told, telling.Skipped):
            return Answer(result="skipped", skipped=told.why, error=told.why if told.broke else None)
        content, beside = told.body, told.headers
    else:
        content = body(claimed)
    try:
        signing_secrets = secrets(claimed, runtime.keyring, now)
    except CryptoError as error:
        log.error("webhook_secret_unreadable", webhook_id=str(claimed.webhook_id), why=str(error))
        return Answer(result="failed", error=f"The endpoint's secret cannot be read: {error}.")
    try:
        response = await runtime.http.request(
            "POST",
            claimed.url,
            headers={**headers(str(claimed.event_id), content, signing_secrets, now), **beside},
            data=content,
            timeout=runtime.settings.delivery_timeout_seconds,
            max_bytes=_MOST_ANSWER_BYTES,
            follow=0,
        )
    except http.Forbidden as error:
        return Answer(result="forbidden", error=f"Not sent: {error}."[:SNIPPET])
    except http.HttpError as error:
        if error.status is None:
            return Answer(result="failed", error=f"{str(error)[:SNIPPET]}.")
        # Only the answer's body was of no use.
        response = http.Response(status=error.status, headers={}, body=b"")
    return read_answer(response, now)


def read_answer(response: http.Response, now: datetime) -> Answer:
    """What a response means."""
    if 200 <= response.status < 300:
        return Answer(result="delivered", status=response.status)
    text = response.body[: 4 * SNIPPET].decode("utf-8", "replace").replace("\x00", "\ufffd").strip()
    wanted = response.headers.get("retry-after") if response.status in _ASKS_FOR_TIME else None
    return Answer(
        result="refused",
        status=response.status,
        error=text[:SNIPPET] or f"The endpoint answered {response.status}.",
        retry_after=None if wanted is None else read_retry_after(wanted, now),
    )


def read_retry_after(value: str, now: datetime) -> float | None:
    """The seconds of a `Retry-After` header, which holds seconds or a date; between one second and a day."""
    try:
        seconds = float(int(value))
    except (ValueError, OverflowError):
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 1.0), LONGEST_RETRY_AFTER)


# --- what follows --------------------------------------------------------------------------------------


def decide(claimed: deliveries.Claimed, answer: Answer, now: datetime, rng: random.Random) -> Verdict:
    """What follows from an answer.

    An endpoint that says it is gone, or that took nothing until the schedule of its oldest delivery ran out, is
    paused with that delivery kept. Where others were taken meanwhile, the one delivery is given up.
    """
    if answer.skipped is not None:
        return Verdict(status="failed" if answer.error else "skipped")
    if answer.error is None:
        return Verdict(status="delivered")
    if claimed.type is None:
        return Verdict(status="failed")
    if answer.status == HTTPStatus.GONE:
        return Verdict(status="pending", retry_at=now + timedelta(minutes=1), pause="The endpoint answered 410 Gone.")
    delay = retry_delay(claimed.attempts + 1, claimed.first_at or now, now, rng)
    if delay is None and claimed.failing_since is None:
        return Verdict(status="failed")
    if delay is None:
        return Verdict(
            status="pending",
            retry_at=now + timedelta(minutes=1),
            pause=f"The endpoint took nothing since {claimed.failing_since:%Y-%m-%d %H:%M} UTC.",
        )
    retry_at = now + timedelta(seconds=answer.retry_after or delay)
    return Verdict(status="pending", retry_at=retry_at, aside=_steps_aside(claimed, answer))


def _steps_aside(claimed: deliveries.Claimed, answer: Answer) -> bool:
    """Whether those behind a delivery go on without it.

    Z-API's callbacks of an instance stand in one queue per address, so one that the client's handler always breaks on
    would stop all its webhooks for days. It is tried on by itself.
    """
    if claimed.format != "zapi" or claimed.key != str(claimed.instance_id) or answer.status is None:
        return False
    looked = 400 <= answer.status <= HTTPStatus.NOT_IMPLEMENTED and answer.status not in _AWAY
    return looked and claimed.attempts + 1 >= ASIDE_AFTER


def retry_delay(made: int, first_at: datetime, now: datetime, rng: random.Random) -> float | None:
    """Seconds until the next try after `made` failed ones, the first at `first_at`. None: the schedule is over.

    Probes come between the scheduled tries and must not use the schedule up: while there were more tries than the
    time since the first one calls for, the time decides. After a long stop of our own, the count does.
    """
    elapsed = (now - first_at).total_seconds()
    passed = sum(offset <= elapsed for offset in _OFFSETS)
    if made <= passed + 1:
        delay = float(SCHEDULE[made - 1]) if made <= len(SCHEDULE) else None
    else:
        delay = max(_OFFSETS[passed] - elapsed, float(SCHEDULE[0])) if passed < len(SCHEDULE) else None
    return None if delay is None else delay * rng.uniform(1, 1.2)


def observe(claimed: deliveries.Claimed, answer: Answer, seconds: float, now: datetime) -> None:
    """Count an attempt. What was skipped was none."""
    if answer.skipped is not None:
        return
    metrics.webhook_delivery_attempts.labels(result=answer.result).inc()
    metrics.webhook_delivery_duration.observe(seconds)
    if answer.error is None and claimed.at is not None:
        metrics.webhook_delivery_latency.observe(max(0.0, (now - claimed.at).total_seconds()))
    if answer.error is not None:
        log.info(
            "delivery_failed",
            webhook_id=str(claimed.webhook_id),
            delivery_id=str(claimed.delivery_id),
            attempt=claimed.number,
            status=answer.status,
            result=answer.result,
            duration_ms=round(seconds * 1_000, 1),
        )


# --- endpoints -----------------------------------------------------------------------------------------


async def mark_failing(runtime: Runtime, company_id: CompanyId, webhook_id: WebhookId, since: datetime) -> None:
    """An endpoint takes nothing: from now on it is only probed, by every process."""
    async with runtime.db.worker.acquire() as connection:
        if await webhooks.mark_failing(connection, company_id, webhook_id, since):
            log.warning("webhook_failing", webhook_id=str(webhook_id), since=since.isoformat())


async def recover(runtime: Runtime, company_id: CompanyId, webhook_id: WebhookId, now: datetime) -> None:
    """An endpoint that failed took a delivery: what waits for its retry goes at once."""
    async with runtime.db.work() as connection:
        if not await webhooks.mark_recovered(connection, company_id, webhook_id):
            return
        await deliveries.hasten(connection, company_id, webhook_id, now=now)
        await webhooks.notify(connection, "deliveries")
    log.info("webhook_recovered", webhook_id=str(webhook_id))


async def hasten(runtime: Runtime, company_id: CompanyId, webhook_id: WebhookId, now: datetime) -> None:
    """What waits for its retry goes at once: the endpoint works, though some of its deliveries failed."""
    async with runtime.db.work() as connection:
        await deliveries.hasten(connection, company_id, webhook_id, now=now)
        await webhooks.notify(connection, "deliveries")


async def pause(runtime: Runtime, company_id: CompanyId, webhook_id: WebhookId, reason: str) -> None:
    """Stop delivering to an endpoint, keep what waits, and tell the company: its other endpoints and its event log."""
    async with runtime.db.work() as connection:
        paused = await webhooks.pause(connection, company_id, webhook_id, reason)
        if paused is None:
            return
        await deliveries.park(connection, company_id, webhook_id)
        told = {
            "webhook_id": str(webhook_id),
            "reason": reason,
            "failing_since": paused.failing_since,
            "pending": await deliveries.count_pending(connection, company_id, webhook_id),
        }
        event = events.NewEvent(company_id=company_id, type="webhook.paused", data=told, instance_id=paused.instance_id)
        await events.insert(connection, [event])
    log.warning("webhook_paused", webhook_id=str(webhook_id), company_id=str(company_id), reason=reason)
