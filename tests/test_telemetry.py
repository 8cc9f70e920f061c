"""What Recado logs, counts and reports: complete, bounded, and without a secret in it."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
import structlog

from recado.telemetry import logs, metrics, redaction, requests, traces

_TOKEN = "rcd_co_4fQpD0Zq9sT1uVwXyZ0123456789abcd"


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        (f"refused {_TOKEN}", "refused rcd_co_***"),
        ("whsec_c2VjcmV0c2VjcmV0 expired", "whsec_*** expired"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        (
            "GET https://graph.example/x?access_token=EAAB123&fields=id",
            "GET https://graph.example/x?access_token=***&fields=id",
        ),
        ("postgresql://recado:hunter22@db/recado", "postgresql://recado:***@db/recado"),
        ("POST /hooks/meta/k3yk3yk3y", "POST /hooks/meta/***"),
        ("x" * 300, "***"),
        ("nothing to hide, 5511999990001", "nothing to hide, 5511999990001"),
    ],
)
def test_secrets_in_texts_are_cut_out(logged: str, shown: str) -> None:
    assert redaction.text(logged) == shown


def test_keys_that_name_a_secret_hide_their_values() -> None:
    found = redaction.mapping(
        {
            "admin_token": "abc",
            "headers": {"Authorization": "abc", "accept": "*/*"},
            "credentials": {"user": "me"},
            "body": b"hello",
            "message_id": "123",
            "body_bytes": 5,
            "tokens": 3,
            "raw": b"hello",
        }
    )
    assert found == {
        "admin_token": "***",
        "headers": {"Authorization": "***", "accept": "*/*"},
        "credentials": "***",
        "body": "***",
        "message_id": "123",
        "body_bytes": 5,
        "tokens": 3,
        "raw": "(5 bytes)",
    }


_PROGRAM = """
import logging, sys, structlog
from recado.telemetry import logs
logs.configure("info", sys.argv[1])
log = structlog.get_logger("recado.test")
structlog.contextvars.bind_contextvars(request_id="r-1")
log.debug("not_shown")
log.info("message_sent", took_ms=3, token="secret-value")
logging.getLogger("uvicorn.error").warning("from %s", "uvicorn")
def fail():
    local_secret = "local-value"
    raise ValueError("broken rcd_adm_abcdefghijklmnop")
try:
    fail()
except ValueError:
    log.exception("step_failed")
"""


def _run(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, form], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_json_logs_are_one_object_a_line() -> None:
    sent, forwarded, failed = [json.loads(line) for line in _run("json").splitlines()]
    assert sent == {
        "timestamp": sent["timestamp"],
        "level": "info",
        "event": "message_sent",
        "logger": "recado.test",
        "took_ms": 3,
        "token": "***",
        "request_id": "r-1",
    }
    assert (forwarded["event"], forwarded["logger"], forwarded["level"]) == ("from uvicorn", "uvicorn.error", "warning")
    assert "Traceback" in failed["exception"]
    assert "broken rcd_adm_***" in failed["exception"]
    assert "local-value" not in json.dumps(failed)


def test_pretty_logs_hide_the_same() -> None:
    shown = _run("pretty")
    assert "message_sent" in shown
    assert "secret-value" not in shown
    assert "local-value" not in shown


def test_logging_outlives_a_closed_stderr() -> None:
    program = """
import os, structlog
from recado.telemetry import logs
logs.configure()
os.close(2)
structlog.get_logger("x").info("y")
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_the_metrics_of_the_contract_exist() -> None:
    text, content_type = metrics.exposition()
    shown = text.decode()
    assert content_type.startswith("text/plain")
    for name in (
        "messages_queued_total",
        "message_queue_backlog",
        "message_send_attempts",
        "message_send_duration",
        "message_queue_latency_bucket",
        "message_queue_failures",
        "webhook_delivery_lag_seconds",
        "provider_webhooks",
        "process_resident_memory_bytes",
    ):
        assert name in shown, name


def test_openmetrics_for_who_asks() -> None:
    text, content_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


async def _call(app: requests.App, request_id: bytes = b"order-42") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "headers": [(b"x-request-id", request_id)]}
    await requests.Requests(app)(scope, receive, send)
    return sent


async def test_a_request_has_an_id_in_its_logs_and_answer() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/v1/things/{id}"
        seen.append(structlog.contextvars.get_contextvars()["request_id"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    labels = {"method": "GET", "route": "/v1/things/{id}", "status": "204"}
    before = metrics.REGISTRY.get_sample_value("recado_http_requests_total", labels) or 0
    # In a task each, as the server runs them.
    kept = await asyncio.create_task(_call(app))
    replaced = await asyncio.create_task(_call(app, b"two words\n"))
    assert kept[0]["headers"] == [(b"x-request-id", b"order-42")]
    assert replaced[0]["headers"] == [(b"x-request-id", seen[1].encode())]
    assert seen[0] == "order-42"
    assert len(seen[1]) == 32
    assert metrics.REGISTRY.get_sample_value("recado_http_requests_total", labels) == before + 2
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_a_request_nobody_serves_makes_no_label_of_its_path() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    labels = {"method": "GET", "route": "unmatched", "status": "500"}
    before = metrics.REGISTRY.get_sample_value("recado_http_requests_total", labels) or 0
    with pytest.raises(RuntimeError, match="broken"):
        await _call(app)
    assert metrics.REGISTRY.get_sample_value("recado_http_requests_total", labels) == before + 1


def test_a_span_without_a_collector_is_nothing() -> None:
    with traces.span("send", kind="sandbox") as span:
        assert span is None


def test_traces_and_errors_leave_clean() -> None:
    """A process of its own: both libraries set global state. The receivers are real local servers."""
    done = subprocess.run(
        [sys.executable, "-c", _REPORTING],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_PROXY": "*"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    received = json.loads(done.stdout)
    assert any("/v1/traces" in path for path in received["paths"])
    assert any("/envelope/" in path for path in received["paths"])
    assert "step_failed" in received["bodies"]
    assert "broken rcd_adm_***" in received["bodies"]
    assert "local-value" not in received["bodies"]
    assert "secret-value" not in received["bodies"]


_REPORTING = """
import gzip, http.server, json, threading
received = {"paths": [], "bodies": ""}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        received["paths"].append(self.path)
        received["bodies"] += body.decode(errors="replace")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_port
import structlog
from recado.telemetry import logs, traces
from recado.config import Settings
logs.configure("info", "json")
traces.configure(Settings(otlp_endpoint=f"http://127.0.0.1:{port}", sentry_dsn=f"http://key@127.0.0.1:{port}/1"))
def fail():
    local_secret = "local-value"
    raise ValueError("broken rcd_adm_abcdefghijklmnop")
with traces.span("send", kind="sandbox"):
    try:
        fail()
    except ValueError:
        structlog.get_logger("x").exception("step_failed", token="secret-value", loop="sender")
import sentry_sdk
sentry_sdk.flush(5)
traces.flush()
print(json.dumps(received))
"""


def test_levels_of_libraries_follow_ours() -> None:
    logs.configure("error", "json")
    assert logging.getLogger("uvicorn.access").level == logging.ERROR
    logs.configure("debug", "json")
    assert logging.getLogger("uvicorn.access").level == logging.WARNING
