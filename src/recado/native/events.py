"""neonize's events as JSON bodies, which are stored like a provider's webhooks and read by the adapter.

Every body is `{"event": …, "at": …, "own": {"phone", "lid"}, …}` with WhatsApp ids as text without devices and times in
ISO 8601. `providers/native/webhooks.py` lists the events. Binary fields of messages are base64, as protobuf's JSON has
them. What changes how the number stands is a `Change` as well.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as Protobuf
from neonize.events import INT_TO_EVENT
from neonize.proto import Neonize_pb2 as proto

from recado.domain.states import ConnectionStatus
from recado.native import jids
from recado.store.native import Change

#: How long nobody connects after whatsmeow gave up, in seconds.
REPLACED_PAUSE = 30.0
OUTDATED_PAUSE = 3_600.0
FAILED_PAUSE = 30.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `body` is stored, `change` written down. `ended` means that the device will not connect again by
    itself; nobody is to try for `pause` seconds."""

    body: dict[str, Any]
    change: Change | None = None
    ended: bool = False
    pause: float = 0.0


class Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Our own number. `device` is its WhatsApp id with the number of the device."""

    phone: str | None = None
    lid: str | None = None
    device: str | None = None
    name: str | None = None


def own_of(device: Any) -> Own:
    """Our own number as neonize's `Device` has it."""
    jid = device.JID if device.HasField("JID") else None
    lid = device.LID if device.HasField("LID") else None
    phone = jid.User if jid is not None and jid.Server == jids.USERS else None
    return Own(
        phone=phone or None, lid=jids.text(lid), device=jids.text(jid, device=True), name=device.PushName or None
    )


def translate(event: Protobuf, own: Own) -> Told | None:
    """What an event tells; None for those that nobody needs."""
    reader = _READERS.get(type(event).__name__)
    return reader(event, own) if reader is not None else None


def body(event: str, own: Own, *, at: datetime | None = None, **told: Any) -> dict[str, Any]:
    """A body, without what is absent."""
    about = {"phone": own.phone, "lid": own.lid}
    found = {"event": event, "at": (at or datetime.now(UTC)).isoformat(), "own": _given(about), **told}
    return _given(found)


def state(own: Own, change: Change, *, ended: bool = False, pause: float = 0.0) -> Told:
    """A change of how our number stands."""
    told = body(
        "state",
        own,
        status=change.status,
        reason=change.reason,
        qr=change.qr,
        pairing_code=change.pairing_code,
        expires_at=change.expires_at.isoformat() if change.expires_at else None,
        phone=change.phone,
        details=change.details or None,
    )
    return Told(body=told, change=change, ended=ended, pause=pause)


# --- messages and receipts ----------------------------------------------------------------------------------


def unreadable(own: Own, code: int, data: bytes, error: Exception) -> Told:
    """What neonize handed over under its number of a kind of event and could not be understood: its bytes, as they are."""
    kind = INT_TO_EVENT[code].__name__ if code in INT_TO_EVENT else str(code)
    encoded = base64.b64encode(data).decode()
    return Told(body=body("unreadable", own, kind=kind, error=type(error).__name__, data=encoded))


def _message(event: Any, own: Own) -> Told:
    told = body(
        "message",
        own,
        at=_moment(event.Info.Timestamp),
        info=_info(event.Info),
        message=MessageToDict(event.Message) if event.HasField("Message") else {},
        edited=event.IsEdit or None,
        view_once=(event.IsViewOnce or event.IsViewOnceV2 or event.IsViewOnceV2Extension) or None,
    )
    return Told(body=told)


def _undecryptable(event: Any, own: Own) -> Told:
    hidden = event.DecryptFailMode == proto.UndecryptableMessage.DECRYPT_FAIL_HIDE
    told = body(
        "undecryptable",
        own,
        at=_moment(event.Info.Timestamp),
        info=_info(event.Info),
        unavailable=event.IsUnavailable or None,
        hidden=hidden or None,
    )
    return Told(body=told)


def _receipt(event: Any, own: Own) -> Told:
    told = body(
        "receipt",
        own,
        at=_moment(event.Timestamp),
        ids=list(event.MessageIDs),
        type=proto.Receipt.ReceiptType.Name(event.Type).lower(),
        **_source(event.MessageSource),
    )
    return Told(body=told)


def _info(info: Any) -> dict[str, Any]:
    return _given(
        {
            "id": info.ID,
            "type": info.Type or None,
            "push_name": info.Pushname or None,
            "category": info.Category or None,
            "edit": info.Edit or None,
            "media_type": info.MediaType or None,
            "server_id": info.ServerID or None,
            **_source(info.MessageSource),
        }
    )


