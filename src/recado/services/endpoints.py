"""How companies' endpoints do, as one process sees it: what is in flight to each, which fail, when to probe those.

It keeps a slow or dead endpoint from delaying another: each has its share of what may be in flight, a slow one a
smaller share, and one that fails gets one probe at a time, ever more rarely. What must survive a restart (since when
an endpoint fails, when a lane is due) is in the database; to forget what is here costs one early probe.
"""

import random
from datetime import datetime, timedelta

import msgspec

from recado.domain.ids import DeliveryId, WebhookId
from recado.store.deliveries import Room

#: So many failures without a success between, or so long without one, and an endpoint counts as failing.
FAILURES = 8
PATIENCE = timedelta(seconds=4)
#: Probes come after a quarter of the time that the endpoint has failed, within these bounds.
FIRST_PROBE = timedelta(seconds=5)
LAST_PROBE = timedelta(minutes=15)
#: From then on an answer is slow: it counts against its endpoint, no longer against the process.
SLOW = timedelta(seconds=1)
#: For so long after a slow answer an endpoint has a smaller share, unless a quick one comes first.
SLOW_FOR = timedelta(minutes=1)
#: How often one success may bring forward what waits for a retry.
HASTEN_EVERY = timedelta(minutes=1)


class _Endpoint(msgspec.Struct):
    flights: dict[DeliveryId, datetime] = msgspec.field(default_factory=dict)
    slow_until: datetime | None = None
    failures: int = 0
    failed_from: datetime | None = None
    probe_at: datetime | None = None
    #: Something waits for a retry that failed when the endpoint did, and may go now that it works.
    owed: bool = False
    hastened_at: datetime | None = None


class Endpoints:
    """At most `concurrency` quick deliveries in flight, four times as many with the slow ones.

    An endpoint has at most `each` of them, half of what there is; a slow one a quarter of that.
    """

    def __init__(self, concurrency: int, rng: random.Random) -> None:
        self.each = max(2, concurrency // 2)
        self._concurrency = concurrency
        self._rng = rng
        self._known: dict[WebhookId, _Endpoint] = {}

    def free(self, now: datetime) -> int:
        """How many more deliveries may start."""
        started = [at for endpoint in self._known.values() for at in endpoint.flights.values()]
        quick = sum(now - at < SLOW for at in started)
        return max(0, min(self._concurrency - quick, 4 * self._concurrency - len(started)))

    def rooms(self, now: datetime) -> dict[WebhookId, Room]:
        """How many more deliveries each endpoint may have, where it is not simply `each`, or one while failing."""
        self._forget(now)
        return {webhook_id: self._room(endpoint, now) for webhook_id, endpoint in self._known.items()}

    def _room(self, endpoint: _Endpoint, now: datetime) -> Room:
        slow = _ahead(endpoint.slow_until, now) or any(now - at >= SLOW for at in endpoint.flights.values())
        share = max(1, self.each // 4) if slow else self.each
        probing = not endpoint.flights and not _ahead(endpoint.probe_at, now)
        return Room(healthy=max(0, share - len(endpoint.flights)), failing=int(probing))

    def _forget(self, now: datetime) -> None:
        old = [
            webhook_id
            for webhook_id, endpoint in self._known.items()
            if not endpoint.flights
            and not _ahead(endpoint.slow_until, now)
            and not _ahead(endpoint.probe_at, now)
            and (not endpoint.owed if endpoint.failed_from is None else now - endpoint.failed_from > 8 * LAST_PROBE)
        ]
        for webhook_id in old:
            del self._known[webhook_id]

    def next_probe(self, now: datetime) -> datetime | None:
        """When the next failing endpoint may be probed, if that is ahead."""
        probes = [endpoint.probe_at for endpoint in self._known.values()]
        return min((at for at in probes if at is not None and at > now), default=None)

    def started(self, webhook_id: WebhookId, delivery_id: DeliveryId, now: datetime) -> None:
        """A delivery is in flight."""
        self._known.setdefault(webhook_id, _Endpoint()).flights[delivery_id] = now

    def ended(self, webhook_id: WebhookId, delivery_id: DeliveryId, now: datetime) -> None:
        """It no longer is. How long it took decides the endpoint's share from now on."""
        endpoint = self._known.get(webhook_id)
        started = endpoint.flights.pop(delivery_id, None) if endpoint else None
        if endpoint is not None and started is not None:
            endpoint.slow_until = now + SLOW_FOR if now - started >= SLOW else None

    def succeeded(self, webhook_id: WebhookId, now: datetime) -> bool:
        """The endpoint took a delivery. Return whether what waits for a retry should go at once.

        It should after a short outage that never made the endpoint count as failing, or it would wait for minutes. At
        most once in a while, because a delivery that the endpoint refuses for its own sake gains nothing by it.
        """
        endpoint = self._known.setdefault(webhook_id, _Endpoint())
        endpoint.failures, endpoint.failed_from, endpoint.probe_at = 0, None, None
        recently = endpoint.hastened_at is not None and now - endpoint.hastened_at < HASTEN_EVERY
        if not endpoint.owed or recently:
            return False
        endpoint.owed, endpoint.hastened_at = False, now
        return True

    def failed(
        self, webhook_id: WebhookId, now: datetime, *, failing_since: datetime | None, retry_after: float | None
    ) -> datetime | None:
        """The endpoint did not take a delivery. Return since when it counts as failing, or None while it does not.

        `failing_since` is what the database says. An endpoint that asks for time (`retry_after`) gets it at once.
        """
        endpoint = self._known.setdefault(webhook_id, _Endpoint())
        endpoint.failures += 1
        endpoint.owed = True
        endpoint.failed_from = min(filter(None, (endpoint.failed_from, failing_since, now)))
        lasted = now - endpoint.failed_from
        if failing_since is None and retry_after is None and endpoint.failures < FAILURES and lasted < PATIENCE:
            return None
        gap = min(max(lasted / 4, FIRST_PROBE), LAST_PROBE) * self._rng.uniform(1, 1.2)
        endpoint.probe_at = now + max(gap, timedelta(seconds=retry_after or 0))
        return endpoint.failed_from


def _ahead(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now
