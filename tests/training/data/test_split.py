from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from audio_model.errors import UsageError
from training.data.manifest import Clip
from training.data.split import Split, SplitName, split

FRACTIONS = {"train": 0.7, "dev": 0.15, "test": 0.15}
PARTS = tuple(SplitName)


def clip(name: str, label: int | None, source: str, **columns: object) -> Clip:
    defaults: dict[str, object] = {"group": source, "corpus": "own"}
    return Clip(Path("/") / name, name, label, source, **(defaults | columns))  # type: ignore[arg-type]


def voices(label: int | None, sizes: list[int], **columns: object) -> list[Clip]:
    """``sizes[n]`` clips of voice n."""
    corpus = columns.get("corpus", "own")
    return [
        clip(f"{corpus}/{label}/{voice}/{n}.wav", label, f"{corpus}:{label}:{voice}", **columns)
        for voice, size in enumerate(sizes)
        for n in range(size)
    ]


@st.composite
def manifests(draw: st.DrawFn) -> list[Clip]:
    """Both classes, enough voices for three splits, and columns that link clips at random."""
    clips = voices(0, [1] * 4, corpus="alone") + voices(1, [1] * 4, corpus="alone")
    names = st.sampled_from("abcdef")
    for number in range(draw(st.integers(0, 25))):
        label = draw(st.sampled_from([0, 1, None]))
        group = f"{label}{draw(names)}"
        clips.append(
            clip(
                f"{number}.wav",
                label,
                source=group + draw(st.sampled_from(["", "'"])),
                group=group,
                corpus=draw(st.sampled_from(["x", "y"])),
                kind=draw(st.sampled_from(["", "tts"])),
                # A call may link a live and a recorded party.
                call=draw(st.sampled_from(["", "", "", "1", "2"])),
                language=draw(st.sampled_from(["en", "fr"])),
                text=draw(st.sampled_from(["", "hello", "bye"])),
                may_train=draw(st.booleans()),
            )
        )
    return clips


def split_where_possible(clips: list[Clip], seed: int) -> Split:
    """The split; a manifest of which dropped clips leave a split empty is refused rightly."""
    try:
        return split(clips, FRACTIONS, seed)
    except UsageError as error:
        assert "clips: too few voices" in str(error)
        reject()


def part_of(result: Split) -> dict[str, str]:
    return {c.name: p for p in (*PARTS, "dropped") for c in getattr(result, p)}


def shares(result: Split, label: int) -> dict[str, float]:
    """Share of a class's clips, dropped ones aside, by split."""
    counts = {part: sum(c.label == label for c in getattr(result, part)) for part in PARTS}
    return {part: count / sum(counts.values()) for part, count in counts.items()}


def n_voices(result: Split, label: int) -> dict[str, int]:
    return {p: len({c.group for c in getattr(result, p) if c.label == label}) for p in PARTS}


@given(manifests(), st.integers(0, 5))
def test_nothing_crosses_and_every_clip_is_in_one_place(clips: list[Clip], seed: int) -> None:
    result = split_where_possible(clips, seed)
    everywhere = [*result.train, *result.dev, *result.test, *result.dropped]
    assert sorted(c.name for c in everywhere) == sorted(c.name for c in clips)
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for part in PARTS:
        for c in getattr(result, part):
            found["source", c.source].add(part)
            found["group", c.group].add(part)
            if c.call:
                found["call", c.call].add(part)
            if c.text:
                found["script", c.language, c.text].add(part)
    assert all(len(parts) == 1 for parts in found.values())
    assert all(c.may_train for c in result.train)


@given(manifests(), st.randoms(use_true_random=False))
def test_the_order_of_the_clips_changes_nothing(clips: list[Clip], random) -> None:  # type: ignore[no-untyped-def]
    before = split_where_possible(clips, 0)
    shuffled = list(clips)
    random.shuffle(shuffled)
    assert split(shuffled, FRACTIONS, 0) == before


@given(
    sizes=st.lists(st.integers(1, 2), min_size=30, max_size=40),
    scripted=st.sets(st.integers(0, 29), max_size=15),
    new=st.integers(0, 37),
    seed=st.integers(0, 5),
)
def test_a_new_clip_of_a_known_voice_moves_no_other_voice(
    sizes: list[int], scripted: set[int], new: int, seed: int
) -> None:
    clips = voices(0, [1] * 8) + [
        replace(c, kind=f"kind {n % 4}", text="hello" if n in scripted else "")
        for n, c in enumerate(voices(1, sizes))
    ]
    added = replace(clips[new], path=Path("/new"), name="new")
    before = part_of(split_where_possible(clips, seed))
    after = part_of(split_where_possible([*clips, added], seed))
    moved = {name for name, part in before.items() if after[name] != part}
    # A script may change hands: its clips are then dropped or come back, but in their own split.
    assert all("dropped" in (before[name], after[name]) for name in moved)
    if not added.text:
        assert not moved


