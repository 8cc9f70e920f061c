"""What the engine's numbers are asked to do: begun in order, each answered, and no message sent that may have left."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import structlog

from recado.domain.content import MEDIA_KINDS
from recado.kit.http import HttpError, NotSent
from recado.services.native import COMMANDS, REPLIES
from recado.services.runtime import Runtime
from recado.store import db, native
from recado.workers.native_numbers import Number, Numbers, spawn

log = structlog.get_logger(__name__)

T = TypeVar("T")

_AT_ONCE = 64
_LOOK_EVERY = 1.0
_LINK_TIMEOUT = 20.0
#: Sends whose second copy changes nothing need no proof that the first never left.
_REPEATABLE = frozenset({"reaction", "edit", "delete", "pin", "poll_vote"})


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """As `native.device.Result`, which only a process with neonize has."""

    reply: dict[str, Any]
    payload: bytes | None = None
    provider_id: str | None = None


class _NotPrepared(Exception):
    def __init__(self, outcome: str, code: str, why: str) -> None:
        super().__init__(why)
        self.reply = {"outcome": outcome, "code": code, "why": why}


class Performer:
    """Carries out the commands of `numbers`, as many at once as it has threads."""

    def __init__(self, runtime: Runtime, numbers: Numbers, *, owner: UUID) -> None:
        self.under_way: set[asyncio.Task[None]] = set()
        self._runtime = runtime
        self._numbers = numbers
        self._owner = owner
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="native-command")
        self._waiter = runtime.signals.waiter(COMMANDS)
        #: The messages whose commands are begun and not answered.
        self._at_it: set[UUID] = set()

    async def step(self) -> None:
        """Begin what waits for our numbers, or wait for it."""
        room = _AT_ONCE - len(self.under_way)
        commands: list[native.Command] = []
        if room > 0 and self._numbers.by_id:
            async with self._runtime.db.worker.acquire() as connection:
                commands = await native.begin(connection, self._owner, limit=room)
        # All of them, before a question about one is carried out.
        self._at_it.update(command.message_id for command in commands if command.message_id is not None)
        for command in commands:
            spawn(self.under_way, self._carry_out(command))
        if not commands or len(commands) < room:
            await self._waiter.wait(_LOOK_EVERY)

    async def stop(self) -> None:
        """Give up whatever is still under way: its end is then unknown."""
        for task in self.under_way:
            task.cancel()
        await asyncio.gather(*self.under_way, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _carry_out(self, command: native.Command) -> None:
        try:
            await self._answer(command, await self._performed(command))
        finally:
            if command.message_id is not None:
                self._at_it.discard(command.message_id)

    async def _answer(self, command: native.Command, result: _Result) -> None:
        """For as long as it takes: a command without an answer is in doubt."""
        while True:
            try:
                async with self._runtime.db.worker.acquire() as connection:
                    await native.reply(
                        connection,
                        self._owner,
                        command,
                        result.reply,
                        payload=result.payload,
                        provider_id=result.provider_id,
                    )
                self._runtime.signals.set(REPLIES)
                return
            except asyncpg.DataError as error:
                # A text that no JSON of PostgreSQL can be: what was done stays done, only its answer is not told.
                outcome = "unknown" if command.operation == "send" else "failed"
                result = _Result(reply={"outcome": outcome, "code": "bad_answer", "why": type(error).__name__})
            except (*db.AWAY, asyncpg.PostgresError) as error:
                log.warning("native_reply_waits", command_id=str(command.id), why=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _performed(self, command: native.Command) -> _Result:
        number = self._numbers.by_id.get(command.connection_id)
        if (
            number is None
            or number.device is None
            or number.held.fence != command.fence
            or not self._numbers.may_act(number)
        ):
            return _Result(reply={"outcome": "not_connected", "why": "The number is being handed over."})
        try:
            if command.operation == "settle":
                return await self._settle(number, UUID(str(command.request["message_id"])))
            payload = command.payload
            if command.operation == "send":
                again = await self._sent_before(number, command)
                if again is not None:
                    return again
            if command.operation in ("send", "post_story") and payload is None:
                payload = await self._linked(command.request)
            made = await self._in_thread(
                number.device.perform,
                command.operation,
                command.request,
                payload,
                command.secret,
                lambda: self._numbers.may_act(number),
            )
        except _NotPrepared as error:
            return _Result(reply=error.reply)
        except (*db.AWAY, asyncpg.PostgresError) as error:
            return _Result(reply={"outcome": "retry", "code": "engine_store", "why": f"{type(error).__name__}"})
        except Exception as error:
            log.exception("native_command_failed", operation=command.operation)
            unknown = "unknown" if command.operation == "send" else "failed"
            return _Result(reply={"outcome": unknown, "code": "engine_failed", "why": type(error).__name__})
        return _Result(reply=made.reply, payload=made.payload, provider_id=made.provider_id)

    # --- what may have left ---------------------------------------------------------------------------------

    async def _sent_before(self, number: Number, command: native.Command) -> _Result | None:
        """For a message that was begun before: that it may have left. None when it certainly did not, or may twice."""
        if command.doubted is None or command.secret is None or command.request.get("kind") in _REPEATABLE:
            return None
        return await self._in_doubt(number, command.secret, command.doubted)

    async def _in_doubt(self, number: Number, secret: bytes, device: str) -> _Result | None:
        """whatsmeow writes down a message's id and secret just before it leaves, for as long as the device is paired."""
        why = "An earlier try was about to leave when its engine ended; a receipt will tell."
        if device != number.phone_device:
            return _Result(reply={"outcome": "unknown", "code": "in_doubt", "why": f"{why} Its device is gone."})
        found = await native.about_to_send(self._runtime.db.worker, device, secret)
        if found is None:
            return None
        return _Result(reply={"outcome": "unknown", "code": "in_doubt", "why": why}, provider_id=found)

    async def _settle(self, number: Number, message_id: UUID) -> _Result:
        """`done` when the message certainly never left."""
        if message_id in self._at_it:
            return _Result(reply={"outcome": "unknown", "code": "under_way", "why": "The engine is still at it."})
        held, pool = number.held, self._runtime.db.worker
        begun = await native.doubt(pool, held.company_id, held.connection_id, message_id)
        if begun is None:
            return _Result(reply={"outcome": "done"})
        in_doubt = await self._in_doubt(number, *begun)
        never = {"outcome": "retry", "code": "not_sent", "why": "The engine that began it ended before it left."}
        await native.settle(
            pool,
            held.company_id,
            held.connection_id,
            message_id,
            never if in_doubt is None else in_doubt.reply,
            provider_id=None if in_doubt is None else in_doubt.provider_id,
        )
        return in_doubt or _Result(reply={"outcome": "done"})

    async def _linked(self, request: Mapping[str, Any]) -> bytes | None:
        """The bytes behind a link, fetched by the guarded client. Raises `_NotPrepared`: nothing was sent yet."""
        content = request.get("content")
        link = content.get("link") if isinstance(content, dict) and request.get("kind") in MEDIA_KINDS else None
        if not link:
            return None
        most = self._runtime.settings.max_media_bytes
        try:
            answer = await self._runtime.http.request("GET", str(link), timeout=_LINK_TIMEOUT, max_bytes=most, follow=3)
        except NotSent as error:
            raise _NotPrepared("refused", "media_link", str(error)) from error
        except HttpError as error:
            raise _NotPrepared("retry", "media_link", f"{type(error).__name__}: {error}") from error
        if answer.status != 200:
            kind = "retry" if answer.status >= 500 or answer.status == 429 else "refused"
            raise _NotPrepared(kind, "media_link", f"The link answered HTTP {answer.status}.")
        return answer.body

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*arguments))