def _source(source: Any) -> dict[str, Any]:
    return _given(
        {
            "chat": jids.text(source.Chat),
            "sender": jids.text(source.Sender),
            "sender_alt": jids.text(source.SenderAlt),
            "recipient_alt": jids.text(source.RecipientAlt),
            "from_me": source.IsFromMe,
            "group": source.IsGroup,
        }
    )


# --- how our number stands ----------------------------------------------------------------------------------


def _connected(event: Any, own: Own) -> Told:
    change = Change(status=ConnectionStatus.CONNECTED, phone=own.phone, device=own.device)
    return state(own, change)


def _disconnected(event: Any, own: Own) -> Told:
    return state(own, Change(status=ConnectionStatus.CONNECTING, reason="connection_lost"))


def _keep_alive_timeout(event: Any, own: Own) -> Told:
    details = {"errors": event.ErrorCount, "last_success": _at(event.LastSuccess)}
    return state(own, Change(status=ConnectionStatus.DEGRADED, reason="keep_alive_timeout", details=_given(details)))


def _logged_out(event: Any, own: Own) -> Told:
    reason = proto.ConnectFailureReason.Name(event.Reason).lower()
    change = Change(
        status=ConnectionStatus.LOGGED_OUT,
        reason="logged_out" if reason == "generic" else reason,
        details={"on_connect": event.OnConnect},
        unpaired=True,
        stays=False,
    )
    return state(own, change, ended=True)


def _stream_replaced(event: Any, own: Own) -> Told:
    change = Change(status=ConnectionStatus.DISCONNECTED, reason="stream_replaced")
    return state(own, change, ended=True, pause=REPLACED_PAUSE)


def _temporary_ban(event: Any, own: Own) -> Told:
    code = proto.TemporaryBan.TempBanReason.Name(event.Code).lower()
    seconds = max(int(event.Expire), 0)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    details = {"code": code, "expires_at": until.isoformat(timespec="seconds")}
    change = Change(status=ConnectionStatus.BANNED, reason=f"temporary_ban:{code}", details=details)
    return state(own, change, ended=True, pause=float(max(seconds, 60)))


def _client_outdated(event: Any, own: Own) -> Told:
    change = Change(status=ConnectionStatus.DISCONNECTED, reason="client_outdated")
    return state(own, change, ended=True, pause=OUTDATED_PAUSE)


def _connect_failure(event: Any, own: Own) -> Told:
    reason = proto.ConnectFailureReason.Name(event.Reason).lower()
    details = _given({"message": event.Message[:500] or None})
    change = Change(status=ConnectionStatus.DISCONNECTED, reason=f"connect_failure:{reason}", details=details)
    return state(own, change, ended=True, pause=FAILED_PAUSE)


def _pair_status(event: Any, own: Own) -> Told:
    paired = event.Status == proto.PairStatus.SUCCESS
    if paired:
        device = jids.text(event.ID, device=True)
        change = Change(status=ConnectionStatus.CONNECTING, reason="paired", phone=event.ID.User or None, device=device)
        return state(own, change)
    details = _given({"error": event.Error[:500] or None})
    failed = Change(status=ConnectionStatus.DISCONNECTED, reason="pairing_failed", details=details, stays=False)
    return state(own, failed, ended=True)


def _stream_error(event: Any, own: Own) -> Told:
    return Told(body=body("stream_error", own, code=event.Code))


def _offline_preview(event: Any, own: Own) -> Told:
    counts = {
        "total": event.Total,
        "messages": event.Message,
        "notifications": event.Notifications,
        "receipts": event.Receipts,
    }
    return Told(body=body("offline_preview", own, counts=counts))


def _offline_completed(event: Any, own: Own) -> Told:
    return Told(body=body("offline_completed", own, counts={"total": event.Count}))


# --- people, groups, calls ----------------------------------------------------------------------------------


def _chat_presence(event: Any, own: Own) -> Told:
    composing = event.State == proto.ChatPresence.COMPOSING
    audio = event.Media == proto.ChatPresence.AUDIO
    shown = ("recording" if audio else "composing") if composing else "paused"
    return Told(body=body("presence", own, state=shown, **_source(event.MessageSource)))


def _presence(event: Any, own: Own) -> Told:
    shown = "unavailable" if event.Unavailable else "available"
    told = body("presence", own, state=shown, sender=jids.text(event.From), last_seen=_at(event.LastSeen))
    return Told(body=told)


def _call(shown: str) -> Callable[[Any, Own], Told]:
    def read(event: Any, own: Own) -> Told:
        meta = event.basicCallMeta
        kind = getattr(event, "media", "") or ("video" if _has_video(event) else "voice")
        told = body(
            "call",
            own,
            at=_moment(meta.timestamp),
            id=meta.callID,
            state=shown,
            kind="video" if kind == "video" else "voice",
            caller=jids.text(meta.callCreator) or jids.text(getattr(meta, "from")),
            caller_alt=jids.text(meta.callCreatorAlt),
            group=jids.text(getattr(meta, "from")) if getattr(meta, "from").Server == jids.GROUPS else None,
            reason=getattr(event, "reason", "") or None,
        )
        return Told(body=told)

    return read