def test_a_new_voice_moves_few_others() -> None:
    clips = voices(0, [2] * 200) + voices(1, [2] * 200)
    before = part_of(split(clips, FRACTIONS, 3))
    added = [*clips, clip("new", 1, "a new voice")]
    after = part_of(split(added, FRACTIONS, 3))
    assert sum(after[name] != part for name, part in before.items()) <= 2 * 2


def test_seeds_deal_differently() -> None:
    clips = voices(0, [1] * 40) + voices(1, [1] * 40)
    assert split(clips, FRACTIONS, 1) == split(clips, FRACTIONS, 1) != split(clips, FRACTIONS, 2)


@pytest.mark.parametrize("seed", range(8))
def test_shares_hold_and_large_voices_are_not_held_out(seed: int) -> None:
    """Sizes as they are in practice: a few big prompt voices, small engines, single callers."""
    prompts = voices(1, [210, 150, 90, 90, 80, 70], corpus="prompts", kind="voice actor")
    clips = [
        *prompts,
        *voices(1, [20] * 8, corpus="zh", kind="neural TTS, zh"),
        *voices(1, [7] * 12, corpus="en", kind="neural TTS"),
        *voices(1, [7] * 7, corpus="moh", kind="music"),
        *voices(1, [16] * 4, corpus="flite", kind="older TTS"),
        *voices(1, [40], corpus="joe", kind="one voice"),
        *voices(0, [2] * 180, corpus="telephone"),
        *voices(0, [1] * 900, corpus="crowd"),
        *voices(0, [4] * 5, corpus="tape"),
        *voices(None, [2] * 20, corpus="tones"),
    ]
    result = split(clips, FRACTIONS, seed)
    assert not result.dropped
    for label in (0, 1):
        total = sum(n_voices(result, label).values())
        for part, share in shares(result, label).items():
            assert share == pytest.approx(FRACTIONS[part], abs=0.02 if label == 0 else 0.06)
            assert n_voices(result, label)[part] == pytest.approx(FRACTIONS[part] * total, abs=1)
    in_train = {c.source for c in result.train}
    assert {"prompts:1:0", "prompts:1:1"} <= in_train
    for clips_of_part in (result.dev, result.test):
        kinds = {c.kind for c in clips_of_part if c.label == 1}
        assert {"voice actor", "neural TTS, zh", "neural TTS", "music", "older TTS"} <= kinds
        assert {"telephone", "crowd", "tape"} <= {c.corpus for c in clips_of_part}
        recorded = Counter(c.source for c in clips_of_part if c.label == 1)
        assert recorded.most_common(1)[0][1] < 0.67 * recorded.total()


