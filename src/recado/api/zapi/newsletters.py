"""Newsletters, WhatsApp's channels."""

import abc
from typing import Any, ClassVar, Literal

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed, RelayedFirst
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Value
from recado.domain.operations import Channel, Channels
from recado.providers.zapi.calls import text, time
from recado.services.zapi import pictures

#: More than anybody shows at once.
_MOST = 100


class Named(Body, frozen=True, kw_only=True):
    """A newsletter, with or without `@newsletter`."""

    id: fields.Phone


class ViewMetadata(Answer, frozen=True, kw_only=True):
    mute: str | None
    role: str | None


class Newsletter(Answer, frozen=True, kw_only=True):
    """A newsletter. `creationTime` is in seconds; it and `state` are null where the provider does not tell them."""

    id: str
    creation_time: int | None
    state: str | None
    name: str | None
    description: str | None
    subscribers_count: str | None
    invite_link: str | None
    verification: str | None
    picture: str | None
    preview: str | None
    view_metadata: ViewMetadata


NEWSLETTER = {
    "id": examples.NEWSLETTER,
    "creationTime": 1695643504,
    "state": "ACTIVE",
    "name": "Z-API",
    "description": "Canal oficial Z-API",
    "subscribersCount": "123",
    "inviteLink": "https://www.whatsapp.com/channel/0029Va5Xk71a",
    "verification": "VERIFIED",
    "picture": "https://mmg.whatsapp.net/picture.jpg",
    "preview": "https://mmg.whatsapp.net/preview.jpg",
    "viewMetadata": {"mute": "OFF", "role": "OWNER"},
}
_OF_ONE = {"newsletterId": examples.NEWSLETTER}


class _Newsletters(Route, abc.ABC):
    domain: ClassVar[Domain] = "newsletters"


# --- making and changing ----------------------------------------------------------------------------------


class CreateBody(Body, frozen=True, kw_only=True):
    name: fields.Text
    description: fields.Text | None = None


class Created(Answer, frozen=True, kw_only=True):
    id: str


class CreateNewsletter(_Newsletters):
    """Make a newsletter."""

    path: ClassVar[str] = "/create-newsletter"
    body: ClassVar[Any] = CreateBody
    answers: ClassVar[Any] = Created
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("create_channel",)
    example: ClassVar[Example] = Example(
        body={"name": "Nome do canal", "description": "Descrição do canal"}, answer={"id": examples.NEWSLETTER}
    )

    async def answer(self, call: Call) -> Any:
        """Its id."""
        body: CreateBody = call.body
        description = None if body.description is None else str(body.description)
        made = await call.ask(Channels.create_channel, name=str(body.name), description=description, picture=None)
        return Created(id=made.channel)


class PictureBody(Named, frozen=True, kw_only=True):
    picture_url: str


