"""The Prometheus metrics of one process, served at `/metrics`.

Labels are bounded: content kinds, provider kinds, outcomes, routes; never ids, numbers or addresses. A counter `name` is exposed as
`name_total`. Gauges that describe the database are set by every process that runs the janitor or health, so take their max.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as _OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as _generate_openmetrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no annotation there

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

#: A call inside the machine, or to a provider or an endpoint.
_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
#: Waiting: from at once to a day.
_WAIT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)

# Messages out -----------------------------------------------------------------------------------------

messages_queued = Counter("messages_queued", "Messages accepted into a sending queue.", registry=REGISTRY)
message_queue_backlog = Gauge("message_queue_backlog", "Messages waiting to be sent.", registry=REGISTRY)
message_queue_oldest_seconds = Gauge(
    "recado_message_queue_oldest_seconds", "Age of the oldest message that is due and not sent.", registry=REGISTRY
)
message_send_attempts = Counter(
    "message_send_attempts", "Attempts to send, by content kind and outcome.", ("kind", "outcome"), registry=REGISTRY
)
message_send_duration = Histogram(
    "message_send_duration", "Seconds that one attempt took.", ("kind",), buckets=_CALL, registry=REGISTRY
)
message_queue_latency = Histogram(
    "message_queue_latency", "Seconds from acceptance to sent, pacing included.", buckets=_WAIT, registry=REGISTRY
)
message_queue_failures = Counter(
    "message_queue_failures", "Messages given up: refused, or out of attempts.", ("kind",), registry=REGISTRY
)
messages_unproven = Counter(
    "recado_messages_unproven", "Attempts whose outcome nobody told.", ("kind",), registry=REGISTRY
)
dead_letters = Gauge("recado_dead_letters", "Messages given up that nobody retried or deleted.", registry=REGISTRY)
breaker_open = Gauge(
    "recado_breaker_open", "Servers of a kind that are not called for a while because they keep failing.", ("kind",),
    registry=REGISTRY,
)  # fmt: skip

# Provider webhooks in ---------------------------------------------------------------------------------

provider_webhooks = Counter(
    "provider_webhooks",
    "Webhooks from providers: stored, unverified, unknown_target, too_large, unreadable, processed.",
    ("kind", "result"),
    registry=REGISTRY,
)
inbound_backlog = Gauge("recado_inbound_backlog", "Provider webhooks stored and not processed yet.", registry=REGISTRY)
inbound_lag_seconds = Gauge(
    "recado_inbound_lag_seconds", "Age of the oldest provider webhook not processed yet.", registry=REGISTRY
)
inbound_events = Counter(
    "recado_inbound_events", "Events read out of provider webhooks.", ("kind", "type"), registry=REGISTRY
)
inbound_latency = Histogram(
    "recado_inbound_latency_seconds", "Seconds from receiving a provider webhook to its rows.", buckets=_WAIT,
    registry=REGISTRY,
)  # fmt: skip

reactions = Counter(
    "recado_reactions",
    "What was done about what came in without being asked (auto_read_message, auto_read_status, call_reject_auto): done, "
    "skipped, failed, dropped.",
    ("setting", "result"),
    registry=REGISTRY,
)

# Deliveries to companies ------------------------------------------------------------------------------

webhook_delivery_attempts = Counter(
    "recado_webhook_delivery_attempts",
    "Posts to companies' endpoints: delivered, refused, failed, forbidden.",
    ("result",),
    registry=REGISTRY,
)
webhook_delivery_duration = Histogram(
    "recado_webhook_delivery_duration_seconds", "Seconds that one post took.", buckets=_CALL, registry=REGISTRY
)
webhook_delivery_latency = Histogram(
    "recado_webhook_delivery_latency_seconds", "Seconds from event to delivered.", buckets=_WAIT, registry=REGISTRY
)
webhook_delivery_backlog = Gauge(
    "recado_webhook_delivery_backlog", "Deliveries pending to active endpoints.", registry=REGISTRY
)
webhook_delivery_lag_seconds = Gauge(
    "webhook_delivery_lag_seconds", "Age of the oldest pending delivery to an active endpoint.", registry=REGISTRY
)

# The process and what it depends on -------------------------------------------------------------------

loop_errors = Counter("recado_loop_errors", "Errors that a worker's loop survived.", ("loop",), registry=REGISTRY)
servers_healthy = Gauge("recado_servers_healthy", "Servers that answer.", ("kind",), registry=REGISTRY)
servers_unhealthy = Gauge("recado_servers_unhealthy", "Servers that do not.", ("kind",), registry=REGISTRY)
connections_by_status = Gauge("recado_connections", "Connections by state.", ("kind", "status"), registry=REGISTRY)
provider_latency_seconds = Gauge(
    "recado_provider_latency_seconds", "How long the slowest server of a kind took at its last check.", ("kind",),
    registry=REGISTRY,
)  # fmt: skip
provider_error_rate = Gauge(
    "recado_provider_error_rate",
    "Share of failed checks in about the last five minutes, of the worst server of a kind.",
    ("kind",),
    registry=REGISTRY,
)
provider_unhealthy_seconds = Gauge(
    "recado_provider_unhealthy_seconds", "How long the server of a kind that is away longest has been; 0 when all answer.",
    ("kind",), registry=REGISTRY,
)  # fmt: skip
health_check_duration = Histogram(
    "recado_health_check_duration_seconds", "Seconds that one check of a server or a connection took.",
    ("kind", "checked"), buckets=_CALL, registry=REGISTRY,
)  # fmt: skip
native_numbers = Gauge(
    "recado_native_numbers",
    "Numbers of the built-in engine: wanted, held, and how many its processes can hold together (capacity).",
    ("state",), registry=REGISTRY,
)  # fmt: skip
connections_with_evidence = Gauge(
    "recado_connections_with_evidence", "Connections that look dead, by evidence: silent, unacknowledged, canary.",
    ("kind", "evidence"), registry=REGISTRY,
)  # fmt: skip
recovery_steps = Counter(
    "recado_recovery_steps", "Steps taken to bring connections back.", ("kind", "step", "result"), registry=REGISTRY
)
recoveries = Gauge(
    "recado_recoveries", "Connections that are being brought back (running), or were given up (given_up).", ("state",),
    registry=REGISTRY,
)  # fmt: skip
media_fetches = Counter(
    "recado_media_fetches",
    "Fetches of received media, and of links to send: ready, retry, failed.",
    ("kind", "result"),
    registry=REGISTRY,
)
http_requests = Counter(
    "recado_http_requests", "Requests by route template and status.", ("method", "route", "status"), registry=REGISTRY
)
http_request_duration = Histogram(
    "recado_http_request_duration_seconds", "Seconds to answer a request.", ("method", "route"), buckets=_CALL,
    registry=REGISTRY,
)  # fmt: skip


def exposition(accept: str = "") -> tuple[bytes, str]:
    """The metrics as text, and its content type: OpenMetrics for who asks for it, else Prometheus's own."""
    if "application/openmetrics-text" in accept:
        return _generate_openmetrics(REGISTRY), _OPENMETRICS  # type: ignore[no-untyped-call]
    return generate_latest(REGISTRY), "text/plain; version=0.0.4; charset=utf-8"
