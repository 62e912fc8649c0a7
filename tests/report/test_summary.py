import tracemalloc
from collections import Counter
from collections.abc import Iterator
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.report import slices
from audio_model.report.summary import (
    SCORE_BINS,
    Smallest,
    cause_of,
    median_seconds,
    summarise,
    wilson_interval,
)
from audio_model.tables.results import Outcome, Result
from tests.report import made

results = st.lists(
    st.builds(
        made.result,
        path=st.sampled_from(["a/1.wav", "b/2.wav"]),
        outcome=st.sampled_from(list(Outcome)),
        score=st.none() | st.floats(0, 1),
        decided_at=st.none() | st.integers(0, 75).map(lambda n: n / 12.5),
    )
)


@given(results)
def test_counts_agree_with_the_rows(rows: list[Result]) -> None:
    summary = summarise(rows)
    assert summary.total == len(rows)
    assert summary.counts == Counter(row.outcome for row in rows)
    heard = [row for row in rows if row.outcome is not Outcome.ERROR]
    assert summary.seconds == pytest.approx(6.0 * len(heard))
    for outcome in (Outcome.RECORDED, Outcome.UNKNOWN, Outcome.LIVE):
        scores = [row.score for row in heard if row.outcome is outcome and row.score is not None]
        bins = Counter(min(int(score * SCORE_BINS), SCORE_BINS - 1) for score in scores)
        assert {n: c for n, c in enumerate(summary.scores[outcome]) if c} == bins
        decided = [
            round(row.decided_at * 12.5)
            for row in heard
            if row.outcome is outcome and row.decided_at is not None
        ]
        assert summary.decided[outcome] == Counter(decided)
    folders = summary.slices[0].groups
    assert sum((counts.total() for counts in folders.values()), 0) == len(rows)
    assert sum(cause.count for cause in summary.causes.values()) == len(rows) - len(heard)


@given(st.lists(st.integers(0, 20)), st.integers(0, 5))
def test_the_smallest_are_kept_in_order(keys: list[int], size: int) -> None:
    kept: Smallest[tuple[int, int]] = Smallest(size, key=lambda item: item[0])
    for place, key in enumerate(keys):
        kept.add((key, place))
    assert kept.sorted() == sorted(zip(keys, range(len(keys)), strict=True))[:size]


@given(st.lists(st.integers(0, 100), min_size=1).filter(lambda values: len(values) % 2))
def test_median(steps: list[int]) -> None:
    assert median_seconds(Counter(steps)) == median(steps) / 12.5


def test_no_times_have_no_median() -> None:
    assert median_seconds(Counter()) is None


def test_what_says_nothing_is_not_uncertain() -> None:
    summary = summarise(
        [
            made.result("tones.wav", Outcome.UNKNOWN, 0.5, reason="tones_only"),
            made.result("unsure.wav", Outcome.UNKNOWN, 0.7, reason="unsure"),
            made.result("live.wav", Outcome.LIVE, 0.1),
            made.result("broken.wav", Outcome.ERROR),
        ]
    )
    assert [row.path for row in summary.uncertain.sorted()] == ["unsure.wav", "live.wav"]
    assert [row.path for row in summary.surest[Outcome.LIVE].sorted()] == ["live.wav"]
    assert summary.reasons == {"tones_only": 1, "unsure": 1}


def test_errors_of_one_cause_are_one() -> None:
    assert cause_of("sample 17 is NaN") == cause_of("sample 4 is NaN") == "sample … is NaN"
    assert cause_of("no member 'a.wav'") == cause_of("no member 'b 2.wav'")
    assert cause_of("no such file") != cause_of("is a folder, not a recording")
    errors = [made.result(f"{n}.wav", Outcome.ERROR, error=f"sample {n} is NaN") for n in range(9)]
    cause = summarise(errors).causes["sample … is NaN"]
    assert cause.count == 9
    assert [row.path for row in cause.examples] == ["0.wav", "1.wav", "2.wav"]


def many(count: int) -> Iterator[Result]:
    for n in range(count):
        outcome = list(Outcome)[n % 4]
        yield made.result(
            f"calls/{n // 100}/{n}.wav",
            outcome,
            (n % 997) / 997,
            carried={"caller": f"+86 138 {n:08}", "codec": f"c{n % 3}"},
            **({"error": f"sample {n} of {n}{n}"} if outcome is Outcome.ERROR else {}),
        )


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_GROUPS", 500)
    # A bounded number of phone numbers stays in memory once they are read; it is filled here.
    summarise(many(20_000))
    peaks = []
    for count in (5_000, 20_000):
        tracemalloc.start()
        assert summarise(many(count)).total == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_intervals_are_wilsons() -> None:
    """The intervals of 0 in 10 and 5 in 10; Newcombe, "Two-sided confidence intervals", 1998."""
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert wilson_interval(0, 0) == (0.0, 1.0)
