"""What a network learnt from, in numbers: its checkpoint keeps them, and its card tells them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from training.data.corpus import Corpus
from training.data.manifest import Clip
from training.data.split import CLASS_NAMES, SplitName


@dataclass(frozen=True)
class LearntCorpus:
    """The clips of one class in a corpus."""

    name: str
    class_name: str
    """``live``, ``recorded`` or ``neither``."""
    kind: str
    """What the manifest says of its clips, each kind once."""
    licence: str
    clips: int
    """How many the manifest holds."""
    clips_learnt: int
    """How many of them the network learnt from."""


@dataclass(frozen=True)
class LearntData:
    """The clips that a network learnt from, and those beside them that it did not."""

    clips: int
    live_callers: int
    recorded_voices: int
    corpora: tuple[LearntCorpus, ...]

    @classmethod
    def of(cls, corpus: Corpus) -> "LearntData":
        """Count the clips of a run."""
        learnt = corpus.clips(SplitName.TRAIN)
        live, recorded = (
            len({clip.group for clip in learnt if clip.label == label}) for label in (0, 1)
        )
        names = {clip.name for clip in learnt}
        by_corpus: dict[tuple[str, str], list[Clip]] = defaultdict(list)
        for clip in corpus.manifest.clips:
            by_corpus[CLASS_NAMES[clip.label], clip.corpus].append(clip)
        corpora = (
            LearntCorpus(
                name=name,
                class_name=class_name,
                kind=_told(clip.kind for clip in clips),
                licence=_told(clip.licence for clip in clips),
                clips=len(clips),
                clips_learnt=sum(clip.name in names for clip in clips),
            )
            for (class_name, name), clips in sorted(by_corpus.items())
        )
        return cls(len(learnt), live, recorded, tuple(corpora))


def _told(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values) - {""}))