class UpdatePicture(_Newsletters):
    """Change the picture of a newsletter."""

    path: ClassVar[str] = "/update-newsletter-picture"
    body: ClassVar[Any] = PictureBody
    answers: ClassVar[Any] = Value
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("update_channel",)
    note: ClassVar[str] = "The picture is fetched before the answer: up to 5 MB, by URL or as a data URI."
    example: ClassVar[Example] = Example(
        body={"id": examples.NEWSLETTER, "pictureUrl": examples.IMAGE}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        body: PictureBody = call.body
        channel = fields.channel(str(body.id))
        picture = await pictures.fetch(call.runtime, call.principal, body.picture_url, field="pictureUrl")
        await call.ask(Channels.update_channel, channel=channel, picture=picture)
        return Value()


class NameBody(Named, frozen=True, kw_only=True):
    name: fields.Text


class UpdateName(_Newsletters):
    """Change the name of a newsletter."""

    path: ClassVar[str] = "/update-newsletter-name"
    body: ClassVar[Any] = NameBody
    answers: ClassVar[Any] = Value
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("update_channel",)
    example: ClassVar[Example] = Example(
        body={"id": examples.NEWSLETTER, "name": "Novo nome do canal"}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        await call.ask(Channels.update_channel, channel=fields.channel(str(call.body.id)), name=str(call.body.name))
        return Value()


class DescriptionBody(Named, frozen=True, kw_only=True):
    description: fields.Text


class UpdateDescription(_Newsletters):
    """Change the description of a newsletter."""

    path: ClassVar[str] = "/update-newsletter-description"
    body: ClassVar[Any] = DescriptionBody
    answers: ClassVar[Any] = Value
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("update_channel",)
    example: ClassVar[Example] = Example(
        body={"id": examples.NEWSLETTER, "description": "Nova descrição do canal"}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        channel = fields.channel(str(call.body.id))
        await call.ask(Channels.update_channel, channel=channel, description=str(call.body.description))
        return Value()


class DeleteNewsletter(_Newsletters):
    """End a newsletter."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/delete-newsletter"
    body: ClassVar[Any] = Named
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("delete_channel",)
    example: ClassVar[Example] = Example(body={"id": examples.NEWSLETTER}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        await call.ask(Channels.delete_channel, channel=fields.channel(str(call.body.id)))
        return Value()


class SettingsBody(Body, frozen=True, kw_only=True):
    reaction_codes: Literal["basic", "all"]


class Settings(_Newsletters):
    """Set with which emojis followers of a newsletter may react."""

    path: ClassVar[str] = "/newsletter/settings/{newsletterId}"
    body: ClassVar[Any] = SettingsBody
    answers: ClassVar[Any] = Value
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("set_channel_reactions",)
    example: ClassVar[Example] = Example(path=_OF_ONE, body={"reactionCodes": "basic"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        await call.ask(Channels.set_channel_reactions, channel=_channel(call), reactions=call.body.reaction_codes)
        return Value()


# --- following --------------------------------------------------------------------------------------------


class _Following(_Newsletters, abc.ABC):
    """A route that changes how the number follows a newsletter."""

    method: ClassVar[Method] = "PUT"
    body: ClassVar[Any] = Named
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(body={"id": examples.NEWSLETTER}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        await self.change(call, fields.channel(str(call.body.id)))
        return Value()

    @abc.abstractmethod
    async def change(self, call: Call, channel: str) -> None:
        """Do it."""


class Follow(_Following):
    """Follow a newsletter."""

    path: ClassVar[str] = "/follow-newsletter"
    needs: ClassVar[tuple[str, ...]] = ("follow_channel",)

    async def change(self, call: Call, channel: str) -> None:
        """Follow it."""
        await call.ask(Channels.follow_channel, channel=channel, following=True)


class Unfollow(_Following):
    """Follow a newsletter no longer."""

    path: ClassVar[str] = "/unfollow-newsletter"
    needs: ClassVar[tuple[str, ...]] = ("follow_channel",)

    async def change(self, call: Call, channel: str) -> None:
        """Follow it no longer."""
        await call.ask(Channels.follow_channel, channel=channel, following=False)


class Mute(_Following):
    """Mute a newsletter."""

    path: ClassVar[str] = "/mute-newsletter"
    needs: ClassVar[tuple[str, ...]] = ("mute_channel",)

    async def change(self, call: Call, channel: str) -> None:
        """Mute it."""
        await call.ask(Channels.mute_channel, channel=channel, muted=True)


class Unmute(_Following):
    """Mute a newsletter no longer."""

    path: ClassVar[str] = "/unmute-newsletter"
    needs: ClassVar[tuple[str, ...]] = ("mute_channel",)

    async def change(self, call: Call, channel: str) -> None:
        """Mute it no longer."""
        await call.ask(Channels.mute_channel, channel=channel, muted=False)


# --- looking ----------------------------------------------------------------------------------------------


class ListNewsletters(_Newsletters, RelayedFirst):
    """List the newsletters that the number follows or runs."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/newsletter"
    answers: ClassVar[Any] = tuple[Newsletter, ...]
    needs: ClassVar[tuple[str, ...]] = ("list_channels",)
    note: ClassVar[str] = asking.ELSEWHERE
    example: ClassVar[Example] = Example(answer=[NEWSLETTER])

    async def otherwise(self, call: Call) -> Any:
        """All of them."""
        found = await asking.recall(call, Channels.list_channels)
        return asking.dated(tuple(_shown(channel) for channel in found.value), found)


class Metadata(_Newsletters, RelayedFirst):
    """Read what is known of a newsletter."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/newsletter/metadata/{newsletterId}"
    answers: ClassVar[Any] = Newsletter
    needs: ClassVar[tuple[str, ...]] = ("get_channel",)
    note: ClassVar[str] = asking.ELSEWHERE
    example: ClassVar[Example] = Example(path=_OF_ONE, answer=NEWSLETTER)

    async def otherwise(self, call: Call) -> Any:
        """One."""
        found = await asking.recall(call, Channels.get_channel, channel=_channel(call))
        return asking.dated(_shown(found.value), found)


class Filters(Body, frozen=True, kw_only=True):
    country_codes: tuple[str, ...] = ()


class SearchBody(Body, frozen=True, kw_only=True):
    limit: int
    filters: Filters
    view: Literal["RECOMMENDED", "TRENDING", "POPULAR", "NEW"] | None = None
    search_text: fields.Text | None = None


class Search(_Newsletters, RelayedFirst):
    """Look for public newsletters."""

    path: ClassVar[str] = "/search-newsletter"
    body: ClassVar[Any] = SearchBody
    answers: ClassVar[Any] = tuple[Newsletter, ...]
    needs: ClassVar[tuple[str, ...]] = ("search_channels",)
    note: ClassVar[str] = (
        "Only Z-API itself lists without `searchText` and looks at `view` and `filters`; other providers search by the text, "
        f"in every country, up to {_MOST}."
    )
    example: ClassVar[Example] = Example(
        body={"limit": 50, "view": "TRENDING", "filters": {"countryCodes": ["BR"]}, "searchText": "Z-API"},
        answer=[NEWSLETTER],
    )

    async def otherwise(self, call: Call) -> Any:
        """Those with the text in their name."""
        body: SearchBody = call.body
        text = "" if body.search_text is None else str(body.search_text).strip()
        if not text:
            raise ZapiError("searchText is needed: this instance's provider finds newsletters by their name only")
        limit = min(max(body.limit, 1), _MOST)
        found = await call.ask(Channels.search_channels, text=text, limit=limit)
        return tuple(_shown(channel) for channel in found)


class Subscribers(_Newsletters, Relayed):
    """List who follows a newsletter."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/newsletter/subscribers/{newsletterId}"
    answers: ClassVar[Any] = Any
    reason: ClassVar[str] = "Only Z-API itself lists who follows a newsletter; other providers tell how many do."
    note: ClassVar[str] = "In no documentation of Z-API; one client program calls it."
    example: ClassVar[Example] = Example(path=_OF_ONE, answer=[])


# --- admins -----------------------------------------------------------------------------------------------


class PhoneBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone


class _Admins(_Newsletters, Relayed, abc.ABC):
    """A route about the admins of a newsletter."""

    reason: ClassVar[str] = (
        "Only Z-API itself changes the admins of a newsletter; with another provider, do it on the phone."
    )


class AcceptAdminInvite(_Admins):
    """Become an admin of a newsletter that the number was invited to."""

    path: ClassVar[str] = "/newsletter/accept-admin-invite/{newsletterId}"
    status: ClassVar[int] = 201
    example: ClassVar[Example] = Example(path=_OF_ONE)


class RemoveAdmin(_Admins):
    """Take the rights of an admin of a newsletter."""

    path: ClassVar[str] = "/newsletter/remove-admin/{newsletterId}"
    body: ClassVar[Any] = PhoneBody
    status: ClassVar[int] = 201
    example: ClassVar[Example] = Example(path=_OF_ONE, body={"phone": examples.PHONE})


class RevokeAdminInvite(_Admins):
    """Take back an invitation to become an admin of a newsletter."""

    path: ClassVar[str] = "/newsletter/revoke-admin-invite/{newsletterId}"
    body: ClassVar[Any] = PhoneBody
    status: ClassVar[int] = 201
    example: ClassVar[Example] = Example(path=_OF_ONE, body={"phone": examples.PHONE})


class TransferBody(PhoneBody, frozen=True, kw_only=True):
    quit_admin: bool = False


class TransferOwnership(_Admins):
    """Make an admin of a newsletter its owner."""

    path: ClassVar[str] = "/newsletter/transfer-ownership/{newsletterId}"
    body: ClassVar[Any] = TransferBody
    answers: ClassVar[Any] = Value
    example: ClassVar[Example] = Example(
        path=_OF_ONE, body={"phone": examples.PHONE, "quitAdmin": True}, answer=examples.DONE
    )


ROUTES: tuple[Route, ...] = (
    CreateNewsletter(),
    UpdatePicture(),
    UpdateName(),
    UpdateDescription(),
    DeleteNewsletter(),
    Settings(),
    Follow(),
    Unfollow(),
    Mute(),
    Unmute(),
    ListNewsletters(),
    Metadata(),
    Search(),
    Subscribers(),
    AcceptAdminInvite(),
    RemoveAdmin(),
    RevokeAdminInvite(),
    TransferOwnership(),
)


def _channel(call: Call) -> str:
    return fields.channel(call.path["newsletterId"], field="newsletterId")


def _seconds(told: object) -> int | None:
    at = time(told)
    return None if at is None else int(at.timestamp())


def _state(told: object) -> str | None:
    """A state in the words of a provider: `ACTIVE`, or as whatsmeow has it `{"type": "active"}`."""
    found = text(told, "type") if isinstance(told, dict) else told if isinstance(told, str) else None
    return found.upper() if found else None


def _shown(channel: Channel) -> Newsletter:
    muted, verified = channel.muted, channel.verified
    return Newsletter(
        id=channel.channel,
        creation_time=_seconds(channel.extra.get("creation_time")),
        state=_state(channel.extra.get("state")),
        name=channel.name,
        description=channel.description,
        subscribers_count=None if channel.followers is None else str(channel.followers),
        invite_link=channel.invite_link,
        verification=None if verified is None else "VERIFIED" if verified else "UNVERIFIED",
        picture=channel.picture,
        preview=channel.picture,
        view_metadata=ViewMetadata(
            mute=None if muted is None else "ON" if muted else "OFF", role=channel.role and channel.role.upper()
        ),
    )
