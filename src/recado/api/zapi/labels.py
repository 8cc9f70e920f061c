"""Labels, and notes on chats, which a business's phone keeps."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.relayed import RelayedFirst
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Method, Route, Success, Value
from recado.domain.operations import Chats, Label, Labels

#: WhatsApp's twenty colours of labels, by their number.
COLORS = (
    "#FF9485", "#64C4FF", "#FFD429", "#DFAEF0", "#99B6C1", "#55CCB3", "#FF9DFF", "#D3A91D", "#6D7CCE", "#D7E752",
    "#00D0E2", "#FFC5C7", "#93CEAC", "#F74848", "#00A0F2", "#83E422", "#FFAF04", "#B5EBFF", "#9BA6FF", "#9368CF",
)  # fmt: skip
_HEX_DIGITS = 6


class _Labels(Route, abc.ABC):
    domain: ClassVar[Domain] = "business"


class Tag(Answer, frozen=True, kw_only=True):
    """A label. `color` is the number of a colour of `/business/tags/colors`."""

    id: str
    name: str | None
    color: int | None


class ListTags(_Labels):
    """List the labels of the number."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/tags"
    answers: ClassVar[Any] = tuple[Tag, ...]
    needs: ClassVar[tuple[str, ...]] = ("list_labels",)
    note: ClassVar[str] = asking.NOTE
    example: ClassVar[Example] = Example(answer=[{"id": examples.TAG, "name": "Novo cliente", "color": 1}])

    async def answer(self, call: Call) -> Any:
        """All of them."""
        found = await asking.recall(call, Labels.list_labels)
        return asking.dated(tuple(_tag(label) for label in found.value), found)


class ListColors(_Labels, RelayedFirst):
    """List the colours that labels can have, by their number."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/business/tags/colors"
    answers: ClassVar[Any] = dict[str, str]
    note: ClassVar[str] = "WhatsApp's twenty; Z-API itself as the provider answers with its own."
    example: ClassVar[Example] = Example(answer={"0": "#FF9485", "1": "#64C4FF", "2": "#FFD429"})

    async def otherwise(self, call: Call) -> Any:
        """WhatsApp's."""
        return {str(number): color for number, color in enumerate(COLORS)}


class TagBody(Body, frozen=True, kw_only=True):
    name: fields.Text
    color: int | None = None


class Created(Answer, frozen=True, kw_only=True):
    id: str


class CreateTag(_Labels):
    """Make a label."""

    path: ClassVar[str] = "/business/create-tag"
    body: ClassVar[Any] = TagBody
    answers: ClassVar[Any] = Created
    needs: ClassVar[tuple[str, ...]] = ("create_label",)
    example: ClassVar[Example] = Example(body={"name": "Novo cliente", "color": 1}, answer={"id": examples.TAG})

    async def answer(self, call: Call) -> Any:
        """Its id."""
        made = await call.ask(Labels.create_label, name=str(call.body.name), color=_text(call.body.color))
        return Created(id=made.label)


class EditTag(_Labels):
    """Change a label; without a colour it keeps its own."""

    path: ClassVar[str] = "/business/edit-tag/{tagId}"
    body: ClassVar[Any] = TagBody
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("update_label",)
    example: ClassVar[Example] = Example(
        path={"tagId": examples.TAG}, body={"name": "Cliente antigo", "color": 2}, answer=examples.SUCCESS
    )

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        color = _text(call.body.color)
        await call.ask(Labels.update_label, label=call.path["tagId"], name=str(call.body.name), color=color)
        return Success()


class DeleteTag(_Labels):
    """Remove a label."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/business/tag/{tagId}"
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("delete_label",)
    example: ClassVar[Example] = Example(path={"tagId": examples.TAG}, answer=examples.SUCCESS)

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        await call.ask(Labels.delete_label, label=call.path["tagId"])
        return Success()


class _TagChat(_Labels, abc.ABC):
    """A route that changes the labels of a chat."""

    method: ClassVar[Method] = "PUT"
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("label_chat",)
    example: ClassVar[Example] = Example(path={"phone": examples.PHONE, "tag": examples.TAG}, answer=examples.DONE)
    labelled: ClassVar[bool]

    async def answer(self, call: Call) -> Any:
        """Whether it was done."""
        chat = fields.recipient(call.path["phone"])
        await call.ask(Labels.label_chat, chat=chat, label=call.path["tag"], labelled=self.labelled)
        return Value()


class AddTag(_TagChat):
    """Put a label on a chat."""

    path: ClassVar[str] = "/chats/{phone}/tags/{tag}/add"
    labelled: ClassVar[bool] = True


class RemoveTag(_TagChat):
    """Take a label off a chat."""

    path: ClassVar[str] = "/chats/{phone}/tags/{tag}/remove"
    labelled: ClassVar[bool] = False


class NotesBody(Body, frozen=True, kw_only=True):
    notes: fields.Text


class SaveNotes(_Labels):
    """Write the note that a chat has on the phone; an empty one removes it."""

    path: ClassVar[str] = "/chats/{phone}/notes"
    body: ClassVar[Any] = NotesBody
    answers: ClassVar[Any] = Success
    needs: ClassVar[tuple[str, ...]] = ("note_chat",)
    example: ClassVar[Example] = Example(
        path={"phone": examples.PHONE}, body={"notes": "anotação"}, answer=examples.SUCCESS
    )

    async def answer(self, call: Call) -> Any:
        """That it was done."""
        await call.ask(Chats.note_chat, chat=fields.recipient(call.path["phone"]), note=str(call.body.notes))
        return Success()


ROUTES: tuple[Route, ...] = (
    ListTags(),
    ListColors(),
    CreateTag(),
    EditTag(),
    DeleteTag(),
    AddTag(),
    RemoveTag(),
    SaveNotes(),
)


def _text(color: int | None) -> str | None:
    return None if color is None else str(color)


def _tag(label: Label) -> Tag:
    return Tag(id=label.label, name=label.name, color=_number(label.color))


def _number(color: str | None) -> int | None:
    """The number of a colour that a provider names by its number or in hexadecimal; None for what is no colour.

    Providers write the same colour a little differently: the nearest is meant.
    """
    if color is None:
        return None
    if color.isascii() and color.isdecimal():
        return int(color)
    digits = color.removeprefix("#")
    if len(digits) != _HEX_DIGITS or not set(digits.lower()) <= set("0123456789abcdef"):
        return None
    return min(range(len(COLORS)), key=lambda number: _distance(COLORS[number].removeprefix("#"), digits))


def _distance(one: str, other: str) -> int:
    return sum(abs(a - b) for a, b in zip(bytes.fromhex(one), bytes.fromhex(other), strict=True))
