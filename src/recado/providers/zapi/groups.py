"""Groups, communities and channels at Z-API."""

import base64
from collections.abc import Mapping, Sequence
from typing import Literal

from recado.domain.operations import (
    Channel,
    Channels,
    Communities,
    Community,
    Group,
    Groups,
    Participant,
    ParticipantAction,
    ParticipantResult,
    Picture,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers.zapi.addresses import address, community, group, party, phone
from recado.providers.zapi.calls import Calls, Json, number, objects, part, rest, text, time, truth, unable, unreadable

_ACTIONS: Mapping[ParticipantAction, str] = {
    "add": "add-participant",
    "remove": "remove-participant",
    "promote": "add-admin",
    "demote": "remove-admin",
}
_PER_PAGE = 100
_MOST_PAGES = 100
_INVITE = "https://chat.whatsapp.com/"


class Rooms(Calls, Groups):
    """Groups."""

    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """A page of groups, without participants."""
        found = await self.page(connection, "groups", limit=limit, offset=offset)
        return [
            Group(group=identifier, subject=text(one, "name"), extra=rest(one, "phone", "name", "isGroup"))
            for one in found
            if (identifier := group(one.get("phone")))
        ]

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group with its participants and, where we are an admin, its invitation link."""
        return _group(await self.ask_object(connection, "GET", f"group-metadata/{part(phone(group))}"))

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group. Who could not be added is under `extra.phonesNotAdded`, and gets no invitation of itself."""
        body = {"autoInvite": False, "groupName": subject, "phones": [phone(one) for one in participants]}
        made = await self.do(connection, "POST", "create-group", json=body)
        identifier = group(made.get("phone"))
        if identifier is None:
            raise unreadable()
        extra = rest(made, "phone", "invitationLink")
        return Group(group=identifier, subject=subject, invite_link=text(made, "invitationLink"), extra=extra)

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Change a group's subject."""
        await self.do(connection, "POST", "update-group-name", json={"groupId": phone(group), "groupName": subject})

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Change a group's description."""
        body = {"groupId": phone(group), "groupDescription": description}
        await self.do(connection, "POST", "update-group-description", json=body)

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """Change a group's picture. Z-API removes none."""
        if picture is None:
            raise unable("Z-API changes a group's picture and does not remove it.")
        body = {"groupId": phone(group), "groupPhoto": _data_url(picture)}
        await self.do(connection, "POST", "update-group-photo", json=body)

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
        """Change who may write, change the group, come in, and add others.

        Z-API takes all four at once: those that are None are read first. It does not tell `members_add`, so that one
        must be given. Raises `CallFailed`.
        """
        if members_add is None:
            why = "Z-API changes the four settings together and does not tell members_add: give it."
            raise CallFailed(why, code="invalid", retryable=False)
        if announce is None or locked is None or approval is None:
            now = await self.ask_object(connection, "GET", f"light-group-metadata/{part(phone(group))}")
            announce = _kept(announce, now, "adminOnlyMessage")
            locked = _kept(locked, now, "adminOnlySettings")
            approval = _kept(approval, now, "requireAdminApproval")
        body = {
            "phone": phone(group),
            "adminOnlyMessage": announce,
            "adminOnlySettings": locked,
            "requireAdminApproval": approval,
            "adminOnlyAddMember": not members_add,
        }
        await self.do(connection, "POST", "update-group-settings", json=body)

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Add, remove, promote or demote. Z-API tells of none apart; people are added without an invitation."""
        body: Json = {"groupId": phone(group), "phones": [phone(one) for one in participants]}
        if action == "add":
            body["autoInvite"] = False
        await self.do(connection, "POST", _ACTIONS[action], json=body)
        return [ParticipantResult(participant=one, done=True) for one in participants]

    async def answer_join_requests(
        self, connection: Connection, *, group: str, participants: Sequence[str], approve: bool
    ) -> list[ParticipantResult]:
        """Let people in, or not. Z-API tells of none apart."""
        body = {"groupId": phone(group), "phones": [phone(one) for one in participants]}
        await self.do(connection, "POST", "approve-participant" if approve else "reject-participant", json=body)
        return [ParticipantResult(participant=one, done=True) for one in participants]

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The invitation link."""
        return _link(await self.ask_object(connection, "GET", f"group-invitation-link/{part(phone(group))}"))

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new invitation link; the old one ends."""
        return _link(await self.do(connection, "POST", f"redefine-invitation-link/{part(phone(group))}"))

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind an invitation link or its code."""
        return _group(await self.ask_object(connection, "GET", "group-invitation-metadata", query={"url": _url(link)}))

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join by an invitation link or its code. Z-API does not name the group it joined, so it is looked up first."""
        found = await self.preview_invite(connection, link=link)
        await self.do(connection, "GET", "accept-invite-group", query={"url": _url(link)})
        return found.group

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave a group."""
        await self.do(connection, "POST", "leave-group", json={"groupId": phone(group)})


def _group(raw: Json) -> Group:
    identifier = group(raw.get("phone"))
    if identifier is None:
        raise unreadable()
    return Group(
        group=identifier,
        subject=text(raw, "subject"),
        description=text(raw, "description"),
        owner=address(raw.get("owner")),
        created_at=time(raw.get("creation")),
        invite_link=text(raw, "invitationLink"),
        announce=truth(raw.get("adminOnlyMessage")),
        locked=truth(raw.get("adminOnlySettings")),
        approval=truth(raw.get("requireAdminApproval")),
        community=group(raw.get("communityId")),
        participants=[_participant(one) for one in objects(raw.get("participants"))],
        extra=rest({name: raw.get(name) for name in ("subjectTime", "subjectOwner", "isGroupAnnouncement")}),
    )


def _participant(raw: Json) -> Participant:
    role: Literal["member", "admin", "owner"] = "member"
    if truth(raw.get("isSuperAdmin")):
        role = "owner"
    elif truth(raw.get("isAdmin")):
        role = "admin"
    found = party(raw.get("phone"), raw.get("lid"))
    return Participant(phone=found.phone, lid=found.lid, name=text(raw, "name", "short"), role=role)


def _kept(given: bool | None, now: Json, name: str) -> bool:
    kept = truth(now.get(name)) if given is None else given
    if kept is None:
        raise unreadable()
    return kept


def _link(raw: Json) -> str:
    link = text(raw, "invitationLink")
    if link is None:
        raise unreadable()
    return link


def _url(link: str) -> str:
    return link if "://" in link else f"{_INVITE}{link}"


def _data_url(picture: Picture) -> str:
    return f"data:{picture.mime_type};base64,{base64.b64encode(picture.data).decode()}"


class Unions(Calls, Communities):
    """Communities. Their ids are digits at Z-API and `…@g.us` here, as everywhere."""

    async def list_communities(self, connection: Connection) -> list[Community]:
        """The communities that the number is in, without their groups."""
        found: list[Json] = []
        for page in range(1, _MOST_PAGES + 1):
            query = {"page": page, "pageSize": _PER_PAGE}
            listed = await self.ask_list(connection, "GET", "communities", query=query)
            found += listed
            if len(listed) < _PER_PAGE:
                break
        return [_community(one) for one in found if text(one, "id")]

    async def get_community(self, connection: Connection, *, community: str) -> Community:
        """A community with its groups."""
        return _community(await self.ask_object(connection, "GET", f"communities-metadata/{_bare(community)}"))

    async def create_community(self, connection: Connection, *, name: str, description: str | None) -> Community:
        """Make a community."""
        body = {"name": name, **({"description": description} if description else {})}
        made = await self.do(connection, "POST", "communities", json=body)
        return _community({"name": name, "description": description, **made})

    async def deactivate_community(self, connection: Connection, *, community: str) -> None:
        """End a community; its groups stay."""
        await self.do(connection, "DELETE", f"communities/{_bare(community)}")

    async def link_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Put groups into a community."""
        await self._change(connection, "communities/link", community, groups)

    async def unlink_groups(self, connection: Connection, *, community: str, groups: Sequence[str]) -> None:
        """Take groups out of a community."""
        await self._change(connection, "communities/unlink", community, groups)

    async def _change(self, connection: Connection, route: str, whole: str, groups: Sequence[str]) -> None:
        body = {"communityId": community(whole), "groupsPhones": [phone(one) for one in groups]}
        await self.do(connection, "POST", route, json=body)


def _bare(identifier: str) -> str:
    return part(community(identifier))


def _community(raw: Json) -> Community:
    identifier = group(text(raw, "id"))
    if identifier is None:
        raise unreadable()
    inside = [(group(one.get("phone")), one) for one in objects(raw.get("subGroups"))]
    return Community(
        community=identifier,
        name=text(raw, "name"),
        description=text(raw, "description"),
        announcement_group=next((one for one, told in inside if one and truth(told.get("isGroupAnnouncement"))), None),
        groups=[Group(group=one, subject=text(told, "name"), community=identifier) for one, told in inside if one],
    )


class Newsletters(Calls, Channels):
    """Channels."""

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """The channels that the number follows or runs."""
        return [_channel(one) for one in await self.ask_list(connection, "GET", "newsletter")]

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """A channel by its id; Z-API finds none by its link."""
        if "/" in channel:
            raise unable("Z-API finds a channel by its id, not by its link.")
        return _channel(await self.ask_object(connection, "GET", f"newsletter/metadata/{part(channel)}"))

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """Make a channel, then give it its picture. Where the picture fails, the channel stays and is answered with
        the reason under `extra.picture_error`, so that nobody makes it twice."""
        body = {"name": name, **({"description": description} if description else {})}
        made = text(await self.do(connection, "POST", "create-newsletter", json=body), "id")
        if made is None:
            raise unreadable()
        extra: Json = {}
        if picture is not None:
            try:
                await self.update_channel(connection, channel=made, picture=picture)
            except CallFailed as error:
                extra = {"picture_error": error.why}
        return Channel(channel=made, name=name, description=description, extra=extra)

    async def update_channel(
        self,
        connection: Connection,
        *,
        channel: str,
        name: str | None = None,
        description: str | None = None,
        picture: Picture | None = None,
    ) -> None:
        """Change what is given, a request each."""
        if name is not None:
            await self.do(connection, "POST", "update-newsletter-name", json={"id": channel, "name": name})
        if description is not None:
            body = {"id": channel, "description": description}
            await self.do(connection, "POST", "update-newsletter-description", json=body)
        if picture is not None:
            body = {"id": channel, "pictureUrl": _data_url(picture)}
            await self.do(connection, "POST", "update-newsletter-picture", json=body)

    async def delete_channel(self, connection: Connection, *, channel: str) -> None:
        """End a channel."""
        await self.do(connection, "DELETE", "delete-newsletter", json={"id": channel})

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """Follow a channel, or no longer."""
        route = "follow-newsletter" if following else "unfollow-newsletter"
        await self.do(connection, "PUT", route, json={"id": channel})

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """Mute a channel, or no longer."""
        await self.do(connection, "PUT", "mute-newsletter" if muted else "unmute-newsletter", json={"id": channel})

    async def set_channel_reactions(
        self, connection: Connection, *, channel: str, reactions: Literal["all", "basic", "none"]
    ) -> None:
        """Any emoji or the usual ones; Z-API does not forbid all."""
        if reactions == "none":
            raise unable("Z-API lets followers react with all or with the basic emojis, not with none.")
        route = f"newsletter/settings/{part(channel)}"
        await self.do(connection, "POST", route, json={"reactionCodes": reactions})

    async def search_channels(self, connection: Connection, *, text: str, limit: int) -> list[Channel]:
        """Public channels by name, of all countries."""
        body = {"limit": limit, "filters": {}, "searchText": text}
        return [_channel(one) for one in await self.ask_list(connection, "POST", "search-newsletter", json=body)]


def _channel(raw: Json) -> Channel:
    seen = raw.get("viewMetadata")
    view = seen if isinstance(seen, dict) else {}
    muted = text(view, "mute")
    verification = text(raw, "verification")
    return Channel(
        channel=text(raw, "id") or "",
        name=text(raw, "name"),
        description=text(raw, "description"),
        picture=text(raw, "picture", "preview"),
        invite_link=text(raw, "inviteLink"),
        role=(text(view, "role") or "").lower() or None,
        followers=number(raw.get("subscribersCount")),
        muted=None if muted is None else muted.upper() == "ON",
        verified=None if verification is None else verification.upper() == "VERIFIED",
        extra=rest({name: raw.get(name) for name in ("state", "creationTime")}),
    )