def test_scripts_leave_something_to_every_split() -> None:
    """30 voices that speak 15 of the same 60 scripts each, as TTS engines do."""
    rng = np.random.default_rng(0)
    scripts = [rng.choice(60, 15, replace=False) for _ in range(30)]
    clips = voices(0, [1] * 30) + [
        replace(c, text=str(scripts[n // 15][n % 15]), language="en")
        for n, c in enumerate(voices(1, [15] * 30))
    ]
    result = split(clips, FRACTIONS, 1)
    unscripted = split([replace(c, text="") for c in clips], FRACTIONS, 1)
    kept = {
        part: sum(c.label == 1 for c in getattr(result, part))
        / sum(c.label == 1 for c in getattr(unscripted, part))
        for part in PARTS
    }
    assert min(kept.values()) > 0.2
    assert sum(c.label == 1 for c in result.dropped) < 0.5 * 450


def test_a_script_in_another_language_is_another_script() -> None:
    clips = voices(0, [1] * 10) + [
        replace(c, text="agent-pass", language=f"language {n}")
        for n, c in enumerate(voices(1, [1] * 10))
    ]
    assert not split(clips, FRACTIONS, 0).dropped


def test_calls_link_voices_through_chains() -> None:
    chain = [
        clip("1", 0, "a", call="x"),
        clip("2", 0, "b", call="x"),
        clip("3", 0, "b", call="y"),
        clip("4", 0, "c", group="g", call="y"),
        clip("5", 0, "d", group="g"),
    ]
    for seed in range(10):
        result = split([*chain, *voices(0, [1] * 9), *voices(1, [1] * 9)], FRACTIONS, seed)
        assert len({part_of(result)[c.name] for c in chain}) == 1


def test_three_voices_make_three_splits() -> None:
    result = split(voices(0, [1, 5, 9]) + voices(1, [1, 1, 1]), FRACTIONS, 0)
    assert n_voices(result, 0) == n_voices(result, 1) == {"train": 1, "dev": 1, "test": 1}


def test_two_voices_are_too_few() -> None:
    with pytest.raises(UsageError, match="test gets no recorded clips: too few voices"):
        split(voices(0, [1] * 5) + voices(1, [10, 10]), FRACTIONS, 0)


def test_voices_that_all_speak_one_script_are_too_few() -> None:
    recorded = [replace(c, text="the only line") for c in voices(1, [1] * 20)]
    with pytest.raises(UsageError, match="gets no recorded clips"):
        split(voices(0, [1] * 20) + recorded, FRACTIONS, 0)


def test_what_may_not_train_is_dropped_from_train_alone() -> None:
    clips = voices(0, [1] * 20) + voices(1, [2] * 20)
    barred = [replace(c, may_train=not c.name.endswith("0.wav")) for c in clips if c.label == 1]
    result = split([*(c for c in clips if c.label == 0), *barred], FRACTIONS, 0)
    assert len(result.dropped) == 14
    assert not any(c.may_train for c in result.dropped)
    assert sum(not c.may_train for c in (*result.dev, *result.test)) == 6


def test_a_held_out_corpus_takes_its_voices_along() -> None:
    shared = [
        clip("tts/1", 1, "tts:heart", group="heart", corpus="tts"),
        clip("other/1", 1, "other:heart", group="heart", corpus="other"),
    ]
    clips = [*shared, *voices(1, [3] * 9, corpus="other"), *voices(0, [1] * 20)]
    for seed in range(5):
        result = split(clips, FRACTIONS, seed, holdout={"tts": "test"})
        assert set(shared) <= set(result.test)
        assert {c.corpus for c in result.train} == {"other", "own"}


def test_a_held_out_corpus_can_be_the_whole_test_split() -> None:
    clips = [*voices(0, [1] * 20), *voices(1, [1] * 20), *voices(1, [2] * 3, corpus="held")]
    result = split(clips, {"train": 0.8, "dev": 0.2}, 0, holdout={"held": "test"})
    assert {c.corpus for c in result.test} == {"held"}
    assert len(result.test) == 6
    assert len(result.dev) == 8


@pytest.mark.parametrize(
    ("fractions", "holdout", "message"),
    [
        ({"train": 0.7, "dev": 0.2}, {}, "sum to 1"),
        ({"train": 1.2, "dev": -0.2}, {}, "none below 0"),
        ({"train": 0.7, "eval": 0.3}, {}, "no split is called eval"),
        (FRACTIONS, {"gone": "test"}, "no source 'gone'"),
        (FRACTIONS, {"own": "eval"}, "no split is called 'eval'"),
        (FRACTIONS, {"own": "test", "own2": "dev"}, "own and own2 share the voice 'both'"),
    ],
)
def test_wrong_options(fractions: dict[str, float], holdout: dict[str, str], message: str) -> None:
    clips = [
        *voices(0, [1] * 9),
        *voices(1, [1] * 9),
        clip("1", 0, "both"),
        clip("2", 0, "both", corpus="own2"),
    ]
    with pytest.raises(UsageError, match=message):
        split(clips, fractions, 0, holdout=holdout)


def test_the_table_counts_clips_and_voices() -> None:
    clips = [
        *voices(0, [2] * 10, corpus="people"),
        *voices(1, [3] * 10, corpus="ivr"),
        clip("tone", None, "tone", corpus="tones", may_train=False),
    ]
    lines = split(clips, {"train": 0.6, "dev": 0.2, "test": 0.2}, 0).table().splitlines()
    assert [line.split() for line in lines] == [
        ["class", "corpus", "train", "dev", "test", "dropped"],
        ["live", "(all", "clips)", "12", "4", "4", "0"],
        ["live", "(voices)", "6", "2", "2", "0"],
        ["live", "people", "12", "4", "4", "0"],
        ["neither", "(all", "clips)", "0", "0", "0", "1"],
        ["neither", "(voices)", "0", "0", "0", "1"],
        ["neither", "tones", "0", "0", "0", "1"],
        ["recorded", "(all", "clips)", "18", "6", "6", "0"],
        ["recorded", "(voices)", "6", "2", "2", "0"],
        ["recorded", "ivr", "18", "6", "6", "0"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_held_out_corpus_keeps_its_scripts() -> None:
    """However many clips of the script training loses."""
    held = [replace(c, text="pitch") for c in voices(1, [1] * 2, corpus="held")]
    others = [replace(c, text="pitch") for c in voices(1, [1] * 12, corpus="other")]
    clips = [*held, *others, *voices(1, [1] * 10), *voices(0, [1] * 20)]
    result = split(clips, {"train": 0.9, "dev": 0.1}, 0, holdout={"held": "test"})
    assert set(result.test) == set(held)
    assert set(result.dropped) == set(others)


def test_a_source_can_be_held_out_of_its_corpus() -> None:
    clips = [*voices(0, [1] * 20), *voices(1, [2] * 10, corpus="music")]
    held = "music:1:3"
    result = split(clips, {"train": 0.9, "dev": 0.1}, 0, holdout={held: "test"})
    assert {c.source for c in result.test} == {held}
    assert len(result.test) == 2
    with pytest.raises(UsageError, match="no corpus and no source 'music:1:99'"):
        split(clips, {"train": 1.0}, 0, holdout={"music:1:99": "test"})
