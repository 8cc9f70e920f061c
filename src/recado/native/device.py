"""One number: a thread in which whatsmeow runs, the events that come out of it, and the calls that go in.

neonize's own `connect` polls five times a second and starts two threads per number; here the C function is called by
one thread, with neonize's callbacks. Its Go side keeps the numbers in maps without a lock, so only one may start at a
time (`_STARTING`), and none may be called before it said something: an unknown one would end the process.
"""

import ctypes
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import structlog
from google.protobuf.message import Message as Protobuf
from neonize import client as neonize_client
from neonize._binder import func_callback_bytes, func_callback_bytes2, func_string
from neonize.events import EVENT_TO_INT
from neonize.exc import NeonizeError, SetPrivacySettingError
from neonize.proto import Neonize_pb2 as proto
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
from neonize.utils.log import log_whatsmeow

from recado.domain.states import ConnectionStatus
from recado.native import events, faults, jids, messages, operations
from recado.native.events import Own, Told
from recado.store.native import Change, Held

log = structlog.get_logger(__name__)

#: WhatsApp shows the first code for a minute and each further one for twenty seconds.
_FIRST_CODE, _NEXT_CODE = timedelta(seconds=60), timedelta(seconds=20)
#: How long a number may take to say something before the next one is started.
_STARTED_WITHIN = 15.0
#: How long nothing must come before what was under way counts as told, and the longest wait for it.
_QUIET, _LONGEST_QUIET = 0.3, 3.0
_REMEMBERED_SENDERS = 2_000
#: whatsmeow's errors only: its warnings name people.
_LOG_LEVEL = b"ERROR"

_STARTING = threading.Lock()

