"""Chats and labels of a sandbox account: what was exchanged with a number, the groups it is in, and what was done to both."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from recado.domain import operations
from recado.domain.operations import Chat, Label
from recado.domain.provider import Connection
from recado.providers.sandbox import world as worlds
from recado.providers.sandbox.groups import admin_of, member_of
from recado.providers.sandbox.things import ChatMarks, GroupOf, LabelOf, Saved
from recado.providers.sandbox.world import Talk, Visitor, World, missing, wrong

#: How long messages may stay, in seconds; 0 is for ever.
_EXPIRIES = (0, 86_400, 604_800, 7_776_000)
#: WhatsApp Business has so many colours, and takes the next one for a label without any.
_COLORS = 20


class Chats(Visitor, operations.Chats, operations.Labels):
    # --- chats --------------------------------------------------------------------------------------------

    async def list_chats(self, connection: Connection, *, limit: int, offset: int) -> list[Chat]:
        """The newest message first, then those that have none left."""
        async with self._looking(connection) as world:
            found = await _all(world)
        ordered = sorted(found, key=lambda chat: (chat.last_message_at is None, _age(world, chat), chat.chat))
        return ordered[offset : offset + limit]

    async def get_chat(self, connection: Connection, *, chat: str) -> Chat:
        """Somebody with whom messages were exchanged, or a group that the number is in."""
        async with self._looking(connection) as world:
            return await _chat(world, await _address(world, chat))

    async def archive_chat(self, connection: Connection, *, chat: str, archived: bool) -> None:
        """It stays so when somebody writes."""
        await self._mark(connection, chat, archived=archived)

    async def pin_chat(self, connection: Connection, *, chat: str, pinned: bool) -> None:
        """To the top."""
        await self._mark(connection, chat, pinned=pinned)

    async def mute_chat(self, connection: Connection, *, chat: str, seconds: int | None) -> None:
        """It ends by itself."""
        async with self._changing(connection) as world:
            address = await _existing(world, chat)
            until = world.at + timedelta(seconds=seconds) if seconds else None
            await _put(world, address, muted=seconds is not None, muted_until=until)

    async def mark_chat(self, connection: Connection, *, chat: str, read: bool) -> None:
        """As read: phones see that their messages were."""
        async with self._changing(connection) as world:
            address = await _existing(world, chat)
            if read:
                await world.read(address)
            await _put(world, address, unread_at=None if read else world.at)

    async def clear_chat(self, connection: Connection, *, chat: str) -> None:
        """The chat stays, without messages."""
        await self._mark(connection, chat, cleared_at="now", unread_at=None)

    async def delete_chat(self, connection: Connection, *, chat: str) -> None:
        """It is back, without its marks, when a message goes either way."""
        async with self._changing(connection) as world:
            await world.put(await _existing(world, chat), ChatMarks(cleared_at=world.at, deleted=True))

    async def expire_chat(self, connection: Connection, *, chat: str, seconds: int) -> None:
        """Told in the chat's `extra.expire_seconds`. In a `locked` group by an admin."""
        _check_expiry(seconds)
        async with self._changing(connection) as world:
            address = await _existing(world, chat)
            if address.endswith("@g.us") and (await member_of(world, address)).locked:
                await admin_of(world, address)
            await _put(world, address, expire_seconds=seconds)

    async def expire_new_chats(self, connection: Connection, *, seconds: int) -> None:
        """Told in the profile's `extra.expire_seconds`."""
        _check_expiry(seconds)
        async with self._changing(connection) as world:
            mine = await worlds.account(world)
            await world.put("", msgspec.structs.replace(mine, expire_seconds=seconds))

    async def note_chat(self, connection: Connection, *, chat: str, note: str) -> None:
        """Told in the chat's `extra.note`."""
        async with self._changing(connection) as world:
            await _put(world, await _existing(world, chat), note=note)

    async def _mark(self, connection: Connection, chat: str, **changes: Any) -> None:
        async with self._changing(connection) as world:
            given = {name: world.at if value == "now" else value for name, value in changes.items()}
            await _put(world, await _existing(world, chat), **given)

    # --- labels -------------------------------------------------------------------------------------------

    async def list_labels(self, connection: Connection) -> list[Label]:
        """The oldest first."""
        async with self._looking(connection) as world:
            return [_label(id, label) for id, label in (await world.find(LabelOf)).items()]

    async def create_label(self, connection: Connection, *, name: str, color: str | None) -> Label:
        """`color` is a number from 0 to 19; the next one where none is given."""
        async with self._changing(connection) as world:
            taken = [int(id) for id in await world.find(LabelOf)]
            id = max(taken, default=0) + 1
            made = LabelOf(name=name, color=_color(color) or str((id - 1) % _COLORS))
            await world.put(str(id), made)
            return _label(str(id), made)

    async def update_label(self, connection: Connection, *, label: str, name: str, color: str | None) -> None:
        """Without a colour it keeps its own."""
        async with self._changing(connection) as world:
            found = await _label_of(world, label)
            await world.put(label, LabelOf(name=name, color=_color(color) or found.color))

    async def delete_label(self, connection: Connection, *, label: str) -> None:
        """It comes off its chats."""
        async with self._changing(connection) as world:
            await _label_of(world, label)
            for chat, marks in (await world.find(ChatMarks, {"labels": [label]})).items():
                left = [one for one in marks.labels if one != label]
                await world.put(chat, msgspec.structs.replace(marks, labels=left))
            await world.drop(LabelOf, label)

    async def label_chat(self, connection: Connection, *, chat: str, label: str, labelled: bool) -> None:
        """Put it on, or take it off."""
        async with self._changing(connection) as world:
            await _label_of(world, label)
            address = await _existing(world, chat)
            marks = await world.get(ChatMarks, address) or ChatMarks()
            others = [one for one in marks.labels if one != label]
            await _put(world, address, labels=[*others, label] if labelled else others)


