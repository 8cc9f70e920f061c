"""Communities, whose ids are bare digits."""

import abc
from typing import Any, ClassVar, Literal

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Route, Success, Value
from recado.domain.operations import Communities, Community
from recado.providers.zapi import addresses

_DEFAULT_PAGE = 100


class _Communities(Route, abc.ABC):
    domain: ClassVar[Domain] = "communities"


class Listed(Answer, frozen=True, kw_only=True):
    name: str | None
    id: str


class SomePages(Body, frozen=True, kw_only=True):
    """The query of a list whose pages need not be said."""

    page: int = 1
    page_size: int = _DEFAULT_PAGE


class ListCommunities(_Communities):
    """List the communities that the number is in."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/communities"
    query: ClassVar[Any] = SomePages
    answers: ClassVar[Any] = tuple[Listed, ...]
    needs: ClassVar[tuple[str, ...]] = ("list_communities",)
    note: ClassVar[str] = f"100 a page, where the request does not say. {asking.NOTE}"
    example: ClassVar[Example] = Example(
        query={"page": 1, "pageSize": 10}, answer=[{"name": "Minha primeira Comunidade", "id": examples.COMMUNITY}]
    )

    async def answer(self, call: Call) -> Any:
        """A page of all."""
        size = max(call.query.page_size, 1)
        start = (max(call.query.page, 1) - 1) * size
        found = await asking.recall(call, Communities.list_communities)
        return asking.dated(
            [Listed(name=one.name, id=addresses.community(one.community)) for one in found.value[start : start + size]],
            found,
        )


class SubGroup(Answer, frozen=True, kw_only=True):
    name: str | None
    phone: str
    is_group_announcement: bool


class Created(Answer, frozen=True, kw_only=True):
    id: str
    sub_groups: tuple[SubGroup, ...]


_SUB_GROUPS = [{"name": "Minha primeira Comunidade", "phone": examples.GROUP, "isGroupAnnouncement": True}]


class CreateBody(Body, frozen=True, kw_only=True):
    name: fields.Words
    description: fields.Text | None = None


class CreateCommunity(_Communities):
    """Make a community, with its announcement group."""

    path: ClassVar[str] = "/communities"
    body: ClassVar[Any] = CreateBody
    answers: ClassVar[Any] = Created
    needs: ClassVar[tuple[str, ...]] = ("create_community",)
    example: ClassVar[Example] = Example(
        body={"name": "Minha primeira Comunidade", "description": "Uma descrição"},
        answer={"id": examples.COMMUNITY, "subGroups": _SUB_GROUPS},
    )

    async def answer(self, call: Call) -> Any:
        """At once."""
        description = fields.optional(call.body.description)
        made = await call.ask(Communities.create_community, name=str(call.body.name), description=description)
        return Created(id=addresses.community(made.community), sub_groups=_sub_groups(made))


class Metadata(Answer, frozen=True, kw_only=True):
    name: str | None
    id: str
    description: str | None
    sub_groups: tuple[SubGroup, ...]


class CommunityMetadata(_Communities):
    """Tell what a community is like, and its groups."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/communities-metadata/{communityId}"
    answers: ClassVar[Any] = Metadata
    needs: ClassVar[tuple[str, ...]] = ("get_community",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(
        path={"communityId": examples.COMMUNITY},
        answer={
            "name": "Minha primeira Comunidade",
            "id": examples.COMMUNITY,
            "description": "Uma descrição",
            "subGroups": _SUB_GROUPS,
        },
    )

    async def answer(self, call: Call) -> Any:
        """The announcement group first."""
        found = await asking.recall(call, Communities.get_community, community=_named(call))
        one = found.value
        body = Metadata(
            name=one.name,
            id=addresses.community(one.community),
            description=one.description,
            sub_groups=_sub_groups(one),
        )
        return asking.dated(body, found)


def _sub_groups(community: Community) -> tuple[SubGroup, ...]:
    """The announcement group first, which some providers name beside the others; it is called as its community."""
    first = community.announcement_group
    inside = {group.group: group.subject for group in community.groups}
    if first is not None:
        inside = {first: inside.get(first) or community.name, **inside}
    return tuple(
        SubGroup(name=name, phone=addresses.phone(group), is_group_announcement=group == first)
        for group, name in inside.items()
    )


class DeactivateCommunity(_Communities):
    """End a community; its groups stay."""

    method: ClassVar[Any] = "DELETE"
    path: ClassVar[str] = "/communities/{communityId}"
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("deactivate_community",)
    example: ClassVar[Example] = Example(path={"communityId": examples.COMMUNITY}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        await call.ask(Communities.deactivate_community, community=_named(call))
        return Success()


class LinkBody(Body, frozen=True, kw_only=True):
    community_id: fields.Phone
    groups_phones: tuple[fields.Phone, ...]

    @property
    def groups(self) -> list[str]:
        """Ours. Raises `ZapiError`."""
        return [fields.group(phone, field="groupsPhones") for phone in self.groups_phones]


class LinkGroups(_Communities):
    """Put groups into a community."""

    path: ClassVar[str] = "/communities/link"
    body: ClassVar[Any] = LinkBody
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("link_groups",)
    example: ClassVar[Example] = Example(
        body={"communityId": examples.COMMUNITY, "groupsPhones": [examples.GROUP]}, answer=examples.SUCCESS
    )

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        community = fields.group(call.body.community_id, field="communityId")
        await call.ask(Communities.link_groups, community=community, groups=call.body.groups)
        return Success()


class UnlinkGroups(_Communities):
    """Take groups out of a community."""

    path: ClassVar[str] = "/communities/unlink"
    body: ClassVar[Any] = LinkBody
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("unlink_groups",)
    example: ClassVar[Example] = Example(
        body={"communityId": examples.COMMUNITY, "groupsPhones": [examples.SUB_GROUP]}, answer=examples.SUCCESS
    )

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        community = fields.group(call.body.community_id, field="communityId")
        await call.ask(Communities.unlink_groups, community=community, groups=call.body.groups)
        return Success()


def _named(call: Call) -> str:
    return fields.group(call.path["communityId"], field="communityId")


# --- what no other provider has -------------------------------------------------------------------------


class _Relayed(Relayed, abc.ABC):
    domain: ClassVar[Domain] = "communities"


class SettingsBody(Body, frozen=True, kw_only=True):
    community_id: fields.Phone
    who_can_add_new_groups: Literal["admins", "all"]


class UpdateSettings(_Relayed):
    """Change who may put groups into a community."""

    path: ClassVar[str] = "/communities/settings"
    body: ClassVar[Any] = SettingsBody
    answers: ClassVar[Any] = Success
    reason: ClassVar[str] = (
        "No provider but Z-API itself changes who may put groups into a community; do it on the phone."
    )
    example: ClassVar[Example] = Example(
        body={"communityId": examples.COMMUNITY, "whoCanAddNewGroups": "admins"}, answer=examples.SUCCESS
    )


class DescriptionBody(Body, frozen=True, kw_only=True):
    community_id: fields.Phone
    community_description: str


class UpdateDescription(_Relayed):
    """Change a community's description."""

    path: ClassVar[str] = "/update-community-description"
    body: ClassVar[Any] = DescriptionBody
    answers: ClassVar[Any] = Value
    reason: ClassVar[str] = "No provider but Z-API itself changes a community's description; do it on the phone."
    example: ClassVar[Example] = Example(
        body={"communityId": examples.COMMUNITY, "communityDescription": "Nova descrição"}, answer=examples.DONE
    )


class PhotoBody(Body, frozen=True, kw_only=True):
    community_id: fields.Phone
    community_photo: str


class UpdatePhoto(_Relayed):
    """Change a community's picture."""

    path: ClassVar[str] = "/update-community-photo"
    body: ClassVar[Any] = PhotoBody
    answers: ClassVar[Any] = Value
    note: ClassVar[str] = "In the older documentation only."
    reason: ClassVar[str] = "No provider but Z-API itself changes a community's picture; do it on the phone."
    example: ClassVar[Example] = Example(
        body={"communityId": examples.COMMUNITY, "communityPhoto": examples.IMAGE}, answer=examples.DONE
    )


ROUTES: tuple[Route, ...] = (
    CreateCommunity(),
    ListCommunities(),
    CommunityMetadata(),
    LinkGroups(),
    UnlinkGroups(),
    UpdateSettings(),
    UpdateDescription(),
    UpdatePhoto(),
    DeactivateCommunity(),
)
