"""The fixed line of evaluations: both classes end with the same band, level, floor and codec."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from audio_model.errors import UsageError
from audio_model.frontend import Samples
from training.augment.codecs import Codec, encode
from training.augment.filters import telephone_band
from training.augment.levels import add_bed, fill, from_db, level, stretch_of


@dataclass(frozen=True)
class MatchedChannel:
    """One chain for both classes: telephone band, level, bed, noise floor, codec.

    Where a clip's pauses are quieter than ``floor_db`` they are filled up to it, so that no exact
    zero and no studio's silence is left; a clip that is noisier keeps its noise. Raises UsageError.
    """

    codec: str = "mulaw"
    """A :class:`training.augment.codecs.Codec`, or several in tandem: ``amr_nb+mulaw``."""
    level_db: float = -26.0
    """Loudness in dBFS; -26 is the nominal speech level of ITU-T P.56 tests."""
    floor_db: float = -55.0
    snr_db: float | None = None
    """How far the bed lies under the voice's loudness; None for no bed."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.codec.split("+")) - set(Codec))
        if unknown:
            raise UsageError(f"codec {unknown[0]!r}: not one of {', '.join(Codec)}")

    def __call__(self, samples: Samples, rng: Generator, bed: Samples | None = None) -> Samples:
        """Send samples through the chain. [shape=(n_samples,)], length kept.

        ``rng`` draws the noise, the stretch of the bed and the codec's bit rate: seed it by clip.
        Raises UsageError for a bed that is missing or not asked for.
        """
        if (bed is None) != (self.snr_db is None):
            raise UsageError("snr_db and a bed belong together")
        samples = level(telephone_band(samples), self.level_db)
        if bed is not None and self.snr_db is not None:
            stretch = telephone_band(stretch_of(bed, len(samples), rng))
            samples = add_bed(samples, stretch, self.snr_db)
        noise = telephone_band(rng.standard_normal(len(samples), np.float32))
        samples = fill(samples, noise, from_db(self.floor_db))
        for codec in self.codec.split("+"):
            samples = encode(samples, codec, rng)
        return samples
