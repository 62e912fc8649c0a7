"""A fingerprint of telephone audio: 64 bits every 16 ms, alike only for the same samples.

Each code is the signs of a two-dimensional cosine transform of half a second of the spectrogram:
how the spectrum's shape (16 cepstral coefficients, fine enough to hold the pitch) moves in that
half second, one and two cycles of it. A line's constant gain and colour and its steady noise move
nothing; a lost packet is a small part of what one code has heard; signs need no scale.

The family is that of Haitsma and Kalker, "A highly robust audio fingerprinting system", 2002:
signs of differences in time and frequency. Theirs are differences of neighbours; these wider ones
survive telephone codecs better. ``python -m benchmarks.known --peers`` compares them, landmarks
and Chromaprint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples, mel_triangles
from audio_model.known.products import product

HOP_SAMPLES = 128
CODES_PER_SECOND = SAMPLE_RATE / HOP_SAMPLES
"""62.5, one each 16 ms."""

WIN_LENGTH = 512
"""64 ms: long enough to part the harmonics of a voice."""

N_BANDS = 32
F_MIN, F_MAX = 250.0, 3450.0
"""Hz."""

EMPHASIS = 0.8
"""Bands are weighted by their frequency to this power: about the slope of speech's amplitude."""

PATCH_FRAMES = 32
PATCH_SAMPLES = (PATCH_FRAMES - 1) * HOP_SAMPLES + WIN_LENGTH
"""0.56 s of audio in a code; the code's time is the start of it."""

N_CEPSTRAL = 16
N_TEMPORAL = 4
N_BITS = N_CEPSTRAL * N_TEMPORAL
N_KEY_BITS = 16
"""The low bits of a code, its key: the steadiest coefficients, by which a store is searched."""

KEY_MASK = np.uint64((1 << N_KEY_BITS) - 1)

NOTHING = np.uint64(0)
"""The code of half a second that tells nothing: silence, a steady sound, tones."""

MIN_MODULATION = 1.0
"""Amplitude that must move in a patch, summed over bands; half of speech at -50 dBFS does it."""

MIN_BANDS = 9.0
"""Bands that must move together: speech moves 18 (median), tones, beeps and DTMF 3 to 6."""

FRAMES_AT_ONCE = 32
"""Their spectra fit a core's cache; more at once take twice as long."""

Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprint:
    """Codes of consecutive hops, how sure the bits of their keys are, and what they were made of.

    A store keeps codes alone.
    """

    codes: Codes
    """[shape=(n_codes,)]"""
    margins: NDArray[np.float32]
    """Size of each key bit's coefficient, in mean ones of the key: noise turns the small ones.
    [shape=(n_codes, N_KEY_BITS)]"""
    cepstra: NDArray[np.float16]
    """Cepstral coefficients of each frame that the codes have heard; none if there is no code.
    [shape=(n_codes + PATCH_FRAMES - 1, N_CEPSTRAL)]"""

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, part: slice) -> Self:
        begin, end, _ = part.indices(len(self))
        frames = slice(begin, end + PATCH_FRAMES - 1) if end > begin else slice(0, 0)
        return type(self)(self.codes[part], self.margins[part], self.cepstra[frames])


class Fingerprinter:
    """Takes the samples of one leg as they come; packets of any size give the codes of all."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._bands = np.zeros((0, N_BANDS), np.float32)

    def feed(self, samples: Samples) -> Fingerprint:
        """Return the codes whose half second is complete.

        Args:
            samples: 8 kHz, in [-1, 1]. [shape=(n_samples,)]
        """
        self._samples = np.concatenate([self._samples, samples])
        n_frames = max(0, (len(self._samples) - WIN_LENGTH) // HOP_SAMPLES + 1)
        if n_frames:
            frames = np.lib.stride_tricks.sliding_window_view(self._samples, WIN_LENGTH)
            frames = frames[: n_frames * HOP_SAMPLES : HOP_SAMPLES]
            powers = [
                _power(frames[first : first + FRAMES_AT_ONCE])
                for first in range(0, n_frames, FRAMES_AT_ONCE)
            ]
            # Amplitude and not its logarithm: what noise adds to a pause then weighs little.
            amplitudes = np.sqrt(np.concatenate(powers)) * _EMPHASIS
            self._bands = np.concatenate([self._bands, amplitudes])
            self._samples = self._samples[n_frames * HOP_SAMPLES :]
        n_codes = max(0, len(self._bands) - PATCH_FRAMES + 1)
        fingerprint = _codes(self._bands)
        self._bands = self._bands[n_codes:]
        return fingerprint


def fingerprint(samples: Samples) -> Fingerprint:
    """Return the codes of 8 kHz audio; none if it is shorter than ``PATCH_SAMPLES``."""
    return Fingerprinter().feed(samples)


def joined(parts: Sequence[Fingerprint]) -> Fingerprint:
    """Return one fingerprint of several, each of which follows the one before."""
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else NO_FINGERPRINT
    # Each part's first code has heard the last frames of the part before.
    cepstra = [parts[0].cepstra, *(part.cepstra[PATCH_FRAMES - 1 :] for part in parts[1:])]
    return Fingerprint(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.margins for part in parts]),
        np.concatenate(cepstra),
    )


def codes_of(cepstra: NDArray[np.float32]) -> Codes:
    """Return the codes of patches.

    Args:
        cepstra: coefficients of each patch's frames. [shape=(n_codes, PATCH_FRAMES, N_CEPSTRAL)]

    Returns:
        the codes, whether or not they tell anything. [shape=(n_codes,)]
    """
    moving = np.matmul(_WAVES, cepstra)
    return _bits(moving.reshape(-1, N_BITS)[:, _ORDER_BY_WAVE])


def _bits(coefficients: NDArray[np.float32]) -> Codes:
    signs = np.ascontiguousarray(coefficients > 0)
    return np.packbits(signs, axis=1, bitorder="little").view("<u8")[:, 0]


def _power(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power of each band in each frame. [shape=(n_frames, N_BANDS)]"""
    spectrum = np.fft.rfft(frames * _WINDOW)
    return product((spectrum.real**2 + spectrum.imag**2).astype(np.float32), _FILTERBANK)


