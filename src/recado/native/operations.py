"""What a device can be asked to do besides sending: one function per operation of `providers/native/operations.py`.

Each takes the device and the request and returns plain data in the shape of `domain.operations`, or raises what neonize
raises. They block, and run in threads.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict, ParseError
from neonize.exc import NeonizeError
from neonize.proto import Neonize_pb2 as proto
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as waE2E  # the name it has everywhere
from neonize.utils.enum import (
    BlocklistAction,
    ChatPresence,
    ChatPresenceMedia,
    ParticipantChange,
    Presence,
    ReceiptType,
)

from recado.native import faults, jids, messages, pictures

if TYPE_CHECKING:
    from recado.native.device import Device, Result

Json = Mapping[str, Any]

_MEDIA_FIELDS = {
    "image": "imageMessage",
    "sticker": "stickerMessage",
    "video": "videoMessage",
    "gif": "videoMessage",
    "ptv": "ptvMessage",
    "audio": "audioMessage",
    "voice": "audioMessage",
    "document": "documentMessage",
}


#: Our names of privacy settings, and WhatsApp's. Who sees stories is another call, which neonize has for reading only.
_PRIVACY = {
    "last_seen": "last",
    "online": "online",
    "picture": "profile",
    "about": "status",
    "read_receipts": "readreceipts",
    "groups": "groupadd",
    "calls": "calladd",
}
_PRIVACY_VALUES = {
    "all": "all",
    "contacts": "contacts",
    "contacts_except": "contact_blacklist",
    "none": "none",
    "match_last_seen": "match_last_seen",
    "known": "known",
}


class Failed(Exception):
    """The operation cannot be done; `code` says why."""

    def __init__(self, code: str, why: str, *, retryable: bool = False) -> None:
        super().__init__(why)
        self.reply = {"outcome": "failed", "code": code, "why": why, "retryable": retryable}


def perform(device: "Device", operation: str, request: Json, payload: bytes | None) -> "Result":
    """Do an operation and put its result, or what went wrong, into a reply."""
    from recado.native.device import Result

    if operation == "download":
        return _download(device, request)
    done = _OPERATIONS.get(operation)
    if done is None:
        return Result(reply=Failed("unsupported_by_provider", f"The engine has no {operation}.").reply)
    try:
        found = done(device, request, payload)
    except Failed as error:
        return Result(reply=error.reply)
    except NeonizeError as error:
        return Result(reply=faults.of_call(_said(error)))
    return Result(reply={"outcome": "done", "result": found})


def _said(error: NeonizeError) -> str:
    """The text of an error. One of neonize's carries the whole protobuf instead."""
    first = error.args[0] if error.args else ""
    return str(getattr(first, "Error", first))


# --- media --------------------------------------------------------------------------------------------------


def _download(device: "Device", request: Json) -> "Result":
    from recado.native.device import Result

    field = _MEDIA_FIELDS.get(str(request.get("kind")))
    if field is None:
        return Result(reply=Failed("media_gone", "There is no media of this kind.").reply)
    message = waE2E.Message()
    try:
        ParseDict(request.get("node") or {}, getattr(message, field), ignore_unknown_fields=True)
    except ParseError as error:
        return Result(reply=Failed("media_gone", f"The media cannot be named to WhatsApp: {error}").reply)
    try:
        data = device.download_any(message)
    except NeonizeError as error:
        said = str(error)
        gone = any(status in said for status in ("403", "404", "410")) or "no url present" in said
        return Result(reply=Failed("media_gone" if gone else "engine_failed", said, retryable=not gone).reply)
    return Result(reply={"outcome": "done"}, payload=data)


# --- chats --------------------------------------------------------------------------------------------------


def _mark_read(device: "Device", request: Json, _: bytes | None) -> None:
    chat, message = str(request["chat"]), str(request["provider_id"])
    sender = device.sender_of(message) if chat.endswith(jids.GROUPS) or chat == jids.STORIES else chat
    if sender is None:
        raise Failed("sender_unknown", "The engine does not remember who wrote this message of the group.")
    device.mark_read(message, chat=jids.parse(chat), sender=jids.parse(sender), receipt=ReceiptType.READ)


