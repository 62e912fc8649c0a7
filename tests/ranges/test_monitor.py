import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model.ranges.breaker import Change, Policy, Why
from audio_model.ranges.monitor import Monitor
from audio_model.ranges.rates import CallAnswer, MarkedAs
from audio_model.ranges.tree import Node, RangeCall, State
from tests.draws import draws
from tests.ranges_made import calls

POLICY = Policy()
BLOCK = [f"952137{n:02d}" for n in range(100)]
HONEST = [f"95213{block}{n:02d}" for block in (0, 1, 2, 4) for n in range(3)]


def monitor(allowed: Iterable[str] = ()) -> Monitor:
    return Monitor({}, POLICY, frozenset(allowed))


def hear(into: Monitor, heard: Iterable[RangeCall]) -> list[Change]:
    return [change for call in heard for change in into.hear(call)]


def mixed(n: int, start: float, name: str = "mixed") -> list[RangeCall]:
    """A campaign in a block of an allocation, and honest lines in the blocks beside it."""
    bad = calls(BLOCK, n, share=1.0, start=start, gap=0.2, seed=1, name=f"{name}-bad")
    good = calls(HONEST, n, share=0.03, start=start, gap=0.2, seed=2, name=f"{name}-good")
    return [call for pair in zip(bad, good, strict=True) for call in pair]


def test_a_campaign_opens_its_block_and_its_neighbours_stay_open() -> None:
    into = monitor()
    hear(into, calls(HONEST, 2000, share=0.03, gap=5.0, name="before"))
    changes = hear(into, mixed(200, start=1_000_010_000.0))
    assert (changes[-1].prefix, changes[-1].after) == ("952137", State.OPEN)
    assert [node.prefix for node in _held(into)] == ["952137"]
    now = changes[-1].time + 1
    assert into.advise("95213799", now).state is State.OPEN
    assert {into.advise(number, now).state for number in HONEST} == {State.CLOSED}


def test_a_warning_comes_first_and_within_30_recordings() -> None:
    into = monitor()
    heard = 0
    for call in calls(BLOCK, 100, share=1.0, gap=0.2):
        heard += 1
        if changes := into.hear(call):
            break
    assert changes[0].after is State.WARNED
    assert heard <= 30


@pytest.mark.parametrize("seed", range(3))
def test_honest_ranges_are_not_opened(seed: int) -> None:
    changes = hear(monitor(), calls(HONEST, draws(8000), share=0.05, seed=seed))
    assert not [change for change in changes if change.after is State.OPEN]


def test_an_opening_ends_in_a_trial_that_recordings_fail_and_people_pass() -> None:
    into = monitor()
    opened = hear(into, calls(BLOCK, 100, share=1.0))[-1]
    assert opened.after is State.OPEN
    again = hear(into, calls(BLOCK, 60, share=1.0, start=opened.until, name="again"))
    assert [change.after for change in again] == [State.HALF_OPEN, State.OPEN]
    assert again[1].why is Why.FAILED
    assert again[1].until - again[1].time == 2 * POLICY.open_seconds
    people = hear(into, calls(BLOCK, 200, share=0.0, start=again[1].until, name="people"))
    assert [change.after for change in people] == [State.HALF_OPEN, State.CLOSED]
    assert people[1].why is Why.PASSED


def test_a_warning_is_taken_back_when_the_evidence_is_gone() -> None:
    into = monitor()
    warned = next(c for call in calls(BLOCK, 100, share=1.0) for c in into.hear(call))
    assert warned.after is State.WARNED
    cleared = hear(into, calls(BLOCK, 100, share=0.0, start=warned.time + 1, name="people"))
    assert [(change.after, change.why) for change in cleared] == [(State.CLOSED, Why.GONE)]


def test_time_alone_ends_what_nobody_calls_from() -> None:
    into = monitor()
    opened = hear(into, calls(BLOCK, 100, share=1.0))[-1]
    assert into.advise(BLOCK[0], opened.until - 1).state is State.OPEN
    assert into.advise(BLOCK[0], opened.until).state is State.HALF_OPEN
    changes = into.tick(opened.until + POLICY.quiet_seconds, [opened.prefix])
    assert [change.after for change in changes] == [State.HALF_OPEN, State.CLOSED]


