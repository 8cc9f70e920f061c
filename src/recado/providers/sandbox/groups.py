"""Groups and communities, which the instances of a company share: one makes a group, another joins it by its link."""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from recado.domain import operations
from recado.domain.operations import (
    Community,
    Group,
    JoinRequest,
    Participant,
    ParticipantAction,
    ParticipantResult,
    Picture,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers.sandbox import world as worlds
from recado.providers.sandbox.things import Asking, CommunityOf, GroupOf, Member, Role
from recado.providers.sandbox.world import Notice, Visitor, World, missing, refused

_LINK = "https://chat.whatsapp.com/"
#: What WhatsApp answers for a participant.
_FORBIDDEN, _ABSENT, _ALREADY = "403", "404", "409"
_CHANGED = {"add": "added", "remove": "removed", "promote": "promoted", "demote": "demoted"}


class Groups(Visitor, operations.Groups, operations.Communities):
    # --- groups -------------------------------------------------------------------------------------------

    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """With their participants, the oldest first."""
        async with self._looking(connection) as world:
            found = list((await _joined(world)).items())[offset : offset + limit]
            return [_shown(world, id, group) for id, group in found]

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group that the number is in."""
        async with self._looking(connection) as world:
            return _shown(world, group, await member_of(world, group))

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Those who cannot be added are told under `extra.refused`, with WhatsApp's code for each."""
        async with self._changing(connection) as world:
            id, group = await _make(world, subject)
            group, results = await _add(world, group, participants)
            await world.put(id, group)
            others = [member.phone for member in group.members if member.phone != world.number]
            await _tell(world, id, others, change="joined", subject=subject)
            codes = {one.participant: one.code for one in results if not one.done}
            shown = _shown(world, id, group)
            return msgspec.structs.replace(shown, extra={**shown.extra, "refused": codes}) if codes else shown

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """By any member, in a `locked` group by an admin."""
        await self._change(connection, group, "subject", subject=subject)

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """As the subject; an empty text removes it."""
        await self._change(connection, group, "description", description=description or None)

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """As the subject."""
        await self._change(connection, group, "picture", picture=worlds.data_url(picture))

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
        """By an admin."""
        wanted = {"announce": announce, "locked": locked, "approval": approval, "members_add": members_add}
        given = {name: value for name, value in wanted.items() if value is not None}
        async with self._changing(connection) as world:
            found = await admin_of(world, group)
            await world.put(group, msgspec.structs.replace(found, **given))
            await _tell(world, group, _others(world, found), change="settings", settings=given)

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """By an admin; where `members_add` is on, any member adds. The owner stays what they are."""
        async with self._changing(connection) as world:
            found = await member_of(world, group)
            if not (action == "add" and found.members_add):
                _require_admin(world, found)
            change = _add if action == "add" else _CHANGES[action]
            changed, results = await change(world, found, participants)
            await world.put(group, changed)
            done = await worlds.on_whatsapp(world, [one.participant for one in results if one.done])
            people = [number for number in done.values() if number is not None]
            if people:
                audience = {*_others(world, found), *_others(world, changed)}
                about = [{"phone": number} for number in people]
                await _tell(world, group, sorted(audience), change=_CHANGED[action], participants=about)
            return results

    async def list_join_requests(self, connection: Connection, *, group: str) -> list[JoinRequest]:
        """For admins."""
        async with self._looking(connection) as world:
            asking = (await admin_of(world, group)).asking
            return [JoinRequest(participant=one.phone, requested_at=one.at) for one in asking]

    async def answer_join_requests(
        self, connection: Connection, *, group: str, participants: Sequence[str], approve: bool
    ) -> list[ParticipantResult]:
        """By an admin; somebody who does not ask is a 404."""
        async with self._changing(connection) as world:
            found = await admin_of(world, group)
            written = await worlds.on_whatsapp(world, participants)
            asked = {one.phone for one in found.asking}
            answered = [number for number in written.values() if number in asked]
            members = [Member(phone=number) for number in answered if number] if approve else []
            changed = msgspec.structs.replace(
                found,
                asking=[one for one in found.asking if one.phone not in answered],
                members=[*found.members, *members],
            )
            await world.put(group, changed)
            if members:
                about = [{"phone": member.phone} for member in members]
                await _tell(world, group, _others(world, changed), change="added", participants=about)
            return [_result(given, None if written[given] in asked else _ABSENT) for given in participants]

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """For admins."""
        async with self._looking(connection) as world:
            return _LINK + (await admin_of(world, group)).invite

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """By an admin."""
        async with self._changing(connection) as world:
            changed = msgspec.structs.replace(await admin_of(world, group), invite=new_invite())
            await world.put(group, changed)
            await _tell(world, group, _others(world, changed), change="invite")
            return _LINK + changed.invite

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """Without its participants; `extra.size` tells how many they are."""
        async with self._looking(connection) as world:
            id, group = await _invited(world, link)
            shown = msgspec.structs.replace(_shown(world, id, group), participants=(), invite_link=None)
            return msgspec.structs.replace(shown, extra={**shown.extra, "size": len(group.members)})

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Where admins let people in, the number then asks to."""
        async with self._changing(connection) as world:
            id, group = await _invited(world, link)
            if _member(group, world.number) is not None:
                return id
            about = [{"phone": world.number}]
            if group.approval:
                asking = [one for one in group.asking if one.phone != world.number]
                asking.append(Asking(phone=world.number, at=world.at))
                await world.put(id, msgspec.structs.replace(group, asking=asking))
                admins = [member.phone for member in group.members if member.role != "member"]
                await _tell(world, id, admins, change="join_requested", participants=about)
                return id
            joined = msgspec.structs.replace(group, members=[*group.members, Member(phone=world.number)])
            await world.put(id, joined)
            await _tell(world, id, _others(world, joined), change="joined", participants=about)
            return id

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Where no admin is left the oldest member becomes one; a group that nobody is in is no more."""
        async with self._changing(connection) as world:
            found = await member_of(world, group)
            left = _without(found, [world.number])
            await (world.put(group, left) if left.members else world.drop(GroupOf, group))
            await _tell(world, group, _others(world, left), change="left", participants=[{"phone": world.number}])

    async def _change(self, connection: Connection, id: str, change: str, **values: Any) -> None:
        async with self._changing(connection) as world:
            group = await member_of(world, id)
            if group.locked:
                _require_admin(world, group)
            await world.put(id, msgspec.structs.replace(group, **values))
            told = {} if change == "picture" else {change: values[change] or ""}
            await _tell(world, id, _others(world, group), change=change, **told)

    # --- communities --------------------------------------------------------------------------------------

    async def list_communities(self, connection: Connection) -> list[Community]:
        """With their groups."""
        async with self._looking(connection) as world:
            joined = await _joined(world)
            found = await world.find(CommunityOf)
            return [await _community(world, id, one) for id, one in found.items() if one.announcements in joined]

    async def get_community(self, connection: Connection, *, community: str) -> Community:
        """A community that the number is in."""
        async with self._looking(connection) as world:
            return await _community(world, community, await _community_of(world, community))

    async def create_community(self, connection: Connection, *, name: str, description: str | None) -> Community:
        """With its announcement group, in which only admins write."""
        async with self._changing(connection) as world:
            id = new_id("@g.us")
            announcements, group = await _make(world, name)
            await world.put(announcements, msgspec.structs.replace(group, announce=True, locked=True, community=id))
            made = CommunityOf(name=name, description=description, announcements=announcements)
            await world.put(id, made)
            return await _community(world, id, made)

    async def deactivate_community(self, connection: Connection, *, community: str) -> None:
        """By an admin. The announcement group ends with it."""
        async with self._changing(connection) as world:
            found = await _administered(world, community)
            for id, group in (await world.find(GroupOf, {"community": community})).items():
                await world.put(id, msgspec.structs.replace(group, community=None))
            await world.drop(GroupOf, found.announcements)
            await world.drop(CommunityOf, community)

    async def link_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """By an admin of both, all or none of them. Who is in a group is in the community from then on."""
        async with self._changing(connection) as world:
            found = await _administered(world, community)
            announcements = await member_of(world, found.announcements)
            for id in groups:
                group = await admin_of(world, id)
                if group.community not in (None, community):
                    raise refused("The group is in another community.")
                await world.put(id, msgspec.structs.replace(group, community=community))
                here = {member.phone for member in announcements.members}
                coming = [Member(phone=member.phone) for member in group.members if member.phone not in here]
                announcements = msgspec.structs.replace(announcements, members=[*announcements.members, *coming])
            await world.put(found.announcements, announcements)

    async def unlink_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """By an admin of the community, all or none of them."""
        async with self._changing(connection) as world:
            found = await _administered(world, community)
            linked = await world.find(GroupOf, {"community": community})
            for id in groups:
                if id not in linked or id == found.announcements:
                    raise missing("group in the community")
                await world.put(id, msgspec.structs.replace(linked[id], community=None))


# --- groups ---------------------------------------------------------------------------------------------


async def member_of(world: World, id: str) -> GroupOf:
    """A group that the visitor is in. Raises `CallFailed`."""
    group = await world.get(GroupOf, id)
    if group is None or _member(group, world.number) is None:
        raise missing("group with the number in it")
    return group


async def admin_of(world: World, id: str) -> GroupOf:
    """A group of which the visitor is an admin. Raises `CallFailed`."""
    group = await member_of(world, id)
    _require_admin(world, group)
    return group


def _require_admin(world: World, group: GroupOf) -> None:
    member = _member(group, world.number)
    if member is None or member.role == "member":
        raise CallFailed("Only admins of the group do this.", code="not_admin", retryable=False)


def _member(group: GroupOf, number: str) -> Member | None:
    return next((member for member in group.members if member.phone == number), None)


def _others(world: World, group: GroupOf) -> list[str]:
    return [member.phone for member in group.members if member.phone != world.number]


async def _joined(world: World) -> dict[str, GroupOf]:
    return await world.find(GroupOf, {"members": [{"phone": world.number}]})


async def _invited(world: World, link: str) -> tuple[str, GroupOf]:
    for id, group in (await world.find(GroupOf, {"invite": code_of(link)})).items():
        return id, group
    raise missing("invitation")


async def _make(world: World, subject: str) -> tuple[str, GroupOf]:
    id, owner = new_id("@g.us"), Member(phone=world.number, role="owner")
    made = GroupOf(
        subject=subject, created_at=world.at, owner=world.number, invite=new_invite(), members=[owner], asking=[]
    )
    await world.put(id, made)
    return id, made


async def _tell(world: World, group: str, numbers: Sequence[str], **data: Any) -> None:
    notice = Notice(type="group.updated", group=group, data={**data, "by": {"phone": world.number}})
    await world.tell(numbers, notice)


# --- participants ---------------------------------------------------------------------------------------


def _result(given: str, code: str | None) -> ParticipantResult:
    return ParticipantResult(participant=given, done=code is None, code=code)


async def _add(world: World, group: GroupOf, participants: Sequence[str]) -> tuple[GroupOf, list[ParticipantResult]]:
    """Whoever is on WhatsApp, not in yet, and lets themselves be added."""
    results = []
    written = await worlds.on_whatsapp(world, participants)
    for given in participants:
        number = written[given]
        code = None
        if number is None:
            code = _ABSENT
        elif _member(group, number) is not None:
            code = _ALREADY
        elif not await worlds.lets(world, number, "groups"):
            code = _FORBIDDEN
        else:
            asking = [one for one in group.asking if one.phone != number]
            group = msgspec.structs.replace(group, members=[*group.members, Member(phone=number)], asking=asking)
        results.append(_result(given, code))
    return group, results


async def _change_members(
    world: World, group: GroupOf, participants: Sequence[str], role: Role | None
) -> tuple[GroupOf, list[ParticipantResult]]:
    """Give members a role, or with None remove them."""
    results = []
    written = await worlds.on_whatsapp(world, participants)
    for given in participants:
        member = _member(group, written[given] or "")
        code = None
        if member is None:
            code = _ABSENT
        elif member.role == "owner":
            code = _FORBIDDEN
        elif role is None:
            group = _without(group, [member.phone])
        else:
            changed = [
                msgspec.structs.replace(one, role=role) if one.phone == member.phone else one for one in group.members
            ]
            group = msgspec.structs.replace(group, members=changed)
        results.append(_result(given, code))
    return group, results


async def _remove(world: World, group: GroupOf, people: Sequence[str]) -> tuple[GroupOf, list[ParticipantResult]]:
    return await _change_members(world, group, people, None)


async def _promote(world: World, group: GroupOf, people: Sequence[str]) -> tuple[GroupOf, list[ParticipantResult]]:
    return await _change_members(world, group, people, "admin")


async def _demote(world: World, group: GroupOf, people: Sequence[str]) -> tuple[GroupOf, list[ParticipantResult]]:
    return await _change_members(world, group, people, "member")


_CHANGES = {"remove": _remove, "promote": _promote, "demote": _demote}


def _without(group: GroupOf, numbers: Sequence[str]) -> GroupOf:
    left = [member for member in group.members if member.phone not in numbers]
    if left and all(member.role == "member" for member in left):
        left = [msgspec.structs.replace(left[0], role="admin"), *left[1:]]
    return msgspec.structs.replace(group, members=left)


# --- shapes ---------------------------------------------------------------------------------------------


def _shown(world: World, id: str, group: GroupOf) -> Group:
    """As the visitor sees it: the invitation is for admins."""
    visitor = _member(group, world.number)
    is_admin = visitor is not None and visitor.role != "member"
    return Group(
        group=id,
        subject=group.subject,
        description=group.description,
        owner=group.owner,
        created_at=group.created_at,
        picture=group.picture,
        invite_link=_LINK + group.invite if is_admin else None,
        announce=group.announce,
        locked=group.locked,
        approval=group.approval,
        community=group.community,
        participants=[Participant(phone=member.phone, role=member.role) for member in group.members],
        extra={"members_add": group.members_add},
    )


async def _community_of(world: World, id: str) -> CommunityOf:
    found = await world.get(CommunityOf, id)
    if found is None or found.announcements not in await _joined(world):
        raise missing("community with the number in it")
    return found


async def _administered(world: World, id: str) -> CommunityOf:
    found = await _community_of(world, id)
    await admin_of(world, found.announcements)
    return found


async def _community(world: World, id: str, community: CommunityOf) -> Community:
    linked = await world.find(GroupOf, {"community": id})
    return Community(
        community=id,
        name=community.name,
        description=community.description,
        announcement_group=community.announcements,
        groups=[_shown(world, one, group) for one, group in linked.items() if one != community.announcements],
    )


def new_id(domain: str) -> str:
    """An id as WhatsApp's of groups and channels: 18 digits."""
    return f"120363{secrets.randbelow(10**12):012d}{domain}"


def new_invite() -> str:
    """The code of an invitation: 22 characters, as WhatsApp's."""
    return secrets.token_urlsafe(16)


def code_of(link: str) -> str:
    """The code at the end of a link, or the code itself."""
    return link.strip().rstrip("/").rpartition("/")[2].partition("?")[0]
