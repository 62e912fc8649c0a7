"""One thing changed in a clip: what a line, a file or a moment does to a call.

None of ``CHANGES`` makes a live caller a recording. :func:`played_back` does: it is a recording
of the same voice, played by a loudspeaker into a room. Rooms, noise and bit rates are drawn for
each clip.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from audio_model.frontend import HOP_LENGTH, SAMPLE_RATE, Samples
from training.augment import (
    PACKET_SAMPLES,
    Codec,
    add_bed,
    coloured_noise,
    encode,
    frame_rms,
    from_db,
    loudness,
    reverberate,
    synthetic_room,
)
from training.augment.filters import high_pass, low_pass, shape, telephone_band

Change = Callable[[Samples, Generator], Samples]
SNR_DB = 20
LOSS = 0.03
SPEECH_DB = -30
"""Below the loudness: where speech begins."""


def gain(decibel: float) -> Change:
    """Return a change of level. Samples beyond full scale are clipped, as a line does."""
    return lambda samples, _: np.clip(samples * np.float32(from_db(decibel)), -1, 1)


def coded(codec: Codec) -> Change:
    """Return a change that sends samples through a codec."""
    return lambda samples, rng: encode(samples, codec, rng)


def silence_before(samples: Samples, _: Generator) -> Samples:
    """Add 0.5 s of digital silence at the start."""
    return np.pad(samples, (SAMPLE_RATE // 2, 0))


def without_lead(samples: Samples, _: Generator) -> Samples:
    """Remove everything before the first frame of speech."""
    speech = frame_rms(samples) >= loudness(samples) * from_db(SPEECH_DB)
    return samples[int(np.argmax(speech)) * HOP_LENGTH :]


def noise(samples: Samples, rng: Generator) -> Samples:
    """Add coloured noise at ``SNR_DB``."""
    return add_bed(samples, coloured_noise(len(samples), rng), SNR_DB)


def lost_packets(samples: Samples, rng: Generator) -> Samples:
    """Replace packets of 20 ms by silence, here and there."""
    lost = rng.random(-(-len(samples) // PACKET_SAMPLES)) < LOSS
    return np.where(np.repeat(lost, PACKET_SAMPLES)[: len(samples)], np.float32(0), samples)


def room(samples: Samples, rng: Generator) -> Samples:
    """Add the sound of a synthetic room."""
    return reverberate(samples, synthetic_room(rng))


CHANGES: dict[str, Change] = {
    "12 dB louder": gain(12),
    "12 dB quieter": gain(-12),
    **{f"codec {codec}": coded(codec) for codec in Codec},
    "0.5 s of silence before": silence_before,
    "leading silence cut": without_lead,
    f"noise at {SNR_DB} dB": noise,
    "telephone band": lambda samples, _: telephone_band(samples),
    f"{LOSS:.0%} of packets lost": lost_packets,
    "a room": room,
}


def played_back(samples: Samples, rng: Generator) -> Samples:
    """Store as an MP3, play by a small loudspeaker into a room, and restore the level."""
    low, high = rng.uniform(300, 600), rng.uniform(2800, 3800)
    stored = encode(samples, Codec.MP3, rng)
    played = shape(stored, lambda f: high_pass(f, low, 3) * low_pass(f, high, 2))
    return room(played, rng)
