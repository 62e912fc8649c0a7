import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from audio_model.model import Model
from benchmarks import cost
from benchmarks.machine import Machine
from benchmarks.startup import Start
from benchmarks.timing import Timing, interleaved
from training.network import count_flops


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


def test_sizes_are_the_models(model: Model) -> None:
    sizes = cost.sizes_of(model)
    assert sizes.model_bytes == model.path.stat().st_size
    # The file holds every parameter as float32, and little else.
    assert sizes.parameters * 4 < 1.1 * sizes.model_bytes
    config = cost.network_config(model)
    assert sizes.network_mflop == pytest.approx(count_flops(config, cost.CLIP_SECONDS) / 1e6)
    # 400 frames, of which each at least goes through 40 filters on two bins.
    assert 400 * 2 * 80 / 1e6 < sizes.front_end_mflop < 80


def test_every_stage_of_ours_runs(model: Model, tmp_path: Path) -> None:
    stages = cost.stages_of(model, tmp_path)
    # librosa's first call takes seconds; the slow test has it.
    del stages[cost.NAIVE_WAY]
    timings = interleaved(stages, rounds=1)
    assert all(timing.cpu_us > 0 and timing.wall_us > 0 for timing in timings.values())


def test_markdown_holds_every_figure() -> None:
    costs = cost.Costs(
        Machine("a processor", 2, 0.5, "3.11.2", {"numpy": "2.0.0"}),
        cost.Sizes(12345, 36.5, 23.0, 515_000),
        {cost.WHOLE_WAY: Timing(1000, 1100, 7), cost.NAIVE_WAY: Timing(4000, 4400, 7)},
        {"import": Start(0.25, 0.5, 71, 3)},
    )
    text = cost.as_markdown(costs)
    assert costs.ratio == 4
    assert "| 12,345 |" in text
    assert f"| {cost.WHOLE_WAY} | 1,000 | 1,100 | 7 |" in text
    assert "| 4.0 × |" in text
    assert "| import | 0.25 | 0.50 | 71 | 3 |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3, 5, 6}


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_rounds_must_be_a_count(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cost.main(["--rounds", rounds])
    assert caught.value.code == 2
    assert "--rounds" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_prints_markdown_and_writes_json(tmp_path: Path) -> None:
    output = tmp_path / "cost.json"
    options = ["--rounds", "1", "--starts", "1", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cost", *options],
        cwd=Path(cost.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures = json.loads(output.read_text(encoding="utf-8"))
    assert set(figures) == {"machine", "sizes", "stages", "starts"}
    assert figures["stages"][cost.NAIVE_WAY]["cpu_us"] > 0
    assert len(figures["starts"]) == 2
    # Ours starts without torch.
    ours, naive = figures["starts"].values()
    assert ours["peak_rss_mb"] < naive["peak_rss_mb"] / 2
    for name in figures["stages"]:
        assert re.search(rf"^\| {re.escape(name)} \|( [\d,]+ \|){{3}}$", done.stdout, re.MULTILINE)
