"""Chats: what they are like, their messages, and what is done with a whole chat."""

import abc
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from recado.api.zapi import asking, examples, fields
from recado.api.zapi.errors import ZapiError
from recado.api.zapi.route import Answer, Body, Call, Domain, Example, Route, Value
from recado.domain.operations import Chat, Chats, Contacts, Person
from recado.services.remembering import Remembered
from recado.services.zapi import chats, history, references
from recado.store import chats as own

#: What one request for messages brings.
_MOST_MESSAGES = 100
_EXPIRATIONS = {"OFF": 0, "24_HOURS": 86_400, "7_DAYS": 604_800, "90_DAYS": 7_776_000}


class _Chats(Route, abc.ABC):
    domain: ClassVar[Domain] = "chats"


# --- what they are like ---------------------------------------------------------------------------------


class Listed(Answer, frozen=True, kw_only=True):
    """Numbers and truths are texts, as in the documentation: `"0"` and `"1"` in `is_muted`, `"true"` and `"false"` in the
    others. `last_message_time` is in milliseconds. `notes` is an object of id, content, createdAt and
    lastUpdateAt. `lid` and `tags` are what the live service adds to the documentation."""

    archived: str | None
    pinned: str | None
    messages_unread: int | None
    phone: str
    unread: str | None
    name: str | None
    last_message_time: str | None
    is_muted: str | None
    mute_end_time: int | None
    is_marked_spam: str | None
    is_group_announcement: bool | None
    is_group: bool
    notes: dict[str, Any] | None
    lid: str | None = None
    tags: tuple[str, ...] = ()


class ListChats(_Chats):
    """List the chats of the phone, the most recent first."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/chats"
    query: ClassVar[Any] = asking.Pages
    answers: ClassVar[Any] = tuple[Listed, ...]
    note: ClassVar[str] = (
        "With a provider that lists no chats (native among them): those of Recado's own conversations, without what only the"
        f" phone knows. {asking.NOTE}"
    )
    example: ClassVar[Example] = Example(
        query={"page": 1, "pageSize": 20},
        answer=[
            {
                "archived": "false",
                "pinned": "true",
                "messagesUnread": 0,
                "phone": examples.PHONE,
                "unread": "0",
                "name": "Z-API SUPORTE",
                "lastMessageTime": "1622991687000",
                "isMuted": "0",
                "muteEndTime": None,
                "isMarkedSpam": "false",
                "isGroupAnnouncement": False,
                "isGroup": False,
                "notes": None,
                "lid": "999999999999999@lid",
                "tags": [],
            }
        ],
    )

    async def answer(self, call: Call) -> Any:
        """A page."""
        pages: asking.Pages = call.query
        if not await asking.able(call, Chats.list_chats):
            known = await chats.page(call.runtime, call.view, limit=pages.limit, offset=pages.offset)
            return [_listed(_chat(chat)) for chat in known if chat.address is not None]
        found = await asking.recall(call, Chats.list_chats, limit=pages.limit, offset=pages.offset)
        return asking.dated([_listed(chat) for chat in found.value], found)


class Metadata(Answer, frozen=True, kw_only=True):
    """As `Listed`, with the picture and the "about" text of whom the chat is with."""

    phone: str
    unread: str | None
    last_message_time: str | None
    is_muted: str | None
    is_marked_spam: str | None
    profile_thumbnail: str | None
    messages_unread: int | None
    about: str | None
    is_group_announcement: bool | None
    is_group: bool
    notes: dict[str, Any] | None
    tags: tuple[str, ...] = ()


class GetChat(_Chats):
    """Tell what a chat is like."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/chats/{phone}"
    answers: ClassVar[Any] = Metadata
    note: ClassVar[str] = (
        "With a provider that tells of no chats: Recado's own conversation, or 404 where there is none. Picture and about are"
        f" null where the provider does not tell them. {asking.NOTE}"
    )
    example: ClassVar[Example] = Example(
        path={"phone": examples.PHONE},
        answer={
            "phone": examples.PHONE,
            "unread": "0",
            "lastMessageTime": "1619461666000",
            "isMuted": "0",
            "isMarkedSpam": "false",
            "profileThumbnail": None,
            "messagesUnread": 0,
            "about": "Recado do perfil",
            "isGroupAnnouncement": False,
            "isGroup": False,
            "notes": None,
            "tags": [],
        },
    )

    async def answer(self, call: Call) -> Any:
        """One chat."""
        wanted = fields.recipient(call.path["phone"])
        if await asking.able(call, Chats.get_chat):
            found = await asking.recall(call, Chats.get_chat, chat=wanted)
            body, asked = await _metadata(call, wanted, found.value)
            return asking.dated(body, found, *asked)
        known = await chats.find(call.runtime, call.view, wanted)
        if known is None:
            raise ZapiError(f"There is no chat with {call.path['phone'][:64]}", status=404)
        body, asked = await _metadata(call, wanted, _chat(known))
        return asking.dated(body, *asked) if asked else body


