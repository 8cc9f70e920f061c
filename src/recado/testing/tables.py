"""Tables of what an adapter sends: a row is a content, the provider's replies, the requests expected, the outcome."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from recado.domain import content as contents
from recado.domain.ids import CompanyId, ConnectionId, InstanceId, MessageId, ServerId
from recado.domain.provider import Connection, Outcome, Outgoing, Provider, Referenced, Server, StoredMedia
from recado.testing.upstream import Reply, Upstream

MESSAGE_ID = MessageId(UUID("01890000-0000-7000-8000-0000000000aa"))


class File(msgspec.Struct, kw_only=True):
    """Stored media, in memory."""

    data: bytes
    mime_type: str
    filename: str = "file"
    sha256: str = ""
    size: int = 0

    def __post_init__(self) -> None:
        self.size = self.size or len(self.data)

    async def read(self) -> bytes:
        """The whole file."""
        return self.data


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A request that must arrive: its `json`, or texts that its body `contains` where that is not JSON."""

    method: str
    path: str
    json: Any = None
    contains: tuple[bytes, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is written as a client writes it, in the field that `kind` names."""

    label: str
    kind: str
    content: Any
    outcome: Outcome
    replies: Sequence[Reply] = ()
    requests: Sequence[Expected] = ()
    to: str = "5511999990001"
    reply_to: Referenced | None = None
    about: Referenced | None = None
    media: File | None = None

    def __str__(self) -> str:
        return self.label


def earlier(
    provider_id: str, *, chat: str = "5511999990001", from_me: bool = False, kind: str = "text", **more: Any
) -> Referenced:
    """An earlier message that a row quotes or speaks of."""
    return Referenced(provider_id=provider_id, chat=chat, from_me=from_me, kind=kind, **more)


def connection(base_url: str, *, kind: str, account: str | None = None, **credentials: str) -> Connection:
    """A connection to a local server."""
    nobody = UUID(int=1)
    return Connection(
        id=ConnectionId(nobody),
        company_id=CompanyId(nobody),
        instance_id=InstanceId(nobody),
        server=Server(id=ServerId(nobody), kind=kind, base_url=base_url),
        credentials=credentials,
        account=account,
        webhook_url="https://recado.test/hooks/key",
    )


def outgoing(row: Row) -> Outgoing:
    """The row's message, its content decoded as the API decodes it."""
    return Outgoing(
        message_id=MESSAGE_ID,
        to=row.to,
        kind=row.kind,
        content=msgspec.convert(row.content, type=contents.KINDS[row.kind]),
        reply_to=row.reply_to,
        about=row.about,
        media=row.media,
    )


async def run(row: Row, provider: Provider, connect: Callable[[str], Connection]) -> None:
    """Send the row's message to a local server and compare requests and outcome. `connect` takes the server's URL."""
    async with Upstream(row.replies) as upstream:
        outcome = await provider.send(connect(upstream.url), outgoing(row))
        seen = [(request.method, request.path) for request in upstream.requests]
        wanted = [(request.method, request.path) for request in row.requests]
        assert seen == wanted, f"{row.label}: requests were {seen}"
        for request, expected in zip(upstream.requests, row.requests, strict=True):
            if expected.json is not None:
                assert msgspec.json.decode(request.body) == expected.json, f"{row.label}: another body"
            for part in expected.contains:
                assert part in request.body, f"{row.label}: the body lacks {part!r}"
    assert outcome == row.outcome, f"{row.label}: the outcome was {outcome}"


def with_media(message: Outgoing, media: StoredMedia) -> Outgoing:
    """The message with other media."""
    return msgspec.structs.replace(message, media=media)
