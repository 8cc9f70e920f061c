"""What was promised against what happened: pure functions over what both sides of a run recorded."""

import bisect
import collections
from collections.abc import Iterable, Mapping, Sequence

import msgspec


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An outward message that was answered with a 2xx. `number` counts the acceptances of its `lane`."""

    tag: str
    message_id: str
    lane: str
    number: int
    policy: str


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A message at its provider: in which order, how often, and which provider it was where there are several."""

    tag: str
    order: int
    times: int = 1
    via: str = ""


class Outward(msgspec.Struct, kw_only=True):
    accepted: int = 0
    reached: int = 0
    #: Accepted, not at the provider, and neither shown as unproven nor still in the outbox.
    lost: list[str] = []
    #: At the provider more than once.
    duplicated: list[str] = []
    #: At two providers: a switch sent it again.
    crossed: list[str] = []
    #: At the provider but never accepted for any client: only possible when the client gave up, which it does not.
    strange: list[str] = []
    #: What arrived out of its lane's turn.
    disordered: list[str] = []


class Acked(msgspec.Struct, frozen=True, kw_only=True):
    """An inbound message whose webhook was answered with a 2xx. `number` counts those of its conversation."""

    wamid: str
    company: str
    conversation: str
    number: int
    sender: str
    name: str
    text: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A `message.received` event at a company's endpoint, in the order of arrival, each webhook-id once."""

    wamid: str
    company: str
    sender: str
    name: str
    text: str


class Inward(msgspec.Struct, kw_only=True):
    accepted: int = 0
    reached: int = 0
    lost: list[str] = []
    duplicated: list[str] = []
    strange: list[str] = []
    disordered: list[str] = []
    #: Events with another sender's data, or at another company's endpoint.
    mixed_up: list[str] = []


def _disordered(lanes: Mapping[str, Sequence[tuple[int, str]]]) -> list[str]:
    """The fewest arrivals without which every lane would be in order: those that came out of turn."""
    found = []
    for arrivals in lanes.values():
        found += _out_of_turn(arrivals)
    return found


def _out_of_turn(arrivals: Sequence[tuple[int, str]]) -> list[str]:
    """What a longest increasing subsequence leaves out."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for position, (number, _) in enumerate(arrivals):
        at = bisect.bisect_left(tails, number)
        before.append(ends[at - 1] if at else -1)
        tails[at : at + 1] = [number]
        ends[at : at + 1] = [position]
    kept = set()
    position = ends[-1] if ends else -1
    while position >= 0:
        kept.add(position)
        position = before[position]
    return [name for position, (_, name) in enumerate(arrivals) if position not in kept]


def outward(sent: Iterable[Sent], reached: Iterable[Reached], accounted: set[str]) -> Outward:
    """Compare acceptances with first arrivals. `accounted` holds the ids that are unproven or still to do."""
    by_tag = {message.tag: message for message in sent}
    result = Outward(accepted=len(by_tag))
    arrived: set[str] = set()
    through: dict[str, str] = {}
    lanes: dict[str, list[tuple[int, str]]] = collections.defaultdict(list)
    for arrival in sorted(reached, key=lambda one: one.order):
        message = by_tag.get(arrival.tag)
        if message is None:
            result.strange.append(arrival.tag)
            continue
        if (arrival.tag in arrived or arrival.times > 1) and arrival.tag not in result.duplicated:
            result.duplicated.append(arrival.tag)
        if through.setdefault(arrival.tag, arrival.via) != arrival.via and arrival.tag not in result.crossed:
            result.crossed.append(arrival.tag)
        if arrival.tag not in arrived:
            arrived.add(arrival.tag)
            lanes[message.lane].append((message.number, arrival.tag))
    result.reached = len(arrived)
    result.lost = [tag for tag, message in by_tag.items() if tag not in arrived and message.message_id not in accounted]
    result.disordered = _disordered(lanes)
    return result


def inward(acked: Iterable[Acked], delivered: Iterable[Delivered], late: set[str]) -> Inward:
    """Compare acknowledged inbound messages with the events that companies received. `late` is still to deliver."""
    by_id = {message.wamid: message for message in acked}
    result = Inward(accepted=len(by_id))
    arrived: set[str] = set()
    lanes: dict[str, list[tuple[int, str]]] = collections.defaultdict(list)
    for event in delivered:
        message = by_id.get(event.wamid)
        if message is None:
            result.strange.append(event.wamid)
            continue
        same = (message.company, message.sender, message.name, message.text)
        if same != (event.company, event.sender, event.name, event.text):
            result.mixed_up.append(event.wamid)
        if event.wamid in arrived:
            result.duplicated.append(event.wamid)
            continue
        arrived.add(event.wamid)
        lanes[message.conversation].append((message.number, event.wamid))
    result.reached = len(arrived)
    result.lost = [wamid for wamid in by_id if wamid not in arrived and wamid not in late]
    result.disordered = _disordered(lanes)
    return result
