import os
import socket
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_model import audio, companding
from audio_model.audio import Channel, Encoding, RawFormat, StreamResampler, to_model_rate
from audio_model.errors import AudioError, UsageError
from tests import sounds

TONE_HZ = 440
LEVEL = 0.25


def tone(sample_rate, seconds=2.0, level=LEVEL):
    return sounds.tone(seconds, TONE_HZ, level, sample_rate)


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n_samples).astype(np.float32)


def tone_level(samples):
    """Level of the tone in 8 kHz samples, away from the ends."""
    middle = samples[800:-800]
    t = np.arange(len(middle)) / 8000
    return 2 * abs(np.mean(middle * np.exp(-2j * np.pi * TONE_HZ * t)))


def read(path, **options):
    return audio.read(path, **{"max_seconds": 1.5} | options)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(8000), 8000)
    return path


# Formats


@pytest.mark.parametrize(
    ("ending", "container", "subtype", "sample_rate"),
    [
        ("wav", "WAV", "PCM_U8", 8000),
        ("wav", "WAV", "PCM_16", 16000),
        ("wav", "WAV", "PCM_24", 44100),
        ("wav", "WAV", "PCM_32", 11025),
        ("wav", "WAV", "FLOAT", 48000),
        ("wav", "WAV", "DOUBLE", 22050),
        ("wav", "WAV", "ULAW", 8000),
        ("wav", "WAV", "ALAW", 8000),
        ("WAV", "WAV", "GSM610", 8000),
        ("wav", "WAV", "IMA_ADPCM", 8000),
        ("w64", "W64", "PCM_16", 16000),
        ("rf64", "RF64", "PCM_16", 16000),
        ("aiff", "AIFF", "PCM_16", 16000),
        ("au", "AU", "ULAW", 8000),
        ("caf", "CAF", "PCM_16", 32000),
        ("voc", "VOC", "PCM_16", 16000),
        ("nist", "NIST", "PCM_16", 16000),
        ("flac", "FLAC", "PCM_16", 16000),
        ("ogg", "OGG", "VORBIS", 44100),
        ("opus", "OGG", "OPUS", 48000),
        ("mp3", "MP3", "MPEG_LAYER_III", 44100),
    ],
)
def test_a_tone_comes_through_every_format(tmp_path, ending, container, subtype, sample_rate):
    path = tmp_path / f"call.{ending}"
    soundfile.write(path, tone(sample_rate), sample_rate, format=container, subtype=subtype)
    samples = read(path)
    assert samples.dtype == np.float32
    assert samples.shape == (12000,)
    assert tone_level(samples) == pytest.approx(LEVEL, rel=0.06)


@pytest.mark.parametrize(
    ("name", "codec", "sample_rate"),
    [
        ("call.amr", "libopencore_amrnb", 8000),
        ("call.3gp", "libopencore_amrnb", 8000),
        ("call.m4a", "aac", 16000),
        ("call.aac", "aac", 16000),
        ("call.webm", "libopus", 48000),
        ("call.g722", "g722", 16000),
        ("call.wav", "g722", 16000),
        ("call.wav", "libmp3lame", 16000),
        ("call.mka", "pcm_u8", 8000),
    ],
)
def test_what_libsndfile_cannot_read_goes_to_ffmpeg(tmp_path, name, codec, sample_rate):
    path = tmp_path / name
    encode_with_ffmpeg(path, tone(sample_rate), sample_rate, codec)
    assert audio.channel_count(path) == 1
    # AMR models a voice: it takes a quarter of a tone's level.
    assert tone_level(read(path, max_seconds=1)) == pytest.approx(LEVEL, rel=0.3)


def encode_with_ffmpeg(path, samples, sample_rate, codec):
    av = pytest.importorskip("av")
    container_format = {".m4a": "ipod", ".aac": "adts", ".mka": "matroska"}.get(path.suffix)
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=sample_rate)
        stream.layout = "mono"
        if "amr" in codec:
            stream.bit_rate = 12200
        resampler = av.AudioResampler(
            format=stream.codec_context.codec.audio_formats[0],
            layout="mono",
            frame_size=stream.codec_context.frame_size or 160,
        )
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = sample_rate
        frame.pts = 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def test_integer_pcm_is_scaled_by_full_scale(tmp_path):
    pcm = np.array([-32768, -1, 0, 1, 16384, 32767], np.int16)
    soundfile.write(tmp_path / "a.wav", pcm, 8000)
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), pcm / np.float32(32768))


