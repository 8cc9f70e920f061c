"""Groups."""

import base64
import re
from collections.abc import Sequence
from typing import Any

from recado.domain.operations import (
    Group,
    Groups,
    Participant,
    ParticipantAction,
    ParticipantResult,
    Picture,
    Unsupported,
)
from recado.domain.provider import CallFailed, Connection
from recado.providers import waproto, whatsapp
from recado.providers.evolution.calls import Calls

Json = dict[str, Any]

_INVITE = re.compile(r"(?:https?://)?(?:chat\.whatsapp\.com/(?:invite/)?)?([A-Za-z0-9]{22})(?:[/?].*)?")


class EvolutionGroups(Calls, Groups):
    """What the server can do with groups: all but join requests, and who may add others."""

    async def list_groups(self, connection: Connection, *, limit: int, offset: int) -> list[Group]:
        """The groups, without participants. The server asks WhatsApp for each one's picture, which takes its time."""
        query = {"getParticipants": "false"}
        found = await self._ask(connection, "GET", "group/fetchAllGroups", query=query)
        return [_group(one) for one in waproto.objects(found)][offset : offset + limit]

    async def get_group(self, connection: Connection, *, group: str) -> Group:
        """A group with its participants."""
        return _known(await self._ask(connection, "GET", "group/findGroupInfos", query={"groupJid": group}))

    async def create_group(self, connection: Connection, *, subject: str, participants: Sequence[str]) -> Group:
        """Make a group. Who is not on WhatsApp is left out without a word."""
        json = {"subject": subject, "participants": [_plain(one) for one in participants]}
        return _known(await self._ask(connection, "POST", "group/create", json=json))

    async def rename_group(self, connection: Connection, *, group: str, subject: str) -> None:
        """Change a group's subject."""
        await self._change(connection, "updateGroupSubject", group, {"subject": subject})

    async def describe_group(self, connection: Connection, *, group: str, description: str) -> None:
        """Change a group's description."""
        await self._change(connection, "updateGroupDescription", group, {"description": description})

    async def set_group_picture(self, connection: Connection, *, group: str, picture: Picture | None) -> None:
        """Change a group's picture; the server cannot remove one."""
        if picture is None:
            raise Unsupported("removal of a group's picture")
        image = base64.b64encode(picture.data).decode()
        await self._change(connection, "updateGroupPicture", group, {"image": image})

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
        """Change who may write and who may change the group; a request for each."""
        if approval is not None or members_add is not None:
            raise Unsupported("setting of who comes into a group")
        if announce is not None:
            action = "announcement" if announce else "not_announcement"
            await self._change(connection, "updateSetting", group, {"action": action})
        if locked is not None:
            await self._change(connection, "updateSetting", group, {"action": "locked" if locked else "unlocked"})

    async def change_participants(
        self, connection: Connection, *, group: str, action: ParticipantAction, participants: Sequence[str]
    ) -> list[ParticipantResult]:
        """Add, remove, promote or demote; 200 is WhatsApp's word for done."""
        json = {"action": action, "participants": [_plain(one) for one in participants]}
        raw = await self._change(connection, "updateParticipant", group, json)
        told = waproto.objects(raw.get("updateParticipants"))
        by_id = {whatsapp.address(one.get("jid")): waproto.text(one, "status") for one in told}
        # WhatsApp may name them by other ids than we did, and keeps our order then.
        in_order = [waproto.text(one, "status") for one in told] if len(told) == len(participants) else []
        results = []
        for place, one in enumerate(participants):
            code = by_id.get(whatsapp.address(whatsapp.jid(one))) or (in_order[place] if in_order else None)
            done = code in (None, "200")
            results.append(ParticipantResult(participant=one, done=done, code=None if done else code))
        return results

    async def get_invite(self, connection: Connection, *, group: str) -> str:
        """The invitation link."""
        raw = waproto.fields(await self._ask(connection, "GET", "group/inviteCode", query={"groupJid": group}))
        return _link(raw)

    async def reset_invite(self, connection: Connection, *, group: str) -> str:
        """A new invitation link; the old one ends."""
        return _link(await self._change(connection, "revokeInviteCode", group, None))

    async def preview_invite(self, connection: Connection, *, link: str) -> Group:
        """The group behind an invitation link or its code."""
        return _known(await self._ask(connection, "GET", "group/inviteInfo", query={"inviteCode": _code(link)}))

    async def join_group(self, connection: Connection, *, link: str) -> str:
        """Join by an invitation link or its code; the group's id."""
        query = {"inviteCode": _code(link)}
        raw = waproto.fields(await self._ask(connection, "GET", "group/acceptInviteCode", query=query))
        group = whatsapp.party(raw.get("groupJid")).group
        if group is None:
            raise CallFailed("The server's answer names no group.", code="bad_answer", retryable=False)
        return group

    async def leave_group(self, connection: Connection, *, group: str) -> None:
        """Leave a group."""
        await self._ask(connection, "DELETE", "group/leaveGroup", query={"groupJid": group})

    async def _change(self, connection: Connection, route: str, group: str, json: Json | None) -> Json:
        return waproto.fields(
            await self._ask(connection, "POST", f"group/{route}", query={"groupJid": group}, json=json)
        )


def _known(raw: Any) -> Group:
    group = _group(waproto.fields(raw))
    if not group.group:
        raise CallFailed("The server's answer is no group.", code="bad_answer")
    return group


def _group(raw: Json) -> Group:
    owner = whatsapp.party(raw.get("ownerPn"), raw.get("ownerJid"), raw.get("owner"))
    return Group(
        group=whatsapp.party(raw.get("id")).group or "",
        subject=waproto.text(raw, "subject"),
        description=waproto.text(raw, "desc"),
        owner=owner.phone or owner.lid,
        created_at=waproto.moment(raw.get("creation")),
        picture=waproto.text(raw, "pictureUrl"),
        announce=_flag(raw.get("announce")),
        locked=_flag(raw.get("restrict")),
        approval=_flag(raw.get("joinApprovalMode")),
        community=whatsapp.party(raw.get("linkedParent")).group,
        participants=[_participant(one) for one in waproto.objects(raw.get("participants"))],
        extra={"size": raw["size"]} if isinstance(raw.get("size"), int) else {},
    )


def _participant(raw: Json) -> Participant:
    party = whatsapp.party(raw.get("id"), raw.get("jid"), raw.get("phoneNumber"), raw.get("lid"), name=raw.get("name"))
    admin = raw.get("admin")
    role = "owner" if admin == "superadmin" else "admin" if admin == "admin" else "member"
    return Participant(phone=party.phone, lid=party.lid, name=party.name, role=role)  # type: ignore[arg-type]


def _link(raw: Json) -> str:
    code = waproto.text(raw, "inviteCode")
    if code is None:
        raise CallFailed("The server's answer has no invitation.", code="bad_answer")
    return f"https://chat.whatsapp.com/{code}"


def _code(link: str) -> str:
    found = _INVITE.fullmatch(link.strip())
    if found is None:
        raise CallFailed("That is no invitation link of WhatsApp.", code="invalid", retryable=False)
    return found[1]


def _plain(address: str) -> str:
    """The server wants digits, and takes an `@lid` behind them."""
    return address.removeprefix("+")


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
