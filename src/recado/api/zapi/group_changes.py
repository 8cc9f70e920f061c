"""Making groups, changing what they are like, and leaving them."""

from typing import Any, ClassVar

from recado.api.zapi import asking, examples, fields, participants
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.groups import GroupRoute
from recado.api.zapi.route import Answer, Body, Call, Example, Route, Value
from recado.domain.operations import Group, Groups
from recado.providers.zapi import addresses
from recado.services.zapi import pictures


class GroupBody(Body, frozen=True, kw_only=True):
    """The base of bodies that name a group."""

    group_id: fields.Phone


class CreateBody(Body, frozen=True, kw_only=True):
    group_name: fields.Words
    phones: tuple[fields.Phone, ...]
    auto_invite: bool = False


class Created(Answer, frozen=True, kw_only=True):
    phone: str
    phones_not_added: tuple[str, ...]
    invitation_link: str | None


class CreateGroup(GroupRoute):
    """Make a group."""

    path: ClassVar[str] = "/create-group"
    body: ClassVar[Any] = CreateBody
    answers: ClassVar[Any] = Created
    needs: ClassVar[tuple[str, ...]] = ("create_group",)
    note: ClassVar[str] = (
        "LIDs are not added and come back in `phonesNotAdded`, with those whom WhatsApp refuses where the provider tells"
        " them; `autoInvite` sends these the invitation link as a message."
    )
    example: ClassVar[Example] = Example(
        body={"autoInvite": True, "groupName": "Meu grupo no Z-API", "phones": [examples.PHONE, examples.OTHER_PHONE]},
        answer={"phone": examples.GROUP, "phonesNotAdded": [], "invitationLink": examples.INVITE},
    )

    async def answer(self, call: Call) -> Any:
        """With its invitation link, where it can be had."""
        wanted = participants.people(call.body.phones)
        lids = [one for one in wanted if one.endswith("@lid")]
        numbers = [one for one in wanted if one not in lids]
        if not numbers:
            raise ZapiError("phones: a group is made with at least one phone number; LIDs cannot be added")
        made = await call.ask(Groups.create_group, subject=str(call.body.group_name), participants=numbers)
        link = made.invite_link or (await asking.known(call, Groups.get_invite, group=made.group)).value
        refused = {one: None for one in lids} | participants.outside(_refused(made))
        if call.body.auto_invite and link is not None:
            await participants.invite(call, participants.invitable(refused), link)
        return Created(
            phone=addresses.phone(made.group),
            phones_not_added=tuple(addresses.phone(one) for one in refused),
            invitation_link=link,
        )


def _refused(made: Group) -> dict[str, str | None]:
    """Whom WhatsApp did not add, and its code for why, as far as the provider tells."""
    codes = made.extra.get("refused")
    told: dict[str, str | None] = dict(codes) if isinstance(codes, dict) else {}
    told |= {str(one): None for one in made.extra.get("phonesNotAdded") or ()}
    return {found: code for one, code in told.items() if (found := addresses.address(one)) is not None}


class NameBody(GroupBody, frozen=True, kw_only=True):
    group_name: fields.Words


class UpdateName(GroupRoute):
    """Change a group's name."""

    path: ClassVar[str] = "/update-group-name"
    body: ClassVar[Any] = NameBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("rename_group",)
    example: ClassVar[Example] = Example(
        body={"groupId": examples.GROUP, "groupName": "Mudou o nome Meu grupo no Z-API"}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """At once."""
        await call.ask(Groups.rename_group, group=fields.group(call.body.group_id), subject=str(call.body.group_name))
        return Value()


class DescriptionBody(GroupBody, frozen=True, kw_only=True):
    group_description: fields.Text


class UpdateDescription(GroupRoute):
    """Change a group's description."""

    path: ClassVar[str] = "/update-group-description"
    body: ClassVar[Any] = DescriptionBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("describe_group",)
    example: ClassVar[Example] = Example(
        body={"groupId": examples.GROUP, "groupDescription": "descrição do grupo"}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """At once."""
        text = fields.lines(call.body.group_description)
        await call.ask(Groups.describe_group, group=fields.group(call.body.group_id), description=text)
        return Value()


class PhotoBody(GroupBody, frozen=True, kw_only=True):
    group_photo: str


class UpdatePhoto(GroupRoute):
    """Change a group's picture."""

    path: ClassVar[str] = "/update-group-photo"
    body: ClassVar[Any] = PhotoBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("set_group_picture",)
    note: ClassVar[str] = "A link, a data URL or base64, of at most 5 MB."
    example: ClassVar[Example] = Example(
        body={"groupId": examples.GROUP, "groupPhoto": examples.IMAGE}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """A link is fetched first."""
        group = fields.group(call.body.group_id)
        given = call.body.group_photo
        if not given.startswith(("http://", "https://", "data:")):
            given = f"data:image/jpeg;base64,{given}"
        picture = await pictures.fetch(call.runtime, call.principal, given, field="groupPhoto")
        await call.ask(Groups.set_group_picture, group=group, picture=picture)
        return Value()


class SettingsBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    admin_only_message: bool
    admin_only_settings: bool
    require_admin_approval: bool
    admin_only_add_member: bool


class UpdateSettings(GroupRoute):
    """Change who may write, change the group, come in and add others."""

    path: ClassVar[str] = "/update-group-settings"
    body: ClassVar[Any] = SettingsBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("set_group_settings",)
    note: ClassVar[str] = "The group's id is in `phone`."
    example: ClassVar[Example] = Example(
        body={
            "phone": examples.GROUP,
            "adminOnlyMessage": True,
            "adminOnlySettings": True,
            "requireAdminApproval": False,
            "adminOnlyAddMember": True,
        },
        answer=examples.DONE,
    )

    async def answer(self, call: Call) -> Any:
        """All four at once."""
        await call.ask(
            Groups.set_group_settings,
            group=fields.group(call.body.phone, field="phone"),
            announce=call.body.admin_only_message,
            locked=call.body.admin_only_settings,
            approval=call.body.require_admin_approval,
            members_add=not call.body.admin_only_add_member,
        )
        return Value()


class LeaveGroup(GroupRoute):
    """Leave a group."""

    path: ClassVar[str] = "/leave-group"
    body: ClassVar[Any] = GroupBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("leave_group",)
    example: ClassVar[Example] = Example(body={"groupId": examples.GROUP}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """At once."""
        await call.ask(Groups.leave_group, group=fields.group(call.body.group_id))
        return Value()


ROUTES: tuple[Route, ...] = (
    CreateGroup(),
    UpdateName(),
    UpdatePhoto(),
    UpdateDescription(),
    UpdateSettings(),
    LeaveGroup(),
)
