from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_model.report import slices
from audio_model.report.slices import (
    Slice,
    SliceBy,
    SliceKind,
    day_of,
    folder_of,
    group_folders,
    guess_slices,
)
from audio_model.tables.results import Outcome
from tests.report import made

FOLDERS = SliceBy(SliceKind.FOLDER)


def guessed(**columns: Sequence[object]) -> list[tuple[SliceKind, str]]:
    length = max(map(len, columns.values()))
    rows = [
        made.result(carried={name: values[n % len(values)] for name, values in columns.items()})
        for n in range(20 * length)
    ]
    return [(by.kind, by.column) for by in guess_slices(rows)[1:]]


def test_columns_are_known_by_name_and_content() -> None:
    numbers = [f"+86 138 0000 {n:04}" for n in range(50)]
    assert guessed(
        started_at=["2026-05-01T10:00:00Z", "2026-05-02 11:00"],
        caller=numbers,
        language=["zh", "en"],
        score_of_agent=[str(n / 7) for n in range(50)],
    ) == [
        (SliceKind.DAY, "started_at"),
        (SliceKind.PREFIX, "caller"),
        (SliceKind.NUMBER, "caller"),
        (SliceKind.CATEGORY, "language"),
    ]
    assert guessed(主叫号码=numbers, 通话日期=["2026年5月1日", "2026年5月2日"]) == [
        (SliceKind.DAY, "通话日期"),
        (SliceKind.PREFIX, "主叫号码"),
        (SliceKind.NUMBER, "主叫号码"),
    ]
    assert guessed(called=numbers, caller=[*numbers, "anonymous"]) == [
        (SliceKind.NUMBER, "called"),
        (SliceKind.PREFIX, "caller"),
        (SliceKind.NUMBER, "caller"),
    ]


def test_callers_are_numbers_though_many_of_them_cannot_be_read() -> None:
    masked = [f"139****{n:04}" for n in range(30)]
    numbers = [f"+86 138 0000 {n:04}" for n in range(10)]
    slices = [(SliceKind.PREFIX, "caller"), (SliceKind.NUMBER, "caller")]
    assert guessed(caller=[*masked, *numbers]) == slices
    assert guessed(caller=[*masked, *(["anonymous"] * 20), *numbers]) == slices
    # Where calls come from may be a city, and a name is no number.
    assert guessed(**{"from": [*masked, *numbers]}) == []
    assert guessed(caller=[f"agent {n}" for n in range(40)]) == []


def test_numbers_are_one_however_they_are_written() -> None:
    by = SliceBy(SliceKind.NUMBER, "caller")
    written = ["+86 139-1234-5678", "0086 13912345678", 13912345678.0, "'13912345678"]
    rows = [made.result(carried={"caller": each}) for each in written]
    assert {by.group_of(row) for row in rows} == {"+8613912345678"}


def test_a_name_alone_makes_no_slice() -> None:
    words = [f"word {n}" for n in range(50)]
    assert guessed(date=words, caller=words) == []
    # Ten digits are a time only where the column says so.
    assert guessed(amount=[f"17{n:08}" for n in range(50)]) == []


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-05-01", date(2026, 5, 1)),
        ("2026/5/1 10:00", date(2026, 5, 1)),
        ("20260501T101500", date(2026, 5, 1)),
        ("20260501", date(2026, 5, 1)),
        (1777593600, date(2026, 5, 1)),
        ("1777593600000", date(2026, 5, 1)),
        (1777593600000000, date(2026, 5, 1)),
        ("46143.25", date(2026, 5, 1)),
        ("2026-13-01", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_days(value: object, day: date | None) -> None:
    assert day_of(value) == day


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("a.wav", "."),
        ("/calls/b/a.wav", "/calls/b"),
        ("s3://bucket/calls/a.wav", "s3://bucket/calls"),
        ("zip://b/a.wav::calls.zip", "calls.zip/b"),
        ("tar://a.wav::s3://bucket/calls.tar", "s3://bucket/calls.tar/"),
    ],
)
def test_folders(path: str, folder: str) -> None:
    assert folder_of(path) == folder


folders = st.sets(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join))


@given(folders, st.integers(1, 5))
def test_folders_are_grouped_by_those_above(names: set[str], most: int) -> None:
    grouped = group_folders(names, most)
    assert grouped.keys() == names
    for folder, above in grouped.items():
        assert folder == above or folder.startswith(above + "/")
    # More are told apart than wanted only where the level above would tell none.
    if len(set(grouped.values())) > most:
        level = {above.count("/") for above in grouped.values()}
        assert len({"/".join(folder.split("/")[: max(level)]) for folder in names}) == 1


def test_beyond_the_limit_groups_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_GROUPS", 2)
    each = Slice(FOLDERS)
    for folder in ("a", "b", "c", "a", "d"):
        each.add(made.result(f"{folder}/x.wav"))
    assert each.groups == {"a": {Outcome.RECORDED: 2}, "b": {Outcome.RECORDED: 1}}
    assert each.beyond == {Outcome.RECORDED: 2}
