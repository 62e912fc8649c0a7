"""The table of a toy run."""

import json
from pathlib import Path

import pytest

from tests import runs
from training.rivals import __main__ as command
from training.rivals import plain_cnn
from training.rivals.compare import all_rivals


@pytest.mark.slow
def test_peers_stand_beside_our_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_cnn, "BATCH_SIZE", 8)
    monkeypatch.setattr(plain_cnn, "DRAWS", 40)
    run, config = runs.write(tmp_path)
    assert command.main([str(run), "--config", str(config)]) == 0
    figures = json.loads((run / "rivals.json").read_text(encoding="utf-8"))
    assert list(figures) == ["one", "two"]
    for fold in figures.values():
        assert list(fold) == [command.NAME, *(rival.name for rival in all_rivals())]
        for of_rival in fold.values():
            assert {name: of["takes"] for name, of in of_rival.items()} == {
                "raw": 10,
                "matched": 10,
            }
        # The network was fitted to voices of these kinds: played ones and live ones.
        assert fold[command.NAME]["raw"]["eer"]["value"] < 0.25
    assert "| this project |" in (run / "rivals.md").read_text(encoding="utf-8")


def test_a_run_without_answers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = runs.write(tmp_path, voices=3, seconds=0.5)
    (run / "folds" / "one" / "answers_test.npz").unlink()
    assert command.main([str(run), "--config", str(config)]) == 2
    assert "answers_test.npz" in capsys.readouterr().err
