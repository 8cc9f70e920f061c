"""Channels (newsletters) that the number follows or runs, and its stories."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api import paging
from recado.api.dependencies import Principal, Runtime
from recado.api.v1.phone.common import Identifiers, PictureRequest, Text, router
from recado.domain.content import MediaContent, TextContent
from recado.domain.errors import invalid
from recado.domain.operations import Channel, Channels, Picture, Stories
from recado.services import operating

SearchText = Annotated[str, QueryParameter(min_length=1, max_length=200, description="A name to look for.")]


class ChannelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text
    description: str | None = None
    picture: PictureRequest | None = None


class ChannelChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed. `reactions`: with which emojis followers may react."""

    name: Text | None = None
    description: str | None = None
    picture: PictureRequest | None = None
    reactions: Literal["all", "basic", "none"] | None = None


class StoryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`type` names the field that carries the content. Without `contacts` everybody sees it whom the privacy
    settings of the phone let."""

    type: Literal["text", "image", "video", "voice"]
    text: TextContent | None = None
    image: MediaContent | None = None
    video: MediaContent | None = None
    voice: MediaContent | None = None
    contacts: Identifiers | None = None


class Story(msgspec.Struct, frozen=True, kw_only=True):
    story: str


@get("/channels")
async def list_channels(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> list[Channel]:
    """The channels that the number follows or runs."""
    return await operating.call(runtime, principal, instance_id, Channels.list_channels)


@get("/channels/search")
async def search_channels(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    q: SearchText,
    limit: paging.Limit = paging.DEFAULT_LIMIT,
) -> list[Channel]:
    """Public channels by name."""
    return await operating.call(runtime, principal, instance_id, Channels.search_channels, text=q, limit=limit)


@post("/channels")
async def create_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[ChannelRequest]
) -> Channel:
    """Make a channel."""
    return await operating.call(
        runtime,
        principal,
        instance_id,
        Channels.create_channel,
        name=data.name,
        description=data.description,
        picture=await _picture(runtime, principal, data.picture),
    )


@get("/channels/{channel:str}")
async def get_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> Channel:
    """One channel, by its id or the code of its invitation."""
    return await operating.call(runtime, principal, instance_id, Channels.get_channel, channel=channel)


@patch("/channels/{channel:str}", status_code=204)
async def change_channel(
    runtime: Runtime,
    principal: Principal,
    instance_id: FromPath[UUID],
    channel: FromPath[str],
    data: JSONBody[ChannelChange],
) -> None:
    """Change a channel's name, description or picture, or the reactions of its followers."""
    if data == ChannelChange():
        raise invalid("name", "Name at least one thing to change.")
    if data != ChannelChange(reactions=data.reactions):
        await operating.call(
            runtime,
            principal,
            instance_id,
            Channels.update_channel,
            channel=channel,
            name=data.name,
            description=data.description,
            picture=await _picture(runtime, principal, data.picture),
        )
    if data.reactions is not None:
        await operating.call(
            runtime,
            principal,
            instance_id,
            Channels.set_channel_reactions,
            channel=channel,
            reactions=data.reactions,
        )


@delete("/channels/{channel:str}")
async def delete_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> None:
    """End a channel."""
    await operating.call(runtime, principal, instance_id, Channels.delete_channel, channel=channel)


@put("/channels/{channel:str}/following", status_code=204)
async def follow_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> None:
    """Follow a channel."""
    await operating.call(runtime, principal, instance_id, Channels.follow_channel, channel=channel, following=True)


@delete("/channels/{channel:str}/following")
async def unfollow_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> None:
    """Follow a channel no longer."""
    await operating.call(runtime, principal, instance_id, Channels.follow_channel, channel=channel, following=False)


@put("/channels/{channel:str}/mute", status_code=204)
async def mute_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> None:
    """Mute a channel."""
    await operating.call(runtime, principal, instance_id, Channels.mute_channel, channel=channel, muted=True)


@delete("/channels/{channel:str}/mute")
async def unmute_channel(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], channel: FromPath[str]
) -> None:
    """Mute a channel no longer."""
    await operating.call(runtime, principal, instance_id, Channels.mute_channel, channel=channel, muted=False)


@post("/stories")
async def post_story(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[StoryRequest]
) -> Story:
    """Post a story. It goes at once, outside the queue."""
    given: dict[str, Any] = {name: getattr(data, name) for name in ("text", "image", "video", "voice")}
    content = given.pop(data.type)
    if content is None:
        raise invalid(data.type, f"is required when type is {data.type}")
    if any(other is not None for other in given.values()):
        raise invalid(data.type, f"A story of type {data.type} carries only {data.type}.")
    contacts = None
    if data.contacts is not None:
        contacts = [
            await operating.address(runtime, principal, contact, field=f"contacts[{place}]")
            for place, contact in enumerate(data.contacts)
        ]
    content = await operating.with_media(runtime, principal, content)
    return Story(
        story=await operating.call(
            runtime, principal, instance_id, Stories.post_story, kind=data.type, content=content, contacts=contacts
        )
    )


@delete("/stories/{story:str}")
async def delete_story(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], story: FromPath[str]
) -> None:
    """Take a story back."""
    await operating.call(runtime, principal, instance_id, Stories.delete_story, story=story)


async def _picture(runtime: Runtime, principal: Principal, given: PictureRequest | None) -> Picture | None:
    if given is None:
        return None
    return await operating.picture(runtime, principal, data=given.data, media_id=given.media_id)


routers = [
    router(
        "Phone: channels and stories",
        [
            list_channels,
            search_channels,
            create_channel,
            get_channel,
            change_channel,
            delete_channel,
            follow_channel,
            unfollow_channel,
            mute_channel,
            unmute_channel,
            post_story,
            delete_story,
        ],
    )
]