def test_who_hops_inside_a_block_has_the_block_opened_and_not_its_parts() -> None:
    changes = hear(monitor(), calls(BLOCK, 300, share=1.0))
    assert [(change.prefix, change.after) for change in changes] == [
        ("952137", State.WARNED),
        ("952137", State.OPEN),
    ]


def test_who_moves_through_a_range_has_it_opened_when_most_of_it_is() -> None:
    into = monitor()
    changes = []
    for n, call in enumerate(calls([""], 800, share=1.0)):
        changes += into.hear(replace(call, caller=f"9521{3000 + n // 8:04d}"))
    opened = next(
        change for change in changes if change.prefix == "952130" and change.after is State.OPEN
    )
    assert opened.why is Why.MOST
    assert len(opened.ranges) >= 6


def test_the_severest_state_of_a_numbers_ranges_is_the_advice() -> None:
    into = monitor()
    for prefix, state in (("95213", State.OPEN), ("952137", State.WARNED)):
        into.nodes[prefix] = Node(prefix, 0.0, 0.0, state=state, until=1e9)
    for prefix in ("952", "9521"):
        into.nodes[prefix] = Node(prefix, 0.0, 0.0)
    advice = into.advise("95213799", 1.0)
    assert (advice.prefix, advice.state) == ("95213", State.OPEN)


def test_the_allow_list_always_wins() -> None:
    into = monitor(["952137"])
    assert hear(into, calls(BLOCK, 500, share=1.0)) == []
    assert into.nodes.get("95213").evidence == 0  # type: ignore[union-attr]
    assert hear(monitor(["95"]), calls(BLOCK, 500, share=1.0)) == []
    later = monitor()
    opened = hear(later, calls(BLOCK, 100, share=1.0))[-1]
    later.allowed = frozenset(["95213701"])
    assert later.advise("95213701", opened.time).state is State.CLOSED
    assert later.advise("95213701", opened.time).allowed == "95213701"
    assert later.advise("95213702", opened.time).state is State.OPEN


def test_forged_numbers_do_not_speak_against_the_range_that_they_borrow() -> None:
    into = monitor()
    forged = [f"95213{n:06d}" for n in range(100, 200)]
    changes = hear(into, calls(forged, 300, share=1.0))
    assert changes
    assert all(change.prefix.startswith("?95213") for change in changes)
    assert into.advise("95213001", changes[-1].time).state is State.CLOSED
    assert into.advise(forged[0], changes[-1].time).state is State.OPEN


def scattered(prefix: str, n: int, share: float, digits: int = 8) -> Iterable[RangeCall]:
    """Calls from all over a prefix, each of another number."""
    for k, call in enumerate(calls([""], n, share=share, gap=3.0)):
        yield replace(call, caller=f"{prefix}{k * 61_803_399 % 10**digits:0{digits}d}")


@pytest.mark.parametrize(("prefix", "digits"), [("139", 8), ("952", 5), ("0216", 7)])
def test_recordings_from_all_over_a_prefix_of_many_owners_warn_of_it_and_never_open_it(
    prefix: str, digits: int
) -> None:
    into = monitor()
    heard = list(scattered(prefix, 200, share=1.0, digits=digits))
    changes = [change for call in heard for change in into.hear(call)]
    number, first = heard[0].number, changes[0]
    assert (first.prefix, first.after, first.why) == (number.prefixes[0], State.WARNED, Why.WIDE)
    assert first.time - heard[0].time <= 180
    wide = set(number.wide)
    assert {change.after for change in changes if change.prefix in wide} == {State.WARNED}
    assert not [each for each in changes if each.after is State.OPEN]
    advice = into.advise(heard[-1].caller, heard[-1].time)
    assert (advice.prefix, advice.state, advice.too_wide) == (first.prefix, State.WARNED, True)


def test_a_warning_of_many_owners_ends_when_people_call() -> None:
    into = monitor()
    assert hear(into, scattered("952", 100, share=1.0, digits=5))[0].prefix == "952"
    last = max(node.last for node in into.nodes.values())  # type: ignore[attr-defined]
    people = calls(HONEST, 60, share=0.0, start=last + 1, name="people")
    ended = hear(into, people)
    assert [(each.prefix, each.after, each.why) for each in ended] == [
        ("952", State.CLOSED, Why.GONE)
    ]


