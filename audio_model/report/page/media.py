"""Sound and its picture as data URIs, small enough to lie in a page."""

import base64
import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import soundfile
from numpy.typing import NDArray

from audio_model.frontend import LOG_OFFSET, LOG_SCALE, POWER_FLOOR, SAMPLE_RATE, LogMel, Samples

_LEVELS = 64
"""Shades in a picture; more can't be told apart and make it larger."""

_LOUD_PERCENTILE = 99.5
_QUIETEST_TOP = 0.0
"""The least that is drawn as loud, so that a silent line's noise does not look like speech."""

# From night to warm light through purple: brightness rises evenly, in print and for the
# colour-blind too.
_STOPS = np.array(
    [
        (13, 15, 30),
        (41, 32, 84),
        (94, 44, 112),
        (158, 63, 108),
        (221, 100, 84),
        (250, 164, 98),
        (253, 232, 190),
    ]
)


def wav_uri(samples: Samples) -> str:
    """Return 8 kHz audio as :func:`wav` does, as a data URI. [shape=(n_samples,)]"""
    return _data_uri("audio/wav", wav(samples))


def wav(samples: Samples) -> bytes:
    """Return 8 kHz audio as a WAV file of µ-law, 8 kB a second. [shape=(n_samples,)]"""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="ULAW")
    return file.getvalue()


def spectrogram_uri(log_mel: LogMel) -> str:
    """Return a log-mel as a PNG, low notes at the bottom. [shape=(n_mels, n_frames)]"""
    floor = (np.log(POWER_FLOOR) + LOG_OFFSET) / LOG_SCALE
    top = max(float(np.percentile(log_mel, _LOUD_PERCENTILE)), _QUIETEST_TOP)
    shades = np.clip((log_mel - floor) / (top - floor), 0, 1) * (_LEVELS - 1)
    positions = np.linspace(0, len(_STOPS) - 1, _LEVELS)
    palette = np.stack(
        [np.interp(positions, range(len(_STOPS)), colour) for colour in _STOPS.T], axis=1
    )
    return _data_uri("image/png", _png(np.round(shades[::-1]).astype(np.uint8), np.round(palette)))


def height_of(score: float) -> float:
    """Return a score's height as percent from the top, with a little room above and below."""
    return 4 + 92 * (1 - score)


def curve_path(points: Iterable[tuple[float, float]]) -> str:
    """Return a curve of (seconds, score) as the path of an SVG that is a second a unit wide."""
    return "M" + "L".join(f"{at:.2f} {height_of(score):.2f}" for at, score in points)


def _png(pixels: NDArray[np.uint8], palette: NDArray[np.floating]) -> bytes:
    """Return a picture of 8-bit palette indices.

    Source: the PNG specification, W3C, 3rd edition.
    """
    height, width = pixels.shape
    # Each row begins with its filter's number, 0: none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", palette.astype(np.uint8).tobytes()),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