def _codes(bands: NDArray[np.float32]) -> Fingerprint:
    if len(bands) < PATCH_FRAMES:
        return NO_FINGERPRINT
    patches = np.lib.stride_tricks.sliding_window_view(bands, PATCH_FRAMES, axis=0)
    moving = patches @ TEMPORAL
    squares = moving[:, :, 0] ** 2 + moving[:, :, 1] ** 2
    modulation = np.sqrt(squares).sum(axis=1)
    n_bands = modulation**2 / np.maximum(squares.sum(axis=1), 1e-30)
    telling = (modulation >= MIN_MODULATION) & (n_bands >= MIN_BANDS)
    # Slow movements of the whole shape first: their signs are the steadiest.
    coefficients = (_CEPSTRAL @ moving).reshape(len(moving), N_BITS)[:, ORDER]
    sizes = np.abs(coefficients[:, :N_KEY_BITS])
    margins = sizes / np.maximum(sizes.mean(axis=1, keepdims=True), 1e-30)
    codes = np.where(telling, _bits(coefficients), NOTHING).astype(np.uint64)
    return Fingerprint(codes, margins, product(bands, _CEPSTRAL.T).astype(np.float16))


def _temporal() -> NDArray[np.float64]:
    """Return sine and cosine of one and of two cycles a patch. [shape=(PATCH_FRAMES, N_TEMPORAL)]

    They are under a Hann window and have no constant part.
    """
    window = np.hanning(PATCH_FRAMES + 2)[1:-1]
    time = (np.arange(PATCH_FRAMES) - (PATCH_FRAMES - 1) / 2) / PATCH_FRAMES
    waves = np.stack(
        [wave(2 * np.pi * cycles * time) * window for cycles in (1, 2) for wave in (np.sin, np.cos)]
    )
    waves -= window * (waves.sum(axis=1, keepdims=True) / window.sum())
    return np.asarray((waves / np.linalg.norm(waves, axis=1, keepdims=True)).T)


_FILTERS, _CENTRES = mel_triangles(
    F_MIN, F_MAX, N_BANDS, np.fft.rfftfreq(WIN_LENGTH, 1 / SAMPLE_RATE)
)
_FILTERBANK = _FILTERS.astype(np.float32)
_EMPHASIS = ((_CENTRES / 1000) ** EMPHASIS).astype(np.float32)
_WINDOW = np.hanning(WIN_LENGTH).astype(np.float32)
TEMPORAL = _temporal().astype(np.float32)
_CEPSTRAL = np.cos(
    np.pi * np.outer(np.arange(N_CEPSTRAL), np.arange(N_BANDS) + 0.5) / N_BANDS
).astype(np.float32)
ORDER = np.arange(N_BITS).reshape(N_CEPSTRAL, 2, 2).transpose(1, 0, 2).reshape(-1)
"""All coefficients of one cycle before those of two."""
_WAVES = np.ascontiguousarray(TEMPORAL.T)
_ORDER_BY_WAVE = ORDER % N_TEMPORAL * N_CEPSTRAL + ORDER // N_TEMPORAL
"""The same order for coefficients that stand wave by wave."""

NO_FINGERPRINT = Fingerprint(
    np.zeros(0, np.uint64),
    np.zeros((0, N_KEY_BITS), np.float32),
    np.zeros((0, N_CEPSTRAL), np.float16),
)
