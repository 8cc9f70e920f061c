"""What an answer means and when to try again, without any input or output."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from recado.domain import ids
from recado.domain.ids import CompanyId, DeliveryId, EventId, WebhookId
from recado.kit.http import Response
from recado.services import delivering
from recado.services.delivering import SCHEDULE, Answer
from recado.services.endpoints import FAILURES, Endpoints
from recado.store.deliveries import Claimed, Room

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def claimed(
    attempts: int = 0, first_at: datetime | None = None, failing_since: datetime | None = None, *, gone: bool = False
) -> Claimed:
    return Claimed(
        company_id=CompanyId(ids.new()),
        webhook_id=WebhookId(ids.new()),
        key="",
        fence=1,
        delivery_id=DeliveryId(ids.new()),
        attempts=attempts,
        number=attempts + 1,
        first_at=first_at,
        url="https://example.com/",
        secret=b"",
        previous_secret=None,
        previous_until=None,
        failing_since=failing_since,
        event_id=EventId(ids.new()),
        type=None if gone else "message.received",
        at=None if gone else NOW,
        instance_id=None,
        conversation_id=None,
        sequence=None if gone else 1,
        data=None if gone else "{}",
        format="recado",
        callback=None,
        message_id=None,
    )


def test_the_schedule_is_followed_to_its_end() -> None:
    rng, now, made = random.Random(1), NOW, 0
    waits = []
    while True:
        made += 1
        delay = delivering.retry_delay(made, NOW, now, rng)
        if delay is None:
            break
        waits.append(delay)
        now += timedelta(seconds=delay)
    assert len(waits) == len(SCHEDULE)
    for wait, planned in zip(waits, SCHEDULE, strict=True):
        assert planned <= wait <= 1.2 * planned


def test_probes_do_not_use_the_schedule_up() -> None:
    rng = random.Random(1)
    for made in range(3, 40):
        delay = delivering.retry_delay(made, NOW, NOW + timedelta(seconds=100), rng)
        assert delay is not None
        assert 205 <= delay <= 1.2 * 205
    assert delivering.retry_delay(400, NOW, NOW + timedelta(seconds=sum(SCHEDULE)), rng) is None


def test_a_long_stop_of_our_own_does_not_use_the_schedule_up() -> None:
    delay = delivering.retry_delay(2, NOW - 30 * DAY, NOW, random.Random(1))
    assert delay is not None
    assert delay <= 1.2 * 300


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 1),
        ("-5", 1),
        ("999999999", 86_400),
        ("Tue, 01 Dec 2026 12:01:00 GMT", 60),
        ("Tue, 01 Dec 2026 11:00:00 GMT", 1),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert delivering.read_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "delivered", "asks"),
    [(200, True, False), (204, True, False), (301, False, False), (304, False, False), (400, False, False),
     (404, False, False), (429, False, True), (500, False, False), (503, False, True)],
)  # fmt: skip
def test_what_a_status_means(status: int, delivered: bool, asks: bool) -> None:
    answer = delivering.read_answer(Response(status=status, headers={"retry-after": "7"}, body=b"no\x00"), NOW)
    assert (answer.error is None) is delivered
    assert (answer.retry_after == 7) is asks
    assert "\x00" not in (answer.error or "")


def test_an_answer_is_kept_in_part() -> None:
    answer = delivering.read_answer(Response(status=500, headers={}, body="é".encode() * 5_000), NOW)
    assert answer.error is not None
    assert len(answer.error) == delivering.SNIPPET


def test_verdicts() -> None:
    rng = random.Random(1)
    failed = Answer(result="refused", status=500, error="no")
    old = NOW - 5 * DAY
    assert delivering.decide(claimed(), Answer(result="delivered", status=200), NOW, rng).status == "delivered"
    first = delivering.decide(claimed(), failed, NOW, rng)
    assert first.retry_at is not None
    assert timedelta(seconds=5) <= first.retry_at - NOW <= timedelta(seconds=6)
    asked = delivering.decide(claimed(), Answer(result="refused", status=429, error="no", retry_after=90), NOW, rng)
    assert asked.retry_at == NOW + timedelta(seconds=90)
    gone = delivering.decide(claimed(), Answer(result="refused", status=410, error="no"), NOW, rng)
    assert (gone.status, bool(gone.pause)) == ("pending", True)
    # Nothing was taken since before its first attempt: the endpoint is dead, its backlog is kept.
    dead = delivering.decide(claimed(9, old, old), failed, NOW, rng)
    assert (dead.status, bool(dead.pause)) == ("pending", True)
    # Others were taken meanwhile: this one is given up.
    poison = delivering.decide(claimed(9, old), failed, NOW, rng)
    assert (poison.status, poison.pause) == ("failed", None)
    late = delivering.decide(claimed(gone=True), Answer(result="failed", error="too late"), NOW, rng)
    assert late.status == "failed"


# --- endpoints ----------------------------------------------------------------------------------------


def test_a_slow_endpoint_counts_against_itself_only() -> None:
    endpoints, slow = Endpoints(16, random.Random(1)), WebhookId(ids.new())
    flights = [DeliveryId(ids.new()) for _ in range(endpoints.each)]
    for flight in flights:
        endpoints.started(slow, flight, NOW)
    assert endpoints.free(NOW) == 16 - endpoints.each
    assert endpoints.rooms(NOW)[slow] == Room(healthy=0, failing=0)
    later = NOW + timedelta(seconds=2)
    assert endpoints.free(later) == 16
    for flight in flights:
        endpoints.ended(slow, flight, later)
    # It keeps the smaller share until it answers quickly, so that it cannot take half of everything again and again.
    assert endpoints.rooms(later)[slow].healthy == endpoints.each // 4
    endpoints.started(slow, flights[0], later)
    endpoints.ended(slow, flights[0], later)
    assert slow not in endpoints.rooms(later)


def test_many_slow_endpoints_still_have_a_bound() -> None:
    endpoints = Endpoints(16, random.Random(1))
    for _ in range(63):
        endpoints.started(WebhookId(ids.new()), DeliveryId(ids.new()), NOW)
    assert endpoints.free(NOW + timedelta(seconds=2)) == 1


def test_a_few_failures_are_no_outage() -> None:
    endpoints, webhook = Endpoints(16, random.Random(1)), WebhookId(ids.new())
    for _ in range(FAILURES - 1):
        assert endpoints.failed(webhook, NOW, failing_since=None, retry_after=None) is None
    endpoints.succeeded(webhook, NOW)
    assert endpoints.failed(webhook, NOW, failing_since=None, retry_after=None) is None
    later = NOW + timedelta(seconds=5)
    assert endpoints.failed(webhook, later, failing_since=None, retry_after=None) == NOW


def test_probes_come_ever_more_rarely() -> None:
    endpoints, webhook, now = Endpoints(16, random.Random(1)), WebhookId(ids.new()), NOW
    probes = []
    while now < NOW + DAY:
        assert endpoints.failed(webhook, now, failing_since=NOW, retry_after=None) == NOW
        assert endpoints.rooms(now)[webhook].failing == 0
        at = endpoints.next_probe(now)
        assert at is not None
        # After some hours it is known from the database alone.
        assert endpoints.rooms(at).get(webhook, Room(healthy=1, failing=1)).failing == 1
        now = at
        probes.append(at)
    assert probes[0] - NOW <= timedelta(seconds=6)
    # After an outage of a minute the endpoint is found within a quarter of that.
    assert any(timedelta(0) <= at - NOW - timedelta(seconds=60) <= timedelta(seconds=18) for at in probes)
    assert all(later - earlier <= timedelta(minutes=18) for earlier, later in pairwise(probes))
    assert len(probes) < 150


def test_an_endpoint_that_asks_for_time_gets_it() -> None:
    endpoints, webhook = Endpoints(16, random.Random(1)), WebhookId(ids.new())
    assert endpoints.failed(webhook, NOW, failing_since=None, retry_after=600) == NOW
    assert endpoints.rooms(NOW + timedelta(seconds=599))[webhook].failing == 0
    assert endpoints.rooms(NOW + timedelta(seconds=600))[webhook].failing == 1


def test_a_success_brings_forward_what_failed_before_once_in_a_while() -> None:
    """An outage too short to count as failing must not leave a delivery waiting for minutes; a poison one may."""
    known = Endpoints(8, random.Random(1))
    webhook, now = WebhookId(ids.new()), NOW
    assert not known.succeeded(webhook, now)
    assert known.failed(webhook, now, failing_since=None, retry_after=None) is None
    assert known.succeeded(webhook, now)
    assert not known.succeeded(webhook, now)
    known.failed(webhook, now, failing_since=None, retry_after=None)
    assert not known.succeeded(webhook, now + timedelta(seconds=59))
    assert known.succeeded(webhook, now + timedelta(seconds=61))


@pytest.mark.parametrize("absurd", ["9" * 400, "9" * 5_000, "Mon, 01 Jan 2035 00:00:00 +999999999", "soon", ""])
def test_an_absurd_retry_after_is_no_error_of_ours(absurd: str) -> None:
    wanted = delivering.read_retry_after(absurd, NOW)
    assert wanted is None or 1 <= wanted <= 86_400
