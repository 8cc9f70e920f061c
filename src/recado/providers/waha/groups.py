"""Groups.

The document gives no shape for most answers, and each engine has its own: WAHA's (`subject`, `participants[].role`),
GOWS's (`JID`, `Name`, `Participants[].IsAdmin`), NOWEB's (`subject`, `desc`, `participants[].admin`) and the browsers'
(`groupMetadata`). One reader knows them all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from recado.domain import operations as areas
from recado.domain.operations import Group, Participant, ParticipantAction, ParticipantResult, Picture
from recado.domain.provider import CallFailed, Connection
from recado.providers import whatsapp, wire
from recado.providers.waha import ids
from recado.providers.waha.calls import Calls, at, not_readable
from recado.providers.waha.reading import Json, flag, identifier, inner, moment, objects, text

_INVITE = "https://chat.whatsapp.com/"
_STEPS: Mapping[ParticipantAction, tuple[str, str]] = {
    "add": ("participants", "add"),
    "remove": ("participants", "remove"),
    "promote": ("admin", "promote"),
    "demote": ("admin", "demote"),
}
_ROLES: Mapping[str, Literal["member", "admin", "owner"]] = {"admin": "admin", "superadmin": "owner"}


class Groups(Calls, areas.Groups):
    """What WAHA does with groups. It has no requests to join, and no setting for approval or for who may add."""

    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """A page of the groups that the number is in."""
        query = {"limit": limit, "offset": offset, "sortBy": "id", "sortOrder": "asc"}
        answer = await self._ask(connection, "GET", at(connection, "groups"), query=query)
        listed = answer.data.values() if isinstance(answer.data, dict) else answer.data
        if not isinstance(answer.data, dict | list):
            raise not_readable(answer)
        return [group for raw in objects(list(listed)) if (group := read_group(raw)) is not None]

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group, its participants as WAHA writes them for every engine."""
        described = await self._ask(connection, "GET", at(connection, "groups", group))
        found = read_group(described.object, known_as=group)
        people = await self._ask(connection, "GET", at(connection, "groups", group, "participants", "v2"))
        if found is None or not isinstance(people.data, list):
            raise not_readable(described)
        return msgspec.structs.replace(found, participants=_participants(people.data))

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group."""
        request = {"name": subject, "participants": _named(participants)}
        answer = await self._ask(connection, "POST", at(connection, "groups"), json=request)
        found = read_group(answer.object)
        if found is None:
            raise not_readable(answer)
        return found if found.subject else msgspec.structs.replace(found, subject=subject)

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Change a group's subject."""
        await self._changed(connection, "PUT", at(connection, "groups", group, "subject"), json={"subject": subject})

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Change a group's description."""
        path = at(connection, "groups", group, "description")
        await self._changed(connection, "PUT", path, json={"description": description})

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """Change a group's picture, or with None remove it."""
        await self._set_picture(connection, at(connection, "groups", group, "picture"), picture)

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
        """Change who may write (`announce`) and who may change the group (`locked`); WAHA has no others."""
        if approval is not None or members_add is not None:
            raise CallFailed(
                "WAHA sets neither approval nor who may add members.", code="unsupported_by_provider", retryable=False
            )
        for name, wanted in (("messages-admin-only", announce), ("info-admin-only", locked)):
            if wanted is not None:
                path = at(connection, "groups", group, "settings", "security", name)
                await self._changed(connection, "PUT", path, json={"adminsOnly": wanted})

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Add, remove, promote or demote. WAHA tells nothing of one participant apart."""
        path = at(connection, "groups", group, *_STEPS[action])
        await self._changed(connection, "POST", path, json={"participants": _named(participants)})
        return [ParticipantResult(participant=participant, done=True) for participant in participants]

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The invitation link."""
        return _link(await self._ask(connection, "GET", at(connection, "groups", group, "invite-code")))

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new invitation link; the old one ends."""
        return _link(await self._ask(connection, "POST", at(connection, "groups", group, "invite-code", "revoke")))

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind an invitation link or its code."""
        answer = await self._ask(connection, "GET", at(connection, "groups", "join-info"), query={"code": link})
        found = read_group(answer.object)
        if found is None:
            raise not_readable(answer)
        return found

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join by an invitation link or its code; the group's id."""
        answer = await self._ask(connection, "POST", at(connection, "groups", "join"), json={"code": link})
        joined = whatsapp.party(identifier(answer.object.get("id"))).group
        if joined is None:
            raise not_readable(answer)
        return joined

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave a group."""
        await self._changed(connection, "POST", at(connection, "groups", group, "leave"))


def read_group(raw: Mapping[str, Any], *, known_as: str | None = None) -> Group | None:
    """A group in any engine's shape; None when it names none."""
    about = inner(raw, "groupMetadata") or raw
    gows_name = raw.get("Name")
    named = whatsapp.party(identifier(raw.get("id")), raw.get("JID"), identifier(about.get("id"))).group or known_as
    if named is None:
        return None
    owner = whatsapp.party(identifier(about.get("owner")), raw.get("OwnerPN"), raw.get("OwnerJID"))
    writes, approval = flag(raw, "membersCanSendMessages"), flag(raw, "newMembersApprovalRequired")
    announce = flag(about, "announce", "IsAnnounce")
    parent = raw.get("LinkedParentJID") or about.get("linkedParent")
    return Group(
        group=named,
        subject=text(about, "subject") or (gows_name if isinstance(gows_name, str) else None) or text(raw, "name"),
        description=text(about, "description") or text(about, "desc") or text(raw, "Topic"),
        owner=owner.phone or owner.lid,
        created_at=moment(about.get("creation") or raw.get("GroupCreated")),
        picture=text(raw, "picture"),
        invite_link=text(raw, "invite"),
        announce=announce if announce is not None or writes is None else not writes,
        locked=flag(about, "restrict", "IsLocked"),
        approval=approval if approval is not None else flag(about, "joinApprovalMode", "IsJoinApprovalRequired"),
        community=whatsapp.party(parent).group,
        participants=_participants(about.get("participants") or raw.get("Participants")),
    )


def _participants(listed: Any) -> list[Participant]:
    """Who is in a group; those who left are not."""
    found = []
    for one in objects(listed):
        names = (one.get("id"), one.get("pn"), one.get("JID"), one.get("PhoneNumber"), one.get("LID"))
        person = whatsapp.party(
            *map(identifier, names), one.get("phoneNumber"), one.get("lid"), name=one.get("DisplayName")
        )
        if one.get("role") != "left" and (person.phone or person.lid):
            found.append(Participant(phone=person.phone, lid=person.lid, name=person.name, role=_role(one)))
    return found


def _role(one: Json) -> Literal["member", "admin", "owner"]:
    told = text(one, "role") or text(one, "admin")
    if told is not None:
        return _ROLES.get(told, "member")
    if flag(one, "isSuperAdmin", "IsSuperAdmin"):
        return "owner"
    return "admin" if flag(one, "isAdmin", "IsAdmin") else "member"


def _named(participants: Sequence[str]) -> list[Json]:
    return [{"id": ids.chat_id(participant)} for participant in participants]


def _link(answer: wire.Answer) -> str:
    """A link from its code, which comes as JSON or as bare text."""
    said = answer.data if isinstance(answer.data, str) else answer.body.decode("utf-8", "replace")
    code = said.strip().strip('"')
    if not code or len(code) > 200 or "{" in code or "<" in code:
        raise not_readable(answer)
    return code if code.startswith("https://") else _INVITE + code
