"""The chaos run's judgement, on runs small enough to judge by eye: a verdict that never fails proves nothing."""

from bench import __main__ as bench
from bench import graph, rows
from bench.endpoint import Event, text_of
from chaos import verdict
from chaos.verdict import Acked, Delivered, Reached, Sent


def sent(tag: str, number: int, lane: str = "lane") -> Sent:
    return Sent(tag=tag, message_id=f"id-{tag}", lane=lane, number=number, policy="at_least_once")


def acked(wamid: str, number: int, conversation: str = "c") -> Acked:
    return Acked(
        wamid=wamid,
        company="a",
        conversation=conversation,
        number=number,
        sender="55",
        name="Ana",
        text=f"text {wamid}",
    )


def delivered(wamid: str, **other: str) -> Delivered:
    given = {"company": "a", "sender": "55", "name": "Ana", "text": f"text {wamid}"} | other
    return Delivered(wamid=wamid, **given)


def test_an_outward_run_without_faults_has_none() -> None:
    result = verdict.outward(
        [sent("a", 0), sent("b", 1)], [Reached(tag="a", order=1), Reached(tag="b", order=2)], set()
    )
    assert (result.accepted, result.reached) == (2, 2)
    assert not (result.lost)
    assert not (result.duplicated)
    assert not (result.strange)
    assert not (result.disordered)


def test_what_did_not_reach_its_provider_is_lost_unless_it_is_shown_as_unproven() -> None:
    result = verdict.outward([sent("a", 0), sent("b", 1)], [], {"id-b"})
    assert result.lost == ["a"]


def test_a_message_that_arrived_twice_is_one_duplicate() -> None:
    arrivals = [Reached(tag="a", order=1), Reached(tag="a", order=2), Reached(tag="a", order=3)]
    assert verdict.outward([sent("a", 0)], arrivals, set()).duplicated == ["a"]
    assert verdict.outward([sent("a", 0)], [Reached(tag="a", order=1, times=2)], set()).duplicated == ["a"]


def test_order_counts_per_lane_and_by_first_arrival() -> None:
    messages = [sent("a", 0), sent("b", 1), sent("c", 0, lane="other")]
    kept = [Reached(tag=tag, order=at) for at, tag in enumerate(("c", "a", "b", "a"))]
    assert not verdict.outward(messages, kept, set()).disordered
    broken = [Reached(tag=tag, order=at) for at, tag in enumerate(("b", "c", "a"))]
    assert len(verdict.outward(messages, broken, set()).disordered) == 1


def test_one_message_that_jumps_the_queue_is_one_out_of_turn() -> None:
    messages = [sent(str(number), number) for number in range(100)]
    order = [99, *range(99)]
    arrivals = [Reached(tag=str(number), order=at) for at, number in enumerate(order)]
    assert verdict.outward(messages, arrivals, set()).disordered == ["99"]


def test_inward_losses_duplicates_disorder_and_mix_ups_are_told_apart() -> None:
    messages = [acked("1", 0), acked("2", 1), acked("3", 2)]
    result = verdict.inward(messages, [delivered("2"), delivered("1"), delivered("1"), delivered("9")], set())
    assert (result.accepted, result.reached) == (3, 2)
    assert not verdict.inward(messages[2:], [], {"3"}).lost
    assert (result.lost, result.duplicated, result.disordered, result.strange) == (["3"], ["1"], ["2"], ["9"])
    for other in ({"company": "b"}, {"sender": "66"}, {"name": "Bia"}, {"text": "another's"}):
        assert verdict.inward([acked("1", 0)], [delivered("1", **other)], set()).mixed_up == ["1"]


def test_every_limit_speaks_of_a_row_that_exists() -> None:
    assert {limit.row for limit in bench.LIMITS} <= set(rows.ROWS)
    limit = bench.Limit(row="start", figure="ready_s", at_most=3)
    assert limit.holds({"ready_s": 3})
    assert not limit.holds({"ready_s": 3.1})


def test_the_fake_company_finds_the_text_where_events_keep_it() -> None:
    event = Event(id="1", type="message.received", data={"message": {"content": {"body": "Oi"}}})
    assert text_of(event) == "Oi"
    assert text_of(Event(id="2", type="unknown")) == ""


def test_the_fake_graph_signs_as_meta_does() -> None:
    # HMAC-SHA256 of "{}" with the key "secret".
    expected = "sha256=77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
    assert graph.signature("secret", b"{}") == expected
