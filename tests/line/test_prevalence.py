"""The share of recordings among unmarked calls."""

from pathlib import Path

import numpy as np
import pytest

from audio_model.errors import ResultsError, UsageError
from audio_model.fitting.own import possible_calibrations
from audio_model.line.prevalence import POSSIBLE, estimate, prevalence_in
from tests.fitting.test_calibration import calls
from tests.fitting.test_own import SHIPPED
from tests.line.lines import write_table


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_the_share_is_found_in_calibrated_scores(share: float) -> None:
    rng = np.random.default_rng(0)
    recorded = rng.random(20_000) < share
    # Normal scores, as far apart as their variance, are their own log odds.
    log_odds = rng.normal(np.where(recorded, 2.0, -2.0), 2.0)
    found = estimate(log_odds, np.ones(len(log_odds)))
    assert found.low <= share <= found.high
    assert found.high - found.low < 0.05
    assert found.calls == 20_000


def test_results_tell_it_and_calls_without_voice_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"path": f"{n}", "verdict": "unknown", "score": 0.5, "logit": logit, "speech_seconds": s}
        for n, (logit, s) in enumerate([(4, 2), (-4, 2), (-4, 2), (-4, 2), (9, 0.1), ("", "")])
    ]
    found = prevalence_in([write_table(tmp_path / "r.csv", rows)], SHIPPED)
    assert found.calls == 4
    assert found.share == pytest.approx(0.25, abs=0.02)


def test_the_interval_has_room_for_what_few_marks_leave_possible(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recorded = rng.random(400) < 0.4
    rows = [
        {"path": f"{n}", "logit": logit, "speech_seconds": 2.0}
        for n, logit in enumerate(rng.normal(np.where(recorded, 2.0, -2.0), 2.0))
    ]
    table = write_table(tmp_path / "r.csv", rows)
    alone = prevalence_in([table], SHIPPED)
    width = {
        n: prevalence_in([table], SHIPPED, possible_calibrations(calls(n), SHIPPED, POSSIBLE))
        for n in (6, 200)
    }
    assert width[6].share == width[200].share == alone.share
    assert width[6].low < width[200].low < alone.low
    assert width[6].high > width[200].high > alone.high
    assert width[200].high - width[200].low < 2 * (alone.high - alone.low)


def test_results_of_nothing_are_refused(tmp_path: Path) -> None:
    empty = {"path": "a", "verdict": "unknown", "score": "", "logit": "", "speech_seconds": ""}
    with pytest.raises(UsageError, match="no call"):
        prevalence_in([write_table(tmp_path / "r.csv", [empty])], SHIPPED)
    with pytest.raises(ResultsError, match="logit"):
        prevalence_in([write_table(tmp_path / "s.csv", [{"path": "a"}])], SHIPPED)
