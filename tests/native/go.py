# ruff: noqa: N802  # the names of the Go library
"""Stands where neonize's Go library is, and nowhere else: neonize's own client, its callbacks and its protobuf messages
are the real ones, in both directions."""

import ctypes
import hashlib
import queue
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message as Protobuf
from neonize.events import EVENT_TO_INT
from neonize.proto import Neonize_pb2 as proto
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E

OWN = "5511900000001"
DEVICE = f"{OWN}:12@s.whatsapp.net"


def jid(user: str, server: str = "s.whatsapp.net", device: int = 0) -> Any:
    return proto.JID(User=user, Server=server, Device=device, RawAgent=0, Integrator=0, IsEmpty=not user)


NOBODY = jid("", "")


def source(chat: Any, sender: Any, *, mine: bool = False, alt: Any = NOBODY, group: bool = False) -> Any:
    return proto.MessageSource(
        Chat=chat,
        Sender=sender,
        IsFromMe=mine,
        IsGroup=group,
        SenderAlt=alt,
        RecipientAlt=NOBODY,
        BroadcastListOwner=NOBODY,
    )


def received(id: str, message: Any, where: Any, *, name: str = "Ana", at: int = 1_790_000_000_000) -> Any:
    info = proto.MessageInfo(
        MessageSource=where,
        ID=id,
        ServerID=0,
        Type="text",
        Pushname=name,
        Timestamp=at,
        Category="",
        Multicast=False,
        MediaType="",
        Edit="",
    )
    return proto.Message(
        Info=info,
        Message=message,
        IsEphemeral=False,
        IsViewOnce=False,
        IsViewOnceV2=False,
        IsViewOnceV2Extension=False,
        IsDocumentWithCaption=False,
        IsLottieSticker=False,
        IsEdit=False,
        UnavailableRequestID="",
        RetryCount=0,
    )


def text(id: str, body: str, sender: str = "5511988887777") -> Any:
    person = jid(sender)
    return received(id, waE2E.Message(conversation=body), source(person, person))


def receipt(ids: list[str], kind: str, sender: str = "5511988887777") -> Any:
    person = jid(sender)
    return proto.Receipt(
        MessageSource=source(person, person),
        MessageIDs=ids,
        Timestamp=1_790_000_000,
        Type=proto.Receipt.ReceiptType.Value(kind),
    )


class Number:
    """A number inside the library."""

    def __init__(self, callbacks: tuple[Any, ...], paired: bool) -> None:
        self.qr, self.login, self.event, self.log = callbacks
        self.paired = threading.Event()
        if paired:
            self.paired.set()
        self.connected = False
        self.events: queue.Queue[tuple[int, bytes] | None] = queue.Queue()


