"""Clips that the network knows, on which the new one is to answer as the old one does.

What is learnt from one line changes answers elsewhere. So each batch of marked calls comes with a
batch of other speech, whose targets are the old network's answers and not the labels: labels would
teach it something new once more. Source: Li and Hoiem, "Learning without forgetting", 2016.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from audio_model.errors import UsageError
from training.adapt.calls import NAMES, Calls
from training.adapt.settings import RehearsalConfig
from training.augment import MatchedChannel
from training.data import manifest as manifests
from training.data.corpus import apart_from
from training.data.manifest import Clip, Manifest
from training.data.scenes import load_call
from training.evaluation.infer import matched, raw
from training.network import Network


def rehearsal_of(
    network: Network, settings: RehearsalConfig, apart: Sequence[Manifest], seconds: float
) -> Calls | None:
    """Hear clips to rehearse, half as recorded and half matched; None without manifests.

    ``apart`` are the calls to learn from and the unmet clips: what shares a voice, a call or audio
    with these is left out. Raises UsageError if nothing of a class is left, AudioError for a clip
    that can't be read.
    """
    if not settings.manifests:
        return None
    known = manifests.load_all(settings.manifests)
    for other in apart:
        known = apart_from(known, other)
    clips = chosen_evenly(known.clips, settings.clips)
    for label, name in enumerate(NAMES):
        if not any(clip.label == label for clip in clips):
            raise UsageError(f"rehearsal: no {name} clip is left that the marked calls do not have")
    sounds = [load_call(clip, seconds) for clip in clips]
    takes = [*raw(sounds[::2]), *matched(sounds[1::2], MatchedChannel(), seed=1)]
    return Calls(network, takes, seconds)


def chosen_evenly(clips: Sequence[Clip], n: int, seed: int = 0) -> list[Clip]:
    """Draw up to ``n`` clips that may teach, half of each class, as many of each corpus."""
    rng = np.random.default_rng(seed)
    chosen: list[Clip] = []
    for label in (0, 1):
        corpora: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            if clip.label == label and clip.may_train:
                corpora[clip.corpus].append(clip)
        left = n // 2
        # From the smallest corpus to the largest, so that what one lacks the others share.
        for done, corpus in enumerate(sorted(corpora.values(), key=len)):
            few = min(len(corpus), left // (len(corpora) - done))
            chosen += [corpus[number] for number in rng.permutation(len(corpus))[:few].tolist()]
            left -= few
    return [chosen[number] for number in rng.permutation(len(chosen)).tolist()]
