"""What each answer of the engine, and each silence, means for a message; and what a failing call says."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from recado.domain.content import KINDS
from recado.domain.ids import MessageId
from recado.domain.provider import (
    Accepted,
    CallFailed,
    Limited,
    NotConnected,
    Outgoing,
    Refused,
    Retry,
    Unknown,
)
from recado.domain.states import ConnectionStatus
from recado.providers.native.adapter import Engines, Native, NoAnswer, NotBegun, NotHeld, Reply
from recado.testing import contract
from tests.providers.native.rows import CONNECTION, OneAnswer

MESSAGE = Outgoing(
    message_id=MessageId(UUID(int=9)),
    to="5511988887777",
    kind="text",
    content=msgspec.convert({"body": "oi"}, KINDS["text"]),
)

OUTCOMES: tuple[tuple[Reply | Exception, Any], ...] = (
    (Reply(outcome="accepted", provider_id="3EB0A"), Accepted(provider_id="3EB0A")),
    (Reply(outcome="accepted"), Unknown),
    (Reply(outcome="accepted", provider_id=""), Unknown),
    (Reply(outcome="refused", code="bad_recipient", why="no"), Refused(code="bad_recipient", why="no")),
    (Reply(outcome="retry", code="not_sent", why="no", after=3.0), Retry(code="not_sent", why="no", after=3.0)),
    (Reply(outcome="not_connected", why="no"), NotConnected),
    (
        Reply(outcome="limited", code="463", why="no", after=9.0, scope="cold"),
        Limited(code="463", why="no", after=9.0, scope="cold"),
    ),
    (Reply(outcome="limited", scope="nonsense"), Limited(code="native", why="The engine did not say why.", after=60.0)),
    (Reply(outcome="unknown", why="lost"), Unknown(why="lost")),
    (Reply(outcome="done"), Unknown),
    (Reply(outcome="of a later version"), Unknown),
    (NotHeld("nobody", ConnectionStatus.BANNED), NotConnected(why="nobody", status=ConnectionStatus.BANNED)),
    (NotBegun("busy"), Retry(code="engine_busy", why="busy")),
    (NoAnswer("silence"), Unknown(why="silence")),
)


UNMADE: tuple[tuple[str, Any, str], ...] = (
    ("event", {"name": "?", "start_at": "2026-12-24T20:00:00Z", "call": "voice"}, "event.call: "),
    ("document", {"media_id": "1", "view_once": True}, "document.view_once: "),
    (
        "buttons",
        {"body": "?", "image": "https://x.test/a.png", "buttons": [{"title": "a", "id": "a"}]},
        "buttons.image: ",
    ),
    (
        "buttons",
        {"body": "?", "video": "https://x.test/a.mp4", "buttons": [{"title": "a", "id": "a"}]},
        "buttons.video: ",
    ),
    ("otp", {"body": "?", "code": "1", "image": "https://x.test/a.png"}, "otp.image: "),
)


@pytest.mark.parametrize(("kind", "content", "why"), UNMADE)
async def test_what_the_engine_cannot_make_is_not_asked_of_it(kind: str, content: Any, why: str) -> None:
    message = msgspec.structs.replace(MESSAGE, kind=kind, content=msgspec.convert(content, KINDS[kind]))
    outcome = await Native(OneAnswer(Reply(outcome="accepted", provider_id="3EB0A"))).send(CONNECTION, message)
    assert isinstance(outcome, Refused)
    assert outcome.why.startswith(why)


def test_describes_itself() -> None:
    contract.describes_itself(Native(OneAnswer(Reply(outcome="done"))))


@pytest.mark.parametrize(("answer", "expected"), OUTCOMES, ids=lambda value: str(value)[:60])
async def test_an_outcome(answer: Reply | Exception, expected: Any) -> None:
    engine = OneAnswer(answer)
    outcome = await Native(engine).send(CONNECTION, MESSAGE)
    assert len(engine.asked) == 1, "one command for one send"
    if isinstance(expected, type):
        assert isinstance(outcome, expected), outcome
    else:
        assert outcome == expected
    assert isinstance(outcome, Accepted) or outcome.why


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Reply(outcome="accepted", provider_id="3EB0A"), Accepted(provider_id="3EB0A")),
        (Reply(outcome="refused", why="no"), None),
        (Reply(outcome="not_connected"), None),
        (Reply(outcome="unknown", why="in doubt"), "not_proven"),
        (NoAnswer("silence"), "provider_failed"),
        (NotHeld("nobody", ConnectionStatus.DISCONNECTED), "provider_failed"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_is_known_of_a_message(answer: Reply | Exception, expected: Any) -> None:
    """None is a proof that it never left: what is not known must not be None."""
    finding = Native(OneAnswer(answer)).find(CONNECTION, MESSAGE, since=datetime.now(UTC))
    if isinstance(expected, str):
        with pytest.raises(CallFailed) as failed:
            await finding
        assert failed.value.code == expected
    else:
        assert await finding == expected


class _Lost:
    """Stored media that is not there."""

    mime_type, filename, size, sha256 = "image/png", "x.png", 1, "00"

    async def read(self) -> bytes:
        raise OSError("secret path")


async def test_media_that_cannot_be_read_is_not_sent() -> None:
    picture = msgspec.structs.replace(MESSAGE, kind="image", content=msgspec.convert({}, KINDS["image"]), media=_Lost())
    engine = OneAnswer(Reply(outcome="accepted", provider_id="X"))
    outcome = await Native(engine).send(CONNECTION, picture)
    assert isinstance(outcome, Retry)
    assert outcome.code == "media_unreadable"
    assert "secret path" not in outcome.why
    assert engine.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (Reply(outcome="failed", code="engine_refused", why="no", retryable=False), "engine_refused", False),
        (Reply(outcome="failed"), "provider_failed", True),
        (Reply(outcome="not_connected"), "not_connected", True),
        (NotHeld("nobody", ConnectionStatus.DISCONNECTED), "not_connected", True),
        (NotBegun("busy"), "engine_busy", True),
        (NoAnswer("silence"), "engine_busy", True),
        (Reply(outcome="done", result={"nonsense": 1}), "bad_answer", True),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_call_that_fails_says_why(answer: Reply | Exception, code: str, retryable: bool) -> None:
    with pytest.raises(CallFailed) as failed:
        await Native(OneAnswer(answer)).list_blocked(CONNECTION)
    assert (failed.value.code, failed.value.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("engines", "healthy", "says"),
    [
        (Engines(engines=0, version=None, wanted=0, held=0, capacity=0), True, None),
        (Engines(engines=0, version=None, wanted=1, held=0, capacity=0), False, "recado worker"),
        (Engines(engines=1, version="0.5.2", wanted=100, held=100, capacity=100), True, None),
        (Engines(engines=1, version="0.5.2", wanted=101, held=100, capacity=100), True, "room for 100"),
        (NoAnswer("away"), False, "away"),
    ],
    ids=["none needed", "none", "full", "beyond", "away"],
)
async def test_health(engines: Engines | Exception, healthy: bool, says: str | None) -> None:
    health = await Native(OneAnswer(Reply(outcome="done"), engines)).health(CONNECTION.server)
    assert health.healthy == healthy
    assert (health.why is None) if says is None else (says in str(health.why))


async def test_nobody_posts_webhooks_for_it() -> None:
    assert not Native(OneAnswer(Reply(outcome="done"))).verify(CONNECTION, {"x-token": "x"}, b"{}")