def test_one_campaign_warns_of_no_wider_range() -> None:
    into = monitor()
    changes = hear(into, mixed(400, start=1e9))
    assert {change.prefix for change in changes} == {"952137"}


def test_a_wide_warning_does_not_hide_a_campaign_in_it() -> None:
    into = monitor()
    assert hear(into, scattered("952", 60, share=1.0, digits=5))[0].prefix == "952"
    changes = hear(into, calls(BLOCK, 100, share=1.0, start=1e9 + 400, gap=0.2, name="bad"))
    assert State.OPEN in {change.after for change in changes if change.prefix == "952137"}
    assert into.advise(BLOCK[0], changes[-1].time).prefix == "952137"


def test_a_segment_whose_parts_are_all_held_is_warned_of_and_not_opened() -> None:
    into = monitor()
    changes: list[Change] = []
    for block in range(10):
        numbers = [f"9521{block}{n:03d}" for n in range(0, 1000, 7)]
        start = 1e9 + 100 * block
        bad = calls(numbers, 200, share=1.0, start=start, gap=0.4, name=str(block))
        changes += hear(into, bad)
    wide = [change for change in changes if change.prefix == "9521"]
    assert [(change.after, change.why) for change in wide] == [(State.WARNED, Why.MOST)]


@pytest.mark.parametrize("text", ["anonymous", "139****5678", "88886666", "1760000000"])
def test_what_is_nobody_s_is_not_even_warned_of(text: str) -> None:
    into = monitor()
    assert hear(into, calls([text], 300, share=1.0)) == []
    assert into.advise(text, 1e9).state is State.CLOSED


def test_unheard_calls_move_nothing() -> None:
    unheard = [RangeCall(str(n), BLOCK[0], float(n), CallAnswer.UNHEARD) for n in range(1000)]
    assert hear(monitor(), unheard) == []


def test_marks_of_a_person_count_and_can_be_taken_back() -> None:
    into = monitor()
    unsure = [RangeCall(str(n), BLOCK[0], float(n), CallAnswer.UNSURE) for n in range(40)]
    hear(into, unsure)
    changes = [c for call in unsure for c in into.mark(call, MarkedAs.RECORDED, None, 100.0)]
    assert changes[0].after is State.WARNED
    back = [c for call in unsure for c in into.mark(call, MarkedAs.LIVE, MarkedAs.RECORDED, 101.0)]
    assert into.nodes.get("952137").marked_live == 40  # type: ignore[union-attr]
    assert into.nodes.get("952137").marked_recorded == 0  # type: ignore[union-attr]
    assert State.OPEN not in {change.after for change in back}


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["95213701", "95213702", "95588", "13912345678", "9521300112", "x"]),
            st.sampled_from(list(CallAnswer)),
            st.floats(0, 20_000),
        ),
        max_size=200,
    )
)
def test_whatever_comes_states_and_counts_stay_sound(
    heard: list[tuple[str, CallAnswer, float]],
) -> None:
    nodes: dict[str, Node] = {}
    into = Monitor(nodes, POLICY)
    now = 0.0
    for n, (caller, outcome, gap) in enumerate(heard):
        now += gap
        for change in into.hear(RangeCall(str(n), caller, now, outcome)):
            assert change.before is not change.after
            assert change.time <= now
    for prefix, node in nodes.items():
        assert node.evidence >= 0 or node.state is State.HALF_OPEN
        above = nodes.get(prefix[:-1])
        assert above is None or above.calls >= node.calls


def _held(into: Monitor) -> list[Node]:
    nodes = into.nodes
    assert isinstance(nodes, dict)
    return [node for node in nodes.values() if node.held]