async def _metadata(call: Call, asked: str, chat: Chat) -> tuple[Metadata, list[Remembered[Any]]]:
    """What a chat is like, and the answers that were needed for it."""
    listed = _listed(chat)
    picture, about = _text(chat, "profileThumbnail"), _text(chat, "about")
    answers: list[Remembered[Any]] = []
    if about is None and not asked.endswith(("@g.us", "@newsletter")):
        found = await asking.known(call, Contacts.get_contact, contact=asked)
        person = found.value or Person()
        picture, about = picture or person.picture, person.about
        answers.append(found)
    if picture is None:
        seen = await asking.known(call, Contacts.get_picture, contact=asked)
        picture = seen.value
        answers.append(seen)
    metadata = Metadata(
        phone=listed.phone or fields.shown(asked) or asked,
        unread=listed.unread,
        last_message_time=listed.last_message_time,
        is_muted=listed.is_muted,
        is_marked_spam=listed.is_marked_spam,
        profile_thumbnail=picture,
        messages_unread=listed.messages_unread,
        about=about,
        is_group_announcement=listed.is_group_announcement,
        is_group=listed.is_group,
        notes=listed.notes,
        tags=listed.tags,
    )
    return metadata, answers


def _chat(known: own.Chat) -> Chat:
    """A chat as Recado itself knows it."""
    lid = known.identities.get("lid")
    return Chat(
        chat=known.address or "",
        name=known.name,
        unread=known.unread,
        last_message_at=known.last_message_at,
        extra={} if lid is None else {"lid": lid},
    )


def _listed(chat: Chat) -> Listed:
    is_group = chat.chat.endswith("@g.us")
    announcement = chat.extra.get("isGroupAnnouncement")
    mute_end = chat.extra.get("muteEndTime")
    spam = chat.extra.get("isMarkedSpam")
    return Listed(
        archived=truth(chat.archived),
        pinned=truth(chat.pinned),
        messages_unread=chat.unread,
        phone=fields.shown(chat.chat) or chat.chat,
        unread=None if chat.unread is None else str(chat.unread),
        name=chat.name,
        last_message_time=time(chat.last_message_at),
        is_muted=None if chat.muted is None else str(int(chat.muted)),
        mute_end_time=mute_end if isinstance(mute_end, int) else None,
        is_marked_spam=None if spam is None else str(spam).lower(),
        is_group_announcement=announcement if isinstance(announcement, bool) else None if is_group else False,
        is_group=is_group,
        notes=_notes(chat),
        lid=_text(chat, "lid"),
        tags=tuple(chat.labels),
    )


def _notes(chat: Chat) -> dict[str, Any] | None:
    notes, note = chat.extra.get("notes"), _text(chat, "note")
    if isinstance(notes, dict):
        return notes
    return None if note is None else {"id": None, "content": note, "createdAt": None, "lastUpdateAt": None}


def truth(value: bool | None) -> str | None:
    """A truth as text."""
    return None if value is None else str(value).lower()


def time(at: datetime | None) -> str | None:
    """A time in milliseconds as text."""
    found = fields.moment(at)
    return None if found is None else str(found)


def _text(chat: Chat, name: str) -> str | None:
    found = chat.extra.get(name)
    return found if isinstance(found, str) else None


# --- messages -------------------------------------------------------------------------------------------


class MessagesQuery(Body, frozen=True, kw_only=True):
    amount: Annotated[int, msgspec.Meta(ge=1)]
    last_message_id: str | None = None


