"""Channels, which the instances of a company share, and stories."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from recado.domain import operations
from recado.domain.operations import Channel, Picture
from recado.domain.provider import CallFailed, Connection
from recado.providers.sandbox import world as worlds
from recado.providers.sandbox.groups import code_of, new_id, new_invite
from recado.providers.sandbox.things import ChannelOf, Follower, Saved, StoryOf
from recado.providers.sandbox.world import Notice, Visitor, World, missing, refused, wrong

_LINK = "https://whatsapp.com/channel/"
_DAY = timedelta(days=1)
_REACTIONS = ("all", "basic", "none")
_STORIES = ("text", "image", "video", "voice")


class Channels(Visitor, operations.Channels, operations.Stories):
    # --- channels -----------------------------------------------------------------------------------------

    async def list_channels(self, connection: Connection) -> list[Channel]:
        """The oldest first."""
        async with self._looking(connection) as world:
            own = await world.find(ChannelOf, {"owner": world.number})
            followed = await world.find(ChannelOf, {"followers": [{"phone": world.number}]})
            return [_shown(world, id, channel) for id, channel in (own | followed).items()]

    async def get_channel(self, connection: Connection, *, channel: str) -> Channel:
        """Everybody sees every channel."""
        async with self._looking(connection) as world:
            return _shown(world, *await _channel(world, channel))

    async def create_channel(
        self, connection: Connection, *, name: str, description: str | None, picture: Picture | None
    ) -> Channel:
        """It is the number's own."""
        async with self._changing(connection) as world:
            id = new_id("@newsletter")
            made = ChannelOf(
                name=name,
                owner=world.number,
                invite=new_invite(),
                description=description,
                picture=worlds.data_url(picture),
            )
            await world.put(id, made)
            return _shown(world, id, made)

    async def update_channel(
        self,
        connection: Connection,
        *,
        channel: str,
        name: str | None = None,
        description: str | None = None,
        picture: Picture | None = None,
    ) -> None:
        """By its owner."""
        wanted = {"name": name, "description": description, "picture": worlds.data_url(picture)}
        given = {field: value for field, value in wanted.items() if value is not None}
        async with self._changing(connection) as world:
            id, found = await _own(world, channel)
            await world.put(id, msgspec.structs.replace(found, **given))

    async def delete_channel(self, connection: Connection, *, channel: str) -> None:
        """By its owner."""
        async with self._changing(connection) as world:
            id, _ = await _own(world, channel)
            await world.drop(ChannelOf, id)

    async def follow_channel(self, connection: Connection, *, channel: str, following: bool) -> None:
        """The owner does not."""
        async with self._changing(connection) as world:
            id, found = await _channel(world, channel)
            if found.owner == world.number:
                raise refused("The channel is the number's own.")
            if following == (_follower(world, found) is not None):
                return
            others = [one for one in found.followers if one.phone != world.number]
            followers = [*others, Follower(phone=world.number)] if following else others
            await world.put(id, msgspec.structs.replace(found, followers=followers))

    async def mute_channel(self, connection: Connection, *, channel: str, muted: bool) -> None:
        """One that the number follows or runs."""
        async with self._changing(connection) as world:
            id, found = await _channel(world, channel)
            if found.owner == world.number:
                await world.put(id, msgspec.structs.replace(found, muted_by_owner=muted))
                return
            if _follower(world, found) is None:
                raise refused("The number does not follow the channel.")
            followers = [
                msgspec.structs.replace(one, muted=muted) if one.phone == world.number else one
                for one in found.followers
            ]
            await world.put(id, msgspec.structs.replace(found, followers=followers))

    async def set_channel_reactions(
        self, connection: Connection, *, channel: str, reactions: Literal["all", "basic", "none"]
    ) -> None:
        """By its owner; told in the channel's `extra.reactions`."""
        if reactions not in _REACTIONS:
            raise wrong(f"Reactions are one of {', '.join(_REACTIONS)}.")
        async with self._changing(connection) as world:
            id, found = await _own(world, channel)
            await world.put(id, msgspec.structs.replace(found, reactions=reactions))

    async def search_channels(self, connection: Connection, *, text: str, limit: int) -> list[Channel]:
        """Those whose name has the text in it, the most followed first."""
        async with self._looking(connection) as world:
            found = [one for one in (await world.find(ChannelOf)).items() if text.casefold() in one[1].name.casefold()]
            found.sort(key=lambda one: -len(one[1].followers))
            return [_shown(world, id, channel) for id, channel in found[:limit]]

    # --- stories ------------------------------------------------------------------------------------------

    async def post_story(
        self, connection: Connection, *, kind: str, content: Any, contacts: Sequence[str] | None = None
    ) -> str:
        """Seen for a day, by the contacts given or those in the address book; instances among them are told. Of media given
        as data its size is kept."""
        if kind not in _STORIES:
            raise wrong(f"A story is one of {', '.join(_STORIES)}.")
        plain = dict(msgspec.to_builtins(content))
        data = plain.pop("data", None)
        if kind != "text" and not (data or plain.get("link")):
            raise CallFailed("The story has neither a link nor data.", code="media_missing", retryable=False)
        if data:
            plain["size"] = len(str(data).rpartition(",")[2]) * 3 // 4
        async with self._changing(connection) as world:
            people = None if contacts is None else [await worlds.person(world, contact) for contact in contacts]
            id = secrets.token_hex(10).upper()
            await world.put(id, StoryOf(type=kind, content=plain, posted_at=world.at, contacts=people))
            told = {"provider_id": id, "kind": kind, "content": plain}
            await world.tell(
                await _audience(world, people), Notice(type="status.received", phone=world.number, data=told)
            )
            return id

    async def delete_story(self, connection: Connection, *, story: str) -> None:
        """While it is seen."""
        async with self._changing(connection) as world:
            found = await world.get(StoryOf, story)
            if found is None or found.posted_at + _DAY <= world.at:
                raise missing("story")
            await world.drop(StoryOf, story)


async def _audience(world: World, contacts: Sequence[str] | None) -> Sequence[str]:
    if contacts is not None:
        return contacts
    hidden = (await worlds.account(world)).privacy.get("status") == "none"
    return [] if hidden else list(await world.find(Saved))


async def _channel(world: World, channel: str) -> tuple[str, ChannelOf]:
    """By its id, its link or the code at the end of that."""
    found = await world.get(ChannelOf, channel)
    if found is not None:
        return channel, found
    for id, invited in (await world.find(ChannelOf, {"invite": code_of(channel)})).items():
        return id, invited
    raise missing("channel")


async def _own(world: World, channel: str) -> tuple[str, ChannelOf]:
    id, found = await _channel(world, channel)
    if found.owner != world.number:
        raise refused("Only the owner of a channel does this.")
    return id, found


def _follower(world: World, channel: ChannelOf) -> Follower | None:
    return next((one for one in channel.followers if one.phone == world.number), None)


def _shown(world: World, id: str, channel: ChannelOf) -> Channel:
    follower = _follower(world, channel)
    is_owner = channel.owner == world.number
    return Channel(
        channel=id,
        name=channel.name,
        description=channel.description,
        picture=channel.picture,
        invite_link=_LINK + channel.invite,
        role="owner" if is_owner else "subscriber" if follower else "guest",
        followers=len(channel.followers),
        muted=channel.muted_by_owner if is_owner else bool(follower and follower.muted),
        verified=False,
        extra={} if channel.reactions == "all" else {"reactions": channel.reactions},
    )
