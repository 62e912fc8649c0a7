"""A campaign is told of wherever its calls come from, and weighs as what it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_model.ranges import campaigns
from audio_model.ranges.campaigns import Run, smallest_parts
from audio_model.ranges.numbers import normalise
from audio_model.ranges.rates import CallAnswer
from audio_model.ranges.store import RangeStore
from audio_model.ranges.tree import RangeCall, State

NOW = 1_764_460_800.0


@pytest.fixture
def store() -> Iterator[RangeStore]:
    store = RangeStore(None)
    yield store
    store.close()


def call(
    n: int, caller: str, called: str, *, campaign: str = "7", seconds: float = 2.0
) -> RangeCall:
    return RangeCall(
        f"c{n}", caller, NOW + seconds * n, CallAnswer.UNSURE, called, campaign=campaign
    )


def random_mobile(n: int) -> str:
    return f"+861{3 + n % 2 * 2}{(n * 7919_7919) % 10**9:09d}"


def test_a_campaign_from_random_numbers_is_told_once_and_once_when_it_is_over(
    store: RangeStore,
) -> None:
    for n in range(60):
        store.hear([call(n, random_mobile(n), f"1380000{n:04d}")])
    (alarm,) = store.campaigns.take_alarms()
    assert alarm.state is Run.RUNNING and alarm.campaign == "7" and alarm.exemplar == "c0"
    assert (alarm.calls, alarm.people, alarm.numbers) == (10, 10, 10)
    assert alarm.calls_a_minute == pytest.approx(10, abs=1)
    assert all(part.too_wide for part in alarm.ranges)
    (now,) = store.campaigns.all(running=True)
    assert (now.calls, now.people) == (60, 60)
    assert (now.first, now.last) == (NOW, NOW + 118)
    store.tick(NOW + 4000)
    (over,) = store.campaigns.take_alarms()
    assert over.state is Run.OVER and list(store.campaigns.all(running=True)) == []
    assert [each.state for each in store.campaigns.all(running=False)] == [Run.OVER]
    assert store.campaigns.take_alarms() == []


def test_numbers_beyond_those_remembered_are_estimated(
    store: RangeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "MAX_NUMBERS", 60)
    for n in range(240):
        store.hear([call(n, random_mobile(n), f"1380000{n % 50:04d}")])
    (now,) = store.campaigns.all(running=True)
    assert now.people == 50
    assert now.numbers == pytest.approx(240, rel=0.4)


@pytest.mark.parametrize(
    ("callers", "people", "seconds"),
    [(1, 60, 2.0), (60, 1, 2.0), (60, 60, 400.0)],
    ids=["a menu of one number", "a greeting", "hours"],
)
def test_what_is_no_campaign_is_not_told(
    store: RangeStore, callers: int, people: int, seconds: float
) -> None:
    for n in range(60):
        caller, person = random_mobile(n % callers), f"1380000{n % people:04d}"
        store.hear([call(n, caller, person, seconds=seconds)])
    assert store.campaigns.take_alarms() == []
    assert list(store.campaigns.all(running=False)) == []


def test_its_calls_count_as_recorded_while_it_runs(store: RangeStore) -> None:
    """With a network that is sure of none of them, their range is opened all the same."""
    for n in range(60):
        store.hear([call(n, f"9521374{n % 10}", f"1380000{n:04d}")])
    (node,) = [node for node in store.ranges() if node.prefix == "9521374"]
    assert (node.recorded, node.unsure) == (50, 10)
    held = {node.prefix for node in store.ranges() if node.held}
    assert held and all(prefix.startswith("952137") for prefix in held)
    assert store.campaigns.take_alarms()[0].ranges[0].range.startswith("9521374")


def test_a_final_that_comes_again_is_counted_once(store: RangeStore) -> None:
    calls = [call(n, f"9521374{n % 10}", f"1380000{n:04d}") for n in range(30)]
    for _ in range(2):
        store.hear(calls)
    assert next(store.campaigns.all(running=True)).calls == 30
    (node,) = [node for node in store.ranges() if node.prefix == "9521374"]
    assert node.calls == 30


def test_all_of_952_is_warned_of_and_never_blocked(store: RangeStore) -> None:
    calls = [call(n, f"952{(n * 7919) % 10**5:05d}", f"1380000{n:04d}") for n in range(400)]
    for first in range(0, 400, 20):
        store.hear(calls[first : first + 20])
    states = {node.prefix: node.state for node in store.ranges()}
    assert states["952"] is not State.OPEN
    (now,) = store.campaigns.all(running=True)
    assert now.calls == 400 and [(part.range, part.too_wide) for part in now.ranges] == [
        ("952", True)
    ]


def test_a_campaign_goes_on_in_another_process(tmp_path: Path) -> None:
    path = f"{tmp_path}/ranges.db"
    stores = RangeStore(path), RangeStore(path)
    for n in range(30):
        stores[n % 2].hear([call(n, random_mobile(n), f"1380000{n:04d}")])
    alarms = [alarm for store in stores for alarm in store.campaigns.take_alarms()]
    assert len(alarms) == 1
    assert next(stores[0].campaigns.all(running=True)).calls == 30
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("numbers", "parts"),
    [
        (["95213740", "95213741", "95213749"], [("9521374", 3)]),
        (["95213742"], [("95213742", 1)]),
        (["95213740", "95213741", "95588", "95588"], [("9521374", 2), ("95588", 2)]),
    ],
)
def test_the_smallest_ranges_hold_all_numbers(
    numbers: list[str], parts: list[tuple[str, int]]
) -> None:
    found = smallest_parts(map(normalise, numbers))
    assert [(part.range, part.numbers) for part in found] == parts
