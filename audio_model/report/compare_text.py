"""A comparison as plain text and as plain values."""

from audio_model.errors import printable
from audio_model.report.compare import Comparison, Missing, Shifts
from audio_model.report.drift import Drift, Gap, SideSpread
from audio_model.report.slices import SliceBy, SliceKind
from audio_model.tables.results import Outcome, Result
from audio_model.tables.screen import aligned

QUANTILES = (0.05, 0.5, 0.95)
TENTHS = (0.1, 0.5, 0.9)
_SHOWN_GROUPS, _SHOWN_SHIFTS, _HELD_GROUPS = 10, 10, 1000


def as_text(comparison: Comparison) -> str:
    """Return the comparison as text for a terminal."""
    overall = comparison.overall
    if not overall.joined:
        drift = comparison.drift
        said = f"no recording in common ({drift.rows[0]:,} and {drift.rows[1]:,} rows)"
        return "\n\n".join([said, *_drift(drift)])
    parts = [aligned(_matrix(comparison))]
    parts.append(
        f"{overall.joined:,} in both: {overall.flips:,} verdicts flipped "
        f"({overall.flip_rate:.2%}), {comparison.opposite:,} from one class to the other"
    )
    if overall.mean is not None and overall.mean_size is not None:
        low, middle, high = (comparison.quantile(share) or 0.0 for share in QUANTILES)
        parts[-1] += (
            f"\nscore, new less old: mean {overall.mean:+z.4f}, mean size {overall.mean_size:.4f}; "
            f"5 % below {low:+z.3f}, half below {middle:+z.3f}, 5 % above {high:+z.3f}"
        )
    for each in comparison.slices:
        if len(each.groups) > 1:
            rows = [[printable(name), *_cells(group)] for name, group in each.shown(_SHOWN_GROUPS)]
            head = [slice_name(each.by), "both", "flipped", "shift", "size", "rec. old", "rec. new"]
            parts.append(aligned([head, *rows]))
    parts += _drift(comparison.drift)
    largest = [pair for pair in comparison.largest.sorted() if _moved(*pair)][:_SHOWN_SHIFTS]
    if largest:
        rows = [[_named(new), *_side(old), *_side(new)] for old, new in largest]
        parts.append(aligned([["largest shifts", "old", "", "new", ""], *rows]))
    for side, missing in (("old", comparison.only_old), ("new", comparison.only_new)):
        if missing.count:
            parts.append(_missing(side, missing))
    return "\n\n".join(parts)


def as_values(comparison: Comparison) -> dict[str, object]:
    """Return the comparison as values for JSON."""
    return {
        **_shift_values(comparison.overall),
        "opposite": comparison.opposite,
        "matrix": {
            old.value: {new.value: comparison.matrix[old, new] for new in Outcome}
            for old in Outcome
        },
        "quantiles": {f"{share:g}": comparison.quantile(share) for share in QUANTILES},
        "slices": [
            {
                "by": each.by.kind.value,
                "column": each.by.column or None,
                "groups": {name: _shift_values(group) for name, group in each.shown(_HELD_GROUPS)},
            }
            for each in comparison.slices
            if len(each.groups) > 1
        ],
        "largest": [
            {
                "path": new.path,
                "channel": new.channel or None,
                "old": _values(old),
                "new": _values(new),
            }
            for old, new in comparison.largest.sorted()
        ],
        "drift": {gap.name: gap_values(gap) for gap in comparison.drift.gaps()},
        "only_old": _missing_values(comparison.only_old),
        "only_new": _missing_values(comparison.only_new),
    }


def slice_name(by: SliceBy) -> str:
    """Return the name of a slice: its column, or folders."""
    return "folder" if by.kind is SliceKind.FOLDER else printable(by.column)


def _drift(drift: Drift) -> list[str]:
    rows = [
        [
            *(gap.name, *gap_sides(gap), f"{100 * gap.size:.1f}", f"{100 * gap.chance:.1f}"),
            "drift" if gap.is_drift else "",
        ]
        for gap in drift.gaps()
    ]
    head = ["all rows", "old", "new", "gap", "by chance", ""]
    return [aligned([head, *rows])] if rows else []


def gap_sides(gap: Gap) -> list[str]:
    """Return both sides of a gap: a number's median and outer tenths, or a kind's share."""
    of = gap.of
    if isinstance(of, SideSpread):
        return [
            "{1:.4g} ({0:.4g} to {2:.4g})".format(*(of.quantile(side, q) for q in TENTHS))
            for side in (0, 1)
        ]
    kind = of.most_changed
    return [f"{printable(kind)} {of.share(side, kind):.1%}" for side in (0, 1)]


def gap_values(gap: Gap) -> dict[str, object]:
    """Return a gap for JSON."""
    of = gap.of
    values: dict[str, object] = {"gap": gap.size, "by_chance": gap.chance, "drift": gap.is_drift}
    for side, name in enumerate(("old", "new")):
        if isinstance(of, SideSpread):
            values[name] = {f"{share:g}": of.quantile(side, share) for share in TENTHS}
        else:
            values[name] = {of.most_changed: of.share(side, of.most_changed)}
        values[f"{name}_calls"] = of.calls[side]
    return values


def _matrix(comparison: Comparison) -> list[list[str]]:
    rows = [["old \\ new", *Outcome, "all"]]
    for old in Outcome:
        counts = [comparison.matrix[old, new] for new in Outcome]
        rows.append([old, *(f"{count:,}" for count in counts), f"{sum(counts):,}"])
    totals = [sum(comparison.matrix[old, new] for old in Outcome) for new in Outcome]
    rows.append(["all", *(f"{count:,}" for count in totals), f"{sum(totals):,}"])
    return rows


def _cells(shifts: Shifts) -> list[str]:
    old, new = shifts.recorded
    mean = "" if shifts.mean is None else f"{shifts.mean:+z.4f}"
    size = "" if shifts.mean_size is None else f"{shifts.mean_size:.4f}"
    rates = [f"{count / shifts.joined:.1%}" for count in (old, new)]
    return [f"{shifts.joined:,}", f"{shifts.flip_rate:.2%}", mean, size, *rates]


def _side(result: Result) -> list[str]:
    return [result.outcome, "" if result.score is None else f"{result.score:.4f}"]


def _moved(old: Result, new: Result) -> bool:
    return old.score != new.score


def _named(result: Result) -> str:
    channel = f" ({printable(result.channel)})" if result.channel else ""
    return printable(result.path) + channel


def _missing(side: str, missing: Missing) -> str:
    names = [_named(result) for result in missing.examples]
    if missing.count > len(names):
        names.append("...")
    return "\n  ".join([f"only in {side}: {missing.count:,}", *names])


def _shift_values(shifts: Shifts) -> dict[str, object]:
    return {
        "joined": shifts.joined,
        "flips": shifts.flips,
        "flip_rate": shifts.flip_rate,
        "scored": shifts.scored,
        "mean_shift": shifts.mean,
        "mean_size": shifts.mean_size,
        "recorded_old": shifts.recorded[0],
        "recorded_new": shifts.recorded[1],
    }


def _values(result: Result) -> dict[str, object]:
    return {"verdict": result.outcome.value, "score": result.score}


def _missing_values(missing: Missing) -> dict[str, object]:
    return {"count": missing.count, "examples": [result.path for result in missing.examples]}
