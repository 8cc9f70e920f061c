"""`python -m bench [NAME …] [--json] [--check]`: run rows, print the table, keep the figures in bench/results.json."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from bench import product, rows, samples

RESULTS = Path(__file__).with_name("results.json")


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A promise about one figure of a row: at least, or at most, a value."""

    row: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None
    of: Callable[[dict[str, Any]], float] | None = None

    def value(self, figures: dict[str, Any]) -> float:
        return float(self.of(figures) if self.of else figures[self.figure])

    def holds(self, figures: dict[str, Any]) -> bool:
        value = self.value(figures)
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def text(self) -> str:
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


LIMITS = (
    Limit(row="accept", figure="ratio", at_least=0.30),
    Limit(row="accept", figure="p50_ms", at_most=4),
    Limit(row="accept_batch", figure="ratio", at_least=0.35),
    Limit(row="send", figure="sent_per_s", at_least=1_000),
    Limit(row="send", figure="left_behind", at_most=0),
    Limit(row="send", figure="p50_ms", at_most=15),
    Limit(row="send", figure="p99_ms", at_most=100),
    Limit(row="backlog", figure="ratio", at_least=0.9),
    Limit(row="inbound", figure="answered_per_s", at_least=1_200),
    Limit(row="inbound", figure="delivered_per_s", at_least=600),
    Limit(row="inbound", figure="p50_ms", at_most=30),
    Limit(row="history", figure="ratio", at_most=2),
    Limit(row="memory", figure="idle_rss_mb", at_most=150),
    Limit(
        row="memory",
        figure="added by 10,000 instances, MB",
        at_most=50,
        of=lambda figures: figures["with_10k_rss_mb"] - figures["idle_rss_mb"],
    ),
    Limit(row="start", figure="ready_s", at_most=3),
    *(Limit(row="webhooks", figure=f"{kind}_per_s", at_least=3_000) for kind in samples.SAMPLES),
    Limit(row="zapi", figure="ratio", at_most=1.15),
    Limit(row="zapi", figure="queue_page_p99_ms", at_most=20),
)


def table(results: dict[str, dict[str, Any]]) -> Table:
    """Every figure, with its promise where there is one."""
    made = Table(title="Recado, measured here and now")
    for column in ("row", "figure", "value", "promised", ""):
        made.add_column(column, justify="right" if column == "value" else "left")
    for row, figures in results.items():
        if "error" in figures:
            made.add_row(row, "", "", "", f"[red]failed:[/red] {figures['error'][:200]}")
            continue
        named = {limit.figure: limit for limit in LIMITS if limit.row == row}
        for figure in [*figures, *(name for name in named if name not in figures)]:
            limit = named.get(figure)
            value = limit.value(figures) if limit else figures[figure]
            verdict = "" if limit is None else "[green]holds[/green]" if limit.holds(figures) else "[red]missed[/red]"
            made.add_row(row, figure, f"{value:,.10g}", limit.text() if limit else "", verdict)
        made.add_section()
    return made


def machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def keep(results: dict[str, dict[str, Any]], about: dict[str, Any]) -> None:
    """Write the figures beside those of rows that were not run this time."""
    kept = msgspec.json.decode(RESULTS.read_bytes())["rows"] if RESULTS.exists() else {}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    for row, figures in results.items():
        missed = (
            [limit.figure for limit in LIMITS if limit.row == row and not limit.holds(figures)]
            if "error" not in figures
            else ["error"]
        )
        kept[row] = {"figures": figures, "missed": missed, "at": at, "machine": about}
    ordered = {row: kept[row] for row in rows.ROWS if row in kept}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode({"rows": ordered}), indent=2) + b"\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(rows.ROWS)}; all without any")
    parser.add_argument("--json", action="store_true", help="print one line of JSON per row instead of the table")
    parser.add_argument("--check", action="store_true", help="exit 1 when a promise is missed")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in rows.ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows.ROWS)}")
    about = machine()
    results: dict[str, dict[str, Any]] = {}
    console = Console(stderr=options.json)
    for name in options.names or rows.ROWS:
        began = time.monotonic()
        try:
            results[name] = uvloop.run(rows.ROWS[name]())
        except product.Failed as error:
            results[name] = {"error": str(error)}
        console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim", highlight=False)
        if options.json:
            sys.stdout.write(msgspec.json.encode(results[name]).decode() + "\n")
            sys.stdout.flush()
    keep(results, about)
    if not options.json:
        Console(width=110 if not sys.stdout.isatty() else None).print(table(results))
    failed = any("error" in figures for figures in results.values())
    missed = not failed and any(not limit.holds(results[limit.row]) for limit in LIMITS if limit.row in results)
    return 2 if failed else 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