class ListMessages(_Chats):
    """List the messages of a chat, the newest first, as they were told by webhook."""

    method: ClassVar[Any] = "GET"
    path: ClassVar[str] = "/chat-messages/{phone}"
    query: ClassVar[Any] = MessagesQuery
    answers: ClassVar[Any] = tuple[dict[str, Any], ...]
    note: ClassVar[str] = (
        "From Recado's own history, for every provider; Z-API itself has it only without multi-device. At most 100 at once;"
        " `lastMessageId` is the last one of the page before, and left out for the first page."
    )
    example: ClassVar[Example] = Example(
        path={"phone": examples.PHONE},
        query={"amount": 10},
        answer=[
            {
                "instanceId": "399793F5C962B0F227576EA28507E212",
                "messageId": "3EB02A5A36C0103F231A",
                "phone": examples.PHONE,
                "fromMe": False,
                "momment": 1623008318000,
                "status": "RECEIVED",
                "chatName": "Z-API Suporte",
                "senderPhoto": None,
                "senderName": examples.PHONE,
                "participantPhone": None,
                "photo": None,
                "broadcast": False,
                "text": {"message": "Uma mensagem de texto simples"},
            }
        ],
    )

    async def answer(self, call: Call) -> Any:
        """Behind the one that is named."""
        wanted, view = fields.recipient(call.path["phone"]), call.view
        before = None
        if call.query.last_message_id:
            found = await references.find(call.runtime, view.company_id, view.id, call.query.last_message_id)
            if found is None:
                raise ZapiError(f"lastMessageId: there is no message {call.query.last_message_id[:64]}")
            before = found["id"]
        limit = min(call.query.amount, _MOST_MESSAGES)
        return await history.page(call.runtime, view, wanted, before=before, limit=limit)


# --- what is done with one ------------------------------------------------------------------------------


class ModifyBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    action: Literal[
        "archive", "unarchive", "read", "unread", "pin", "unpin", "mute", "unmute", "clear", "delete"
    ]  # fmt: skip


class ModifyChat(_Chats):
    """Archive, pin, mute, clear or delete a chat, or mark it as read or unread."""

    path: ClassVar[str] = "/modify-chat"
    body: ClassVar[Any] = ModifyBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = (
        "archive_chat",
        "pin_chat",
        "mute_chat",
        "mark_chat",
        "clear_chat",
        "delete_chat",
    )
    note: ClassVar[str] = (
        "Each action is there with the providers that have its operation; `read` with all that mark messages as read, and it"
        " counts in Recado's own conversation as well."
    )
    example: ClassVar[Example] = Example(body={"phone": examples.PHONE, "action": "read"}, answer=examples.DONE)

    async def answer(self, call: Call) -> Any:
        """On the phone."""
        chat = fields.recipient(call.body.phone)
        match call.body.action:
            case "archive" | "unarchive" as action:
                await call.ask(Chats.archive_chat, chat=chat, archived=action == "archive")
            case "pin" | "unpin" as action:
                await call.ask(Chats.pin_chat, chat=chat, pinned=action == "pin")
            case "mute" | "unmute" as action:
                await call.ask(Chats.mute_chat, chat=chat, seconds=0 if action == "mute" else None)
            case "read":
                await chats.mark_read(call.runtime, call.view, chat)
            case "unread":
                await call.ask(Chats.mark_chat, chat=chat, read=False)
            case "clear":
                await call.ask(Chats.clear_chat, chat=chat)
            case _:
                await call.ask(Chats.delete_chat, chat=chat)
        return Value()


class ExpirationBody(Body, frozen=True, kw_only=True):
    phone: fields.Phone
    chat_expiration: str


class SendChatExpiration(_Chats):
    """Let the messages of a chat disappear after a day, a week or 90 days, or keep them."""

    path: ClassVar[str] = "/send-chat-expiration"
    body: ClassVar[Any] = ExpirationBody
    answers: ClassVar[Any] = Value
    needs: ClassVar[tuple[str, ...]] = ("expire_chat",)
    note: ClassVar[str] = "24_HOURS, 7_DAYS, 90_DAYS or OFF, in upper or lower case: the documentation has both."
    example: ClassVar[Example] = Example(
        body={"phone": examples.PHONE, "chatExpiration": "90_DAYS"}, answer=examples.DONE
    )

    async def answer(self, call: Call) -> Any:
        """On the phone."""
        seconds = _EXPIRATIONS.get(call.body.chat_expiration.upper())
        if seconds is None:
            raise ZapiError(f"chatExpiration: one of {', '.join(_EXPIRATIONS)}")
        await call.ask(Chats.expire_chat, chat=fields.recipient(call.body.phone), seconds=seconds)
        return Value()


ROUTES: tuple[Route, ...] = (
    ListChats(),
    GetChat(),
    ListMessages(),
    ModifyChat(),
    SendChatExpiration(),
)
