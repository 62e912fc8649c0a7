"""Games as small as can be, in the layouts of the real ones."""

import io
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model.frontend import Samples
from tests import sounds
from tests.training.corpora.rnc_writer import pack
from training.corpora import games
from training.corpora.errors import CorpusError
from training.corpora.games import SAMPLE_RATE, Drascula, Game, Queen, Sky


def speech(seconds: float, seed: int = 0) -> Samples:
    return sounds.noise(seconds * SAMPLE_RATE / sounds.SAMPLE_RATE, seed)


def as_bytes(samples: Samples) -> bytes:
    return np.asarray(np.rint(samples * 128 + 128).clip(0, 255), np.uint8).tobytes()


def as_mp3(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="MP3")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the packages lie unpacked; their archives are beside it."""

    def debian(package: str, downloads: Path) -> tuple[Path, Path]:
        archive = tmp_path / f"{package}_1.0-2_all.deb"
        archive.write_bytes(b"archive")
        return archive, tmp_path / "unpacked"

    monkeypatch.setattr(games, "debian", debian)
    return tmp_path / "unpacked" / games.FOLDER


def drascula(folder: Path) -> Game:
    files = folder / "drascula" / "en"
    files.mkdir(parents=True)
    (files / "VB1.ALS").write_bytes(as_bytes(speech(2, 1)))
    (files / "VB2.ALS").write_bytes(as_bytes(speech(1.6, 2)))
    (files / "12.ALS").write_bytes(as_bytes(speech(3, 3)))
    (files / "D1.ALS").write_bytes(as_bytes(speech(1, 4)))
    (files / "T1.ALS").symlink_to("../shared/T1.ALS")
    (files / "VB1.ALG").write_bytes(b"picture")
    return Drascula("drascula", "en", Path("never"))


def sky(folder: Path, lines: Mapping[int, Samples]) -> Game:
    files = folder / Sky.package
    files.mkdir(parents=True)
    content, index = b"\0" * 32, struct.pack("<I", len(lines))
    for number, samples in lines.items():
        plain = as_bytes(samples)
        header = [0] * 11
        header[Sky.UNPACKED_SIZE] = len(plain) + Sky.HEADER.size
        file = Sky.HEADER.pack(*header) + pack([[(plain, 1, 2)]], len(plain))
        # Every second one is counted in 16 bytes.
        content += bytes(-len(content) % 16)
        coarse = number % 2
        start = 0x800000 | len(content) // 16 if coarse else len(content)
        index += struct.pack("<H", number) + start.to_bytes(3, "little")
        index += len(file).to_bytes(3, "little")
        content += file
    (files / "sky.dnr").write_bytes(index)
    (files / "sky.dsk").write_bytes(content)
    return Sky(Path("never"))


def queen(folder: Path, files: Mapping[str, bytes]) -> Game:
    (folder / Queen.package).mkdir(parents=True)
    head = Queen.MAGIC + b"CEM10\0" + bytes(2) + b"\1" + struct.pack(">H", len(files))
    start = len(head) + len(files) * Queen.ENTRY.size
    table, content = b"", b""
    for name, file in files.items():
        table += Queen.ENTRY.pack(name.encode(), start + len(content), len(file))
        content += file
    (folder / Queen.package / "queen.1c").write_bytes(head + table + content)
    return Queen(Path("never"))


def names(game: Game) -> dict[str, list[str]]:
    return {v.name: [script.text for script in game.scripts(v)] for v in game.voices}


def test_drascula_has_characters_and_each_its_lines(folder: Path) -> None:
    game = drascula(folder)
    assert names(game) == {"VB": ["VB1", "VB2"], "hero": ["12"]}
    hero = game.voices[1]
    assert (hero.source, hero.group) == ("game_drascula_en:hero", "game_drascula_en")
    assert not hero.may_train
    assert game.scripts(hero)[0].id == "game_drascula_en_12"
    samples, sample_rate = game.speak(hero, "12", 1.0)
    assert sample_rate == SAMPLE_RATE
    assert np.allclose(samples, speech(3, 3), atol=1 / 128)


def test_sky_unpacks_its_lines(folder: Path) -> None:
    lines = {50_001: speech(2, 1), 50_002: speech(1.7, 2), 50_003: speech(1, 3), 7: speech(2, 4)}
    game = sky(folder, lines)
    assert names(game) == {"cast": ["50001", "50002"]}
    for number in (50_001, 50_002):
        samples, sample_rate = game.speak(game.voices[0], str(number), 1.0)
        assert sample_rate == SAMPLE_RATE
        assert np.allclose(samples, lines[number], atol=1 / 128)


def test_queen_reads_the_mp3_files_inside_its_file(folder: Path) -> None:
    tone = sounds.tone(2 * SAMPLE_RATE / sounds.SAMPLE_RATE, 500)
    files = {
        "JOE0001.SB": as_mp3(tone),
        "020001P2.SB": as_mp3(tone[: SAMPLE_RATE // 2]),
        "BLANK.SB": b"",
        "MAP.PCX": b"picture",
    }
    game = queen(folder, files)
    assert names(game) == {"cast": ["JOE0001"]}
    samples, sample_rate = game.speak(game.voices[0], "JOE0001", 1.0)
    assert sample_rate == SAMPLE_RATE
    assert np.std(samples[4000:16000]) == pytest.approx(np.std(tone), rel=0.1)
    with pytest.raises(CorpusError, match="BLANK"):
        game.speak(game.voices[0], "BLANK", 1.0)


def test_another_file_is_not_taken_for_the_games(folder: Path) -> None:
    queen(folder, {})
    (folder / Queen.package / "queen.1c").write_bytes(b"something else")
    with pytest.raises(CorpusError, match=r"queen\.1c"):
        list(Queen(Path("never")).voices)


@pytest.mark.parametrize("size", [0, 10, 40, None])
def test_a_game_that_is_cut_off_or_not_there_is_an_error_that_names_it(
    folder: Path, size: int | None
) -> None:
    game = queen(folder, {"JOE0001.SB": b"line", "JOE0002.SB": b"line"})
    file = folder / Queen.package / "queen.1c"
    if size is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(CorpusError, match="amazon-queen"):
        list(game.voices)


def test_a_cut_off_index_is_an_error_that_names_the_game(folder: Path) -> None:
    game = sky(folder, {50_001: speech(2)})
    (folder / Sky.package / "sky.dsk").write_bytes(b"")
    with pytest.raises(CorpusError, match="beneath-a-steel-sky"):
        list(game.voices)


def test_the_origin_is_the_archive_with_its_licence(folder: Path) -> None:
    (origin,) = drascula(folder).origins
    assert (origin.package, origin.version) == ("Debian drascula", "1.0-2")
    assert "not to sell" in origin.licence
    assert origin.sha256[0][0] == "drascula_1.0-2_all.deb"
