"""Groups and communities of the number."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.api.paging import Page
from recado.api.v1.phone.common import Identifier, Identifiers, PictureRequest, Text, router
from recado.domain.errors import invalid
from recado.domain.operations import (
    Communities,
    Community,
    Group,
    Groups,
    JoinRequest,
    ParticipantAction,
    ParticipantResult,
)
from recado.services import operating

Description = Annotated[str, msgspec.Meta(max_length=2_048)]


class GroupRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: Text
    participants: Identifiers


class GroupChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed. `announce`: only admins write; `locked`: only admins change the group; `approval`:
    admins let people in; `members_add`: everybody may add people."""

    subject: Text | None = None
    description: Description | None = None
    announce: bool | None = None
    locked: bool | None = None
    approval: bool | None = None
    members_add: bool | None = None


class ParticipantsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: ParticipantAction
    participants: Identifiers


class JoinAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    participants: Identifiers
    approve: bool


class LinkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invitation link, or the code at its end."""

    link: Identifier


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    link: str


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    group: str


class CommunityRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text
    description: Description | None = None


class CommunityGroups(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    groups: Identifiers


@get("/groups")
async def list_groups(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> Page[Group]:
    """The groups that the number is in. Participants may be absent here."""
    position = paging.offset(cursor)
    found = await operating.call(runtime, principal, instance_id, Groups.list_groups, limit=limit, offset=position)
    return paging.offset_page(found, limit, position)


@post("/groups")
async def create_group(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[GroupRequest]
) -> Group:
    """Make a group."""
    people = await _addresses(runtime, principal, data.participants)
    return await operating.call(
        runtime, principal, instance_id, Groups.create_group, subject=data.subject, participants=people
    )


@post("/groups/preview", status_code=200)
async def preview_invite(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[LinkRequest]
) -> Group:
    """The group behind an invitation link, without joining it."""
    return await operating.call(runtime, principal, instance_id, Groups.preview_invite, link=data.link)


@post("/groups/join", status_code=200)
async def join_group(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[LinkRequest]
) -> Joined:
    """Join a group by its invitation link."""
    return Joined(group=await operating.call(runtime, principal, instance_id, Groups.join_group, link=data.link))


@get("/groups/{group:str}")
async def get_group(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]) -> Group:
    """A group with its participants."""
    wanted = await _group(runtime, principal, group)
    return await operating.call(runtime, principal, instance_id, Groups.get_group, group=wanted)


@patch("/groups/{group:str}", status_code=204)
async def change_group(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    group: FromPath[str],
    data: JSONBody[GroupChange],
) -> None:
    """Change a group's subject, description or settings."""
    wanted = await _group(runtime, principal, group)
    settings = (data.announce, data.locked, data.approval, data.members_add)
    if data == GroupChange():
        raise invalid("subject", "Name at least one thing to change.")
    if data.subject is not None:
        await operating.call(runtime, principal, instance_id, Groups.rename_group, group=wanted, subject=data.subject)
    if data.description is not None:
        await operating.call(
            runtime, principal, instance_id, Groups.describe_group, group=wanted, description=data.description
        )
    if settings != (None, None, None, None):
        await operating.call(
            runtime,
            principal,
            instance_id,
            Groups.set_group_settings,
            group=wanted,
            announce=data.announce,
            locked=data.locked,
            approval=data.approval,
            members_add=data.members_add,
        )


@put("/groups/{group:str}/picture", status_code=204)
async def set_group_picture(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    group: FromPath[str],
    data: JSONBody[PictureRequest],
) -> None:
    """Change a group's picture."""
    wanted = await _group(runtime, principal, group)
    picture = await operating.picture(runtime, principal, data=data.data, media_id=data.media_id)
    await operating.call(runtime, principal, instance_id, Groups.set_group_picture, group=wanted, picture=picture)


@delete("/groups/{group:str}/picture")
async def remove_group_picture(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]
) -> None:
    """Remove a group's picture."""
    wanted = await _group(runtime, principal, group)
    await operating.call(runtime, principal, instance_id, Groups.set_group_picture, group=wanted, picture=None)


@post("/groups/{group:str}/participants", status_code=200)
async def change_participants(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    group: FromPath[str],
    data: JSONBody[ParticipantsRequest],
) -> list[ParticipantResult]:
    """Add, remove, promote or demote people; answers for each."""
    wanted = await _group(runtime, principal, group)
    people = await _addresses(runtime, principal, data.participants)
    return await operating.call(
        runtime,
        principal,
        instance_id,
        Groups.change_participants,
        group=wanted,
        action=data.action,
        participants=people,
    )