def test_headerless_files_by_name(tmp_path):
    pcm = (noise(4000) * 32768).astype(np.int16)
    mulaw, alaw = companding.mulaw_encode(pcm), companding.alaw_encode(pcm)
    for ending, data, expected in [
        ("ulaw", mulaw, companding.mulaw_decode(mulaw)),
        ("alaw", alaw, companding.alaw_decode(alaw)),
        ("sln", pcm.astype("<i2"), pcm),
        ("raw", pcm.astype("<i2"), pcm),
    ]:
        path = tmp_path / f"a.{ending}"
        path.write_bytes(data.tobytes())
        np.testing.assert_array_equal(read(path), expected / np.float32(32768))
    (tmp_path / "a.sln16").write_bytes(pcm.astype("<i2").tobytes())
    assert len(read(tmp_path / "a.sln16")) == 2000


def test_headerless_files_by_option(tmp_path):
    legs = (np.stack([noise(4000), noise(4000, 1)], axis=1) * 32768).astype("<i2")
    path = tmp_path / "dump"
    path.write_bytes(legs.tobytes() + b"\x01\x02\x03")
    raw_format = RawFormat(Encoding.S16LE, channels=2)
    assert audio.channel_count(path, raw_format) == 2
    np.testing.assert_array_equal(
        read(path, channel=Channel.RIGHT, raw_format=raw_format), legs[:, 1] / np.float32(32768)
    )
    with pytest.raises(AudioError, match="not a known audio format"):
        read(path)


def test_headerless_gsm(tmp_path):
    path = tmp_path / "a.gsm"
    soundfile.write(path, tone(8000), 8000, format="RAW", subtype="GSM610")
    assert path.stat().st_size == 100 * 33
    assert tone_level(read(path)) == pytest.approx(LEVEL, rel=0.06)
    path.write_text("not GSM at all " * 50)
    with pytest.raises(AudioError, match="not GSM"):
        read(path)


def test_a_header_is_never_decoded_as_samples(wav):
    renamed = wav.rename(wav.with_suffix(".raw"))
    np.testing.assert_allclose(
        read(renamed, raw_format=RawFormat(Encoding.MULAW)), tone(8000, 1.5), atol=1e-4
    )


