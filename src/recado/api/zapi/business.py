"""What a business says of itself."""

import abc
from typing import Any, ClassVar, Literal

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.relayed import Relayed, RelayedFirst
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Success
from recado.domain.operations import BusinessChange, Category, Profile
from recado.providers.zapi.calls import objects, text

_NOT_UAZAPI = "UAZAPI refuses it: it changes the description, the address and the e-mail alone."


class _Business(Route, abc.ABC):
    domain: ClassVar[Domain] = "business"


class ShownCategory(Answer, frozen=True, kw_only=True):
    """A category of businesses. `label` is WhatsApp's word for it, where it has one."""

    display_name: str | None
    label: str | None
    id: str


class Day(Answer, frozen=True, kw_only=True):
    day_of_week: str
    open_time: str | None
    close_time: str | None


class Hours(Answer, frozen=True, kw_only=True):
    timezone: str | None
    days: tuple[Day, ...]
    mode: str | None


class BusinessProfile(Answer, frozen=True, kw_only=True):
    """What a business says of itself."""

    description: str | None
    address: str | None
    email: str | None
    websites: tuple[str, ...] = ()
    categories: tuple[ShownCategory, ...]
    business_hours: Hours | None
    has_cover_photo: bool | None


class ProfileQuery(Body, frozen=True, kw_only=True):
    phone: fields.Phone


_CATEGORY = {"displayName": "Outras empresas", "label": "OTHER_COMPANIES", "id": examples.CATEGORY}


class GetProfile(_Business, RelayedFirst):
    """Read what a business says of itself."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/business/profile"
    query: ClassVar[Any] = ProfileQuery
    answers: ClassVar[Any] = BusinessProfile
    needs: ClassVar[tuple[str, ...]] = ("get_business_profile",)
    note: ClassVar[str] = f"Only Z-API itself tells hours and cover. {asking.ELSEWHERE}"
    example: ClassVar[Example] = Example(
        query={"phone": examples.PHONE},
        answer={
            "description": "Z API - Asas para sua imaginação",
            "address": "Maringá",
            "email": "zapi@example.com",
            "websites": ["https://www.z-api.io"],
            "categories": [_CATEGORY],
            "businessHours": {
                "timezone": "America/Sao_Paulo",
                "days": [{"dayOfWeek": "MONDAY", "openTime": "08:00", "closeTime": "18:00"}],
                "mode": "specificHours",
            },
            "hasCoverPhoto": False,
        },
    )

    async def otherwise(self, call: Call) -> Any:
        """As far as the provider tells it."""
        contact = fields.recipient(call.query.phone)
        found = await asking.recall(call, Profile.get_business_profile, contact=contact)
        return asking.dated(_profile(found.value), found)


class CategoriesQuery(Body, frozen=True, kw_only=True):
    query: str = ""


class AvailableCategories(_Business, RelayedFirst):
    """List the categories that a business can be of."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/business/available-categories"
    query: ClassVar[Any] = CategoriesQuery
    answers: ClassVar[Any] = tuple[ShownCategory, ...]
    needs: ClassVar[tuple[str, ...]] = ("list_business_categories",)
    note: ClassVar[str] = asking.ELSEWHERE
    example: ClassVar[Example] = Example(query={"query": "empresas"}, answer=[_CATEGORY])

    async def otherwise(self, call: Call) -> Any:
        """Those with the words of the query in their name."""
        found = await asking.recall(call, Profile.list_business_categories)
        wanted = call.query.query.casefold()
        shown = (_category(one) for one in found.value if wanted in (one.name or "").casefold())
        return asking.dated(tuple(shown), found)


class _Change(_Business, abc.ABC):
    """A route that changes a part of the number's own business profile."""

    answers: ClassVar[Any] = Success
    status: ClassVar[int] = 201
    needs: ClassVar[tuple[str, ...]] = ("set_business_profile",)

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        await call.ask(Profile.set_business_profile, change=self.change(call.body))
        return Success()

    @abc.abstractmethod
    def change(self, body: Any) -> BusinessChange:
        """What the body asks for."""


class TextBody(Body, frozen=True, kw_only=True):
    """An empty `value`, or none, clears it."""

    value: fields.Text = ""


class CompanyDescription(_Change):
    """Change what the business says of itself."""

    path: ClassVar[str] = "/business/company-description"
    body: ClassVar[Any] = TextBody
    example: ClassVar[Example] = Example(body={"value": "Asas para sua imaginação"}, answer=examples.SUCCESS)

    def change(self, body: TextBody) -> BusinessChange:
        """The description."""
        return BusinessChange(description=str(body.value))


