"""Traces (OpenTelemetry) and unexpected errors (Sentry). Both load only when configured: they are large."""

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from structlog.typing import EventDict

from recado import __version__
from recado.telemetry import logs, redaction

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()


class NotInstalled(Exception):
    """A service is configured whose package is missing. The message says what to install."""


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[Any]:
    """A span of the current trace; nothing at all when no collector is configured."""
    if _tracer is None:
        return _NOTHING
    return _tracer.start_as_current_span(name, attributes=attributes)


class Wanted(Protocol):
    """The settings that matter here."""

    @property
    def sentry_dsn(self) -> str | None: ...

    @property
    def otlp_endpoint(self) -> str | None: ...


def configure(settings: Wanted) -> None:
    """Start what is configured. Raises `NotInstalled`."""
    if settings.otlp_endpoint:
        _start_otlp(settings.otlp_endpoint)
    if settings.sentry_dsn:
        logs.report_errors(_start_sentry(settings.sentry_dsn))


def _start_otlp(endpoint: str) -> None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise NotInstalled("RECADO_OTLP_ENDPOINT is set; install recado[otel] to use it.") from missing
    global _tracer, _provider
    provider = TracerProvider(resource=Resource.create({"service.name": "recado", "service.version": __version__}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer, _provider = provider.get_tracer("recado", __version__), provider


def flush() -> None:
    """Send what is waiting; the last thing a process does. Harmless when nothing is configured."""
    if _provider is not None:
        _provider.force_flush(2_000)


def _start_sentry(dsn: str) -> logs.Report:
    try:
        import sentry_sdk
    except ImportError as missing:
        raise NotInstalled("RECADO_SENTRY_DSN is set; install recado[sentry] to use it.") from missing

    def clean(event: Any, _hint: Any) -> Any:
        return redaction.mapping(event)

    # Neither request bodies nor local variables leave: both hold what people wrote.
    sentry_sdk.init(
        dsn=dsn,
        release=f"recado@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        default_integrations=False,
        before_send=clean,
    )

    def report(message: str, event: EventDict) -> None:
        known = {"event", "exc_info", "level", "timestamp", "logger"}
        details = redaction.mapping({name: value for name, value in event.items() if name not in known})
        error = event.get("exc_info")
        with sentry_sdk.new_scope() as scope:
            scope.set_context("recado", details)
            scope.set_tag("event", message)
            if error:
                scope.capture_exception(error if error is not True else None)
            else:
                scope.capture_message(message, level="error")

    return report
