"""`recado doctor`: checks what Recado depends on, one thing at a time, and says what to do about what is wrong."""

import asyncio
import contextlib
import ipaddress
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import msgspec

from recado import app, cli_common
from recado.domain import ids
from recado.domain.provider import AnswersChallenge, CallFailed
from recado.kit import crypto
from recado.services import keys
from recado.services import servers as server_service
from recado.services.runtime import Runtime
from recado.store import db, liveness, migrate, native, operations
from recado.store.media_storage import MediaStorage, StorageFailed
from recado.store.servers import Server

if TYPE_CHECKING:
    from recado.config import Settings

_LITTLE_DISK = 1_000_000_000
_OLDEST_POSTGRES = 150_000
_SKEW_SECONDS = 2.0
_MANY = 1_000
#: An engine process that was not seen for so long is dead.
_SEEN_SECONDS = 30.0
_NO_ANSWER = "It does not answer."


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. `advice` says what to do where it is not `ok`."""

    check: str
    ok: bool
    found: str
    advice: str = ""


async def examine(settings: "Settings") -> list[Finding]:
    """Every check, in the order in which things depend on each other. Those that cannot be made are left out."""
    findings = [_data_dir(settings)]
    if findings[0].ok:
        findings.append(_disk(settings))
    ring = _keyring(settings)
    findings.append(ring if isinstance(ring, Finding) else _good("key", "usable"))
    findings.append(await _media(settings))
    if settings.redis_url:
        findings.append(await _redis(settings.redis_url))
    try:
        async with cli_common.database_url(settings) as url:
            findings += await _database(settings, url, None if isinstance(ring, Finding) else ring)
    except (OSError, RuntimeError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        findings.append(_database_away(settings, error))
    return findings


def show(findings: list[Finding], *, json: bool) -> None:
    """Print the findings."""
    if json:
        cli_common.answer({"ok": all(one.ok for one in findings), "checks": findings})
        return
    import typer

    for one in findings:
        mark = typer.style("✓", fg="green") if one.ok else typer.style("✗", fg="red", bold=True)
        typer.echo(f"{mark} {one.check:<22} {one.found}")
        if one.advice:
            typer.echo(f"  {'':<22} → {one.advice}")


def _good(check: str, found: str) -> Finding:
    return Finding(check=check, ok=True, found=found)


def _bad(check: str, found: str, advice: str) -> Finding:
    return Finding(check=check, ok=False, found=found, advice=advice)


# --- this machine ---------------------------------------------------------------------------------------


def _data_dir(settings: "Settings") -> Finding:
    folder = settings.data_dir.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return _good("data directory", str(folder))
    except OSError as error:
        advice = "Give the user that runs Recado the right to write there, or set RECADO_DATA_DIR."
        return _bad("data directory", f"{folder} cannot be written: {error.strerror}", advice)


def _disk(settings: "Settings") -> Finding:
    free = shutil.disk_usage(settings.data_dir).free
    found = f"{free / 1e9:.1f} GB free"
    if free < _LITTLE_DISK:
        return _bad("disk", found, "Make room: PostgreSQL stops when the disk is full.")
    return _good("disk", found)


def _keyring(settings: "Settings") -> "crypto.Keyring | Finding":
    try:
        if settings.secret_key:
            return crypto.parse(settings.secret_key)
        return crypto.load_or_create(settings.secret_key_path)
    except (crypto.CryptoError, OSError) as error:
        where = "RECADO_SECRET_KEY" if settings.secret_key else str(settings.secret_key_path)
        return _bad("key", f"not usable: {error}", f"Put the right key back into {where}; a new one opens nothing old.")


async def _media(settings: "Settings") -> Finding:
    path = f"doctor/{ids.new()}"

    async def content() -> AsyncIterator[bytes]:
        yield b"recado"

    # The address may hold credentials: only its scheme is shown.
    scheme = settings.media_location.partition(":")[0]
    try:
        storage = MediaStorage(settings.media_location)
        await storage.put(path, content())
        await storage.delete(path)
    except (StorageFailed, OSError, ValueError) as error:
        return _bad("media storage", f"{scheme}: cannot write ({type(error).__name__})", "Check RECADO_MEDIA_URL.")
    return _good("media storage", f"{scheme}: writes and deletes")


async def _redis(url: str) -> Finding:
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ImportError:
        return _bad("redis", "RECADO_REDIS_URL is set, the client is not installed", "Install recado[redis].")
    client = Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return _bad("redis", f"does not answer ({type(error).__name__})", "Start it, or unset RECADO_REDIS_URL.")
    finally:
        await client.aclose()
    return _good("redis", "answers")


# --- the database and what is in it ---------------------------------------------------------------------


def _database_away(settings: "Settings", error: Exception) -> Finding:
    if settings.database_url:
        advice = "Start the server, or correct RECADO_DATABASE_URL (host, port, user, password, database)."
    else:
        advice = f"See {settings.postgres_dir / 'log'}; the embedded server must be able to start."
    return _bad("database", f"not reachable: {type(error).__name__}: {error}", advice)


async def _database(settings: "Settings", url: str, ring: crypto.Keyring | None) -> list[Finding]:
    connection = await db.connect(url)
    try:
        findings = await _server(connection)
        migrations = await _migrations(connection)
    finally:
        await connection.close()
    findings.append(migrations)
    if not migrations.ok:
        return findings
    database = db.Database(url, pool_size=2)
    try:
        await database.start()
        if ring is None:
            return findings
        findings.append(await _stored(database, ring))
        async with _clients(settings, database) as runtime:
            findings += await _providers(runtime)
    finally:
        await database.stop()
    return findings


@contextlib.asynccontextmanager
async def _clients(settings: "Settings", database: db.Database) -> AsyncIterator[Runtime]:
    runtime = app.build_runtime(settings, database)
    await runtime.http.start()
    try:
        yield runtime
    finally:
        await runtime.http.stop()


async def _server(connection: db.Owned) -> list[Finding]:
    before = datetime.now(UTC)
    now, version = await operations.clock(connection)
    after = datetime.now(UTC)
    found = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < _OLDEST_POSTGRES:
        findings = [_bad("database", found, "Recado needs PostgreSQL 15 or newer.")]
    else:
        findings = [_good("database", f"{found}, answers in {(after - before).total_seconds() * 1_000:.0f} ms")]
    skew = (now - (before + (after - before) / 2)).total_seconds()
    if abs(skew) > _SKEW_SECONDS:
        advice = "Let NTP set both clocks: schedules, pacing and signatures go by them."
        findings.append(_bad("clock", f"the database's is {skew:+.1f} s from this machine's", advice))
    else:
        findings.append(_good("clock", f"within {abs(skew) * 1_000:.0f} ms of the database's"))
    return findings


async def _migrations(connection: db.Owned) -> Finding:
    try:
        missing = await migrate.pending(connection)
    except migrate.MigrationChanged as error:
        return _bad("migrations", str(error), "Install the version of Recado that made this database, or a newer one.")
    if missing:
        names = ", ".join(f"{one.number:03} {one.name}" for one in missing)
        return _bad("migrations", f"not applied: {names}", "recado migrate")
    return _good("migrations", f"all {len(migrate.known())} applied")


async def _stored(database: db.Database, ring: crypto.Keyring) -> Finding:
    checked = await keys.check(database, ring)
    if checked.unreadable:
        some = ", ".join(checked.unreadable[:3])
        advice = "Put the key that sealed them back, at the end of RECADO_SECRET_KEY or the key file."
        return _bad("stored credentials", f"{len(checked.unreadable)} cannot be opened: {some}", advice)
    if checked.old:
        return _good("stored credentials", f"{checked.readable} open, {checked.old} with an old key")
    return _good("stored credentials", f"{checked.readable} open")


# --- providers ------------------------------------------------------------------------------------------


async def _providers(runtime: Runtime) -> list[Finding]:
    """Of every server: whether it answers, and where instances are on it, whether all around it is as it must be."""
    findings = []
    listed = await server_service.page(runtime, after=None, kind=None, company_id=None, limit=_MANY)
    for server in listed:
        started = time.perf_counter()
        name = f"server {server.name}"
        try:
            # Only asked: what this machine cannot reach may be well where the workers run.
            health = await server_service.ask(runtime, server)
        except crypto.CryptoError as error:
            advice = f"Give it its credentials again: PATCH /v1/servers/{server.id}"
            findings.append(_bad(name, f"{server.kind}: {error}", advice))
            continue
        if health.healthy:
            version = f" {health.version}" if health.version else ""
            took = (time.perf_counter() - started) * 1_000
            findings.append(_good(name, f"{server.kind}{version} answers in {took:.0f} ms"))
        elif server.instances == 0:
            # Every installation knows some servers of the platform's own; one that nobody uses is nobody's trouble.
            findings.append(_good(name, f"{server.kind}: no instance uses it. {health.why or _NO_ANSWER}"))
        else:
            advice = f"Check {server.base_url} and its credentials: PATCH /v1/servers/{server.id}"
            findings.append(_bad(name, f"{server.kind}: {health.why or _NO_ANSWER}", advice))
        if server.instances:
            findings += await _in_use(runtime, server, listed, healthy=health.healthy)
            if server.kind == "native":
                findings.append(await _numbers(runtime))
    return findings


async def _in_use(runtime: Runtime, server: Server, listed: list[Server], *, healthy: bool) -> list[Finding]:
    findings = [_room(server, listed)]
    if server.base_url.startswith(("http://", "https://")):
        findings.append(await _address(runtime, server))
    if healthy:
        findings += await _credentials(runtime, server)
    findings.append(await _webhooks(runtime, server))
    return findings


async def _numbers(runtime: Runtime) -> Finding:
    """Whether the processes of the built-in engine hold every number that is to be held."""
    found = await native.engines(runtime.db.worker, seen_within=_SEEN_SECONDS)
    numbers = f"{found.held} of {found.wanted} numbers held, with room for {found.capacity}"
    if found.engines == 0 or found.held >= found.wanted:
        return _good("built-in engine", numbers)
    if found.wanted > found.capacity:
        advice = "Raise RECADO_NATIVE_CAPACITY, or run `recado worker --roles native` on another machine."
        return _bad("built-in engine", numbers, advice)
    advice = "They are being started, or the database has no connections left: two for each; see max_connections."
    return _bad("built-in engine", numbers, advice)


def _room(server: Server, listed: list[Server]) -> Finding:
    name, found = f"room on {server.name}", f"{server.instances} of {server.max_instances} instances"
    others = any(
        other.kind == server.kind
        and other.status == "active"
        and other.company_id in (None, server.company_id)
        and other.instances < other.max_instances
        for other in listed
    )
    if server.status == "draining":
        return _good(name, f"{found}, draining")
    if server.instances < server.max_instances or others:
        return _good(name, found)
    advice = f"Raise max_instances (PATCH /v1/servers/{server.id}), or register another server of kind {server.kind}."
    return _bad(name, f"{found}, and no other server of its kind has room", advice)


async def _address(runtime: Runtime, server: Server) -> Finding:
    """Whether the server can reach us: it posts its webhooks to our address."""
    name, ours = f"address for {server.name}", runtime.settings.base_url
    advice = "Set RECADO_PUBLIC_URL to an address that the provider reaches, and connect its numbers again."
    try:
        we_are_local, it_is_local = await _is_local(ours), await _is_local(server.base_url)
    except OSError as error:
        return _bad(name, f"{ours}: a name does not resolve ({error.strerror or error})", advice)
    if we_are_local and not it_is_local:
        return _bad(name, f"{ours} is not reachable from {server.base_url}", advice)
    adapter: object = runtime.providers.get(server.kind)
    if isinstance(adapter, AnswersChallenge) and not it_is_local and not ours.startswith("https://"):
        return _bad(name, f"{ours}: {server.kind} posts to https only", advice)
    return _good(name, ours)


async def _is_local(url: str) -> bool:
    """Whether an address is of this machine or of a private network. Raises `OSError` for a name that does not resolve."""
    host = urlsplit(url).hostname or ""
    found = await asyncio.get_running_loop().getaddrinfo(host, None)
    return all(not ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found)


async def _credentials(runtime: Runtime, server: Server) -> list[Finding]:
    """Whether the provider takes the credentials of a number on the server; nothing where none was ever connected."""
    async with runtime.db.work() as connection:
        row = await liveness.any_of_server(connection, server.id)
    if row is None:
        return []
    name = f"credentials of {server.name}"
    try:
        called = runtime.directory.connection_of(row, instance_id=row["instance_id"])
        async with asyncio.timeout(runtime.settings.send_timeout_seconds):
            state = await runtime.providers[server.kind].status(called)
    except (CallFailed, TimeoutError, crypto.CryptoError) as error:
        advice = f"Correct those of the server (PATCH /v1/servers/{server.id}) or of instance {row['instance_id']}."
        return [_bad(name, f"asked about a number: {str(error) or 'no answer in time'}", advice)]
    return [_good(name, f"accepted; a number that was asked about is {state.status}")]


async def _webhooks(runtime: Runtime, server: Server) -> Finding:
    now = datetime.now(UTC)
    async with runtime.db.work() as connection:
        found = await liveness.summarise_server(connection, server.id, now - timedelta(days=1))
    name, heard = f"webhooks of {server.name}", f"{found.heard} of {found.sending} connected numbers heard in a day"
    if found.dead:
        advice = "POST /v1/instances/{id}/recover registers their webhooks again; see docs/how-to/health.md."
        return _bad(name, f"{heard}; {found.dead} look dead", advice)
    if found.heard_at is None:
        return _good(name, "nothing was heard yet: write to one of its numbers to see that webhooks arrive")
    return _good(name, f"{heard}, the last {(now - found.heard_at).total_seconds() / 60:.0f} min ago")
