"""Corpora of a table, from origins on this machine to clips and their manifest."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.audio import read
from tests import sounds
from tests.training.corpora.origin import publish, served
from training.corpora import public
from training.corpora.errors import CorpusError
from training.corpora.public import Address, PublicCorpus
from training.corpora.write import Folder
from training.data import manifest

CORPUS = PublicCorpus(label="live", kind="read", licence="CC0", language="en")


def wav(samples: sounds.Samples, sample_rate: int = 8000) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, format="WAV", subtype="FLOAT")
    return content.getvalue()


def later(seconds: float, speech_seconds: float = 3.0, seed: int = 0) -> sounds.Samples:
    """Silence, then speech."""
    return np.concatenate([sounds.silence(seconds), sounds.voice(speech_seconds, seed)])


def published(folder: Path, files: dict[str, bytes], **settings: object) -> PublicCorpus:
    address, commit = publish(folder / "origin", files)
    values = {"repository": address, "commit": commit, "files": ("**/*.wav",), **settings}
    return replace(CORPUS, **values)  # type: ignore[arg-type]


def build(corpus: PublicCorpus, folder: Path) -> tuple[int, int]:
    return public.build("small", corpus, Folder(folder / "out"), folder / "downloads")


def test_a_repository_becomes_clips_with_a_manifest_that_training_reads(tmp_path: Path) -> None:
    files = {f"calls/{n:03}/{part}.wav": wav(later(1, seed=n)) for n in range(3) for part in "ab"}
    corpus = published(tmp_path, files, source="calls/([0-9]+)/", call="calls/([0-9]+)/")
    assert build(corpus, tmp_path) == (6, 0)
    clips = manifest.load(tmp_path / "out" / "manifest.csv").clips
    assert len(clips) == 6 and {clip.label for clip in clips} == {0}
    assert {clip.corpus for clip in clips} == {"small"}
    by_source = {clip.source: clip.call for clip in clips}
    assert len(by_source) == 3 == len(set(by_source.values()))
    assert all(clip.group == clip.source for clip in clips)
    text = (tmp_path / "out" / "manifest.csv").read_text()
    assert "calls/" not in text
    about = (tmp_path / "out" / "small" / "SOURCE.md").read_text()
    assert corpus.commit in about and "0.3 s before the first speech" in about


def test_a_second_run_makes_only_what_is_missing(tmp_path: Path) -> None:
    corpus = published(tmp_path, {f"{n}.wav": wav(later(0.5, seed=n)) for n in range(3)})
    assert build(corpus, tmp_path) == (3, 0)
    before = (tmp_path / "out" / "manifest.csv").read_bytes()
    assert build(corpus, tmp_path) == (0, 0)
    assert (tmp_path / "out" / "manifest.csv").read_bytes() == before


@pytest.mark.parametrize("sample_rate", [8000, 16_000])
def test_a_clip_begins_before_the_first_speech_and_is_short(
    tmp_path: Path, sample_rate: int
) -> None:
    samples = np.repeat(later(2, speech_seconds=9), sample_rate // 8000)
    (tmp_path / "a.wav").write_bytes(wav(samples, sample_rate))
    clip = public.cut(tmp_path / "a.wav", CORPUS)
    assert len(clip) == 6.5 * 8000
    speech = np.flatnonzero(np.abs(clip) > 0.05 * np.abs(clip).max())[0] / 8000
    assert speech == pytest.approx(0.3, abs=0.1)
    # The level is the file's own.
    whole = read(tmp_path / "a.wav", max_seconds=12)
    assert np.abs(clip).max() == pytest.approx(np.abs(whole[: 8000 * 8]).max(), rel=0.05)


def test_a_click_is_no_speech(tmp_path: Path) -> None:
    samples = later(2)
    samples[4000] = 0.9
    (tmp_path / "a.wav").write_bytes(wav(samples))
    speech = np.flatnonzero(np.abs(public.cut(tmp_path / "a.wav", CORPUS)) > 0.02)[0] / 8000
    assert speech == pytest.approx(0.3, abs=0.1)


def test_what_decodes_above_full_scale_is_scaled_down(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(4 * later(0.5)))
    assert np.abs(public.cut(tmp_path / "a.wav", CORPUS)).max() == pytest.approx(1)


def test_files_without_enough_speech_are_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    files = {
        "silent.wav": wav(sounds.silence(3)),
        "short.wav": wav(sounds.voice(0.5)),
        "broken.wav": b"RIFF no more",
        "good.wav": wav(later(0.2)),
    }
    assert build(published(tmp_path, files), tmp_path) == (1, 3)


def test_of_a_source_so_many_clips_are_made(tmp_path: Path) -> None:
    files = {f"{who}/{n}.wav": wav(later(0.2, seed=n)) for who in "ab" for n in range(4)}
    corpus = published(tmp_path, files, source="^([ab])/", clips_each=2)
    assert build(corpus, tmp_path) == (4, 0)
    assert build(corpus, tmp_path) == (0, 0)


def test_a_table_tells_who_speaks(tmp_path: Path) -> None:
    table = 'client_id\tpath\tsentence\nx\t0.wav\ta "b\ny\t1.wav\tc\nx\t2.wav\td\n'
    files = {f"{n}.wav": wav(later(0.2, seed=n)) for n in range(4)}
    corpus = published(tmp_path, files | {"t.tsv": table.encode()}, speakers=("*.tsv",))
    assert build(corpus, tmp_path) == (3, 0)
    clips = manifest.load(tmp_path / "out" / "manifest.csv").clips
    assert sorted([clip.source for clip in clips].count(s) for s in {c.source for c in clips}) == [
        1,
        2,
    ]


def test_addresses_are_checked_by_their_digests(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    content = wav(later(0.5))
    (tmp_path / "web" / "a.wav").write_bytes(content)
    with served(tmp_path / "web") as root:
        address = Address(f"{root}/a.wav", hashlib.sha256(content).hexdigest())
        assert build(replace(CORPUS, addresses=(address,)), tmp_path) == (1, 0)
        wrong = replace(CORPUS, addresses=(replace(address, sha256="0" * 64),))
        with pytest.raises(CorpusError, match="SHA-256"):
            public.build("other", wrong, Folder(tmp_path / "out"), tmp_path / "downloads")


def test_the_table_can_be_read_and_pins_every_corpus() -> None:
    corpora = public.load(public.TABLE)
    assert {"wuw2", "common_voice", "common_voice_zh_cn", "tts_azure_edge"} <= corpora.keys()
    for corpus in corpora.values():
        assert corpus.commit or all(each.sha256 for each in corpus.addresses)
        assert corpus.licence and corpus.kind


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ('commit = "main"', "40 digits"),
        ('label = "robot"', "live, recorded"),
        ('source = "a(b)(c)"', "one pair"),
        ('source = "a(b"', "source"),
        ('colour = "blue"', "colour"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_name(tmp_path: Path, setting: str, why: str) -> None:
    lines = {
        "label": '"live"',
        "kind": '"k"',
        "licence": '"l"',
        "repository": '"file:///r"',
        "commit": f'"{"0" * 40}"',
        "files": '["*"]',
    }
    name, _, value = setting.partition(" = ")
    lines[name] = value
    table = tmp_path / "t.toml"
    table.write_text("[mine]\n" + "\n".join(f"{key} = {text}" for key, text in lines.items()))
    with pytest.raises(CorpusError, match=f"mine: .*{why}"):
        public.load(table)


@pytest.mark.parametrize(
    ("text", "why"),
    [("[mine", "not TOML"), ("mine = 1", "mine: 1 is not a table"), ("[mine]\n", "is missing")],
)
def test_the_command_names_what_is_wrong_in_the_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    why: str,
) -> None:
    table = tmp_path / "t.toml"
    table.write_text(text)
    monkeypatch.setattr(public, "TABLE", table)
    assert public.main(["--list"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {table}: ") and why in said


def test_the_command_names_what_failed_and_makes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = published(tmp_path, {"a.wav": wav(later(0.5))})
    bad = replace(good, commit="0" * 40)
    monkeypatch.setattr(public, "load", lambda _: {"bad": bad, "good": good})
    assert public.main(["--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: bad: ") and "good: 1 clips made" in said.out
    assert public.main(["--output", str(tmp_path / "out"), "--corpus", "good"]) == 0
    assert public.main(["--list"]) == 0
