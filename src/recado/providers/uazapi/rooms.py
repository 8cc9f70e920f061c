"""What UAZAPI has of groups, communities and channels."""

from collections.abc import Sequence
from typing import Any, Literal

from recado.domain.operations import (
    Channel,
    Channels,
    Communities,
    Community,
    Group,
    Groups,
    JoinRequest,
    Participant,
    ParticipantAction,
    ParticipantResult,
    Picture,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers import whatsapp
from recado.providers.uazapi.calls import Caller, Json, flag, maybe, objects, rest, text, whole
from recado.providers.uazapi.errors import moment
from recado.providers.uazapi.payloads import number
from recado.providers.uazapi.people import invalid, picture_of

_PAGE = 1_000
_LONGEST_SUBJECT = 25
_LONGEST_NEW_SUBJECT = 100
_LONGEST_DESCRIPTION = 512
_MOST_PARTICIPANTS = 50
#: Where UAZAPI writes the ids of a participant.
_IDS = ("JID", "PhoneNumber", "LID")


class Rooms(Groups, Communities, Channels, Caller):
    """Operations on rooms of more than two."""

    # --- groups --------------------------------------------------------------------------------------------

    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """A page of the groups and communities, without participants."""
        asked = {"limit": min(limit, _PAGE), "offset": offset, "noParticipants": True}
        answer = await self._object(connection, "POST", "/group/list", asked)
        return [found for one in objects(answer.get("groups")) if (found := _group(one))]

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group with its participants."""
        return _known(await self._info(connection, group))

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group of 1 to 50 others; its name has up to 100 characters."""
        if not 1 <= len(subject) <= _LONGEST_NEW_SUBJECT:
            raise invalid(f"a new group's name has 1 to {_LONGEST_NEW_SUBJECT} characters")
        if not 1 <= len(participants) <= _MOST_PARTICIPANTS:
            raise invalid(f"a group begins with 1 to {_MOST_PARTICIPANTS} participants")
        asked = {"name": subject, "participants": [number(one) for one in participants]}
        return _known(await self._object(connection, "POST", "/group/create", asked))

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Change a group's name; UAZAPI takes up to 25 characters."""
        if not 1 <= len(subject) <= _LONGEST_SUBJECT:
            raise invalid(f"UAZAPI takes 1 to {_LONGEST_SUBJECT} characters for a group's new name")
        await self._ask(connection, "POST", "/group/updateName", {"groupjid": group, "name": subject})

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Change a group's description, up to 512 characters."""
        if len(description) > _LONGEST_DESCRIPTION:
            raise invalid(f"a description has at most {_LONGEST_DESCRIPTION} characters")
        asked = {"groupjid": group, "description": description}
        await self._ask(connection, "POST", "/group/updateDescription", asked)

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """Change a group's picture (a JPEG of at most 640 by 640), or with None remove it."""
        asked = {"groupjid": group, "image": picture_of(picture)}
        await self._ask(connection, "POST", "/group/updateImage", asked)

    async def set_group_settings(
        self,
        connection: Connection,
        *,
        group: str,
        announce: bool | None = None,
        locked: bool | None = None,
        approval: bool | None = None,
        members_add: bool | None = None,
    ) -> None:
        """One call for each setting that is given, in this order; what failed stops the rest."""
        mode = None if members_add is None else "all_member_add" if members_add else "admin_add"
        settings: tuple[tuple[str, str, Any], ...] = (
            ("updateAnnounce", "announce", announce),
            ("updateLocked", "locked", locked),
            ("updateJoinApproval", "IsJoinApprovalRequired", approval),
            ("updateMemberAddMode", "MemberAddMode", mode),
        )
        for route, field, value in settings:
            if value is not None:
                await self._ask(connection, "POST", f"/group/{route}", {"groupjid": group, field: value})

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Add, remove, promote or demote."""
        return await self._participants(connection, group, action, participants)

    async def list_join_requests(self, connection: Connection, *, group: str) -> list[JoinRequest]:
        """Who asks to come in. UAZAPI does not say since when."""
        info = await self._info(connection, group, getRequestsParticipants=True, force=True)
        asking = (text(info, "request_participants") or "").split(",")
        return [JoinRequest(participant=found) for one in asking if (found := whatsapp.address(one))]

    async def answer_join_requests(
        self, connection: Connection, *, group: str, participants: Sequence[str], approve: bool
    ) -> list[ParticipantResult]:
        """Let people in, or not."""
        return await self._participants(connection, group, "approve" if approve else "reject", participants)

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The invitation link, for admins."""
        link = text(await self._info(connection, group, getInviteLink=True), "invite_link")
        if link is None:
            raise CallFailed("UAZAPI tells no link: only admins may see it", code="not_admin", retryable=False)
        return link

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new invitation link; the old one ends."""
        answer = await self._object(connection, "POST", "/group/resetInviteCode", {"groupjid": group})
        link = text(answer, "InviteLink") or text(maybe(answer.get("group")), "invite_link")
        if link is None:
            raise CallFailed("UAZAPI tells no new link", code="bad_answer")
        return link

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind an invitation link or its code."""
        return _known(await self._object(connection, "POST", "/group/inviteInfo", {"invitecode": _code(link)}))

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join by an invitation link or its code; the group's id."""
        answer = await self._object(connection, "POST", "/group/join", {"invitecode": _code(link)})
        return _known(maybe(answer.get("group"))).group

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave a group."""
        await self._ask(connection, "POST", "/group/leave", {"groupjid": group})

    async def _info(self, connection: Connection, group: str, **more: bool) -> Json:
        return await self._object(connection, "POST", "/group/info", {"groupjid": group, **more})

    async def _participants(
        self, connection: Connection, group: str, action: str, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        asked = {"groupjid": group, "action": action, "participants": [number(one) for one in participants]}
        answer = await self._object(connection, "POST", "/group/updateParticipants", asked)
        return _results(participants, objects(answer.get("groupUpdated")))

    # --- communities ---------------------------------------------------------------------------------------

    async def list_communities(self, connection: Connection) -> list[Community]:
        """The communities among the groups, each with the groups that name it."""
        every = await self._all_groups(connection)
        return [_community(one, every) for one in every if flag(one.get("IsParent"))]

    async def get_community(self, connection: Connection, *, community: str) -> Community:
        """A community with its groups that the number is in."""
        return _community(await self._info(connection, community), await self._all_groups(connection))

    async def create_community(self, connection: Connection, *, name: str, description: str | None) -> Community:
        """Make a community, and then describe it, which is a call of its own."""
        answer = await self._object(connection, "POST", "/community/create", {"name": name})
        made = maybe(answer.get("group"))
        if description:
            await self.describe_group(connection, group=_known(made).group, description=description)
        return _community({**made, **({"Topic": description} if description else {})}, [])

    async def link_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Put groups into a community."""
        await self._edit_groups(connection, community, "add", groups)

    async def unlink_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Take groups out of a community."""
        await self._edit_groups(connection, community, "remove", groups)

    async def _edit_groups(self, connection: Connection, community: str, action: str, groups: Sequence[str]) -> None:
        asked = {"community": community, "action": action, "groupjids": list(groups)}
        failed = (await self._object(connection, "POST", "/community/editgroups", asked)).get("failed")
        if isinstance(failed, list) and failed:
            names = ", ".join(str(one) for one in failed)
            raise CallFailed(f"WhatsApp refused {names}", code="partly_refused", retryable=False)

    async def _all_groups(self, connection: Connection) -> list[Json]:
        found: list[Json] = []
        while True:
            asked = {"limit": _PAGE, "offset": len(found), "noParticipants": True}
            page = objects((await self._object(connection, "POST", "/group/list", asked)).get("groups"))
            found += page
            if len(page) < _PAGE:
                return found

    # --- channels ------------------------------------------------------------------------------------------

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """The channels that the number follows or runs."""
        answer = await self._object(connection, "GET", "/newsletter/list")
        return [found for one in objects(answer.get("response")) if (found := _channel(one))]

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """A channel by its id or invitation link."""
        if channel.endswith("@newsletter"):
            answer = await self._object(connection, "POST", "/newsletter/info", {"jid": channel})
        else:
            answer = await self._object(connection, "POST", "/newsletter/link", {"key": _code(channel)})
        return _told_channel(answer)

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """Make a channel. A picture has at most 1 MB."""
        asked = {"name": name}
        asked |= {"description": description} if description else {}
        asked |= {"picture": picture_of(picture)} if picture else {}
        return _told_channel(await self._object(connection, "POST", "/newsletter/create", asked))

    async def update_channel(
        self,
        connection: Connection,
        *,
        channel: str,
        name: str | None = None,
        description: str | None = None,
        picture: Picture | None = None,
    ) -> None:
        """One call for each that is given, in this order; what failed stops the rest."""
        shown = picture_of(picture) if picture else None
        for field, value in (("name", name), ("description", description), ("picture", shown)):
            if value is not None:
                await self._channel_call(connection, field, channel, **{field: value})

    async def delete_channel(self, connection: Connection, *, channel: str) -> None:
        """End a channel."""
        await self._channel_call(connection, "delete", channel)

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """Follow a channel, or no longer."""
        await self._channel_call(connection, "follow" if following else "unfollow", channel)

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """Mute a channel, or no longer."""
        await self._channel_call(connection, "mute" if muted else "unmute", channel)

    async def set_channel_reactions(
        self, connection: Connection, *, channel: str, reactions: Literal["all", "basic", "none"]
    ) -> None:
        """With which emojis followers may react."""
        await self._channel_call(connection, "settings", channel, reactionCodes=reactions)

    async def search_channels(self, connection: Connection, *, text: str, limit: int) -> list[Channel]:
        """Public channels by name, the first page."""
        asked = {"searchText": text, "limit": limit}
        answer = await self._object(connection, "POST", "/newsletter/search", asked)
        listed = objects(maybe(answer.get("response")).get("data"))
        return [found for one in listed if (found := _channel(one))]

    async def _channel_call(self, connection: Connection, route: str, channel: str, **more: str) -> None:
        answer = await self._object(connection, "POST", f"/newsletter/{route}", {"jid": channel, **more})
        if answer.get("response") is False:
            raise CallFailed("WhatsApp refused it", code="refused", retryable=False)


def _code(link: str) -> str:
    """The code of an invitation or of its link, which with a query behind it is longer than UAZAPI takes."""
    return link.strip().partition("?")[0].rstrip("/").rpartition("/")[2]


def _known(raw: Json) -> Group:
    group = _group(raw)
    if group is None:
        raise CallFailed("UAZAPI names no group", code="bad_answer")
    return group


_GROUP_FIELDS = [
    "JID",
    "Name",
    "Topic",
    "OwnerJID",
    "OwnerPN",
    "GroupCreated",
    "IsAnnounce",
    "IsLocked",
    "IsJoinApprovalRequired",
    "LinkedParentJID",
    "Participants",
    "invite_link",
]


def _group(raw: Json) -> Group | None:
    identifier = whatsapp.address(raw.get("JID"))
    if identifier is None:
        return None
    return Group(
        group=identifier,
        subject=text(raw, "Name"),
        description=text(raw, "Topic"),
        owner=whatsapp.address(raw.get("OwnerPN")) or whatsapp.address(raw.get("OwnerJID")),
        created_at=moment(raw.get("GroupCreated")),
        invite_link=text(raw, "invite_link"),
        announce=flag(raw.get("IsAnnounce")),
        locked=flag(raw.get("IsLocked")),
        approval=flag(raw.get("IsJoinApprovalRequired")),
        community=whatsapp.address(raw.get("LinkedParentJID")),
        participants=[_participant(one) for one in objects(raw.get("Participants"))],
        extra=rest(raw, *_GROUP_FIELDS),
    )


def _participant(raw: Json) -> Participant:
    party = whatsapp.party(raw.get("PhoneNumber"), raw.get("LID"), raw.get("JID"), name=raw.get("DisplayName"))
    if flag(raw.get("IsSuperAdmin")):
        return Participant(phone=party.phone, lid=party.lid, name=party.name, role="owner")
    role = flag(raw.get("IsAdmin"))
    return Participant(phone=party.phone, lid=party.lid, name=party.name, role="admin" if role else "member")


def _results(participants: Sequence[str], told: list[Json]) -> list[ParticipantResult]:
    """What UAZAPI says of each that was asked for. It may name them by an id that we did not ask by: where one of those
    failed, nobody that it does not name by ours counts as done."""
    by_id = {found: one for one in told for name in _IDS if (found := whatsapp.address(one.get(name)))}
    asked = {number(one) for one in participants}
    others = [one for one in told if not asked & {whatsapp.address(one.get(name)) for name in _IDS}]
    refused = next((one for one in others if whole(one.get("Error"))), {})
    return [_result(one, by_id.get(number(one), refused)) for one in participants]


def _result(participant: str, told: Json) -> ParticipantResult:
    code = whole(told.get("Error")) or 0
    return ParticipantResult(participant=participant, done=code == 0, code=str(code) if code else None)


def _community(raw: Json, every: list[Json]) -> Community:
    shown = _known(raw)
    inside = [_group(one) for one in every if whatsapp.address(one.get("LinkedParentJID")) == shown.group]
    announcements = text(raw, "DefaultSubGroupId") or next(
        (text(one, "JID") for one in every if flag(one.get("IsDefaultSubGroup")) and _parent(one) == shown.group), None
    )
    return Community(
        community=shown.group,
        name=shown.subject,
        description=shown.description,
        announcement_group=whatsapp.address(announcements),
        groups=[group for group in inside if group],
    )


def _parent(raw: Json) -> str | None:
    return whatsapp.address(raw.get("LinkedParentJID"))


def _told_channel(answer: Json) -> Channel:
    found = _channel(maybe(answer.get("response")))
    if found is None:
        raise CallFailed("UAZAPI names no channel", code="bad_answer")
    return found


def _channel(raw: Json) -> Channel | None:
    """A channel as whatsmeow writes WhatsApp's metadata. The document leaves its shape open."""
    identifier = whatsapp.address(raw.get("id")) or whatsapp.address(raw.get("jid"))
    if identifier is None:
        return None
    identifier = identifier if "@" in identifier else f"{identifier}@newsletter"
    thread, viewer = maybe(raw.get("thread_metadata")), maybe(raw.get("viewer_metadata"))
    picture = maybe(thread.get("picture")) or maybe(thread.get("preview"))
    followers, invite = text(thread, "subscribers_count"), text(thread, "invite")
    counted = int(followers) if followers and followers.isdecimal() else whole(thread.get("subscribers_count"))
    muted = text(viewer, "mute")
    return Channel(
        channel=identifier,
        name=text(maybe(thread.get("name")), "text") or text(raw, "name"),
        description=text(maybe(thread.get("description")), "text") or text(raw, "description"),
        picture=text(picture, "url"),
        invite_link=f"https://whatsapp.com/channel/{invite}" if invite else None,
        role=text(viewer, "role"),
        followers=counted,
        muted=muted == "on" if muted else None,
        verified=text(thread, "verification") == "verified" if text(thread, "verification") else None,
        extra=rest(raw, "id", "thread_metadata", "viewer_metadata")
        | {name: value for name, value in thread.items() if name == "creation_time" and value},
    )
