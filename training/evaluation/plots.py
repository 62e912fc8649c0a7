"""Figures of a run, each a function from numbers to a PNG file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import ArrayLike

from audio_model.fitting.metrics import DetCurve, Reliability

# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CURVE_PANELS = {
    "loss": "loss (nats)",
    "accuracy": "share right in training",
    "dev_": "error rate on dev",
    "rate": "learning rate",
}
FEW_POINTS = 40
CLASSES = ((0, "live", COLOURS[0]), (1, "recorded", COLOURS[1]))
DET_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
DET_LIMITS = (0.0008, 0.55)
DET_CLIP = (1e-6, 1 - 1e-6)
"""Rates of 0 and 1 would lie at infinity: so they lie well outside the limits."""
HISTOGRAM_BINS = 40


def training_curves(rows: Sequence[Mapping[str, float]], output: Path) -> None:
    """Plot the log of a training run over its column ``epoch``.

    Columns whose names begin alike, by ``CURVE_PANELS``, share a panel; others are not drawn. A
    row need not hold every column, so a figure that is measured seldom may share the log.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    panels = {label: [c for c in columns if c.startswith(p)] for p, label in CURVE_PANELS.items()}
    panels = {label: names for label, names in panels.items() if names}
    with _figure(output, height=2.2 * len(panels) + 0.4) as figure:
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
        for axes, (label, names) in zip(grid[:, 0], panels.items(), strict=True):
            for colour, name in zip(COLOURS, names, strict=False):
                points = np.array([(row["epoch"], row[name]) for row in rows if name in row])
                marker = "o" if len(points) < FEW_POINTS else ""
                axes.plot(*points.T, color=colour, label=name, marker=marker, markersize=3)
            axes.set_ylabel(label)
            _finish(axes)
        grid[-1, 0].set_xlabel("epoch")


def det(curves: Mapping[str, DetCurve], output: Path) -> None:
    """Plot the miss rate over the false-alarm rate on probit axes, one curve for each name."""
    probit = np.vectorize(NormalDist().inv_cdf, otypes=[float])
    with _figure(output, width=5.2, height=5.2) as figure:
        axes = figure.subplots()
        axes.axline((0, 0), slope=1, color="0.7", linewidth=0.8, linestyle=":")
        for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
            axes.plot(
                probit(np.clip(curve.false_alarm, *DET_CLIP)),
                probit(np.clip(curve.miss, *DET_CLIP)),
                color=colour,
                label=name,
                drawstyle="steps-pre",
            )
        ticks, labels = probit(DET_TICKS), [f"{100 * tick:g}" for tick in DET_TICKS]
        axes.set_xticks(ticks, labels)
        axes.set_yticks(ticks, labels)
        axes.set_xlim(*probit(DET_LIMITS))
        axes.set_ylim(*probit(DET_LIMITS))
        axes.set_aspect("equal")
        axes.set_xlabel("false alarms (% of live clips flagged)")
        axes.set_ylabel("misses (% of recorded clips passed)")
        _finish(axes)


def reliability(bins: Reliability, output: Path) -> None:
    """Plot the share recorded over the probability given; the bars are the gaps of the ECE."""
    with _figure(output, width=4.8, height=4.8) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle=":", label="perfect")
        axes.vlines(
            bins.probability, bins.probability, bins.recorded, color=COLOURS[1], linewidth=1.5
        )
        axes.plot(
            bins.probability,
            bins.recorded,
            "o",
            color=COLOURS[0],
            label=f"{bins.weight.size} bins of equal weight, ECE {100 * bins.ece:.1f} %",
        )
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_aspect("equal")
        axes.set_xlabel("score (calibrated probability of recorded)")
        axes.set_ylabel("share recorded")
        _finish(axes)


def score_histogram(scores: ArrayLike, labels: ArrayLike, output: Path) -> None:
    """Plot scores of each class, as shares of the class on a logarithmic axis."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    with _figure(output, height=3.2) as figure:
        axes = figure.subplots()
        for label, name, colour in CLASSES:
            of_class = scores[labels == label]
            share = 100 * np.histogram(of_class, edges)[0] / max(of_class.size, 1)
            axes.stairs(share, edges, color=colour, fill=True, alpha=0.25)
            axes.stairs(share, edges, color=colour, label=f"{name} ({of_class.size} clips)")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlim(0, 1)
        axes.set_xlabel("score (calibrated probability of recorded)")
        axes.set_ylabel("% of the class's clips")
        _finish(axes)


def error_by_prefix(seconds: ArrayLike, rates: Mapping[str, Sequence[float]], output: Path) -> None:
    """Plot error rates by how much of the call was heard.

    A call that ends early is left out beyond its end.
    """
    with _figure(output) as figure:
        axes = figure.subplots()
        for colour, (name, values) in zip(COLOURS, rates.items(), strict=False):
            axes.plot(
                np.asarray(seconds)[: len(values)],
                100 * np.asarray(values),
                color=colour,
                label=name,
                marker="o",
                markersize=4,
            )
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("audio heard (s)")
        axes.set_ylabel("error rate (%)")
        _finish(axes)


@contextmanager
def _figure(output: Path, *, width: float = 6.4, height: float = 4.0) -> Iterator[Figure]:
    # Figure without pyplot: no display is asked for, nothing stays behind in a global.
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    yield figure
    figure.savefig(output, format="png")


def _finish(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
