"""The way from a mouth or a file to the callee: drawn at random, or fixed for evaluations.

- :mod:`training.augment.levels`: what loud and quiet mean to every effect.
- :mod:`training.augment.filters`, :mod:`~training.augment.effects`: rooms, microphones, wires.
- :mod:`training.augment.studio`: how recordings are made, and live voices treated too.
- :mod:`training.augment.codecs`, :mod:`~training.augment.packets`: the network.
- :mod:`training.augment.line`: all of them by chance. :mod:`~training.augment.matched`: by rule.

Every effect keeps the length and knows nothing of labels. The same generator gives the same bits.
"""

from training.augment.codecs import Codec, encode
from training.augment.filters import coloured_noise, reverberate, synthetic_room
from training.augment.levels import (
    active_frames,
    add_bed,
    frame_rms,
    from_db,
    level,
    loudness,
    rms,
    stretch_of,
)
from training.augment.line import Line, Surroundings, simulate
from training.augment.matched import MatchedChannel
from training.augment.packets import PACKET_SAMPLES

__all__ = [
    "PACKET_SAMPLES",
    "Codec",
    "Line",
    "MatchedChannel",
    "Surroundings",
    "active_frames",
    "add_bed",
    "coloured_noise",
    "encode",
    "frame_rms",
    "from_db",
    "level",
    "loudness",
    "reverberate",
    "rms",
    "simulate",
    "stretch_of",
    "synthetic_room",
]
