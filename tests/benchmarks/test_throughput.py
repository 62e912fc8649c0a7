import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from audio_model.model import Model
from audio_model.tables.rows import Columns
from audio_model.tables.writers import open_output
from benchmarks import cost, throughput
from benchmarks.machine import Machine
from benchmarks.throughput import BESIDE, DEFAULT, FAIR, FORMATS, LOG_MEL, MODEL, OURS, SGEMM
from benchmarks.timing import Timing, interleaved

STAGES = {
    throughput.OPEN,
    throughput.READ,
    throughput.RESAMPLE,
    LOG_MEL,
    MODEL,
    throughput.DECIDE,
    throughput.WRITE,
    throughput.BATCHED,
    throughput.LIBROSA_LOG_MEL,
    throughput.SILERO,
    throughput.PAGE_CACHE,
    SGEMM,
}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    throughput.write_recordings(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_stage_and_format_of_ours_runs(recordings: Path) -> None:
    model = Model.load()
    whole = throughput.whole_way(model, recordings)
    pipelines = (OURS, BESIDE, FAIR, DEFAULT)
    assert set(whole) == {(name, pipeline) for name in FORMATS for pipeline in pipelines}
    ours = {name: task for (name, pipeline), task in whole.items() if pipeline == OURS}
    ours[BESIDE] = whole["WAV, µ-law", BESIDE]
    with closing(open_output(str(recordings / "rows.jsonl"), Columns(each_channel=False))) as rows:
        stages = throughput.stages_of(model, recordings, rows)
        assert set(stages) == STAGES
        # librosa's first call takes seconds; the slow test has it.
        del stages[throughput.LIBROSA_LOG_MEL]
        timings = interleaved(ours | stages, rounds=1)
    assert all(timing.cpu_us > 0 for timing in timings.values())


def figures() -> throughput.Throughput:
    stages = dict.fromkeys(STAGES, Timing(10, 11, 7))
    # sgemm at 100 GFLOP/s; the network at 36.5 MFLOP in 500 µs, 73.
    stages |= {
        LOG_MEL: Timing(400, 410, 7),
        MODEL: Timing(900, 910, 7),
        SGEMM: Timing(2 * 512**3 / 1e5, 3000, 7),
    }
    return throughput.Throughput(
        Machine("a processor", 2, 0.5, "3.11.2", {"numpy": "2.0.0"}),
        cost.Sizes(12345, 36.5, 23.0, 515_000),
        {
            name: {
                OURS: Timing(1000, 1100, 7),
                BESIDE: Timing(800, 820, 7),
                FAIR: Timing(5000, 5100, 7),
                DEFAULT: Timing(12_000, 12_100, 7),
            }
            for name in FORMATS
        },
        stages,
    )


def test_ratios() -> None:
    result = figures()
    assert result.ratio("WAV, µ-law", FAIR) == 5
    assert result.ratio("WAV, µ-law", DEFAULT) == 12
    assert result.ratio("WAV, µ-law", DEFAULT, BESIDE) == 15
    assert result.sgemm_gflops == pytest.approx(100)
    assert result.share_of_sgemm(MODEL) == pytest.approx(0.73)


def test_markdown_holds_every_figure() -> None:
    text = throughput.as_markdown(figures())
    row = "| WAV, µ-law | 1,000 | 1,100 | 1,000 | 5,000 | 12,000 | 5.0 | 5 | 12.0"
    assert f"{row} | 800 | 6.2 | 15.0 |" in text.splitlines()
    assert f"| {MODEL} | 900.0 | 90% |" in text
    assert f"| {throughput.SILERO} | 10.0 |  |" in text
    assert "reaches 73%" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {4, 13}


@pytest.mark.slow
def test_the_command_prints_markdown_and_writes_json(tmp_path: Path) -> None:
    output = tmp_path / "throughput.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.throughput", "--rounds", "1", "--output", str(output)],
        cwd=Path(throughput.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result = json.loads(output.read_text(encoding="utf-8"))
    assert set(result["whole"]) == set(FORMATS)
    assert set(result["stages"]) == STAGES
    for name in FORMATS:
        assert re.search(rf"^\| {re.escape(name)} \|( [\d,.]* ?\|)+$", done.stdout, re.MULTILINE)
