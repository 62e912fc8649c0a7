import shutil
from pathlib import Path

from audio_model.line.hear import hear_marks
from audio_model.line.marks import read_marks
from audio_model.model import Model
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
    marks = read_marks([write_table(tmp_path / "m.csv", rows)]).marks
    heard = hear_marks(Model.load(model_path), marks)
    assert heard.repeated == 2
    groups = {Path(mark.path).stem: mark.group for mark in heard.marks}
    assert groups["001"] == groups["003"] == "recorded 3"
    assert groups["005"] == "recorded 5"
    assert [answer.group for answer in heard.answers] == [mark.group for mark in heard.marks]
    # Two calls of one group count as one.
    assert [answer.weight for answer in heard.answers] == [1, 0.5, 1, 0.5, 1, 1]