def _show_typing(device: "Device", request: Json, _: bytes | None) -> None:
    media = ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
    if request.get("recording"):
        media = ChatPresenceMedia.CHAT_PRESENCE_MEDIA_AUDIO
    device.send_chat_presence(jids.parse(str(request["chat"])), ChatPresence.CHAT_PRESENCE_COMPOSING, media)


def _expire_chat(device: "Device", request: Json, _: bytes | None) -> None:
    device.set_disappearing_timer(jids.parse(str(request["chat"])), int(request["seconds"]) * 1_000_000_000)


def _expire_new_chats(device: "Device", request: Json, _: bytes | None) -> None:
    device.set_default_disappearing_timer(int(request["seconds"]) * 1_000_000_000)


def _set_presence(device: "Device", request: Json, _: bytes | None) -> None:
    device.send_presence(Presence.AVAILABLE if request["available"] else Presence.UNAVAILABLE)


def _watch_presence(device: "Device", request: Json, _: bytes | None) -> None:
    device.subscribe_presence(jids.parse(str(request["contact"])))


def _reject_call(device: "Device", request: Json, _: bytes | None) -> None:
    device.reject_call(jids.parse(str(request["caller"])), str(request["call"]))


# --- people -------------------------------------------------------------------------------------------------


def _list_contacts(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    found = sorted(device.contact.get_all_contacts(), key=lambda contact: (contact.JID.Server, contact.JID.User))
    start = int(request["offset"])
    return [_person(contact.JID, contact.Info) for contact in found[start : start + int(request["limit"])]]


def _get_contact(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    jid = jids.parse(str(request["contact"]))
    person = _person(jid, device.contact.get_contact(jid))
    for info in device.get_user_info(jid):
        person["about"] = info.UserInfo.Status or None
    return person


def _check_numbers(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    phones = [str(phone) for phone in request["phones"]]
    found = {answer.Query.lstrip("+"): answer for answer in device.is_on_whatsapp(*(f"+{phone}" for phone in phones))}
    checked = []
    for phone in phones:
        answer = found.get(phone)
        exists = answer is not None and answer.IsIn
        one: dict[str, Any] = {"phone": phone, "exists": exists}
        if answer is not None and exists:
            one["lid" if answer.JID.Server == jids.HIDDEN else "canonical"] = (
                jids.text(answer.JID) if answer.JID.Server == jids.HIDDEN else answer.JID.User
            )
        checked.append(one)
    return checked


def _get_picture(device: "Device", request: Json, _: bytes | None) -> str | None:
    try:
        return device.get_profile_picture(jids.parse(str(request["contact"]))).URL or None
    except NeonizeError as error:
        said = _said(error)
        if "does not have a profile picture" in said or "hidden their profile picture" in said:
            return None
        raise


def _list_blocked(device: "Device", request: Json, _: bytes | None) -> list[str]:
    return [_address(jid) for jid in device.get_blocklist().JIDs]


def _block(action: BlocklistAction) -> Callable[["Device", Json, bytes | None], None]:
    def do(device: "Device", request: Json, _: bytes | None) -> None:
        device.update_blocklist(jids.parse(str(request["contact"])), action)

    return do


def _get_profile(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    own = device.own
    person: dict[str, Any] = {"phone": own.phone, "lid": own.lid, "push_name": own.name}
    if own.phone is not None:
        for info in device.get_user_info(jids.parse(own.phone)):
            person["about"] = info.UserInfo.Status or None
    return person


def _set_profile_name(device: "Device", request: Json, _: bytes | None) -> None:
    device.set_profile_name(str(request["name"]))


def _set_profile_about(device: "Device", request: Json, _: bytes | None) -> None:
    device.set_status_message(str(request["about"]))


def _set_profile_picture(device: "Device", request: Json, payload: bytes | None) -> None:
    device.set_profile_photo(_picture(payload))


def _picture(payload: bytes | None) -> bytes:
    if payload is None:
        raise Failed("unsupported_by_provider", "neonize cannot take a picture away.")
    try:
        return pictures.jpeg(payload)
    except ValueError as error:
        raise Failed("bad_picture", str(error)) from error


def _get_privacy(device: "Device", request: Json, _: bytes | None) -> dict[str, str]:
    found = device.get_privacy_settings()
    named = {
        "last_seen": found.LastSeen,
        "online": found.Online,
        "picture": found.Profile,
        "about": found.Status,
        "read_receipts": found.ReadReceipts,
        "groups": found.GroupAdd,
        "calls": found.CallAdd,
    }
    words = {"CONTACT_BLACKLIST": "contacts_except"}
    settings = {name: proto.PrivacySettings.PrivacySetting.Name(value) for name, value in named.items()}
    return {name: words.get(word, word.lower()) for name, word in settings.items() if word != "UNDEFINED"}


def _set_privacy(device: "Device", request: Json, _: bytes | None) -> None:
    wanted = dict(request["settings"])
    for name, value in wanted.items():
        if name not in _PRIVACY or value not in _PRIVACY_VALUES:
            raise Failed("unsupported_by_provider", f"neonize cannot set `{name}` to `{value}`.")
    for name, value in wanted.items():
        device.change_privacy(_PRIVACY[name], _PRIVACY_VALUES[value])


# --- groups -------------------------------------------------------------------------------------------------


def _list_groups(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    found = [group for group in device.get_joined_groups() if not group.GroupParent.IsParent]
    found.sort(key=lambda group: group.JID.User)
    start = int(request["offset"])
    return [_group(group) for group in found[start : start + int(request["limit"])]]


def _get_group(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    return _group(device.get_group_info(jids.parse(str(request["group"]))))


def _create_group(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    people = [jids.parse(str(one)) for one in request["participants"]]
    return _group(device.create_group(str(request["subject"]), people))


def _rename_group(device: "Device", request: Json, _: bytes | None) -> None:
    device.set_group_name(jids.parse(str(request["group"])), str(request["subject"]))


def _describe_group(device: "Device", request: Json, _: bytes | None) -> None:
    # Without the ids of the topics, whatsmeow asks for the former and makes the new one.
    device.set_group_topic(jids.parse(str(request["group"])), "", "", str(request["description"]))


def _set_group_picture(device: "Device", request: Json, payload: bytes | None) -> None:
    device.set_group_photo(jids.parse(str(request["group"])), _picture(payload))


def _set_group_settings(device: "Device", request: Json, _: bytes | None) -> None:
    for name in ("approval", "members_add"):
        if request.get(name) is not None:
            raise Failed("unsupported_by_provider", f"neonize cannot change `{name}`.")
    group = jids.parse(str(request["group"]))
    if request.get("announce") is not None:
        device.set_group_announce(group, bool(request["announce"]))
    if request.get("locked") is not None:
        device.set_group_locked(group, bool(request["locked"]))


def _change_participants(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    people = [jids.parse(str(one)) for one in request["participants"]]
    action = ParticipantChange(str(request["action"]))
    answered = device.update_group_participants(jids.parse(str(request["group"])), people, action)
    codes = {jids.text(jid): one.Error for one in answered for jid in (one.JID, one.LID, one.PhoneNumber)}
    results = []
    for given, jid in zip(request["participants"], people, strict=True):
        code = codes.get(jids.text(jid), 0)
        one: dict[str, Any] = {"participant": given, "done": code in (0, 200)}
        if not one["done"]:
            one["code"] = str(code)
        results.append(one)
    return results


def _list_join_requests(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    asked = device.get_group_request_participants(jids.parse(str(request["group"])))
    return [{"participant": _address(one.Participant), "requested_at": one.TimeAt or None} for one in asked]


def _invite(revoke: bool) -> Callable[["Device", Json, bytes | None], str]:
    def do(device: "Device", request: Json, _: bytes | None) -> str:
        return str(device.get_group_invite_link(jids.parse(str(request["group"])), revoke))

    return do


def _preview_invite(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    return _group(device.get_group_info_from_link(_code(request)))


def _join_group(device: "Device", request: Json, _: bytes | None) -> str:
    return jids.text(device.join_group_with_link(_code(request))) or ""


def _leave_group(device: "Device", request: Json, _: bytes | None) -> None:
    device.leave_group(jids.parse(str(request["group"])))


def _code(request: Json) -> str:
    return str(request["link"]).rstrip("/").rpartition("/")[2].partition("?")[0]


# --- communities --------------------------------------------------------------------------------------------


def _list_communities(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    return [_community(group) for group in device.get_joined_groups() if group.GroupParent.IsParent]


def _get_community(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    jid = jids.parse(str(request["community"]))
    community = _community(device.get_group_info(jid))
    inside = device.get_sub_groups(jid)
    community["groups"] = [{"group": jids.text(one.JID), "subject": one.GroupName.Name} for one in inside]
    for one in inside:
        if one.GroupIsDefaultSub.IsDefaultSubGroup:
            community["announcement_group"] = jids.text(one.JID)
    return community


def _create_community(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    parent = proto.GroupParent(IsParent=True, DefaultMembershipApprovalMode="request_required")
    made = device.create_group(str(request["name"]), [], group_parent=parent)
    if request.get("description"):
        device.set_group_topic(made.JID, "", "", str(request["description"]))
    return _community(made)


def _link(linked: bool) -> Callable[["Device", Json, bytes | None], None]:
    def do(device: "Device", request: Json, _: bytes | None) -> None:
        community = jids.parse(str(request["community"]))
        for group in request["groups"]:
            (device.link_group if linked else device.unlink_group)(community, jids.parse(str(group)))

    return do


# --- channels -----------------------------------------------------------------------------------------------


def _list_channels(device: "Device", request: Json, _: bytes | None) -> list[dict[str, Any]]:
    return [_channel(found) for found in device.get_subscribed_newletters()]


def _get_channel(device: "Device", request: Json, _: bytes | None) -> dict[str, Any]:
    named = str(request["channel"])
    if named.endswith(jids.CHANNELS):
        return _channel(device.get_newsletter_info(jids.parse(named)))
    return _channel(device.get_newsletter_info_with_invite(named))


def _create_channel(device: "Device", request: Json, payload: bytes | None) -> dict[str, Any]:
    return _channel(
        device.create_newsletter(str(request["name"]), str(request.get("description") or ""), payload or b"")
    )


def _follow_channel(device: "Device", request: Json, _: bytes | None) -> None:
    jid = jids.parse(str(request["channel"]))
    (device.follow_newsletter if request["following"] else device.unfollow_newsletter)(jid)


def _mute_channel(device: "Device", request: Json, _: bytes | None) -> None:
    device.newsletter_toggle_mute(jids.parse(str(request["channel"])), bool(request["muted"]))


# --- stories ------------------------------------------------------------------------------------------------


def _post_story(device: "Device", request: Json, payload: bytes | None) -> str:
    if request.get("contacts"):
        raise Failed("unsupported_by_provider", "Stories go to those whom the phone's own settings name.")
    story = {"kind": request["kind"], "content": request["content"], "to": jids.STORIES}
    try:
        message = _built(device, story, payload)
    except messages.Unsendable as error:
        raise Failed(error.code, error.why) from error
    return str(device.send_message(jids.parse(jids.STORIES), message).ID)


def _delete_story(device: "Device", request: Json, _: bytes | None) -> None:
    about = {"provider_id": request["story"], "chat": jids.STORIES, "from_me": True, "kind": "text"}
    message = _built(device, {"kind": "delete", "content": {}, "about": about}, None)
    device.send_message(jids.parse(jids.STORIES), message)


def _built(device: "Device", request: Json, payload: bytes | None) -> waE2E.Message:
    own = device.own.phone or ""
    return messages.build(
        request, own=own, secret=None, data=payload, upload=device.upload, vote=device.build_poll_vote
    )


_OPERATIONS: Mapping[str, Callable[["Device", Json, bytes | None], Any]] = {
    "mark_read": _mark_read,
    "show_typing": _show_typing,
    "expire_chat": _expire_chat,
    "expire_new_chats": _expire_new_chats,
    "set_presence": _set_presence,
    "watch_presence": _watch_presence,
    "reject_call": _reject_call,
    "list_contacts": _list_contacts,
    "get_contact": _get_contact,
    "check_numbers": _check_numbers,
    "get_picture": _get_picture,
    "list_blocked": _list_blocked,
    "block_contact": _block(BlocklistAction.BLOCK),
    "unblock_contact": _block(BlocklistAction.UNBLOCK),
    "get_profile": _get_profile,
    "set_profile_name": _set_profile_name,
    "set_profile_about": _set_profile_about,
    "set_profile_picture": _set_profile_picture,
    "get_privacy": _get_privacy,
    "set_privacy": _set_privacy,
    "list_groups": _list_groups,
    "get_group": _get_group,
    "create_group": _create_group,
    "rename_group": _rename_group,
    "describe_group": _describe_group,
    "set_group_picture": _set_group_picture,
    "set_group_settings": _set_group_settings,
    "change_participants": _change_participants,
    "list_join_requests": _list_join_requests,
    "get_invite": _invite(False),
    "reset_invite": _invite(True),
    "preview_invite": _preview_invite,
    "join_group": _join_group,
    "leave_group": _leave_group,
    "list_communities": _list_communities,
    "get_community": _get_community,
    "create_community": _create_community,
    "link_groups": _link(True),
    "unlink_groups": _link(False),
    "list_channels": _list_channels,
    "get_channel": _get_channel,
    "create_channel": _create_channel,
    "follow_channel": _follow_channel,
    "mute_channel": _mute_channel,
    "post_story": _post_story,
    "delete_story": _delete_story,
}


# --- shapes -------------------------------------------------------------------------------------------------


def _address(jid: Any) -> str:
    """Our address of an id: digits for a phone."""
    return jid.User if jid.Server == jids.USERS else jids.text(jid) or ""


def _ids(*found: Any) -> dict[str, Any]:
    ids: dict[str, Any] = {}
    for jid in found:
        if jid.Server == jids.USERS and jid.User:
            ids["phone"] = jid.User
        elif jid.Server == jids.HIDDEN and jid.User:
            ids["lid"] = jids.text(jid)
    return ids


def _person(jid: Any, info: Any) -> dict[str, Any]:
    person = _ids(jid)
    person["name"] = info.FullName or info.FirstName or info.BusinessName or None
    person["push_name"] = info.PushName or None
    if info.BusinessName:
        person["business"] = True
    return person


def _group(group: Any) -> dict[str, Any]:
    participants = []
    for one in group.Participants:
        role = "owner" if one.IsSuperAdmin else "admin" if one.IsAdmin else "member"
        participants.append(_ids(one.JID, one.LID, one.PhoneNumber) | {"name": one.DisplayName or None, "role": role})
    found: dict[str, Any] = {
        "group": jids.text(group.JID),
        "subject": group.GroupName.Name or None,
        "description": group.GroupTopic.Topic or None,
        "owner": _address(group.OwnerPN) or _address(group.OwnerJID) or None,
        # A float of 32 bits, so that it is right within two minutes only.
        "created_at": int(group.GroupCreated) if group.GroupCreated > 0 else None,
        "announce": group.GroupAnnounce.IsAnnounce,
        "locked": group.GroupLocked.isLocked,
        "community": jids.text(group.GroupLinkedParent.LinkedParentJID),
        "participants": participants,
    }
    return found


def _community(group: Any) -> dict[str, Any]:
    topic = group.GroupTopic.Topic or None
    return {"community": jids.text(group.JID), "name": group.GroupName.Name or None, "description": topic}


def _channel(found: Any) -> dict[str, Any]:
    thread = found.ThreadMeta
    channel: dict[str, Any] = {
        "channel": jids.text(found.ID),
        "name": thread.Name.Text or None,
        "description": thread.Description.Text or None,
        "picture": (thread.Picture.URL if thread.HasField("Picture") else thread.Preview.URL) or None,
        "followers": thread.SubscriberCount,
        "verified": thread.VerificationState == proto.NewsletterThreadMetadata.VERIFIED,
    }
    if thread.InviteCode:
        channel["invite_link"] = f"https://whatsapp.com/channel/{thread.InviteCode}"
    if found.HasField("ViewerMeta"):
        channel["role"] = proto.NewsletterRole.Name(found.ViewerMeta.Role).lower()
        channel["muted"] = found.ViewerMeta.Mute == proto.NewsletterMuteState.Value("ON")
    extra: dict[str, Any] = {"creation_time": thread.CreationTime} if thread.CreationTime > 0 else {}
    if found.HasField("State"):
        extra["state"] = proto.WrappedNewsletterState.NewsletterState.Name(found.State.Type).lower()
    return channel | ({"extra": extra} if extra else {})
