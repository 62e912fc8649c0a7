import shutil
from pathlib import Path

import numpy as np
import pytest

from audio_model.detector import Detector
from audio_model.line.hear import hear_marks
from audio_model.line.marks import Marks
from audio_model.model import Model
from tests import clips, sounds
from tests.line.lines import write_calls, write_table


def test_groups_that_share_a_call_are_one(model_path: Path, tmp_path: Path) -> None:
    rows = write_calls(tmp_path, 6)
    copy = tmp_path / "copy.wav"
    shutil.copy(rows[1]["path"], copy)
    # The desk names the call, labels the campaign that it is of; another call is of that alone.
    rows += [
        {"path": str(copy), "label": "recorded", "source": "campaign 1"},
        {"path": rows[3]["path"], "label": "recorded", "source": "campaign 1"},
    ]
    marks = Marks().read([write_table(tmp_path / "m.csv", rows)]).marks
    heard = hear_marks(Model.load(model_path), marks)
    assert heard.repeated == 2
    groups = {Path(mark.path).stem: mark.group for mark in heard.marks}
    assert groups["001"] == groups["003"] == "recorded 3"
    assert groups["005"] == "recorded 5"
    assert [answer.group for answer in heard.answers] == [mark.group for mark in heard.marks]
    # Two calls of one group count as one.
    assert [answer.weight for answer in heard.answers] == [1, 0.5, 1, 0.5, 1, 1]


@pytest.mark.parametrize("lead", [0.0, 0.4, 5.0])
def test_a_call_is_heard_as_the_detector_hears_it(
    model_path: Path, tmp_path: Path, lead: float
) -> None:
    call = np.concatenate([sounds.silence(lead), sounds.voice(8, 3, played=True)])
    path = clips.write(tmp_path / "call.wav", call)
    rows = [{"path": str(path), "label": "recorded", "source": "s"}]
    marks = Marks().read([write_table(tmp_path / "m.csv", rows)]).marks
    (answer,) = hear_marks(Model.load(model_path), marks).answers
    verdict = Detector.load(model_path).score(path)
    assert answer.seconds == 6
    assert len(answer.steps) == len(verdict.evidence.times) == 75
    assert answer.steps.logit[-1] == pytest.approx(verdict.logit, abs=1e-4)
