import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_model import companding

ALL_CODES = np.arange(256, dtype=np.uint8)
ALL_PCM = np.arange(-32768, 32768).astype(np.int16)

LAWS = {
    "ULAW": (companding.mulaw_encode, companding.mulaw_decode),
    "ALAW": (companding.alaw_encode, companding.alaw_decode),
}


@pytest.mark.parametrize("law", LAWS)
def test_decodes_every_code_as_libsndfile_does(law):
    decode = LAWS[law][1]
    expected, _ = soundfile.read(
        io.BytesIO(ALL_CODES.tobytes()),
        format="RAW",
        subtype=law,
        samplerate=8000,
        channels=1,
        dtype="int16",
    )
    np.testing.assert_array_equal(decode(ALL_CODES), expected)


@pytest.mark.parametrize("law", LAWS)
def test_encodes_every_sample_as_libsndfile_does(law):
    encode = LAWS[law][0]
    file = io.BytesIO()
    soundfile.write(file, ALL_PCM, 8000, format="RAW", subtype=law)
    np.testing.assert_array_equal(encode(ALL_PCM), np.frombuffer(file.getvalue(), np.uint8))


@pytest.mark.parametrize(
    ("law", "code", "pcm"),
    # G.711, tables 2a and 2b: codes 80 and 00 are the ends, FF is zero. Tables 1a and 1b: AA and 2A
    # are the ends, D5 and 55 the smallest steps.
    [
        ("ULAW", 0x80, 8031 * 4),
        ("ULAW", 0x00, -8031 * 4),
        ("ULAW", 0xFF, 0),
        ("ULAW", 0xFE, 2 * 4),
        ("ALAW", 0xAA, 4032 * 8),
        ("ALAW", 0x2A, -4032 * 8),
        ("ALAW", 0xD5, 1 * 8),
        ("ALAW", 0x55, -1 * 8),
    ],
)
def test_levels_of_the_recommendation(law, code, pcm):
    encode, decode = LAWS[law]
    assert decode(np.array([code], np.uint8))[0] == pcm
    assert encode(np.array([pcm], np.int16))[0] == code


@pytest.mark.parametrize("law", LAWS)
def test_a_level_keeps_its_code(law):
    encode, decode = LAWS[law]
    levels = decode(ALL_CODES)
    np.testing.assert_array_equal(decode(encode(levels)), levels)


@pytest.mark.parametrize("law", LAWS)
def test_order_is_kept(law):
    encode, decode = LAWS[law]
    assert (np.diff(decode(encode(ALL_PCM)).astype(int)) >= 0).all()


@given(st.lists(st.integers(-32768, 32767), min_size=2, max_size=40))
def test_shape_is_kept_and_views_do(values):
    pcm = np.array(values, np.int16)
    pair = np.stack([pcm, pcm], axis=1)
    np.testing.assert_array_equal(
        companding.mulaw_encode(pair)[:, 0], companding.mulaw_encode(pair[:, 0])
    )
    np.testing.assert_array_equal(
        companding.alaw_encode(pcm[::-1]), companding.alaw_encode(pcm)[::-1]
    )
