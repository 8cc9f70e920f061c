"""Logs: one line per event on stderr, JSON for machines and coloured text on a terminal; stdout stays for answers.

    log = structlog.get_logger(__name__)
    log.info("message_sent", message_id=message_id, took_ms=12)

`structlog.contextvars.bind_contextvars(request_id=…)` adds to every line of the same task. What libraries log
through the standard library comes out the same way.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from recado.telemetry import redaction

Format = Literal["auto", "json", "pretty"]

#: Told of every event of level error and above with its exception, before it is written: Sentry's way in.
Report = Callable[[str, EventDict], None]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: Libraries whose information is ours already, or nobody's.
_QUIET = {
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "litestar": logging.WARNING,
}


_report: Report | None = None


def report_errors(report: Report | None) -> None:
    """Tell `report` of every error from now on, or nobody."""
    global _report
    _report = report


def configure(level: str = "info", form: Format = "auto") -> None:
    """Set up the logs of this process. Calling it again replaces what was set up before."""
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: those hold bodies and tokens.
    processors += [_tell, structlog.processors.format_exc_info, redact]
    processors.append(_Pretty() if pretty else to_json)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=Lines,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Forward)]
    root.addHandler(_Forward())
    root.setLevel(_LEVELS[level])
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, _LEVELS[level]))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The processor that lets no secret through."""
    return redaction.mapping(event)


def to_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    """The processor that makes the line, beginning with what a reader looks for first."""
    first = {name: event.pop(name) for name in ("timestamp", "level", "event", "logger") if name in event}
    return msgspec.json.encode({**first, **event})


class Lines:
    """Writes lines to file descriptor 2, whole and unbuffered. A line that cannot be written is lost, nothing else."""

    def __init__(self, name: str = "recado") -> None:
        self.name = name

    def msg(self, line: bytes) -> None:
        """Write one line. It goes out in one call, so lines of several processes do not mix."""
        try:
            _STDERR.write(line + b"\n")
        except OSError:
            # Nobody reads the logs any more, or the disk is full: no reason to stop sending messages.
            return

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


_STDERR = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115  # as long-lived as the process


class _Pretty:
    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(
            colors=True, exception_formatter=structlog.dev.plain_traceback, timestamp_key="timestamp"
        )

    def __call__(self, logger: Any, method: str, event: EventDict) -> bytes:
        event["timestamp"] = str(event.get("timestamp", ""))[11:23]
        return self._render(logger, method, event).encode(errors="replace")


def _tell(_logger: Any, method: str, event: EventDict) -> EventDict:
    if _report is not None and method in ("error", "critical", "exception"):
        _report(str(event.get("event")), event)
    return event


class _Forward(logging.Handler):
    """Gives the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            structlog.get_logger(record.name).log(level, record.getMessage(), exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001  # what logging asks of every handler
            self.handleError(record)