Sink = Callable[[Told], None]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a call. `reply["outcome"]` names what became of it."""

    reply: dict[str, Any]
    payload: bytes | None = None
    provider_id: str | None = None


def store_url(database_url: str, name: str) -> str:
    """The database as whatsmeow's driver (lib/pq) wants it, its tables in a schema of their own; `name` is what its
    connections are called, by which they are ended."""
    parts = urlsplit(database_url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "prefer" if parts.hostname and "host" not in query else "disable")
    query["search_path"] = "whatsmeow"
    query["application_name"] = name
    return urlunsplit(parts._replace(scheme="postgres", query=urlencode(query)))


class Device(neonize_client.NewClient):
    """A number on whatsmeow. `sink` is called from its threads, and returns when what it was told is safe."""

    def __init__(self, store: str, held: Held, sink: Sink) -> None:
        super().__init__(
            store,
            jid=jids.parse(held.device) if held.device else None,
            props=DeviceProps(os="Recado", platformType=DeviceProps.CHROME),
            uuid=held.connection_id.hex,
            new_device=held.device is None,
        )
        # neonize names a number by its phone; two connections may have been one phone's at different times.
        self.uuid = held.connection_id.hex.encode()
        self.contact.uuid = self.chat_settings.uuid = self.uuid
        self._stop_finalizer.detach()
        self._held = held
        self._sink = sink
        self._go = neonize_client.gocode
        self._own = Own(device=held.device)
        self._heard = threading.Event()
        self._returned = threading.Event()
        self._last_told = time.monotonic()
        self._codes = 0
        self._stopped = False
        self._senders: OrderedDict[str, str] = OrderedDict()
        self.event.qr(self._on_code)
        for kind in EVENT_TO_INT:
            if kind is not proto.Device:
                self.event(kind)(_listener(self))

    @property
    def ready(self) -> bool:
        """Whether it may be called."""
        return self._heard.is_set() and not self._stopped and not self._returned.is_set()

    @property
    def spent(self) -> bool:
        """Whether its thread is still in the C function: one that was never paired does not come back from it."""
        return self._stopped and not self._returned.is_set()

    @property
    def own(self) -> Own:
        """Our own number, as far as it is known."""
        return events.own_of(self.me) if self.me is not None else self._own

    def start(self) -> None:
        """Connect. Returns when it has said something, ended, or was given its time."""
        with _STARTING:
            threading.Thread(target=self._run, name=f"native-{self.uuid.decode()[:12]}", daemon=True).start()
            self._heard.wait(_STARTED_WITHIN)

    def close(self) -> None:
        """Disconnect, let what is under way be told, and end the thread where it can be ended."""
        if self._stopped:
            return
        if self._heard.is_set() and not self._returned.is_set():
            self._go.Disconnect(self.uuid)
            ends = time.monotonic() + _LONGEST_QUIET
            while time.monotonic() < min(ends, self._last_told + _QUIET):
                time.sleep(0.02)
        self._stopped = True
        self._go.Stop(self.uuid)
        self._returned.wait(1.0)

    def perform(
        self,
        operation: str,
        request: dict[str, Any],
        payload: bytes | None,
        secret: bytes | None,
        may: Callable[[], bool],
    ) -> Result:
        """Do what a command asks for, while `may` says that the number is still ours. Never raises for what WhatsApp does
        or fails to do."""
        if not self.ready:
            return Result(reply={"outcome": "not_connected", "why": "The number is being connected."})
        if not may():
            return _handed_over()
        if operation == "send":
            return self._send(request, payload, secret, may)
        if operation == "logout":
            return self._log_out()
        return operations.perform(self, operation, request, payload)

    def sender_of(self, message: str) -> str | None:
        """Who wrote a message of a group that came lately."""
        return self._senders.get(message)

    # --- inside the thread ----------------------------------------------------------------------------------

    def change_privacy(self, setting: str, value: str) -> None:
        """Change a privacy setting, in WhatsApp's words. Raises `NeonizeError`.

        neonize's own call takes the settings that come back for the text of an error, and raises it each time.
        """
        answer = self._go.SetPrivacySetting(self.uuid, setting.encode(), value.encode())
        changed = proto.SetPrivacySettingReturnFunction.FromString(answer)
        if changed.Error:
            raise SetPrivacySettingError(changed.Error)

    def _run(self) -> None:
        listened = bytearray(self.event.list_func)
        buffer = (ctypes.c_char * len(listened)).from_buffer(listened)
        jid = self.jid.SerializeToString() if self.jid else b""
        props = self.device_props.SerializeToString() if self.device_props else b""
        # Referred to for as long as Go may call them.
        callbacks = (
            func_string(lambda _, code: self.event._qr(self, ctypes.string_at(code))),
            func_string(lambda _, status: self._on_login(ctypes.string_at(status).decode())),
            func_callback_bytes(self._on_event),
            func_callback_bytes2(log_whatsmeow),
        )
        why = ""
        try:
            ended = self._go.Neonize(
                self.name.encode(),
                self.uuid,
                jid,
                len(jid),
                int(self.new_device),
                _LOG_LEVEL,
                *callbacks,
                buffer,
                len(listened),
                props,
                len(props),
                b"",
                0,
                None,
            )
            why = ended.decode() if ended else ""
        except Exception as error:
            log.exception("native_device_failed")
            why = f"{type(error).__name__}: {error}"
        finally:
            self._returned.set()
            self._heard.set()
        if not self._stopped:
            details = {"why": why[:500]} if why else {}
            change = Change(status=ConnectionStatus.DISCONNECTED, reason="engine_stopped", details=details)
            self._tell(events.state(self.own, change, ended=True, pause=events.FAILED_PAUSE))

    def _on_event(self, uuid: bytes, binary: int, size: int, code: int) -> None:
        self._heard.set()
        try:
            self.event.execute(uuid, binary, size, code)
        except Exception as error:
            # whatsmeow has acknowledged it already and WhatsApp will not deliver it again: it is kept as it came.
            log.exception("native_event_failed", code=code)
            self._tell(events.unreadable(self.own, code, ctypes.string_at(binary, size), error))

    def _on_code(self, _: Any, code: bytes) -> None:
        self._heard.set()
        self._codes += 1
        expires_at = datetime.now(UTC) + (_FIRST_CODE if self._codes == 1 else _NEXT_CODE)
        change = Change(status=ConnectionStatus.QR, qr=code.decode(), expires_at=expires_at)
        if self._held.method == "phone_code" and self._held.pair_phone:
            if self._codes > 1:
                return
            try:
                typed = self.PairPhone(self._held.pair_phone, show_push_notification=True)
            except NeonizeError as error:
                failed = Change(status=ConnectionStatus.DISCONNECTED, reason="pairing_failed", stays=False)
                failed = msgspec.structs.replace(failed, details={"error": str(error)[:500]})
                self._tell(events.state(self.own, failed, ended=True))
                return
            until = datetime.now(UTC) + timedelta(seconds=160)
            change = Change(status=ConnectionStatus.QR, pairing_code=typed, expires_at=until)
        self._tell(events.state(self.own, change))

    def _on_login(self, status: str) -> None:
        """How the showing of codes ended, or that a passkey is asked for: neonize hands on the word only."""
        self._heard.set()
        if status == "success":
            return
        if status.startswith("passkey"):
            step = "challenge" if status == "passkey-request" else "confirmation"
            asked = Change(
                status=ConnectionStatus.CONNECTING,
                reason="passkey",
                details={"passkey": {"step": step, "answerable": False}},
            )
            self._tell(events.state(self.own, asked))
            return
        reasons = {"timeout": "pairing_expired", "err-client-outdated": "client_outdated"}
        reason = reasons.get(status, f"pairing_failed:{status}")
        over = Change(status=ConnectionStatus.DISCONNECTED, reason=reason, stays=False)
        self._tell(events.state(self.own, over, ended=True))

    def on(self, event: Protobuf) -> None:
        """Tell of an event; returns when it is safe. What neonize still holds waits meanwhile."""
        told = events.translate(event, self.own)
        if told is not None:
            info = told.body.get("info", {})
            if info.get("group") and info.get("id"):
                self._remember(str(info["id"]), str(info.get("sender", "")))
            if isinstance(event, proto.Message) and event.Message.HasField("pollUpdateMessage"):
                told.body["vote_hashes"] = self._vote(event)
            self._tell(told)

    def _vote(self, event: proto.Message) -> list[str]:
        """What was chosen in a poll, as SHA-256 of the options' names. Empty where its secret is not known."""
        try:
            return [chosen.hex() for chosen in self.decrypt_poll_vote(event).selectedOptions]
        except NeonizeError as error:
            log.info("native_vote_not_read", why=str(error))
            return []

    def _remember(self, message: str, sender: str) -> None:
        self._senders[message] = sender
        while len(self._senders) > _REMEMBERED_SENDERS:
            self._senders.popitem(last=False)

    def _tell(self, told: Told) -> None:
        self._last_told = time.monotonic()
        self._sink(told)
        self._last_told = time.monotonic()

    # --- calls ----------------------------------------------------------------------------------------------

    def _send(
        self, request: dict[str, Any], payload: bytes | None, secret: bytes | None, may: Callable[[], bool]
    ) -> Result:
        own = self.own.phone or self.own.lid or ""
        try:
            message = messages.build(
                request, own=own, secret=secret, data=payload, upload=self.upload, vote=self.build_poll_vote
            )
        except messages.Unsendable as error:
            return Result(reply={"outcome": "refused", "code": error.code, "why": error.why})
        except NeonizeError as error:
            return Result(reply=faults.of_preparation(str(error)))
        # An upload takes its time, and a process can be stopped for a while: the last look is the one that counts.
        if not may():
            return _handed_over()
        try:
            sent = self.send_message(jids.parse(str(request["to"])), message)
        except NeonizeError as error:
            return Result(reply=faults.of_send(str(error)))
        if not sent.ID:
            return Result(reply={"outcome": "unknown", "why": "The engine named no id for the message."})
        reply = {"outcome": "accepted", "provider_id": sent.ID, "server_id": sent.ServerID or None}
        return Result(reply=reply, provider_id=sent.ID)

    def _log_out(self) -> Result:
        try:
            self.logout()
        except NeonizeError as error:
            return Result(reply=faults.of_call(str(error)))
        return Result(reply={"outcome": "done"})


def _handed_over() -> Result:
    return Result(reply={"outcome": "not_connected", "why": "The number is being handed over."})


def _listener(device: Device) -> Callable[[Any, Any], None]:
    def listen(_: Any, event: Any) -> None:
        device.on(event)

    return listen
