"""Broadcast lists, which live on the phone and have no protocol that others could speak: only Z-API itself has them."""

import abc
from typing import Any, ClassVar

from recado.api.zapi import fields
from recado.api.zapi.relayed import Relayed
from recado.api.zapi.route import Answer, Body, Domain, Example, Method, Route, Success

_PATH = {"broadcastId": "1779474934@broadcast"}
_LIST = {"name": "Nome da lista", "phones": ["5511999999999", "5511888888888"]}
_SHOWN = {"broadcastId": "1779474934@broadcast", **_LIST}


class BroadcastQuery(Body, frozen=True, kw_only=True):
    page: int | None = None
    page_size: int | None = None


class NewBroadcast(Body, frozen=True, kw_only=True):
    name: fields.Words
    phones: tuple[fields.Phone, ...]


class ChangedBroadcast(Body, frozen=True, kw_only=True):
    phones: tuple[fields.Phone, ...]
    name: fields.Text | None = None


class Broadcast(Answer, frozen=True, kw_only=True):
    broadcast_id: str
    name: str
    phones: tuple[str, ...]


class _Broadcasts(Relayed, abc.ABC):
    domain: ClassVar[Domain] = "messages"
    reason: ClassVar[str] = (
        "Broadcast lists are kept by the phone, which offers them to nobody else; send to each phone instead."
    )


class ListBroadcasts(_Broadcasts):
    """List the broadcast lists."""

    method: ClassVar[Method] = "GET"
    path: ClassVar[str] = "/broadcast"
    query: ClassVar[Any] = BroadcastQuery
    answers: ClassVar[Any] = tuple[Broadcast, ...]
    example: ClassVar[Example] = Example(query={"page": 1, "pageSize": 10}, answer=[_SHOWN])


class CreateBroadcast(_Broadcasts):
    """Make a broadcast list."""

    path: ClassVar[str] = "/broadcast"
    body: ClassVar[Any] = NewBroadcast
    answers: ClassVar[Any] = Broadcast
    example: ClassVar[Example] = Example(body=_LIST, answer=_SHOWN)


class UpdateBroadcast(_Broadcasts):
    """Change the name and the recipients of a broadcast list."""

    method: ClassVar[Method] = "PUT"
    path: ClassVar[str] = "/broadcast/{broadcastId}"
    body: ClassVar[Any] = ChangedBroadcast
    answers: ClassVar[Any] = Broadcast
    example: ClassVar[Example] = Example(path=_PATH, body=_LIST, answer=_SHOWN)


class DeleteBroadcast(_Broadcasts):
    """Remove a broadcast list."""

    method: ClassVar[Method] = "DELETE"
    path: ClassVar[str] = "/broadcast/{broadcastId}"
    answers: ClassVar[Any] = Success
    example: ClassVar[Example] = Example(path=_PATH, answer={"success": True})


ROUTES: tuple[Route, ...] = (ListBroadcasts(), CreateBroadcast(), UpdateBroadcast(), DeleteBroadcast())
