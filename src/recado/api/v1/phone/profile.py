"""The number's own profile, and who may see what."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, patch, put
from litestar.params import FromPath, JSONBody, QueryParameter

from recado.api.dependencies import Principal, Runtime
from recado.api.v1.phone.common import PictureRequest, Text, router
from recado.domain.errors import invalid
from recado.domain.operations import BusinessChange, Category, Person, Privacy, Profile
from recado.services import operating

Whose = Annotated[str | None, QueryParameter(description="Whose profile; without it, the number's own.")]


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed."""

    name: Text | None = None
    about: Annotated[str, msgspec.Meta(max_length=512)] | None = None


@get("/profile")
async def get_profile(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> Person:
    """The number's own profile."""
    return await operating.call(runtime, principal, instance_id, Profile.get_profile)


@patch("/profile", status_code=204)
async def change_profile(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[ProfileChange]
) -> None:
    """Change the name that others see, or the "about" text."""
    if data == ProfileChange():
        raise invalid("name", "Name at least one thing to change.")
    if data.name is not None:
        await operating.call(runtime, principal, instance_id, Profile.set_profile_name, name=data.name)
    if data.about is not None:
        await operating.call(runtime, principal, instance_id, Profile.set_profile_about, about=data.about)


@put("/profile/picture", status_code=204)
async def set_profile_picture(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[PictureRequest]
) -> None:
    """Change the number's picture."""
    picture = await operating.picture(runtime, principal, data=data.data, media_id=data.media_id)
    await operating.call(runtime, principal, instance_id, Profile.set_profile_picture, picture=picture)


@delete("/profile/picture")
async def remove_profile_picture(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> None:
    """Remove the number's picture."""
    await operating.call(runtime, principal, instance_id, Profile.set_profile_picture, picture=None)


@get("/business-profile")
async def get_business_profile(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], contact: Whose = None
) -> dict[str, Any]:
    """A business's profile as the provider tells it."""
    wanted = None if contact is None else await operating.address(runtime, principal, contact, field="contact")
    return await operating.call(runtime, principal, instance_id, Profile.get_business_profile, contact=wanted)


@patch("/business-profile", status_code=204)
async def change_business_profile(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[BusinessChange]
) -> None:
    """Change the number's own business profile."""
    if data == BusinessChange():
        raise invalid("description", "Name at least one thing to change.")
    await operating.call(runtime, principal, instance_id, Profile.set_business_profile, change=data)


@get("/business-categories")
async def list_business_categories(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]
) -> list[Category]:
    """The categories that a business can be of."""
    return await operating.call(runtime, principal, instance_id, Profile.list_business_categories)


@get("/privacy")
async def get_privacy(runtime: Runtime, principal: Principal, instance_id: FromPath[UUID]) -> dict[str, str]:
    """Who may see what, by the names of `domain.operations.Privacy`."""
    return await operating.call(runtime, principal, instance_id, Privacy.get_privacy)


@patch("/privacy", status_code=204)
async def set_privacy(
    runtime: Runtime, principal: Principal, instance_id: FromPath[UUID], data: JSONBody[dict[str, str]]
) -> None:
    """Change who may see what."""
    await operating.call(runtime, principal, instance_id, Privacy.set_privacy, settings=data)


routers = [
    router(
        "Phone: profile and privacy",
        [
            get_profile,
            change_profile,
            set_profile_picture,
            remove_profile_picture,
            get_business_profile,
            change_business_profile,
            list_business_categories,
            get_privacy,
            set_privacy,
        ],
    )
]
