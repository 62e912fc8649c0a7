"""What can be measured of a clip that says nothing about presence.

Level, noise floor, band, clipping and timing belong to the line, the file and the moment at which
someone pressed record, pitch to whoever was asked to speak. If they tell the classes apart, the
corpora differ in them, and a network may learn that instead of the speech. :mod:`training.audit`
looks for it; the peer :mod:`training.rivals.trivial` lives from it.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import librosa
import numpy as np
from numpy.typing import NDArray

from audio_model.frontend import FRAMES_PER_SECOND, SAMPLE_RATE, Samples
from training.augment import frame_rms, from_db

POWER_FLOOR = 1e-10
"""Added to powers before the logarithm: -100 dBFS."""
SPECTRUM_SAMPLES = 256
"""Window of the mean spectrum: 32 ms, bins of 31 Hz."""
EDGE_SHARE = 0.99
TILT_HZ = (300.0, 3400.0)
PITCH_HZ = (65.0, 400.0)
PITCH_SAMPLES = 512
"""Window in which a pitch is looked for: 64 ms, four periods of the lowest."""
PITCH_HOP = 160


@dataclass(frozen=True)
class Nuisances:
    """All nuisances of one clip."""

    level_db: float
    """RMS of the loud part (the 90 % quantile of frames of 10 ms), dBFS."""
    floor_db: float
    """RMS of the quiet part (the 10 % quantile of frames), dBFS."""
    zeros: float
    """Share of samples that are exactly zero."""
    low_band_db: float
    """Power below 300 Hz against the whole, dB."""
    high_band_db: float
    """Power above 3400 Hz against the whole, dB."""
    edge_hz: float
    """Frequency below which 99 % of the power lies, Hz."""
    tilt_db: float
    """Slope of the mean spectrum from 300 to 3400 Hz, dB an octave."""
    seconds: float
    """Length of the clip."""
    onset_seconds: float
    """Seconds from the start to the first frame of speech, or the whole length without one."""
    speech_share: float
    """Share of frames within 30 dB of the loud part."""
    clipped: float
    """Share of samples at full scale."""
    offset: float
    """Mean of the samples (DC), full scale is 1."""
    values: float
    """Distinct 16-bit values: at most 256 after G.711, 65,536 at most."""
    pitch_hz: float
    """Median fundamental frequency of the loud part; of what has none, some value all the same."""


NAMES = tuple(field.name for field in fields(Nuisances))


def measure(samples: Samples) -> Nuisances:
    """Measure the nuisances of a clip of at least one hop (10 ms). [shape=(n_samples,)]"""
    loudness = frame_rms(samples)
    loud = float(np.quantile(loudness, 0.9))
    speech = loudness > max(loud * from_db(-30), from_db(-65))
    power = mean_spectrum(samples)
    frequency = np.fft.rfftfreq(SPECTRUM_SAMPLES, 1 / SAMPLE_RATE)
    whole = power.sum()
    within = np.cumsum(power) >= EDGE_SHARE * whole
    band = (frequency >= TILT_HZ[0]) & (frequency <= TILT_HZ[1])
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int64) + 32768
    return Nuisances(
        level_db=_db(loud**2),
        floor_db=_db(float(np.quantile(loudness, 0.1)) ** 2),
        zeros=float(np.mean(samples == 0)),
        low_band_db=_db(power[frequency < 300].sum() / whole),
        high_band_db=_db(power[frequency > 3400].sum() / whole),
        edge_hz=float(frequency[np.argmax(within)]),
        tilt_db=float(np.polyfit(np.log2(frequency[band]), 10 * np.log10(power[band]), 1)[0]),
        seconds=len(samples) / SAMPLE_RATE,
        onset_seconds=float(np.argmax(speech) if speech.any() else len(speech)) / FRAMES_PER_SECOND,
        speech_share=float(np.mean(speech)),
        clipped=float(np.mean(np.abs(samples) >= 32767 / 32768)),
        offset=float(np.mean(samples)),
        values=float(np.count_nonzero(np.bincount(pcm, minlength=65536))),
        pitch_hz=median_pitch(samples),
    )


def median_pitch(samples: Samples) -> float:
    """Return the median fundamental frequency of the windows within 10 dB of the loud ones, Hz.

    Source: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator", 2002.
    """
    samples = np.pad(samples, (0, max(0, PITCH_SAMPLES - len(samples))))
    pitch = librosa.yin(
        samples,
        fmin=PITCH_HZ[0],
        fmax=PITCH_HZ[1],
        sr=SAMPLE_RATE,
        frame_length=PITCH_SAMPLES,
        hop_length=PITCH_HOP,
        center=False,
    )
    loudness = librosa.feature.rms(
        y=samples, frame_length=PITCH_SAMPLES, hop_length=PITCH_HOP, center=False
    )[0]
    return float(np.median(pitch[loudness >= np.quantile(loudness, 0.95) * from_db(-10)]))


def table(clips: Sequence[Samples]) -> NDArray[np.float64]:
    """Return a row a clip, with a column for each of ``NAMES``. [shape=(n_clips, len(NAMES))]"""
    return np.array([astuple(measure(samples)) for samples in clips]).reshape(-1, len(NAMES))


def mean_spectrum(samples: Samples) -> NDArray[np.float64]:
    """Mean power of Hann-windowed frames, never zero. [shape=(SPECTRUM_SAMPLES // 2 + 1,)]"""
    whole = np.pad(samples, (0, -len(samples) % SPECTRUM_SAMPLES)).reshape(-1, SPECTRUM_SAMPLES)
    spectrum = np.fft.rfft(whole * np.hanning(SPECTRUM_SAMPLES))
    power: NDArray[np.float64] = np.mean(np.abs(spectrum) ** 2, axis=0) + POWER_FLOOR
    return power


def _db(power: float) -> float:
    return float(10 * np.log10(power + POWER_FLOOR))