class CompanyAddress(_Change):
    """Change the address of the business."""

    path: ClassVar[str] = "/business/company-address"
    body: ClassVar[Any] = TextBody
    example: ClassVar[Example] = Example(body={"value": "Rua das Flores, 123, Maringá"}, answer=examples.SUCCESS)

    def change(self, body: TextBody) -> BusinessChange:
        """The address."""
        return BusinessChange(address=str(body.value))


class CompanyEmail(_Change):
    """Change the e-mail address of the business."""

    path: ClassVar[str] = "/business/company-email"
    body: ClassVar[Any] = TextBody
    example: ClassVar[Example] = Example(body={"value": "zapi@example.com"}, answer=examples.SUCCESS)

    def change(self, body: TextBody) -> BusinessChange:
        """The e-mail address."""
        return BusinessChange(email=str(body.value))


class WebsitesBody(Body, frozen=True, kw_only=True):
    """An empty list, or none, clears them."""

    websites: tuple[str, ...] = ()


class CompanyWebsites(_Change):
    """Change the websites of the business."""

    path: ClassVar[str] = "/business/company-websites"
    body: ClassVar[Any] = WebsitesBody
    note: ClassVar[str] = _NOT_UAZAPI
    example: ClassVar[Example] = Example(body={"websites": ["https://www.z-api.io"]}, answer=examples.SUCCESS)

    def change(self, body: WebsitesBody) -> BusinessChange:
        """The websites."""
        return BusinessChange(websites=body.websites)


class CategoriesBody(Body, frozen=True, kw_only=True):
    categories: tuple[fields.Text, ...]


class SetCategories(_Change):
    """Change the categories that the business is of."""

    path: ClassVar[str] = "/business/categories"
    body: ClassVar[Any] = CategoriesBody
    note: ClassVar[str] = _NOT_UAZAPI
    example: ClassVar[Example] = Example(body={"categories": [examples.CATEGORY]}, answer=examples.SUCCESS)

    def change(self, body: CategoriesBody) -> BusinessChange:
        """The categories."""
        return BusinessChange(categories=tuple(str(one) for one in body.categories))


class OpenDay(Body, frozen=True, kw_only=True):
    """Hours of a day, `HH:MM`. A day may be there twice."""

    day_of_week: str | None = None
    open_time: str | None = None
    close_time: str | None = None


class HoursBody(Body, frozen=True, kw_only=True):
    timezone: str
    mode: Literal["specificHours", "open24h", "appointmentOnly"] | None = None
    days: tuple[OpenDay, ...] = ()


class SetHours(_Business, Relayed):
    """Change when the business is open."""

    path: ClassVar[str] = "/business/hours"
    body: ClassVar[Any] = HoursBody
    answers: ClassVar[Any] = Success
    status: ClassVar[int] = 201
    reason: ClassVar[str] = (
        "Only Z-API itself changes when a business is open; with another provider, do it on the phone."
    )
    example: ClassVar[Example] = Example(
        body={
            "timezone": "America/Sao_Paulo",
            "days": [{"dayOfWeek": "MONDAY", "openTime": "08:00", "closeTime": "12:00"}],
            "mode": "specificHours",
        },
        answer=examples.SUCCESS,
    )


ROUTES: tuple[Route, ...] = (
    GetProfile(),
    AvailableCategories(),
    CompanyDescription(),
    CompanyAddress(),
    CompanyEmail(),
    CompanyWebsites(),
    SetCategories(),
    SetHours(),
)


def _category(category: Category) -> ShownCategory:
    return ShownCategory(display_name=category.name, label=category.extra.get("label"), id=category.category)


def _profile(raw: dict[str, Any]) -> BusinessProfile:
    """A profile in the words of the provider: WhatsApp's own, with one category or several, websites in one field or another."""
    return BusinessProfile(
        description=text(raw, "description"),
        address=text(raw, "address"),
        email=text(raw, "email"),
        websites=_websites(raw.get("websites") or raw.get("website")),
        categories=_categories(raw.get("categories") or raw.get("category")),
        business_hours=None,
        has_cover_photo=None,
    )


def _websites(told: object) -> tuple[str, ...]:
    if isinstance(told, str):
        return (told,) if told else ()
    return tuple(one for one in told if isinstance(one, str)) if isinstance(told, list | tuple) else ()


def _categories(told: object) -> tuple[ShownCategory, ...]:
    """Categories by their id, or by a name alone."""
    if isinstance(told, str):
        told = [told]
    if not isinstance(told, list | tuple):
        return ()
    names = (ShownCategory(display_name=one, label=None, id=one) for one in told if isinstance(one, str) and one)
    return (*names, *(_told(one) for one in objects(told) if text(one, "id")))


def _told(raw: dict[str, Any]) -> ShownCategory:
    name = text(raw, "localized_display_name", "name")
    return ShownCategory(display_name=name, label=text(raw, "label"), id=text(raw, "id") or "")