def test_marks_of_calls_of_long_ago_are_counted_and_move_no_breaker() -> None:
    into = monitor()
    old = [RangeCall(str(n), BLOCK[0], 1e9 + n, CallAnswer.UNSURE) for n in range(40)]
    hear(into, old)
    evidence = {node.prefix: node.evidence for node in into.nodes.values()}  # type: ignore[attr-defined]
    year = 1e9 + 365 * 86_400
    assert [c for call in old for c in into.mark(call, MarkedAs.RECORDED, None, year)] == []
    wide = into.nodes.get("952137")
    assert wide is not None
    assert (wide.marked_recorded, wide.marked_since) == (40, 0)
    assert all(into.nodes.get(prefix).evidence == n for prefix, n in evidence.items())  # type: ignore[union-attr]
    # They don't stand for the recording without which unsure calls warn of nothing either.
    now = (
        RangeCall(f"now {n}", BLOCK[n % 9], year + 40 * n, CallAnswer.UNSURE, called=f"139{n:08d}")
        for n in range(200)
    )
    assert hear(into, now) == []


def test_what_was_said_while_it_was_fresh_can_be_taken_back_later() -> None:
    into = monitor()
    call = RangeCall("0", BLOCK[0], 1e9, CallAnswer.LIVE)
    hear(into, [call])
    into.mark(call, MarkedAs.RECORDED, None, 1e9 + 60)
    wide = into.nodes.get("952137")
    assert wide is not None
    assert wide.evidence > 0 and wide.marked_since == 1
    into.mark(call, None, MarkedAs.RECORDED, 1e9 + 10 * 86_400, 1e9 + 60)
    assert (wide.evidence, wide.marked_since, wide.marked_recorded) == (0, 0, 0)


def test_there_is_no_warning_without_a_recording() -> None:
    into = monitor()
    said = [CallAnswer.LIVE] * 8 + [CallAnswer.UNSURE] * 200
    heard = (
        RangeCall(str(n), BLOCK[n % 9], 1e9 + 40 * n, each, called=f"139{n:08d}")
        for n, each in enumerate(said)
    )
    assert hear(into, heard) == []
    marked = RangeCall("0", BLOCK[0], 1e9, CallAnswer.UNSURE)
    changes = [
        change
        for _ in range(9)
        for change in into.mark(marked, MarkedAs.RECORDED, None, 1e9 + 9000)
    ]
    assert changes[0].after is State.WARNED


def test_a_range_that_was_opened_long_ago_is_not_on_trial_for_ever() -> None:
    into = monitor()
    into.put("95213", State.OPEN, 1e9)
    node = into.nodes.get("95213")
    assert node is not None
    quiet = into.policy.quiet_seconds
    assert into.advise("95213001", node.until - 1).state is State.OPEN
    assert into.advise("95213001", node.until + quiet - 1).state is State.HALF_OPEN
    assert into.advise("95213001", node.until + quiet).state is State.CLOSED


def test_a_store_of_before_cannot_block_who_has_no_breaker() -> None:
    into = monitor()
    old = Node("?malformed", 1e9, 1e9, state=State.OPEN, since=1e9, until=2e9)
    into.nodes["?malformed"] = old
    assert into.advise("139****5678", 1e9 + 1).state is State.CLOSED
    assert hear(into, calls(["139****5678"], 50, share=1.0, start=1e9)) == []
    assert old.calls == 50


@pytest.mark.slow
@pytest.mark.parametrize("live", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("n", [300, 3000])
@pytest.mark.parametrize("wide", [False, True])
def test_an_honest_line_keeps_to_the_budget_of_warnings(live: float, n: int, wide: bool) -> None:
    """Count warnings a month of an allocation, or all of 952, whose lines are live so often."""
    months = 8
    changes = []
    rng = random.Random(1)
    for _ in range(months):
        into = monitor()
        for index in range(n):
            drawn = rng.random()
            said = CallAnswer.UNSURE
            if drawn < POLICY.test.rates.live_said_recorded:
                said = CallAnswer.RECORDED
            elif drawn < POLICY.test.rates.live_said_recorded + live:
                said = CallAnswer.LIVE
            moment = 1e9 + index * 30 * 86_400 / n
            caller = f"952{rng.randrange(10**5):05d}" if wide else HONEST[index % 5]
            changes += into.hear(RangeCall(str(index), caller, moment, said))
    warned = [change for change in changes if change.after is State.WARNED]
    assert len(warned) <= POLICY.warnings * months
    assert not [change for change in changes if change.after is State.OPEN]
