"""Adapt the shipped network to marked calls: ``python -m training.adapt --config my.toml``.

Writes ``adapt.md`` and ``adapt.json`` to the run folder. If the new network scores calls that it
has not learnt from better, with confidence, and forgets little, it also writes
``checkpoint.safetensors`` and ``model.onnx``, with a rule tuned on those calls. Otherwise the old
network stays.

Exit status: 0 a new model is written, 1 the old one stays, 2 an error, 130 interrupted.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from audio_model.errors import AudioModelError, ModelError, OutputError
from audio_model.files import making, write_whole
from audio_model.fitting.own import tune_rule
from audio_model.line.hear import digest
from audio_model.line.learnt import ADAPTED_TO
from audio_model.rule import DecisionRule
from training import checkpoint
from training.adapt import report, settings
from training.adapt.calls import Calls, Marks, check_enough
from training.adapt.choose import weigh
from training.adapt.rehearsal import rehearsal_of
from training.adapt.run import Adapted, adapt
from training.adapt.settings import Settings
from training.augment import MatchedChannel
from training.checkpoint import CHECKPOINT, Checkpoint
from training.data import manifest as manifests
from training.data.manifest import Clip, Manifest
from training.data.scenes import load_call
from training.evaluation.infer import listen, matched, raw
from training.export import MODEL, export_model
from training.files import write_figures
from training.network import Network

STAYS = 1
"""Exit status where the old network stays."""


def adapt_run(given: Settings, run: Path) -> Adapted:
    """Adapt, and write the result. Raises AudioModelError."""
    how = given.adapt
    torch.set_num_threads(how.threads)
    base = checkpoint.load(how.base)
    if base.decision is None:
        raise ModelError(f"{how.base}: it holds no decision rule: run training.evaluate first")
    unmet = given.unmet.manifest and manifests.load(given.unmet.manifest)
    marked = manifests.load_all(given.data.manifests, strict=False)
    marks = Marks.of(marked, unmet or None)
    clips = marks.manifest.clips
    check_enough(clips, marks.left_out)
    network, seconds = base.build(), base.decision.max_seconds
    takes = raw([load_call(clip, seconds) for clip in clips])
    calls = with_voice(Calls(network, takes, seconds), marks)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {run}: {error.strerror}") from error
    with making(run / MODEL):
        apart = [marks.manifest, *([unmet] if unmet else [])]
        rehearsal = rehearsal_of(network, given.rehearsal, apart, seconds)
        general = hear_unmet(network, unmet, seconds) if unmet else []
        came = adapt(calls, general, base.decision.calibration, how, rehearsal)
        measured = report.figures(came, calls, marks, rehearsal)
        if came.is_new:
            new = checkpoint_of(came, base, given, marks.manifest, measured)
            new.save(run / CHECKPOINT)
            export_model(new, run / MODEL)
        else:
            # What an earlier adaptation left here would pass for the outcome of this one.
            for name in (CHECKPOINT, MODEL):
                (run / name).unlink(missing_ok=True)
        write_figures(run / "adapt.json", measured)
        write_whole(run / "adapt.md", report.as_markdown(measured))
    return came


def with_voice(calls: Calls, marks: Marks) -> Calls:
    """Return the calls with enough voice for a verdict. The others leave the marks.

    Raises UsageError if too few groups are left.
    """
    kept = []
    for number, heard in enumerate(calls.old):
        if len(heard.steps) and heard.voice_seconds[-1] >= DecisionRule.min_voice_seconds:
            kept.append(number)
        else:
            marks.left_out[heard.clip.name] = "it holds no voice"
    check_enough([calls.old[number].clip for number in kept], marks.left_out)
    return calls.some(kept)


def hear_unmet(network: Network, unmet: Manifest, seconds: float) -> list[Calls]:
    """Hear clips that show what is lost, as recorded and matched. Raises AudioError."""
    sounds = [load_call(clip, seconds) for clip in unmet.clips if clip.label is not None]
    takes = raw(sounds), matched(sounds, MatchedChannel(), seed=1)
    return [Calls(network, of, seconds) for of in takes]


def checkpoint_of(
    came: Adapted, base: Checkpoint, given: Settings, used: Manifest, measured: dict[str, Any]
) -> Checkpoint:
    """Return the new network with a rule tuned on answers to calls that were not learnt from.

    Raises AudioError.
    """
    assert base.decision is not None
    answers = weigh(came.trials[came.chosen].answers)
    how = replace(given.adapt, base=Path(given.adapt.base.name))
    return replace(
        base,
        weights=came.network.state_dict(),
        manifest_hash=used.hash,
        config={
            "adapted_from": base.weights_hash,
            ADAPTED_TO: sorted(known_by(used.clips, came.network, base.decision.max_seconds)),
            **json.loads(json.dumps(asdict(how), default=str)),
        },
        decision=tune_rule(answers, base.decision),
        metrics={"adapted": measured["held_out"]},
    )


def known_by(clips: Sequence[Clip], network: Network, seconds: float) -> Iterator[str]:
    """Yield what ``audio-model tune`` knows each call by, with this network. Raises AudioError."""
    for clip in clips:
        (part,) = listen(network, raw([load_call(clip, seconds)]), seconds)
        yield digest(part.samples)


def main(arguments: list[str] | None = None) -> int:
    """Adapt the network and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.adapt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, help="TOML file, see docs/training.md"
    )
    parser.add_argument("--run", type=Path, help="run folder (default: runs/CONFIG)")
    options = parser.parse_args(arguments)
    run: Path = options.run or Path("runs") / options.config.stem
    try:
        came = adapt_run(settings.load(options.config), run)
    except AudioModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted: {run} is as it was", file=sys.stderr)
        return 130
    print((run / "adapt.md").read_text(encoding="utf-8"))
    return 0 if came.is_new else STAYS


if __name__ == "__main__":
    sys.exit(main())