def _has_video(event: Any) -> bool:
    return any(node.Tag == "video" for node in event.data.Nodes)


def _group(event: Any, own: Own) -> Told:
    changed = {
        "subject": event.Name.Name if event.HasField("Name") else None,
        "description": event.Topic.Topic if event.HasField("Topic") else None,
        "locked": event.Locked.isLocked if event.HasField("Locked") else None,
        "announce": event.Announce.IsAnnounce if event.HasField("Announce") else None,
        "ephemeral": event.Ephemeral.DisappearingTimer if event.HasField("Ephemeral") else None,
        "deleted": True if event.HasField("Delete") else None,
        "invite_link": event.NewInviteLink or None,
        "joined": _several(event.Join),
        "left": _several(event.Leave),
        "promoted": _several(event.Promote),
        "demoted": _several(event.Demote),
    }
    told = body(
        "group",
        own,
        at=_moment(event.Timestamp),
        group=jids.text(event.JID),
        by=jids.text(event.Sender) if event.HasField("Sender") else None,
        **_given(changed),
    )
    return Told(body=told)


def _joined_group(event: Any, own: Own) -> Told:
    by = jids.text(event.Sender) if event.HasField("Sender") else None
    told = body("joined_group", own, group=jids.text(event.GroupInfo.JID), by=by, reason=event.Reason or None)
    told["subject"] = event.GroupInfo.GroupName.Name
    return Told(body=told)


def _picture(event: Any, own: Own) -> Told:
    about, by = jids.text(event.JID), jids.text(event.Author)
    told = body("picture", own, at=_moment(event.Timestamp), about=about, by=by, removed=event.Remove or None)
    return Told(body=told)


def _identity_change(event: Any, own: Own) -> Told:
    told = body("identity_change", own, at=_moment(event.Timestamp), about=jids.text(event.JID))
    return Told(body=told)


def _blocklist(event: Any, own: Own) -> Told:
    changes = [
        {"contact": jids.text(change.JID), "blocked": change.BlockAction == proto.BlocklistChange.BLOCK}
        for change in event.Changes
    ]
    return Told(body=body("blocklist", own, changes=changes))


def _block_change(event: Any, own: Own) -> Told:
    blocked = event.BlockAction == proto.BlocklistChange.BLOCK
    return Told(body=body("blocklist", own, changes=[{"contact": jids.text(event.JID), "blocked": blocked}]))


def _channel(change: str) -> Callable[[Any, Own], Told]:
    def read(event: Any, own: Own) -> Told:
        about = event.NewsletterMetadata.ID if change == "joined" else event.ID
        return Told(body=body("channel", own, channel=jids.text(about), change=change))

    return read


_READERS: Mapping[str, Callable[[Any, Own], Told]] = {
    "Message": _message,
    "UndecryptableMessage": _undecryptable,
    "Receipt": _receipt,
    "Connected": _connected,
    "KeepAliveRestored": _connected,
    "Disconnected": _disconnected,
    "KeepAliveTimeout": _keep_alive_timeout,
    "LoggedOut": _logged_out,
    "StreamReplaced": _stream_replaced,
    "TemporaryBan": _temporary_ban,
    "ClientOutdated": _client_outdated,
    "ConnectFailure": _connect_failure,
    "PairStatus": _pair_status,
    "StreamError": _stream_error,
    "OfflineSyncPreview": _offline_preview,
    "OfflineSyncCompleted": _offline_completed,
    "ChatPresence": _chat_presence,
    "Presence": _presence,
    "CallOffer": _call("ringing"),
    "CallOfferNotice": _call("ringing"),
    "CallAccept": _call("accepted"),
    "CallTerminate": _call("ended"),
    "GroupInfoEvent": _group,
    "JoinedGroup": _joined_group,
    "Picture": _picture,
    "IdentityChange": _identity_change,
    "BlocklistEvent": _blocklist,
    "BlocklistChange": _block_change,
    "NewsletterJoin": _channel("joined"),
    "NewsletterLeave": _channel("left"),
}


def _several(found: Any) -> list[str] | None:
    return [text for one in found if (text := jids.text(one))] or None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _moment(stamp: int) -> datetime | None:
    """neonize gives messages in milliseconds and everything else in seconds; Go's zero time is before 1970."""
    if stamp <= 0:
        return None
    return datetime.fromtimestamp(stamp / 1000 if stamp > 100_000_000_000 else stamp, UTC)


def _at(stamp: int) -> str | None:
    moment = _moment(stamp)
    return moment.isoformat() if moment else None
