"""Bodies as the engine writes them, and bodies that are broken in every place."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recado.domain.events import Received
from recado.providers.native import webhooks
from recado.testing import contract
from tests.providers.native import rows

#: What a field may turn into.
_WRONG: tuple[Any, ...] = (None, 17, -1, 1e30, True, "", "x", "\x00", "é" * 300, [], [None], [17], ["x"], {}, {"x": {}})


def _read(body: Any) -> list[Any]:
    return list(webhooks.read(msgspec.json.encode(body)))


@pytest.mark.parametrize("name", rows.BODIES)
def test_a_body_is_read(name: str) -> None:
    body, expected = rows.BODIES[name]
    events = _read(body)
    assert [event.type for event in events] == expected
    assert len({event.key for event in events}) == len(events), "keys are unique"
    assert _read(body) == events, "the same body is the same events"


@pytest.mark.parametrize("name", rows.BODIES)
def test_a_broken_body_is_events_or_a_value_error(name: str) -> None:
    """Nothing else may come out of it: the inbound worker sets a `ValueError` aside, and goes on."""
    body, _ = rows.BODIES[name]
    for broken in _broken(body):
        try:
            read = _read(broken)
        except ValueError:
            assert not isinstance(broken.get("event"), str), broken
            continue
        # What is stored of it is JSON.
        for event in read:
            msgspec.json.encode(event)


def _broken(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body without each of its fields, however deep, and with each of another type."""
    for path in list(_paths(body)):
        for change in ("gone", *_WRONG):
            broken = copy.deepcopy(body)
            at: Any = broken
            for step in path[:-1]:
                at = at[step]
            if change == "gone":
                del at[path[-1]]
            else:
                at[path[-1]] = change
            yield broken


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, found in inside:
        yield (*path, step)
        yield from _paths(found, (*path, step))


def test_who_wrote_in_a_group_is_known_by_all_their_ids() -> None:
    picture = _read(rows.BODIES["picture in a group"][0])[0]
    assert isinstance(picture, Received)
    assert (picture.chat.group, picture.sender.phone, picture.sender.lid) == (
        rows.GROUP,
        "5511988887777",
        "990011@lid",
    )


def test_reads_only_its_own() -> None:
    from recado import providers

    contract.reads_only_its_own(providers.registry()["native"])
