"""The table of a toy run."""

import json
from pathlib import Path

import pytest

from tests.training import runs
from training.rivals import __main__ as command
from training.rivals import plain_cnn
from training.rivals.compare import all_rivals
from training.rivals.ours import NAME


@pytest.mark.slow
def test_rivals_stand_beside_our_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_cnn, "BATCH_SIZE", 8)
    monkeypatch.setattr(plain_cnn, "DRAWS", 40)
    run, config = runs.write(tmp_path)
    assert command.main([str(run), "--config", str(config)]) == 0
    figures = json.loads((run / "rivals.json").read_text(encoding="utf-8"))
    assert list(figures) == [NAME, *(rival.name for rival in all_rivals())]
    for of_rival in figures.values():
        for condition in ("raw", "matched"):
            takes = {name: of_rival[condition][name]["takes"] for name in ("all", "lines")}
            assert takes == {"all": 20, "lines": 20}
    # The network was fitted to voices of these kinds: played ones and live ones.
    assert figures[NAME]["raw"]["all"]["eer"]["value"] < 0.25
    assert "| this project |" in (run / "rivals.md").read_text(encoding="utf-8")


def test_a_run_that_is_not_evaluated_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = runs.unevaluated(tmp_path, voices=3, seconds=0.5)
    assert command.main([str(run), "--config", str(config)]) == 2
    assert "training.evaluate" in capsys.readouterr().err
