"""Fixtures of every test: a database of its own, settings, a runtime, a served Recado.

The run's shared things (the database server, what was logged, the register of secrets) live in one temporary
folder, made by the pytest that was called and inherited by the xdist workers through `RECADO_TEST_DIR`.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recado.config import Settings
from recado.store.db import Database
from recado.telemetry import logs
from tests.support import databases, secrets

if TYPE_CHECKING:
    from recado.app import Recado
    from recado.services.runtime import Runtime

_RUN = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # A developer's own RECADO_ variables must not change what the tests see.
    for name in [name for name in os.environ if name.startswith("RECADO_") and not name.startswith("RECADO_TEST_")]:
        del os.environ[name]
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = Path(tempfile.mkdtemp(prefix="recado-tests-"))
        config.pluginmanager.register(_Watcher(config.stash[_RUN]))
        os.environ["RECADO_TEST_DIR"] = str(config.stash[_RUN])
    # Everything is logged, as machines see it, on stderr: pytest shows it for a test that fails and hands it to
    # pytest_runtest_logreport for every test.
    logs.configure("debug", "json")
    secrets.watch()


def pytest_unconfigure(config: pytest.Config) -> None:
    directory = config.stash.get(_RUN, None)
    if directory is not None:
        databases.Server(directory).stop()
        shutil.rmtree(directory, ignore_errors=True)


class _Watcher:
    """Reads every report of the run, in the pytest that was called: the workers' reports come here too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Logs go to stderr; stdout is for people, who are shown a new token once."""
        logged = "\n".join(text for title, text in report.sections if "stderr" in title or "log" in title)
        if logged:
            secrets.keep(self._directory, f"{report.nodeid} ({report.when})", logged)
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A secret in the logs fails the run, and so does a skip in CI, where every program can be had."""
        if self.leaks() or (self.skipped and _in_ci()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says why a run whose tests passed failed."""
        for secret, tests in self.leaks().items():
            terminalreporter.section("a secret in the logs", red=True)
            terminalreporter.write_line(f"{secret} was logged by {', '.join(sorted(set(tests))[:5])}")
        if self.skipped and _in_ci():
            terminalreporter.section("skipped in CI", red=True)
            terminalreporter.write_line(", ".join(self.skipped))

    def leaks(self) -> dict[str, list[str]]:
        return secrets.leaked(self._directory)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


@pytest.fixture(scope="session")
def server() -> databases.Server:
    """The run's PostgreSQL."""
    return databases.Server(Path(os.environ["RECADO_TEST_DIR"]))


@pytest.fixture
async def database_url(server: databases.Server) -> AsyncIterator[str]:
    """A migrated database of the test's own, as the owner."""
    url = await server.fresh()
    yield url
    await server.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Both pools on the test's own database."""
    database = Database(database_url, pool_size=4)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings for a Recado of the test's own: its database, its folder, a free port, local servers allowed."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        host="127.0.0.1",
        port=0,
        pool_size=4,
        admin_token=None,
        allowed_networks=("127.0.0.0/8", "::1/128"),
        zapi_http_webhooks=True,
        shutdown_grace_seconds=5,
        log_level="debug",
        log_format="json",
    )


@pytest.fixture
async def runtime(settings: Settings, database: Database) -> AsyncIterator["Runtime"]:
    """The clients of a process, with the platform's own servers; nobody answers the API and no worker runs."""
    from recado import app
    from recado.services import servers

    runtime = app.build_runtime(settings, database)
    await runtime.http.start()
    await servers.ensure_defaults(runtime)
    yield runtime
    await runtime.http.stop()


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator["Recado"]:
    """A whole Recado on a port of its own, all roles in this process. Called through `served.url`."""
    from recado.app import Recado

    recado = Recado(settings)
    await recado.start()
    try:
        yield recado
    finally:
        await recado.stop()
