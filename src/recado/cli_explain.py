"""`recado explain`: what became of a message, in words, from what the database has."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from recado import cli_common
from recado.domain.errors import NotFound
from recado.domain.states import SENDING, ConnectionStatus
from recado.services import instances, messaging
from recado.services.directory import Principal
from recado.store import operations

if TYPE_CHECKING:
    from recado.config import Settings
    from recado.services.runtime import Runtime
    from recado.store.instances import Instance


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, and since when it is true."""

    at: datetime
    state: str
    text: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict` sums up where the message stands, and what can be done."""

    message_id: UUID
    company_id: UUID
    instance_id: UUID
    status: str
    steps: list[Step]
    verdict: str


async def tell(settings: "Settings", message_id: UUID) -> Story:
    """The story of a message. Raises `NotFound`."""
    async with cli_common.opened(settings) as runtime:
        return await story(runtime, message_id, datetime.now(UTC))


async def story(runtime: "Runtime", message_id: UUID, now: datetime) -> Story:
    """As `tell`, with the clients given."""
    async with runtime.db.work() as connection:
        company_id = await operations.company_of_message(connection, message_id)
    if company_id is None:
        raise NotFound(f"There is no message {message_id} in this database.")
    principal = Principal(level="company", company_id=company_id, instance_id=None, token_id=None)
    view = await messaging.get(runtime, principal, message_id)
    instance = (await instances.get(runtime, company_id, view.instance_id)).instance
    attempts = {str(attempt.id): attempt for attempt in view.attempts or []}
    return Story(
        message_id=message_id,
        company_id=company_id,
        instance_id=view.instance_id,
        status=view.status,
        steps=[_step(view, moment, attempts) for moment in view.timeline or []],
        verdict=_verdict(view, instance, now),
    )


def show(told: Story) -> None:
    """Print it, each time as the distance from the first."""
    import typer

    typer.echo(f"message {told.message_id}  {told.status}\n")
    start = told.steps[0].at if told.steps else None
    for step in told.steps:
        since = "" if start is None or step.at == start else f"+{_seconds((step.at - start).total_seconds())}"
        typer.echo(f"  {step.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z {since:>10}  {step.text}")
    typer.echo(f"\n{told.verdict}")


_RECEIPTS = {
    "sent": "The provider says it is sent.",
    "server_ack": "WhatsApp's server has it.",
    "delivered": "It is on the recipient's phone.",
    "read": "The recipient read it.",
    "played": "The recipient played it.",
}


def _step(view: messaging.MessageView, moment: messaging.Moment, attempts: dict[str, messaging.Attempt]) -> Step:
    return Step(at=moment.at, state=moment.state, text=_words(view, moment, attempts))


def _words(view: messaging.MessageView, moment: messaging.Moment, attempts: dict[str, messaging.Attempt]) -> str:
    attempt = attempts.get(str(moment.proof.get("attempt_id")))
    if attempt is not None:
        return _attempt_words(attempt)
    if moment.state == "accepted":
        return f"Accepted: {view.type} to {view.to}, priority {view.priority}."
    if moment.state == "received":
        return f"Received: {view.type} from {view.sender}."
    if moment.state == "failed":
        error = moment.proof.get("error") or {}
        return f"The provider reports a failure: {error.get('code', 'no code')}: {error.get('why', 'no reason given')}."
    group = f" ({moment.proof['recipient']})" if moment.proof.get("recipient") else ""
    return _RECEIPTS.get(moment.state, f"The provider reports {moment.state}.") + group


def _attempt_words(attempt: messaging.Attempt) -> str:
    took = "" if attempt.duration_ms is None else f" after {_seconds(attempt.duration_ms / 1_000)}"
    why = ": ".join(part for part in (attempt.code, attempt.why) if part) or "no reason given"
    outcomes = {
        "accepted": f"the provider took it{took} as {attempt.provider_id}.",
        "refused": f"refused for good{took}. {why}",
        "retry": f"not sent{took}, to be tried again. {why}",
        "not_connected": f"not sent: the number is not connected. {why}",
        "limited": f"not sent: held back by a rate limit. {why}",
        "unknown": f"it may have been sent, no answer tells{took}. {why}",
    }
    return f"Attempt {attempt.number}: {outcomes.get(attempt.outcome, f'{attempt.outcome}. {why}')}"


def _verdict(view: messaging.MessageView, instance: "Instance", now: datetime) -> str:
    again = f"POST /v1/messages/{view.id}/retry tries again."
    resent = " It was sent again after an attempt without an answer, so the recipient may have it twice."
    verdicts = {
        "received": "It is kept, and was handed to the webhooks that asked for it.",
        "queued": f"It waits to be sent. {_waiting(instance, now)}",
        "sent": "The provider has it; the recipient's phone has not acknowledged it yet.",
        "server_ack": "WhatsApp has it; the recipient's phone is off or out of reach.",
        "delivered": "It arrived; whether it was read is not known.",
        "read": "It arrived and was read.",
        "played": "It arrived and was played.",
        "cancelled": "It was taken back before it was sent.",
        "failed": f"It was given up. {_error(view.error)} {again}",
        "unproven": "It may have reached the recipient; nothing proves it. Recado does not send it again by itself. "
        + again,
    }
    return verdicts.get(view.status, f"It is {view.status}.") + (resent if view.resent else "")


def _waiting(instance: "Instance", now: datetime) -> str:
    if instance.paused:
        return f"The queue of {instance.name} is paused: POST /v1/instances/{instance.id}/queue/resume lets it go."
    if ConnectionStatus(instance.status) not in SENDING:
        return (
            f"{instance.name} is {instance.status}"
            + (f" ({instance.status_reason})" if instance.status_reason else "")
            + f": it goes once the number is connected. POST /v1/instances/{instance.id}/connect starts that."
        )
    if instance.hold_until is not None and instance.hold_until > now:
        return f"The provider limited the whole number until {instance.hold_until:%Y-%m-%d %H:%M:%S}Z."
    return "Its turn comes after what is before it, at the instance's pace."


def _error(error: dict[str, Any] | None) -> str:
    if not error:
        return "No reason was recorded."
    return f"{error.get('code', 'no code')}: {error.get('why', 'no reason given')}."


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
