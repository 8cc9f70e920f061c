"""Groups: which there are, and what they are like."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import asking, chats, examples, fields
from recado.api.zapi.route import Answer, Call, Domain, Example, Route
from recado.domain.errors import Invalid, ProviderFailed
from recado.domain.operations import Group, Groups, Participant
from recado.providers.zapi import addresses
from recado.services.remembering import Remembered
from recado.services.zapi import chats as own
from recado.store.chats import Chat


class GroupRoute(Route, abc.ABC):
    domain: ClassVar[Domain] = "groups"


class Listed(Answer, frozen=True, kw_only=True):
    """Numbers and truths are texts, as in the documentation; `last_message_time` is in milliseconds. `unread` and
    `last_message_time` are Recado's own where the provider does not tell them."""

    is_group: bool = True
    name: str | None
    phone: str
    unread: str | None
    last_message_time: str | None
    is_muted: str | None
    is_marked_spam: str | None
    archived: str | None
    pinned: str | None
    mute_end_time: str | int | None
    messages_unread: str | None


class ListGroups(GroupRoute):
    """List the groups that the number is in."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/groups"
    query: ClassVar[Any] = asking.Pages
    answers: ClassVar[Any] = tuple[Listed, ...]
    note: ClassVar[str] = f"With a provider that lists no groups: those of Recado's own conversations. {asking.NOTE}"
    example: ClassVar[Example] = Example(
        query={"page": 1, "pageSize": 10},
        answer=[
            {
                "isGroup": True,
                "name": "Grupo teste",
                "phone": examples.GROUP,
                "unread": "0",
                "lastMessageTime": "1730918668000",
                "isMuted": "0",
                "isMarkedSpam": "false",
                "archived": "false",
                "pinned": "false",
                "muteEndTime": None,
                "messagesUnread": "0",
            }
        ],
    )

    async def answer(self, call: Call) -> Any:
        """A page, with what our own conversations know of each."""
        pages: asking.Pages = call.query
        if not await asking.able(call, Groups.list_groups):
            known = await own.page(call.runtime, call.view, limit=pages.limit, offset=pages.offset, kind="group")
            return [_listed(Group(group=chat.address, subject=chat.name), chat) for chat in known if chat.address]
        found = await asking.recall(call, Groups.list_groups, limit=pages.limit, offset=pages.offset)
        talks = await own.find_all(call.runtime, call.view, [group.group for group in found.value])
        return asking.dated([_listed(group, talks.get(group.group)) for group in found.value], found)


def _listed(group: Group, talk: Chat | None) -> Listed:
    told = {name: str(value).lower() for name, value in group.extra.items() if isinstance(value, str | int)}
    mute_end = group.extra.get("muteEndTime")
    unread = told.get("unread") or (None if talk is None else str(talk.unread))
    return Listed(
        name=group.subject or (talk.name if talk else None),
        phone=addresses.phone(group.group),
        unread=unread,
        last_message_time=told.get("lastMessageTime") or chats.time(talk.last_message_at if talk else None),
        is_muted=told.get("isMuted"),
        is_marked_spam=told.get("isMarkedSpam"),
        archived=told.get("archived"),
        pinned=told.get("pinned"),
        mute_end_time=mute_end if isinstance(mute_end, str | int) else None,
        messages_unread=told.get("messagesUnread") or unread,
    )


class Member(Answer, frozen=True, kw_only=True):
    """`phone` is a LID where no number is known."""

    phone: str
    is_admin: bool
    is_super_admin: bool
    short: str | None = None
    name: str | None = None


class Light(Answer, frozen=True, kw_only=True):
    """`creation` and `subject_time` are in milliseconds."""

    phone: str
    description: str | None
    owner: str | None
    subject: str | None
    creation: int | None
    invitation_link: str | None
    community_id: str | None
    admin_only_message: bool | None
    admin_only_settings: bool | None
    require_admin_approval: bool | None
    is_group_announcement: bool | None
    participants: tuple[Member, ...]
    subject_time: int | None
    subject_owner: str | None


class Metadata(Light, frozen=True, kw_only=True):
    """`invitation_link_error` says why there is no link; the older documentation has it."""

    invitation_link_error: str | None = None


METADATA = {
    "phone": examples.GROUP,
    "description": "Grupo Z-API",
    "owner": examples.PHONE,
    "subject": "Meu grupo no Z-API",
    "creation": 1588721491000,
    "invitationLink": examples.INVITE,
    "communityId": None,
    "adminOnlyMessage": False,
    "adminOnlySettings": False,
    "requireAdminApproval": False,
    "isGroupAnnouncement": False,
    "participants": [
        {"phone": examples.OTHER_PHONE, "isAdmin": False, "isSuperAdmin": False, "short": None, "name": None},
        {"phone": examples.PHONE, "isAdmin": True, "isSuperAdmin": True, "short": "ZAPIs", "name": "ZAPIs Boys"},
    ],
    "subjectTime": 1617805323000,
    "subjectOwner": examples.PHONE,
}


class LightMetadata(GroupRoute):
    """Tell what a group is like and who is in it, without looking up its invitation link."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/light-group-metadata/{phone}"
    answers: ClassVar[Any] = Light
    needs: ClassVar[tuple[str, ...]] = ("get_group",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(path={"phone": examples.GROUP}, answer={**METADATA, "invitationLink": None})

    async def answer(self, call: Call) -> Any:
        """One question to the provider."""
        group = fields.group(call.path["phone"], field="phone")
        found = await asking.recall(call, Groups.get_group, group=group)
        return asking.dated(Light(**light(found.value), invitation_link=None), found)


class GroupMetadata(GroupRoute):
    """Tell what a group is like, who is in it, and its invitation link where the number is an admin."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/group-metadata/{phone}"
    answers: ClassVar[Any] = Metadata
    needs: ClassVar[tuple[str, ...]] = ("get_group",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(
        path={"phone": examples.GROUP}, answer={**METADATA, "invitationLinkError": None}
    )

    async def answer(self, call: Call) -> Any:
        """Where the group does not tell its link, it is asked for; that it cannot be had is no failure of this."""
        group = fields.group(call.path["phone"], field="phone")
        found = await asking.recall(call, Groups.get_group, group=group)
        answers: list[Remembered[Any]] = [found]
        link, why = found.value.invite_link, None
        if link is None:
            try:
                invite = await asking.recall(call, Groups.get_invite, group=group)
                link = invite.value
                answers.append(invite)
            except (Invalid, ProviderFailed) as error:
                why = error.detail
        body = Metadata(**light(found.value), invitation_link=link, invitation_link_error=why)
        return asking.dated(body, *answers)


def light(group: Group) -> dict[str, Any]:
    """The fields of `Light`, without the link."""
    announcement = group.extra.get("isGroupAnnouncement")
    subject_owner = addresses.address(group.extra.get("subjectOwner"))
    return {
        "phone": addresses.phone(group.group),
        "description": group.description,
        "owner": fields.shown(group.owner),
        "subject": group.subject,
        "creation": fields.moment(group.created_at),
        "community_id": None if group.community is None else addresses.community(group.community),
        "admin_only_message": group.announce,
        "admin_only_settings": group.locked,
        "require_admin_approval": group.approval,
        # Only communities have such groups.
        "is_group_announcement": announcement if isinstance(announcement, bool) else None if group.community else False,
        "participants": tuple(_member(one) for one in group.participants if one.phone or one.lid),
        "subject_time": whole(group.extra.get("subjectTime")),
        "subject_owner": fields.shown(subject_owner),
    }


def _member(one: Participant) -> Member:
    return Member(
        phone=one.phone or one.lid or "",
        is_admin=one.role != "member",
        is_super_admin=one.role == "owner",
        name=one.name,
    )


def whole(value: object) -> int | None:
    """A number, where it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


ROUTES: tuple[Route, ...] = (ListGroups(), GroupMetadata(), LightMetadata())
