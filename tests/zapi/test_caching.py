"""What providers answered is given again while it is fresh, once for all who ask, and no longer than it is true."""

import asyncio
from uuid import uuid4

import pytest

from recado.domain.errors import Invalid, ProviderFailed
from recado.domain.operations import Community, Group, Participant
from recado.services import remembering
from recado.services.remembering import FRESH_SECONDS, LONGEST_SECONDS, Memory, Remembered

INSTANCE, OTHER = uuid4(), uuid4()


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """Answers with how often it was asked. It waits while `open` is not set, and raises `error`."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(clock)


@pytest.fixture
def provider() -> Provider:
    return Provider()


async def test_an_answer_is_given_again_with_its_age(memory: Memory, clock: Clock, provider: Provider) -> None:
    assert await memory.recall(INSTANCE, "groups", provider) == Remembered(value=1, age=0.0)
    clock.now += FRESH_SECONDS - 1
    assert await memory.recall(INSTANCE, "groups", provider) == Remembered(value=1, age=FRESH_SECONDS - 1)
    clock.now += 1
    assert await memory.recall(INSTANCE, "groups", provider) == Remembered(value=2, age=0.0)


async def test_every_question_and_instance_has_its_own(memory: Memory, provider: Provider) -> None:
    for expected, (instance, question) in enumerate(
        [(INSTANCE, ("groups", 1)), (INSTANCE, ("groups", 2)), (OTHER, ("groups", 1))], 1
    ):
        assert (await memory.recall(instance, question, provider)).value == expected
    memory.forget(INSTANCE)
    assert (await memory.recall(OTHER, ("groups", 1), provider)).value == 3
    assert (await memory.recall(INSTANCE, ("groups", 1), provider)).value == 4


async def test_those_who_ask_at_once_share_one_call(memory: Memory, provider: Provider) -> None:
    provider.open.clear()
    asking = [asyncio.create_task(memory.recall(INSTANCE, "groups", provider)) for _ in range(3)]
    await asyncio.sleep(0)
    # Somebody who gives up takes the answer from nobody.
    asking[0].cancel()
    await asyncio.wait([asking[0]])
    provider.open.set()
    assert [(await one).value for one in asking[1:]] == [1, 1]
    assert provider.asked == 1


async def test_what_was_asked_before_a_change_is_not_kept(memory: Memory, provider: Provider) -> None:
    provider.open.clear()
    before = asyncio.create_task(memory.recall(INSTANCE, "groups", provider))
    await asyncio.sleep(0)
    memory.forget(INSTANCE)
    after = asyncio.create_task(memory.recall(INSTANCE, "groups", provider))
    await asyncio.sleep(0)
    provider.open.set()
    assert ((await before).value, (await after).value) == (1, 2)
    assert (await memory.recall(INSTANCE, "groups", provider)).value == 2


async def test_an_older_answer_is_given_while_the_provider_fails(
    memory: Memory, clock: Clock, provider: Provider
) -> None:
    provider.error = ProviderFailed("away")
    with pytest.raises(ProviderFailed):
        await memory.recall(INSTANCE, "groups", provider)
    provider.error = None
    assert (await memory.recall(INSTANCE, "groups", provider)).value == 2
    provider.error = ProviderFailed("away")
    clock.now += LONGEST_SECONDS - 1
    assert await memory.recall(INSTANCE, "groups", provider) == Remembered(value=2, age=LONGEST_SECONDS - 1)
    clock.now += 1
    with pytest.raises(ProviderFailed):
        await memory.recall(INSTANCE, "groups", provider)


async def test_only_a_provider_that_fails_is_answered_for(memory: Memory, clock: Clock, provider: Provider) -> None:
    await memory.recall(INSTANCE, "groups", provider)
    clock.now += FRESH_SECONDS
    provider.error = Invalid("The provider has no list groups.")
    with pytest.raises(Invalid):
        await memory.recall(INSTANCE, "groups", provider)


@pytest.mark.parametrize("code", ["not_found", "http_404"])
async def test_a_provider_that_says_no_does_not_fail(
    memory: Memory, clock: Clock, provider: Provider, code: str
) -> None:
    await memory.recall(INSTANCE, "groups", provider)
    clock.now += FRESH_SECONDS
    provider.error = ProviderFailed("There is no such group.", code=code)
    with pytest.raises(ProviderFailed):
        await memory.recall(INSTANCE, "groups", provider)
    provider.error = ProviderFailed("away")
    with pytest.raises(ProviderFailed):
        await memory.recall(INSTANCE, "groups", provider)


async def test_a_change_ends_older_answers_too(memory: Memory, clock: Clock, provider: Provider) -> None:
    await memory.recall(INSTANCE, "groups", provider)
    memory.forget(INSTANCE)
    provider.error = ProviderFailed("away")
    with pytest.raises(ProviderFailed):
        await memory.recall(INSTANCE, "groups", provider)


async def test_what_was_asked_for_longest_ago_makes_room(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_MOST", 25_000)
    asked: list[str] = []

    async def groups(name: str) -> list[Group]:
        asked.append(name)
        return [Group(group=f"{name}@g.us", participants=[Participant(phone="5511999990001")] * 100)]

    for name in ("one", "two", "one", "three", "one", "two"):
        await memory.recall(INSTANCE, name, lambda name=name: groups(name))  # type: ignore[misc]
    # There is room for two. "three" drives out "two", which was not asked for since.
    assert asked == ["one", "two", "three", "two"]


@pytest.mark.parametrize("where", ["a picture", "a community's groups", "the question"])
async def test_what_is_kept_is_bounded_wherever_it_is_long(
    memory: Memory, provider: Provider, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(remembering, "_MOST", 1_000)
    long = "x" * 2_000
    groups = [Group(group="1@g.us", participants=[Participant(phone="5511999990001")] * 100)]
    answers = {"a picture": long, "a community's groups": [Community(community="2@g.us", groups=groups)]}

    async def ask() -> object:
        await provider()
        return answers.get(where)

    question = long if where == "the question" else "short"
    for _ in range(2):
        await memory.recall(INSTANCE, question, ask)
    assert provider.asked == 2