def _check_expiry(seconds: int) -> None:
    if seconds not in _EXPIRIES:
        raise wrong(f"Messages stay {', '.join(map(str, _EXPIRIES[1:]))} seconds, or 0 for ever.")


async def _address(world: World, chat: str) -> str:
    return chat if "@" in chat else await worlds.person(world, chat)


async def _existing(world: World, chat: str) -> str:
    """The address of a chat that there is. Raises `CallFailed`."""
    address = await _address(world, chat)
    await _chat(world, address)
    return address


async def _put(world: World, address: str, **changes: Any) -> None:
    marks = await world.get(ChatMarks, address) or ChatMarks()
    await world.put(address, msgspec.structs.replace(marks, **{"deleted": False, **changes}))


async def _all(world: World) -> list[Chat]:
    talks = {talk.chat: talk for talk in await world.talks()}
    marks = await world.find(ChatMarks)
    groups = await world.find(GroupOf, {"members": [{"phone": world.number}]})
    saved = await world.find(Saved)
    shown = (
        _shown(world, address, talks.get(address), marks.get(address), groups.get(address), saved)
        for address in {**talks, **marks, **groups}
    )
    return [chat for chat in shown if chat is not None]


async def _chat(world: World, address: str) -> Chat:
    talk = next(iter(await world.talks(address)), None)
    marks = await world.get(ChatMarks, address)
    group = await world.get(GroupOf, address)
    if group is not None and all(member.phone != world.number for member in group.members):
        group = None
    saved = await world.get(Saved, address)
    found = _shown(world, address, talk, marks, group, {address: saved} if saved else {})
    if found is None:
        raise missing("chat")
    return found


def _shown(
    world: World,
    address: str,
    talk: Talk | None,
    marks: ChatMarks | None,
    group: GroupOf | None,
    saved: Mapping[str, Saved],
) -> Chat | None:
    """A chat, or None where there is none: nothing was exchanged, or it was deleted and nothing came since."""
    last_at = talk.last_at if talk else None
    if marks and marks.deleted and last_at is None:
        return None
    if talk is None and marks is None and group is None:
        return None
    marks = marks or ChatMarks()
    marked_unread = marks.unread_at is not None and (
        talk is None or talk.read_at is None or talk.read_at < marks.unread_at
    )
    if last_at is None and group is not None and marks.cleared_at is None:
        last_at = group.created_at
    name = group.subject if group else saved[address].name if address in saved else talk.name if talk else None
    return Chat(
        chat=address,
        name=name,
        unread=max(talk.unread if talk else 0, int(marked_unread)),
        archived=marks.archived,
        pinned=marks.pinned,
        muted=marks.muted and (marks.muted_until is None or marks.muted_until > world.at),
        labels=marks.labels,
        last_message_at=last_at,
        extra={name: value for name in ("expire_seconds", "note") if (value := getattr(marks, name))},
    )


def _age(world: World, chat: Chat) -> float:
    return (world.at - chat.last_message_at).total_seconds() if chat.last_message_at else 0.0


def _label(id: str, label: LabelOf) -> Label:
    return Label(label=id, name=label.name, color=label.color)


async def _label_of(world: World, id: str) -> LabelOf:
    found = await world.get(LabelOf, id)
    if found is None:
        raise missing("label")
    return found


def _color(color: str | None) -> str | None:
    if color is not None and color not in map(str, range(_COLORS)):
        raise wrong(f"A colour is a number from 0 to {_COLORS - 1}.")
    return color