@pytest.mark.parametrize("data_size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_whose_length_was_never_filled_in(wav, data_size):
    header_and_data = bytearray(wav.read_bytes())
    at = header_and_data.index(b"data") + 4
    header_and_data[at : at + 4] = struct.pack("<I", data_size)
    wav.write_bytes(header_and_data)
    np.testing.assert_allclose(read(wav), tone(8000, 1.5), atol=1e-4)


# Legs


def test_legs(tmp_path):
    legs = np.stack([noise(8000, seed) for seed in range(6)], axis=1)
    path = tmp_path / "a.wav"
    soundfile.write(path, legs, 8000, subtype="FLOAT")
    assert audio.channel_count(path) == 6
    np.testing.assert_array_equal(read(path, channel=Channel.LEFT), legs[:, 0])
    np.testing.assert_array_equal(read(path, channel=Channel.RIGHT), legs[:, 1])
    np.testing.assert_allclose(read(path), legs.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("channels", range(1, 9))
def test_full_scale_in_every_leg_stays_within_scale(tmp_path, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((8000, channels), -1.0), 8000, subtype="PCM_16")
    samples = read(path)
    np.testing.assert_allclose(samples, -1, atol=1e-6)
    assert samples.min() >= -1


def test_legs_of_a_mono_file(wav):
    np.testing.assert_array_equal(read(wav, channel=Channel.LEFT), read(wav))
    with pytest.raises(AudioError, match="no right channel"):
        read(wav, channel=Channel.RIGHT)


def test_a_channel_s_plain_name_is_that_channel(tmp_path):
    path = tmp_path / "legs.wav"
    legs = np.stack([np.full(8000, 0.25), np.full(8000, -0.5)], axis=1)
    soundfile.write(path, legs, 8000, subtype="FLOAT")
    for name in ("left", "right", "mix"):
        np.testing.assert_array_equal(read(path, channel=name), read(path, channel=Channel(name)))
    assert read(path, channel="right")[0] == np.float32(-0.5)
    for other in ("up", None):
        with pytest.raises(UsageError, match="left, right, mix"):
            read(path, channel=other)


# Only what is needed


@settings(max_examples=30, deadline=None)
@given(
    sample_rate=st.sampled_from([6000, 8000, 11025, 16000, 44100, 48000]),
    seconds=st.floats(0.01, 1.9),
)
def test_a_prefix_does_not_depend_on_where_decoding_stopped(tmp_path_factory, sample_rate, seconds):
    path = tmp_path_factory.mktemp("prefix") / "a.wav"
    soundfile.write(path, noise(2 * sample_rate), sample_rate, subtype="FLOAT")
    whole = read(path, max_seconds=10)
    prefix = read(path, max_seconds=seconds)
    assert len(prefix) == round(seconds * 8000)
    np.testing.assert_allclose(prefix, whole[: len(prefix)], atol=1e-6)


def test_a_long_file_costs_no_more_than_a_short_one(tmp_path):
    sample_rate, channels, seconds = 96000, 6, 2400
    data_bytes = seconds * sample_rate * channels * 3
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(
            b"RIFF"
            + struct.pack("<I", 36 + data_bytes)
            + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 6, sample_rate, sample_rate * 18, 18, 24)
            + b"data"
            + struct.pack("<I", data_bytes)
        )
        file.truncate(44 + data_bytes)
    tracemalloc.start()
    samples = read(path, max_seconds=1)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(samples) == 8000
    assert peak_bytes < 4e6


@pytest.mark.parametrize("max_seconds", [0, -1, 1e-9, float("nan"), float("inf")])
def test_absurd_lengths_are_refused(wav, max_seconds):
    with pytest.raises(UsageError, match="max_seconds"):
        read(wav, max_seconds=max_seconds)


# Names


@pytest.mark.parametrize(
    "name", ["录音 电话.wav", "new\nline.wav", "quote\"'.wav", os.fsdecode(b"\xff\xfe.wav")]
)
def test_odd_names(wav, name):
    renamed = wav.rename(wav.with_name(name))
    assert len(read(renamed)) == 12000
    assert len(read(str(renamed))) == 12000


# Bad input


def test_a_missing_file(tmp_path):
    with pytest.raises(AudioError, match="no such file") as info:
        read(tmp_path / "no.wav")
    assert info.value.path == str(tmp_path / "no.wav")
    (tmp_path / "link.wav").symlink_to("nowhere")
    with pytest.raises(AudioError, match="broken link"):
        read(tmp_path / "link.wav")


@pytest.mark.parametrize("name", ["a\0.wav", "\ud800.wav", "x" * 300])
def test_impossible_names(name):
    with pytest.raises(AudioError):
        read(name)


def test_what_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.wav"))
        for path in (tmp_path / "fifo.wav", tmp_path / "socket.wav", "/dev/zero"):
            with pytest.raises(AudioError, match="not a file"):
                read(path)
    with pytest.raises(AudioError, match="folder"):
        read(tmp_path)


def test_an_unreadable_file(wav):
    wav.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(AudioError, match="Permission denied"):
            read(wav)
    finally:
        os.seteuid(user)


def write_wav_header(path, sample_rate):
    soundfile.write(path, tone(8000), 8000)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", sample_rate)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("sample_rate", "message"),
    [(0, "no sample rate"), (1, "sample rate of 1 Hz"), (10**9, "sample rate of 1000000000 Hz")],
)
def test_absurd_sample_rates(tmp_path, sample_rate, message):
    path = tmp_path / "a.wav"
    write_wav_header(path, sample_rate)
    with pytest.raises(AudioError, match=message):
        read(path)


def test_files_without_samples(tmp_path):
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match="empty"):
        read(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 8000)
    with pytest.raises(AudioError, match="no samples"):
        read(tmp_path / "header.wav")
    soundfile.write(tmp_path / "two.wav", np.zeros(2), 192000)
    with pytest.raises(AudioError, match="less than one at 8000 Hz"):
        read(tmp_path / "two.wav")
    (tmp_path / "byte.raw").write_bytes(b"\x01")
    with pytest.raises(AudioError, match="no samples"):
        read(tmp_path / "byte.raw")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "sample 123 is NaN"),
        (np.inf, "sample 123 is infinite"),
        (-32768, "sample 123 is -32768, far beyond full scale"),
        (1e300, "sample 123 is infinite"),
    ],
)
def test_impossible_values(tmp_path, value, message):
    samples = np.zeros((8000, 2))
    samples[123] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="DOUBLE")
    for channel in Channel:
        with pytest.raises(AudioError, match=message):
            read(tmp_path / "a.wav", channel=channel)


def test_float_overshoot_is_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(48000, level=1.5), 48000, subtype="FLOAT")
    samples = read(tmp_path / "a.wav")
    assert np.abs(samples).max() == 1


