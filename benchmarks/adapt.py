"""Measure what adapting gives on lines no network has met: ``python -m benchmarks.adapt RUN``.

Make RUN with ``python -m training.train --config training/configs/lines.toml``: the shipped recipe
without the corpora of three lines. The shipped network itself can't be adapted to a new line: it
has learnt from all training corpora, and nothing may learn from the ``unmet`` clips.

Two fifths of a line's groups are kept to judge by. The network is adapted to the rest, or to calls
drawn from it. Everything is heard through the matched channel. Only the table is written: a network
that learns here never ships.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from audio_model.errors import AudioModelError, UsageError
from benchmarks.command import parser_of
from training import checkpoint, config
from training.adapt.calls import MIN_GROUPS, Calls
from training.adapt.depth import Depth
from training.adapt.guard import error_rate
from training.adapt.rehearsal import chosen_evenly
from training.adapt.run import adapt
from training.adapt.settings import AdaptConfig, RehearsalConfig
from training.augment import MatchedChannel
from training.checkpoint import CHECKPOINT, Checkpoint
from training.data import manifest as manifests
from training.data.manifest import Clip
from training.data.scenes import load_call
from training.evaluation.infer import matched
from training.markdown import table

LINES = {
    "telephone": (
        *("wuw2", "freeswitch_june_elena", "freeswitch_richard", "asterisk_fr"),
        *("debian_asterisk_fr", "pbx_prompts_more", "ftc_robocalls_dev", "tts_bark_qwen3"),
    ),
    "india": ("respin_indian_phones", "tts_azure_edge"),
    "mandarin": ("common_voice_zh_cn", "kokoro_zh", "made_kokoro_zh", "tts_azure_edge_rare"),
}
"""Live callers first. The network of RUN has learnt no Mandarin at all."""
KEPT = 0.4
"""Share of a line's groups that judge."""
CALLERS, ROBOCALLS = 125, 12
WRONG = 0.1


@dataclass(frozen=True)
class Line:
    """A line's calls: those with marks, and those kept to measure on."""

    name: str
    marks: Calls
    kept: Calls


def listen(trained: Checkpoint, clips: Sequence[Clip]) -> Calls:
    """Hear clips through the matched channel. Raises AudioError."""
    sounds = [load_call(clip) for clip in clips]
    return Calls(trained.build(), matched(sounds, MatchedChannel(), seed=1))


def line_of(name: str, trained: Checkpoint, clips: Sequence[Clip]) -> Line:
    """Hear a line, and deal its groups. Raises AudioError."""
    mine = [clip for clip in clips if clip.corpus in LINES[name]]
    rng = np.random.default_rng(0)
    kept: set[str] = set()
    for label in (0, 1):
        groups = sorted({clip.group for clip in mine if clip.label == label})
        kept |= set(rng.permutation(groups)[: round(KEPT * len(groups))].tolist())
    return Line(
        name,
        listen(trained, [clip for clip in mine if clip.group not in kept]),
        listen(trained, [clip for clip in mine if clip.group in kept]),
    )


def drawn(marks: Calls, n_live: int, n_recorded: int, rng: Generator) -> Calls:
    """Draw calls of both classes, of at least as many groups as adapting asks for."""
    chosen: list[int] = []
    for label, n in ((0, n_live), (1, n_recorded)):
        mine = rng.permutation(np.flatnonzero(marks.label == label))
        _, first = np.unique(marks.group[mine], return_index=True)
        sure = mine[np.sort(first)[:MIN_GROUPS]]
        rest = mine[~np.isin(mine, sure)]
        chosen += [*sure.tolist(), *rest[: n - len(sure)].tolist()]
    return marks.some(chosen)


def mismarked(marks: Calls, rng: Generator) -> Calls:
    """Give a tenth of the groups the wrong label."""
    groups = np.unique(marks.group)
    wrong = set(rng.permutation(groups)[: round(WRONG * len(groups))].tolist())
    turned = marks.some(range(len(marks)))
    turned.mark([1 - each.label if each.group in wrong else each.label for each in marks.old])
    return turned


ALL = "all"
FEW = {
    "10": (5, 5),
    "30": (15, 15),
    "100": (50, 50),
    f"{CALLERS} callers, {ROBOCALLS} robocalls": (CALLERS, ROBOCALLS),
}
"""Live and recorded calls that are drawn, by what a case is called."""
WRONG_TOO = (ALL, f"{CALLERS} callers, {ROBOCALLS} robocalls")
"""Cases that are tried with a tenth marked wrong, too."""
MARKED_WRONG = ", a tenth marked wrong"


def cases(draws: int) -> Iterator[tuple[str, int]]:
    """Give the name of each case and the number of its draw; a draw of every case, then the next.

    So what a run that was cut short has measured is a smaller table, not a part of one.
    """
    for draw in range(draws):
        for name in (ALL, *FEW):
            if name == ALL and draw:
                continue
            yield name, draw
            if name in WRONG_TOO:
                yield name + MARKED_WRONG, draw


def marks_of(line: Line, case: str, draw: int) -> Calls:
    """Return what is adapted to in one draw of a case."""
    name = case.removesuffix(MARKED_WRONG)
    marks = line.marks
    if name != ALL:
        marks = drawn(marks, *FEW[name], np.random.default_rng(draw))
    return marks if name == case else mismarked(marks, np.random.default_rng(draw))


