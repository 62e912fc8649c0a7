"""Train, dev and test, so that no voice, group, call or script is in two of them.

1. Clips that share a source, a group or a call are one *voice*, through any chain of them.
2. Voices are dealt out. In each class, and within it in each kind of speech, they stand in the
   order of a seeded hash, and every split takes its share of them. Sizes play no part, so a new
   clip of a known voice leaves all other voices where they are; with one exception: a voice much
   larger than its class's others would fill dev or test alone, so it goes to train. (A clip that
   makes or unmakes such a voice, or links two voices, may move others.)
3. A script, which is a text in one language, that voices of several splits speak goes to the
   split that loses least without it. The other splits' clips of it are dropped. A clip weighs the
   more, the smaller its split: counted alike, dev and test would lose nearly all such clips. The
   scripts of what is held out stay with it.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from math import floor, isclose, sqrt

from audio_model.errors import UsageError
from training.data.manifest import Clip

MAX_HELD_OUT_SHARE = 0.6
"""A large voice would fill more than this share of a class's clips in dev or in test by itself."""
MAX_TIMES_MEAN = 2.0
"""A large voice also has more than this many times the clips of the class's mean voice."""

CLASS_NAMES = {1: "recorded", 0: "live", None: "neither"}

MIN_VOICES_HEARD_EVERYWHERE = 4
"""A kind of speech with so many voices has one in dev and one in test, while they last."""


class SplitName(StrEnum):
    """The name of a split."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


@dataclass(frozen=True)
class Split:
    """The clips by split, sorted by name. Clips in ``dropped`` are in no split."""

    train: tuple[Clip, ...]
    dev: tuple[Clip, ...]
    test: tuple[Clip, ...]
    dropped: tuple[Clip, ...]

    def table(self) -> str:
        """Return clips of each corpus and class, and voices of each class, by split, as text."""
        parts = {"train": self.train, "dev": self.dev, "test": self.test, "dropped": self.dropped}
        counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for part, clips in parts.items():
            for clip in clips:
                counts[CLASS_NAMES[clip.label], clip.corpus][part] += 1
                counts[CLASS_NAMES[clip.label], ""][part] += 1
            for voice in _voices(clips):
                for name in {CLASS_NAMES[clip.label] for clip in voice}:
                    counts[name, "(voices)"][part] += 1
        rows = [
            [name, corpus or "(all clips)", *(str(counts[name, corpus][part]) for part in parts)]
            for name, corpus in sorted(counts)
        ]
        rows.insert(0, ["class", "corpus", *parts])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


def split(
    clips: Sequence[Clip],
    fractions: Mapping[str, float],
    seed: int,
    *,
    holdout: Mapping[str, str] | None = None,
) -> Split:
    """Deal the clips out to train, dev and test; how is told at the top of the module.

    ``fractions``: each split's share of the voices; they sum to 1, a split not named gets none.
    ``holdout``: corpus or source → split for those that go whole, with every clip of their voices,
    to one split; the fractions then deal out the rest. A clip with ``may_train`` false that falls
    to train is dropped. The order of ``clips`` changes nothing.

    Raises UsageError for wrong options, and if a split with a share gets no clip of a class that
    the clips hold.
    """
    shares = _checked_fractions(fractions)
    voices = _voices(clips)
    placed = _held_out(voices, holdout or {})
    classes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, voice in enumerate(voices):
        if number not in placed:
            classes[tuple(sorted({CLASS_NAMES[clip.label] for clip in voice}))].append(number)
    for numbers in classes.values():
        dealt = _deal([voices[number] for number in numbers], shares, seed)
        placed.update(zip(numbers, dealt, strict=True))
    parts: dict[SplitName, list[Clip]] = {name: [] for name in SplitName}
    for number, voice in enumerate(voices):
        parts[placed[number]] += voice
    dropped = _other_scripts(parts, Counter(placed.values()), holdout or {})
    dropped |= {clip for clip in parts[SplitName.TRAIN] if not clip.may_train}
    kept = {
        name: tuple(sorted((c for c in part if c not in dropped), key=lambda clip: clip.name))
        for name, part in parts.items()
    }
    for label in {clip.label for clip in clips} - {None}:
        for name, share in shares.items():
            if share and not any(clip.label == label for clip in kept[name]):
                raise UsageError(
                    f"{name} gets no {CLASS_NAMES[label]} clips: too few voices, or they speak "
                    "the same scripts, or their licences forbid training"
                )
    return Split(
        train=kept[SplitName.TRAIN],
        dev=kept[SplitName.DEV],
        test=kept[SplitName.TEST],
        dropped=tuple(sorted(dropped, key=lambda clip: clip.name)),
    )


def _checked_fractions(fractions: Mapping[str, float]) -> dict[SplitName, float]:
    unknown = sorted(set(fractions) - set(SplitName))
    if unknown:
        raise UsageError(f"no split is called {', '.join(unknown)}; train, dev and test are")
    shares = {name: float(fractions.get(name, 0.0)) for name in SplitName}
    if min(shares.values()) < 0 or not isclose(sum(shares.values()), 1.0, abs_tol=1e-6):
        raise UsageError(f"the fractions of a split sum to 1, none below 0; not {dict(fractions)}")
    return shares


def _voices(clips: Iterable[Clip]) -> list[list[Clip]]:
    """Return the clips by voice: those linked by a source, a group or a call, through any chain."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = parent[above]
            key = above
        return key

    ordered = sorted(clips, key=lambda clip: clip.name)
    for clip in ordered:
        parent[root(("source", clip.source))] = root(("group", clip.group))
        if clip.call:
            parent[root(("call", clip.call))] = root(("group", clip.group))
    voices: dict[Hashable, list[Clip]] = defaultdict(list)
    for clip in ordered:
        voices[root(("group", clip.group))].append(clip)
    return list(voices.values())


