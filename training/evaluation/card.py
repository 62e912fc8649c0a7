"""The model card of a finished run: ``python -m training.evaluation.card RUN --config FILE``.

Fills ``model_card.md`` beside this file with the figures of the run, and writes ``MODEL_CARD.md``.
"""

import json
import sys
from argparse import Namespace
from collections import defaultdict
from pathlib import Path
from string import Template

from audio_model.decision import DecisionRule
from audio_model.errors import UsageError
from audio_model.frontend import FRAMES_PER_SECOND
from training import checkpoint, config
from training.checkpoint import CHECKPOINT
from training.command import run_command
from training.config import Config, SplitConfig
from training.data.corpus import Corpus
from training.data.manifest import Clip
from training.data.split import CLASS_NAMES, SplitName
from training.evaluation import report
from training.export import front_end_flops
from training.files import write_atomically
from training.network import count_flops

TEMPLATE = Path(__file__).with_name("model_card.md")
OUTPUT = Path("MODEL_CARD.md")
SECONDS = 4.0


def operating_points(rule: DecisionRule) -> str:
    lines = [
        "| budget of false alarms | recorded at | live at | false alarms | missed |",
        "|---|---|---|---|---|",
    ]
    for p in rule.operating_points:
        lines.append(
            f"| {p.max_false_alarm:.1%} | {p.recorded_at:.4f} | {p.live_at:.4f} "
            f"| {p.false_alarm:.2%} | {p.miss:.1%} |"
        )
    return "\n".join(lines)


def data(corpus: Corpus, settings: SplitConfig) -> str:
    """A row a corpus: class, kinds, languages, fold, clips learnt from and left out, licences."""
    folds_of: dict[str, list[str]] = defaultdict(list)
    for fold in settings.folds:
        for name in {clip.corpus for clip in corpus.in_fold(fold).clips(SplitName.TEST)}:
            folds_of[name].append(fold)
    learnt = {clip.name for clip in corpus.clips(SplitName.TRAIN)}
    rows: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in corpus.manifest.clips:
        rows[CLASS_NAMES[clip.label], clip.corpus].append(clip)
    lines = [
        "| class | corpus | what | languages | voices | clips | learnt from | fold | licence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (label, name), clips in sorted(rows.items()):
        spoken = sorted({clip.language for clip in clips})
        cells = [
            label,
            name,
            "; ".join(sorted({clip.kind for clip in clips})),
            ", ".join(spoken) if len(spoken) <= 4 else f"{len(spoken)} languages",
            str(len({clip.group for clip in clips})),
            str(len(clips)),
            str(sum(clip.name in learnt for clip in clips)),
            ", ".join(folds_of[name]) or "-",
            "; ".join(sorted({clip.licence for clip in clips})),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def make(settings: Config, run: Path) -> str:
    """The text of the card. Raises UsageError if the run is not finished."""
    trained = checkpoint.load(run / CHECKPOINT)
    metrics = run / "metrics.json"
    if trained.decision is None or not trained.metrics or not metrics.exists():
        raise UsageError(f"{run}: not calibrated and evaluated yet")
    measured = json.loads(metrics.read_text(encoding="utf-8"))
    told = {
        name: (run / f"{name}.md").read_text(encoding="utf-8")
        if (run / f"{name}.md").exists()
        else f"Not measured: run `python -m training.{name}`."
        for name in ("peers", "audit")
    }
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
        report=report.as_markdown(measured, parts=[list(measured)[-1]]),
        points=operating_points(trained.decision),
        data=data(corpus, settings.split),
        recorded_voices=len(recorded),
        **told,
    )


def write_card(options: Namespace) -> None:
    write_atomically(OUTPUT, make(config.load(options.config), options.run).encode())


def main(arguments: list[str] | None = None) -> int:
    return run_command("card", __doc__, arguments, write_card)


if __name__ == "__main__":
    sys.exit(main())