@pytest.mark.parametrize("ending", ["wav", "mp3", "ogg", "flac", "amr", "gsm", "m4a", "txt"])
def test_text_and_random_bytes_are_no_recordings(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    for content in (b"just a text\n" * 200, b"\x00" * 5000, np.random.default_rng(1).bytes(50_000)):
        path.write_bytes(content)
        with pytest.raises(AudioError) as info:
            read(path)
        assert "\n" not in str(info.value)
        assert str(path) in str(info.value)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg", "opus"])
@pytest.mark.parametrize("kept", [0.01, 0.9])
def test_of_a_truncated_file_what_decodes_is_read(tmp_path, ending, kept):
    container = {"ogg": "OGG", "opus": "OGG"}.get(ending, ending.upper())
    subtype = {"opus": "OPUS", "ogg": "VORBIS"}.get(ending)
    path = tmp_path / f"a.{ending}"
    with soundfile.SoundFile(path, "w", 8000, 1, format=container, subtype=subtype) as sound:
        for start in range(0, 160_000, 8000):
            sound.write(noise(8000, start))
    whole = read(path, max_seconds=20)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    try:
        samples = read(path, max_seconds=20)
    except AudioError:
        assert kept == 0.01
        return
    assert len(samples) > kept * 160_000 * 0.95 - 4096
    np.testing.assert_allclose(samples[:-400], whole[: len(samples) - 400], atol=1e-4)


# Resampling


def test_the_model_rate_is_left_alone():
    samples = noise(1001)
    np.testing.assert_array_equal(to_model_rate(samples, 8000), samples)


@pytest.mark.parametrize("sample_rate", [11025, 16000, 44100, 48000])
def test_what_a_telephone_cannot_carry_is_filtered_out(sample_rate):
    t = np.arange(sample_rate) / sample_rate
    above = np.sin(2 * np.pi * 5000 * t).astype(np.float32)
    assert np.abs(to_model_rate(above, sample_rate)[400:-400]).max() < 1e-4
    below = np.sin(2 * np.pi * 3400 * t)
    at_8k = np.sin(2 * np.pi * 3400 * np.arange(8000) / 8000)
    np.testing.assert_allclose(
        to_model_rate(below, sample_rate)[400:-400], at_8k[400:-400], atol=1e-3
    )


@settings(max_examples=40, deadline=None)
@given(
    sample_rate=st.sampled_from([8000, 11025, 12000, 16000, 24000, 44100, 48000]),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=30),
)
def test_packets_of_any_size_give_the_same_samples(sample_rate, sizes):
    samples = noise(sum(sizes))
    resampler = StreamResampler(sample_rate)
    for _ in range(2):  # a flushed resampler begins anew
        parts = [
            resampler.feed(samples[end - size : end])
            for end, size in zip(np.cumsum(sizes), sizes, strict=True)
        ]
        parts.append(resampler.flush())
        np.testing.assert_allclose(
            np.concatenate(parts), to_model_rate(samples, sample_rate), atol=1e-5
        )


@pytest.mark.parametrize("sample_rate", [11025, 16000, 44100, 48000])
def test_the_lag_of_a_stream_is_bounded(sample_rate):
    resampler = StreamResampler(sample_rate)
    packet = sample_rate // 50
    n_out = 0
    for i in range(1, 101):
        n_out += len(resampler.feed(noise(packet)))
        assert i * 160 - n_out < 0.2 * 8000


@pytest.mark.parametrize(
    "samples", [np.zeros((10, 2), np.float32), np.zeros(10, np.int16), np.zeros(10, bool)]
)
def test_samples_of_the_wrong_kind_are_refused(samples):
    with pytest.raises(UsageError, match="floating point in one dimension"):
        to_model_rate(samples, 8000)
    with pytest.raises(UsageError, match="floating point in one dimension"):
        StreamResampler(8000).feed(samples)


@pytest.mark.parametrize("sample_rate", [0, -8000, 10**9, float("nan"), float("inf")])
def test_absurd_rates_are_refused(sample_rate):
    with pytest.raises(UsageError, match="sample rate"):
        to_model_rate(np.zeros(10), sample_rate)
    with pytest.raises(UsageError, match="sample rate"):
        StreamResampler(sample_rate)


def test_impossible_values_in_memory():
    samples = np.zeros(100)
    samples[7] = 1e300
    with pytest.raises(AudioError, match="sample 7 is infinite"):
        to_model_rate(samples, 16000)
    samples[7] = np.nan
    with pytest.raises(AudioError, match="sample 7 is NaN"):
        to_model_rate(samples, 16000)
    with pytest.raises(AudioError, match="sample 7 is NaN"):
        StreamResampler(16000).feed(samples)