def _held_out(voices: Sequence[Sequence[Clip]], holdout: Mapping[str, str]) -> dict[int, SplitName]:
    """Return the split of each voice that is held out by its corpus or source, by its number."""
    known = {name for voice in voices for clip in voice for name in (clip.corpus, clip.source)}
    for held_out, name in holdout.items():
        if held_out not in known:
            raise UsageError(f"holdout: the manifest has no corpus and no source {held_out!r}")
        if name not in set(SplitName):
            raise UsageError(f"holdout: no split is called {name!r}; train, dev and test are")
    placed: dict[int, SplitName] = {}
    for number, voice in enumerate(voices):
        held = {
            name: holdout[name]
            for clip in voice
            for name in (clip.corpus, clip.source)
            if name in holdout
        }
        if len(set(held.values())) > 1:
            raise UsageError(
                f"holdout: {' and '.join(sorted(held))} share the voice {_voice_id(voice)!r}, "
                "so they go to one split"
            )
        if held:
            placed[number] = SplitName(next(iter(held.values())))
    return placed


def _deal(
    voices: Sequence[Sequence[Clip]], shares: Mapping[SplitName, float], seed: int
) -> list[SplitName]:
    """Return the split of each voice of one class."""
    wanted = _quotas(len(voices), shares)
    placed = dict.fromkeys(_large(voices, shares)[: wanted[SplitName.TRAIN]], SplitName.TRAIN)
    wanted[SplitName.TRAIN] -= len(placed)
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, voice in enumerate(voices):
        if number not in placed:
            kinds[min(clip.kind or clip.corpus for clip in voice)].append(number)
    turns = _turns({kind: len(numbers) for kind, numbers in kinds.items()}, wanted, seed)
    for kind, numbers in kinds.items():
        numbers.sort(key=lambda number: _hash(seed, _voice_id(voices[number])))
        # Blocks in the order of the hash: a new voice then moves few others.
        blocks = [name for name in SplitName for _ in range(turns[kind][name])]
        placed.update(zip(numbers, blocks, strict=True))
    return [placed[number] for number in range(len(voices))]


