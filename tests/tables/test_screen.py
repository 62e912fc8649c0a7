import io
import math
import os
from dataclasses import replace

import pytest

from audio_model.audio import Channel
from audio_model.decision import Reason, VerdictKind
from audio_model.errors import OutputError
from audio_model.tables.rows import Entry, Row
from audio_model.tables.screen import TableWriter, display_width, elide_left
from tests.fake_detector import VERDICT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def table(stream: io.StringIO, *rows: Row, each_channel: bool = False) -> list[str]:
    writer = TableWriter(stream, each_channel=each_channel)
    for row in rows:
        writer.write(row)
    return stream.getvalue().splitlines()


def test_width_counts_columns_of_a_terminal() -> None:
    assert display_width("abc") == 3
    assert display_width("来电a") == 5
    assert display_width("e\u0301") == 1


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("calls/a.wav", 11, "calls/a.wav"),
        ("calls/a.wav", 8, "…s/a.wav"),
        ("来电录音", 6, "…录音"),
        ("来电录音", 5, "…录音"),
        ("来电录音", 4, "…音"),
    ],
)
def test_paths_lose_their_beginning(text: str, width: int, expected: str) -> None:
    assert elide_left(text, width) == expected
    assert display_width(elide_left(text, width)) <= width


def test_a_terminal_shows_aligned_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = table(
        Terminal(),
        Row(Entry("a.wav"), VERDICT),
        Row(Entry("来电/" + "录音" * 20 + ".wav"), VERDICT),
        Row(Entry("a\n\x1b[31mb\udcff.wav"), error="no such file"),
    )
    header, first, chinese, last = lines
    assert header.split() == ["path", "verdict", "score", "speech", "decided", "reason"]
    assert first.split() == ["a.wav", "recorded", "0.3000", "1.5s", "0.48s"]
    assert display_width(chinese.split("recorded")[0]) == first.index("recorded")
    assert chinese.startswith("…")
    assert last.split(" ")[0] == r"a\n\x1b[31mb\udcff.wav"
    assert last.endswith("no such file")
    assert all(display_width(line) <= 80 for line in lines)


def test_elsewhere_paths_are_whole() -> None:
    long = "calls/" + "x" * 100 + ".wav"
    _, line = table(io.StringIO(), Row(Entry(long), VERDICT))
    assert line.startswith(long)


def test_what_is_missing_is_blank() -> None:
    silent = replace(
        VERDICT,
        verdict=VerdictKind.UNKNOWN,
        score=math.nan,
        decided_at=None,
        reason=Reason.SILENCE,
    )
    _, line = table(io.StringIO(), Row(Entry("a.wav"), silent))
    assert line.split() == ["a.wav", "unknown", "1.5s", "silence"]


def test_channels_are_told_apart() -> None:
    rows = [Row(Entry("a.wav"), VERDICT, channel) for channel in (Channel.LEFT, Channel.RIGHT)]
    lines = table(io.StringIO(), *rows, each_channel=True)
    assert [line.split()[1] for line in lines] == ["channel", "left", "right"]


def test_a_full_disk_behind_standard_output_is_an_output_error() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    stream = io.TextIOWrapper(io.FileIO(descriptor, "w"), write_through=True)
    with pytest.raises(OutputError, match="standard output: No space left on device"):
        TableWriter(stream, each_channel=False).write(Row(Entry("a.wav"), VERDICT))
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    stream.close()
