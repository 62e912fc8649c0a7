"""Small days; the figures of whole ones come from ``python -m benchmarks.ranges``."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_model.ranges.numbers import IMPLAUSIBLE, normalise
from benchmarks.ranges import settings as options
from benchmarks.ranges import throughput
from benchmarks.ranges.__main__ import as_markdown, main, run
from benchmarks.ranges.settings import Settings
from benchmarks.ranges.world import HONEST, OUTCOMES, simulate
from tests.draws import draws

SMALL = Settings(
    calls=5_000,
    campaigns=3,
    campaign_calls=1000,
    campaign_seconds=180.0,
    hop_numbers=50,
    allocations=40,
    mobiles=2000,
    landlines=1000,
)


def load(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    return options.load(parser.parse_args(arguments))


def test_a_day_has_the_calls_and_campaigns_that_were_asked_for() -> None:
    day = simulate(SMALL)
    assert len(day.caller) == SMALL.calls
    assert np.all(np.diff(day.told) >= 0)
    for index, campaign in enumerate(day.campaigns):
        mine = day.campaign == index
        assert mine.sum() == SMALL.campaign_calls
        assert day.recorded[mine].all()
        assert day.started[mine].max() - campaign.start <= SMALL.campaign_seconds
        callers = {day.callers[each] for each in day.caller[mine].tolist()}
        assert len(callers - campaign.numbers) == pytest.approx(100, abs=40)
        assert all(number.startswith(campaign.allocation) for number in campaign.numbers)


def test_the_detector_errs_at_its_rates() -> None:
    day = simulate(replace(SMALL, calls=60_000, false_alarm_strength=0.0))
    heard = day.outcome != len(OUTCOMES) - 1
    assert heard.mean() == pytest.approx(1 - SMALL.unheard, abs=0.01)
    for recorded, rates in ((True, (0.524, 0.035)), (False, (0.014, 0.484))):
        said = day.outcome[heard & (day.recorded == recorded)]
        assert (said == 0).mean() == pytest.approx(rates[0], abs=0.03)
        assert (said == 1).mean() == pytest.approx(rates[1], abs=0.03)


def test_honest_numbers_are_plausible_and_half_of_the_forged_are_not() -> None:
    day = simulate(SMALL)
    honest = {day.callers[each] for each in day.caller[day.campaign == HONEST][:2000].tolist()}
    plausible = [not normalise(number).key.startswith(IMPLAUSIBLE) for number in honest]
    assert sum(plausible) > 0.9 * len(plausible)
    others = {day.callers[each] for each in day.caller[day.campaign != HONEST].tolist()}
    forged = others - {number for each in day.campaigns for number in each.numbers}
    implausible = [normalise(number).key.startswith(IMPLAUSIBLE) for number in forged]
    assert sum(implausible) == pytest.approx(len(implausible) / 2, rel=0.2)


def test_a_seed_is_a_day() -> None:
    one, same, other = simulate(SMALL), simulate(SMALL), simulate(replace(SMALL, seed=1))
    assert np.array_equal(one.told, same.told)
    assert not np.array_equal(one.told, other.told)


def test_campaigns_are_flagged_and_the_figures_add_up() -> None:
    figures = run(SMALL)
    assert figures.calls == SMALL.calls == figures.honest_calls + figures.campaign_calls
    assert sum(each.in_time for each in figures.campaigns) == SMALL.campaigns
    assert figures.campaign_calls_stopped > 0.7 * figures.campaign_calls
    assert figures.honest_calls_stopped < 0.01 * figures.honest_calls
    assert "3 of 3" in as_markdown(figures)


def test_a_detector_that_hears_recordings_as_live_callers_flags_nobody() -> None:
    for seed in range(draws(4)):
        figures = run(replace(SMALL, seed=seed, hit=0.014, recorded_said_live=0.484))
        assert not any(each.in_time for each in figures.campaigns)


def test_a_detector_that_never_hits_opens_nothing() -> None:
    """That fewer calls than usual are live is worth a look, and no more."""
    for seed in range(draws(4)):
        figures = run(replace(SMALL, seed=seed, hit=0.001, recorded_said_live=0.3))
        assert all(each.open_seconds is None for each in figures.campaigns)


def test_known_recordings_help_a_detector_that_misses_them() -> None:
    deaf = replace(SMALL, hit=0.05)
    assert sum(each.in_time for each in run(deaf).campaigns) < SMALL.campaigns
    known = run(replace(deaf, known=0.95))
    assert sum(each.in_time for each in known.campaigns) == SMALL.campaigns


def test_settings_come_from_a_file_and_flags_win(tmp_path: Path) -> None:
    file = tmp_path / "day.toml"
    file.write_text("calls = 5000\nmenus = 0.1\n")
    found = load("--config", str(file), "--calls", "7000")
    assert (found.calls, found.menus, found.hit) == (7000, 0.1, Settings().hit)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cals = 1", "cals"),
        ('calls = "many"', "calls: 'many'"),
        ("calls = true", "calls: True"),
        ("calls 1", "not TOML"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "day.toml"
    file.write_text(text)
    with pytest.raises(SystemExit, match=rf"day\.toml: .*{said}"):
        load("--config", str(file))


def test_the_figures_are_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "day.json"
    arguments = "--calls 3000 --campaigns 1 --campaign-calls 500 --mobiles 100 --landlines 100"
    assert main([*arguments.split(), "--output", str(output)]) == 0
    assert "| campaigns flagged within" in capsys.readouterr().out
    assert json.loads(output.read_text())["settings"]["calls"] == 3000


@pytest.mark.slow
def test_throughput_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert throughput.main(["--calls", "200", "--folder", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 8
    assert list(tmp_path.iterdir()) == []
