import csv
import io
import math
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from audio_model.errors import StoreError, UsageError
from audio_model.known import campaigns_command, command, fingerprint_files
from audio_model.known.fingerprint import fingerprint
from audio_model.known.fingerprint_files import FileFingerprint, fingerprint_entries
from audio_model.known.recording import LearntBy
from audio_model.known.sounds import sounds
from audio_model.known.store import Store
from audio_model.tables.rows import Entry
from tests.known.calls import cut, played, spoken
from tests.sounds import SAMPLE_RATE, tone

ONE, TWO = spoken(6, seed=1), spoken(6, seed=2)


def known(*arguments: str | Path) -> int:
    parser = ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def campaigns(*arguments: str | Path) -> int:
    return known("campaigns", *arguments)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, SAMPLE_RATE)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "known.db"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write(tmp_path / "one.wav", ONE)


def test_add_match_list_remove(
    store: Path, one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write(tmp_path / "two.wav", TWO)
    assert known("add", store, one, two) == 0
    capsys.readouterr()

    call = write(tmp_path / "call.wav", played(cut(TWO, 2, 3), seed=0))
    other = write(tmp_path / "other.wav", spoken(4, seed=9))
    assert known("match", store, call, other) == 0
    hit, miss = table(capsys.readouterr().out)
    assert (hit["path"], hit["name"]) == (str(call), str(two))
    assert float(hit["offset"]) == pytest.approx(2, abs=0.03)
    assert float(hit["matched_seconds"]) == pytest.approx(3, abs=0.6)
    assert (miss["path"], miss["recording"], miss["error"]) == (str(other), "", "")

    assert known("remove", store, hit["recording"]) == 0
    assert known("list", store) == 0
    (left,) = table(capsys.readouterr().out)
    assert left["name"] == str(one)
    assert known("remove", store, one) == 0
    assert known("list", store) == 0
    assert table(capsys.readouterr().out) == []


def test_what_is_known_is_not_added_again(
    store: Path, one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = write(tmp_path / "again.wav", played(ONE, seed=4))
    assert known("add", store, one, again) == 0
    assert f"again.wav: known as 1 ({one})" in capsys.readouterr().out
    with Store(store) as opened:
        assert len(opened) == 1


def test_what_cannot_be_read_is_told_and_the_rest_is_done(
    store: Path, one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    beep = write(tmp_path / "beep.wav", tone(3, 440))
    assert known("add", store, broken, beep, one) == 1
    told = capsys.readouterr()
    assert "broken.wav: " in told.err and "beep.wav: too little to find it again" in told.err
    assert f"{one}: 1" in told.out
    assert known("match", store, broken, one) == 1
    first, second = table(capsys.readouterr().out)
    assert first["error"] and not second["error"]
    assert second["recording"] == "1"


def test_remove_is_all_or_nothing(store: Path, one: Path) -> None:
    known("add", store, one)
    with pytest.raises(StoreError, match="no recording 17"):
        known("remove", store, one, "17")
    with Store(store) as opened:
        assert len(opened) == 1


def test_remove_by_age_and_number_takes_what_was_learnt(store: Path, one: Path) -> None:
    known("add", store, one)
    day = 86_400.0
    with Store(store) as opened:
        for n, seed in enumerate(range(10, 15)):
            codes = fingerprint(spoken(3, seed)).codes
            opened.add(f"learnt {n}", codes, n * day, learnt=LearntBy.REPETITION)
    assert known("remove", store, "--unheard-days", "2.5") == 0
    with Store(store) as opened:
        assert [known.name for known in opened.recordings()][1:] == [
            f"learnt {n}" for n in (2, 3, 4)
        ]
    assert known("remove", store, "--beyond", "1") == 0
    with Store(store) as opened:
        assert [known.name for known in opened.recordings()] == [str(one), "learnt 4"]
    for wrong in ((), ("--unheard-days", "0"), ("--unheard-days", "nan"), ("--beyond", "-1")):
        with pytest.raises(UsageError, match="--unheard-days"):
            known("remove", store, *wrong)


def test_merge(store: Path, one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.db"
    known("add", store, one)
    known("add", other, write(tmp_path / "two.wav", TWO))
    assert known("merge", store, other) == 0
    assert "other.db: 1 recordings" in capsys.readouterr().out
    with Store(store) as opened:
        assert len(opened) == 2
    assert known("merge", store, other) == 0
    assert "other.db: 0 recordings, 1 known already" in capsys.readouterr().out
    with Store(store) as opened:
        assert len(opened) == 2
    with pytest.raises(StoreError, match="into itself"):
        known("merge", store, store)


def test_mark(store: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known("add", store, one)
    assert known("mark", store, "1", "allowed") == 0
    capsys.readouterr()
    known("list", store)
    assert [row["mark"] for row in table(capsys.readouterr().out)] == ["allowed"]
    known("match", store, one)
    (row,) = table(capsys.readouterr().out)
    assert (row["mark"], row["repeats"], row["speed"]) == ("allowed", "message", "1")
    assert row["pieces"].endswith("@0.000")
    assert known("mark", store, one, "campaign") == 0
    with Store(store) as opened:
        assert [recording.mark for recording in opened.recordings()] == ["campaign"]
    assert known("mark", store, "1", "none") == 0
    with Store(store) as opened:
        (recording,) = opened.recordings()
    assert not recording.mark and not recording.may_recur
    with pytest.raises(StoreError, match="no recording 17"):
        known("mark", store, "17", "allowed")


def test_sounds_that_come_with_the_product(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert known("sounds", store) == 0
    assert known("sounds", store) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{len(sounds())} new sounds are allowed")
    assert second.endswith(": 0 new sounds are allowed")
    known("list", store)
    assert {row["mark"] for row in table(capsys.readouterr().out)} == {"allowed"}


def test_a_time_that_cannot_be_read_is_told_and_not_guessed(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(3):
        write(tmp_path / f"{n}.wav", played(ONE, n))
    manifest = tmp_path / "calls.csv"
    manifest.write_text("path,time\n0.wav,yesterday\n1.wav,\n2.wav,1760000500\n")
    assert known("add", store, manifest) == 1
    told = capsys.readouterr()
    assert "0.wav: its time can't be read: yesterday; it is added without one" in told.err
    with Store(store) as opened:
        (recording,) = opened.recordings()
    assert recording.name.endswith("0.wav")
    assert math.isnan(recording.first_heard) and math.isnan(recording.last_heard)
    known("list", store)
    (listed,) = table(capsys.readouterr().out)
    assert (listed["first_heard"], listed["last_heard"]) == ("", "")
    output = tmp_path / "campaigns.csv"
    assert campaigns(manifest, "--output", output) == 1
    assert "3 calls: 3 in 1 campaigns, 0 alone, 1 errors" in capsys.readouterr().err
    rows = table(output.read_text())
    assert [row["campaign"] for row in rows] == ["1", "1", "1"]
    assert [row["error"] for row in rows] == ["its time can't be read: yesterday", "", ""]


def test_what_databases_write_for_no_time_is_no_error(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "0.wav", played(ONE, 0))
    write(tmp_path / "1.wav", played(ONE, 1))
    manifest = tmp_path / "calls.csv"
    manifest.write_text("path,time\n0.wav,0000-00-00 00:00:00\n1.wav,1760000500\n")
    assert known("add", store, manifest) == 0
    assert not capsys.readouterr().err
    with Store(store) as opened:
        (recording,) = opened.recordings()
    assert math.isnan(recording.first_heard)
    output = tmp_path / "campaigns.csv"
    assert campaigns(manifest, "--output", output) == 0
    assert [row["error"] for row in table(output.read_text())] == ["", ""]
    (summary,) = table((tmp_path / "campaigns.summary.csv").read_text())
    assert summary["first"] == summary["last"] == "2025-10-09T09:01:40+00:00"


def test_a_recording_that_processes_die_of_is_named_and_the_rest_is_done(
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def some_die(
        function: Callable[[Entry], FileFingerprint],
        entries: Iterable[Entry],
        lost: Callable[[Entry], FileFingerprint],
    ) -> Iterator[FileFingerprint]:
        for entry in entries:
            yield lost(entry) if entry.path.endswith("deadly.wav") else function(entry)

    monkeypatch.setattr(fingerprint_files, "map_on_all_cpus", some_die)
    write(tmp_path / "deadly.wav", played(TWO, 2))
    write(tmp_path / "one.wav", played(ONE, 0))
    write(tmp_path / "two.wav", played(ONE, 1))
    assert known("add", store, tmp_path) == 1
    assert "deadly.wav: the process that read it died of it, twice" in capsys.readouterr().err
    with Store(store) as opened:
        assert [Path(recording.name).name for recording in opened.recordings()] == ["one.wav"]
    output = tmp_path / "campaigns.csv"
    assert campaigns(*sorted(tmp_path.glob("*.wav")), "--output", output) == 1
    rows = table(output.read_text())
    assert [row["campaign"] for row in rows] == ["", "1", "1"]
    assert rows[0]["error"].startswith("the process that read it died of it")


def test_the_summary_of_campaigns_is_added(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls").mkdir()
    Path("out").mkdir()
    for n in range(2):
        write(Path(f"calls/{n}.wav"), played(ONE, n))
    Path("calls.csv").write_text("path,time\ncalls/0.wav,1760000500\ncalls/1.wav,1760000100\n")
    assert campaigns("calls.csv", "--output", "out/campaigns.csv") == 0
    assert known("add", store, "out/campaigns.summary.csv") == 0
    with Store(store) as opened:
        (recording,) = opened.recordings()
    assert Path(recording.name).name in ("0.wav", "1.wav")
    assert recording.first_heard == 1760000100


@pytest.mark.parametrize("action", [("match", "x.wav"), ("list",), ("remove", "1")])
def test_only_add_and_merge_make_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: tuple[str, ...]
) -> None:
    missing = tmp_path / "missing.db"
    with pytest.raises(StoreError, match="no such store"):
        known(action[0], missing, *action[1:])
    assert not missing.exists()
    assert capsys.readouterr().out == ""


def test_campaigns_of_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.wav", played(ONE, 0))
    write(tmp_path / "b.wav", spoken(5, seed=40))
    write(tmp_path / "c.wav", played(cut(ONE, 2, 4), 1))
    (tmp_path / "d.wav").write_bytes(b"no audio")
    manifest = tmp_path / "calls.csv"
    manifest.write_text(
        "path,time\na.wav,2024-05-01T10:00:00+00:00\nb.wav,1714561300\nc.wav,1714561200\nd.wav,1714561400\n"
    )
    output = tmp_path / "campaigns.csv"
    assert campaigns(manifest, "--output", output) == 1
    assert "4 calls: 2 in 1 campaigns, 1 alone, 1 errors" in capsys.readouterr().err

    rows = table(output.read_text())
    assert list(rows[0]) == ["path", "campaign", "offset", "matched_seconds", "error", "time"]
    assert [Path(row["path"]).name for row in rows] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert [row["campaign"] for row in rows] == ["1", "", "1", ""]
    assert float(rows[0]["offset"]) == 0
    assert float(rows[2]["offset"]) == pytest.approx(2, abs=0.03)
    assert [bool(row["error"]) for row in rows] == [False, False, False, True]

    (summary,) = table((tmp_path / "campaigns.summary.csv").read_text())
    assert (summary["campaign"], summary["calls"]) == ("1", "2")
    assert summary["first"] == "2024-05-01T10:00:00+00:00"
    assert summary["last"] == "2024-05-01T11:00:00+00:00"
    assert summary["exemplar"].endswith("a.wav")

    root = ElementTree.parse(tmp_path / "campaigns.svg").getroot()
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 2


def test_the_manifests_columns_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", played(ONE, 0))
    manifest = tmp_path / "calls.csv"
    manifest.write_text("path,caller,called,score,error\na.wav,100,200,0.7,\nb.wav,,201,,old\n")
    output = tmp_path / "campaigns.csv"
    assert campaigns(manifest, "--output", output) == 1
    first, second = table(output.read_text())
    assert [first[name] for name in ("caller", "called", "score")] == ["100", "200", "0.7"]
    assert second["error"] == "no such file" and second["manifest_error"] == "old"
    assert second["called"] == "201"


def test_campaigns_go_on_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calls").mkdir()
    for n in range(6):
        write(tmp_path / "calls" / f"{n}.wav", played(ONE if n % 3 else cut(ONE, n / 3, 4), n))
    once, again = tmp_path / "once.csv", tmp_path / "again.csv"
    assert campaigns(tmp_path / "calls", "--output", once) == 0
    hear = fingerprint_entries

    def heard(limit: int) -> list[str]:
        """Hear so many calls, then stop; the paths of those that were heard."""
        paths: list[str] = []

        def some(entries: Iterable[Entry], max_seconds: float) -> Iterator[FileFingerprint]:
            for one in hear(entries, max_seconds):
                if len(paths) == limit:
                    raise KeyboardInterrupt
                paths.append(one.entry.path)
                yield one

        monkeypatch.setattr(campaigns_command, "fingerprint_entries", some)
        return paths

    first = heard(4)
    with pytest.raises(KeyboardInterrupt):
        campaigns(tmp_path / "calls", "--output", again)
    assert not again.exists() and (tmp_path / "again.heard.partial").exists()
    rest = heard(100)
    assert campaigns(tmp_path / "calls", "--output", again) == 0
    assert (len(first), len(rest)) == (4, 2)
    assert "goes on after 4 calls" in capsys.readouterr().err
    for ending in ("csv", "summary.csv", "svg"):
        one, two = once.with_suffix(f".{ending}"), again.with_suffix(f".{ending}")
        assert one.read_text() == two.read_text()
    assert not list(tmp_path.glob("*.partial*"))

    # What was heard for other calls is of no use.
    heard(2)
    with pytest.raises(KeyboardInterrupt):
        campaigns(tmp_path / "calls", "--output", again)
    everything = heard(100)
    assert campaigns(tmp_path / "calls", "--output", again, "--max-seconds", "5") == 0
    assert len(everything) == 6


def test_an_archive_without_campaigns_has_an_empty_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "alone.wav", ONE)
    output = tmp_path / "campaigns.csv"
    assert campaigns(path, "--output", output) == 0
    assert table(output.read_text())[0]["campaign"] == ""
    assert table((tmp_path / "campaigns.summary.csv").read_text()) == []
    assert "no campaigns" in (tmp_path / "campaigns.svg").read_text()


def test_wrong_usage(tmp_path: Path, one: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.csv"):
        campaigns(one, "--output", tmp_path / "campaigns.txt")
    with pytest.raises(UsageError, match="max_seconds"):
        campaigns(one, "--output", tmp_path / "campaigns.csv", "--max-seconds", "0")
