"""Marks are read, and refused where they contradict each other or are too few."""

from pathlib import Path

import pytest

from audio_model.audio import Channel
from audio_model.errors import UsageError
from audio_model.line.marks import LabelledCall, Marks, check
from audio_model.tables.readers import TheirNames
from tests.line.lines import write_table

Row = dict[str, object]


def row(path: str, label: object, source: str = "a", **more: object) -> Row:
    return {"path": path, "label": label, "source": source, **more}


def test_labels_channels_and_groups_are_read(tmp_path: Path) -> None:
    table = write_table(
        tmp_path / "m.csv",
        [
            row("a.wav", "recorded", "x", group="g", channel="left"),
            row("b.wav", "0", "y", group="", channel=""),
            row("c.wav", "LIVE", "z", group="", channel="Right"),
        ],
    )
    first, second, third = Marks().read([table]).marks
    assert first == LabelledCall(str(tmp_path / "a.wav"), 1, "x", "g", Channel.LEFT)
    assert (second.label, second.group, second.channel) == (0, "y", Channel.MIX)
    assert (third.label, third.channel) == (0, Channel.RIGHT)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_marks_of_a_spreadsheet_are_read(tmp_path: Path, encoding: str) -> None:
    """Its columns in capitals, its words, the tables of two months one behind the other."""
    header = "Path;LABEL;Source;Channel"
    rows = [header, "客户.wav;真人;张三;left", ";;;", header, "b.wav;1.0;营销;", "c.wav;;李四;"]
    file = tmp_path / "m.csv"
    file.write_bytes("\r\n".join(rows).encode(encoding))
    found = Marks().read([str(file)])
    assert [(mark.label, mark.source) for mark in found.marks] == [(0, "张三"), (1, "营销")]
    assert found.marks[0].channel is Channel.LEFT
    assert (found.problems, found.unmarked) == ([], 1)


def test_columns_of_other_names_are_told_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("文件,人工标注,主叫\na.wav,录音,95588\n", encoding="gb18030")
    columns = {"path": "文件", "label": "人工标注", "source": "主叫"}
    (mark,) = Marks().read([str(file)], TheirNames(columns)).marks
    assert (mark.label, mark.source) == (1, "95588")
    (problem,) = Marks().read([str(file)], TheirNames({"path": "文件"})).problems
    assert 'no column named "label"' in problem


def test_every_row_that_is_of_no_use_is_told_and_the_others_stay(tmp_path: Path) -> None:
    table = write_table(
        tmp_path / "m.csv",
        [
            row("a.wav", "robot", channel=""),
            row("b.wav", "live", ""),
            row("c.wav", "live", channel="both"),
            row("", "live"),
            row("d.wav", ""),
            row("e.wav", "live"),
            row("e.wav", "live"),
        ],
    )
    found = Marks().read([table])
    assert [Path(mark.path).name for mark in found.marks] == ["e.wav"]
    assert (found.unmarked, found.repeated) == (1, 1)
    problems = "\n".join(found.problems)
    for said in ("'robot'", "no source", "'both'", 'path is ""'):
        assert said in problems
    assert len(found.problems) == 4


def test_a_recording_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"call\.wav: marks are a manifest"):
        Marks().read([str(tmp_path / "call.wav")])


def test_a_manifest_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"marks\.csv: no such file"):
        Marks().read([str(tmp_path / "marks.csv")])


def marks(live: int, recorded: int) -> list[LabelledCall]:
    return [LabelledCall(f"l{n}.wav", 0, f"l{n}", f"l{n}") for n in range(live)] + [
        LabelledCall(f"r{n}.wav", 1, f"r{n}", f"r{n}") for n in range(recorded)
    ]


def test_enough_marks_are_accepted() -> None:
    check(marks(3, 3))
    check(marks(3, 3), [f"{n}" for n in range(6)])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no call is marked: both"),
        (marks(5, 0), "no call is marked recorded"),
        (marks(0, 5), "no call is marked live"),
        (marks(5, 1), "all calls marked recorded come from one source"),
        (
            [*marks(5, 0), *(LabelledCall(f"{n}.wav", 1, "ivr", f"{n}") for n in range(9))],
            r"\(ivr\)",
        ),
        (marks(2, 5), "calls marked live come from 2 groups; at least 3"),
        (
            [*marks(3, 3), LabelledCall("l0.wav", 1, "x", "x")],
            r"call l0\.wav is marked live and recorded",
        ),
    ],
)
def test_refusals_are_named(given: list[LabelledCall], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(given)


def test_a_source_may_call_with_recordings_and_with_people() -> None:
    check([*marks(3, 3), LabelledCall("x.wav", 1, "x", "l1")])


def test_the_same_sound_marked_both_ways_is_refused() -> None:
    with pytest.raises(UsageError, match=r"audio of l0\.wav .* \(r0\.wav\)"):
        check(marks(3, 3), ["same", "b", "c", "same", "e", "f"])


def test_both_legs_of_a_call_may_differ() -> None:
    legs = [
        LabelledCall("call.wav", n, f"s{n}", f"s{n}", c)
        for n, c in enumerate((Channel.LEFT, Channel.RIGHT))
    ]
    check(
        [
            *marks(3, 3),
            *(LabelledCall(m.path, m.label, m.source, m.group, Channel(m.channel)) for m in legs),
        ]
    )