def measure(
    line: Line,
    marks: Calls,
    unmet: Calls,
    trained: Checkpoint,
    settings: AdaptConfig,
    rehearsal: Calls | None = None,
) -> Any:
    """Adapt once, and measure on the groups that were kept."""
    assert trained.decision is not None
    cpu, wall = time.process_time(), time.perf_counter()
    came = adapt(marks, [unmet], trained.decision.calibration, settings, rehearsal)
    before = error_rate(line.kept.old)
    after = error_rate(line.kept.heard_by(came.network, came.chosen.depth))
    general = came.general if came.is_new and came.general else None
    return {
        "marks": len(marks),
        "groups": [len(np.unique(marks.group[marks.label == label])) for label in (0, 1)],
        "adapted": came.is_new,
        "depth": came.chosen.depth.value,
        "share": came.chosen.share,
        "before": before,
        "after": after if came.is_new else before,
        "lost": general[1] - general[0] if general else 0.0,
        "objections": list(came.objections),
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }


def as_rows(results: Sequence[dict[str, Any]]) -> Iterator[Sequence[str]]:
    """Sum up the draws of each line and case."""
    for line, case in sorted({(of["line"], of["case"]) for of in results}, key=_order):
        mine = [of for of in results if (of["line"], of["case"]) == (line, case)]
        change = np.array([of["after"] - of["before"] for of in mine])
        lost = [of["lost"] for of in mine]
        yield (
            *(line, case, str(round(np.mean([of["marks"] for of in mine])))),
            f"{sum(of['adapted'] for of in mine)} of {len(mine)}",
            f"{mine[0]['before']:.1%}",
            f"{np.mean([of['after'] for of in mine]):.1%}",
            " to ".join(dict.fromkeys(f"{of:+.1%}" for of in (change.min(), change.max()))).replace(
                "+0.0%", "0"
            ),
            f"{np.mean(lost):+.1%}",
            f"{np.mean([of['cpu_s'] for of in mine]):.0f} s",
        )


def _order(of: tuple[str, str]) -> tuple[int, int]:
    line, case = of
    return list(LINES).index(line), [name for name, _ in cases(1)].index(case)


HEAD = (
    *("line", "marked", "calls", "adapted", "EER before", "EER after", "change, least and most"),
    *("EER of unmet", "CPU"),
)


def read_results(output: Path | None) -> list[dict[str, Any]]:
    """Return what an earlier run has left in its output; cut off what it was still writing."""
    if output is None or not output.exists():
        return []
    lines = output.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    output.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


def main(arguments: list[str] | None = None) -> int:
    """Measure the lines and print the figures as Markdown."""
    parser = parser_of("adapt", __doc__)
    parser.add_argument("run", type=Path, help="folder that training.train made")
    parser.add_argument("--config", type=Path, default=Path("training/configs/lines.toml"))
    parser.add_argument("--line", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--draws", type=int, default=20, help="draws of a few marks")
    parser.add_argument("--case", nargs="+", help="only cases whose names begin so")
    parser.add_argument("--depth", nargs="+", default=list(AdaptConfig().depths))
    parser.add_argument(
        "--rehearse",
        type=int,
        default=RehearsalConfig().clips,
        metavar="N",
        help="rehearse N clips that RUN has learnt from; 0 for none",
    )
    parser.add_argument(
        "--output", type=Path, help="JSON lines; results that the file has are not made again"
    )
    options = parser.parse_args(arguments)
    try:
        settings = config.load(options.config)
        if settings.unmet.manifest is None:
            raise UsageError(f"{options.config}: unmet.manifest is needed, to tell what is lost")
        trained = checkpoint.load(options.run / CHECKPOINT)
        clips = manifests.load_all(settings.data.manifests).clips
        unmet_clips = manifests.load(settings.unmet.manifest).clips
    except AudioModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    how = AdaptConfig(depths=tuple(options.depth))
    torch.set_num_threads(how.threads)
    unmet = listen(trained, [clip for clip in unmet_clips if clip.label is not None])
    lines = {name: line_of(name, trained, clips) for name in options.line}
    for line in lines.values():
        for depth in how.depths:
            # Once for all draws: what is drawn from these takes it along.
            line.marks.features(Depth(depth))
    # What RUN has learnt from: its config leaves the lines out.
    known = [clip for clip in clips if clip.corpus not in settings.data.leave_out]
    rehearsed = chosen_evenly(known, options.rehearse)
    rehearsal = listen(trained, rehearsed) if rehearsed else None
    results = read_results(options.output)
    done = {(of["line"], of["case"], of["draw"]) for of in results}
    for case, draw in cases(options.draws):
        if options.case and not case.startswith(tuple(options.case)):
            continue
        for name, line in lines.items():
            if (name, case, draw) in done:
                continue
            result = {"line": name, "case": case, "draw": draw}
            result |= measure(line, marks_of(line, case, draw), unmet, trained, how, rehearsal)
            results.append(result)
            print(json.dumps(result), file=sys.stderr, flush=True)
            if options.output:
                with options.output.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
    print("\n".join(table(HEAD, as_rows(results))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
