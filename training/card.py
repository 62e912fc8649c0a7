"""The model card, from a finished run: ``python -m training.card RUN --config CONFIG``.

Fills ``training/model_card.md`` with the figures of the run and writes ``MODEL_CARD.md``.
"""

import sys
from argparse import Namespace
from collections import Counter, defaultdict
from pathlib import Path
from string import Template

from audio_model.decision import DecisionRule
from audio_model.errors import UsageError
from audio_model.frontend import FRAMES_PER_SECOND
from training import checkpoint, config, report
from training.command import run_command
from training.corpus import Corpus
from training.export import front_end_flops
from training.files import write_atomically
from training.network import count_flops
from training.split import CLASS_NAMES, SplitName

TEMPLATE = Path(__file__).with_name("model_card.md")
OUTPUT = Path("MODEL_CARD.md")
SECONDS = 4.0


def operating_points(rule: DecisionRule) -> str:
    lines = [
        "| budget of false alarms | recorded at | live at | false alarms on dev | missed on dev |",
        "|---|---|---|---|---|",
    ]
    for p in rule.operating_points:
        lines.append(
            f"| {p.max_false_alarm:.1%} | {p.recorded_at:.4f} | {p.live_at:.4f} "
            f"| {p.false_alarm:.2%} | {p.miss:.1%} |"
        )
    return "\n".join(lines)


def data(corpus: Corpus) -> str:
    """A row a corpus: class, kinds, languages, clips by split, licences."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    licences: dict[tuple[str, str], set[str]] = defaultdict(set)
    languages: dict[tuple[str, str], set[str]] = defaultdict(set)
    parts = {name.value: corpus.clips(name) for name in SplitName} | {
        "dropped": corpus.split.dropped
    }
    for part, clips in parts.items():
        for clip in clips:
            key = CLASS_NAMES[clip.label], clip.corpus
            counts[key][part] += 1
            kinds[key].add(clip.kind)
            licences[key].add(clip.licence)
            languages[key].add(clip.language)
    lines = [
        "| class | corpus | what | languages | train | dev | test | dropped | licence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key in sorted(counts):
        spoken = sorted(languages[key])
        shown = ", ".join(spoken) if len(spoken) <= 4 else f"{len(spoken)} languages"
        cells = [*key, "; ".join(sorted(kinds[key])), shown]
        cells += [str(counts[key][part]) for part in parts]
        lines.append("| " + " | ".join([*cells, "; ".join(sorted(licences[key]))]) + " |")
    return "\n".join(lines)


def make(settings: config.Config, run: Path) -> str:
    """The text of the card. Raises UsageError if the run is not finished."""
    trained = checkpoint.load(run / "checkpoint.safetensors")
    if trained.decision is None or not trained.metrics:
        raise UsageError(f"{run}: not calibrated and evaluated yet")
    corpus = Corpus.load(settings)
    trained.check_manifest(corpus.manifest)
    recorded = {clip.group for clip in corpus.clips(SplitName.TRAIN) if clip.label == 1}
    n_frames = round(SECONDS * FRAMES_PER_SECOND)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        parameters=sum(p.numel() for p in trained.build().parameters()),
        mflop=f"{count_flops(trained.network, SECONDS) / 1e6:.0f}",
        front_end_mflop=f"{front_end_flops() * n_frames / 1e6:.0f}",
        kilobytes=round((run / "model.onnx").stat().st_size / 1000),
        weights_hash=f"`{trained.weights_hash}`",
        manifest_hash=f"`{trained.manifest_hash}`",
        report=report.as_markdown(trained.metrics),
        points=operating_points(trained.decision),
        data=data(corpus),
        recorded_voices=len(recorded),
    )


def write_card(options: Namespace) -> None:
    write_atomically(OUTPUT, make(config.load(options.config), options.run).encode())


def main(arguments: list[str] | None = None) -> int:
    return run_command("card", __doc__, arguments, write_card)


if __name__ == "__main__":
    sys.exit(main())
