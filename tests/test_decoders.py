"""What the decoders may not do: search for ever, print, follow a file elsewhere, crash."""

import os
import subprocess
import sys
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_model import audio
from audio_model.decoders.base import BoundedFile
from audio_model.errors import AudioError
from tests import sounds

GIB = 1 << 30
MOST_BYTES = 1 << 28
"""A search that ends has read far less, of files that are a hundred times as large."""


def bytes_read():
    """Bytes that this process has read so far."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        pytest.skip("the system does not count what is read")
    return int(counts.read_text().split()[1])


def tone(sample_rate, seconds=2.0):
    return sounds.tone(seconds, 440, 0.25, sample_rate)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="zeros.mp3"),
        pytest.param(b"RIFF\xff\xff\xff\xffWAVE", id="wav"),
        pytest.param(b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f", id="id3"),
        pytest.param(b"\x00\x00\x00\x18ftypM4A ", id="mp4"),
        pytest.param(b"\x1a\x45\xdf\xa3\x9f", id="webm"),
    ],
)
def test_the_search_for_sound_in_a_huge_file_ends(tmp_path, start):
    path = tmp_path / "huge.mp3"
    path.write_bytes(start)
    os.truncate(path, 20 * GIB)
    before = bytes_read()
    with pytest.raises(AudioError):
        audio.read(path, max_seconds=1)
    assert bytes_read() - before < MOST_BYTES


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_sound_before_a_huge_hole_is_read(tmp_path, container, subtype):
    path = tmp_path / "hole"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000)
    soundfile.write(path, samples, 16000, format=container, subtype=subtype)
    whole = path.stat().st_size
    os.truncate(path, whole * 3 // 4)
    os.truncate(path, 20 * GIB)
    before = bytes_read()
    assert len(audio.read(path, max_seconds=4)) > 4000
    assert bytes_read() - before < MOST_BYTES


def test_a_damaged_flac_frame_ends_the_recording_at_the_damage(tmp_path):
    path = tmp_path / "a.flac"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 40_000)
    soundfile.write(path, samples, 8000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(8)
    path.write_bytes(content)
    read = audio.read(path, max_seconds=5)
    # FLAC frames of 4096 samples; all but a last small block before the damaged one are kept.
    assert 16_384 - 128 <= len(read) < 20_480
    np.testing.assert_allclose(read, samples[: len(read)], atol=1e-4)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{target}\n",
        "ffconcat version 1.0\nfile {target}\n",
    ],
)
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m3u8"])
def test_a_playlist_is_not_followed(tmp_path, playlist, name):
    soundfile.write(tmp_path / "target.mp3", tone(16000), 16000)
    path = tmp_path / name
    path.write_text(playlist.format(target=tmp_path / "target.mp3"))
    with pytest.raises(AudioError, match="not a known audio format"):
        audio.read(path, max_seconds=1)


def test_eight_channels_through_ffmpeg_are_refused(tmp_path):
    path = tmp_path / "a.mp4"
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "7.1"
        packed = np.zeros((1, 1024 * 8), np.float32)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="7.1")
        frame.sample_rate = 16000
        for part in av.AudioResampler(format="fltp").resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="8 channels"):
        audio.read(path, max_seconds=1)


def test_nothing_is_printed_about_damage(tmp_path, capfd):
    random = np.random.default_rng(0)
    for name, container in [("a.mp3", "MP3"), ("a.ogg", "OGG"), ("a.flac", "FLAC")]:
        soundfile.write(tmp_path / name, tone(16000, 3), 16000, format=container)
        good = np.fromfile(tmp_path / name, np.uint8)
        for _ in range(15):
            bad = good.copy()
            at = random.integers(0, len(bad), 40)
            bad[at] = random.integers(0, 256, 40)
            bad.tofile(tmp_path / name)
            try:
                samples = audio.read(tmp_path / name, max_seconds=2)
            except AudioError:
                continue
            assert np.isfinite(samples).all()
            assert np.abs(samples).max() <= 1
    assert capfd.readouterr() == ("", "")


def test_files_are_closed(tmp_path):
    soundfile.write(tmp_path / "good.wav", tone(8000), 8000)
    soundfile.write(tmp_path / "good.mp3", tone(8000), 8000)
    (tmp_path / "bad.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(500))
    opened = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(5):
        for name in ("good.wav", "good.mp3"):
            audio.read(tmp_path / name, max_seconds=1)
            audio.channel_count(tmp_path / name)
        with pytest.raises(AudioError):
            audio.read(tmp_path / "bad.wav", max_seconds=1)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == opened


def test_ffmpeg_is_loaded_only_when_it_is_needed(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(8000), 8000)
    program = (
        "import sys; from audio_model import audio; "
        f"audio.read({str(tmp_path / 'a.wav')!r}, max_seconds=1); "
        "print([name for name in ('av', 'torch', 'librosa') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"


@pytest.mark.parametrize(
    ("ending", "subtype"), [("flac", "PCM_16"), ("ogg", "VORBIS"), ("aiff", "PCM_16")]
)
def test_libsndfile_gives_the_same_of_a_descriptor_and_of_an_open_file(tmp_path, ending, subtype):
    path = tmp_path / f"a.{ending}"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (40_000, 2))
    soundfile.write(path, samples, 16000, subtype=subtype)
    with FileIO(path) as local, BytesIO(path.read_bytes()) as other:
        assert BoundedFile(local).descriptor() == local.fileno()
        assert BoundedFile(other).descriptor() is None
        from_local = audio.read(local, name=path.name, max_seconds=2)
        np.testing.assert_array_equal(audio.read(other, name=path.name, max_seconds=2), from_local)
    np.testing.assert_array_equal(audio.read(path, max_seconds=2), from_local)


def test_a_huge_file_is_read_within_its_budget_and_not_by_its_descriptor(tmp_path):
    with FileIO(tmp_path / "huge.flac", "w") as huge:
        huge.truncate(GIB)
        assert BoundedFile(huge).descriptor() is None


def test_blocks_of_ffmpeg_hold_every_channel_in_order(tmp_path):
    path = tmp_path / "a.mka"
    av = pytest.importorskip("av")
    legs = np.random.default_rng(0).integers(-20_000, 20_000, (3, 2, 1024), np.int16)
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "stereo"
        for index, part in enumerate(legs):
            frame = av.AudioFrame.from_ndarray(part.T.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 8000, 1024 * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for channel, leg in ((audio.Channel.LEFT, 0), (audio.Channel.RIGHT, 1)):
        read = audio.read(path, max_seconds=1, channel=channel)
        np.testing.assert_array_equal(read, legs[:, leg].reshape(-1) / np.float32(32768))


def made(container, subtype="PCM_16", rate=8000):
    file = BytesIO()
    soundfile.write(file, tone(rate), rate, format=container, subtype=subtype)
    return bytearray(file.getvalue())


def put(content, tag, offset, value):
    at = content.index(tag) + offset
    content[at : at + len(value)] = value


def heard(content, name):
    return audio.read(BytesIO(bytes(content)), max_seconds=10, name=name)


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW", "PCM_24"])
def test_a_recorder_that_was_killed_leaves_its_samples(subtype):
    whole = heard(made("WAV", subtype), "a.wav")
    rf64 = made("RF64", subtype)
    put(rf64, b"ds64", 8, bytes(24))
    assert np.array_equal(heard(rf64, "a.wav"), whole)
    au = made("AU", subtype)
    put(au, b".snd", 8, bytes(4))
    assert np.array_equal(heard(au, "a.au"), whole)


@pytest.mark.parametrize("pad", [b"", b"\0"])
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "GSM610", "PCM_24"])
def test_a_chunk_of_odd_size_may_lack_its_pad(subtype, pad):
    content = made("WAV", subtype)
    whole = heard(content, "a.wav")
    at = content.index(b"data")
    content[at:at] = b"LIST\x11\0\0\0INFOICMT\x05\0\0\0hello" + pad
    assert np.array_equal(heard(content, "a.wav"), whole)


def test_bw64_is_rf64():
    content = made("RF64")
    content[:4] = b"BW64"
    assert np.array_equal(heard(content, "a.wav"), heard(made("WAV"), "a.wav"))


@pytest.mark.parametrize("cut", [4, 12, 20, 40, 60])
def test_a_header_that_is_cut_off_is_no_recording(cut):
    content = made("RF64")
    put(content, b"ds64", 8, bytes(24))
    with pytest.raises(AudioError):
        heard(content[:cut], "a.wav")


def test_dialogics_adpcm_is_read_by_its_name():
    content = BytesIO()
    wave = tone(8000).astype(np.float32)
    soundfile.write(content, wave, 8000, format="RAW", subtype="VOX_ADPCM")
    samples = heard(content.getvalue(), "a.vox")
    assert len(samples) == len(wave)
    assert np.corrcoef(samples[2000:], wave[2000:])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("name", "how", "codec"),
    [
        ("a.wav", {"subtype": "PCM_16"}, "pcm"),
        ("a.wav", {"subtype": "PCM_24"}, "pcm"),
        ("a.wav", {"subtype": "FLOAT"}, "pcm"),
        ("a.wav", {"subtype": "ULAW"}, "mulaw"),
        ("a.wav", {"subtype": "ALAW"}, "alaw"),
        ("a.wav", {"subtype": "GSM610"}, "gsm"),
        ("a.wav", {"subtype": "IMA_ADPCM"}, "ima_adpcm"),
        ("a.au", {"subtype": "ULAW"}, "mulaw"),
        ("a.flac", {"subtype": "PCM_16"}, "flac"),
        ("a.ogg", {"subtype": "VORBIS"}, "vorbis"),
        ("a.ogg", {"subtype": "OPUS"}, "opus"),
        ("a.mp3", {"format": "MP3"}, "mp3"),
        ("a.ulaw", {"format": "RAW", "subtype": "ULAW"}, "mulaw"),
        ("a.sln", {"format": "RAW", "subtype": "PCM_16"}, "pcm"),
        ("a.gsm", {"format": "RAW", "subtype": "GSM610"}, "gsm"),
        ("a.vox", {"format": "RAW", "subtype": "VOX_ADPCM"}, "vox_adpcm"),
    ],
)
def test_the_codec_is_told_as_the_container_names_it(tmp_path, name, how, codec):
    soundfile.write(tmp_path / name, tone(8000), 8000, **how)
    assert audio.read_leg(tmp_path / name, max_seconds=1).codec == codec


def test_ffmpegs_names_of_telephone_codecs_are_ours():
    for name, codec in [("a.g722", "g722"), ("a.g729", "g729"), ("a.g723", "g723_1")]:
        assert audio.read_leg(BytesIO(bytes(4800)), max_seconds=1, name=name).codec == codec


@pytest.mark.parametrize(("name", "frame_bytes", "seconds"), [("a.g729", 10, 1), ("a.g723", 24, 3)])
def test_frames_of_telephone_codecs_are_read_by_their_names(name, frame_bytes, seconds):
    assert len(heard(bytes(100 * frame_bytes), name)) == pytest.approx(8000 * seconds, rel=0.01)
