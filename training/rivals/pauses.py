"""Pause timing: Silero VAD says when speech is heard, trees say what that timing is of.

After Saurav, "Real-Time Voicemail Detection in Telephony Audio Using Temporal Speech Activity
Features", arXiv 2604.09675, 2026: fifteen temporal features and a shallow ensemble of trees. The
paper's features are not listed in its abstract; these fifteen are ours.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import silero_vad
import torch
from numpy.typing import NDArray

from audio_model.frontend import SAMPLE_RATE, Samples
from training.rivals.trees import FeatureTrees

FEATURES = (
    "initial_silence", "final_silence", "speech", "speech_share",
    "segments", "first_segment", "last_segment",
    "segment_mean", "segment_max", "segment_std",
    "pauses", "pause_mean", "pause_max", "pause_std",
    "longest_silence",
)  # fmt: skip
"""Seconds, but for the share and the two counts."""

VAD_SAMPLES = 256
"""Samples that Silero VAD hears at a time at 8 kHz: 32 ms."""
BATCH_SIZE = 64

Segment = tuple[float, float]
"""Start and end of a stretch of speech, seconds."""


def timing(segments: Sequence[Segment], seconds: float) -> NDArray[np.float64]:
    """Return ``FEATURES`` of a clip from its segments of speech."""
    starts, ends = np.array(segments, float).reshape(-1, 2).T
    lengths, pauses = ends - starts, starts[1:] - ends[:-1]
    initial, final = (starts[0], seconds - ends[-1]) if len(segments) else (seconds, seconds)
    first, last = (lengths[0], lengths[-1]) if len(segments) else (0.0, 0.0)
    return np.array([
        initial, final, lengths.sum(), lengths.sum() / seconds,
        len(segments), first, last,
        *_mean_max_std(lengths),
        len(pauses), *_mean_max_std(pauses),
        max(initial, final, *pauses),
    ])  # fmt: skip


def _mean_max_std(values: NDArray[np.float64]) -> tuple[float, float, float]:
    if not len(values):
        return 0.0, 0.0, 0.0
    return float(values.mean()), float(values.max()), float(values.std())


class Pauses(FeatureTrees):
    """Trees on the timing of pauses, which Silero VAD finds."""

    name = "pause timing (Silero VAD), trees"

    def __init__(self) -> None:
        super().__init__()
        self._vad = silero_vad.load_silero_vad(onnx=True)

    def features(self, clips: Sequence[Samples]) -> NDArray[np.float64]:
        """Return the timing of each clip. [shape=(n_clips, n_features)]"""
        rows = []
        for start in range(0, len(clips), BATCH_SIZE):
            batch = clips[start : start + BATCH_SIZE]
            for samples, segments in zip(batch, self.segments(batch), strict=True):
                rows.append(timing(segments, len(samples) / SAMPLE_RATE))
        return np.array(rows)

    def segments(self, clips: Sequence[Samples]) -> list[list[Segment]]:
        """Return where each clip holds speech, by the default settings of Silero VAD."""
        size = max(-(-len(samples) // VAD_SAMPLES) for samples in clips) * VAD_SAMPLES
        padded = np.stack([np.pad(samples, (0, size - len(samples))) for samples in clips])
        chunks = torch.from_numpy(padded.reshape(len(clips), -1, VAD_SAMPLES)).unbind(1)
        self._vad.reset_states()
        speech = torch.cat([self._vad(chunk, SAMPLE_RATE) for chunk in chunks], dim=1)
        return [
            _in_seconds(
                silero_vad.get_speech_timestamps_from_probs(
                    probability[: -(-len(samples) // VAD_SAMPLES)],
                    sampling_rate=SAMPLE_RATE,
                    audio_length_samples=len(samples),
                )
            )
            for samples, probability in zip(clips, speech.tolist(), strict=True)
        ]


def _in_seconds(found: Sequence[Mapping[str, int]]) -> list[Segment]:
    return [(each["start"] / SAMPLE_RATE, each["end"] / SAMPLE_RATE) for each in found]