class Go:
    """`neonize.client.gocode`. `numbers` run by their name; `sent` holds what was sent, oldest first.

    `on_send` may answer a send itself, or raise; `answers` holds the replies of other functions by their name, or what makes
    them of the function's arguments. Votes are encrypted with nothing.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, Number] = {}
        self.sent: list[tuple[str, Any, Any]] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: dict[str, Any] = {}
        self.on_send: Callable[[str, Any], str | None] | None = None
        self.refuses: str | None = None
        self.code = b"2@abc,def,ghi,1"
        self._lock = threading.Lock()

    def Neonize(self, store: bytes, uuid: bytes, jid_: bytes, size: int, new: int, level: bytes, *rest: Any) -> bytes:
        name = uuid.decode()
        self.calls.append(("Neonize", (store, uuid, jid_, new, level)))
        if self.refuses is not None:
            return self.refuses.encode()
        number = Number(rest[:4], paired=size > 0)
        self.numbers[name] = number
        if size == 0:
            number.connected = True
            number.qr(uuid, _pointer(self.code))
            number.paired.wait()
            if self.numbers.get(name) is not number:
                # As the real one: a number that was never paired does not come back.
                threading.Event().wait(3.0)
                return b""
        number.connected = True
        device = proto.Device(
            JID=jid(OWN, device=12),
            LID=jid("77001", "lid"),
            Platform="",
            BussinessName="",
            PushName="Padaria",
            Initialized=True,
        )
        self._call(number, uuid, 0, device.SerializeToString())
        self._call(number, uuid, EVENT_TO_INT[proto.Connected], proto.Connected(status=True).SerializeToString())
        while (item := number.events.get()) is not None:
            self._call(number, uuid, *item)
        return b""

    def _call(self, number: Number, uuid: bytes, code: int, data: bytes) -> None:
        number.event(uuid, _pointer(data), len(data), code)

    def tell(self, name: str, event: Protobuf) -> None:
        """WhatsApp sends an event."""
        self.numbers[name].events.put((EVENT_TO_INT[type(event)], event.SerializeToString()))

    def tell_raw(self, name: str, kind: type[Protobuf], data: bytes) -> None:
        """WhatsApp sends something under the name of an event that is not one."""
        self.numbers[name].events.put((EVENT_TO_INT[kind], data))

    def scan(self, name: str) -> None:
        """A phone scans the code."""
        self.numbers[name].paired.set()

    def end_codes(self, name: str, status: str) -> None:
        """The showing of codes ends, or goes on, with a word."""
        self.numbers[name].login(name.encode(), _pointer(status.encode()))

    def Stop(self, uuid: bytes) -> None:
        number = self.numbers.pop(uuid.decode(), None)
        if number is not None:
            number.connected = False
            number.events.put(None)
            number.paired.set()

    def Disconnect(self, uuid: bytes) -> None:
        self.calls.append(("Disconnect", (uuid,)))
        self.numbers[uuid.decode()].connected = False

    def SendMessage(self, uuid: bytes, to: bytes, _: int, message: bytes, __: int) -> bytes:
        name, target = uuid.decode(), proto.JID.FromString(to)
        assert name in self.numbers, "the real library ends the process here"
        self.calls.append(("SendMessage", (uuid, to, message)))
        parsed = waE2E.Message.FromString(message)
        answer = proto.SendMessageReturnFunction()
        try:
            given = self.on_send(name, parsed) if self.on_send is not None else None
        except RuntimeError as error:
            answer.Error = str(error)
            return bytes(answer.SerializeToString())
        with self._lock:
            self.sent.append((name, target, parsed))
            id = given or f"3EB0{len(self.sent):018X}"
        timings = {field.name: 0 for field in proto.MessageDebugTimings.DESCRIPTOR.fields}
        answer.SendResponse.CopyFrom(
            proto.SendResponse(
                Timestamp=1_790_000_000, ID=id, ServerID=0, DebugTimings=proto.MessageDebugTimings(**timings)
            )
        )
        return bytes(answer.SerializeToString())

    def Upload(self, uuid: bytes, data: bytes, size: int, kind: int) -> bytes:
        self.calls.append(("Upload", (uuid, data, kind)))
        response = proto.UploadResponse(
            url="https://mmg.test/f",
            DirectPath="/f",
            Handle="",
            MediaKey=b"k" * 32,
            FileEncSHA256=b"e" * 32,
            FileSHA256=b"s" * 32,
            FileLength=size,
        )
        return bytes(proto.UploadReturnFunction(UploadResponse=response).SerializeToString())

    def BuildPollVote(self, uuid: bytes, poll: bytes, _: int, options: bytes, __: int) -> bytes:
        about, names = proto.MessageInfo.FromString(poll), proto.ArrayString.FromString(options).data
        where = about.MessageSource
        key = MessageKey(remoteJID=f"{where.Chat.User}@{where.Chat.Server}", fromMe=where.IsFromMe, ID=about.ID)
        chosen = waE2E.PollVoteMessage(selectedOptions=[hashlib.sha256(name.encode()).digest() for name in names])
        vote = waE2E.PollEncValue(encPayload=chosen.SerializeToString(), encIV=b"i" * 12)
        update = waE2E.PollUpdateMessage(pollCreationMessageKey=key, vote=vote)
        answer = proto.BuildPollVoteReturnFunction(PollVote=waE2E.Message(pollUpdateMessage=update))
        return bytes(answer.SerializeToString())

    def DecryptPollVote(self, uuid: bytes, message: bytes, _: int) -> bytes:
        vote = proto.Message.FromString(message).Message.pollUpdateMessage.vote
        chosen = waE2E.PollVoteMessage.FromString(vote.encPayload)
        return bytes(proto.ReturnFunctionWithError(PollVoteMessage=chosen).SerializeToString())

    def PairPhone(self, uuid: bytes, parameters: bytes, _: int) -> bytes:
        self.calls.append(("PairPhone", (proto.PairPhoneParams.FromString(parameters).phone,)))
        return bytes(proto.PairPhoneReturnFunction(Code="ABCD-1234").SerializeToString())

    def Logout(self, uuid: bytes) -> bytes:
        self.calls.append(("Logout", (uuid,)))
        return b""

    def IsConnected(self, uuid: bytes) -> bool:
        return self.numbers[uuid.decode()].connected

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.answers.get(name, b"")
            if callable(answer):
                answer = answer(*arguments)
            return answer.SerializeToString() if isinstance(answer, Protobuf) else answer

        return call


_KEPT: list[Any] = []


def _pointer(data: bytes) -> int:
    """Memory that stays for as long as a callback may read it."""
    buffer = ctypes.create_string_buffer(data, len(data) + 1)
    _KEPT.append(buffer)
    if len(_KEPT) > 1_000:
        del _KEPT[:500]
    return ctypes.addressof(buffer)


def filled(message: Any) -> Any:
    """The message with everything it requires, as Go always sends it: what is not given is empty."""
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            if field.message_type is None:
                setattr(message, field.name, field.default_value)
            else:
                getattr(message, field.name).SetInParent()
        if field.message_type is not None:
            inside = getattr(message, field.name)
            if field.is_repeated:
                for one in inside:
                    filled(one)
            elif message.HasField(field.name):
                filled(inside)
    return message
