"""Invitations to groups: their links, what is behind one, and joining by it."""

from typing import Any, ClassVar

from recado.api.zapi import asking, examples, fields, participants, relayed
from recado.api.zapi.groups import METADATA, GroupRoute, Member, light, whole
from recado.api.zapi.route import Answer, Body, Call, Example, Route, Success
from recado.domain.operations import Groups
from recado.providers.zapi import addresses


class Invited(Answer, frozen=True, kw_only=True):
    """`participants_count` is what the provider tells, or how many it lists; `contacts_count` is told by Z-API alone."""

    phone: str
    owner: str | None
    subject: str | None
    description: str | None
    creation: int | None
    invitation_link: str | None
    contacts_count: int | None
    participants_count: int | None
    participants: tuple[Member, ...]
    subject_time: int | None
    subject_owner: str | None


class UrlQuery(Body, frozen=True, kw_only=True):
    url: str


class InvitationMetadata(GroupRoute):
    """Tell what the group behind an invitation link is like, without joining it."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/group-invitation-metadata"
    query: ClassVar[Any] = UrlQuery
    answers: ClassVar[Any] = Invited
    needs: ClassVar[tuple[str, ...]] = ("preview_invite",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(
        query={"url": examples.INVITE},
        answer={
            **{name: METADATA[name] for name in ("phone", "owner", "subject", "description", "creation")},
            "invitationLink": examples.INVITE,
            "contactsCount": None,
            "participantsCount": 2,
            "participants": [],
            "subjectTime": None,
            "subjectOwner": None,
        },
    )

    async def answer(self, call: Call) -> Any:
        """As far as WhatsApp tells it to outsiders."""
        found = await asking.recall(call, Groups.preview_invite, link=call.query.url)
        group = found.value
        shown = light(group)
        count = group.extra.get("participantsCount", group.extra.get("size")) or len(group.participants) or None
        body = Invited(
            **{name: shown[name] for name in Invited.__struct_fields__ if name in shown},
            invitation_link=group.invite_link or call.query.url,
            contacts_count=whole(group.extra.get("contactsCount")),
            participants_count=whole(count),
        )
        return asking.dated(body, found)


class Link(Answer, frozen=True, kw_only=True):
    phone: str
    invitation_link: str


class InvitationLink(GroupRoute):
    """Give a group's invitation link."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/group-invitation-link/{groupId}"
    answers: ClassVar[Any] = Link
    needs: ClassVar[tuple[str, ...]] = ("get_invite",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(
        path={"groupId": examples.GROUP}, answer={"phone": examples.GROUP, "invitationLink": examples.INVITE}
    )

    async def answer(self, call: Call) -> Any:
        """Where the number is an admin."""
        group = fields.group(call.path["groupId"])
        found = await asking.recall(call, Groups.get_invite, group=group)
        return asking.dated(Link(phone=addresses.phone(group), invitation_link=found.value), found)


class PostInvitationLink(InvitationLink):
    """Give a group's invitation link, as one client asks for it."""

    method: ClassVar[Any] = "POST"
    note: ClassVar[str] = f"GET in the documentation, POST in its older examples. {asking.NOTE}"


class NewLink(Answer, frozen=True, kw_only=True):
    invitation_link: str


class RedefineLink(GroupRoute):
    """Give a group or community a new invitation link; the old one ends."""

    path: ClassVar[str] = "/redefine-invitation-link/{groupId}"
    answers: ClassVar[Any] = NewLink
    needs: ClassVar[tuple[str, ...]] = ("reset_invite",)
    note: ClassVar[str] = (
        "The id is that of a group, or the bare digits of a community: then it is the link of its announcements."
    )
    example: ClassVar[Example] = Example(path={"groupId": examples.GROUP}, answer={"invitationLink": examples.INVITE})

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        named = call.path["groupId"]
        if named.isdigit():
            found = await relayed.relay(self, call)
            if found is not None:
                return found
            group = await participants.announcements(call, fields.group(named, field="communityId"))
        else:
            group = fields.group(named)
        return NewLink(invitation_link=await call.ask(Groups.reset_invite, group=group))


class AcceptInvite(GroupRoute):
    """Join a group by its invitation link."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/accept-invite-group"
    acts: ClassVar[bool] = True
    query: ClassVar[Any] = UrlQuery
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("join_group",)
    note: ClassVar[str] = "Where admins let people in, it asks to."
    example: ClassVar[Example] = Example(query={"url": examples.INVITE}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """At once."""
        await call.ask(Groups.join_group, link=call.query.url)
        return Success()


ROUTES: tuple[Route, ...] = (
    InvitationLink(),
    PostInvitationLink(),
    RedefineLink(),
    InvitationMetadata(),
    AcceptInvite(),
)
