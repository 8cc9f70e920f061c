"""Processes of a run: started with a line of JSON that says they are ready, ended with the run whatever happens."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import msgspec

ROOT = Path(__file__).resolve().parent.parent
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def announce(ready: dict[str, Any]) -> None:
    """Tell the parent that this process is ready, and how to reach it."""
    sys.stdout.buffer.write(msgspec.json.encode(ready) + b"\n")
    sys.stdout.buffer.flush()


async def parent_gone() -> None:
    """Wait until the parent closes our standard input, which it does by ending too."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: gone.set() if not os.read(sys.stdin.fileno(), 4_096) else None)
    await gone.wait()
    loop.remove_reader(sys.stdin.fileno())


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills the child when we die, so that not even a killed run leaves anything."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Helper:
    """One of our own fakes as a process: `async with Helper("bench.graph") as graph: graph.port`."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process
        self.port = 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        self.port = msgspec.json.decode(line)["port"]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def run_json(module: str, plan: Any, *, timeout: float) -> Any:
    """Run a module that reads JSON and prints JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(msgspec.json.encode(plan)), timeout)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return msgspec.json.decode(out)


def cpu_seconds(pid: int) -> float:
    """User and system time of the process so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_mb(pid: int) -> float:
    """Resident memory of the process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def python_tree(pid: int) -> list[int]:
    """The process and those of its descendants that run Python: not the database."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = []
    todo = [pid]
    while todo:
        current = todo.pop()
        todo.extend(children.get(current, []))
        try:
            program = os.readlink(f"/proc/{current}/exe")
        except OSError:
            continue
        if "python" in Path(program).name:
            found.append(current)
    return found
