"""Who sees what of the number, and for how long messages of new chats stay."""

import abc
from typing import Any, ClassVar, Literal

from recado.api.zapi import examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.relayed import Relayed, relay
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Result, Route, Success
from recado.domain.operations import Chats, Privacy

_NO_LIST = "contactsBlacklist: only Z-API itself changes who is excepted; change it on the phone"
_LISTED = "Only Z-API itself takes `contactsBlacklist`; with another provider, change the list on the phone."


class Excepted(Body, frozen=True, kw_only=True):
    """A change of the list of those who are excepted."""

    action: Literal["add", "remove"]
    phone: fields.Phone


Everybody = Literal["ALL", "NONE", "CONTACTS", "CONTACT_BLACKLIST"]
_VALUES = {
    "ALL": "all",
    "NONE": "none",
    "CONTACTS": "contacts",
    "CONTACT_BLACKLIST": "contacts_except",
    "SAME_LAST_SEEN": "match_last_seen",
}


class _Setting(Route, abc.ABC):
    """A route that changes one setting. `setting` is its name in `domain.operations.Privacy`."""

    domain: ClassVar[Domain] = "privacy"
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("set_privacy",)
    setting: ClassVar[str]

    async def answer(self, call: Call) -> Any:
        """That it was done. Raises `ZapiError` for what the provider cannot change."""
        return await self.excepted(call) or await self.change(call)

    async def change(self, call: Call) -> Success:
        """Have the provider change it."""
        await call.ask(Privacy.set_privacy, settings={self.setting: self.value(call)})
        return Success()

    async def excepted(self, call: Call) -> Result | None:
        """The answer to a change of the list of those who are excepted; None where there is no list."""
        if not getattr(call.body, "contacts_blacklist", ()):
            return None
        found = await relay(self, call)
        if found is None:
            raise ZapiError(_NO_LIST)
        return found

    @abc.abstractmethod
    def value(self, call: Call) -> str:
        """The value in the words of `domain.operations.Privacy`."""


class VisibilityBody(Body, frozen=True, kw_only=True):
    visualization_type: Everybody
    contacts_blacklist: tuple[Excepted, ...] = ()


class _Visibility(_Setting, abc.ABC):
    """Who sees something of the number."""

    body: ClassVar[Any] = VisibilityBody
    note: ClassVar[str] = _LISTED
    example: ClassVar[Example] = Example(body={"visualizationType": "CONTACTS"}, answer=examples.SUCCESS)

    def value(self, call: Call) -> str:
        """As the body says."""
        return _VALUES[call.body.visualization_type]


class LastSeen(_Visibility):
    """Set who sees when the number was online last."""

    path: ClassVar[str] = "/privacy/last-seen"
    setting: ClassVar[str] = "last_seen"


class PhotoVisualization(_Visibility):
    """Set who sees the number's picture."""

    path: ClassVar[str] = "/privacy/photo-visualization"
    setting: ClassVar[str] = "picture"


class Photo(PhotoVisualization):
    """Set who sees the number's picture, by the route of the older documentation."""

    path: ClassVar[str] = "/privacy/photo"


class Description(_Visibility):
    """Set who sees the number's "about" text."""

    path: ClassVar[str] = "/privacy/description"
    setting: ClassVar[str] = "about"


class GroupAddBody(Body, frozen=True, kw_only=True):
    type: Literal["ALL", "CONTACTS", "CONTACT_BLACKLIST"]
    contacts_blacklist: tuple[Excepted, ...] = ()


class GroupAdd(_Setting):
    """Set who may put the number into groups."""

    path: ClassVar[str] = "/privacy/group-add"
    body: ClassVar[Any] = GroupAddBody
    setting: ClassVar[str] = "groups"
    note: ClassVar[str] = _LISTED
    example: ClassVar[Example] = Example(body={"type": "CONTACTS"}, answer=examples.SUCCESS)

    def value(self, call: Call) -> str:
        """As the body says."""
        return _VALUES[call.body.type]


class OnlineBody(Body, frozen=True, kw_only=True):
    visualization_type: Literal["ALL", "SAME_LAST_SEEN"]


class Online(_Setting):
    """Set who sees that the number is online."""

    path: ClassVar[str] = "/privacy/online"
    body: ClassVar[Any] = OnlineBody
    setting: ClassVar[str] = "online"
    example: ClassVar[Example] = Example(body={"visualizationType": "SAME_LAST_SEEN"}, answer=examples.SUCCESS)

    def value(self, call: Call) -> str:
        """As the body says."""
        return _VALUES[call.body.visualization_type]


class ReceiptsQuery(Body, frozen=True, kw_only=True):
    value: Literal["enable", "disable"]


class ReadReceipts(_Setting):
    """Set whether others see that their messages were read."""

    path: ClassVar[str] = "/privacy/read-receipts"
    query: ClassVar[Any] = ReceiptsQuery
    setting: ClassVar[str] = "read_receipts"
    example: ClassVar[Example] = Example(query={"value": "enable"}, answer=examples.SUCCESS)

    def value(self, call: Call) -> str:
        """As the query says."""
        return "all" if call.query.value == "enable" else "none"


class DurationQuery(Body, frozen=True, kw_only=True):
    value: Literal["days90", "days7", "hours24", "disable"]


_SECONDS = {"days90": 7_776_000, "days7": 604_800, "hours24": 86_400, "disable": 0}


class MessagesDuration(Route):
    """Let messages of new chats disappear after a while."""

    path: ClassVar[str] = "/privacy/messages-duration"
    domain: ClassVar[Domain] = "privacy"
    query: ClassVar[Any] = DurationQuery
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("expire_new_chats",)
    example: ClassVar[Example] = Example(query={"value": "days90"}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        await call.ask(Chats.expire_new_chats, seconds=_SECONDS[call.query.value])
        return Success()


class DisallowedQuery(Body, frozen=True, kw_only=True):
    type: Literal["lastSeen", "photo", "description", "groupAdd"]


class Disallowed(Answer, frozen=True, kw_only=True):
    disallowed_contacts: tuple[str, ...]


class DisallowedContacts(Relayed):
    """List the contacts that a setting excepts."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/privacy/disallowed-contacts"
    domain: ClassVar[Domain] = "privacy"
    query: ClassVar[Any] = DisallowedQuery
    answers: ClassVar[Any] = Disallowed
    reason: ClassVar[str] = (
        "Only Z-API itself tells whom a privacy setting excepts; with another provider, the phone shows them."
    )
    example: ClassVar[Example] = Example(
        query={"type": "lastSeen"}, answer={"disallowedContacts": [examples.PHONE, examples.OTHER_PHONE]}
    )


ROUTES: tuple[Route, ...] = (
    DisallowedContacts(),
    LastSeen(),
    PhotoVisualization(),
    Photo(),
    Description(),
    GroupAdd(),
    Online(),
    ReadReceipts(),
    MessagesDuration(),
)