def _turns(
    n_voices: Mapping[str, int], quotas: Mapping[SplitName, int], seed: int
) -> dict[str, Counter[SplitName]]:
    """Return how many voices of each kind go to each split.

    ``quotas`` sum to the voices of all kinds.
    """
    wanted = Counter(quotas)
    turns: dict[str, Counter[SplitName]] = {kind: Counter() for kind in n_voices}
    in_order = sorted(n_voices, key=lambda kind: _hash(seed, kind))
    for kind in sorted(in_order, key=lambda kind: -n_voices[kind]):
        if n_voices[kind] >= MIN_VOICES_HEARD_EVERYWHERE:
            for name in (SplitName.DEV, SplitName.TEST):
                turns[kind][name] = min(1, wanted[name])
                wanted[name] -= turns[kind][name]
    n_left, n_seen = wanted.total(), 0
    given: Counter[SplitName] = Counter()
    for kind in in_order:
        for _ in range(n_voices[kind] - turns[kind].total()):
            n_seen += 1
            # The turn of the split that is furthest behind its share of the voices so far.
            behind = {
                name: wanted[name] * n_seen / n_left - given[name]
                for name in SplitName
                if given[name] < wanted[name]
            }
            name = max(behind, key=lambda name: behind[name])
            given[name] += 1
            turns[kind][name] += 1
    return turns


def _quotas(n_voices: int, shares: Mapping[SplitName, float]) -> dict[SplitName, int]:
    """Return whole numbers near the shares that sum to ``n_voices``, at least 1 if possible."""
    exact = {name: n_voices * share for name, share in shares.items()}
    quotas = {name: floor(number + 1e-9) for name, number in exact.items()}
    by_remainder = sorted(SplitName, key=lambda name: quotas[name] - exact[name])
    for name in by_remainder[: n_voices - sum(quotas.values())]:
        quotas[name] += 1
    for name, share in shares.items():
        richest = max(quotas, key=lambda name: quotas[name])
        if share and not quotas[name] and quotas[richest] > 1:
            quotas[name] += 1
            quotas[richest] -= 1
    return quotas


def _large(voices: Sequence[Sequence[Clip]], shares: Mapping[SplitName, float]) -> list[int]:
    """Return the numbers of the voices too large for dev and test, the largest first."""
    n_clips = sum(map(len, voices))
    held_out = [share for name, share in shares.items() if share and name != SplitName.TRAIN]
    limit = n_clips * max(
        MAX_HELD_OUT_SHARE * min(held_out, default=1.0), MAX_TIMES_MEAN / len(voices)
    )
    large = [number for number, voice in enumerate(voices) if len(voice) > limit]
    return sorted(large, key=lambda number: (-len(voices[number]), _voice_id(voices[number])))


def _other_scripts(
    parts: Mapping[SplitName, Sequence[Clip]],
    n_voices: Mapping[SplitName, int],
    holdout: Mapping[str, str],
) -> set[Clip]:
    """Return the clips whose script belongs to another split than their voice."""
    scripts: dict[tuple[str, str], dict[SplitName, list[Clip]]] = defaultdict(dict)
    for name, part in parts.items():
        for clip in part:
            if clip.text:
                scripts[clip.language, clip.text].setdefault(name, []).append(clip)
    dropped: set[Clip] = set()
    for script in scripts.values():
        # Halfway between the number of clips lost and the share that a split loses.
        loss = {name: len(script[name]) / sqrt(n_voices[name]) for name in script}
        forced = [
            name
            for name in script
            if any(clip.corpus in holdout or clip.source in holdout for clip in script[name])
        ]
        owner = max(forced or script, key=lambda name: loss[name])
        dropped.update(clip for name in script if name != owner for clip in script[name])
    return dropped


def _voice_id(voice: Iterable[Clip]) -> str:
    return min(clip.group for clip in voice)


def _hash(seed: int, name: str) -> bytes:
    return blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=8).digest()