@get("/groups/{group:str}/join-requests")
async def list_join_requests(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]
) -> list[JoinRequest]:
    """Who asks to come in."""
    wanted = await _group(runtime, principal, group)
    return await operating.call(runtime, principal, instance_id, Groups.list_join_requests, group=wanted)


@post("/groups/{group:str}/join-requests", status_code=200)
async def answer_join_requests(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    group: FromPath[str],
    data: JSONBody[JoinAnswer],
) -> list[ParticipantResult]:
    """Let people in, or not."""
    wanted = await _group(runtime, principal, group)
    people = await _addresses(runtime, principal, data.participants)
    return await operating.call(
        runtime,
        principal,
        instance_id,
        Groups.answer_join_requests,
        group=wanted,
        participants=people,
        approve=data.approve,
    )


@get("/groups/{group:str}/invite")
async def get_invite(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]
) -> Invite:
    """The invitation link."""
    wanted = await _group(runtime, principal, group)
    return Invite(link=await operating.call(runtime, principal, instance_id, Groups.get_invite, group=wanted))


@post("/groups/{group:str}/invite/reset", status_code=200)
async def reset_invite(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]
) -> Invite:
    """A new invitation link; the old one ends."""
    wanted = await _group(runtime, principal, group)
    return Invite(link=await operating.call(runtime, principal, instance_id, Groups.reset_invite, group=wanted))


@post("/groups/{group:str}/leave", status_code=204)
async def leave_group(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], group: FromPath[str]
) -> None:
    """Leave a group."""
    wanted = await _group(runtime, principal, group)
    await operating.call(runtime, principal, instance_id, Groups.leave_group, group=wanted)


@get("/communities")
async def list_communities(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> list[Community]:
    """The communities that the number is in."""
    return await operating.call(runtime, principal, instance_id, Communities.list_communities)


@post("/communities")
async def create_community(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[CommunityRequest]
) -> Community:
    """Make a community."""
    return await operating.call(
        runtime,
        principal,
        instance_id,
        Communities.create_community,
        name=data.name,
        description=data.description,
    )


@get("/communities/{community:str}")
async def get_community(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], community: FromPath[str]
) -> Community:
    """A community with its groups."""
    wanted = await _group(runtime, principal, community, field="community")
    return await operating.call(runtime, principal, instance_id, Communities.get_community, community=wanted)


@delete("/communities/{community:str}")
async def deactivate_community(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], community: FromPath[str]
) -> None:
    """End a community; its groups stay."""
    wanted = await _group(runtime, principal, community, field="community")
    await operating.call(runtime, principal, instance_id, Communities.deactivate_community, community=wanted)


@post("/communities/{community:str}/groups", status_code=204)
async def link_groups(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    community: FromPath[str],
    data: JSONBody[CommunityGroups],
) -> None:
    """Put groups into a community."""
    wanted = await _group(runtime, principal, community, field="community")
    groups = [await _group(runtime, principal, group, field="groups") for group in data.groups]
    await operating.call(runtime, principal, instance_id, Communities.link_groups, community=wanted, groups=groups)


@delete("/communities/{community:str}/groups/{group:str}")
async def unlink_group(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    community: FromPath[str],
    group: FromPath[str],
) -> None:
    """Take a group out of a community."""
    wanted = await _group(runtime, principal, community, field="community")
    groups = [await _group(runtime, principal, group)]
    await operating.call(runtime, principal, instance_id, Communities.unlink_groups, community=wanted, groups=groups)


async def _group(runtime: Runtime, principal: Principal, text: str, *, field: str = "group") -> str:
    found = await operating.address(runtime, principal, text, field=field)
    if not found.endswith("@g.us"):
        raise invalid(field, "is not a group: expected …@g.us")
    return found


async def _addresses(runtime: Runtime, principal: Principal, texts: list[str]) -> list[str]:
    return [
        await operating.address(runtime, principal, text, field=f"participants[{place}]")
        for place, text in enumerate(texts)
    ]


routers = [
    router(
        "Phone: groups",
        [
            list_groups,
            create_group,
            preview_invite,
            join_group,
            get_group,
            change_group,
            set_group_picture,
            remove_group_picture,
            change_participants,
            list_join_requests,
            answer_join_requests,
            get_invite,
            reset_invite,
            leave_group,
        ],
    ),
    router(
        "Phone: communities",
        [
            list_communities,
            create_community,
            get_community,
            deactivate_community,
            link_groups,
            unlink_group,
        ],
    ),
]
