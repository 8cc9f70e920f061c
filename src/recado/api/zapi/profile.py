"""Routes that change the number's own profile."""

from typing import Annotated, Any, ClassVar

import msgspec

from recado.api.zapi import examples
from recado.api.zapi.relayed import RelayedFirst
from recado.api.zapi.route import Body, Call, Domain, Example, Method, Route, Value
from recado.domain.operations import Profile
from recado.services.zapi import pictures


class NameBody(Body, frozen=True, kw_only=True):
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class DescriptionBody(Body, frozen=True, kw_only=True):
    value: Annotated[str, msgspec.Meta(max_length=512)]


class PictureBody(Body, frozen=True, kw_only=True):
    value: str


class SetProfileName(Route):
    """Change the name that others see."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/profile-name"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = NameBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("set_profile_name",)
    example: ClassVar[Example] = Example(body={"value": "Loja"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Change it."""
        await call.ask(Profile.set_profile_name, name=call.body.value)
        return Value()


class SetProfileDescription(Route):
    """Change the "about" text."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/profile-description"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = DescriptionBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("set_profile_about",)
    example: ClassVar[Example] = Example(body={"value": "Aberto das 8 às 18"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """Change it."""
        await call.ask(Profile.set_profile_about, about=call.body.value)
        return Value()


class SetProfilePicture(RelayedFirst):
    """Change the picture."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/profile-picture"
    domain: ClassVar[Domain] = "instances"
    body: ClassVar[Any] = PictureBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("set_profile_picture",)
    example: ClassVar[Example] = Example(body={"value": examples.IMAGE}, answer=examples.DONE)
    note: ClassVar[str] = (
        "A URL, or a data URI, of at most 5 MB; fetched before the answer. Z-API as the provider fetches it itself."
    )

    async def otherwise(self, call: Call) -> Any:
        """Fetch it, and hand it to the provider."""
        picture = await pictures.fetch(call.runtime, call.principal, call.body.value)
        await call.ask(Profile.set_profile_picture, picture=picture)
        return Value()


ROUTES: tuple[Route, ...] = (SetProfileName(), SetProfileDescription(), SetProfilePicture())
