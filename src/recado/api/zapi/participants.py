"""Who is in a group or community: adding and removing people, making admins, letting people in."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from recado.api.zapi import asking, examples, fields, relayed
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Body, Call, Domain, Example, Route, Value
from recado.api.zapi.sends import accept
from recado.domain.content import TextContent
from recado.domain.operations import Communities, Groups, ParticipantAction, ParticipantResult
from recado.services.accepting import MessageRequest

#: What WhatsApp says of somebody who is in the group already, and of a number that it does not have.
_ALREADY, _ABSENT = "409", "404"


class PeopleBody(Body, frozen=True, kw_only=True):
    """`group_id` or `community_id`: one of both."""

    phones: tuple[fields.Phone, ...]
    group_id: fields.Phone | None = None
    community_id: fields.Phone | None = None


class _Change(Route, abc.ABC):
    domain: ClassVar[Domain] = "groups"
    body: ClassVar[Any] = PeopleBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("change_participants",)
    note: ClassVar[str] = (
        "Of a group or, by `communityId`, of a community: there it is done in its announcement group, to which all its"
        " members belong. `value` is whether it was done for all."
    )
    example: ClassVar[Example] = Example(
        body={"groupId": examples.GROUP, "phones": [examples.OTHER_PHONE]}, answer=examples.DONE
    )
    action: ClassVar[ParticipantAction]

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        if call.body.community_id is not None:
            found = await relayed.relay(self, call)
            if found is not None:
                return found
        wanted = people(call.body.phones)
        results = await call.ask(
            Groups.change_participants, group=await _group(call), action=self.action, participants=wanted
        )
        return Value(value=all(result.done for result in results))


class RemoveParticipant(_Change):
    """Remove people from a group or community."""

    path: ClassVar[str] = "/remove-participant"
    action: ClassVar[ParticipantAction] = "remove"


class AddAdmin(_Change):
    """Make people admins of a group or community."""

    path: ClassVar[str] = "/add-admin"
    action: ClassVar[ParticipantAction] = "promote"


class RemoveAdmin(_Change):
    """Make people admins no longer."""

    path: ClassVar[str] = "/remove-admin"
    action: ClassVar[ParticipantAction] = "demote"


class AddBody(PeopleBody, frozen=True, kw_only=True):
    auto_invite: bool = False


class AddParticipant(_Change):
    """Add people to a group or community."""

    path: ClassVar[str] = "/add-participant"
    body: ClassVar[Any] = AddBody
    action: ClassVar[ParticipantAction] = "add"
    note: ClassVar[str] = (
        "As `/remove-participant`. LIDs cannot be added. `autoInvite` sends those who were not added the invitation link as a"
        " message, which counts as done."
    )
    example: ClassVar[Example] = Example(
        body={"autoInvite": True, "groupId": examples.GROUP, "phones": [examples.OTHER_PHONE]}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """By an admin. Z-API itself does not tell whom it did not add, so it invites them itself."""
        if call.body.auto_invite or call.body.community_id is not None:
            found = await relayed.relay(self, call)
            if found is not None:
                return found
        wanted = people(call.body.phones)
        group = await _group(call)
        numbers = [one for one in wanted if not one.endswith("@lid")]
        results: list[ParticipantResult] = []
        if numbers:
            results = await call.ask(Groups.change_participants, group=group, action=self.action, participants=numbers)
        refused = outside({one.participant: one.code for one in results if not one.done})
        refused |= {one: None for one in wanted if one not in numbers}
        if not call.body.auto_invite:
            return Value(value=not refused)
        invited = invitable(refused)
        if invited:
            await invite(call, invited, await call.ask(Groups.get_invite, group=group))
        return Value(value=len(invited) == len(refused))


class RequestsBody(Body, frozen=True, kw_only=True):
    group_id: fields.Phone
    phones: tuple[fields.Phone, ...]


class _Answer(Route, abc.ABC):
    domain: ClassVar[Domain] = "groups"
    body: ClassVar[Any] = RequestsBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("answer_join_requests",)
    note: ClassVar[str] = "`value` is whether it was done for all."
    example: ClassVar[Example] = Example(
        body={"groupId": examples.GROUP, "phones": [examples.PHONE]}, answer=examples.DONE
    )
    approve: ClassVar[bool]

    async def answer(self, call: Call) -> Any:
        """By an admin."""
        results = await call.ask(
            Groups.answer_join_requests,
            group=fields.group(call.body.group_id),
            participants=people(call.body.phones),
            approve=self.approve,
        )
        return Value(value=all(result.done for result in results))


class ApproveParticipant(_Answer):
    """Let people into a group who ask to come in."""

    path: ClassVar[str] = "/approve-participant"
    approve: ClassVar[bool] = True


class RejectParticipant(_Answer):
    """Do not let people into a group who ask to come in."""

    path: ClassVar[str] = "/reject-participant"
    approve: ClassVar[bool] = False


async def announcements(call: Call, community: str) -> str:
    """The announcement group of a community. Raises `ZapiError` where the provider names none, and as `Call.ask`."""
    found = await asking.recall(call, Communities.get_community, community=community)
    if found.value.announcement_group is None:
        raise ZapiError("The provider does not tell the announcement group of the community")
    return found.value.announcement_group


def outside(refused: Mapping[str, str | None]) -> dict[str, str | None]:
    """Those who were not added, without those who are in the group all the same: it had them already."""
    return {one: code for one, code in refused.items() if code != _ALREADY}


def invitable(refused: Mapping[str, str | None]) -> list[str]:
    """Those who were not added, by what WhatsApp says of each, whom a message can reach."""
    return [one for one, code in refused.items() if code != _ABSENT]


async def invite(call: Call, whom: Sequence[str], link: str) -> None:
    """Send people an invitation link, as messages through the queue. Raises as `sends.accept`."""
    for one in whom:
        await accept(call, MessageRequest(to=one, type="text", text=TextContent(body=link)))


async def _group(call: Call) -> str:
    """The group that a body means, or the announcement group of its community. Raises `ZapiError`."""
    body: PeopleBody = call.body
    if (body.group_id is None) == (body.community_id is None):
        raise ZapiError("Send exactly one of groupId and communityId")
    if body.group_id is not None:
        return fields.group(body.group_id)
    assert body.community_id is not None, "one of both"
    return await announcements(call, fields.group(body.community_id, field="communityId"))


def people(given: Sequence[fields.Phone]) -> list[str]:
    """Our addresses for those in `phones`, each once. Raises `ZapiError`, for nobody too."""
    if not given:
        raise ZapiError("phones: at least one")
    return list(dict.fromkeys(fields.recipient(phone, field="phones") for phone in given))


ROUTES: tuple[Route, ...] = (
    AddParticipant(),
    RemoveParticipant(),
    AddAdmin(),
    RemoveAdmin(),
    ApproveParticipant(),
    RejectParticipant(),
)
